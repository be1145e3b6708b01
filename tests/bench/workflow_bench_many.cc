// The start with many open runs, and a claim among many parked ones.
#include <sys/wait.h>

#include "tests/bench/workflow_bench.h"
#include "workflow/engine_core.h"

namespace purser::bench {
namespace {

// Behind the numbers of all that is submitted.
constexpr int64_t kFirstParked = 1'000'000'000;
// Of the parked runs, so many become due together; they lie far apart.
constexpr int64_t kDueAtOnce = 100;

// Copies one parked run `runs` times by SQL, as if each had begun and waited since. They become due
// from `due` on, `apart` from one another by kDueAtOnce.
absl::Status Park(Bench& bench, int64_t runs, absl::Time due, absl::Duration apart) {
  constexpr int64_t kRowsAtOnce = 100'000;
  const int64_t groups = std::max<int64_t>(1, runs / kDueAtOnce);
  const std::string due_of_i = absl::StrCat("CAST($2 AS BIGINT) + i * 7919 % ", groups, " * ",
                                            absl::ToInt64Microseconds(apart));
  for (int64_t first = 0; first < runs; first += kRowsAtOnce) {
    PURSER_RETURN_IF_ERROR(bench.database->Transact([&](Connection& connection) -> absl::Status {
      const std::string numbers = absl::StrCat("WITH RECURSIVE n (i) AS (SELECT CAST(", first,
                                               " AS BIGINT) UNION ALL SELECT i + 1 FROM "
                                               "n WHERE i + 1 < ",
                                               std::min(runs, first + kRowsAtOnce), ") ");
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          numbers + "INSERT INTO workflow_run (number, id, subject, definition_hash, input, "
                    "created_at) SELECT CAST($1 AS BIGINT) + i, 'park_' || i, 'park_' || i, "
                    "definition_hash, input, created_at FROM n, "
                    "(SELECT * FROM workflow_run WHERE id LIKE 'run%' LIMIT 1) r",
          {kFirstParked}));
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          numbers + "INSERT INTO workflow_event (sequence, count, run, previous, run_id, at, "
                    "events, outputs, hash) SELECT CAST($1 AS BIGINT) + i, count, "
                    "CAST($1 AS BIGINT) + i, 0, 'park_' || i, at, events, outputs, hash FROM n, "
                    "(SELECT * FROM workflow_event WHERE sequence < $1 LIMIT 1) e",
          {kFirstParked}));
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          absl::StrCat(numbers,
                       "INSERT INTO workflow_state (run, version, state, goal, message, outputs, "
                       "retries, sequence, updated_at, due, steps) SELECT CAST($1 AS BIGINT) + i, "
                       "version, state, goal, message, outputs, retries, CAST($1 AS BIGINT) + i, "
                       "updated_at, ",
                       due_of_i,
                       ", steps FROM n, (SELECT * FROM workflow_state WHERE run < $1 LIMIT 1) s"),
          {kFirstParked, absl::ToUnixMicros(due)}));
      return connection.ExecuteLater(
          absl::StrCat(numbers, "INSERT INTO workflow_queue (due, run) SELECT ", due_of_i,
                       " AS due, CAST($1 AS BIGINT) + i AS run FROM n ORDER BY due, run"),
          {kFirstParked, absl::ToUnixMicros(due)});
    }));
  }
  return absl::OkStatus();
}

absl::Status Fill(const std::string& where, int64_t runs) {
  Bench bench;
  PURSER_RETURN_IF_ERROR(Open(where, 4, bench));
  PURSER_ASSIGN_OR_RETURN(const auto engine, workflow::Engine::Open(bench.options));
  PURSER_RETURN_IF_ERROR(Submit(bench, *engine, 1, 3));
  return Park(bench, runs, absl::Now() - absl::Hours(1), absl::Microseconds(1));
}

}  // namespace

absl::StatusOr<json> OpenWith(const std::string& where, int64_t runs) {
  // By another process, whose memory is not this one's.
  const pid_t child = fork();
  if (child == 0) _exit(Fill(where, runs).ok() ? 0 : 1);
  int filled = 0;
  waitpid(child, &filled, 0);
  if (filled != 0) return absl::InternalError("the store was not filled");
  Bench bench;
  const double began = Seconds();
  PURSER_RETURN_IF_ERROR(Open(where, 4, bench));
  PURSER_ASSIGN_OR_RETURN(const auto engine, workflow::Engine::Open(bench.options));
  PURSER_RETURN_IF_ERROR(engine->Start());
  while (engine->Stats().calls == 0) base::Clock::System().SleepFor(absl::Microseconds(200), {});
  const double first = Seconds() - began;
  double resident = 0;
  while (bench.executor.ended < runs) {
    resident = std::max(resident, ResidentMebibytes());
    base::Clock::System().SleepFor(absl::Milliseconds(20), {});
  }
  const double took = Seconds() - began;
  engine->Stop();
  return json{{"firstCallSeconds", first},
              {"allDoneSeconds", took},
              {"residentMiB", resident},
              {"stepsPerSecond", static_cast<double>(runs * 3) / took}};
}

absl::StatusOr<json> ClaimAmong(const std::string& where, int64_t runs, int64_t rounds) {
  constexpr absl::Duration kApart = absl::Minutes(1);
  // What the runs do when they are claimed is not measured: its log is copied in between.
  constexpr absl::Duration kPause = absl::Milliseconds(200);
  Bench bench;
  PURSER_RETURN_IF_ERROR(Open(where, kDueAtOnce, bench));
  // Goes on when the bench says so: a minute passes between two claims.
  base::FakeClock clock(absl::Now());
  bench.options.clock = &clock;
  workflow::EngineCore core(bench.options, [](const std::string&) {});
  PURSER_RETURN_IF_ERROR(core.Init());
  PURSER_RETURN_IF_ERROR(Submit(bench, core, 1, 3));
  PURSER_RETURN_IF_ERROR(Park(bench, runs, core.Now() + kApart, kApart));
  PURSER_RETURN_IF_ERROR(core.Start());
  const auto drain = [&] {
    while (true) {
      if (auto task = core.Pop(); task != nullptr) {
        workflow::Outcome outcome;
        outcome.result.outputs = json::object();
        core.Finish(task, std::move(outcome), false, {}, absl::Milliseconds(20));
        continue;
      }
      if (!core.TryRound()) return;
    }
  };
  drain();
  std::vector<double> times;
  for (int64_t round = 0; round < rounds; ++round) {
    base::Clock::System().SleepFor(kPause, {});
    clock.Advance(kApart);
    // As its thread would: an engine that does not say that it lives begins nothing.
    PURSER_RETURN_IF_ERROR(core.Beat());
    core.OnTime();
    const int64_t before = core.Stats().calls;
    const double began = Seconds();
    core.TryRound();
    times.push_back((Seconds() - began) * 1e3);
    drain();
    if (const int64_t calls = core.Stats().calls - before; calls != 3 * kDueAtOnce) {
      return absl::InternalError(absl::StrCat("round ", round, " made ", calls, " calls"));
    }
  }
  return json{{"p50Ms", Percentile(times, 0.5)}, {"p99Ms", Percentile(times, 0.99)}};
}

}  // namespace purser::bench

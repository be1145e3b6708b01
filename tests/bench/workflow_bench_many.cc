// The start with many open runs, and a claim among many parked ones.
#include <sys/wait.h>

#include "tests/bench/workflow_bench.h"
#include "workflow/engine_core.h"

namespace purser::bench {
namespace {

// Behind the numbers of all that is submitted.
constexpr int64_t kFirstParked = 1'000'000'000;

// Copies one parked run `runs` times by SQL, as if so many waited for a day.
absl::Status Park(Bench& bench, int64_t runs, absl::Time due) {
  constexpr int64_t kRowsAtOnce = 100'000;
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
          numbers + "INSERT INTO workflow_state (run, version, state, goal, message, outputs, "
                    "retries, sequence, updated_at, due, steps) SELECT CAST($1 AS BIGINT) + i, "
                    "version, state, goal, message, outputs, retries, sequence, updated_at, "
                    "CAST($2 AS BIGINT) + i, steps FROM n, "
                    "(SELECT * FROM workflow_state WHERE run < $1 LIMIT 1) s",
          {kFirstParked, absl::ToUnixMicros(due)}));
      return connection.ExecuteLater(numbers +
                                         "INSERT INTO workflow_queue (due, run) SELECT "
                                         "CAST($2 AS BIGINT) + i, CAST($1 AS BIGINT) + i FROM n",
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
  return Park(bench, runs, absl::Now() - absl::Hours(1));
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
  constexpr int64_t kDue = 100;
  Bench bench;
  PURSER_RETURN_IF_ERROR(Open(where, kDue, bench));
  workflow::EngineCore core(bench.options, [](const std::string&) {});
  PURSER_RETURN_IF_ERROR(core.Init());
  PURSER_RETURN_IF_ERROR(Submit(bench, core, 1, 3));
  const absl::Time later = absl::Now() + absl::Hours(24);
  PURSER_RETURN_IF_ERROR(Park(bench, runs, later));
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
    // As its thread would: an engine that does not say that it lives begins nothing.
    PURSER_RETURN_IF_ERROR(core.Beat());
    // Some in the middle of the others become due.
    PURSER_RETURN_IF_ERROR(bench.database->Transact([&](Connection& connection) -> absl::Status {
      for (int64_t i = 0; i < kDue; ++i) {
        const int64_t number = (round * 7919 + i * (runs / kDue)) % runs;
        const int64_t now = absl::ToUnixMicros(core.Now());
        PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
            "UPDATE workflow_queue SET due = $1 WHERE due = $2 AND run = $3",
            {now, absl::ToUnixMicros(later) + number, kFirstParked + number}, 1));
        PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
            "UPDATE workflow_state SET due = $1 WHERE run = $2", {now, kFirstParked + number}, 1));
      }
      return absl::OkStatus();
    }));
    core.Submitted();
    const double began = Seconds();
    core.TryRound();
    times.push_back((Seconds() - began) * 1e3);
    drain();
  }
  return json{{"p50Ms", Percentile(times, 0.5)}, {"p99Ms", Percentile(times, 0.99)}};
}

}  // namespace purser::bench

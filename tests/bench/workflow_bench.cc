// What the durable engine costs: runs of steps that do nothing, on a real store.
//
//   workflow_bench serve                                   starts a PostgreSQL, says its URL, waits
//   workflow_bench flight <store> <runs> <steps> <workers> runs all at once
//   workflow_bench one <store> <runs> <steps>              one run after another
//   workflow_bench open <store> <runs>                     opens a store with so many open runs
//   workflow_bench claim <store> <runs> <rounds>           claims 100 due runs among so many parked
//   workflow_bench death <store>                           how long a dead engine's work waits
//   workflow_bench restarts <count>                        a PostgreSQL restarted under load
//   workflow_bench disk <folder>                           what the disk takes to keep 16 KiB
//
// <store> is a folder (SQLite) or a URL. Each prints one line of JSON.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "store/testing/postgres_server.h"
#include "workflow/engine.h"
#include "workflow/engine_core.h"

namespace {

namespace base = purser::base;
namespace store = purser::store;
namespace workflow = purser::workflow;
using nlohmann::json;
using store::Connection;

constexpr int kBatch = 64;
constexpr size_t kOutputBytes = 256;

double Seconds() { return absl::ToDoubleSeconds(base::Clock::System().Monotonic()); }

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentMebibytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

double Percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(part * static_cast<double>(values.size())))];
}

json Body(int steps) {
  json list = json::array();
  for (int i = 0; i < steps; ++i) {
    json step = {{"id", absl::StrCat("s", i)}};
    if (i > 0) step["needs"] = {absl::StrCat("s", i - 1)};
    list.push_back(std::move(step));
  }
  return {{"name", "bench"}, {"steps", std::move(list)}};
}

std::shared_ptr<const workflow::Definition> Build(const json& body) {
  auto definition = std::make_shared<workflow::Definition>();
  definition->name = "bench";
  definition->hash = base::Sha256Hex(body.dump());
  for (const json& text : body["steps"]) {
    workflow::StepDefinition step;
    step.id = text["id"];
    step.uses = "core/noop";
    step.needs = text.value("needs", std::vector<std::string>());
    definition->steps.push_back(std::move(step));
  }
  return definition;
}

// Steps that do nothing but give 256 bytes; notes the time between the end of one and the start of
// the next of the same run when there is one run at a time.
class NoopExecutor final : public workflow::StepExecutor, public workflow::RunObserver {
 public:
  bool measure = false;
  std::function<void()> before_call;
  std::vector<double> gaps;  // milliseconds; of one thread at a time
  std::atomic<int64_t> ended{0};

  absl::StatusOr<std::shared_ptr<const workflow::Definition>> Parse(
      absl::string_view, absl::string_view body) override {
    return Build(json::parse(body.begin(), body.end()));
  }
  absl::StatusOr<workflow::StepTraits> Traits(const workflow::StepDefinition&,
                                              workflow::Direction) override {
    return workflow::StepTraits();
  }
  absl::StatusOr<workflow::Prepared> Prepare(const workflow::RunView&,
                                             const workflow::StepDefinition&) override {
    return workflow::Prepared{false, json::object()};
  }
  absl::StatusOr<workflow::CallResult> Call(const workflow::StepCall& call,
                                            workflow::CallContext&) override {
    if (before_call) before_call();
    if (measure) {
      base::MutexLock lock(mutex_);
      if (!call.step.needs.empty()) gaps.push_back((Seconds() - last_end_) * 1e3);
      last_end_ = Seconds();
    }
    workflow::CallResult result;
    result.outputs = outputs_;
    return result;
  }
  absl::StatusOr<std::optional<workflow::CallResult>> Probe(const workflow::StepCall&,
                                                            workflow::CallContext&) override {
    return std::optional<workflow::CallResult>();
  }
  absl::StatusOr<workflow::CallResult> Observe(const workflow::StepCall&,
                                               const workflow::CallResult& previous,
                                               workflow::CallContext&) override {
    return previous;
  }
  absl::StatusOr<json> Finish(const workflow::RunView&) override { return json::object(); }

  absl::Status OnRunState(Connection&, const workflow::RunRecord& run,
                          const workflow::RunView&) override {
    if (IsFinal(run.state)) ended_of_round_.fetch_add(1);
    return absl::OkStatus();
  }
  absl::Status OnStepResult(Connection&, const workflow::RunRecord&,
                            const workflow::StepDefinition&, workflow::Direction,
                            const workflow::CallResult&) override {
    return absl::OkStatus();
  }
  void OnCommitted() override { ended.store(ended_of_round_.load()); }

 private:
  // Made once: what is measured is the engine.
  const json outputs_ = {{"text", std::string(kOutputBytes - 11, 'x')}};
  base::Mutex mutex_;
  double last_end_ = 0;
  std::atomic<int64_t> ended_of_round_{0};
};

struct Bench {
  std::unique_ptr<store::Database> database;
  NoopExecutor executor;
  workflow::EngineOptions options;
};

absl::Status Open(const std::string& where, int workers, Bench& bench) {
  if (store::IsPostgresUrl(where)) {
    store::PostgresOptions options;
    options.url = where;
    PURSER_ASSIGN_OR_RETURN(bench.database, store::OpenPostgres(options));
  } else {
    store::SqliteOptions options;
    options.path = where + "/bench.db";
    PURSER_ASSIGN_OR_RETURN(bench.database, store::OpenSqlite(options));
  }
  bench.options.database = bench.database.get();
  bench.options.clock = &base::Clock::System();
  bench.options.rng = &base::Rng::System();
  bench.options.executor = &bench.executor;
  bench.options.observer = &bench.executor;
  bench.options.workers = workers;
  return absl::OkStatus();
}

workflow::NewRun MakeRun(int64_t number, const std::string& body,
                         const std::shared_ptr<const workflow::Definition>& definition) {
  workflow::NewRun run;
  run.id = absl::StrCat("run_", absl::Hex(getpid()), "_", absl::Dec(number, absl::kZeroPad10));
  run.subject = absl::StrCat("req_", absl::Hex(getpid()), "_", absl::Dec(number, absl::kZeroPad10));
  run.definition = definition;
  run.body = body;
  run.input = {{"n", number}};
  return run;
}

template <typename EngineType>
absl::Status Submit(Bench& bench, EngineType& engine, int64_t runs, int steps) {
  const json body = Body(steps);
  const auto definition = Build(body);
  const std::string text = body.dump();
  for (int64_t first = 0; first < runs; first += kBatch) {
    PURSER_RETURN_IF_ERROR(bench.database->Transact([&](Connection& connection) -> absl::Status {
      for (int64_t i = first; i < std::min<int64_t>(runs, first + kBatch); ++i) {
        PURSER_RETURN_IF_ERROR(engine.Begin(connection, MakeRun(i, text, definition)));
      }
      return absl::OkStatus();
    }));
  }
  return absl::OkStatus();
}

absl::StatusOr<json> Flight(const std::string& where, int64_t runs, int steps, int workers) {
  Bench bench;
  PURSER_RETURN_IF_ERROR(Open(where, workers, bench));
  PURSER_ASSIGN_OR_RETURN(const auto engine, workflow::Engine::Open(bench.options));
  const double began = Seconds();
  const double cpu = CpuSeconds();
  PURSER_RETURN_IF_ERROR(Submit(bench, *engine, runs, steps));
  const double submitted = Seconds();
  const double cpu_of_submits = CpuSeconds() - cpu;
  PURSER_RETURN_IF_ERROR(engine->Start());
  while (bench.executor.ended < runs) {
    base::Clock::System().SleepFor(absl::Milliseconds(1), {});
  }
  const double took = Seconds() - began;
  const double used = CpuSeconds() - cpu;
  engine->Stop();
  const double all = static_cast<double>(runs * steps);
  return json{{"stepsPerSecond", all / took},
              {"stepsPerCpuSecond", all / used},
              {"runStepsPerSecond", all / (took - (submitted - began))},
              {"runStepsPerCpuSecond", all / (used - cpu_of_submits)},
              {"submitsPerSecond", static_cast<double>(runs) / (submitted - began)},
              {"cores", used / took}};
}

absl::StatusOr<json> OneAfterAnother(const std::string& where, int64_t runs, int steps) {
  Bench bench;
  PURSER_RETURN_IF_ERROR(Open(where, 1, bench));
  bench.executor.measure = true;
  PURSER_ASSIGN_OR_RETURN(const auto engine, workflow::Engine::Open(bench.options));
  PURSER_RETURN_IF_ERROR(engine->Start());
  const json body = Body(steps);
  const auto definition = Build(body);
  const std::string text = body.dump();
  const double began = Seconds();
  uint64_t mark = 0;
  for (int64_t i = 0; i < runs; ++i) {
    PURSER_RETURN_IF_ERROR(bench.database->Transact([&](Connection& connection) {
      return engine->Begin(connection, MakeRun(i, text, definition));
    }));
    engine->Committed();
    while (bench.executor.ended < i + 1) mark = engine->WaitForEvents(mark, {});
  }
  const double took = Seconds() - began;
  engine->Stop();
  std::vector<double>& gaps = bench.executor.gaps;
  return json{{"stepsPerSecond", static_cast<double>(runs * steps) / took},
              {"overheadP50Ms", Percentile(gaps, 0.5)},
              {"overheadP99Ms", Percentile(gaps, 0.99)}};
}

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

// A process dies in the middle of a call; until the call is made again by another.
absl::StatusOr<json> Death(const std::string& where) {
  int inside[2];
  if (pipe(inside) != 0) return absl::InternalError("pipe");
  const pid_t child = fork();
  if (child == 0) {
    Bench bench;
    if (!Open(where, 1, bench).ok()) _exit(1);
    bench.executor.before_call = [&] {
      if (write(inside[1], "x", 1) != 1) _exit(1);
      while (true) pause();
    };
    const auto engine = workflow::Engine::Open(bench.options);
    if (!engine.ok() || !Submit(bench, **engine, 1, 1).ok() || !(*engine)->Start().ok()) _exit(1);
    while (true) pause();
  }
  char ready = 0;
  close(inside[1]);
  if (read(inside[0], &ready, 1) != 1) return absl::InternalError("the first engine did not begin");
  Bench bench;
  PURSER_RETURN_IF_ERROR(Open(where, 1, bench));
  std::atomic<bool> called{false};
  bench.executor.before_call = [&] { called = true; };
  PURSER_ASSIGN_OR_RETURN(const auto engine, workflow::Engine::Open(bench.options));
  PURSER_RETURN_IF_ERROR(engine->Start());
  // Long enough to have heard of the other.
  base::Clock::System().SleepFor(bench.options.beat * 2, {});
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const double died = Seconds();
  while (!called) base::Clock::System().SleepFor(absl::Milliseconds(1), {});
  const double took = Seconds() - died;
  engine->Stop();
  return json{{"seconds", took}};
}

// Keeps runs waiting for the engine until told to stop. What a server that is away does not take is
// tried again.
void KeepBusy(Bench& bench, workflow::Engine& engine, const std::atomic<bool>& stop) {
  constexpr int64_t kAhead = 3000;
  const json body = Body(5);
  const auto definition = Build(body);
  const std::string text = body.dump();
  int64_t next = 0;
  while (!stop) {
    if (next - bench.executor.ended > kAhead) {
      base::Clock::System().SleepFor(absl::Milliseconds(1), {});
      continue;
    }
    const absl::Status status = bench.database->Transact([&](Connection& connection) {
      absl::Status begun;
      for (int64_t i = next; i < next + kBatch && begun.ok(); ++i) {
        begun = engine.Begin(connection, MakeRun(i, text, definition));
      }
      return begun;
    });
    if (!status.ok() && !absl::IsAlreadyExists(status)) continue;
    next += kBatch;
    engine.Committed();
  }
}

absl::StatusOr<json> Restarts(int64_t count) {
  PURSER_ASSIGN_OR_RETURN(const auto server, store::PostgresServer::Start(/*durable=*/true));
  PURSER_ASSIGN_OR_RETURN(const std::string url, server->NewDatabase());
  Bench bench;
  PURSER_RETURN_IF_ERROR(Open(url, 2, bench));
  PURSER_ASSIGN_OR_RETURN(const auto engine, workflow::Engine::Open(bench.options));
  PURSER_RETURN_IF_ERROR(engine->Start());
  std::atomic<bool> stop{false};
  std::thread load([&] { KeepBusy(bench, *engine, stop); });
  const auto rate = [&] {
    const double began = Seconds();
    const int64_t calls = engine->Stats().calls;
    base::Clock::System().SleepFor(absl::Seconds(1), {});
    return static_cast<double>(engine->Stats().calls - calls) / (Seconds() - began);
  };
  base::Clock::System().SleepFor(absl::Seconds(1), {});
  std::vector<double> parts;
  absl::Status status;
  for (int64_t i = 0; i < count && status.ok(); ++i) {
    const double before = rate();
    const double began = Seconds();
    status = server->Restart();
    base::Clock::System().SleepFor(absl::Seconds(3) - absl::Seconds(Seconds() - began), {});
    parts.push_back(rate() / before);
  }
  stop = true;
  load.join();
  engine->Stop();
  PURSER_RETURN_IF_ERROR(status);
  return json{{"restarts", count},
              {"partP50", Percentile(parts, 0.5)},
              {"partLeast", Percentile(parts, 0)}};
}

// The same as a commit does to the log: a few pages over ones that are there, then a sync.
absl::StatusOr<json> Disk(const std::string& folder) {
  constexpr size_t kPages = 16 << 10;
  constexpr int kWrites = 500;
  const std::string file = folder + "/disk";
  const int fd = open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return absl::InternalError("open " + file);
  const std::string pages(kPages, 'x');
  std::vector<double> times;
  for (int pass = 0; pass < 2; ++pass) {
    times.clear();
    for (int i = 0; i < kWrites; ++i) {
      if (pwrite(fd, pages.data(), kPages, static_cast<off_t>(i * kPages)) !=
          static_cast<ssize_t>(kPages)) {
        return absl::InternalError("write " + file);
      }
      const double began = Seconds();
      fdatasync(fd);
      times.push_back((Seconds() - began) * 1e3);
    }
  }
  close(fd);
  return json{{"p50Ms", Percentile(times, 0.5)}, {"p99Ms", Percentile(times, 0.99)}};
}

absl::StatusOr<json> Serve() {
  PURSER_ASSIGN_OR_RETURN(const auto server, store::PostgresServer::Start(/*durable=*/true));
  PURSER_ASSIGN_OR_RETURN(const std::string url, server->NewDatabase());
  std::cout << json{{"url", url}, {"folder", server->folder()}}.dump() << std::endl;
  std::string line;
  while (std::getline(std::cin, line)) {
    PURSER_ASSIGN_OR_RETURN(const std::string next, server->NewDatabase());
    std::cout << json{{"url", next}, {"folder", server->folder()}}.dump() << std::endl;
  }
  return json{{"ended", true}};
}

int64_t Number(const std::vector<std::string>& words, size_t index) {
  int64_t value = 0;
  if (index >= words.size() || !absl::SimpleAtoi(words[index], &value)) return 0;
  return value;
}

absl::StatusOr<json> Main(const std::vector<std::string>& words) {
  const std::string what = words.empty() ? "" : words[0];
  const std::string where = words.size() > 1 ? words[1] : "";
  if (what == "serve") return Serve();
  if (what == "flight") {
    return Flight(where, Number(words, 2), static_cast<int>(Number(words, 3)),
                  static_cast<int>(Number(words, 4)));
  }
  if (what == "one") {
    return OneAfterAnother(where, Number(words, 2), static_cast<int>(Number(words, 3)));
  }
  if (what == "death") return Death(where);
  if (what == "disk") return Disk(where);
  if (what == "restarts") return Restarts(Number(words, 1));
  if (what == "open") return OpenWith(where, Number(words, 2));
  if (what == "claim") return ClaimAmong(where, Number(words, 2), Number(words, 3));
  return absl::InvalidArgumentError("see the first lines of workflow_bench.cc");
}

}  // namespace

int main(int argc, char** argv) {
  const absl::StatusOr<json> result = Main(std::vector<std::string>(argv + 1, argv + argc));
  if (!result.ok()) {
    std::cerr << result.status() << std::endl;
    return 1;
  }
  std::cout << result->dump() << std::endl;
  return 0;
}

// What the parts of workflow_bench share: runs of steps that do nothing, on a real store.
#ifndef PURSER_TESTS_BENCH_WORKFLOW_BENCH_H_
#define PURSER_TESTS_BENCH_WORKFLOW_BENCH_H_

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "nlohmann/json.hpp"
#include "store/store.h"
#include "workflow/engine.h"

namespace purser::bench {

using nlohmann::json;
using store::Connection;

inline constexpr int kBatch = 64;
inline constexpr size_t kOutputBytes = 256;

inline double Seconds() { return absl::ToDoubleSeconds(base::Clock::System().Monotonic()); }

inline double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

inline double ResidentMebibytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
}

inline double Percentile(std::vector<double>& values, double part) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<size_t>(part * static_cast<double>(values.size())))];
}

inline json Body(int steps) {
  json list = json::array();
  for (int i = 0; i < steps; ++i) {
    json step = {{"id", absl::StrCat("s", i)}};
    if (i > 0) step["needs"] = {absl::StrCat("s", i - 1)};
    list.push_back(std::move(step));
  }
  return {{"name", "bench"}, {"steps", std::move(list)}};
}

inline std::shared_ptr<const workflow::Definition> Build(const json& body) {
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

inline absl::Status Open(const std::string& where, int workers, Bench& bench) {
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

inline workflow::NewRun MakeRun(int64_t number, const std::string& body,
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

// Opens a store with so many open runs, and performs them.
absl::StatusOr<json> OpenWith(const std::string& where, int64_t runs);
// Claims 100 due runs among so many parked ones, again and again.
absl::StatusOr<json> ClaimAmong(const std::string& where, int64_t runs, int64_t rounds);
// How long the call of a dead engine waits.
absl::StatusOr<json> Death(const std::string& where);
// A PostgreSQL restarted under load.
absl::StatusOr<json> Restarts(int64_t count);

}  // namespace purser::bench

#endif  // PURSER_TESTS_BENCH_WORKFLOW_BENCH_H_

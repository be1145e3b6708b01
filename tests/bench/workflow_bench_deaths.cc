// How long work waits for an engine that died, and for a server that was away.
#include <signal.h>
#include <sys/wait.h>

#include <algorithm>
#include <numeric>
#include <thread>
#include <vector>

#include "store/testing/postgres_server.h"
#include "tests/bench/workflow_bench.h"

namespace purser::bench {
namespace {

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

}  // namespace

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

// How soon the rate of before is reached after the server takes connections again, which is when
// its own recovery ends. The rate before is that of three seconds; what is reached is the best
// second of the three that follow, and beside it their last. What the machine itself does meanwhile
// is seen by the same comparison of three seconds and the three before, without a restart between.
absl::StatusOr<json> Restarts(int64_t count) {
  constexpr absl::Duration kSample = absl::Milliseconds(250);
  constexpr int kSecond = 4;  // samples
  constexpr int kSeconds = 3;
  constexpr double kGoodPart = 0.95;
  PURSER_ASSIGN_OR_RETURN(const auto server, store::PostgresServer::Start(/*durable=*/true));
  PURSER_ASSIGN_OR_RETURN(const std::string url, server->NewDatabase());
  Bench bench;
  PURSER_RETURN_IF_ERROR(Open(url, 2, bench));
  PURSER_ASSIGN_OR_RETURN(const auto engine, workflow::Engine::Open(bench.options));
  PURSER_RETURN_IF_ERROR(engine->Start());
  std::atomic<bool> stop{false};
  std::thread load([&] { KeepBusy(bench, *engine, stop); });
  // Calls in each of the samples of three seconds.
  const auto watch = [&] {
    std::vector<double> samples;
    for (int i = 0; i < kSeconds * kSecond; ++i) {
      const int64_t calls = engine->Stats().calls;
      base::Clock::System().SleepFor(kSample, {});
      samples.push_back(static_cast<double>(engine->Stats().calls - calls));
    }
    return samples;
  };
  const auto sum = [](auto from, auto to) { return std::accumulate(from, to, 0.0); };
  base::Clock::System().SleepFor(absl::Seconds(1), {});
  const auto best_part = [&](const std::vector<double>& before, const std::vector<double>& after) {
    double best = 0;
    for (auto at = after.begin(); at + kSecond <= after.end(); ++at) {
      best = std::max(best, sum(at, at + kSecond));
    }
    return best * kSeconds / sum(before.begin(), before.end());
  };
  std::vector<double> parts;
  std::vector<double> control;
  std::vector<double> last_parts;
  std::vector<double> away;
  absl::Status status;
  for (int64_t i = 0; i < count && status.ok(); ++i) {
    const std::vector<double> earlier = watch();
    const std::vector<double> before = watch();
    control.push_back(best_part(earlier, before));
    const double began = Seconds();
    status = server->Restart();
    away.push_back(Seconds() - began);
    const std::vector<double> after = watch();
    parts.push_back(best_part(before, after));
    last_parts.push_back(sum(after.end() - kSecond, after.end()) * kSeconds /
                         sum(before.begin(), before.end()));
  }
  stop = true;
  load.join();
  engine->Stop();
  PURSER_RETURN_IF_ERROR(status);
  const auto good = [](double part) { return part >= kGoodPart; };
  return json{{"restarts", count},
              {"good", std::count_if(parts.begin(), parts.end(), good)},
              {"goodWithoutRestart", std::count_if(control.begin(), control.end(), good)},
              {"partP50", Percentile(parts, 0.5)},
              {"partLeast", Percentile(parts, 0)},
              {"lastPartP50", Percentile(last_parts, 0.5)},
              {"serverAwayP50Seconds", Percentile(away, 0.5)}};
}

}  // namespace purser::bench

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
#include "tests/bench/workflow_bench.h"

#include <fcntl.h>

#include <iostream>

#include "absl/strings/numbers.h"
#include "store/testing/postgres_server.h"

namespace purser::bench {
namespace {

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

}  // namespace

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

}  // namespace purser::bench

int main(int argc, char** argv) {
  const auto result = purser::bench::Main(std::vector<std::string>(argv + 1, argv + argc));
  if (!result.ok()) {
    std::cerr << result.status() << std::endl;
    return 1;
  }
  std::cout << result->dump() << std::endl;
  return 0;
}

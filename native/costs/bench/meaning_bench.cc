// Measures what a store of one year of costs answers, and what a bill takes whose every row has a
// resource of its own:
//
//   costs_meaning_bench FOLDER [ENTITIES] [MONTHS]
//   costs_meaning_bench FOLDER resources ROWS
//
// The first writes monthly bills (each entity charged daily by two services), reads them, then
// times one day's re-statement, allocation of all history anew, a group's daily series and the
// top 20. One JSON line.
#include <sys/resource.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "costs/service.h"
#include "json/json.h"

namespace {

using purser::costs::Dimension;

class NoResources final : public purser::costs::ResourceIndex {
 public:
  absl::StatusOr<std::optional<std::string>> EntityOf(absl::string_view) override {
    return std::nullopt;
  }
};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// CPU time of the process, which the load of the machine does not change.
double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status << "\n";
  std::exit(1);
}

void WriteBill(const std::string& path, int month, int entities, int version) {
  std::ofstream file(path);
  file << "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
          "ChargeCategory,ServiceName,RegionId,ResourceId,SubAccountId,InvoiceId,Tags\n";
  const absl::CivilDay first(2025, month, 1);
  const absl::CivilDay end = absl::CivilDay(absl::CivilMonth(first) + 1);
  for (absl::CivilDay day = first; day < end; ++day) {
    for (int entity = 0; entity < entities; ++entity) {
      for (const char* service : {"Compute", "Storage"}) {
        // A re-statement changes one day.
        const int extra = day.day() == 15 ? version : 0;
        const std::string cost = absl::StrCat((entity * 31 + day.day() * 7 + extra) % 97, ".",
                                              entity % 9, "123456", extra);
        file << cost << ',' << cost << ",USD," << first << ',' << day << "T00:00:00Z,Usage,"
             << service << ",eu-" << entity % 3 << ",res-" << entity << ',' << entity % 200
             << ",inv-" << month << ",\"{\"\"entity\"\":\"\"component:default/c" << entity
             << "\"\"}\"\n";
      }
    }
  }
}

void WriteResources(const std::string& path, int rows) {
  std::ofstream file(path);
  file << "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
          "ChargeCategory,ServiceName,RegionId,ResourceId,SubAccountId,InvoiceId,Tags\n";
  uint64_t id = 1;
  for (int i = 0; i < rows; ++i) {
    id = id * 6364136223846793005u + 1442695040888963407u;
    const std::string cost = absl::StrCat(i % 97, ".", 100'000 + i % 900'000);
    file << cost << ',' << cost << ",USD,2025-06-01,"
         << absl::CivilDay(2025, 6, 1 + static_cast<int>(int64_t{i} * 30 / rows)) << ",Usage,Svc"
         << i % 20 << ",eu-" << i % 3 << ",arn:aws:lambda:eu-west-1:123456789012:function/"
         << absl::StrCat(absl::Hex(id, absl::kZeroPad16)) << '-' << i << ',' << i % 200
         << ",inv-6,\"{\"\"entity\"\":\"\"component:default/c" << i % 50 << "\"\",\"\"run\"\":\"\""
         << i << "\"\"}\"\n";
  }
}

constexpr char kRules[] = R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - { name: entity, tag: entity }
)";

template <typename Work>
nlohmann::json Percentiles(int rounds, const Work& work) {
  std::vector<double> times, cpu;
  for (int i = 0; i < rounds; ++i) {
    const double start = Seconds();
    const double cpu_start = CpuSeconds();
    work(i);
    cpu.push_back((CpuSeconds() - cpu_start) * 1000);
    times.push_back((Seconds() - start) * 1000);
  }
  std::sort(times.begin(), times.end());
  std::sort(cpu.begin(), cpu.end());
  return {{"p50Ms", times[times.size() / 2]},
          {"p99Ms", times[times.size() * 99 / 100]},
          {"p50CpuMs", cpu[cpu.size() / 2]},
          {"p99CpuMs", cpu[cpu.size() * 99 / 100]}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::cerr << "costs_meaning_bench FOLDER [ENTITIES] [MONTHS]\n";
    return 2;
  }
  const std::string folder = argv[1];
  const bool of_resources = argc > 3 && std::string(argv[2]) == "resources";
  const int entities = argc > 2 ? std::atoi(argv[2]) : 10'000;
  const int months = argc > 3 ? std::atoi(argv[3]) : 12;
  std::filesystem::create_directories(folder);
  auto database = purser::store::OpenSqlite({.path = folder + "/bench.db"});
  Check(database.status());
  NoResources resources;
  const auto open = [&](const std::string& rules) {
    auto allocation = purser::costs::Allocation::Parse(rules, "rules.yaml");
    Check(allocation.status());
    auto service = purser::costs::CostService::Open({.database = database->get(),
                                                     .resources = &resources,
                                                     .clock = &purser::base::Clock::System(),
                                                     .allocation = *allocation,
                                                     .quarantine_folder = folder + "/q"});
    Check(service.status());
    return *std::move(service);
  };
  const auto peak_rss = [] {
    struct rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
  };
  auto service = open(kRules);
  if (of_resources) {
    const std::string path = folder + "/resources.csv";
    WriteResources(path, std::atoi(argv[3]));
    const double start = Seconds();
    Check(service->Ingest({.source = "cloud", .paths = {path}}).status());
    std::cout << purser::json::Dump({{"rows", std::atoi(argv[3])},
                                     {"ingestSeconds", Seconds() - start},
                                     {"peakRssMiB", peak_rss()}})
              << "\n";
    return 0;
  }
  std::vector<purser::costs::GraphEntity> graph;
  for (int i = 0; i < entities; ++i) {
    graph.push_back({.ref = absl::StrCat("component:default/c", i),
                     .owner = absl::StrCat("group:default/g", i % 100),
                     .system = absl::StrCat("system:default/s", i % 1000)});
  }
  for (int i = 0; i < 100; ++i) {
    graph.push_back({.ref = absl::StrCat("group:default/g", i), .parent = "group:default/all"});
  }
  const auto entity_graph = purser::costs::EntityGraph::Create(graph);
  Check(entity_graph.status());
  Check(service->PutGraph(*entity_graph));
  nlohmann::json result = {{"entities", entities}, {"months", months}};

  double ingest = 0;
  for (int month = 1; month <= months; ++month) {
    const std::string path = folder + "/bill.csv";
    WriteBill(path, month, entities, 0);
    const double start = Seconds();
    Check(service->Ingest({.source = "cloud", .paths = {path}}).status());
    ingest += Seconds() - start;
  }
  result["ingestYearSeconds"] = ingest;
  {
    const std::string path = folder + "/bill.csv";
    WriteBill(path, months, entities, 1);
    const double start = Seconds();
    const double cpu = CpuSeconds();
    Check(service->Ingest({.source = "cloud", .paths = {path}}).status());
    result["restatementSeconds"] = Seconds() - start;
    result["restatementCpuSeconds"] = CpuSeconds() - cpu;
  }
  {
    // Who pays is decided anew, and turns out to be the same.
    const double start = Seconds();
    service = open(absl::StrCat(kRules, "    - { name: rest, tag: team }\n"));
    result["decideYearSeconds"] = Seconds() - start;
  }
  {
    // Every charge goes by another rule, and every month by another pool.
    const double start = Seconds();
    const double cpu = CpuSeconds();
    service = open(absl::StrReplaceAll(kRules, {{"name: entity", "name: entities"}}) +
                   "  pools: [{ name: none, split: even }]\n");
    result["reallocateYearSeconds"] = Seconds() - start;
    result["reallocateYearCpuSeconds"] = CpuSeconds() - cpu;
  }
  const absl::CivilDay from(2025, 1, 1), to(2025, 12, 31);
  result["groupDailySeries"] = Percentiles(1'000, [&](int i) {
    const auto rows = service->Sums(
        {.from = from,
         .to = to,
         .group_by = {Dimension::kDay},
         .filters = {{Dimension::kGroup, {absl::StrCat("group:default/g", i % 100)}}}});
    Check(rows.status());
  });
  result["top20Year"] =
      Percentiles(1'000, [&](int) { Check(service->Top({.from = from, .to = to}).status()); });
  result["top20Last30Days"] = Percentiles(1'000, [&](int i) {
    const absl::CivilDay last = absl::CivilDay(2025, 12, 28) - i % 200;
    Check(service->Top({.from = last - 29, .to = last}).status());
  });
  result["entitySummary"] = Percentiles(1'000, [&](int i) {
    Check(service->EntitySummary({.entity_ref = absl::StrCat("component:default/c", i % entities)})
              .status());
  });
  result["peakRssMiB"] = peak_rss();
  result["databaseMiB"] = std::filesystem::file_size(folder + "/bench.db") >> 20;
  std::cout << purser::json::Dump(result) << "\n";
  return 0;
}

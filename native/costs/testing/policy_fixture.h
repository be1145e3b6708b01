// A cost service with rules of every kind over a real store, and bills made of a few charges. Test
// only.
#ifndef PURSER_COSTS_TESTING_POLICY_FIXTURE_H_
#define PURSER_COSTS_TESTING_POLICY_FIXTURE_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "costs/service.h"
#include "costs/testing/no_resources.h"
#include "gtest/gtest.h"

namespace purser::costs::testing {

inline constexpr char kRules[] = R"(
apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - { name: network, match: { ServiceName: [NAT, Transit] }, share: net }
    - { name: entity tag, tag: purser.dev/entity }
    - { name: vpcs, column: ResourceName, glob: "vpc-*-*", entity: "component:{2}/{1}" }
    - { name: pods, kubernetes: { label: app }, entity: "component:default/{value}" }
    - { name: spaces, kubernetes: namespace, entity: "system:default/{value}" }
    - { name: eu, match: { RegionId: { glob: "eu-*" } }, when: { ChargeCategory: Usage },
        entity: group:default/europe }
    - { name: owner column, column: x_Owner, values: { "7": group:default/seven } }
  pools:
    - { name: net, split: proportional, measure: billed }
)";

inline constexpr char kGraph[] = R"(
entities:
  - { ref: component:default/shop, owner: group:default/web, system: system:default/store }
  - { ref: component:default/cart, owner: group:default/web, system: system:default/store }
  - { ref: component:default/lake, owner: group:default/data, product: lakes }
  - { ref: component:default/pond, owner: group:default/data, product: lakes }
  - { ref: system:default/store, domain: domain:default/sales, environment: prod }
  - { ref: group:default/web, parent: group:default/all }
  - { ref: group:default/data, parent: group:default/all }
)";

inline constexpr char kHeader[] =
    "BilledCost,EffectiveCost,ListCost,ContractedCost,BillingCurrency,BillingPeriodStart,"
    "ChargePeriodStart,ChargeCategory,ChargeClass,CommitmentDiscountStatus,ServiceName,RegionId,"
    "SkuId,ResourceId,ResourceName,SubAccountId,InvoiceId,x_Owner,Tags\n";

struct Line {
  std::string billed;
  std::string day = "2026-11-02";
  std::string tags = "";  // key=value
  std::string service = "EC2";
  std::string currency = "USD";
  std::string category = "Usage";
  std::string charge_class = "";
  std::string region = "us-east-1";
  std::string sku = "sku";
  std::string resource_name = "";
  std::string owner = "";
  std::string effective = "";
  std::string invoice = "inv-1";
  std::string commitment = "";
};

inline std::string Csv(const Line& line) {
  std::string tags;
  if (const size_t at = line.tags.find('='); at != std::string::npos) {
    tags = absl::StrCat("\"{\"\"", line.tags.substr(0, at), "\"\":\"\"", line.tags.substr(at + 1),
                        "\"\"}\"");
  }
  const std::string effective = line.effective.empty() ? line.billed : line.effective;
  return absl::StrCat(line.billed, ",", effective, ",", line.billed, ",", effective, ",",
                      line.currency, ",", line.day.substr(0, 7), "-01,", line.day, "T00:00:00Z,",
                      line.category, ",", line.charge_class, ",", line.commitment, ",",
                      line.service, ",", line.region, ",", line.sku, ",res,", line.resource_name,
                      ",42,", line.invoice, ",", line.owner, ",", tags, "\n");
}

class PolicyFixture : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "costs-policy-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    auto database = store::OpenSqlite({.path = folder_ + "/state.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    Start();
  }
  void TearDown() override {
    service_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  void Start(absl::string_view rules = kRules) {
    service_.reset();
    const auto allocation = Allocation::Parse(rules, "rules.yaml");
    ASSERT_TRUE(allocation.ok()) << allocation.status();
    const auto rates =
        Rates::Parse("day,from,to,rate\n2026-10-30,EUR,USD,1.1\n2026-11-08,EUR,USD,1.2\n", "r.csv");
    ASSERT_TRUE(rates.ok()) << rates.status();
    auto service = CostService::Open({.database = database_.get(),
                                      .resources = &resources_,
                                      .clock = &clock_,
                                      .allocation = *allocation,
                                      .quarantine_folder = folder_ + "/q",
                                      .rates = *rates});
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
  }
  void Read(const std::vector<Line>& lines, const std::string& source = "cloud") {
    const std::string path = folder_ + "/" + source + ".csv";
    std::ofstream file(path);
    file << kHeader;
    for (const Line& line : lines) file << Csv(line);
    file.close();
    const auto report = service_->Ingest({.source = source, .paths = {path}});
    ASSERT_TRUE(report.ok()) << report.status();
  }
  void PutGraph() {
    const auto graph = EntityGraph::Parse(kGraph, "graph.yaml");
    ASSERT_TRUE(graph.ok()) << graph.status();
    ASSERT_TRUE(service_->PutGraph(*graph).ok());
  }
  std::vector<std::string> Sums(std::vector<Dimension> by, std::vector<Filter> filters = {},
                                const std::string& currency = "") {
    const auto rows = service_->Sums({.from = absl::CivilDay(2026, 1, 1),
                                      .to = absl::CivilDay(2026, 12, 31),
                                      .group_by = std::move(by),
                                      .filters = std::move(filters),
                                      .currency = currency});
    if (!rows.ok()) return {std::string(rows.status().message())};
    std::vector<std::string> texts;
    for (const CostRow& row : *rows) {
      std::string text;
      for (const std::string& key : row.keys) absl::StrAppend(&text, key, " ");
      texts.push_back(absl::StrCat(text, row.currency, " ", row.billed.ToString()));
    }
    return texts;
  }
  std::vector<Line> Shop() {
    return {{"30", "2026-11-02", "purser.dev/entity=component:default/shop"},
            {"10", "2026-11-02", "purser.dev/entity=component:default/cart", "S3"},
            {"60", "2026-11-03", "purser.dev/entity=component:default/lake"},
            {"1", "2026-11-03", "", "NAT"},
            {"5", "2026-11-03", ""}};
  }

  std::string folder_;
  NoResources resources_;
  // Behind all charges.
  base::FakeClock clock_{absl::FromCivil(absl::CivilDay(2028, 1, 1), absl::UTCTimeZone())};
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<CostService> service_;
};

}  // namespace purser::costs::testing

#endif  // PURSER_COSTS_TESTING_POLICY_FIXTURE_H_

// A cost service on a database of its own, and bills made of a few charges. Test only.
#ifndef PURSER_COSTS_TESTING_COST_FIXTURE_H_
#define PURSER_COSTS_TESTING_COST_FIXTURE_H_

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/clock.h"
#include "costs/clickhouse/clickhouse_engine.h"
#include "costs/clickhouse/testing/shared_clickhouse.h"
#include "costs/service.h"
#include "costs/testing/no_resources.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "store/testing/shared_postgres.h"

namespace purser::costs::testing {

struct Charge {
  std::string billed;
  int month = 11;  // of 2026; the billing period is that of the charge
  int day = 2;
  std::string service = "S3";
  std::string resource = "";
  std::string account = "42";
  std::string team = "";
  std::string currency = "USD";
};

// As FOCUS CSV.
inline std::string BillOf(const std::vector<Charge>& charges) {
  std::string text =
      "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
      "ChargeCategory,ServiceName,ResourceId,SubAccountId,Tags\n";
  for (const Charge& charge : charges) {
    const std::string tags =
        charge.team.empty() ? "" : absl::StrCat("\"{\"\"team\"\":\"\"", charge.team, "\"\"}\"");
    absl::StrAppendFormat(&text,
                          "%s,%s,%s,2026-%02d-01,2026-%02d-%02dT05:00:00Z,Usage,%s,%s,%s,%s\n",
                          charge.billed, charge.billed, charge.currency, charge.month, charge.month,
                          charge.day, charge.service, charge.resource, charge.account, tags);
  }
  return text;
}

// The parameter says where costs are kept: "sqlite", "postgres", "clickhouse" (one server, beside
// SQLite) or "cluster" (two servers).
class CostsOnDatabaseTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "costs-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    absl::StatusOr<std::unique_ptr<store::Database>> database;
    if (std::string(GetParam()) == "postgres") {
      store::PostgresServer* const server = store::SharedPostgres();
      if (server == nullptr) GTEST_SKIP() << "SKIP no PostgreSQL on this machine";
      postgres_url_ = *server->NewDatabase();
      database = store::OpenPostgres({.url = postgres_url_});
    } else {
      database = store::OpenSqlite({.path = ":memory:"});
    }
    if (std::string(GetParam()).starts_with("cl")) {
      servers_ = SharedClickHouse();
      if (servers_ == nullptr) GTEST_SKIP() << "SKIP no ClickHouse on this machine";
      UseClickHouse(std::string(GetParam()) == "cluster" ? servers_->urls().size() : 1);
    }
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    Start();
  }
  void TearDown() override {
    service_.reset();
    database_.reset();
    std::filesystem::remove_all(folder_);
  }
  void UseClickHouse(size_t servers) {
    clickhouse_.servers.assign(servers_->urls().begin(),
                               servers_->urls().begin() + static_cast<std::ptrdiff_t>(servers));
    if (servers > 1) clickhouse_.cluster = kTestCluster;
    clickhouse_.database = servers_->NewDatabase();
    transport_ =
        *http::NewBeastTransport({.policy = *http::AddressPolicy::Create(servers_->addresses())});
    options_.engine = [this](const Options& options) {
      return OpenClickHouseEngine(options, clickhouse_, *transport_);
    };
  }
  // Opens the service, by `options_` and `rules_`.
  void Start() {
    service_.reset();
    const auto allocation = Allocation::Parse(rules_, "rules.yaml");
    ASSERT_TRUE(allocation.ok()) << allocation.status();
    options_.database = database_.get();
    options_.resources = &resources_;
    options_.clock = &clock_;
    options_.allocation = *allocation;
    options_.quarantine_folder = folder_ + "/quarantine";
    absl::StatusOr<std::unique_ptr<CostService>> service = CostService::Open(options_);
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
  }
  std::string Write(const std::string& name, absl::string_view text) const {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  void Deliver(const std::vector<Charge>& charges, const std::string& source = "cloud") {
    const absl::StatusOr<IngestReport> report =
        service_->Ingest({.source = source, .paths = {Write(source + ".csv", BillOf(charges))}});
    ASSERT_TRUE(report.ok()) << report.status();
  }
  // "keys currency billed effective charges" per row.
  std::vector<std::string> Query(std::vector<Dimension> by) {
    const absl::StatusOr<QueryPage> page = service_->Query({.from = absl::CivilDay(2000, 1, 1),
                                                            .to = absl::CivilDay(2100, 1, 1),
                                                            .group_by = std::move(by)});
    if (!page.ok()) return {page.status().ToString()};
    std::vector<std::string> rows;
    for (const CostRow& row : page->rows) {
      std::string text;
      for (const std::string& key : row.keys) absl::StrAppend(&text, key, " ");
      rows.push_back(absl::StrCat(text, row.currency, " ", row.billed.ToString(), " ",
                                  row.effective.ToString(), " ", row.charges));
    }
    return rows;
  }

  std::string rules_ =
      "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec: {rules: [{name: teams, tag: team, "
      "entity: 'group:default/{value}'}]}";
  std::string folder_;
  NoResources resources_;
  // Behind all charges.
  base::FakeClock clock_{absl::FromCivil(absl::CivilDay(2028, 1, 1), absl::UTCTimeZone())};
  std::string postgres_url_;
  ClickHouseServers* servers_ = nullptr;  // where they keep the charges
  ClickHouseOptions clickhouse_;
  std::unique_ptr<http::Transport> transport_;
  Options options_{};
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<CostService> service_;
};

}  // namespace purser::costs::testing

#endif  // PURSER_COSTS_TESTING_COST_FIXTURE_H_

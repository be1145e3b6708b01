// What must hold when servers, networks and processes fail.
#include <algorithm>
#include <atomic>
#include <iterator>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "costs/clickhouse/tables.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::CivilDay kFrom(2026, 9, 1);
constexpr absl::CivilDay kTo(2026, 12, 31);

// Lets some requests through; from then on none arrives, as when this process had died.
class DyingTransport final : public http::Transport {
 public:
  explicit DyingTransport(http::Transport& next) : next_(next) {}
  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions& options) override {
    if (left_.fetch_sub(1) > 0) return next_.Send(request, options);
    if (half_ && left_ == -1 && absl::StrContains(request.url, "INSERT")) {
      // The server reads the half of it, and nobody hears its answer.
      http::Request half = request;
      half.body.resize(half.body.rfind('\n', half.body.size() / 2) + 1);
      if (!half.body.empty()) next_.Send(half, options).IgnoreError();
    }
    return absl::UnavailableError("broken off");
  }
  absl::StatusOr<http::Response> Stream(
      const http::Request& request, const http::CallOptions& options,
      const std::function<absl::Status(const http::Response&, absl::string_view)>& on_data)
      override {
    if (left_.fetch_sub(1) > 0) return next_.Stream(request, options, on_data);
    return absl::UnavailableError("broken off");
  }
  void DieAfter(int requests, bool half) {
    half_ = half;
    left_ = requests;
  }

 private:
  http::Transport& next_;
  std::atomic<int> left_ = 1'000'000;
  bool half_ = false;
};

class ClickHouseTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    testing::CostsOnDatabaseTest::SetUp();
    if (IsSkipped()) return;
    dying_ = std::make_unique<DyingTransport>(*transport_);
    options_.engine = [this](const Options& options) {
      return OpenClickHouseEngine(options, clickhouse_, *dying_);
    };
    Start();
  }
  void TearDown() override {
    testing::CostsOnDatabaseTest::TearDown();
    dying_.reset();
  }
  absl::Status TryDeliver(const std::vector<testing::Charge>& charges) {
    return service_
        ->Ingest({.source = "cloud", .paths = {Write("cloud.csv", testing::BillOf(charges))}})
        .status();
  }
  std::unique_ptr<DyingTransport> dying_;
};
INSTANTIATE_TEST_SUITE_P(Servers, ClickHouseTest, ::testing::Values("clickhouse", "cluster"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(ClickHouseTest, DeathAtAnyRequestLeavesTheOldPeriodsOrTheNew) {
  const std::vector<testing::Charge> before = {
      {.billed = "1", .resource = "urn:a", .team = "web"},
      {.billed = "2", .month = 10, .resource = "urn:b", .team = "data"}};
  std::vector<testing::Charge> after;
  for (int i = 0; i < 20; ++i) {
    after.push_back({.billed = absl::StrCat(10 + i),
                     .month = 10 + i % 2,
                     .resource = absl::StrCat("urn:", i),
                     .team = i % 3 == 0 ? "web" : "data"});
  }
  Deliver(before);
  const std::vector<Dimension> by = {Dimension::kMonth, Dimension::kEntity};
  const auto old = Query(by);
  bool stored = false;
  int died = 0;
  // Steps of two requests, whole and half inserts in turn, until one delivery gets through.
  for (int requests = 0; !stored; requests += 2) {
    ASSERT_LT(requests, 400);
    dying_->DieAfter(requests, requests % 4 == 0);
    const absl::Status status = TryDeliver(after);
    dying_->DieAfter(1'000'000, false);
    // Another process, or this one after its restart.
    Start();
    const auto now = Query(by);
    stored = status.ok() || now != old;
    if (!stored) {
      EXPECT_EQ(now, old) << "after " << requests << " requests";
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
      ++died;
    }
  }
  EXPECT_GT(died, 3);
  EXPECT_THAT(Query({Dimension::kEntity}),
              ElementsAre("group:default/data USD 257 257 13", "group:default/web USD 133 133 7"));
  const auto invoices = *service_->Reconcile(kFrom, kTo);
  for (const ReconciledInvoice& invoice : invoices) {
    EXPECT_TRUE(invoice.difference.IsZero());
  }
}

TEST_P(ClickHouseTest, AServerThatIsAwayIsAnErrorAndNoPartOfAnAnswer) {
  std::vector<testing::Charge> charges;
  for (int i = 0; i < 10; ++i) {
    charges.push_back({.billed = "1", .team = absl::StrCat("t", i)});
  }
  Deliver(charges);
  const auto all = Query({Dimension::kEntity});
  ASSERT_EQ(all.size(), 10u);
  const size_t last = clickhouse_.servers.size() - 1;
  servers_->Kill(last);
  EXPECT_THAT(Query({Dimension::kEntity}), ElementsAre(HasSubstr("UNAVAILABLE")));
  EXPECT_EQ(TryDeliver({{.billed = "5"}}).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(servers_->Go(last).ok());
  EXPECT_EQ(Query({Dimension::kEntity}), all);
  ASSERT_TRUE(TryDeliver({{.billed = "5"}}).ok());
  EXPECT_THAT(Query({Dimension::kEntity}), ElementsAre("unallocated USD 5 5 1"));
}

TEST_P(ClickHouseTest, WhatNothingPointsToIsRemoved) {
  const auto segments = [&] {
    std::set<std::string> found;
    const ClickHouseClient client(clickhouse_, *transport_);
    for (size_t server = 0; server < client.servers(); ++server) {
      for (const char* const table : {kChargesTable, kRollupsTable, kDailyTable, kDecisionsTable}) {
        EXPECT_TRUE(
            client
                .SelectFrom(server,
                            absl::StrCat("SELECT DISTINCT segment FROM ", client.Local(table)),
                            [&](const std::vector<std::string>& row) {
                              found.insert(row[0]);
                              return absl::OkStatus();
                            })
                .ok());
      }
    }
    return found.size();
  };
  Deliver({{.billed = "1", .month = 10}, {.billed = "1"}});
  EXPECT_EQ(segments(), 4u) << "two billing periods and two months";
  Deliver({{.billed = "2"}});
  EXPECT_EQ(segments(), 5u) << "the charges before are kept to compare with, their month is not";
  EXPECT_EQ(*service_->Reallocate(), 0);
  EXPECT_EQ(segments(), 5u);
}

TEST_P(ClickHouseTest, ProcessesThatWriteAtTheSameTimeAgree) {
  Deliver({{.billed = "1", .team = "web"}});
  // A second process on the same store and servers.
  const absl::StatusOr<std::unique_ptr<CostService>> other = CostService::Open(options_);
  ASSERT_TRUE(other.ok()) << other.status();
  const std::string path = Write("b.csv", testing::BillOf({{.billed = "4", .team = "data"}}));
  ASSERT_TRUE((*other)->Ingest({.source = "b", .paths = {path}}).ok());
  Deliver({{.billed = "2", .team = "web"}});
  EXPECT_THAT(Query({Dimension::kEntity}),
              ElementsAre("group:default/data USD 4 4 1", "group:default/web USD 2 2 1"));
  const auto rows = (*other)->Sums({.from = kFrom, .to = kTo, .group_by = {Dimension::kSource}});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->size(), 2u);
}

// More than are read together.
TEST_P(ClickHouseTest, AMonthOfManySubjectsIsAllocatedInRanges) {
  constexpr int kSubjects = 120'000;
  std::vector<testing::Charge> charges;
  for (int i = 0; i < kSubjects; ++i) {
    charges.push_back({.billed = "0.5",
                       .resource = absl::StrCat("urn:", i),
                       .account = i % 4 == 0 ? "43" : "42",
                       .team = i % 2 == 0 ? "web" : "data"});
  }
  Deliver(charges);
  EXPECT_THAT(Query({Dimension::kEntity}), ElementsAre("group:default/data USD 30000 30000 60000",
                                                       "group:default/web USD 30000 30000 60000"));
  EXPECT_EQ(*service_->Reallocate(), 0);
  options_.allocation = *Allocation::Parse(
      "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec: {rules: ["
      "{name: account, subAccount: ['43'], entity: 'group:default/data'},"
      "{name: teams, tag: team, entity: 'group:default/{value}'}]}",
      "rules.yaml");
  const auto other = CostService::Open(options_);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_THAT(Query({Dimension::kEntity}), ElementsAre("group:default/data USD 45000 45000 90000",
                                                       "group:default/web USD 15000 15000 30000"));
  const auto parts = (*other)->ExplainEntity("group:default/data", 202611);
  ASSERT_TRUE(parts.ok()) << parts.status();
  ASSERT_EQ(parts->size(), 2u);
  EXPECT_EQ((*parts)[0].subjects + (*parts)[1].subjects, 90'000);
}

TEST_P(ClickHouseTest, AnyTextIsKeptAndFound) {
  const std::string odd = "O'Reilly \\ \t tab";
  const std::string bill = absl::StrCat(
      "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
      "ChargeCategory,ServiceName,ResourceId,SubAccountId,Tags\n"
      "1,1,USD,2026-11-01,2026-11-02T05:00:00Z,Usage,\"",
      odd, "\",urn:'\\n,42,\n");
  ASSERT_TRUE(service_->Ingest({.source = "odd", .paths = {Write("odd.csv", bill)}}).ok());
  EXPECT_THAT(Query({Dimension::kService}), ElementsAre(absl::StrCat(odd, " USD 1 1 1")));
  const auto rows = service_->Sums({.from = kFrom,
                                    .to = kTo,
                                    .group_by = {Dimension::kService},
                                    .filters = {{Dimension::kService, {odd, "') OR 1=1 --"}}}});
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->size(), 1u);
  const auto parts = service_->ExplainEntity(kUnallocated, 202611);
  ASSERT_TRUE(parts.ok()) << parts.status();
  EXPECT_EQ(parts->at(0).resource_id, "urn:'\\n");
}

TEST_P(ClickHouseTest, DaysThatDoNotFitAreErrors) {
  const auto deliver = [&](const char* period, const char* day) {
    const std::string bill = absl::StrCat(
        "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
        "ChargeCategory,ServiceName,ResourceId,SubAccountId,Tags\n1,1,USD,",
        period, ",", day, ",Usage,S3,,42,\n");
    return service_->Ingest({.source = "far", .paths = {Write("far.csv", bill)}}).status();
  };
  for (const auto& [period, day] :
       {std::pair("2026-11-01", "2150-05-01"), std::pair("2150-05-01", "2026-11-02")}) {
    const absl::Status status = deliver(period, day);
    EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("2150-05-01"));
  }
  EXPECT_THAT(Query({Dimension::kDay}), IsEmpty());
  ASSERT_TRUE(deliver("2105-12-01", "2105-12-31").ok());
  EXPECT_THAT(Query({Dimension::kBillingPeriod, Dimension::kDay}), IsEmpty()) << "until 2100";
}

TEST_P(ClickHouseTest, SumsThatDoNotFitAreErrors) {
  std::vector<testing::Charge> charges;
  for (int i = 0; i < 3; ++i) {
    charges.push_back({.billed = "39999999999999999999", .resource = absl::StrCat("urn:", i)});
  }
  const absl::Status status = TryDeliver(charges);
  EXPECT_EQ(status.code(), absl::StatusCode::kOutOfRange) << status;
  EXPECT_THAT(Query({Dimension::kEntity}), IsEmpty());
}

TEST_P(ClickHouseTest, AStoreBelongsToItsEngine) {
  Deliver({{.billed = "1"}});
  Options embedded = options_;
  embedded.engine = nullptr;
  const auto opened = CostService::Open(embedded);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(opened.status().message()),
              HasSubstr("kept by the clickhouse engine, not by embedded"));
}

TEST_P(ClickHouseTest, PasswordsAreAskedForAndChecked) {
  service_.reset();
  clickhouse_.user = testing::kTestUser;
  const auto opened = CostService::Open(options_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kUnauthenticated) << opened.status();
  clickhouse_.password = [] { return absl::StatusOr<std::string>(testing::kTestPassword); };
  EXPECT_TRUE(CostService::Open(options_).ok());
  clickhouse_.password = [] { return absl::StatusOr<std::string>("guessed wrong"); };
  const auto refused = CostService::Open(options_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_FALSE(absl::StrContains(refused.status().message(), "guessed wrong"));
}

TEST(ClickHouseOptionsTest, SayWhatIsWrong) {
  const auto read = [](const char* text) {
    return ReadClickHouseOptions(nlohmann::json::parse(text), [](absl::string_view) {
      return absl::StatusOr<std::string>("p");
    });
  };
  const auto good =
      read(R"({"servers":["http://a:8123","https://b:8443"],"cluster":"c","password":"env:CH"})");
  ASSERT_TRUE(good.ok()) << good.status();
  EXPECT_EQ(*good->password(), "p");
  const std::pair<const char*, const char*> bad[] = {
      {R"({})", "name 1 to 64 servers"},
      {R"({"servers":["http://a","http://b"]})", "need the name of their cluster"},
      {R"({"servers":["http://a/?user=x"]})", "has a query"},
      {R"({"servers":["clickhouse://a"]})", "http"},
      {R"({"servers":["http://a"],"database":"a`b"})", "no name of letters"}};
  for (const auto& [text, why] : bad) {
    EXPECT_THAT(std::string(read(text).status().message()), HasSubstr(why)) << text;
  }
}

}  // namespace
}  // namespace purser::costs

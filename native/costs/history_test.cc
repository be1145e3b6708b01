// What deliveries replaced, on every database: a delivery is compared with the one before, and what
// is kept is bounded.
#include "costs/history.h"

#include <chrono>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/rng.h"
#include "base/status.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::CivilDay kNovember(2026, 11, 1);

class HistoryTest : public testing::CostsOnDatabaseTest {
 protected:
  // "keys currency billed charges" per changed group.
  std::vector<std::string> Changes(const DiffRequest& request) {
    const absl::StatusOr<DeliveryDiff> diff = service_->Diff(request);
    if (!diff.ok()) return {diff.status().ToString()};
    std::vector<std::string> rows;
    for (const DiffRow& row : diff->rows) {
      rows.push_back(absl::StrCat(absl::StrJoin(row.keys, " "), " ", row.currency, " ",
                                  row.billed.ToString(), " ", row.charges));
    }
    return rows;
  }
  int64_t Count(const std::string& table) {
    int64_t count = -1;
    EXPECT_TRUE(database_
                    ->Read([&](store::Connection& connection) -> absl::Status {
                      PURSER_ASSIGN_OR_RETURN(
                          const store::Rows rows,
                          connection.Query(absl::StrCat("SELECT count(*) FROM ", table), {}));
                      count = rows[0].Int(0);
                      return absl::OkStatus();
                    })
                    .ok());
    return count;
  }
};
INSTANTIATE_TEST_SUITE_P(Databases, HistoryTest,
                         ::testing::Values("sqlite", "postgres", "clickhouse", "cluster"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(HistoryTest, SaysWhatARestatementChanged) {
  Deliver(
      {{.billed = "1", .day = 2}, {.billed = "2", .day = 3}, {.billed = "4", .service = "RDS"}});
  clock_.Advance(absl::Hours(24));
  // One price is put right, a charge is gone, two are new, one of another account.
  Deliver({{.billed = "1", .day = 2},
           {.billed = "2.5", .day = 3},
           {.billed = "8", .day = 4},
           {.billed = "0.1", .day = 4, .account = "43"}});
  EXPECT_THAT(
      Changes({.source = "cloud", .billing_period = kNovember}),
      ElementsAre("S3 42 Usage USD 8.5 1", "RDS 42 Usage USD -4 -1", "S3 43 Usage USD 0.1 1"));
  EXPECT_THAT(
      Changes({.source = "cloud", .billing_period = kNovember, .group_by = {Dimension::kDay}}),
      ElementsAre("2026-11-04 USD 8.1 2", "2026-11-02 USD -4 -1", "2026-11-03 USD 0.5 0"));
  const absl::StatusOr<DeliveryDiff> diff =
      service_->Diff({.source = "cloud", .billing_period = kNovember});
  ASSERT_TRUE(diff.ok()) << diff.status();
  EXPECT_EQ(diff->before.totals[0].billed.ToString(), "7");
  EXPECT_EQ(diff->after.totals[0].billed.ToString(), "11.6");
  EXPECT_EQ(diff->after.at - diff->before.at, absl::Hours(24));
  EXPECT_TRUE(diff->after.current);
  EXPECT_FALSE(diff->before.current);
}

TEST_P(HistoryTest, WhatCancelsOutIsStillAChange) {
  Deliver({{.billed = "1", .day = 2}, {.billed = "2", .day = 3}});
  Deliver({{.billed = "2", .day = 2}, {.billed = "1", .day = 3}});
  const absl::StatusOr<DeliveryDiff> diff =
      service_->Diff({.source = "cloud", .billing_period = kNovember});
  ASSERT_TRUE(diff.ok()) << diff.status();
  ASSERT_EQ(diff->rows.size(), 1u);
  EXPECT_TRUE(diff->rows[0].billed.IsZero());
  EXPECT_EQ(diff->rows[0].changed, 2);
}

// Any two of a chain of deliveries, against states that are simply remembered.
TEST_P(HistoryTest, AnyTwoDeliveriesCanBeCompared) {
  base::SeededRng rng(7);
  std::vector<std::map<std::string, base::Decimal>> states;
  for (int round = 0; round < 7; ++round) {
    std::vector<testing::Charge> charges;
    std::map<std::string, base::Decimal> sums;
    for (int i = 0; i < 12; ++i) {
      if (rng.Next() % 3 == 0) continue;
      const std::string resource = absl::StrCat("urn:", i);
      const std::string billed = absl::StrCat(rng.Next() % 3);
      charges.push_back({.billed = billed,
                         .day = 1 + static_cast<int>(rng.Next() % 4),
                         .service = absl::StrCat("S", i % 3),
                         .resource = resource});
      base::Decimal& sum = sums[charges.back().service];
      ASSERT_TRUE(base::Decimal::Add(sum, *base::Decimal::Parse(billed), &sum));
    }
    charges.push_back({.billed = absl::StrCat(100 + round), .service = "S0"});
    ASSERT_TRUE(
        base::Decimal::Add(sums["S0"], base::Decimal::FromInteger(100 + round), &sums["S0"]));
    Deliver(charges);
    states.push_back(std::move(sums));
  }
  const absl::StatusOr<std::vector<StoredDelivery>> deliveries = service_->Deliveries("cloud", 100);
  ASSERT_TRUE(deliveries.ok()) << deliveries.status();
  ASSERT_EQ(deliveries->size(), states.size());
  for (size_t before = 0; before < states.size(); ++before) {
    for (size_t after = before + 1; after < states.size(); ++after) {
      const absl::StatusOr<DeliveryDiff> diff =
          service_->Diff({.source = "cloud",
                          .billing_period = kNovember,
                          .before = (*deliveries)[states.size() - 1 - before].id,
                          .after = (*deliveries)[states.size() - 1 - after].id,
                          .group_by = {Dimension::kService}});
      ASSERT_TRUE(diff.ok()) << diff.status();
      std::map<std::string, base::Decimal> changes;
      for (const DiffRow& row : diff->rows) changes[row.keys[0]] = row.billed;
      for (const char* service : {"S0", "S1", "S2"}) {
        base::Decimal expected;
        ASSERT_TRUE(
            base::Decimal::Subtract(states[after][service], states[before][service], &expected));
        EXPECT_EQ(changes[service].ToString(), expected.ToString()) << before << " " << after;
      }
    }
  }
}

TEST_P(HistoryTest, OnlyWhatChangedIsKept) {
  std::vector<testing::Charge> charges;
  for (int i = 0; i < 50; ++i) {
    charges.push_back({.billed = "1", .resource = absl::StrCat("urn:", i)});
  }
  Deliver(charges);
  EXPECT_EQ(Count("cost_replaced_facts"), 0) << "the first delivery replaces nothing";
  charges[7].billed = "2";
  Deliver(charges);
  if (servers_ != nullptr) {
    // There, what is kept is whole deliveries.
    EXPECT_EQ(Count("cost_charge_segments"), 2);
    return;
  }
  EXPECT_EQ(Count("cost_replaced_facts"), 1);
  EXPECT_EQ(Count("cost_facts"), 50);
}

TEST_P(HistoryTest, KeepsAsManyAsItIsTold) {
  options_.keep_deliveries = 2;
  Start();
  for (int i = 1; i <= 5; ++i)
    Deliver({{.billed = absl::StrCat(i), .resource = absl::StrCat("urn:", i)}});
  const auto deliveries = *service_->Deliveries("cloud", 100);
  ASSERT_EQ(deliveries.size(), 5u);
  EXPECT_TRUE(deliveries[0].replaced);
  EXPECT_TRUE(deliveries[1].replaced);
  EXPECT_FALSE(deliveries[2].replaced);
  EXPECT_THAT(Changes({.source = "cloud",
                       .billing_period = kNovember,
                       .before = deliveries[2].id,
                       .group_by = {Dimension::kService}}),
              ElementsAre("S3 USD 2 0"));
  EXPECT_THAT(Changes({.source = "cloud", .billing_period = kNovember, .before = deliveries[3].id}),
              ElementsAre(HasSubstr("not kept any more")));
  EXPECT_EQ(Count(servers_ == nullptr ? "cost_subjects" : "cost_charge_segments"), 3)
      << "of the current delivery and of what is kept";
}

TEST_P(HistoryTest, SaysWhyTwoCannotBeCompared) {
  EXPECT_THAT(Changes({.source = "cloud", .billing_period = kNovember}),
              ElementsAre(HasSubstr("NOT_FOUND: cloud delivered nothing for 2026-11-01")));
  Deliver({{.billed = "1"}});
  EXPECT_THAT(Changes({.source = "cloud", .billing_period = kNovember}),
              ElementsAre(HasSubstr("is the first of cloud")));
  EXPECT_THAT(Changes({.source = "cloud", .billing_period = kNovember, .after = 99}),
              ElementsAre(HasSubstr("delivery 99 of cloud for 2026-11-01 is not known")));
  EXPECT_THAT(
      Changes({.source = "cloud", .billing_period = kNovember, .group_by = {Dimension::kEntity}}),
      ElementsAre(HasSubstr("entity is what allocation makes of them")));
}

TEST_P(HistoryTest, OldMonthsAreForgotten) {
  options_.keep_months = 2;
  Start();
  ASSERT_TRUE(service_
                  ->AddMetrics({{"orders", "group:default/web", absl::CivilDay(2026, 8, 1),
                                 base::Decimal::FromInteger(1)}})
                  .ok());
  for (const int month : {8, 9, 10}) Deliver({{.billed = "1", .month = month}});
  EXPECT_THAT(Query({Dimension::kMonth}), ElementsAre("2026-09 USD 1 1 1", "2026-10 USD 1 1 1"));
  Deliver({{.billed = "1", .month = 11}});
  EXPECT_THAT(Query({Dimension::kMonth}), ElementsAre("2026-10 USD 1 1 1", "2026-11 USD 1 1 1"));
  const auto days = *service_->DataDays();
  EXPECT_EQ(days->first, absl::CivilDay(2026, 10, 2));
  // Nothing brings it back, and nothing is left that refers to it.
  Deliver({{.billed = "5", .month = 8}});
  EXPECT_THAT(Query({Dimension::kMonth}), ElementsAre("2026-10 USD 1 1 1", "2026-11 USD 1 1 1"));
  EXPECT_EQ(Count(servers_ == nullptr ? "cost_facts" : "cost_charge_segments"), 2);
  EXPECT_EQ(Count("cost_months"), 2);
  EXPECT_EQ(Count("cost_metrics"), 0);
  EXPECT_EQ(Count("cost_totals"), 2);
  EXPECT_EQ(Count("cost_ingests"), 3) << "those of both months, and the newest";
  EXPECT_EQ(service_->Deliveries("", 10)->size(), 2u);
  EXPECT_THAT(*service_->Reconcile(absl::CivilDay(2026, 8, 1), absl::CivilDay(2026, 8, 31)),
              IsEmpty());
}

TEST_P(HistoryTest, WhatAForgottenDeliverySetAsideGoes) {
  options_.keep_months = 2;
  Start();
  namespace fs = std::filesystem;
  const auto deliver = [&](int month) {
    const std::string bill =
        testing::BillOf({{.billed = "1", .month = month}, {.billed = "x", .month = month}});
    const auto report = service_->Ingest(
        {.source = "cloud", .paths = {Write("cloud.csv", bill)}, .bad_rows = BadRows::kQuarantine});
    EXPECT_TRUE(report.ok()) << report.status();
    // As if it had been written long ago.
    fs::last_write_time(report->quarantine_path,
                        fs::file_time_type::clock::now() - std::chrono::hours(25));
    return report->quarantine_path;
  };
  const std::string august = deliver(8), september = deliver(9);
  const fs::path mine = fs::path(august).parent_path() / "cloud-notes.csv";
  fs::copy_file(august, mine);
  fs::last_write_time(mine, fs::last_write_time(august));
  EXPECT_TRUE(fs::exists(august));
  const std::string october = deliver(10);
  EXPECT_FALSE(fs::exists(august));
  EXPECT_TRUE(fs::exists(september));
  EXPECT_TRUE(fs::exists(october));
  EXPECT_TRUE(fs::exists(mine)) << "somebody else's";
}

TEST_P(HistoryTest, AChargeDatedAheadPushesNoMonthOut) {
  options_.keep_months = 2;
  Start();
  clock_.JumpWallTime(absl::FromCivil(absl::CivilDay(2026, 10, 20), absl::UTCTimeZone()) -
                      clock_.Now());
  Deliver({{.billed = "1", .month = 9}, {.billed = "2", .month = 10}});
  Deliver({{.billed = "4", .month = 10}, {.billed = "8", .month = 12}}, "upfront");
  EXPECT_THAT(Query({Dimension::kMonth}),
              ElementsAre("2026-09 USD 1 1 1", "2026-10 USD 6 6 2", "2026-12 USD 8 8 1"));
  clock_.Advance(absl::Hours(24 * 31));
  Deliver({{.billed = "16", .month = 11}});
  EXPECT_THAT(Query({Dimension::kMonth}),
              ElementsAre("2026-10 USD 6 6 2", "2026-11 USD 16 16 1", "2026-12 USD 8 8 1"));
}

}  // namespace
}  // namespace purser::costs

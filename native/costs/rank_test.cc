// Sums of nodes: added up from runs of days, and kept for rankings.
#include "costs/rank.h"

#include <stdlib.h>

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/status.h"
#include "costs/fact_sums.h"
#include "costs/rollups.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

Fact Charged(uint32_t item, int day, const std::string& billed, const std::string& effective) {
  Fact fact;
  fact.item = item;
  fact.day = day;
  fact.sums.billed = *base::Decimal::Parse(billed);
  fact.sums.effective = *base::Decimal::Parse(effective);
  fact.sums.charges = 1;
  return fact;
}

class RankTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/purser-rank-XXXXXX";
    folder_ = mkdtemp(folder);
    auto database = store::OpenSqlite({.path = folder_ + "/state.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    ASSERT_TRUE(MigrateTables(*database_).ok());
    for (const char* const currency : {"USD", "EUR"}) {
      numbers_.items.NumberOf({"Compute", "", "", "Usage", "usage", currency, ""});
    }
  }
  void TearDown() override {
    database_.reset();
    std::filesystem::remove_all(folder_);
  }

  void Store(int64_t month, const std::map<uint32_t, std::vector<Fact>>& nodes) {
    const absl::Status status = database_->Transact([&](store::Connection& connection) {
      RankWriter writer(NodeKind::kEntity, month);
      for (const auto& [node, facts] : nodes) {
        PURSER_RETURN_IF_ERROR(writer.Add(node, facts, numbers_));
      }
      return writer.Store(connection);
    });
    ASSERT_TRUE(status.ok()) << status;
  }

  // "currency node billed effective", by currency and node; sums of nothing are left out.
  std::vector<std::string> Read(absl::CivilDay from, absl::CivilDay to) {
    std::map<std::pair<std::string, uint32_t>, std::string> sums;
    const absl::Status status = database_->Read([&](store::Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const std::vector<Ranking> rankings,
                              ReadRanks(connection, NodeKind::kEntity, from, to));
      for (const auto& [currency, nodes] : rankings) {
        for (const Ranked& one : nodes) {
          if (one.billed.IsZero() && one.effective.IsZero()) continue;
          sums[{currency, one.node}] = one.billed.ToString() + " " + one.effective.ToString();
        }
      }
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    std::vector<std::string> lines;
    for (const auto& [key, text] : sums) {
      lines.push_back(key.first + " " + std::to_string(key.second) + " " + text);
    }
    return lines;
  }

  std::string folder_;
  std::unique_ptr<store::Database> database_;
  Numbers numbers_;
};

using Day = absl::CivilDay;
using Lines = std::vector<std::string>;

TEST_F(RankTest, AnyDaysAreSummedFromWhatMonthsHold) {
  Store(202610, {{1, {Charged(0, 31, "1.5", "1")}}, {300, {Charged(0, 2, "-0.25", "0")}}});
  Store(202611, {{1, {Charged(0, 1, "2", "2"), Charged(0, 30, "4", "3")}},
                 {7, {Charged(0, 15, "0.01", "0.01")}}});
  EXPECT_EQ(Read(Day(2026, 10, 1), Day(2026, 11, 30)),
            (Lines{"USD 1 7.5 6", "USD 7 0.01 0.01", "USD 300 -0.25 0"}));
  EXPECT_EQ(Read(Day(2026, 10, 3), Day(2026, 11, 29)), (Lines{"USD 1 3.5 3", "USD 7 0.01 0.01"}));
  EXPECT_EQ(Read(Day(2026, 11, 2), Day(2026, 11, 14)), Lines());
  EXPECT_EQ(Read(Day(2025, 1, 1), Day(2025, 12, 31)), Lines());
}

TEST_F(RankTest, CurrenciesAreApart) {
  Store(202611,
        {{1, {Charged(0, 1, "2", "2"), Charged(1, 1, "3", "3")}}, {2, {Charged(1, 9, "5", "5")}}});
  Store(202612, {{2, {Charged(0, 1, "7", "7")}}});
  EXPECT_EQ(Read(Day(2026, 11, 1), Day(2026, 12, 31)),
            (Lines{"EUR 1 3 3", "EUR 2 5 5", "USD 1 2 2", "USD 2 7 7"}));
}

TEST_F(RankTest, AmountsOfAnySizeAreExact) {
  // From one byte to sixteen, in the same month and in months of their own.
  const Lines amounts = {"1",
                         "-128",
                         "127.5",
                         "-32769",
                         "8388607.000001",
                         "2147483648",
                         "0.000000000000000001",
                         "-9223372036854775808.123456789012345678",
                         "99999999999999999999.999999999999999999"};
  std::map<uint32_t, std::vector<Fact>> all;
  Lines expected;
  for (uint32_t i = 0; i < amounts.size(); ++i) {
    all[i] = {Charged(0, 3, amounts[i], "0")};
    expected.push_back("USD " + std::to_string(i) + " " + amounts[i] + " 0");
    const int64_t month = 202601 + i;
    Store(month, {{i, all[i]}});
    EXPECT_EQ(Read(FirstDay(month), FirstDay(month) + 20), Lines{expected.back()});
    EXPECT_EQ(Read(FirstDay(month), FirstDay(month) + 1), Lines());
  }
  Store(202512, all);
  EXPECT_EQ(Read(Day(2025, 12, 1), Day(2025, 12, 31)), expected);
}

TEST_F(RankTest, AStoredMonthIsReplaced) {
  Store(202611, {{1, {Charged(0, 1, "2", "2")}}, {2, {Charged(0, 5, "2", "2")}}});
  Store(202611, {{2, {Charged(0, 9, "3", "1")}}});
  EXPECT_EQ(Read(Day(2026, 11, 1), Day(2026, 11, 30)), (Lines{"USD 2 3 1"}));
  Store(202611, {});
  EXPECT_EQ(Read(Day(2026, 11, 1), Day(2026, 11, 30)), Lines());
}

TEST(FactSumsTest, AddsUpWhateverDaysThereAre) {
  const std::vector<std::vector<Fact>> lists = {
      {Charged(3, 2, "1", "1"), Charged(3, 9, "2", "2"), Charged(5, 1, "4", "4")},
      {Charged(3, 1, "8", "8"), Charged(3, 9, "16", "16"), Charged(3, 31, "32", "32")},
      {},
      {Charged(0, 7, "64", "0"), Charged(3, 5, "128", "128")}};
  FactSums sums;
  std::map<uint64_t, Measures> expected;
  for (const std::vector<Fact>& facts : lists) {
    ASSERT_TRUE(sums.Add(facts).ok());
    for (const Fact& fact : facts) ASSERT_TRUE(expected[fact.key()].Add(fact.sums).ok());
  }
  FactSums twice;
  ASSERT_TRUE(twice.Add(sums).ok());
  ASSERT_TRUE(twice.Add(sums).ok());
  const auto equal = [&](const std::vector<Fact>& facts, int times) {
    ASSERT_EQ(facts.size(), expected.size());
    auto want = expected.begin();
    for (const Fact& fact : facts) {
      Measures sum;
      for (int i = 0; i < times; ++i) ASSERT_TRUE(sum.Add(want->second).ok());
      EXPECT_EQ(fact.key(), want->first);
      EXPECT_EQ(fact.sums, sum);
      ++want;
    }
  };
  equal(sums.InOrder(), 1);
  equal(twice.InOrder(), 2);
}

TEST(FactSumsTest, ASumThatDoesNotFitIsAnError) {
  FactSums sums;
  ASSERT_TRUE(sums.Add(std::vector<Fact>{Charged(0, 1, "170141183460469231731", "0")}).ok());
  EXPECT_EQ(sums.Add(std::vector<Fact>{Charged(0, 1, "1", "0")}).code(),
            absl::StatusCode::kOutOfRange);
}

}  // namespace
}  // namespace purser::costs

// Questions are answered by indexes: no table that grows with resources, entities or days is read
// as a whole, neither by SQLite nor by PostgreSQL.
#include <functional>
#include <regex>
#include <set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::IsEmpty;

constexpr int kEntities = 500;

using Explain = std::function<absl::StatusOr<std::vector<std::string>>(
    store::Connection&, absl::string_view sql, absl::Span<const store::Value> values)>;

// Notes which questions read a large table as a whole, by their plans' lines.
class ExplainingConnection final : public store::Connection {
 public:
  ExplainingConnection(store::Connection& next, const Explain& explain,
                       std::set<std::string>& known, std::set<std::string>& scans)
      : next_(next), explain_(explain), known_(known), scans_(scans) {}
  absl::StatusOr<store::Rows> Query(absl::string_view sql,
                                    absl::Span<const store::Value> values) override {
    PURSER_RETURN_IF_ERROR(Look(sql, values));
    return next_.Query(sql, values);
  }
  absl::Status ForEach(absl::string_view sql, absl::Span<const store::Value> values,
                       const std::function<absl::Status(const store::Row&)>& on_row) override {
    PURSER_RETURN_IF_ERROR(Look(sql, values));
    return next_.ForEach(sql, values, on_row);
  }
  absl::StatusOr<int64_t> Execute(absl::string_view sql,
                                  absl::Span<const store::Value> values) override {
    return next_.Execute(sql, values);
  }

 private:
  absl::Status Look(absl::string_view sql, absl::Span<const store::Value> values) {
    // By their names or the aliases that questions give them.
    static const std::regex& kScan = *new std::regex(
        "(SCAN|Seq Scan on) (f|m|s|r|cost_facts|cost_node_months|"
        "cost_rank_days|cost_subjects|cost_replaced_facts)\\b.*");
    if (!known_.insert(std::string(sql)).second) return absl::OkStatus();
    PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> plan, explain_(next_, sql, values));
    for (const std::string& line : plan) {
      if (std::regex_search(line, kScan)) scans_.insert(absl::StrCat(sql, ": ", line));
    }
    return absl::OkStatus();
  }

  store::Connection& next_;
  const Explain& explain_;
  std::set<std::string>& known_;
  std::set<std::string>& scans_;
};

// One thread.
class ExplainingDatabase final : public store::Database {
 public:
  ExplainingDatabase(store::Database& next, Explain explain)
      : next_(next), explain_(std::move(explain)) {}
  absl::Status Transact(const std::function<absl::Status(store::Connection&)>& work) override {
    return next_.Transact(work);
  }
  absl::Status Read(const std::function<absl::Status(store::Connection&)>& work) override {
    return next_.Read([&](store::Connection& connection) {
      ExplainingConnection explaining(connection, explain_, known_, scans_);
      return work(explaining);
    });
  }
  absl::Status Migrate(absl::string_view component,
                       absl::Span<const store::Migration> steps) override {
    return next_.Migrate(component, steps);
  }
  // Since the last call.
  std::set<std::string> scans() {
    known_.clear();
    return std::exchange(scans_, {});
  }

 private:
  store::Database& next_;
  const Explain explain_;
  std::set<std::string> known_, scans_;
};

absl::StatusOr<std::vector<std::string>> ExplainBySqlite(store::Connection& connection,
                                                         absl::string_view sql,
                                                         absl::Span<const store::Value> values) {
  PURSER_ASSIGN_OR_RETURN(const store::Rows plan,
                          connection.Query(absl::StrCat("EXPLAIN QUERY PLAN ", sql), values));
  std::vector<std::string> lines;
  for (const store::Row& row : plan) lines.push_back(row.Text(row.size() - 1));
  return lines;
}

// The statement with its values in their places.
std::string Filled(absl::string_view sql, absl::Span<const store::Value> values) {
  std::string text(sql);
  for (size_t i = values.size(); i > 0; --i) {
    const int64_t* const number = std::get_if<int64_t>(&values[i - 1]);
    text = absl::StrReplaceAll(
        text, {{absl::StrCat("$", i),
                number != nullptr ? absl::StrCat(*number)
                                  : absl::StrCat("'", std::get<std::string>(values[i - 1]), "'")}});
  }
  return text;
}

class PlansTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    testing::CostsOnDatabaseTest::SetUp();
    if (IsSkipped()) return;
    for (int month = 1; month <= 12; ++month) {
      std::vector<testing::Charge> charges;
      for (int i = 0; i < kEntities; ++i) {
        charges.push_back({.billed = absl::StrCat(i % 7, ".25"),
                           .month = month,
                           .day = 1 + i % 28,
                           .service = absl::StrCat("S", i % 5),
                           .resource = absl::StrCat("urn:", i),
                           .team = absl::StrCat("t", i)});
      }
      Deliver(charges);
    }
    Explain explain = ExplainBySqlite;
    if (!postgres_url_.empty()) {
      ASSERT_TRUE(store::SharedPostgres()->Sql(postgres_url_, "ANALYZE").ok());
      explain =
          [this](
              store::Connection&, absl::string_view sql,
              absl::Span<const store::Value> values) -> absl::StatusOr<std::vector<std::string>> {
        PURSER_ASSIGN_OR_RETURN(const std::string plan,
                                store::SharedPostgres()->Sql(
                                    postgres_url_, absl::StrCat("EXPLAIN ", Filled(sql, values))));
        return std::vector<std::string>(absl::StrSplit(plan, '\n'));
      };
    }
    explaining_ = std::make_unique<ExplainingDatabase>(*database_, std::move(explain));
    options_.database = explaining_.get();
    auto service = CostService::Open(options_);
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
    explaining_->scans();
  }
  void TearDown() override {
    service_.reset();
    explaining_.reset();
    testing::CostsOnDatabaseTest::TearDown();
  }

  std::unique_ptr<ExplainingDatabase> explaining_;
};
INSTANTIATE_TEST_SUITE_P(Databases, PlansTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(PlansTest, QuestionsReadNoTableAsAWhole) {
  const absl::CivilDay from(2026, 11, 1), to(2026, 11, 30), year(2026, 1, 1);
  const std::vector<Filter> group = {{Dimension::kGroup, {"group:default/t7"}}};
  ASSERT_FALSE(
      service_->Sums({.from = year, .to = to, .group_by = {Dimension::kDay}, .filters = group})
          ->empty());
  EXPECT_THAT(explaining_->scans(), IsEmpty()) << "a group's year by day";
  ASSERT_FALSE(service_
                   ->Sums({.from = from,
                           .to = to,
                           .group_by = {Dimension::kService, Dimension::kAccount},
                           .filters = {{Dimension::kService, {"S3"}}}})
                   ->empty());
  EXPECT_THAT(explaining_->scans(), IsEmpty()) << "a month by what was bought";
  ASSERT_FALSE(service_->Sums({.from = from, .to = to, .group_by = {Dimension::kEntity}})->empty());
  EXPECT_THAT(explaining_->scans(), IsEmpty()) << "a month by entity";
  ASSERT_EQ(service_
                ->Top({.from = absl::CivilDay(2026, 3, 5),
                       .to = absl::CivilDay(2026, 10, 20),
                       .dimension = Dimension::kEntity,
                       .limit = 20})
                ->rows.size(),
            20u);
  EXPECT_THAT(explaining_->scans(), IsEmpty()) << "the largest";
  ASSERT_FALSE(service_
                   ->Compare({.from = from,
                              .to = to,
                              .before_from = absl::CivilDay(2026, 10, 1),
                              .before_to = absl::CivilDay(2026, 10, 31),
                              .dimension = Dimension::kOwner})
                   ->empty());
  EXPECT_THAT(explaining_->scans(), IsEmpty()) << "two months side by side";
  ASSERT_FALSE(service_->EntitySummary({.entity_ref = "group:default/t7"})->costs.empty());
  EXPECT_THAT(explaining_->scans(), IsEmpty()) << "an entity";
  ASSERT_EQ(service_->Reconcile(from, to)->size(), 1u);
  EXPECT_THAT(explaining_->scans(), IsEmpty()) << "the invoices of a month";
}

}  // namespace
}  // namespace purser::costs

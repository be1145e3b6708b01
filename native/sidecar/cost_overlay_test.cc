// What stands on the catalog's entities of their cost: when it is written, and when it is not.
#include "sidecar/cost_overlay.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::sidecar {
namespace {

using ::testing::ElementsAre;

nlohmann::json EntityWith(const nlohmann::json& annotations) {
  return {{"metadata", {{"name", "a"}, {"annotations", annotations}}}};
}
nlohmann::json Costs(const std::string& amounts, const std::string& month = "2026-10: 9 USD",
                     const std::string& budgets = "b: below") {
  return {{kCostAnnotation, amounts}, {kCostMonthAnnotation, month}, {kBudgetAnnotation, budgets}};
}

TEST(IsWorthWritingTest, OnlyWhatDiffersMuchOrIsOfAnotherMonthOrBudget) {
  const auto worth = [](const nlohmann::json& before, const nlohmann::json& now) {
    return IsWorthWriting(EntityWith(before), {{"annotations", now}});
  };
  const nlohmann::json before = Costs("100 USD, -20 EUR");
  EXPECT_FALSE(worth(before, before));
  EXPECT_FALSE(worth(before, Costs("105 USD, -19 EUR")));
  EXPECT_TRUE(worth(before, Costs("105.000000000000000001 USD, -20 EUR")));
  EXPECT_TRUE(worth(before, Costs("100 USD, -18.9 EUR")));
  EXPECT_TRUE(worth(before, Costs("100 USD")));
  EXPECT_TRUE(worth(before, Costs("100 USD, -20 CHF")));
  EXPECT_TRUE(worth(before, Costs("100 USD, -20 EUR", "2026-11: 9 USD")));
  EXPECT_TRUE(worth(before, Costs("100 USD, -20 EUR", "2026-10: 9 USD", "b: 80 % reached")));
  EXPECT_TRUE(worth(Costs("0 USD"), Costs("0.01 USD")));
  EXPECT_TRUE(worth(before, nlohmann::json::object())) << "nothing is charged any more";
  EXPECT_FALSE(worth(nlohmann::json::object(), nlohmann::json::object()));
  EXPECT_FALSE(IsWorthWriting({{"metadata", {{"name", "a"}}}}, nlohmann::json::object()));
}

class CostOverlayTest : public costs::testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    rules_ =
        "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec: {rules: [{name: teams, tag: team, "
        "entity: 'resource:default/{value}'}]}";
    costs::testing::CostsOnDatabaseTest::SetUp();
    if (IsSkipped()) return;
    auto budgets = costs::ParseBudgets(
        "budgets: [{name: a-month, entity: resource:default/a, amount: 100, currency: USD, "
        "thresholds: [80]}]",
        "budgets.yaml");
    ASSERT_TRUE(budgets.ok()) << budgets.status();
    policy_.budgets = *std::move(budgets);
    inventory_ = *inventory::Inventory::Open(*database_, clock_);
    ASSERT_TRUE(database_
                    ->Transact([&](store::Connection& connection) -> absl::Status {
                      for (const char* const name : {"a", "b", "free"}) {
                        PURSER_RETURN_IF_ERROR(inventory_->PutEntity(
                            connection, {{"apiVersion", "backstage.io/v1alpha1"},
                                         {"kind", "Resource"},
                                         {"metadata", {{"name", name}}},
                                         {"spec", {{"type", "bucket"}, {"owner", "x"}}}}));
                      }
                      return absl::OkStatus();
                    })
                    .ok());
  }
  void TearDown() override {
    overlay_.reset();
    inventory_.reset();
    costs::testing::CostsOnDatabaseTest::TearDown();
  }
  void StartOverlay() {
    overlay_.reset();
    overlay_ = std::make_unique<CostOverlay>(*service_, policy_, *inventory_, *database_);
  }
  // What changed since the last call, once an entity's annotation is as told: "name cost, until,
  // month, budgets".
  std::vector<std::string> ChangesUntil(const std::string& name, const std::string& cost) {
    for (int i = 0; i < 1'000; ++i) {
      const inventory::EntityChanges changes = *inventory_->Changes(position_, 100);
      std::vector<std::string> rows;
      bool is_there = false;
      for (const std::string& text : changes.upserts) {
        const nlohmann::json metadata = (*json::Parse(text))["metadata"];
        const nlohmann::json annotations = metadata.value("annotations", nlohmann::json::object());
        std::string row = absl::StrCat(metadata["name"].get<std::string>(), ":");
        for (const char* const annotation :
             {kCostAnnotation, kCostUntilAnnotation, kCostMonthAnnotation, kBudgetAnnotation}) {
          absl::StrAppend(&row, " [", annotations.value(annotation, ""), "]");
        }
        is_there = is_there ||
                   (metadata["name"] == name && annotations.value(kCostAnnotation, "") == cost);
        rows.push_back(std::move(row));
      }
      if (is_there) {
        position_ = changes.position;
        std::sort(rows.begin(), rows.end());
        return rows;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return {"it did not come"};
  }

  costs::CostPolicy policy_;
  std::unique_ptr<inventory::Inventory> inventory_;
  std::unique_ptr<CostOverlay> overlay_;
  std::string position_;
};
INSTANTIATE_TEST_SUITE_P(Databases, CostOverlayTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(CostOverlayTest, SaysTheMonthAndBudgetsAndWritesLittle) {
  Deliver({{.billed = "100", .month = 10, .day = 31, .team = "a"},
           {.billed = "7", .month = 10, .day = 31, .team = "b"}});
  std::vector<costs::testing::Charge> november = {{.billed = "10", .day = 2, .team = "a"},
                                                  {.billed = "1", .day = 2, .team = "b"}};
  Deliver(november);
  StartOverlay();
  EXPECT_THAT(ChangesUntil("b", "8 USD"),
              ElementsAre("a: [110 USD] [2026-11-02] [2026-10: 100 USD] [a-month: below]",
                          "b: [8 USD] [2026-11-02] [2026-10: 7 USD] []", "free: [] [] [] []"));
  // Another day: of what changed little nothing is written.
  november.push_back({.billed = "2", .day = 3, .team = "a"});
  november.push_back({.billed = "50", .day = 3, .team = "b"});
  Deliver(november);
  overlay_->Ingested();
  EXPECT_THAT(ChangesUntil("b", "58 USD"),
              ElementsAre("b: [58 USD] [2026-11-03] [2026-10: 7 USD] []"));
  // Nor after a restart, which knows what stands there.
  november.push_back({.billed = "1", .day = 4, .team = "a"});
  november.push_back({.billed = "60", .day = 4, .team = "b"});
  Deliver(november);
  StartOverlay();
  EXPECT_THAT(ChangesUntil("b", "118 USD"),
              ElementsAre("b: [118 USD] [2026-11-04] [2026-10: 7 USD] []"));
  // A budget's threshold, and the end of the month.
  november.push_back({.billed = "80", .day = 5, .team = "a"});
  Deliver(november);
  overlay_->Ingested();
  EXPECT_THAT(ChangesUntil("a", "193 USD"),
              ElementsAre("a: [193 USD] [2026-11-05] [2026-10: 100 USD] [a-month: 80 % reached]"));
  november.push_back({.billed = "1", .day = 30, .team = "a"});
  november.push_back({.billed = "1", .day = 30, .team = "b"});
  Deliver(november);
  overlay_->Ingested();
  EXPECT_THAT(ChangesUntil("a", "94 USD"),
              ElementsAre("a: [94 USD] [2026-11-30] [2026-11: 94 USD] [a-month: 80 % reached]",
                          "b: [112 USD] [2026-11-30] [2026-11: 112 USD] []"));
}

}  // namespace
}  // namespace purser::sidecar

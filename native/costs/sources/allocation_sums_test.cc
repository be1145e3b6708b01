// Kept days of clusters as OpenCost's allocation API tells them: exact, by any field, idle as
// asked.
#include "costs/sources/allocation_sums.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "costs/sources/allocation_filter.h"
#include "costs/sources/allocation_json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "store/store.h"

namespace purser::costs {
namespace {

using base::Decimal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Decimal D(absl::string_view text) { return *Decimal::Parse(text); }

const absl::CivilDay kDay(2026, 11, 19);

class AllocationSumsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto database = store::OpenSqlite({.path = ":memory:"});
    ASSERT_TRUE(database.ok()) << database.status();
    database_ = *std::move(database);
    days_ = std::make_unique<ClusterDays>(*ClusterDays::Open(*database_));
  }

  // shop takes half of the node's four cores and an eighth of its memory, dns an eighth of the
  // cores.
  void Keep(const std::string& source, absl::CivilDay day, const std::string& currency = "EUR") {
    ClusterDay cluster({.cpu_hour = D("0.03"), .memory_hour = D("0.004"), .storage_hour = D("0.1")},
                       absl::Hours(1));
    const absl::Time at = absl::FromCivil(day, absl::UTCTimeZone());
    const Decimal gib = Decimal::FromInteger(int64_t{1} << 30);
    const PodKey shop{"web", "shop-1", "n1"}, dns{"kube-system", "dns-1", "n1"};
    ASSERT_TRUE(cluster.AddCapacity("n1", ClusterResource::kCpu, D("4"), nullptr).ok());
    ASSERT_TRUE(cluster.AddCapacity("n1", ClusterResource::kMemory, D("8589934592"), nullptr).ok());
    ASSERT_TRUE(cluster.AddRequest(shop, ClusterResource::kCpu, at, D("2")).ok());
    ASSERT_TRUE(cluster.AddUse(shop, ClusterResource::kCpu, at, D("0.5")).ok());
    ASSERT_TRUE(cluster.AddRequest(shop, ClusterResource::kMemory, at, gib).ok());
    ASSERT_TRUE(cluster.AddRequest(dns, ClusterResource::kCpu, at, D("0.5")).ok());
    ASSERT_TRUE(cluster.AddVolume({"web", "data"}, "pv-1", at, gib, nullptr).ok());
    cluster.AddMount({"web", "data"}, "shop-1", at);
    const Decimal price = D("0.025");
    ASSERT_TRUE(cluster.AddLoadBalancer("web", "front", &price).ok());
    ASSERT_TRUE(days_
                    ->Keep(source, day, true,
                           ToAllocationJson(
                               {source, currency, at, at + absl::Hours(24)}, *cluster.Finish(),
                               {{{"web", "shop-1"}, {"deployment", "shop", {{"app", "shop"}}}}}))
                    .ok());
  }

  // "NAME TOTAL" of each set, or what went wrong.
  std::vector<std::string> Totals(const AllocationRequest& request,
                                  const char* field = "totalCost") {
    sets_.clear();
    const auto sets = SumAllocations(*days_, request);
    if (!sets.ok()) return {sets.status().ToString()};
    if (!sets->has_value()) return {"nothing"};
    std::vector<std::string> totals;
    for (const std::string& text : **sets) {
      sets_.push_back(*json::Parse(text));
      for (const auto& [name, allocation] : sets_.back().items()) {
        totals.push_back(absl::StrCat(name, " ", allocation[field].dump()));
      }
    }
    return totals;
  }

  std::unique_ptr<store::Database> database_;
  std::unique_ptr<ClusterDays> days_;
  std::vector<nlohmann::json> sets_;
};

TEST_F(AllocationSumsTest, ByWhatIsAskedFor) {
  EXPECT_THAT(Totals({.from = kDay, .to = kDay}), ElementsAre("nothing"));
  Keep("eu", kDay);
  // CPU 0.12: shop 0.06, dns 0.015. Memory 0.032: shop 0.004. A volume 0.1, a load balancer 0.025.
  EXPECT_THAT(Totals({.from = kDay, .to = kDay, .aggregate = {"namespace"}}),
              ElementsAre("__idle__ 0.073", "kube-system 0.015", "web 0.189"));
  const nlohmann::json web = sets_[0]["web"];
  EXPECT_EQ(web["cpuCost"], 0.06);
  EXPECT_EQ(web["ramCost"], 0.004);
  EXPECT_EQ(web["pvCost"], 0.1);
  EXPECT_TRUE(web["pvs"].is_null()) << "which volumes is told of pods' days only";
  EXPECT_EQ(web["loadBalancerCost"], 0.025);
  EXPECT_EQ(web["cpuCoreHours"], 2);
  EXPECT_EQ(web["cpuEfficiency"], 0.25);
  EXPECT_EQ(web["minutes"], 60);
  EXPECT_EQ(web["window"]["start"], "2026-11-19T00:00:00Z");
  EXPECT_EQ(web["window"]["end"], "2026-11-20T00:00:00Z");
  EXPECT_EQ(web["properties"], nlohmann::json::parse(R"({"cluster":"eu","namespace":"web"})"))
      << "what shop and the load balancer have in common";
  EXPECT_THAT(Totals({.from = kDay, .to = kDay, .aggregate = {"controllerKind", "controller"}}),
              ElementsAre("__idle__ 0.073", "__unallocated__/__unallocated__ 0.04",
                          "deployment/shop 0.164"));
  EXPECT_THAT(Totals({.from = kDay, .to = kDay, .aggregate = {"label:app"}}),
              ElementsAre("__idle__ 0.073", "__unallocated__ 0.04", "shop 0.164"));
  EXPECT_THAT(Totals({.from = kDay, .to = kDay, .aggregate = {"service"}}),
              ElementsAre("__idle__ 0.073", "__unallocated__ 0.179", "front 0.025"));
  EXPECT_THAT(Totals({.from = kDay, .to = kDay}),
              ElementsAre("__idle__ 0.073", "eu//web/__load_balancer__/front 0.025",
                          "eu/n1/kube-system/dns-1 0.015", "eu/n1/web/shop-1 0.164"));
  EXPECT_THAT(Totals({.from = kDay, .to = kDay, .aggregate = {"department"}}),
              ElementsAre(HasSubstr("label:NAME")));
}

TEST_F(AllocationSumsTest, InSetsOfDays) {
  Keep("eu", kDay);
  Keep("eu", kDay + 2);
  const auto sets = [&](int step) {
    std::vector<std::string> texts;
    Totals({.from = kDay, .to = kDay + 2, .aggregate = {"cluster"}, .step_days = step});
    for (const nlohmann::json& set : sets_) {
      texts.push_back(set.contains("eu") ? set["eu"]["minutes"].dump() : "none");
    }
    return texts;
  };
  EXPECT_THAT(sets(1), ElementsAre("60", "none", "60"));
  EXPECT_THAT(sets(2), ElementsAre("60", "60"));
  EXPECT_THAT(sets(0), ElementsAre("120"));
  EXPECT_THAT(Totals({.from = kDay, .to = kDay - 1}), ElementsAre(HasSubstr("INVALID_ARGUMENT")));
}

TEST_F(AllocationSumsTest, IdleIsShownHiddenOrShared) {
  Keep("eu", kDay);
  AllocationRequest request{.from = kDay, .to = kDay, .aggregate = {"namespace"}};
  request.idle_by_node = true;
  EXPECT_THAT(Totals(request),
              ElementsAre("eu/n1/__idle__ 0.073", "kube-system 0.015", "web 0.189"));
  request.idle = IdleCost::kHide;
  EXPECT_THAT(Totals(request), ElementsAre("kube-system 0.015", "web 0.189"));
  // Idle CPU 0.045, four fifths to shop; all idle memory to shop.
  request.idle = IdleCost::kShare;
  EXPECT_THAT(Totals(request), ElementsAre("kube-system 0.024", "web 0.253"));
}

TEST_F(AllocationSumsTest, NamespacesAreSharedByTheOthers) {
  Keep("eu", kDay);
  EXPECT_THAT(Totals({.from = kDay,
                      .to = kDay,
                      .aggregate = {"namespace"},
                      .share_namespaces = {"kube-system"}}),
              ElementsAre("__idle__ 0.073", "web 0.204"));
  EXPECT_EQ(sets_[0]["web"]["sharedCost"], 0.015);
}

TEST_F(AllocationSumsTest, FiltersAsOpenCostWritesThem) {
  Keep("eu", kDay);
  Keep("us", kDay);
  const auto names = [&](const std::string& filter) {
    return Totals(
        {.from = kDay, .to = kDay, .aggregate = {"cluster", "namespace"}, .filter = filter});
  };
  EXPECT_THAT(names("cluster:\"eu\""),
              ElementsAre("__idle__ 0.073", "eu/kube-system 0.015", "eu/web 0.189"));
  EXPECT_THAT(names(R"(namespace:"web","shop" + cluster!:"us")"), ElementsAre("eu/web 0.189"));
  EXPECT_THAT(names(R"(label[app]:"shop"+cluster<~:"e")"), ElementsAre("eu/web 0.164"));
  EXPECT_THAT(names(R"(pod~:"ns-"+cluster~>:"s")"), ElementsAre("us/kube-system 0.015"));
  EXPECT_THAT(names(R"(namespace:"a\"b\\")"), IsEmpty());
  for (const char* wrong :
       {"namespace", "namespace:web", "namespace:\"web", "colour:\"red\"",
        "namespace:\"a\"|pod:\"b\"", "namespace=\"a\"", "+", "namespace:\"a\"+"}) {
    EXPECT_THAT(names(wrong), ElementsAre(HasSubstr("INVALID_ARGUMENT"))) << wrong;
  }
}

TEST_F(AllocationSumsTest, DifferentCurrenciesAreNotAdded) {
  Keep("eu", kDay);
  Keep("us", kDay, "USD");
  EXPECT_THAT(Totals({.from = kDay, .to = kDay}), ElementsAre(HasSubstr("EUR and USD")));
  EXPECT_THAT(Totals({.from = kDay,
                      .to = kDay,
                      .aggregate = {"cluster"},
                      .filter = R"(cluster:"us")",
                      .idle = IdleCost::kHide}),
              ElementsAre("us 0.204"));
}

}  // namespace
}  // namespace purser::costs

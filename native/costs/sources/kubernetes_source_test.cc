// A cluster's cost from Prometheus: exact, idle shown, days kept, never an empty day for a silent
// Prometheus.
#include "costs/sources/kubernetes_source.h"

#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "costs/sources/metrics_source.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using base::Decimal;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Decimal D(absl::string_view text) { return *Decimal::Parse(text); }

const ClusterPrices kPrices = {D("0.03"), D("0.004"), D("0.0001"), D("0.01")};
constexpr int64_t kGib = int64_t{1} << 30;

Decimal Gib(int64_t count) { return Decimal::FromInteger(count * kGib); }

std::string Money(const PodCost& cost) {
  return absl::StrCat(cost.idle ? "idle" : cost.pod.ns + "/" + cost.pod.pod, " ",
                      cost.cpu.cost.ToString(), " ", cost.memory.cost.ToString(), " ",
                      cost.volume_cost.ToString(), " ", cost.network_cost.ToString());
}
std::vector<std::string> Finish(ClusterDay& day) {
  const auto costs = day.Finish();
  if (!costs.ok()) return {costs.status().ToString()};
  std::vector<std::string> texts;
  for (const PodCost& cost : *costs) texts.push_back(Money(cost));
  return texts;
}

TEST(ClusterDayTest, APodTakesTheLargerOfRequestAndUseAtEveryMoment) {
  ClusterDay day(kPrices, absl::Hours(1));
  const PodKey a{"web", "a", "n1"};
  for (int hour = 0; hour < 2; ++hour) {
    const absl::Time at = absl::UnixEpoch() + absl::Hours(hour);
    ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("4"), nullptr).ok());
    ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kMemory, Gib(8), nullptr).ok());
    ASSERT_TRUE(day.AddRequest(a, ClusterResource::kCpu, at, D("1")).ok());
    // Idle in the first hour, beyond its request in the second: 1 + 3, not max(2, 3).
    ASSERT_TRUE(day.AddUse(a, ClusterResource::kCpu, at, D(hour == 0 ? "0" : "3")).ok());
    ASSERT_TRUE(day.AddRequest(a, ClusterResource::kMemory, at, Gib(2)).ok());
  }
  // CPU: 8 core-hours cost 0.24, half is taken. Memory: 16 GiB-hours cost 0.064, a quarter is.
  EXPECT_THAT(Finish(day), ElementsAre("web/a 0.12 0.016 0 0", "idle 0.12 0.048 0 0"));
}

TEST(ClusterDayTest, IdleIsNeverNegativeAndPartsAddUp) {
  ClusterDay day(kPrices, absl::Hours(1));
  const absl::Time at = absl::UnixEpoch();
  const Decimal price = D("0.1");
  ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("1"), &price).ok());
  // Measured beyond what there is, and in thirds.
  for (const char* pod : {"a", "b", "c"}) {
    ASSERT_TRUE(day.AddUse({"x", pod, "n1"}, ClusterResource::kCpu, at, D("0.5")).ok());
  }
  const auto costs = *day.Finish();
  Decimal sum;
  for (const PodCost& cost : costs) ASSERT_TRUE(Decimal::Add(sum, cost.cpu.cost, &sum));
  EXPECT_EQ(sum.ToString(), "0.1");
  EXPECT_TRUE(costs.back().idle);
  EXPECT_TRUE(costs.back().cpu.cost.IsZero());
  EXPECT_EQ(costs[0].cpu.cost.ToString(), "0.033333333333333334") << "the largest remainder";
  EXPECT_EQ(costs[2].cpu.cost.ToString(), "0.033333333333333333");
}

TEST(ClusterDayTest, AMachinesPriceIsDividedAmongItsParts) {
  ClusterDay day(kPrices, absl::Hours(1));
  day.SetNodeHour("n1", D("1"));
  ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("4"), nullptr).ok());
  ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kMemory, Gib(10), nullptr).ok());
  EXPECT_THAT(Finish(day), ElementsAre("idle 0.75 0.25 0 0")) << "0.12 to 0.04";
}

TEST(ClusterDayTest, VolumesGoToWhoMountsThem) {
  ClusterDay day(kPrices, absl::Hours(1));
  ASSERT_TRUE(day.AddVolume("x", "data", Gib(100), nullptr).ok());
  ASSERT_TRUE(day.AddVolume("x", "old", Gib(10), nullptr).ok());
  day.AddMount("x", "data", "a");
  day.AddMount("x", "data", "b");
  ASSERT_TRUE(day.AddNetwork("x", "a", Gib(3)).ok());
  EXPECT_THAT(Finish(day),
              ElementsAre("x/a 0 0 0.005 0.03", "x/b 0 0 0.005 0", "x/__unmounted__ 0 0 0.001 0"));
}

// Prometheus, as far as it is asked: series by a part of the query, each a constant.
class FakePrometheus {
 public:
  explicit FakePrometheus(http::FakeTransport& transport) {
    transport.Otherwise(
        [this](const http::Request& request, const http::CallOptions&) { return Answer(request); });
  }
  struct Constant {
    std::string labels;  // JSON members
    std::string value;
  };
  std::map<std::string, std::vector<Constant>> series;
  std::string trouble;  // an answer to everything, when not ""
  int status = 200;
  int asked = 0;
  std::vector<std::string> queries;

 private:
  absl::StatusOr<http::Response> Answer(const http::Request& request) {
    ++asked;
    if (!trouble.empty()) return http::Response{.status = status, .body = trouble};
    std::map<std::string, std::string> form;
    for (const absl::string_view part : absl::StrSplit(request.body, '&')) {
      const std::pair<std::string, std::string> pair =
          absl::StrSplit(part, absl::MaxSplits('=', 1));
      form[pair.first] = Decode(pair.second);
    }
    queries.push_back(form["query"]);
    int64_t start = 0, end = 0, step = 1;
    EXPECT_TRUE(absl::SimpleAtoi(form["start"], &start) && absl::SimpleAtoi(form["end"], &end) &&
                absl::SimpleAtoi(form["step"], &step));
    std::string result;
    for (const auto& [part, constants] : series) {
      if (!absl::StrContains(form["query"], part)) continue;
      for (const Constant& constant : constants) {
        std::string values;
        for (int64_t at = start; at <= end; at += step) {
          absl::StrAppend(&values, values.empty() ? "" : ",", "[", at, ",\"", constant.value,
                          "\"]");
        }
        absl::StrAppend(&result, result.empty() ? "" : ",", R"({"metric":{)", constant.labels,
                        R"(},"values":[)", values, "]}");
      }
    }
    return http::Response{
        .status = 200,
        .body = absl::StrCat(R"({"status":"success","data":{"resultType":"matrix","result":[)",
                             result, "]}}")};
  }
  static std::string Decode(absl::string_view text) {
    std::string out;
    for (size_t i = 0; i < text.size(); ++i) {
      int value = text[i];
      if (text[i] == '%') {
        EXPECT_TRUE(absl::SimpleHexAtoi(text.substr(i + 1, 2), &value));
        i += 2;
      }
      out.push_back(static_cast<char>(value));
    }
    return out;
  }
};

class KubernetesSourceTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    rules_ =
        "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec:\n  rules:\n"
        "    - {name: app, kubernetes: {label: app}, entity: 'component:default/{value}'}\n"
        "    - {name: spaces, kubernetes: namespace, entity: 'system:default/{value}'}\n";
    testing::CostsOnDatabaseTest::SetUp();
    if (IsSkipped()) return;
    clock_.Advance(
        absl::FromCivil(absl::CivilSecond(2026, 11, 20, 6, 12, 30), absl::UTCTimeZone()) -
        clock_.Now());
    prometheus_.series = {
        {"kube_node_status_capacity{resource=\"cpu\"}", {{R"("node":"n1")", "4"}}},
        {"kube_node_status_capacity{resource=\"memory\"}",
         {{R"("node":"n1")", absl::StrCat(16 * kGib)}}},
        {"node_cpu_hourly_cost", {{R"("node":"n1")", "0.025"}}},
        {"node_ram_hourly_cost", {{R"("node":"n1")", "3.125E-3"}}},
        {"kube_pod_container_resource_requests{resource=\"cpu\"}",
         {{R"("namespace":"web","pod":"shop-1","node":"n1")", "1"},
          {R"("namespace":"data","pod":"etl-1","node":"n1")", "0.5"}}},
        {"container_memory_working_set_bytes",
         {{R"("namespace":"web","pod":"shop-1")", absl::StrCat(4 * kGib)}}},
        {"kube_pod_owner",
         {{R"("namespace":"web","pod":"shop-1","owner_kind":"ReplicaSet","owner_name":"shop-7f")",
           "1"}}},
        {"kube_replicaset_owner",
         {{R"("namespace":"web","replicaset":"shop-7f","owner_kind":"Deployment",)"
           R"("owner_name":"shop")",
           "1"}}},
        {"kube_pod_labels", {{R"("namespace":"web","pod":"shop-1","label_app":"shop")", "1"}}},
    };
    Open();
  }
  void Open() {
    KubernetesOptions options{.name = "cluster-eu",
                              .cluster = "eu",
                              .currency = "EUR",
                              .prices = kPrices,
                              .days = 1,
                              .spool_folder = folder_ + "/spool"};
    auto source = KubernetesSource::Open(
        std::move(options), PrometheusClient({.url = "http://prometheus:9090/"}, transport_),
        *service_, *database_, clock_);
    ASSERT_TRUE(source.ok()) << source.status();
    source_ = *std::move(source);
  }
  std::vector<std::string> Round() {
    const auto fetched = source_->Round(false, {});
    if (!fetched.ok()) return {fetched.status().ToString()};
    std::vector<std::string> rows;
    for (const FetchedDelivery& delivery : *fetched) {
      rows.push_back(
          absl::StrCat(delivery.name, " ", FetchResultName(delivery.result), " ", delivery.rows));
    }
    return rows;
  }

  http::FakeTransport transport_;
  FakePrometheus prometheus_{transport_};
  std::unique_ptr<KubernetesSource> source_;
};
INSTANTIATE_TEST_SUITE_P(Databases, KubernetesSourceTest, ::testing::Values("sqlite"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(KubernetesSourceTest, AllocatesNodesToPodsAndShowsIdle) {
  // The 19th is whole, the 20th reaches to 06:00.
  EXPECT_THAT(Round(), ElementsAre("2026-11 stored 6"));
  // The node costs 0.1 + 0.05 an hour. shop: a quarter of both; etl: an eighth of the CPU.
  EXPECT_THAT(Query({Dimension::kDay, Dimension::kEntity}),
              ElementsAre("2026-11-19 component:default/shop EUR 0.9 0.9 1",
                          "2026-11-19 system:default/data EUR 0.3 0.3 1",
                          "2026-11-19 unallocated EUR 2.4 2.4 1",
                          "2026-11-20 component:default/shop EUR 0.225 0.225 1",
                          "2026-11-20 system:default/data EUR 0.075 0.075 1",
                          "2026-11-20 unallocated EUR 0.6 0.6 1"));
}

TEST_P(KubernetesSourceTest, ADayIsAskedForUntilItIsComplete) {
  Round();
  const int asked = prometheus_.asked;
  Round();
  EXPECT_LT(prometheus_.asked - asked, asked / 2) << "only today again";
  // The day ends; Prometheus forgets the 19th, Purser does not.
  clock_.Advance(absl::Hours(20));
  EXPECT_THAT(Round(), ElementsAre("2026-11 stored 9"));
  EXPECT_THAT(Query({Dimension::kDay}),
              ElementsAre("2026-11-19 EUR 3.6 3.6 3", "2026-11-20 EUR 3.6 3.6 3",
                          HasSubstr("2026-11-21 EUR")));
}

TEST_P(KubernetesSourceTest, SilenceIsNoEmptyDay) {
  Round();
  prometheus_.series.clear();
  clock_.Advance(absl::Hours(1));
  EXPECT_THAT(Round(), ElementsAre("2026-11-20 waiting 0"));
  EXPECT_THAT(Query({}), ElementsAre("EUR 4.5 4.5 6"));
  prometheus_.status = 503;
  prometheus_.trouble = R"({"status":"error","error":"loading"})";
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("UNAVAILABLE")));
  // A part of the data is missing: that is no answer either.
  prometheus_.status = 200;
  prometheus_.trouble =
      R"({"status":"success","warnings":["store down"],"data":{"resultType":"matrix","result":[]}})";
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("lacks something")));
  prometheus_.status = 400;
  prometheus_.trouble = R"({"status":"error","error":"parse error"})";
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("parse error")));
  EXPECT_THAT(Query({}), ElementsAre("EUR 4.5 4.5 6"));
}

TEST_P(KubernetesSourceTest, HasTheFieldsOfOpenCostsAllocationApi) {
  ClusterDay day(kPrices, absl::Hours(1));
  const PodKey pod{"web", "shop-1", "n1"};
  for (int hour = 0; hour < 2; ++hour) {
    const absl::Time at = absl::UnixEpoch() + absl::Hours(hour);
    ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("4"), nullptr).ok());
    ASSERT_TRUE(day.AddRequest(pod, ClusterResource::kCpu, at, D("1")).ok());
    ASSERT_TRUE(day.AddUse(pod, ClusterResource::kCpu, at, D("0.25")).ok());
  }
  const std::string text = ToAllocationJson(
      {"eu", "EUR", absl::UnixEpoch(), absl::UnixEpoch() + absl::Hours(2)}, *day.Finish(),
      {{{"web", "shop-1"}, {"deployment", "shop", {{"app", "shop"}}}}});
  const auto answer = json::Parse(text);
  ASSERT_TRUE(answer.ok()) << answer.status() << text;
  const nlohmann::json shop = (*answer)["data"][0]["eu/n1/web/shop-1"];
  EXPECT_EQ(shop["properties"],
            nlohmann::json::parse(R"({"cluster":"eu","node":"n1","namespace":"web","pod":"shop-1",)"
                                  R"("controllerKind":"deployment","controller":"shop",)"
                                  R"("labels":{"app":"shop"}})"));
  EXPECT_EQ(shop["window"]["end"], "1970-01-01T02:00:00Z");
  EXPECT_EQ(shop["minutes"], 120);
  EXPECT_EQ(shop["cpuCores"], 1);
  EXPECT_EQ(shop["cpuCoreRequestAverage"], 1);
  EXPECT_EQ(shop["cpuCoreUsageAverage"], 0.25);
  EXPECT_EQ(shop["cpuCoreHours"], 2);
  EXPECT_EQ(shop["cpuEfficiency"], 0.25);
  EXPECT_EQ(shop["cpuCost"], 0.06);
  EXPECT_EQ(shop["totalCost"], 0.06);
  EXPECT_EQ((*answer)["data"][0]["__idle__/n1"]["cpuCost"], 0.18);
}

TEST_P(KubernetesSourceTest, BusinessMetricsForUnitCosts) {
  prometheus_.series = {{"orders_total",
                         {{R"("entity":"component:default/shop","region":"eu")", "40"},
                          {R"("entity":"component:default/shop","region":"us")", "2.5"}}}};
  MetricsSource metrics(
      {.queries = {{.metric = "orders",
                    .query = "sum by (entity,region) (increase(orders_total[1d]))",
                    .entity = "",
                    .label = "entity"}},
       .days = 2},
      PrometheusClient({.url = "http://prometheus:9090"}, transport_), *service_, clock_);
  const auto fetched = metrics.Round(false, {});
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_EQ((*fetched)[0].rows, 2);
  // A file's metrics and these do not disturb each other.
  ASSERT_TRUE(
      service_
          ->PutMetrics({{"users", "component:default/shop", absl::CivilDay(2026, 11, 19), D("7")}})
          .ok());
  ASSERT_TRUE(service_->PutMetrics({}).ok());
  ASSERT_TRUE(metrics.Round(false, {}).ok());
  const auto orders = service_->Metrics("orders", "component:default/shop",
                                        absl::CivilDay(2026, 11, 1), absl::CivilDay(2026, 11, 30));
  ASSERT_TRUE(orders.ok()) << orders.status();
  std::vector<std::string> values;
  for (const MetricValue& value : *orders) {
    values.push_back(absl::StrCat(absl::FormatCivilTime(value.day), " ", value.value.ToString()));
  }
  EXPECT_THAT(values, ElementsAre("2026-11-18 42.5", "2026-11-19 42.5"));
  EXPECT_THAT(*service_->Metrics("users", "component:default/shop", absl::CivilDay(2026, 1, 1),
                                 absl::CivilDay(2026, 12, 31)),
              IsEmpty());
  prometheus_.series["orders_total"][0].labels = R"("entity":"no entity!")";
  EXPECT_EQ(metrics.Round(false, {})->at(0).result, FetchResult::kFailed);
}

}  // namespace
}  // namespace purser::costs

// A cluster's cost from Prometheus: exact, idle shown, days kept, never an empty day for a silent
// Prometheus.
#include "costs/sources/kubernetes_source.h"

#include <limits>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "costs/sources/allocation_sums.h"
#include "costs/sources/metrics_source.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using base::Decimal;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

Decimal D(absl::string_view text) { return *Decimal::Parse(text); }

const ClusterPrices kPrices = {.cpu_hour = D("0.03"),
                               .memory_hour = D("0.004"),
                               .storage_hour = D("0.0001"),
                               .network_gib = D("0.01")};
constexpr int64_t kGib = int64_t{1} << 30;

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
  int64_t trouble_before = std::numeric_limits<int64_t>::max();  // …that begins before, seconds
  int status = 200;
  int asked = 0;
  std::vector<std::string> queries;

 private:
  absl::StatusOr<http::Response> Answer(const http::Request& request) {
    ++asked;
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
    if (!trouble.empty() && start < trouble_before) {
      return http::Response{.status = status, .body = trouble};
    }
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
        {"kube_node_status_capacity{resource=~\"cpu\"", {{R"("node":"n1")", "4"}}},
        {"kube_node_status_capacity{resource=~\"memory\"",
         {{R"("node":"n1")", absl::StrCat(16 * kGib)}}},
        {"node_cpu_hourly_cost", {{R"("node":"n1")", "0.025"}}},
        {"node_ram_hourly_cost", {{R"("node":"n1")", "3.125E-3"}}},
        {"kube_pod_container_resource_requests{resource=~\"cpu\"",
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
                              .metrics = {.match_labels = {{"cluster", "e\"u"}}},
                              .days = days_,
                              .spool_folder = spool_.empty() ? folder_ + "/spool" : spool_};
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
      rows.push_back(absl::StrCat(delivery.name, " ", FetchResultName(delivery.result), " ",
                                  delivery.rows,
                                  delivery.result == FetchResult::kFailed ? delivery.detail : ""));
    }
    return rows;
  }

  int days_ = 1;
  std::string spool_;
  http::FakeTransport transport_;
  FakePrometheus prometheus_{transport_};
  std::unique_ptr<KubernetesSource> source_;
};
INSTANTIATE_TEST_SUITE_P(Databases, KubernetesSourceTest, ::testing::Values("sqlite", "postgres"),
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

TEST_P(KubernetesSourceTest, ItsDaysAreOpenCostsAllocations) {
  Round();
  const auto days = ClusterDays::Open(*database_);
  ASSERT_TRUE(days.ok()) << days.status();
  const auto sets = SumAllocations(*days, {.from = absl::CivilDay(2026, 11, 19),
                                           .to = absl::CivilDay(2026, 11, 20),
                                           .aggregate = {"namespace"},
                                           .step_days = 1});
  ASSERT_TRUE(sets.ok()) << sets.status();
  ASSERT_EQ((*sets)->size(), 2u);
  const nlohmann::json day = *json::Parse((**sets)[0]);
  EXPECT_EQ(day["web"]["cpuCost"], 0.6);
  EXPECT_EQ(day["web"]["ramCost"], 0.3);
  EXPECT_EQ(day["data"]["totalCost"], 0.3);
  EXPECT_EQ(day["__idle__"]["totalCost"], 2.4) << "what the bill of the day says, too";
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

TEST_P(KubernetesSourceTest, ADayThatCannotBeAnsweredKeepsNoOtherWaiting) {
  // "query processing would load too many samples": of yesterday, however often it is asked.
  prometheus_.status = 422;
  prometheus_.trouble = R"({"status":"error","errorType":"execution","error":"too many samples"})";
  prometheus_.trouble_before =
      absl::ToUnixSeconds(absl::FromCivil(absl::CivilDay(2026, 11, 20), absl::UTCTimeZone()));
  EXPECT_THAT(Round(),
              ElementsAre(HasSubstr("2026-11-19 failed 0Prometheus refuses"), "2026-11 stored 3"));
  EXPECT_THAT(Query({}), ElementsAre("EUR 0.9 0.9 3"));
}

TEST_P(KubernetesSourceTest, WhatWasKeptIsStoredThoughTheRoundBeforeEnded) {
  spool_ = "/dev/null/nowhere";
  Open();
  EXPECT_THAT(Round(), ElementsAre(HasSubstr("/dev/null/nowhere")));
  spool_.clear();
  Open();
  // The 19th is complete and not asked for again, but not in the stored month either.
  clock_.Advance(absl::Hours(18) + absl::Minutes(1));
  prometheus_.series.clear();
  EXPECT_THAT(Round(), Contains("2026-11 stored 6"));
  EXPECT_THAT(Query({Dimension::kDay}), ElementsAre("2026-11-19 EUR 3.6 3.6 3", HasSubstr("")));
}

TEST_P(KubernetesSourceTest, MonthsOfALongLookBackAreAllStored) {
  days_ = 150;
  Open();
  EXPECT_THAT(Round(), ElementsAre("2026-06 stored 24", "2026-07 stored 93", "2026-08 stored 93",
                                   "2026-09 stored 90", "2026-10 stored 93", "2026-11 stored 60"));
  const int asked = prometheus_.asked;
  EXPECT_THAT(Round(), ElementsAre("2026-11 stored 60"));
  EXPECT_LT(prometheus_.asked, asked + asked / 50) << "only today again";
}

TEST_P(KubernetesSourceTest, AllQueriesNameTheCluster) {
  Round();
  for (const std::string& query : prometheus_.queries) {
    size_t series = 0, matched = 0;
    for (size_t at = query.find('{'); at != std::string::npos; at = query.find('{', at + 1)) {
      ++series;
      matched += absl::StrContains(query.substr(at, query.find('}', at) - at), R"(cluster="e\"u")");
    }
    EXPECT_GT(series, 0u) << query;
    EXPECT_EQ(series, matched) << query;
    EXPECT_FALSE(absl::StrContains(query, '<')) << query;
  }
}

TEST_P(KubernetesSourceTest, AUseWithoutANodeIsWhereThePodRuns) {
  // Nothing is asked for: only kube_pod_info says where the pod runs.
  prometheus_.series["kube_pod_info"] = {{R"("namespace":"web","pod":"free-1","node":"n1")", "1"}};
  prometheus_.series["container_memory_working_set_bytes"] = {
      {R"("namespace":"web","pod":"free-1")", absl::StrCat(4 * kGib)}};
  Round();
  EXPECT_THAT(Query({Dimension::kDay, Dimension::kEntity}),
              Contains("2026-11-20 system:default/web EUR 0.075 0.075 1"));
}

TEST_P(KubernetesSourceTest, VolumesAndLoadBalancersAreStoredOnce) {
  const std::string claim = R"("namespace":"web","persistentvolumeclaim":"data")";
  prometheus_.series["kube_persistentvolumeclaim_resource_requests_storage_bytes"] = {
      {absl::StrCat(claim, R"(,"volumename":"pv-1")"), absl::StrCat(1000 * kGib)}};
  prometheus_.series["kube_pod_spec_volumes_persistentvolumeclaims_info"] = {
      {absl::StrCat(claim, R"(,"pod":"shop-1")"), "1"}};
  prometheus_.series["kube_service_spec_type"] = {{R"("namespace":"web","service":"front")", "1"}};
  prometheus_.series["kubecost_load_balancer_cost"] = {
      {R"("namespace":"web","service_name":"front")", "0.025"}};
  EXPECT_THAT(Round(), ElementsAre("2026-11 stored 8"));
  // 0.9 and 24 hours of 0.1; the balancer's pod has no label: it is the namespace's.
  EXPECT_THAT(Query({Dimension::kDay, Dimension::kEntity}),
              AllOf(Contains("2026-11-19 component:default/shop EUR 3.3 3.3 1"),
                    Contains("2026-11-19 system:default/web EUR 0.6 0.6 1")));
}

TEST_P(KubernetesSourceTest, HasTheFieldsOfOpenCostsAllocationApi) {
  ClusterDay day(kPrices, absl::Hours(1));
  const PodKey pod{"web", "shop-1", "n1"};
  for (int hour = 0; hour < 2; ++hour) {
    const absl::Time at = absl::UnixEpoch() + absl::Hours(hour);
    ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("4"), nullptr).ok());
    ASSERT_TRUE(day.AddRequest(pod, ClusterResource::kCpu, at, D("1")).ok());
    ASSERT_TRUE(day.AddUse(pod, ClusterResource::kCpu, at, D("0.25")).ok());
    ASSERT_TRUE(day.AddLimit(pod, ClusterResource::kCpu, D("2")).ok());
    ASSERT_TRUE(
        day.AddVolume({"web", "data"}, "pv-1", at, Decimal::FromInteger(kGib), nullptr).ok());
    day.AddMount({"web", "data"}, "shop-1", at);
  }
  ASSERT_TRUE(day.AddSent("web", "shop-1", D("7")).ok());
  ASSERT_TRUE(day.AddReceived("web", "shop-1", D("9")).ok());
  const Decimal balancer_hour = D("0.025");
  ASSERT_TRUE(day.AddLoadBalancer("web", "front", &balancer_hour).ok());
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
  EXPECT_NEAR(shop["totalCost"], 0.0602, 1e-9) << "with the volume";
  EXPECT_EQ(shop["cpuCoreLimitAverage"], 2);
  EXPECT_EQ(shop["networkTransferBytes"], 7);
  EXPECT_EQ(shop["networkReceiveBytes"], 9);
  EXPECT_EQ(shop["pvByteHours"], 2 * kGib);
  EXPECT_EQ(shop["pvs"], nlohmann::json::parse(
                             R"({"cluster=eu:name=pv-1":{"byteHours":2147483648,"cost":0.0002}})"));
  for (const char* field : {"gpuCount",
                            "gpuHours",
                            "gpuCost",
                            "loadBalancerCost",
                            "sharedCost",
                            "externalCost",
                            "cpuCostAdjustment",
                            "ramCostAdjustment",
                            "gpuCostAdjustment",
                            "pvCostAdjustment",
                            "networkCostAdjustment",
                            "loadBalancerCostAdjustment",
                            "networkCrossZoneCost",
                            "networkCrossRegionCost",
                            "networkInternetCost",
                            "ramBytes",
                            "ramByteRequestAverage",
                            "ramByteLimitAverage",
                            "ramByteUsageAverage",
                            "ramByteHours",
                            "ramCost",
                            "ramEfficiency",
                            "pvBytes",
                            "networkCost",
                            "totalEfficiency"}) {
    EXPECT_TRUE(shop[field].is_number()) << field;
  }
  const nlohmann::json balancer = (*answer)["data"][0]["eu//web/__load_balancer__/front"];
  EXPECT_EQ(balancer["loadBalancerCost"], 0.025);
  EXPECT_EQ(balancer["properties"]["services"], nlohmann::json::array({"front"}));
  EXPECT_EQ(balancer["lbAllocations"]["eu/web/front"],
            nlohmann::json::parse(R"({"service":"web/front","cost":0.025,"hours":1})"));
  EXPECT_EQ((*answer)["data"][0]["__idle__/n1"]["cpuCost"], 0.18);
}

TEST_P(KubernetesSourceTest, ALargeDayIsReadInParts) {
  ClusterDay day(kPrices, absl::Hours(1));
  ASSERT_TRUE(day.AddCapacity("n1", ClusterResource::kCpu, D("4"), nullptr).ok());
  std::map<std::pair<std::string, std::string>, PodFacts> facts;
  for (int i = 0; i < 9; ++i) {
    const PodKey pod{"web", absl::StrCat("p", i), "n1"};
    ASSERT_TRUE(day.AddRequest(pod, ClusterResource::kCpu, absl::UnixEpoch(), D("0.1")).ok());
    facts[{pod.ns, pod.pod}].labels["note"] = "a,\n}]}{\"code\":200";
  }
  const std::string text = ToAllocationJson(
      {"eu", "EUR", absl::UnixEpoch(), absl::UnixEpoch() + absl::Hours(1)}, *day.Finish(), facts);
  EXPECT_THAT(SplitAllocationJson(text, text.size()), ElementsAre(text));
  for (const size_t bytes : {size_t{1}, text.size() / 3, text.size() / 2}) {
    std::map<std::string, nlohmann::json> all;
    const std::vector<std::string> parts = SplitAllocationJson(text, bytes);
    EXPECT_GE(parts.size(), 2u);
    for (const std::string& part : parts) {
      const auto answer = json::Parse(part);
      ASSERT_TRUE(answer.ok()) << answer.status() << part;
      for (const auto& [name, allocation] : (*answer)["data"][0].items()) all[name] = allocation;
    }
    EXPECT_EQ(nlohmann::json(all), (*json::Parse(text))["data"][0]);
  }
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

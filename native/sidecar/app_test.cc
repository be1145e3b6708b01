#include "sidecar/app.h"

#include <arpa/inet.h>
#include <grpcpp/grpcpp.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/testing/eventually.h"
#include "costs/sources/allocation_json.h"
#include "costs/sources/cluster_days.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "purser/v1/costs.grpc.pb.h"
#include "purser/v1/provisioning.grpc.pb.h"
#include "sidecar/config.h"
#include "store/store.h"
#include "store/testing/shared_postgres.h"

namespace purser::sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

class AppTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/purser-app-XXXXXX";
    folder_ = mkdtemp(pattern);
    std::filesystem::create_directories(folder_ + "/blueprints");
    std::filesystem::create_directories(folder_ + "/billing");
    std::ofstream(folder_ + "/blueprints/one.yaml") << R"(
apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: one}
spec:
  parameters: {type: object, properties: {name: {type: string}}, required: [name]}
  owner: group:default/team
  steps:
    - {id: manifest, uses: files/write, with: {folder: "${{ parameters.name }}", files: {a.txt: hello}}}
  entity:
    metadata: {name: "${{ parameters.name }}"}
    spec: {type: test}
)";
    WriteConfig("");
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  void WriteConfig(const std::string& more) {
    std::ofstream(folder_ + "/purserd.yaml")
        << "state: state\nlisten: {unix: {path: run/s.sock}}\nhttp: {address: \"127.0.0.1:0\"}\n"
        << "log: {level: error}\nblueprints: [blueprints]\n"
        << "connectors: {core: {}, files: {root: " << folder_ << "/out}}\n"
        << "costs: {folders: [billing]" << costs_ << "}\n"
        << store_ << more;
  }
  absl::StatusOr<std::unique_ptr<App>> Start() {
    absl::StatusOr<Config> config = LoadConfig(folder_ + "/purserd.yaml");
    if (!config.ok()) return config.status();
    absl::StatusOr<std::unique_ptr<App>> app = App::Start(*std::move(config));
    if (app.ok()) port_ = (*app)->http_port();
    return app;
  }
  std::string Get(const std::string& path) {
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port_);
    std::string answer;
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0) {
      const std::string request =
          absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
      if (write(fd, request.data(), request.size()) > 0) {
        char buffer[4096];
        ssize_t got = 0;
        while ((got = read(fd, buffer, sizeof(buffer))) > 0) {
          answer.append(buffer, static_cast<size_t>(got));
        }
      }
    }
    close(fd);
    return answer;
  }
  std::shared_ptr<grpc::Channel> Channel() {
    return grpc::CreateChannel("unix:" + folder_ + "/run/s.sock",
                               grpc::InsecureChannelCredentials());
  }

  std::string folder_;
  std::string costs_;  // further members of the configuration's costs
  std::string store_;  // the configuration's line about it
  uint16_t port_ = 0;  // of metrics and health of the app started last
};

// All that purserd keeps, on both databases.
class AnyStoreAppTest : public AppTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "postgres") {
      store::PostgresServer* server = store::SharedPostgres();
      if (server == nullptr) GTEST_SKIP() << "SKIP no PostgreSQL on this machine";
      store_ = absl::StrCat("store: \"", *server->NewDatabase(), "\"\n");
    }
    AppTest::SetUp();
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, AnyStoreAppTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(AnyStoreAppTest, ServesRequestsCostsAndHealthAndStops) {
  absl::StatusOr<std::unique_ptr<App>> app = Start();
  ASSERT_TRUE(app.ok()) << app.status();
  EXPECT_THAT(Get("/healthz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/readyz"), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get("/nothing"), StartsWith("HTTP/1.1 404"));

  const auto stub = purser::v1::ProvisioningService::NewStub(Channel());
  purser::v1::CreateRequestRequest create;
  create.set_blueprint("one");
  create.set_parameters_json(R"({"name":"x"})");
  create.set_requester("user:default/ada");
  create.set_idempotency_key("k1");
  purser::v1::CreateRequestResponse created;
  grpc::ClientContext create_context;
  const grpc::Status accepted = stub->CreateRequest(&create_context, create, &created);
  ASSERT_TRUE(accepted.ok()) << accepted.error_message();
  purser::v1::WatchRequestRequest watch;
  watch.set_id(created.request().id());
  watch.set_follow(true);
  grpc::ClientContext watch_context;
  const auto events = stub->WatchRequest(&watch_context, watch);
  purser::v1::WatchRequestResponse event;
  std::string last;
  while (events->Read(&event)) last = event.event().type();
  EXPECT_TRUE(events->Finish().ok());
  EXPECT_EQ(last, "request.succeeded");
  std::ifstream written(folder_ + "/out/x/a.txt");
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(written), {}), "hello");
  EXPECT_THAT(Get("/metrics"),
              HasSubstr("purser_rpc_calls_total{method=\"CreateRequest\",code=\"OK\"} 1"));
  // What an operator watches of requests and steps.
  const std::string metrics = Get("/metrics");
  for (const char* line :
       {"purser_step_seconds_count{operation=\"files/write\"} 1", "purser_step_retries 0",
        "purser_leases_lost 0", "purser_results_refused 0", "purser_store_errors 0",
        "purser_connector_calls 1", "purser_queue_age_seconds 0", "purser_requests_open ",
        "purser_requests_parked 0", "purser_oldest_request_seconds "}) {
    EXPECT_THAT(metrics, HasSubstr(line));
  }

  // Bills are read only below the open folders.
  std::ofstream(folder_ + "/outside.csv") << "x";
  std::filesystem::create_symlink(folder_ + "/outside.csv", folder_ + "/billing/link.csv");
  const auto costs = purser::v1::CostService::NewStub(Channel());
  for (const std::string& path : {folder_ + "/outside.csv", folder_ + "/billing/../outside.csv",
                                  folder_ + "/billing/link.csv"}) {
    purser::v1::IngestCostsRequest ingest;
    ingest.set_source("s");
    ingest.set_path(path);
    purser::v1::IngestCostsResponse response;
    grpc::ClientContext context;
    EXPECT_EQ(costs->IngestCosts(&context, ingest, &response).error_code(),
              grpc::StatusCode::PERMISSION_DENIED)
        << path;
  }

  (*app)->Stop(absl::Seconds(5));
  EXPECT_EQ(Get("/healthz"), "");
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/run/s.sock"));
}

TEST_F(AppTest, SaysWhatClustersCost) {
  // Far more than one message holds.
  constexpr int kPods = 4'000;
  const absl::Time day = absl::FromCivil(absl::CivilDay(2026, 11, 19), absl::UTCTimeZone());
  {
    costs::ClusterDay cluster({.cpu_hour = base::Decimal::FromInteger(1)}, absl::Hours(1));
    const base::Decimal one = base::Decimal::FromInteger(1);
    const base::Decimal cores = base::Decimal::FromInteger(kPods);
    ASSERT_TRUE(cluster.AddCapacity("n1", costs::ClusterResource::kCpu, cores, nullptr).ok());
    for (int i = 0; i < kPods; ++i) {
      ASSERT_TRUE(cluster
                      .AddRequest({"wéb", absl::StrCat("p", i), "n1"}, costs::ClusterResource::kCpu,
                                  day, one)
                      .ok());
    }
    std::filesystem::create_directories(folder_ + "/state");
    std::filesystem::permissions(folder_ + "/state", std::filesystem::perms::owner_all);
    const auto database = store::OpenSqlite({.path = folder_ + "/state/purser.db"});
    ASSERT_TRUE(database.ok()) << database.status();
    auto days = costs::ClusterDays::Open(**database);
    ASSERT_TRUE(days.ok()) << days.status();
    ASSERT_TRUE(days->Keep("eu", absl::CivilDay(2026, 11, 19), true,
                           costs::ToAllocationJson({"eu", "EUR", day, day + absl::Hours(24)},
                                                   *cluster.Finish(), {}))
                    .ok());
  }
  costs_ = R"(, sources: {eu: {type: kubernetes, url: "http://127.0.0.1:1"}})";
  WriteConfig("network: {allow: [127.0.0.1]}\n");
  absl::StatusOr<std::unique_ptr<App>> app = Start();
  ASSERT_TRUE(app.ok()) << app.status();
  const auto costs = purser::v1::CostService::NewStub(Channel());
  const auto sets = [&](const purser::v1::SumAllocationsRequest& request, grpc::Status* status) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    std::vector<std::string> texts;
    const auto stream = costs->SumAllocations(&context, request);
    for (purser::v1::SumAllocationsResponse part; stream->Read(&part);) {
      texts.resize(static_cast<size_t>(part.set()) + 1);
      texts.back() += part.text();
    }
    *status = stream->Finish();
    return texts;
  };
  purser::v1::SumAllocationsRequest request;
  request.set_from_day("2026-11-18");
  request.set_to_day("2026-11-19");
  request.set_step_days(1);
  grpc::Status status;
  const std::vector<std::string> pods = sets(request, &status);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(pods.size(), 2u);
  EXPECT_EQ(pods[0], "{}");
  EXPECT_GT(pods[1].size(), size_t{4} << 20);
  const auto all = json::Parse(pods[1]);
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->size(), static_cast<size_t>(kPods) + 1) << "and idle";
  request.set_step_days(0);
  request.add_aggregate("namespace");
  request.set_idle(purser::v1::IDLE_COST_HIDE);
  const std::vector<std::string> spaces = sets(request, &status);
  ASSERT_EQ(spaces.size(), 1u);
  EXPECT_THAT(spaces[0], StartsWith("{\"wéb\":{\"name\":\"wéb\""));
  EXPECT_THAT(spaces[0], HasSubstr(absl::StrCat("\"cpuCost\":", kPods, ",")));
  request.set_filter("namespace=web");
  EXPECT_TRUE(sets(request, &status).empty());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  // A source that does not answer is not purserd that does not.
  purser::v1::FetchCostsRequest fetch;
  fetch.set_source("eu");
  purser::v1::FetchCostsResponse fetched;
  grpc::ClientContext context;
  status = costs->FetchCosts(&context, fetch, &fetched);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << status.error_message();
  EXPECT_THAT(status.error_message(), HasSubstr("the source eu: "));
}

TEST_P(AnyStoreAppTest, SaysWhatCostsMean) {
  costs_ =
      ", allocation: rules.yaml, entities: graph.yaml, budgets: budgets.yaml, prices: "
      "prices.yaml, metrics: metrics.csv, rates: rates.csv, suppress: suppress.yaml, sources: "
      "{local: {type: folder, path: later}}";
  WriteConfig("");
  std::filesystem::create_directories(folder_ + "/billing/later");
  const auto file = [&](const std::string& name, absl::string_view text) {
    std::ofstream(folder_ + "/" + name) << text;
  };
  file("rules.yaml",
       "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec: {rules: [{name: account, column: "
       "SubAccountId, entity: 'component:default/{value}'}]}\n");
  file("graph.yaml",
       "entities: [{ref: component:default/shop, owner: group:default/web, product: one}]\n");
  file("budgets.yaml",
       "budgets: [{name: web, group: group:default/web, amount: 100, currency: USD}]\n");
  file("prices.yaml", "prices: [{product: one, currency: USD, base: 5}]\n");
  file("metrics.csv", "day,metric,entity,value\n2026-11-02,orders,component:default/shop,4\n");
  file("rates.csv", "day,from,to,rate\n2026-11-01,USD,EUR,0.5\n");
  file("suppress.yaml", "suppress: []\n");
  std::string bill =
      "BilledCost,EffectiveCost,BillingCurrency,BillingPeriodStart,ChargePeriodStart,"
      "ChargeCategory,ServiceName,SubAccountId\n";
  for (int day = 1; day <= 20; ++day) {
    absl::StrAppend(&bill, "5,5,USD,2026-11-01,2026-11-", day < 10 ? "0" : "", day,
                    "T00:00:00Z,Usage,S3,shop\n");
  }
  file("billing/b.csv", bill);
  absl::StatusOr<std::unique_ptr<App>> app = Start();
  ASSERT_TRUE(app.ok()) << app.status();
  const auto costs = purser::v1::CostService::NewStub(Channel());
  const auto call = [&](auto method, const auto& request, auto* response) {
    grpc::ClientContext context;
    context.set_wait_for_ready(true);
    const grpc::Status status = ((*costs).*method)(&context, request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
  };
  using Stub = purser::v1::CostService::Stub;
  purser::v1::IngestCostsRequest ingest;
  ingest.set_source("cloud");
  ingest.set_path("b.csv");
  purser::v1::IngestCostsResponse ingested;
  call(&Stub::IngestCosts, ingest, &ingested);
  {
    // The same with its progress: the last of it says that all was read.
    purser::v1::StreamIngestRequest again;
    *again.mutable_ingest() = ingest;
    grpc::ClientContext context;
    const auto stream = costs->StreamIngest(&context, again);
    std::vector<purser::v1::StreamIngestResponse> events;
    for (purser::v1::StreamIngestResponse event; stream->Read(&event);) events.push_back(event);
    ASSERT_TRUE(stream->Finish().ok());
    ASSERT_GE(events.size(), 2u);
    EXPECT_TRUE(events.back().result().unchanged());
    EXPECT_EQ(events.back().result().rows_read(), ingested.rows_read());
    const purser::v1::IngestProgress& all = events[events.size() - 2].progress();
    EXPECT_EQ(all.rows(), ingested.rows_read());
    EXPECT_GT(all.bytes(), 0);
    EXPECT_EQ(all.bytes(), all.total_bytes());
    again.mutable_ingest()->set_path("no-such.csv");
    grpc::ClientContext other;
    const auto refused = costs->StreamIngest(&other, again);
    purser::v1::StreamIngestResponse event;
    EXPECT_FALSE(refused->Read(&event));
    EXPECT_EQ(refused->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
    for (const char* const line :
         {"purser_rpc_calls_total{method=\"IngestCosts\",code=\"OK\"} 1\n",
          "purser_rpc_calls_total{method=\"StreamIngest\",code=\"OK\"} 1\n",
          "purser_rpc_calls_total{method=\"StreamIngest\",code=\"NOT_FOUND\"} 1\n",
          "purser_rpc_seconds_count{method=\"IngestCosts\"} 1\n",
          "purser_cost_source_age_seconds{source=\"local\"} ",
          "purser_cost_source_deliveries{source=\"local\",result=\"stored\"} "}) {
      EXPECT_THAT(Get("/metrics"), HasSubstr(line));
    }
  }
  // Rows that are set aside, with what they would have cost.
  const std::string header = bill.substr(0, bill.find('\n') + 1);
  file("billing/odd.csv", header +
                              "7.5,7,USD,2026-11-01,someday,Usage,S3,shop\n"
                              "x,1,USD,2026-11-01,2026-11-02,Usage,S3,shop\n");
  ingest.set_source("odd");
  ingest.set_path("odd.csv");
  ingest.set_bad_rows(purser::v1::BAD_ROW_POLICY_QUARANTINE);
  purser::v1::IngestCostsResponse set_aside;
  call(&Stub::IngestCosts, ingest, &set_aside);
  EXPECT_EQ(set_aside.rows_quarantined(), 2);
  ASSERT_EQ(set_aside.quarantined_money_size(), 1);
  EXPECT_EQ(set_aside.quarantined_money(0).currency(), "USD");
  EXPECT_EQ(set_aside.quarantined_money(0).billed_cost(), "7.5");
  EXPECT_EQ(set_aside.quarantined_without_money(), 1);

  purser::v1::TopCostsRequest top;
  top.set_from_day("2026-11-01");
  top.set_to_day("2026-11-30");
  top.set_dimension("group");
  purser::v1::TopCostsResponse largest;
  call(&Stub::TopCosts, top, &largest);
  ASSERT_EQ(largest.rows_size(), 1);
  EXPECT_EQ(largest.rows(0).keys(0), "group:default/web");
  EXPECT_EQ(largest.rows(0).billed_cost(), "100");
  EXPECT_EQ(largest.rows(0).list_cost(), "") << "not known, which is not 0";
  top.set_measure("list");
  call(&Stub::TopCosts, top, &largest);
  EXPECT_EQ(largest.rows(0).list_cost(), "0") << "the bill has no such column";
  top.set_measure("");
  top.set_currency("EUR");
  largest.Clear();
  grpc::ClientContext context;
  // The rate of the first day is too old for the last days.
  EXPECT_EQ(costs->TopCosts(&context, top, &largest).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);

  purser::v1::ReconcileCostsRequest reconcile;
  reconcile.set_from_day("2026-11-01");
  reconcile.set_to_day("2026-11-30");
  purser::v1::ReconcileCostsResponse reconciled;
  call(&Stub::ReconcileCosts, reconcile, &reconciled);
  ASSERT_EQ(reconciled.invoices_size(), 1);
  EXPECT_EQ(reconciled.invoices(0).difference(), "0");
  EXPECT_EQ(reconciled.invoices(0).coverage_percent(), "100");

  purser::v1::CompareCostsRequest compare;
  compare.set_from_day("2026-11-11");
  compare.set_to_day("2026-11-20");
  compare.set_dimension("service");
  purser::v1::CompareCostsResponse compared;
  call(&Stub::CompareCosts, compare, &compared);
  ASSERT_EQ(compared.rows_size(), 1);
  EXPECT_EQ(compared.rows(0).before(), "50");

  purser::v1::ListBudgetsResponse budgets;
  call(&Stub::ListBudgets, purser::v1::ListBudgetsRequest(), &budgets);
  ASSERT_EQ(budgets.budgets_size(), 1);
  EXPECT_EQ(budgets.budgets(0).crossed(), 100);
  EXPECT_EQ(budgets.budgets(0).forecast(), "150");

  purser::v1::ForecastCostsResponse forecast;
  call(&Stub::ForecastCosts, purser::v1::ForecastCostsRequest(), &forecast);
  ASSERT_EQ(forecast.forecasts_size(), 1);
  EXPECT_EQ(forecast.forecasts(0).total(), "150.00");

  purser::v1::EstimateCostsRequest estimate;
  estimate.set_product("one");
  purser::v1::EstimateCostsResponse estimated;
  call(&Stub::EstimateCosts, estimate, &estimated);
  EXPECT_EQ(estimated.monthly(), "5");

  purser::v1::ExplainCostsRequest explain;
  explain.set_entity_ref("component:default/shop");
  explain.set_month("2026-11");
  purser::v1::ExplainCostsResponse explained;
  call(&Stub::ExplainCosts, explain, &explained);
  ASSERT_EQ(explained.parts_size(), 1);
  EXPECT_EQ(explained.parts(0).rule(), "account");

  purser::v1::GetUnitCostsRequest units;
  units.set_metric("orders");
  units.set_entity_ref("component:default/shop");
  units.set_from_day("2026-11-01");
  units.set_to_day("2026-11-30");
  purser::v1::GetUnitCostsResponse unit_costs;
  call(&Stub::GetUnitCosts, units, &unit_costs);
  ASSERT_EQ(unit_costs.months_size(), 1);
  EXPECT_EQ(unit_costs.months(0).unit_cost(), "25");

  purser::v1::GetCostStatementRequest statement;
  statement.set_owner("group:default/web");
  statement.set_from_day("2026-11-01");
  statement.set_to_day("2026-11-30");
  purser::v1::GetCostStatementResponse page;
  call(&Stub::GetCostStatement, statement, &page);
  EXPECT_THAT(page.text(), HasSubstr("component:default/shop,S3,,USD,100,100"));

  purser::v1::ListAnomaliesResponse anomalies;
  call(&Stub::ListAnomalies, purser::v1::ListAnomaliesRequest(), &anomalies);
  EXPECT_EQ(anomalies.day(), "2026-11-20");
  EXPECT_EQ(anomalies.anomalies_size(), 0);
  purser::v1::ListAnomaliesRequest month;
  month.set_from_day("2026-11-01");
  call(&Stub::ListAnomalies, month, &anomalies);
  EXPECT_EQ(anomalies.day(), "2026-11-20") << "up to the last day with data";

  // Looked at after the ingest, by a thread of its own.
  purser::v1::ListCostAlertsResponse alerts;
  ASSERT_TRUE(base::Eventually([&] {
    alerts.Clear();
    call(&Stub::ListCostAlerts, purser::v1::ListCostAlertsRequest(), &alerts);
    return alerts.alerts_size() >= 2;
  }));
  ASSERT_EQ(alerts.alerts_size(), 2);
  EXPECT_EQ(alerts.alerts(1).scope(), "2026-11-01 100");

  // What a file says nobody else does.
  purser::v1::PutCostGraphRequest graph;
  purser::v1::PutCostGraphResponse put;
  grpc::ClientContext refused;
  EXPECT_EQ(costs->PutCostGraph(&refused, graph, &put).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
  (*app)->Stop(absl::Seconds(5));
  app->reset();
  costs_.replace(costs_.find(", entities: graph.yaml"), 22, "");
  WriteConfig("");
  app = Start();
  ASSERT_TRUE(app.ok()) << app.status();

  // The portal hands in its catalog in parts.
  graph.set_transfer("t1");
  graph.set_more(true);
  graph.add_entities()->set_ref("component:default/shop");
  graph.mutable_entities(0)->set_owner("group:default/new");
  call(&Stub::PutCostGraph, graph, &put);
  graph.clear_entities();
  graph.set_more(false);
  graph.add_entities()->set_ref("group:default/new");
  graph.mutable_entities(0)->set_parent("group:default/all");
  call(&Stub::PutCostGraph, graph, &put);
  top.clear_currency();
  call(&Stub::TopCosts, top, &largest);
  ASSERT_EQ(largest.rows_size(), 2);
  EXPECT_EQ(largest.rows(0).keys(0), "group:default/all");

  (*app)->Stop(absl::Seconds(5));
}

TEST_F(AppTest, ASecondPurserdOnTheSameStateIsRefused) {
  absl::StatusOr<std::unique_ptr<App>> first = Start();
  ASSERT_TRUE(first.ok()) << first.status();
  const absl::StatusOr<std::unique_ptr<App>> second = Start();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(AppTest, CheckNamesBlueprintAndConnectorFaults) {
  std::ofstream(folder_ + "/blueprints/two.yaml") << R"(
apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: two}
spec:
  steps:
    - {id: a, uses: files/write, needs: [b], with: {folder: x, files: {a: b}}}
    - {id: b, uses: ftp/put, needs: [a], with: {}}
)";
  const absl::StatusOr<Config> config = LoadConfig(folder_ + "/purserd.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  const std::string problems(App::Check(*config).message());
  EXPECT_THAT(problems, HasSubstr("two.yaml:8:"));
  EXPECT_THAT(problems, HasSubstr("ftp"));
  EXPECT_THAT(problems, HasSubstr("in a circle: a → b → a"));
  EXPECT_FALSE(std::filesystem::exists(folder_ + "/state"));
}

TEST_F(AppTest, AnOpenStateFolderIsRefused) {
  std::filesystem::create_directory(folder_ + "/state");
  std::filesystem::permissions(folder_ + "/state", std::filesystem::perms(0755));
  EXPECT_THAT(std::string(Start().status().message()), HasSubstr("chmod 700"));
}

}  // namespace
}  // namespace purser::sidecar

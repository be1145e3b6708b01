// The queries, asked of a real Prometheus: a day with two of everything that may be scraped twice,
// gaps, NaN, a counter that begins anew, pods that end, a node that vanishes, a second cluster.
// Needs Debian's prometheus; skipped without it.
#include "costs/sources/cluster_metrics.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/temporary_folder.h"
#include "base/testing/free_ports.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"

extern char** environ;

namespace purser::costs {
namespace {

using base::Decimal;
using ::testing::HasSubstr;

constexpr double kGib = 1 << 30;
const absl::Time kDay = absl::FromCivil(absl::CivilDay(2026, 11, 19), absl::UTCTimeZone());

double Minute(int hour, int minute = 0) { return hour * 60 + minute; }

// Samples of a day, one a minute, in the text form Prometheus reads.
class Scrapes {
 public:
  using Value = std::function<double(double minute)>;  // infinity: there is none

  void Add(const std::string& metric, const std::string& labels, const Value& value) {
    std::string& text = metrics_[metric];
    for (int minute = -10; minute < 24 * 60 + 15; ++minute) {
      const double sample = value(minute);
      if (std::isinf(sample)) continue;
      absl::StrAppend(&text, metric, "{", labels, "} ",
                      std::isnan(sample) ? "NaN" : absl::StrFormat("%.17g", sample), " ",
                      absl::ToUnixSeconds(kDay + absl::Minutes(minute)), "\n");
    }
  }
  void Write(const std::string& path) const {
    std::ofstream out(path);
    for (const auto& [metric, samples] : metrics_) {
      out << "# TYPE " << metric << " gauge\n" << samples;
    }
    out << "# EOF\n";
  }

 private:
  std::map<std::string, std::string> metrics_;
};

class Prometheus {
 public:
  // "" without one in the PATH.
  static std::string Find(const char* program) {
    for (const absl::string_view folder : absl::StrSplit(getenv("PATH"), ':')) {
      const std::string path = absl::StrCat(folder, "/", program);
      if (access(path.c_str(), X_OK) == 0) return path;
    }
    return "";
  }
  explicit Prometheus(const Scrapes& scrapes) {
    scrapes.Write(folder_ + "/samples");
    const pid_t import = Run({Find("promtool"), "tsdb", "create-blocks-from", "openmetrics",
                              folder_ + "/samples", folder_ + "/data"});
    int status = 0;
    EXPECT_EQ(waitpid(import, &status, 0), import);
    EXPECT_EQ(status, 0) << "see " << folder_;
    std::ofstream(folder_ + "/prometheus.yml") << "global: {}\n";
    const std::string address = absl::StrCat("127.0.0.1:", base::FreePorts(1)->front());
    url_ = "http://" + address;
    pid_ = Run({Find("prometheus"), "--config.file=" + folder_ + "/prometheus.yml",
                "--storage.tsdb.path=" + folder_ + "/data", "--storage.tsdb.retention.time=100y",
                "--web.listen-address=" + address});
  }
  ~Prometheus() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  const std::string& url() const { return url_; }

 private:
  pid_t Run(std::vector<std::string> arguments) {
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    const std::string log = folder_ + "/log";
    posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    posix_spawn_file_actions_adddup2(&files, 1, 2);
    pid_t pid = 0;
    EXPECT_EQ(posix_spawn(&pid, argv[0], &files, nullptr, argv.data(), environ), 0);
    posix_spawn_file_actions_destroy(&files);
    return pid;
  }

  const std::unique_ptr<base::TemporaryFolder> temporary_ =
      *base::TemporaryFolder::Create("a test");
  const std::string& folder_ = temporary_->path();
  std::string url_;
  pid_t pid_ = 0;
};

Scrapes ADay() {
  const double none = INFINITY;
  const auto always = [](double value) { return [value](double) { return value; }; };
  const auto during = [none](double from, double to, double value) {
    return [=](double minute) { return minute >= from && minute < to ? value : none; };
  };
  // kube-state-metrics is not scraped from 03:00 to 03:30.
  const auto told = [none](const Scrapes::Value& value) {
    return [=](double minute) {
      return minute >= Minute(3) && minute < Minute(3, 30) ? none : value(minute);
    };
  };
  Scrapes day;
  const auto state = [&](const std::string& metric, const std::string& labels,
                         const Scrapes::Value& value) {
    for (const char* replica : {"a", "b"}) {
      day.Add(metric, absl::StrCat("cluster=\"eu\",instance=\"", replica, "\",", labels),
              told(value));
    }
    // The other cluster names its things alike.
    day.Add(metric, absl::StrCat("cluster=\"us\",instance=\"c\",", labels),
            [value](double minute) { return 100 * value(minute); });
  };
  const auto cadvisor = [&](const std::string& metric, const std::string& labels,
                            const Scrapes::Value& value) {
    for (const char* job : {"kubelet", "cadvisor"}) {
      day.Add(metric, absl::StrCat("cluster=\"eu\",job=\"", job, "\",", labels), value);
    }
  };
  for (const auto& [node, cpu, memory, until] :
       {std::tuple("n1", 4.0, 16 * kGib, Minute(24, 15)), {"n2", 2.0, 8 * kGib, Minute(12)}}) {
    const std::string of = absl::StrCat("node=\"", node, "\",resource=");
    state("kube_node_status_capacity", of + "\"cpu\"", during(-10, until, cpu));
    state("kube_node_status_capacity", of + "\"memory\"", during(-10, until, memory));
  }
  state("kube_node_status_capacity", "node=\"n1\",resource=\"nvidia_com_gpu\"", always(2));
  day.Add("node_cpu_hourly_cost", "cluster=\"eu\",node=\"n1\",instance=\"10.0.0.1:9100\"",
          [](double minute) { return std::fmod(minute, 7) == 0 ? NAN : 0.025; });
  day.Add("node_ram_hourly_cost", "cluster=\"eu\",node=\"n1\"", always(0.003125));
  day.Add("node_cpu_hourly_cost", "cluster=\"us\",node=\"n1\"", always(77));

  const std::string shop = R"(namespace="web",pod="shop-1",node="n1")";
  const std::string shop_container = shop + R"(,container="shop")";
  state("kube_pod_info", shop, always(1));
  state("kube_pod_container_resource_requests", shop_container + R"(,resource="cpu")", always(1));
  state("kube_pod_container_resource_requests", shop_container + R"(,resource="nvidia_com_gpu")",
        always(1));
  state("kube_pod_container_resource_limits", shop_container + R"(,resource="cpu")", always(3));
  // Half a core, two from 18:00 on; at 10:00 the container starts anew.
  cadvisor("container_cpu_usage_seconds_total", shop_container, [](double minute) {
    const double since = minute < Minute(10) ? minute + 10 : minute - Minute(10);
    return since * 30 + (minute > Minute(18) ? (minute - Minute(18)) * 90 : 0);
  });
  // The pod as a whole, which would count it twice.
  cadvisor("container_cpu_usage_seconds_total", shop + R"(,container="")",
           [](double minute) { return (minute + 10) * 30; });
  // Below a millionth of a core: Prometheus writes it as 1e-07.
  cadvisor("container_cpu_usage_seconds_total",
           R"(namespace="web",pod="still",container="c",node="n1")",
           [](double minute) { return (minute + 10) * 6e-6; });

  const std::string job = R"(namespace="jobs",pod="report-1",node="n1")";
  state("kube_pod_info", job, during(Minute(9), Minute(24, 15), 1));
  state("kube_pod_container_resource_requests", job + R"(,container="r",resource="cpu")",
        during(Minute(9), Minute(24, 15), 2));
  for (const char* phase : {"Running", "Succeeded"}) {
    const bool running = phase[0] == 'R';
    state("kube_pod_status_phase",
          absl::StrCat(R"(namespace="jobs",pod="report-1",phase=")", phase, "\""),
          [=](double minute) {
            return minute < Minute(9) ? none : (minute < Minute(9, 10)) == running ? 1.0 : 0.0;
          });
  }

  state("kube_pod_info", R"(namespace="data",pod="etl-0",node="n2")", during(-10, Minute(12), 1));
  state("kube_pod_info", R"(namespace="data",pod="etl-0",node="n1")",
        during(Minute(12, 5), Minute(24, 15), 1));
  cadvisor("container_memory_working_set_bytes", R"(namespace="data",pod="etl-0",container="etl")",
           always(2 * kGib));
  cadvisor("container_network_transmit_bytes_total",
           R"(namespace="data",pod="etl-0",interface="eth0")",
           [](double minute) { return minute < Minute(6) ? 0 : (minute - Minute(6)) * 60e6; });

  const std::string claim = R"(namespace="web",persistentvolumeclaim="cache")";
  state("kube_persistentvolumeclaim_resource_requests_storage_bytes", claim, always(100 * kGib));
  state("kube_persistentvolumeclaim_info", claim + R"(,volumename="pv-1")", always(1));
  const std::string pending = R"(namespace="web",persistentvolumeclaim="pending")";
  state("kube_persistentvolumeclaim_resource_requests_storage_bytes", pending, always(100 * kGib));
  state("kube_persistentvolumeclaim_info", pending, always(1));
  state("kube_pod_spec_volumes_persistentvolumeclaims_info", claim + R"(,pod="shop-1")", always(1));
  state("kube_persistentvolume_capacity_bytes", R"(persistentvolume="pv-1")", always(100 * kGib));
  state("kube_persistentvolume_capacity_bytes", R"(persistentvolume="pv-2")", always(10 * kGib));
  state("kube_service_spec_type", R"(namespace="web",service="front",type="LoadBalancer")",
        always(1));
  state("kube_service_spec_type", R"(namespace="web",service="inner",type="ClusterIP")", always(1));
  day.Add("kubecost_load_balancer_cost",
          R"(cluster="eu",namespace="web",service_name="front",ingress_ip="192.0.2.1")",
          always(0.02));
  state("kube_pod_owner",
        R"(namespace="web",pod="shop-1",owner_kind="ReplicaSet",owner_name="shop-7f")", always(1));
  state("kube_replicaset_owner",
        R"(namespace="web",replicaset="shop-7f",owner_kind="Deployment",owner_name="shop")",
        always(1));
  state("kube_pod_labels", R"(namespace="web",pod="shop-1",label_app="shop")", always(1));
  return day;
}

class ClusterMetricsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (Prometheus::Find("prometheus").empty() || Prometheus::Find("promtool").empty()) return;
    prometheus_ = std::make_unique<Prometheus>(ADay());
  }
  static void TearDownTestSuite() { prometheus_.reset(); }
  void SetUp() override {
    if (prometheus_ == nullptr) GTEST_SKIP() << "no Prometheus on this machine (prometheus)";
    const auto client = Client();
    const auto ready = [&] {
      return client->Send({.method = "GET", .url = prometheus_->url() + "/-/ready"}, {});
    };
    for (int i = 0; i < 600; ++i) {
      const auto answer = ready();
      if (answer.ok() && answer->status == 200) return;
      absl::SleepFor(absl::Milliseconds(100));
    }
    FAIL() << "Prometheus does not become ready";
  }
  static std::unique_ptr<http::Transport> Client() {
    return *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
  }

  // The whole day of the cluster.
  std::vector<PodCost> Costs(absl::Duration step, std::map<std::string, std::string> labels) {
    const auto transport = Client();
    ClusterMetrics metrics({.match_labels = std::move(labels), .step = step},
                           PrometheusClient({.url = prometheus_->url()}, *transport));
    ClusterDay day({.cpu_hour = *Decimal::Parse("0.02"),
                    .memory_hour = *Decimal::Parse("0.0025"),
                    .gpu_hour = *Decimal::Parse("1"),
                    .storage_hour = *Decimal::Parse("0.0001"),
                    .network_gib = *Decimal::Parse("0.01"),
                    .load_balancer_hour = {}},
                   step);
    for (int hour = 0; hour < 24; ++hour) {
      const absl::Time from = kDay + absl::Hours(hour);
      const absl::Status added =
          metrics.AddHour({from, from + absl::Hours(1) - step, {}}, day, facts_);
      EXPECT_TRUE(added.ok()) << added;
    }
    auto costs = day.Finish();
    EXPECT_TRUE(costs.ok()) << costs.status();
    return *std::move(costs);
  }
  static PodCost Of(const std::vector<PodCost>& costs, const std::string& pod,
                    const std::string& node) {
    for (const PodCost& cost : costs) {
      if ((cost.idle ? "idle" : cost.pod.pod) == pod && cost.pod.node == node) return cost;
    }
    ADD_FAILURE() << "no " << pod << " on " << node;
    return {};
  }
  static double SumOf(const std::vector<PodCost>& costs, const std::string& node,
                      const std::function<Decimal(const PodCost&)>& part) {
    double sum = 0;
    for (const PodCost& cost : costs) sum += cost.pod.node == node ? part(cost).ToDouble() : 0;
    return sum;
  }

  static std::unique_ptr<Prometheus> prometheus_;
  ClusterMetrics::Facts facts_;
};
std::unique_ptr<Prometheus> ClusterMetricsTest::prometheus_;

TEST_F(ClusterMetricsTest, ADayOfAClusterAsItWas) {
  for (const absl::Duration step : {absl::Minutes(5), absl::Minutes(1)}) {
    SCOPED_TRACE(absl::FormatDuration(step));
    const std::vector<PodCost> costs = Costs(step, {{"cluster", "eu"}});
    // A value holds for five minutes: of the gap 25 are missing, of what ends 5 are too much.
    const double gap = 25.0 / 60;
    const double told = 24 - gap;
    const auto cpu = [](const PodCost& cost) { return cost.cpu.cost; };
    EXPECT_NEAR(SumOf(costs, "n1", cpu), 4 * 0.025 * told, 1e-9) << "once, by the price that is";
    EXPECT_NEAR(SumOf(costs, "n2", cpu), 2 * 0.02 * (12 + 5.0 / 60 - gap), 2e-3)
        << "until noon, by the configured price";
    EXPECT_NEAR(SumOf(costs, "n1", [](const PodCost& cost) { return cost.gpu.cost; }), 2 * told,
                1e-9);

    const PodCost shop = Of(costs, "shop-1", "n1");
    EXPECT_NEAR(shop.cpu.requested.ToDouble(), told, 1e-9) << "told by two, asked for once";
    EXPECT_NEAR(shop.cpu.limit.ToDouble(), 3 * told, 1e-9);
    EXPECT_NEAR(shop.cpu.used.ToDouble(), 18 * 0.5 + 6 * 2, 0.2) << "though it began anew";
    EXPECT_NEAR(shop.cpu.allocated.ToDouble(), 18 - gap + gap / 2 + 6 * 2, 0.2);
    EXPECT_NEAR(shop.gpu.cost.ToDouble(), told, 1e-9);
    ASSERT_EQ(shop.volumes.size(), 1u);
    EXPECT_EQ(shop.volumes[0].name, "pv-1");
    EXPECT_NEAR(shop.volumes[0].cost.ToDouble(), 100 * 0.0001 * told, 1e-9);
    EXPECT_EQ(facts_.at({"web", "shop-1"}).controller, "shop");
    EXPECT_EQ(facts_.at({"web", "shop-1"}).labels.at("app"), "shop");

    const PodCost job = Of(costs, "report-1", "n1");
    EXPECT_EQ(job.minutes, 10) << "kube-state-metrics tells its requests until midnight";
    EXPECT_NEAR(job.cpu.requested.ToDouble(), 2 * 10.0 / 60, 1e-9);

    // Nothing but its use is known, and that without a node.
    const double moved = 12 + 5.0 / 60;
    EXPECT_NEAR(Of(costs, "etl-0", "n2").memory.used.ToDouble(), 2 * kGib * moved, 0.2 * kGib);
    const PodCost etl = Of(costs, "etl-0", "n1");
    EXPECT_NEAR(etl.memory.used.ToDouble(), 2 * kGib * (24 - moved), 0.2 * kGib);
    double sent = 0;
    for (const PodCost& cost : costs) sent += cost.network_sent.ToDouble();
    EXPECT_NEAR(sent, 18 * 60 * 60e6, 18 * 60 * 60e6 * 0.005);

    EXPECT_LT(Of(costs, "still", "n1").cpu.used.ToDouble(), 1e-5);
    EXPECT_GT(Of(costs, "still", "n1").cpu.used.ToDouble(), 1e-7);
    EXPECT_FALSE(Of(costs, "idle", "n1").cpu.cost.IsNegative());

    const PodCost unmounted = Of(costs, kUnmountedPod, "");
    ASSERT_EQ(unmounted.volumes.size(), 1u) << "a claim without a volume costs nothing";
    EXPECT_EQ(unmounted.volumes[0].name, "pv-2");
    const PodCost balancer = Of(costs, kLoadBalancerPod, "");
    EXPECT_EQ(balancer.service, "front");
    EXPECT_NEAR(balancer.load_balancer_cost.ToDouble(), 0.02 * told, 1e-9);
  }
}

TEST_F(ClusterMetricsTest, OfTwoClustersTheOneThatIsMeant) {
  const std::vector<PodCost> us = Costs(absl::Hours(1), {{"cluster", "us"}});
  EXPECT_NEAR(Of(us, "shop-1", "n1").cpu.requested.ToDouble(), 100 * 24, 1e-9);
  EXPECT_TRUE(Costs(absl::Hours(1), {{"cluster", "nowhere"}}).empty());
}

TEST_F(ClusterMetricsTest, WhatPrometheusRefusesSaysWhy) {
  const auto transport = Client();
  PrometheusClient client({.url = prometheus_->url()}, *transport);
  const auto ask = [&](const char* query, absl::Duration step) {
    return client.Range(query, kDay, kDay + absl::Hours(24), step, {}).status();
  };
  EXPECT_THAT(ask("sum by (", absl::Minutes(5)).ToString(), HasSubstr("INVALID_ARGUMENT"));
  EXPECT_THAT(ask("kube_node_status_capacity * on (node) group_left kube_node_status_capacity",
                  absl::Minutes(5))
                  .ToString(),
              HasSubstr("many-to-many"));
  EXPECT_THAT(ask("up", absl::Seconds(1)).ToString(), HasSubstr("11,000 points"));
}

}  // namespace
}  // namespace purser::costs

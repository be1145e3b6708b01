// The kubernetes connector against a real API server, where there is one (kubernetes_peer.h).
#include <algorithm>
#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/testing/eventually.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "document/yaml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "tests/peers/connectors_on_peer.h"

namespace purser::connectors {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class KubernetesPeerTest : public peers::ConnectorsOnPeer {
 protected:
  absl::StatusOr<CallResult> Run(const char* operation, const Json& input) {
    return ConnectorsOnPeer::Run(*kubernetes_, operation, input);
  }
};

// Counts what goes over it.
class CountingTransport final : public http::Transport {
 public:
  explicit CountingTransport(http::Transport& inner) : inner_(inner) {}
  absl::StatusOr<http::Response> Send(const http::Request& request,
                                      const http::CallOptions& options) override {
    Note(request);
    return inner_.Send(request, options);
  }
  absl::StatusOr<http::Response> Stream(
      const http::Request& request, const http::CallOptions& options,
      const std::function<absl::Status(const http::Response&, absl::string_view)>& on_data)
      override {
    Note(request);
    return inner_.Stream(request, options, on_data);
  }
  // Requests whose "METHOD url" holds this.
  int Count(absl::string_view part) {
    base::MutexLock lock(mutex_);
    return static_cast<int>(std::count_if(seen_.begin(), seen_.end(), [&](const std::string& one) {
      return absl::StrContains(one, part);
    }));
  }

 private:
  void Note(const http::Request& request) {
    base::MutexLock lock(mutex_);
    seen_.push_back(absl::StrCat(request.method, " ", request.url));
  }
  http::Transport& inner_;
  base::Mutex mutex_;
  std::vector<std::string> seen_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(KubernetesPeerTest, StepsThatWaitTogetherShareOneWatch) {
  CountingTransport counting(*transport_);
  auto connector = KubernetesConnector::FromConfig(
      "kubernetes", {{"clusters", {{"local", {{"kubeconfig", peer_->kubeconfig()}}}}}},
      {counting, base::Clock::System(), base::Rng::System(), {}});
  ASSERT_TRUE(connector.ok()) << connector.status();
  const std::vector<std::string> names = {"web", "api", "worker"};
  base::Mutex mutex;
  std::set<std::string> woken;
  std::map<std::string, FakeCallContext> contexts;
  std::map<std::string, Json> inputs;
  std::map<std::string, CallResult> results;
  for (const std::string& name : names) {
    contexts[name].key = absl::StrCat("run/", name, "/1");
    contexts[name].waker = [&, name] {
      base::MutexLock lock(mutex);
      woken.insert(name);
    };
    const Json labels = {{"app", name}};
    const Json containers = Json::array({{{"name", "main"}, {"image", "example.org/main:1"}}});
    inputs[name] = {
        {"object",
         {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", {{"name", name}, {"namespace", "default"}}},
          {"spec",
           {{"replicas", 1},
            {"selector", {{"matchLabels", labels}}},
            {"template",
             {{"metadata", {{"labels", labels}}}, {"spec", {{"containers", containers}}}}}}}}}};
    const auto result = (*connector)->Call("apply", inputs[name], contexts[name]);
    ASSERT_TRUE(result.ok()) << result.status();
    ASSERT_FALSE(result->ready);
    EXPECT_GE(result->poll_after, kWatchedPace.shortest);
    results[name] = *result;
  }
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& name : names) {
    ASSERT_EQ(
        peer_->Send("PATCH",
                    absl::StrCat("/apis/apps/v1/namespaces/default/deployments/", name, "/status"),
                    "application/merge-patch+json",
                    {{"status",
                      {{"observedGeneration", 1},
                       {"replicas", 1},
                       {"updatedReplicas", 1},
                       {"readyReplicas", 1},
                       {"availableReplicas", 1}}}}),
        200);
  }
  ASSERT_TRUE(base::Eventually([&] {
    base::MutexLock lock(mutex);
    return woken.size() == names.size();
  }));
  // Nobody asked meanwhile; for people, how soon.
  RecordProperty("woken_after_ms",
                 static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                      std::chrono::steady_clock::now() - begin)
                                      .count()));
  for (const std::string& name : names) {
    const auto seen = (*connector)->Observe("apply", inputs[name], results[name], contexts[name]);
    ASSERT_TRUE(seen.ok()) << seen.status();
    EXPECT_TRUE(seen->ready) << seen->progress;
    // Before the apply, at the look, and once more by who came when the watch stood already.
    EXPECT_LE(counting.Count(absl::StrCat("/deployments/", name)), 1 /* PATCH */ + 3);
    ASSERT_TRUE(Run("delete", seen->outputs).ok());
  }
  EXPECT_EQ(counting.Count("/namespaces/default/deployments?limit="), 1);
  EXPECT_EQ(counting.Count("watch=1"), 1);
}

Json ConfigMap(const char* name, const char* value) {
  return {{"object",
           {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}, {"namespace", "default"}}},
            {"data", {{"k", value}}}}},
          {"outputs", {{"value", "/data/k"}}}};
}

TEST_F(KubernetesPeerTest, AppliesRepeatsAndDeletes) {
  const auto applied = Run("apply", ConfigMap("plain", "1"));
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->outputs["value"], "1");
  EXPECT_EQ(applied->outputs["created"], true);
  EXPECT_EQ(applied->resources.at(0).id, "local/core/ConfigMap/default/plain");
  const auto again = Run("apply", ConfigMap("plain", "2"));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->outputs["value"], "2");
  EXPECT_EQ(again->outputs["created"], true);
  EXPECT_EQ(again->outputs["uid"], applied->outputs["uid"]);
  const auto deleted = Run("delete", again->outputs);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_TRUE(deleted->ready);
  EXPECT_TRUE(Run("delete", again->outputs).ok());
}

TEST_F(KubernetesPeerTest, ConflictsAreExplained) {
  const Json object = ConfigMap("shared", "theirs")["object"];
  ASSERT_EQ(peer_->Send("PATCH", "/api/v1/namespaces/default/configmaps/shared?fieldManager=gitops",
                        "application/apply-patch+yaml", object),
            201);
  const auto conflict = Run("apply", ConfigMap("shared", "ours"));
  EXPECT_EQ(conflict.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(conflict.status().message()), HasSubstr(".data.k"));
  EXPECT_THAT(std::string(conflict.status().message()), HasSubstr("gitops"));
  Json forced = ConfigMap("shared", "ours");
  forced["force"] = true;
  const auto applied = Run("apply", forced);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_EQ(applied->outputs["created"], false);
  // The compensation leaves what it did not make.
  ASSERT_TRUE(Run("delete", applied->outputs).ok());
  EXPECT_EQ(
      peer_->Send("GET", "/api/v1/namespaces/default/configmaps/shared", "application/json", {}),
      200);
}

TEST_F(KubernetesPeerTest, FaultsComeFromTheServersSchema) {
  Json service = {{"object",
                   {{"apiVersion", "v1"},
                    {"kind", "Service"},
                    {"metadata", {{"name", "bad"}, {"namespace", "default"}}},
                    {"spec", {{"ports", Json::array({{{"port", 99999}, {"protocol", "TCP"}}})}}}}}};
  const auto invalid = Run("apply", service);
  EXPECT_EQ(invalid.status().code(), absl::StatusCode::kInvalidArgument) << invalid.status();
  EXPECT_THAT(std::string(invalid.status().message()), HasSubstr("99999"));
  service["object"]["spec"]["ports"] = "none";
  const auto untyped = Run("apply", service);
  EXPECT_EQ(untyped.status().code(), absl::StatusCode::kInvalidArgument) << untyped.status();
  EXPECT_THAT(std::string(untyped.status().message()), HasSubstr(".spec.ports"));
  const auto nowhere = Run("apply", {{"object",
                                      {{"apiVersion", "v1"},
                                       {"kind", "ConfigMap"},
                                       {"metadata", {{"name", "a"}, {"namespace", "absent"}}}}}});
  EXPECT_EQ(nowhere.status().code(), absl::StatusCode::kNotFound) << nowhere.status();
  const auto unknown =
      Run("apply",
          {{"object",
            {{"apiVersion", "none.io/v1"}, {"kind", "Nothing"}, {"metadata", {{"name", "a"}}}}}});
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kFailedPrecondition) << unknown.status();
}

TEST_F(KubernetesPeerTest, ADefinitionAndAnObjectOfIt) {
  const fs::path shared =
      peers::Environment("PURSER_SHARED", (fs::path(PURSER_SOURCE_DIR) / "../shared").string());
  fs::path file;
  std::error_code error;
  for (const auto& entry :
       fs::directory_iterator(shared / "data/crds/certmanager/deploy/crds", error)) {
    if (absl::EndsWith(entry.path().string(), "_certificates.yaml")) file = entry.path();
  }
  if (file.empty()) GTEST_SKIP() << "SKIP no cert-manager definitions in " << shared;
  auto document = document::ParseYamlDocument(peers::ReadAll(file), file.string());
  ASSERT_TRUE(document.ok()) << document.status();
  peers::FitForOldServers(document->value);
  const auto defined = Run("apply", {{"object", document->value}});
  ASSERT_TRUE(defined.ok()) << defined.status();
  EXPECT_TRUE(defined->ready);
  EXPECT_EQ(defined->resources.at(0).id,
            "local/apiextensions.k8s.io/CustomResourceDefinition/-/certificates.cert-manager.io");

  const Json input = {{"object",
                       {{"apiVersion", "cert-manager.io/v1"},
                        {"kind", "Certificate"},
                        {"metadata", {{"name", "site"}, {"namespace", "default"}}},
                        {"spec",
                         {{"secretName", "site-tls"},
                          {"dnsNames", {"site.example.org"}},
                          {"issuerRef", {{"name", "ca"}}}}}}},
                      {"outputs", {{"until", "/status/notAfter"}}}};
  auto result = kubernetes_->Call("apply", input, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  EXPECT_THAT(result->progress, HasSubstr("Certificate default/site"));
  const Json ready = {{"status",
                       {{"notAfter", "2027-01-01T00:00:00Z"},
                        {"conditions", Json::array({{{"type", "Ready"},
                                                     {"status", "True"},
                                                     {"reason", "Issued"},
                                                     {"observedGeneration", 1}}})}}}};
  ASSERT_EQ(
      peer_->Send("PATCH", "/apis/cert-manager.io/v1/namespaces/default/certificates/site/status",
                  "application/merge-patch+json", ready),
      200);
  result = kubernetes_->Observe("apply", input, *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["until"], "2027-01-01T00:00:00Z");
  const auto deleted = Run("delete", result->outputs);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
}

}  // namespace
}  // namespace purser::connectors

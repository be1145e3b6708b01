// The kubernetes connector against a real API server, where there is one (kubernetes_peer.h).
#include "tests/peers/kubernetes_peer.h"

#include <chrono>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/rng.h"
#include "connectors/fake_call_context.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "document/yaml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class KubernetesPeerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { peer_ = new peers::KubernetesPeer(PURSER_SOURCE_DIR); }
  static void TearDownTestSuite() {
    delete peer_;
    peer_ = nullptr;
  }

  void SetUp() override {
    if (!peer_->why_not().empty()) GTEST_SKIP() << peer_->why_not();
    transport_ = peers::KubernetesPeer::Transport();
    ASSERT_NE(transport_, nullptr);
    const ConnectorDependencies dependencies{
        *transport_, base::Clock::System(), base::Rng::System(), {}};
    auto connector = KubernetesConnector::FromConfig(
        "kubernetes", {{"clusters", {{"local", {{"kubeconfig", peer_->kubeconfig()}}}}}},
        dependencies);
    ASSERT_TRUE(connector.ok()) << connector.status();
    connector_ = *std::move(connector);
  }

  // Calls and observes until ready or an error, at most a minute.
  absl::StatusOr<CallResult> Run(const char* operation, const Json& input) {
    absl::StatusOr<CallResult> result = connector_->Call(operation, input, context_);
    for (int i = 0; i < 300 && result.ok() && !result->ready; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
      result = connector_->Observe(operation, input, *result, context_);
    }
    return result;
  }

  static inline peers::KubernetesPeer* peer_ = nullptr;
  FakeCallContext context_;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<Connector> connector_;
};

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
  auto result = connector_->Call("apply", input, context_);
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
  result = connector_->Observe("apply", input, *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["until"], "2027-01-01T00:00:00Z");
  const auto deleted = Run("delete", result->outputs);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
}

}  // namespace
}  // namespace purser::connectors

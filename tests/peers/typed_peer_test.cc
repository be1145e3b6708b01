// Sets, previews, rights and the typed connectors against a real API server, where there is one
// (kubernetes_peer.h); the test plays the controllers.
#include <chrono>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "connectors/flux/flux_connector.h"
#include "connectors/namespace/namespace_connector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "tests/peers/connectors_on_peer.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

// A definition of our own, as small as Flux's kind allows.
constexpr char kKustomizations[] = R"json({
  "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
  "metadata": {"name": "kustomizations.kustomize.toolkit.fluxcd.io"},
  "spec": {"group": "kustomize.toolkit.fluxcd.io", "scope": "Namespaced",
    "names": {"kind": "Kustomization", "listKind": "KustomizationList",
              "plural": "kustomizations", "singular": "kustomization"},
    "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
      "schema": {"openAPIV3Schema": {"type": "object", "properties": {
        "spec": {"type": "object", "required": ["interval", "prune", "sourceRef"], "properties": {
          "interval": {"type": "string"}, "path": {"type": "string"},
          "prune": {"type": "boolean"}, "suspend": {"type": "boolean"},
          "targetNamespace": {"type": "string"},
          "sourceRef": {"type": "object", "properties": {"kind": {"type": "string"},
            "name": {"type": "string"}, "namespace": {"type": "string"}}}}},
        "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}})json";

class TypedPeerTest : public peers::ConnectorsOnPeer {
 protected:
  void SetUp() override {
    ConnectorsOnPeer::SetUp();
    if (!ready()) return;
    namespace_ = Make<NamespaceConnector>();
    flux_ = Make<FluxConnector>();
    ASSERT_NE(flux_, nullptr);
  }
  static Json ConfigMap(const char* name, const char* value) {
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", name}}},
            {"data", {{"k", value}}}};
  }

  std::unique_ptr<Connector> namespace_;
  std::unique_ptr<Connector> flux_;
};

TEST_F(TypedPeerTest, SetsArePruned) {
  const auto set = [](Json objects) {
    return Json{{"name", "shop"}, {"namespace", "default"}, {"objects", std::move(objects)}};
  };
  const Json secret = {{"apiVersion", "v1"},
                       {"kind", "Secret"},
                       {"metadata", {{"name", "s"}}},
                       {"stringData", {{"p", "x"}}}};
  auto result = Run(*kubernetes_, "apply-set", set(Json::array({ConfigMap("a", "1"), secret})));
  ASSERT_TRUE(result.ok()) << result.status();
  const Json preview = {{"namespace", "default"}, {"objects", Json::array({ConfigMap("a", "1")})}};
  auto same = Run(*kubernetes_, "preview", preview);
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_EQ(same->outputs["changed"], false) << same->outputs;
  result = Run(*kubernetes_, "apply-set", set(Json::array({ConfigMap("b", "1")})));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["pruned"].size(), 2) << result->outputs;
  EXPECT_EQ(peer_->Send("GET", "/api/v1/namespaces/default/secrets/s", "application/json", {}),
            404);
  const auto deleted = Run(*kubernetes_, "delete-set", result->outputs);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(peer_->Send("GET", "/api/v1/namespaces/default/configmaps/b", "application/json", {}),
            404);
  EXPECT_EQ(
      peer_->Send("GET", "/api/v1/namespaces/default/configmaps/shop", "application/json", {}),
      404);
}

TEST_F(TypedPeerTest, DriftIsTold) {
  const Json input = {{"object", ConfigMap("drift", "1")}, {"namespace", "default"}};
  const auto applied = Run(*kubernetes_, "apply", input);
  ASSERT_TRUE(applied.ok()) << applied.status();
  const auto state = [&] {
    const auto compared = kubernetes_->Compare("apply", input, *applied, context_);
    EXPECT_TRUE(compared.ok()) << compared.status();
    return compared.ok() ? *compared : Comparison{};
  };
  EXPECT_EQ(state().state, Comparison::State::kSame) << state().detail;
  ASSERT_EQ(peer_->Send("PATCH", "/api/v1/namespaces/default/configmaps/drift",
                        "application/merge-patch+json", {{"data", {{"k", "by hand"}}}}),
            200);
  EXPECT_EQ(state().state, Comparison::State::kDiffers);
  EXPECT_THAT(state().detail, HasSubstr("/data/k"));
}

TEST_F(TypedPeerTest, ANamespaceWithAllThatBelongsToIt) {
  const Json input = *json::Parse(R"({"name":"team-a","costLabels":{"cost-centre":"cc-12"},
      "quota":{"requests.cpu":"4"},"limits":{"default":{"cpu":"500m"}},
      "serviceAccounts":["deployer"],"isolate":true,
      "bindings":[{"clusterRole":"edit","subjects":[{"kind":"Group","name":"team-a"}]}]})");
  const auto made = Run(*namespace_, "make", input);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->outputs["members"].size(), 6);
  EXPECT_EQ(
      peer_->Send("GET", "/apis/rbac.authorization.k8s.io/v1/namespaces/team-a/rolebindings/edit",
                  "application/json", {}),
      200);
  const auto smaller = Run(*namespace_, "make", {{"name", "team-a"}});
  ASSERT_TRUE(smaller.ok()) << smaller.status();
  EXPECT_EQ(smaller->outputs["pruned"].size(), 5) << smaller->outputs;
}

TEST_F(TypedPeerTest, FluxByItsDefinition) {
  ASSERT_TRUE(Run(*kubernetes_, "apply", {{"object", *json::Parse(kKustomizations)}}).ok());
  const auto refused =
      Run(*flux_, "kustomization", *json::Parse(R"({"namespace":"default","name":"shop",
      "source":{"kind":"GitRepository","name":"shop"},"spec":{"targetNamespce":"x"}})"));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("did you mean \"targetNamespace\"?"));
  const Json input = *json::Parse(R"({"namespace":"default","name":"shop",
      "source":{"kind":"GitRepository","name":"shop"}})");
  auto result = flux_->Call("kustomization", input, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  const char* const path =
      "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/default/kustomizations/shop/status";
  const auto status = [&](Json more) {
    more["conditions"] = Json::array({{{"type", "Ready"}, {"status", "True"}}});
    return peer_->Send("PATCH", path, "application/merge-patch+json", {{"status", more}});
  };
  ASSERT_EQ(status({{"lastAppliedRevision", "main@1"}, {"observedGeneration", 1}}), 200);
  result = flux_->Observe("kustomization", input, *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready) << result->progress;
  EXPECT_EQ(result->outputs["revision"], "main@1");
  const Json where = {{"kind", "Kustomization"}, {"namespace", "default"}, {"name", "shop"}};
  auto reconciled = flux_->Call("reconcile", where, context_);
  ASSERT_TRUE(reconciled.ok()) << reconciled.status();
  EXPECT_FALSE(reconciled->ready);
  ASSERT_EQ(status({{"lastHandledReconcileAt", context_.key}, {"lastAppliedRevision", "main@2"}}),
            200);
  reconciled = flux_->Observe("reconcile", where, *reconciled, context_);
  ASSERT_TRUE(reconciled.ok()) << reconciled.status();
  EXPECT_TRUE(reconciled->ready) << reconciled->progress;
  ASSERT_TRUE(Run(*flux_, "suspend", where).ok());
  EXPECT_EQ(flux_->Call("reconcile", where, context_).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Run(*flux_, "delete", result->outputs).ok());
}

}  // namespace
}  // namespace purser::connectors

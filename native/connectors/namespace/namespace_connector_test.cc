#include "connectors/namespace/namespace_connector.h"

#include "connectors/kubernetes/typed_testing.h"
#include "gmock/gmock.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class NamespaceConnectorTest : public TypedConnectorTest<NamespaceConnector> {
 protected:
  NamespaceConnectorTest() : TypedConnectorTest("namespace") {}
  static constexpr char kTeam[] = R"({"name":"team-a","costLabels":{"cost-centre":"cc-12"},
      "labels":{"owner":"team-a"},"mesh":true,"podSecurity":"restricted",
      "quota":{"requests.cpu":"4","pods":20},"limits":{"default":{"cpu":"500m"}},
      "serviceAccounts":["deployer"],"isolate":true,"allowFromNamespaces":["istio-system"],
      "bindings":[{"clusterRole":"edit","subjects":[{"kind":"Group","name":"team-a"}]},
                  {"name":"ci","role":"deploy",
                   "subjects":[{"kind":"ServiceAccount","name":"deployer"}]}]})";
};

TEST_F(NamespaceConnectorTest, MakesAllOfIt) {
  const auto result = Call("make", kTeam);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready) << result->progress;
  EXPECT_EQ(result->outputs["made"], "team-a");
  EXPECT_EQ(result->outputs["members"].size(), 7);
  const Json made = Get("v1", "Namespace", "", "team-a");
  EXPECT_EQ(made["metadata"]["labels"]["cost-centre"], "cc-12");
  EXPECT_EQ(made["metadata"]["labels"]["istio-injection"], "enabled");
  EXPECT_EQ(made["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
  EXPECT_EQ(Get("v1", "ResourceQuota", "team-a", "purser-quota")["spec"]["hard"]["pods"], "20");
  const Json ci = Get("rbac.authorization.k8s.io/v1", "RoleBinding", "team-a", "ci");
  EXPECT_EQ(ci["roleRef"]["kind"], "Role");
  EXPECT_EQ(ci["subjects"][0]["namespace"], "team-a");
  // The record of the set outlives the namespace.
  EXPECT_EQ(
      Get("v1", "ConfigMap", "default", "purser-namespace-team-a")["metadata"]["labels"].size(), 1);
}

TEST_F(NamespaceConnectorTest, AChangeTakesAwayWhatItNoLongerNames) {
  ASSERT_TRUE(Call("make", kTeam).ok());
  const auto result = Call("make", R"({"name":"team-a","quota":{"pods":10}})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["members"].size(), 2);
  EXPECT_EQ(result->outputs["pruned"].size(), 5);
  const auto gone =
      cluster_->Get({"rbac.authorization.k8s.io/v1", "RoleBinding", "team-a", "edit"}, {});
  EXPECT_EQ(gone.status().code(), absl::StatusCode::kNotFound);
}

TEST_F(NamespaceConnectorTest, DriftIsTold) {
  const auto made = Call("make", kTeam);
  ASSERT_TRUE(made.ok()) << made.status();
  const auto compare = [&] {
    const auto compared = connector_->Compare("make", *json::Parse(kTeam), *made, context_);
    EXPECT_TRUE(compared.ok()) << compared.status();
    return compared.ok() ? *compared : Comparison();
  };
  EXPECT_EQ(compare().state, Comparison::State::kSame);
  const ObjectRef quota = {"v1", "ResourceQuota", "team-a", "purser-quota"};
  ASSERT_TRUE(cluster_->Merge(quota, {{"spec", {{"hard", {{"pods", "500"}}}}}}, "", {}, {}).ok());
  EXPECT_EQ(compare().state, Comparison::State::kDiffers);
  EXPECT_EQ(compare().detail, "ResourceQuota purser-quota differs at /spec/hard/pods");
  ASSERT_TRUE(cluster_->Delete(quota, "", {}).ok());
  EXPECT_EQ(compare().state, Comparison::State::kGone);
}

TEST_F(NamespaceConnectorTest, DeletesWhatItMadeAndOnlyThat) {
  ASSERT_TRUE(cluster_
                  ->Apply({"v1", "Namespace", "", "team-b"},
                          {{"metadata", {{"labels", {{"x", "y"}}}}}}, {.field_manager = "kubectl"},
                          {})
                  .ok());
  auto kept = Call("make", R"({"name":"team-b","quota":{"pods":10}})");
  ASSERT_TRUE(kept.ok()) << kept.status();
  auto deleted = connector_->Call("delete", kept->outputs, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  deleted = connector_->Observe("delete", kept->outputs, *deleted, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_TRUE(deleted->ready);
  EXPECT_TRUE(cluster_->Get({"v1", "Namespace", "", "team-b"}, {}).ok());
  EXPECT_EQ(cluster_->size(), 1);
}

TEST_F(NamespaceConnectorTest, FaultsAndForbiddenNamespaces) {
  EXPECT_EQ(Call("make", R"({"name":"kube-system"})").status().code(),
            absl::StatusCode::kPermissionDenied);
  const auto both = Call("make", R"({"name":"a","bindings":[{"role":"x","clusterRole":"y",
      "subjects":[{"kind":"User","name":"u"}]}]})");
  EXPECT_THAT(std::string(both.status().message()), HasSubstr("/bindings/0"));
  EXPECT_EQ(Call("make", R"({"name":"a","costLabels":{"cost":"über alles"}})").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cluster_->applies(), 0);
}

}  // namespace
}  // namespace purser::connectors

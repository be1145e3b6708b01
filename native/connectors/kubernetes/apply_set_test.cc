// The operations apply-set and delete-set.
#include "connectors/kubernetes/apply_set.h"

#include "connectors/fake_call_context.h"
#include "connectors/kubernetes/fake_kubernetes_client.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

Json ConfigMap(const char* name, const char* value) {
  return {{"apiVersion", "v1"},
          {"kind", "ConfigMap"},
          {"metadata", {{"name", name}}},
          {"data", {{"k", value}}}};
}

class ApplySetTest : public ::testing::Test {
 protected:
  ApplySetTest() {
    auto client = std::make_unique<FakeKubernetesClient>();
    cluster_ = client.get();
    cluster_->AddKind("db.io/v1", "Database", true);
    std::map<std::string, Cluster> clusters;
    clusters["main"] = {std::move(client), "default", {}, true};
    connector_ = std::make_unique<KubernetesConnector>("kubernetes", std::move(clusters), "main",
                                                       "purser", clock_);
  }
  static Json Set(Json objects) {
    return {{"name", "shop"}, {"namespace", "team-x"}, {"objects", std::move(objects)}};
  }
  absl::StatusOr<CallResult> Apply(Json objects) {
    return connector_->Call("apply-set", Set(std::move(objects)), context_);
  }
  bool Has(const char* name) { return cluster_->Get({"v1", "ConfigMap", "team-x", name}, {}).ok(); }
  absl::StatusOr<Json> Parent() { return cluster_->Get({"v1", "ConfigMap", "team-x", "shop"}, {}); }

  base::FakeClock clock_;
  FakeCallContext context_;
  FakeKubernetesClient* cluster_;
  std::unique_ptr<KubernetesConnector> connector_;
};

TEST_F(ApplySetTest, WhatIsNoLongerNamedIsDeleted) {
  auto result = Apply(Json::array({ConfigMap("a", "1"), ConfigMap("b", "1")}));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["members"].size(), 2);
  EXPECT_EQ(result->resources.size(), 2);
  const Json parent = *Parent();
  EXPECT_EQ(parent["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"],
            "ConfigMap");
  // What kubectl computes for this parent.
  const std::string id = parent["metadata"]["labels"]["applyset.kubernetes.io/id"];
  EXPECT_THAT(id, ::testing::MatchesRegex("applyset-[A-Za-z0-9_-]+-v1"));
  EXPECT_EQ(
      (*cluster_->Get({"v1", "ConfigMap", "team-x", "a"}, {}))["metadata"]["labels"][kSetLabel],
      id);
  // Somebody else's is left alone.
  ASSERT_TRUE(cluster_
                  ->Apply({"v1", "ConfigMap", "team-x", "other"}, ConfigMap("other", "1"),
                          {.field_manager = "kubectl"}, {})
                  .ok());
  result = Apply(Json::array({ConfigMap("b", "2")}));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["pruned"].size(), 1);
  EXPECT_FALSE(Has("a"));
  EXPECT_TRUE(Has("b"));
  EXPECT_TRUE(Has("other"));
}

TEST_F(ApplySetTest, NothingIsBegunWithAFaultInIt) {
  const auto refused = Apply({ConfigMap("a", "1"), {{"kind", "ConfigMap"}}, {{"status", 1}}});
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("/objects/1/apiVersion"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("/objects/2/status"));
  cluster_->Forbid("patch", "Secret");
  EXPECT_EQ(Apply({ConfigMap("a", "1"),
                   {{"apiVersion", "v1"}, {"kind", "Secret"}, {"metadata", {{"name", "s"}}}}})
                .status()
                .code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(cluster_->size(), 0);
}

TEST_F(ApplySetTest, ACrashInTheMiddleLeavesNothingBehind) {
  ASSERT_TRUE(Apply(Json::array({ConfigMap("a", "1"), ConfigMap("b", "1")})).ok());
  // The second call: read and write of the set, then the first member fails.
  const Json change = Json::array({ConfigMap("c", "1")});
  for (int calls = 0;; ++calls) {
    ASSERT_LT(calls, 40);
    for (int i = 0; i < calls; ++i) cluster_->FailNext(absl::OkStatus());
    cluster_->FailNext(absl::UnavailableError("gone for a moment"));
    const auto result = Apply(change);
    if (result.ok()) break;
    EXPECT_EQ(result.status().code(), absl::StatusCode::kUnavailable);
  }
  (void)Parent();  // takes the failure that came too late
  EXPECT_FALSE(Has("a"));
  EXPECT_FALSE(Has("b"));
  EXPECT_TRUE(Has("c"));
  EXPECT_EQ(cluster_->size(), 2);  // the set and c
}

TEST_F(ApplySetTest, WaitsForAllAndDeletesWhatItMade) {
  ASSERT_TRUE(cluster_
                  ->Apply({"v1", "ConfigMap", "team-x", "old"}, ConfigMap("old", "1"),
                          {.field_manager = "kubectl"}, {})
                  .ok());
  const Json objects = {
      {{"apiVersion", "db.io/v1"}, {"kind", "Database"}, {"metadata", {{"name", "d"}}}},
      ConfigMap("a", "1"),
      {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", {{"name", "old"}}}}};
  auto result = Apply(objects);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  EXPECT_THAT(result->progress, HasSubstr("Database team-x/d"));
  const Json ready = {{"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}};
  ASSERT_TRUE(cluster_->PatchStatus({"db.io/v1", "Database", "team-x", "d"}, ready).ok());
  result = connector_->Observe("apply-set", Set(objects), *result, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_FALSE(result->outputs.contains("pending"));

  cluster_->KeepDeleted(true);
  auto deleted = connector_->Call("delete-set", result->outputs, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_FALSE(deleted->ready);
  deleted = connector_->Observe("delete-set", result->outputs, *deleted, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_FALSE(deleted->ready);
  cluster_->KeepDeleted(false);
  cluster_->Finalize({"db.io/v1", "Database", "team-x", "d"});
  cluster_->Finalize({"v1", "ConfigMap", "team-x", "a"});
  deleted = connector_->Observe("delete-set", result->outputs, *deleted, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_TRUE(deleted->ready);
  EXPECT_TRUE(Has("old"));  // it was there before
  EXPECT_EQ(cluster_->size(), 1);
}

TEST_F(ApplySetTest, NamespacesAreNotPruned) {
  const Json made = {{"apiVersion", "v1"}, {"kind", "Namespace"}, {"metadata", {{"name", "y"}}}};
  ASSERT_TRUE(Apply(Json::array({made})).ok());
  const auto result = Apply(Json::array({ConfigMap("a", "1")}));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(cluster_->Get({"v1", "Namespace", "", "y"}, {}).ok());
}

}  // namespace
}  // namespace purser::connectors

#include "connectors/kubernetes/kubernetes_connector.h"

#include "connectors/fake_call_context.h"
#include "connectors/kubernetes/fake_kubernetes_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class KubernetesConnectorTest : public ::testing::Test {
 protected:
  KubernetesConnectorTest() {
    auto client = std::make_unique<FakeKubernetesClient>();
    cluster_ = client.get();
    cluster_->AddKind("db.io/v1", "Database", true);
    std::map<std::string, Cluster> clusters;
    clusters["main"] = {std::move(client), "default", {"default", "team-*"}, true};
    connector_ = std::make_unique<KubernetesConnector>("kubernetes", std::move(clusters), "main",
                                                       "purser", clock_);
  }
  absl::StatusOr<CallResult> Call(const char* operation, absl::string_view input) {
    return connector_->Call(operation, *json::Parse(input), context_);
  }
  absl::StatusOr<CallResult> Observe(const char* operation, absl::string_view input,
                                     const CallResult& previous) {
    return connector_->Observe(operation, *json::Parse(input), previous, context_);
  }

  static constexpr char kConfigMap[] = R"({"object":{"apiVersion":"v1","kind":"ConfigMap",
      "metadata":{"name":"a","namespace":"team-x"},"data":{"k":"1"}},
      "outputs":{"key":"/data/k"}})";
  static constexpr char kDatabase[] = R"({"object":{"apiVersion":"db.io/v1","kind":"Database",
      "metadata":{"name":"d"},"spec":{"size":1}},"namespace":"team-x","timeoutSeconds":60,
      "outputs":{"host":"/status/host"}})";
  const ObjectRef config_map_{"v1", "ConfigMap", "team-x", "a"};
  const ObjectRef database_{"db.io/v1", "Database", "team-x", "d"};

  base::FakeClock clock_;
  FakeCallContext context_;
  FakeKubernetesClient* cluster_;
  std::unique_ptr<KubernetesConnector> connector_;
};

TEST_F(KubernetesConnectorTest, AppliesAndRecordsTheResource) {
  const auto result = Call("apply", kConfigMap);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["key"], "1");
  EXPECT_EQ(result->outputs["created"], true);
  EXPECT_FALSE(result->outputs.contains("sinceSeconds"));
  ASSERT_EQ(result->resources.size(), 1);
  EXPECT_EQ(result->resources[0].id, "main/core/ConfigMap/team-x/a");
  EXPECT_EQ(result->resources[0].attributes["uid"], result->outputs["uid"]);
  const Json object = *cluster_->Get(config_map_, {});
  EXPECT_EQ(object["metadata"]["annotations"][kEffectAnnotation], "run_1/step/1");
}

TEST_F(KubernetesConnectorTest, ARepeatIsHarmlessAndStillKnowsItsObject) {
  ASSERT_TRUE(Call("apply", kConfigMap).ok());
  const auto again = Call("apply", kConfigMap);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->outputs["created"], true);
  context_.key = "run_2/step/1";
  const auto other = Call("apply", kConfigMap);
  EXPECT_EQ(other->outputs["created"], false);
  EXPECT_EQ((*cluster_->Get(config_map_, {}))["metadata"]["annotations"][kEffectAnnotation],
            "run_1/step/1");
  EXPECT_EQ(cluster_->size(), 1);
}

TEST_F(KubernetesConnectorTest, YamlTextIsAnObject) {
  const Json input = {{"object", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: team-y\n"},
                      {"wait", false}};
  const auto result = connector_->Call("apply", input, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->resources[0].id, "main/core/Namespace/-/team-y");
}

TEST_F(KubernetesConnectorTest, WaitsForOtherPeoplesKinds) {
  auto result = Call("apply", kDatabase);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  EXPECT_THAT(result->progress, HasSubstr("Database team-x/d"));
  result = Observe("apply", kDatabase, *result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  ASSERT_TRUE(cluster_
                  ->PatchStatus(database_, *json::Parse(R"({"host":"db-1",
                      "conditions":[{"type":"Ready","status":"True"}]})"))
                  .ok());
  result = Observe("apply", kDatabase, *result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["host"], "db-1");
}

TEST_F(KubernetesConnectorTest, WaitingEnds) {
  const auto result = Call("apply", kDatabase);
  ASSERT_TRUE(result.ok()) << result.status();
  clock_.Advance(absl::Seconds(61));
  EXPECT_THAT(std::string(Observe("apply", kDatabase, *result).status().message()),
              HasSubstr("not ready after 61 s (timeoutSeconds)"));
  ASSERT_TRUE(cluster_
                  ->PatchStatus(database_, *json::Parse(R"({"conditions":[{"type":"Stalled",
                      "status":"True","message":"quota"}]})"))
                  .ok());
  EXPECT_THAT(std::string(Observe("apply", kDatabase, *result).status().message()),
              HasSubstr("failed: condition Stalled is True (quota)"));
  cluster_->Finalize(database_);
  EXPECT_THAT(std::string(Observe("apply", kDatabase, *result).status().message()),
              HasSubstr("was deleted while we waited"));
}

TEST_F(KubernetesConnectorTest, ForceDecidesAboutConflicts) {
  const Json theirs = {{"data", {{"k", "2"}}}};
  ASSERT_TRUE(cluster_->Apply(config_map_, theirs, {.field_manager = "argocd"}, {}).ok());
  EXPECT_EQ(Call("apply", kConfigMap).status().code(), absl::StatusCode::kFailedPrecondition);
  Json forced = *json::Parse(kConfigMap);
  forced["force"] = true;
  const auto result = connector_->Call("apply", forced, context_);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["created"], false);
}

TEST_F(KubernetesConnectorTest, DeleteUndoesApply) {
  const auto applied = Call("apply", kConfigMap);
  ASSERT_TRUE(applied.ok());
  cluster_->KeepDeleted(true);
  auto deleted = connector_->Call("delete", applied->outputs, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_FALSE(deleted->ready);
  deleted = connector_->Observe("delete", applied->outputs, *deleted, context_);
  EXPECT_FALSE(deleted->ready);
  cluster_->Finalize(config_map_);
  deleted = connector_->Observe("delete", applied->outputs, *deleted, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_TRUE(deleted->ready);
  EXPECT_TRUE(connector_->Call("delete", applied->outputs, context_)->ready);  // and again
}

TEST_F(KubernetesConnectorTest, DeleteSparesWhatIsNotOurs) {
  ASSERT_TRUE(
      cluster_->Apply(config_map_, {{"data", {{"z", "1"}}}}, {.field_manager = "x"}, {}).ok());
  const auto applied = Call("apply", kConfigMap);
  ASSERT_TRUE(applied.ok()) << applied.status();
  EXPECT_TRUE(connector_->Call("delete", applied->outputs, context_)->ready);
  EXPECT_EQ(cluster_->size(), 1);  // it was there before
  // One that was replaced by another of the same name meanwhile.
  Json outputs = applied->outputs;
  outputs["created"] = true;
  outputs["uid"] = "gone";
  const auto deleted = connector_->Call("delete", outputs, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_TRUE(deleted->ready);
  EXPECT_EQ(cluster_->size(), 1);
}

TEST_F(KubernetesConnectorTest, WaitStep) {
  const char* input = R"({"apiVersion":"db.io/v1","kind":"Database","namespace":"team-x",
      "name":"d","ready":{"pointer":"/status/phase","equals":"Up"}})";
  auto result = Call("wait", input);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->progress, HasSubstr("does not exist yet"));
  ASSERT_TRUE(Call("apply", kDatabase).ok());
  result = Observe("wait", input, *result);
  EXPECT_FALSE(result->ready);
  ASSERT_TRUE(cluster_->PatchStatus(database_, {{"phase", "Up"}}).ok());
  result = Observe("wait", input, *result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_TRUE(result->resources.empty());
}

TEST_F(KubernetesConnectorTest, NamespacesAreLimited) {
  const auto refused = Call("apply", R"({"object":{"apiVersion":"v1","kind":"ConfigMap",
      "metadata":{"name":"a","namespace":"payments"}}})");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("team-*"));
  EXPECT_EQ(cluster_->applies(), 0);
  EXPECT_FALSE(Call("delete", R"({"apiVersion":"v1","kind":"ConfigMap","name":"a",
                                  "namespace":"kube-system"})")
                   .ok());
}

TEST_F(KubernetesConnectorTest, ForbiddenNamespacesAreOutOfReach) {
  const auto refused = Call("apply", R"({"object":{"apiVersion":"v1","kind":"ConfigMap",
      "metadata":{"name":"a","namespace":"kube-system"}}})");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("forbids the namespace"));
  // Nor the namespace itself.
  EXPECT_EQ(Call("delete", R"({"apiVersion":"v1","kind":"Namespace","name":"kube-system"})")
                .status()
                .code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(
      Call("delete", R"({"apiVersion":"v1","kind":"Namespace","name":"payments"})").status().code(),
      absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(cluster_->applies(), 0);
}

TEST_F(KubernetesConnectorTest, UnknownFieldsAreRefusedWithTheNearestName) {
  cluster_->AddDefinition(*json::Parse(R"({"kind":"CustomResourceDefinition","spec":{
      "group":"db.io","scope":"Namespaced","names":{"kind":"Database","plural":"databases"},
      "versions":[{"name":"v1","served":true,"schema":{"openAPIV3Schema":{"type":"object",
      "properties":{"spec":{"type":"object","required":["size"],"properties":{
      "size":{"type":"integer"},"storageClass":{"type":"string"}}}}}}}]}})"));
  const auto refused = Call("apply", R"({"object":{"apiVersion":"db.io/v1","kind":"Database",
      "metadata":{"name":"d"},"spec":{"storageclas":"fast"}},"namespace":"team-x"})");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("/object/spec/storageclas is no known field; did you mean "
                        "\"storageClass\"?"));
  EXPECT_EQ(cluster_->applies(), 0);
  // What is required may be another manager's: an apply may name a part of the object.
  EXPECT_TRUE(Call("apply", R"({"object":{"apiVersion":"db.io/v1","kind":"Database",
      "metadata":{"name":"d"},"spec":{"storageClass":"fast"}},"namespace":"team-x"})")
                  .ok());
}

TEST_F(KubernetesConnectorTest, MissingRightsAreToldBeforeTheChange) {
  cluster_->Forbid("patch", "ConfigMap");
  const auto refused = Call("apply", kConfigMap);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("our account may not patch objects of ConfigMap in namespace team-x (no "
                        "RBAC policy matched)"));
  EXPECT_EQ(cluster_->applies(), 0);
}

TEST_F(KubernetesConnectorTest, PreviewChangesNothing) {
  const char* preview = R"({"objects":[{"apiVersion":"v1","kind":"ConfigMap",
      "metadata":{"name":"a","namespace":"team-x"},"data":{"k":"2"}}]})";
  auto result = Call("preview", preview);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["objects"][0]["action"], "create");
  EXPECT_EQ(cluster_->size(), 0);
  ASSERT_TRUE(Call("apply", kConfigMap).ok());
  result = Call("preview", preview);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["objects"][0]["action"], "update");
  EXPECT_EQ(result->outputs["objects"][0]["changes"],
            *json::Parse(R"([{"pointer":"/data/k","from":"1","to":"2"}])"));
  EXPECT_EQ((*cluster_->Get(config_map_, {}))["data"]["k"], "1");
}

TEST_F(KubernetesConnectorTest, DriftIsTold) {
  const auto applied = Call("apply", kConfigMap);
  ASSERT_TRUE(applied.ok()) << applied.status();
  const auto compare = [&] {
    const auto compared =
        connector_->Compare("apply", *json::Parse(kConfigMap), *applied, context_);
    EXPECT_TRUE(compared.ok()) << compared.status();
    return compared.ok() ? *compared : Comparison{};
  };
  EXPECT_EQ(compare().state, Comparison::State::kSame);
  ASSERT_TRUE(cluster_->Merge(config_map_, {{"data", {{"k", "by hand"}}}}, "", {}, {}).ok());
  EXPECT_EQ(compare().state, Comparison::State::kDiffers);
  EXPECT_EQ(compare().detail, "ConfigMap a differs at /data/k");
  ASSERT_TRUE(cluster_->Delete(config_map_, "", {}).ok());
  EXPECT_EQ(compare().state, Comparison::State::kGone);
}

TEST_F(KubernetesConnectorTest, WhatIsThereIsTakenOnAndNothingIsChanged) {
  const Json input = *json::Parse(kConfigMap);
  const auto missing = connector_->Import("apply", input, Json::object(), context_);
  EXPECT_TRUE(absl::IsNotFound(missing.status())) << missing.status();
  ASSERT_TRUE(
      cluster_->Apply(config_map_, {{"data", {{"k", "2"}}}}, {.field_manager = "kubectl"}, {})
          .ok());
  const int applies = cluster_->applies();
  const auto found = connector_->Import("apply", input, Json::object(), context_);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_TRUE(found->ready);
  EXPECT_EQ(found->outputs["key"], "2");
  ASSERT_EQ(found->resources.size(), 1);
  EXPECT_EQ(found->resources[0].id, "main/core/ConfigMap/team-x/a");
  const Json set = {
      {"name", "s"}, {"namespace", "team-x"}, {"objects", Json::array({input["object"]})}};
  const auto members = connector_->Import("apply-set", set, Json::object(), context_);
  ASSERT_TRUE(members.ok()) << members.status();
  EXPECT_EQ(members->outputs["members"].size(), 1);
  EXPECT_EQ(members->resources[0].id, "main/core/ConfigMap/team-x/a");
  EXPECT_EQ(cluster_->applies(), applies);
}

TEST_F(KubernetesConnectorTest, LargeOutputsAreRefusedWithAWayOut) {
  Json input = *json::Parse(kConfigMap);
  input["object"]["data"]["k"] = std::string(kMaxKubernetesOutputBytes, 'x');
  const auto refused = connector_->Call("apply", input, context_);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("kMaxKubernetesOutputBytes"));
}

TEST_F(KubernetesConnectorTest, FaultsOfTheObjectComeAllAtOnce) {
  const auto result = Call("apply", R"({"object":{"kind":"ConfigMap","status":{},
      "metadata":{"generateName":"x-"}}})");
  const std::string message(result.status().message());
  EXPECT_THAT(message, HasSubstr("/object/apiVersion must be a text"));
  EXPECT_THAT(message, HasSubstr("/object/metadata/name"));
  EXPECT_THAT(message, HasSubstr("/object/status must not be given"));
  EXPECT_THAT(std::string(Call("apply", R"({"object":"a: [1"})").status().message()),
              HasSubstr("object:2:1: "));
  EXPECT_FALSE(Call("apply", R"({"object":{},"unknown":1})").ok());
  EXPECT_THAT(std::string(Call("apply", R"({"cluster":"none","object":{"apiVersion":"v1",
      "kind":"ConfigMap","metadata":{"name":"a"}}})")
                              .status()
                              .message()),
              HasSubstr("there are: main"));
}

TEST_F(KubernetesConnectorTest, SecretsStayInTheCluster) {
  const auto result = Call("apply", R"({"object":{"apiVersion":"v1","kind":"Secret",
      "metadata":{"name":"s"},"stringData":{"p":"x"}},"outputs":{"p":"/stringData/p"}})");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(cluster_->applies(), 0);
}

TEST_F(KubernetesConnectorTest, ErrorsOfTheClusterReachTheEngine) {
  cluster_->FailNext(absl::UnavailableError("down"));
  EXPECT_EQ(Call("apply", kConfigMap).status().code(), absl::StatusCode::kUnavailable);
  const auto waiting = Call("apply", kDatabase);
  cluster_->FailNext(absl::UnavailableError("down"));
  EXPECT_EQ(Observe("apply", kDatabase, *waiting).status().code(), absl::StatusCode::kUnavailable);
}

TEST(KubernetesConfigTest, FaultsComeAllAtOnce) {
  http::FakeTransport transport;
  base::FakeClock clock;
  base::SeededRng rng(1);
  const ConnectorDependencies dependencies{transport, clock, rng, {}};
  const auto message = [&dependencies](absl::string_view config) {
    return std::string(KubernetesConnector::FromConfig("k8s", *json::Parse(config), dependencies)
                           .status()
                           .message());
  };
  EXPECT_THAT(message("{}"), HasSubstr("/clusters is required"));
  EXPECT_THAT(message(R"({"clusters":{"a":{"server":"https://x","kubeconfig":"y"}}})"),
              HasSubstr("/clusters/a fits several forms"));
  const std::string both =
      message(R"({"clusters":{"a":{"kubeconfig":"/nonexistent/a"},"b":{"server":"x"}},
                  "defaultCluster":"c"})");
  EXPECT_THAT(both, HasSubstr("/clusters/a"));
  EXPECT_THAT(both, HasSubstr("/clusters/b"));
  EXPECT_THAT(both, HasSubstr("/defaultCluster"));
  EXPECT_THAT(message(R"({"clusters":{"a":{"server":"http://x","token":"env:T"}}})"),
              HasSubstr("needs an https server"));
  const auto good = KubernetesConnector::FromConfig(
      "k8s", *json::Parse(R"({"clusters":{"a":{"server":"https://x"}}})"), dependencies);
  EXPECT_TRUE(good.ok()) << good.status();
}

}  // namespace
}  // namespace purser::connectors

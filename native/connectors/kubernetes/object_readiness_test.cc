#include "connectors/kubernetes/object_readiness.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;

ObjectReadiness Assess(absl::string_view text) {
  const auto object = json::Parse(text);
  EXPECT_TRUE(object.ok()) << object.status();
  return AssessObject(*object);
}
bool IsReady(absl::string_view text) { return Assess(text).state == ObjectState::kReady; }

TEST(ObjectReadinessTest, KindsWithoutController) {
  EXPECT_TRUE(IsReady(R"({"apiVersion":"v1","kind":"ConfigMap"})"));
  EXPECT_TRUE(IsReady(R"({"apiVersion":"rbac.authorization.k8s.io/v1","kind":"Role"})"));
  EXPECT_THAT(Assess(R"({"apiVersion":"v1","kind":"ConfigMap",
                         "metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"}})")
                  .reason,
              HasSubstr("being deleted"));
}

TEST(ObjectReadinessTest, Deployments) {
  const auto with = [](absl::string_view status) {
    return Assess(absl::StrCat(R"({"apiVersion":"apps/v1","kind":"Deployment",
        "metadata":{"generation":2},"spec":{"replicas":3},"status":{)",
                               status, "}}"));
  };
  EXPECT_THAT(with("").reason, HasSubstr("not seen it yet"));
  EXPECT_THAT(with(R"("observedGeneration":1,"updatedReplicas":3,"replicas":3,
                      "availableReplicas":3)")
                  .reason,
              HasSubstr("newest version"));
  EXPECT_EQ(with(R"("observedGeneration":2,"updatedReplicas":1)").reason,
            "1 of 3 replicas updated");
  EXPECT_EQ(with(R"("observedGeneration":2,"updatedReplicas":3,"replicas":4)").reason,
            "1 old replicas still there");
  EXPECT_EQ(with(R"("observedGeneration":2,"updatedReplicas":3,"replicas":3,
                    "availableReplicas":2)")
                .reason,
            "2 of 3 replicas available");
  EXPECT_EQ(with(R"("observedGeneration":2,"updatedReplicas":3,"replicas":3,
                    "availableReplicas":3)")
                .state,
            ObjectState::kReady);
  const auto stuck = with(R"("observedGeneration":2,"conditions":[{"type":"Progressing",
      "status":"False","reason":"ProgressDeadlineExceeded","message":"image not found"}])");
  EXPECT_EQ(stuck.state, ObjectState::kFailed);
  EXPECT_THAT(stuck.reason, HasSubstr("image not found"));
}

TEST(ObjectReadinessTest, OtherWorkloads) {
  EXPECT_FALSE(IsReady(R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"generation":1},
      "spec":{"replicas":2},"status":{"observedGeneration":1,"readyReplicas":2,
      "currentRevision":"a","updateRevision":"b"}})"));
  EXPECT_TRUE(IsReady(R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"generation":1},
      "spec":{"replicas":2},"status":{"observedGeneration":1,"readyReplicas":2,
      "currentRevision":"a","updateRevision":"a"}})"));
  EXPECT_TRUE(IsReady(R"({"apiVersion":"apps/v1","kind":"StatefulSet","metadata":{"generation":1},
      "spec":{"replicas":3,"updateStrategy":{"rollingUpdate":{"partition":2}}},
      "status":{"observedGeneration":1,"readyReplicas":3,"updatedReplicas":1,
      "currentRevision":"a","updateRevision":"b"}})"));
  EXPECT_FALSE(IsReady(R"({"apiVersion":"apps/v1","kind":"DaemonSet","metadata":{"generation":1},
      "status":{"observedGeneration":1,"desiredNumberScheduled":2,"updatedNumberScheduled":2,
      "numberAvailable":1}})"));
  EXPECT_EQ(Assess(R"({"apiVersion":"batch/v1","kind":"Job","status":{"conditions":[
      {"type":"Failed","status":"True","reason":"BackoffLimitExceeded"}]}})")
                .state,
            ObjectState::kFailed);
  EXPECT_FALSE(IsReady(R"({"apiVersion":"batch/v1","kind":"Job","status":{"active":1}})"));
  EXPECT_TRUE(IsReady(R"({"apiVersion":"batch/v1","kind":"Job","status":{"conditions":[
      {"type":"Complete","status":"True"}]}})"));
  EXPECT_TRUE(IsReady(R"({"apiVersion":"v1","kind":"Pod","status":{"phase":"Running",
      "conditions":[{"type":"Ready","status":"True"}]}})"));
  EXPECT_THAT(Assess(R"({"apiVersion":"v1","kind":"Pod","status":{"phase":"Pending",
      "conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable",
      "message":"no nodes"}]}})")
                  .reason,
              HasSubstr("no nodes"));
  EXPECT_FALSE(IsReady(R"({"apiVersion":"v1","kind":"PersistentVolumeClaim",
      "status":{"phase":"Pending"}})"));
  EXPECT_FALSE(IsReady(R"({"apiVersion":"v1","kind":"Service","spec":{"type":"LoadBalancer"}})"));
  EXPECT_TRUE(IsReady(R"({"apiVersion":"v1","kind":"Service","spec":{"type":"LoadBalancer"},
      "status":{"loadBalancer":{"ingress":[{"ip":"1.2.3.4"}]}}})"));
}

TEST(ObjectReadinessTest, DefinitionsAndOtherPeoplesKinds) {
  const char* crd = R"({"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition",
      "status":{"conditions":[{"type":"NamesAccepted","status":"%s"},
      {"type":"Established","status":"True"}]}})";
  EXPECT_TRUE(IsReady(absl::StrReplaceAll(crd, {{"%s", "True"}})));
  EXPECT_EQ(Assess(absl::StrReplaceAll(crd, {{"%s", "False"}})).state, ObjectState::kFailed);
  EXPECT_FALSE(IsReady(R"({"apiVersion":"cert-manager.io/v1","kind":"Certificate"})"));
  EXPECT_THAT(Assess(R"({"apiVersion":"cert-manager.io/v1","kind":"Certificate","status":{
      "conditions":[{"type":"Ready","status":"False","reason":"Issuing"}]}})")
                  .reason,
              HasSubstr("Issuing"));
  EXPECT_TRUE(IsReady(R"({"apiVersion":"cert-manager.io/v1","kind":"Certificate","status":{
      "conditions":[{"type":"Ready","status":"True"}]}})"));
  EXPECT_FALSE(IsReady(R"({"apiVersion":"x.io/v1","kind":"X","metadata":{"generation":3},
      "status":{"observedGeneration":2,"conditions":[{"type":"Ready","status":"True"}]}})"));
  EXPECT_EQ(Assess(R"({"apiVersion":"x.io/v1","kind":"X","status":{
      "conditions":[{"type":"Stalled","status":"True","message":"bad spec"}]}})")
                .state,
            ObjectState::kFailed);
  // Objects of unexpected shapes are no reason to fall over.
  EXPECT_FALSE(IsReady(R"({"apiVersion":7,"kind":[],"status":"x","metadata":5})") &&
               IsReady(R"({"apiVersion":"x/v1","kind":"Y","status":{"conditions":{"a":1}}})"));
}

TEST(ObjectReadinessTest, RulesOfTheStep) {
  const auto object = *json::Parse(R"({"apiVersion":"x.io/v1","kind":"X","status":{"phase":"Up",
      "conditions":[{"type":"Synced","status":"False"}]}})");
  const auto by = [&object](absl::string_view rule) {
    return AssessByRule(object, *json::Parse(rule)).state == ObjectState::kReady;
  };
  EXPECT_TRUE(by(R"("exists")"));
  EXPECT_FALSE(by(R"({"condition":"Synced"})"));
  EXPECT_TRUE(by(R"({"condition":"Synced","status":"False"})"));
  EXPECT_TRUE(by(R"({"pointer":"/status/phase","equals":"Up"})"));
  EXPECT_TRUE(by(R"({"pointer":"/status/phase","in":["Up","Ok"]})"));
  EXPECT_TRUE(by(R"({"pointer":"/status/phase"})"));
  EXPECT_FALSE(by(R"({"pointer":"/status/phase","equals":"Down"})"));
  EXPECT_FALSE(by(R"({"pointer":"/status/phase/deeper"})"));
}

}  // namespace
}  // namespace purser::connectors

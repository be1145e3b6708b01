#include "connectors/crossplane/crossplane_connector.h"

#include "connectors/kubernetes/typed_testing.h"
#include "gmock/gmock.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr char kGroup[] = "platform.example.com/v1";

class CrossplaneConnectorTest : public TypedConnectorTest<CrossplaneConnector> {
 protected:
  CrossplaneConnectorTest() : TypedConnectorTest("crossplane") {
    // As Crossplane writes it for a claim.
    Define("platform.example.com", "v1", "Bucket",
           R"({"type":"object","required":["parameters"],"properties":{
               "parameters":{"type":"object","required":["region"],"properties":{
                 "region":{"type":"string","enum":["eu","us"]},
                 "versioning":{"type":"boolean"}}},
               "compositionRef":{"type":"object","properties":{"name":{"type":"string"}}},
               "compositeDeletePolicy":{"type":"string"},
               "writeConnectionSecretToRef":{"type":"object","properties":{
                 "name":{"type":"string"}}}}})");
    cluster_->AddKind(kGroup, "XNetwork", true);
    cluster_->AddKind("s3.aws.m.upbound.io/v1beta1", "Bucket", true);
    cluster_->AddKind("protection.crossplane.io/v1beta1", "Usage", true);
    cluster_->AddKind("protection.crossplane.io/v1beta1", "ClusterUsage", false);
  }
  static Json Conditions(const char* synced, const char* ready) {
    return {{"conditions",
             Json::array({{{"type", "Synced"},
                           {"status", synced},
                           {"reason", "ReconcileError"},
                           {"message", "cannot compose"}},
                          {{"type", "Ready"}, {"status", ready}, {"reason", "Creating"}}})}};
  }
  static constexpr char kClaim[] = R"({"apiVersion":"platform.example.com/v1","kind":"Bucket",
      "namespace":"team-a","name":"data","spec":{"parameters":{"region":"eu"}},
      "deletePolicy":"Foreground","connectionSecret":"data-bucket",
      "outputs":{"url":"/status/url"}})";
  const ObjectRef bucket_{kGroup, "Bucket", "team-a", "data"};
};

TEST_F(CrossplaneConnectorTest, AClaimIsReadyWhenSyncedAndReady) {
  auto result = Call("claim", kClaim);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->progress, HasSubstr("Crossplane has not seen it yet"));
  EXPECT_EQ(Get(kGroup, "Bucket", "team-a", "data")["spec"]["compositeDeletePolicy"], "Foreground");
  ASSERT_TRUE(cluster_->PatchStatus(bucket_, Conditions("False", "True")).ok());
  result = Observe(*result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  EXPECT_THAT(result->progress, HasSubstr("cannot compose"));
  ASSERT_TRUE(cluster_->PatchStatus(bucket_, Conditions("True", "False")).ok());
  result = Observe(*result);
  EXPECT_FALSE(result->ready);
  Json done = Conditions("True", "True");
  done["url"] = "s3://data";
  ASSERT_TRUE(cluster_->PatchStatus(bucket_, done).ok());
  result = Observe(*result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["url"], "s3://data");
  EXPECT_EQ(result->outputs["connection"]["reference"], "kubernetes:main/team-a/data-bucket");
}

TEST_F(CrossplaneConnectorTest, ParametersAreJudgedByTheDefinition) {
  const auto refused = Call("claim", R"({"apiVersion":"platform.example.com/v1","kind":"Bucket",
      "name":"data","spec":{"parameters":{"region":"mars","versionning":true}}})");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("/spec/parameters/region"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("did you mean \"versioning\"?"));
  EXPECT_EQ(cluster_->applies(), 0);
}

TEST_F(CrossplaneConnectorTest, PauseAndResume) {
  ASSERT_TRUE(Call("claim", kClaim).ok());
  const auto paused = Call("pause", R"({"apiVersion":"platform.example.com/v1","kind":"Bucket",
      "namespace":"team-a","name":"data"})");
  ASSERT_TRUE(paused.ok()) << paused.status();
  EXPECT_TRUE(paused->ready);
  EXPECT_THAT(Call("claim", kClaim)->progress, HasSubstr("is paused"));
  ASSERT_TRUE(cluster_->PatchStatus(bucket_, Conditions("True", "True")).ok());
  const auto resumed = connector_->Call("resume", paused->outputs, context_);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(resumed->ready);
  EXPECT_FALSE(Get(kGroup, "Bucket", "team-a", "data")["metadata"]["annotations"].contains(
      "crossplane.io/paused"));
}

TEST_F(CrossplaneConnectorTest, CompositesManagedResourcesAndUsages) {
  ASSERT_TRUE(Call("composite", R"({"apiVersion":"platform.example.com/v1","kind":"XNetwork",
      "namespace":"team-a","name":"net","spec":{"cidr":"10.0.0.0/16"},
      "compositionLabels":{"provider":"aws"}})")
                  .ok());
  EXPECT_EQ(Get(kGroup, "XNetwork", "team-a",
                "net")["spec"]["crossplane"]["compositionSelector"]["matchLabels"]["provider"],
            "aws");
  ASSERT_TRUE(Call("managed", R"({"apiVersion":"s3.aws.m.upbound.io/v1beta1","kind":"Bucket",
      "namespace":"team-a","name":"b","forProvider":{"region":"eu-west-1"},
      "managementPolicies":["Observe"],"providerConfig":"aws"})")
                  .ok());
  auto usage = Call("usage", R"({"namespace":"team-a","name":"net-in-use",
      "of":{"apiVersion":"platform.example.com/v1","kind":"XNetwork",
            "resourceRef":{"name":"net"}},"reason":"in use"})");
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->outputs["kind"], "Usage");
  usage = Call("usage", R"({"name":"net-in-use","of":{"apiVersion":"v1","kind":"Namespace",
      "resourceRef":{"name":"net"}},"reason":"in use"})");
  ASSERT_TRUE(usage.ok()) << usage.status();
  EXPECT_EQ(usage->outputs["kind"], "ClusterUsage");
}

}  // namespace
}  // namespace purser::connectors

#include "connectors/flux/flux_connector.h"

#include "connectors/kubernetes/typed_testing.h"
#include "gmock/gmock.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr char kKustomize[] = "kustomize.toolkit.fluxcd.io/v1";
constexpr char kHelm[] = "helm.toolkit.fluxcd.io/v2";
constexpr char kSource[] = "source.toolkit.fluxcd.io/v1";

class FluxConnectorTest : public TypedConnectorTest<FluxConnector> {
 protected:
  FluxConnectorTest() : TypedConnectorTest("flux") {
    Define("kustomize.toolkit.fluxcd.io", "v1", "Kustomization",
           R"({"type":"object","required":["interval","prune","sourceRef"],"properties":{
               "interval":{"type":"string"},"path":{"type":"string"},"prune":{"type":"boolean"},
               "suspend":{"type":"boolean"},"sourceRef":{"type":"object","properties":{
               "kind":{"type":"string"},"name":{"type":"string"},"namespace":{"type":"string"}}},
               "targetNamespace":{"type":"string","maxLength":63},
               "postBuild":{"type":"object","properties":{"substitute":{"type":"object",
               "additionalProperties":{"type":"string"}}}}}})");
    for (const char* kind : {"GitRepository", "OCIRepository", "HelmRepository"}) {
      cluster_->AddKind(kSource, kind, true);
    }
    cluster_->AddKind(kHelm, "HelmRelease", true);
  }
  static Json Ready(Json more) {
    more["conditions"] = Json::array({{{"type", "Ready"}, {"status", "True"}}});
    more["observedGeneration"] = 1;
    return more;
  }
  static constexpr char kApp[] = R"({"namespace":"team-a","name":"shop",
      "source":{"kind":"GitRepository","name":"shop"},"path":"./deploy",
      "substitute":{"team":"a"}})";
  const ObjectRef app_{kKustomize, "Kustomization", "team-a", "shop"};
};

TEST_F(FluxConnectorTest, AKustomizationIsReadyOnceApplied) {
  auto result = Call("kustomization", kApp);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  const Json spec = Get(kKustomize, "Kustomization", "team-a", "shop")["spec"];
  EXPECT_EQ(spec["sourceRef"]["name"], "shop");
  EXPECT_EQ(spec["prune"], true);
  EXPECT_EQ(spec["postBuild"]["substitute"]["team"], "a");
  EXPECT_FALSE(spec.contains("targetNamespace"));
  ASSERT_TRUE(cluster_->PatchStatus(app_, Ready({{"lastAppliedRevision", "main@sha1:1"}})).ok());
  result = Observe(*result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["revision"], "main@sha1:1");
  EXPECT_EQ(result->resources[0].id, "main/kustomize.toolkit.fluxcd.io/Kustomization/team-a/shop");
  const auto deleted = connector_->Call("delete", result->outputs, context_);
  ASSERT_TRUE(deleted.ok()) << deleted.status();
  EXPECT_EQ(cluster_->size(), 0);
}

TEST_F(FluxConnectorTest, InputsAreJudgedByTheClustersDefinition) {
  const auto refused = Call("kustomization", R"({"name":"shop","namespace":"team-a",
      "source":{"kind":"GitRepository","name":"shop"},"spec":{"targetNamespce":"x","suspend":1}})");
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  const std::string message(refused.status().message());
  EXPECT_THAT(message, HasSubstr("input of flux/kustomization: "));
  EXPECT_THAT(message, HasSubstr("/spec/targetNamespce is no known field; did you mean "
                                 "\"targetNamespace\"?"));
  EXPECT_THAT(message, HasSubstr("/spec/suspend"));
  EXPECT_EQ(cluster_->applies(), 0);
}

TEST_F(FluxConnectorTest, ReconcileWaitsForItsOwnRequest) {
  ASSERT_TRUE(Call("kustomization", kApp).ok());
  ASSERT_TRUE(cluster_->PatchStatus(app_, Ready({{"lastAppliedRevision", "1"}})).ok());
  auto result = Call("reconcile", R"({"kind":"Kustomization","namespace":"team-a","name":"shop"})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);  // ready before, but not for this request
  EXPECT_EQ(Get(kKustomize, "Kustomization", "team-a",
                "shop")["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"],
            context_.key);
  ASSERT_TRUE(cluster_
                  ->PatchStatus(app_, Ready({{"lastHandledReconcileAt", context_.key},
                                             {"lastAppliedRevision", "2"}}))
                  .ok());
  result = Observe(*result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["revision"], "2");
  const auto absent =
      Call("reconcile", R"({"kind":"Kustomization","namespace":"team-a","name":"none"})");
  EXPECT_EQ(absent.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(cluster_->size(), 1);  // nothing was made by that
}

TEST_F(FluxConnectorTest, SuspendAndResume) {
  ASSERT_TRUE(Call("kustomization", kApp).ok());
  const char* where = R"({"kind":"Kustomization","namespace":"team-a","name":"shop"})";
  const auto suspended = Call("suspend", where);
  ASSERT_TRUE(suspended.ok()) << suspended.status();
  EXPECT_TRUE(suspended->ready);
  EXPECT_EQ(Call("reconcile", where).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Call("kustomization", kApp)->progress, HasSubstr("is suspended"));
  // The compensation takes the outputs as they are.
  const auto resumed = connector_->Call("resume", suspended->outputs, context_);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_EQ(Get(kKustomize, "Kustomization", "team-a", "shop")["spec"]["suspend"], false);
}

TEST_F(FluxConnectorTest, ReleasesAndSources) {
  auto result = Call("helm-release", R"({"namespace":"team-a","name":"db","chart":"postgresql",
      "version":"15.x","repository":{"kind":"HelmRepository","name":"charts"},
      "values":{"image":{"tag":null},"replicas":2}})");
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_TRUE(
      cluster_
          ->PatchStatus(
              {kHelm, "HelmRelease", "team-a", "db"},
              Ready({{"history", Json::array({{{"chartVersion", "15.5.1"}, {"version", 3}}})}}))
          .ok());
  result = Observe(*result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["chartVersion"], "15.5.1");
  // A null among the values takes the chart's default away: it must arrive.
  EXPECT_TRUE(Get(kHelm, "HelmRelease", "team-a", "db")["spec"]["values"]["image"].contains("tag"));
  EXPECT_EQ(Call("helm-release", R"({"name":"db","chart":"postgresql"})").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Call("helm-release", R"({"name":"db"})").status().code(),
            absl::StatusCode::kInvalidArgument);
  ASSERT_TRUE(Call("git-repository", R"({"name":"shop","url":"https://git.example.com/shop",
      "branch":"main","secret":"git"})")
                  .ok());
  const Json spec = Get(kSource, "GitRepository", "default", "shop")["spec"];
  EXPECT_EQ(spec["ref"], Json({{"branch", "main"}}));
  EXPECT_EQ(spec["secretRef"]["name"], "git");
  ASSERT_TRUE(Call("oci-repository", R"({"name":"shop","url":"oci://r.example.com/shop"})").ok());
  EXPECT_FALSE(Get(kSource, "OCIRepository", "default", "shop")["spec"].contains("ref"));
}

TEST_F(FluxConnectorTest, AReleaseThatGaveUpFails) {
  ASSERT_TRUE(Call("helm-release", R"({"name":"db","chartRef":{"kind":"OCIRepository",
      "name":"db"}})")
                  .ok());
  ASSERT_TRUE(cluster_
                  ->PatchStatus({kHelm, "HelmRelease", "default", "db"},
                                {{"conditions", Json::array({{{"type", "Stalled"},
                                                              {"status", "True"},
                                                              {"reason", "RetriesExceeded"},
                                                              {"message", "install failed"}}})}})
                  .ok());
  const auto failed = Call("helm-release", R"({"name":"db","chartRef":{"kind":"OCIRepository",
      "name":"db"}})");
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("RetriesExceeded"));
}

TEST_F(FluxConnectorTest, TheConfigNamesAConnector) {
  const auto wrong = FluxConnector::FromConfig("flux", {{"on", "none"}}, Dependencies());
  EXPECT_THAT(std::string(wrong.status().message()),
              HasSubstr("/on: there is no kubernetes connector \"none\""));
}

}  // namespace
}  // namespace purser::connectors

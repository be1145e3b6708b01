#include "scaffolder-actions/manifest/manifest_crd_action.h"

#include "connectors/kubernetes/fake_kubernetes_client.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "gmock/gmock.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class ManifestCrdActionTest : public FileActionTest {
 protected:
  void SetUp() override {
    FileActionTest::SetUp();
    auto fake = std::make_unique<connectors::FakeKubernetesClient>();
    fake->AddKind("apiextensions.k8s.io/v1", "CustomResourceDefinition", false);
    fake_ = fake.get();
    std::map<std::string, connectors::Cluster> clusters;
    clusters["one"].client = std::move(fake);
    clusters["closed"].client = std::make_unique<connectors::FakeKubernetesClient>();
    clusters["closed"].cluster_scoped = false;
    connectors_["kubernetes"] = std::make_unique<connectors::KubernetesConnector>(
        "kubernetes", std::move(clusters), "one", "purser", base::Clock::System());
  }

  connectors::FakeKubernetesClient* fake_ = nullptr;
  connectors::Connectors connectors_;
};

TEST_F(ManifestCrdActionTest, ReadsWhatManifestTakes) {
  const json definition = {
      {"apiVersion", "apiextensions.k8s.io/v1"},
      {"kind", "CustomResourceDefinition"},
      {"metadata", {{"name", "buckets.store.example"}}},
      {"spec",
       {{"group", "store.example"},
        {"scope", "Cluster"},
        {"names", {{"kind", "Bucket"}, {"plural", "buckets"}}},
        {"versions",
         {{{"name", "v1"},
           {"served", true},
           {"schema",
            {{"openAPIV3Schema",
              {{"type", "object"},
               {"description", "long"},
               {"properties",
                {{"spec",
                  {{"type", "object"},
                   {"properties",
                    {{"description", {{"type", "string"}, {"description", "long"}}}}}}}}}}}}}}}}}}};
  ASSERT_TRUE(fake_
                  ->Apply({"apiextensions.k8s.io/v1", "CustomResourceDefinition", "",
                           "buckets.store.example"},
                          definition, {}, {})
                  .ok());
  ManifestCrdAction action(&connectors_);
  const absl::Status status = Perform(action, {{"name", "buckets.store.example"}});
  ASSERT_TRUE(status.ok()) << status;
  const json& spec = context_.outputs["crd"]["spec"];
  EXPECT_EQ(spec["scope"], "Cluster");
  // A field may be called description; what describes goes.
  EXPECT_EQ(spec["versions"][0]["schema"]["openAPIV3Schema"],
            json::parse(R"({"type":"object","properties":{"spec":{"type":"object",
                "properties":{"description":{"type":"string"}}}}})"));
}

TEST_F(ManifestCrdActionTest, SaysWhatIsMissing) {
  ManifestCrdAction action(&connectors_);
  EXPECT_EQ(Perform(action, {{"name", "a.b"}}).code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Perform(action, {{"name", "a.b"}, {"cluster", "two"}}).message(),
              HasSubstr("there are: closed, one"));
  EXPECT_EQ(Perform(action, {{"name", "a.b"}, {"cluster", "closed"}}).code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Perform(action, {{"name", "a.b"}, {"connector", "x"}}).message(),
              HasSubstr("/connector"));
  EXPECT_THAT(Perform(action, {{"name", "../x"}}).message(), HasSubstr("/name"));
  const connectors::Connectors none;
  ManifestCrdAction without(&none);
  EXPECT_THAT(Perform(without, {{"name", "a.b"}}).message(), HasSubstr("no Kubernetes cluster"));
}

}  // namespace
}  // namespace purser::actions

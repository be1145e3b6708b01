#include "scaffolder-actions/manifest/manifest_action.h"

#include <cstdlib>

#include "document/yaml.h"
#include "gmock/gmock.h"
#include "json/crd_schema.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

const char kDefinitions[] = R"(kind: ConfigMap
apiVersion: v1
---
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: buckets.store.example}
spec:
  group: store.example
  scope: Namespaced
  names: {kind: Bucket, plural: buckets}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          required: [spec]
          properties:
            apiVersion: {type: string}
            kind: {type: string}
            metadata: {type: object}
            spec:
              type: object
              required: [region]
              properties:
                region: {type: string, enum: [eu, us]}
                versioning: {type: boolean}
                port: {x-kubernetes-int-or-string: true, anyOf: [{type: integer}, {type: string}]}
                days: {type: integer, minimum: 0, exclusiveMinimum: true, nullable: true}
                tags: {type: object, additionalProperties: {type: string}}
                free: {type: object, x-kubernetes-preserve-unknown-fields: true}
                rules:
                  type: array
                  items:
                    type: object
                    properties: {prefix: {type: string, pattern: '^[a-z]+/$'}}
    - name: v1beta1
      served: false
---
apiVersion: apiextensions.crossplane.io/v1
kind: CompositeResourceDefinition
spec:
  group: platform.example
  names: {kind: XDatabase, plural: xdatabases}
  claimNames: {kind: DatabaseClaim, plural: databaseclaims}
  versions:
    - name: v1alpha1
      served: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [size]
              properties: {size: {type: integer}}
)";

class ManifestActionTest : public FileActionTest {
 protected:
  void SetUp() override {
    FileActionTest::SetUp();
    Put("crds/all.yaml", kDefinitions);
  }
  static json Bucket(const json& spec) {
    return {{"path", "out/b.yaml"},
            {"apiVersion", "store.example/v1"},
            {"kind", "Bucket"},
            {"name", "logs"},
            {"namespace", "team-a"},
            {"labels", {{"team", "a"}}},
            {"crds", json::array({"crds"})},
            {"spec", spec}};
  }
  std::string Error(const json& input) { return std::string(Perform(action_, input).message()); }
  ManifestAction action_;
};

TEST_F(ManifestActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<ManifestAction>()).ok());
}

TEST_F(ManifestActionTest, WritesWhatFits) {
  const json input = Bucket({{"region", "eu"},
                             {"port", "http"},
                             {"days", nullptr},
                             {"tags", {{"any", "thing"}}},
                             {"free", {{"a", {{"b", 1}}}}},
                             {"rules", {{{"prefix", "logs/"}}}}});
  const absl::Status status = Perform(action_, input);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Get("out/b.yaml"),
            "apiVersion: store.example/v1\nkind: Bucket\nmetadata:\n  name: logs\n"
            "  namespace: team-a\n  labels:\n    team: a\nspec:\n  days: null\n  free:\n    a:\n"
            "      b: 1\n  port: http\n  region: eu\n  rules:\n    - prefix: logs/\n  tags:\n"
            "    any: thing\n");
  EXPECT_EQ(context_.outputs["validated"], true);
  EXPECT_THAT(context_.log, HasSubstr("Bucket logs fits its definition"));
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(context_.outputs["changed"], false);
}

TEST_F(ManifestActionTest, AllErrorsAtOnceWithPointers) {
  const std::string error = Error(Bucket({{"regoin", "eu"},
                                          {"days", 0},
                                          {"port", true},
                                          {"tags", {{"n", 1}}},
                                          {"rules", {{{"prefix", "X"}, {"sufix", "y"}}}},
                                          {"versioning", "yes"}}));
  EXPECT_THAT(error, HasSubstr("/spec/regoin is no known field; did you mean \"region\"?"));
  EXPECT_THAT(error, HasSubstr("/spec/region"));
  EXPECT_THAT(error, HasSubstr("/spec/days"));
  EXPECT_THAT(error, HasSubstr("/spec/port"));
  EXPECT_THAT(error, HasSubstr("/spec/tags/n"));
  EXPECT_THAT(error, HasSubstr("/spec/rules/0/prefix"));
  EXPECT_THAT(error, HasSubstr("/spec/rules/0/sufix is no known field"));
  EXPECT_THAT(error, HasSubstr("/spec/versioning"));
  EXPECT_EQ(Get("out/b.yaml"), "");
}

TEST_F(ManifestActionTest, NamesAndScopes) {
  json input = Bucket({{"region", "eu"}});
  input["name"] = "Logs_";
  input["namespace"] = "a.b";
  input["labels"] = {{"-x", "y z"}};
  const std::string error = Error(input);
  EXPECT_THAT(error, HasSubstr("/metadata/name"));
  EXPECT_THAT(error, HasSubstr("/metadata/namespace"));
  EXPECT_THAT(error, HasSubstr("/metadata/labels/-x"));
  input = Bucket({{"region", "eu"}});
  input["kind"] = "Buckett";
  EXPECT_THAT(Error(input), HasSubstr("/kind: no definition of Buckett in store.example"));
  input["kind"] = "Bucket";
  input["apiVersion"] = "store.example/v1beta1";
  EXPECT_THAT(Error(input), HasSubstr("is served as v1, not as v1beta1"));
  input["fields"] = {{"status", 1}};
  EXPECT_THAT(Error(input), HasSubstr("/fields/status"));
}

TEST_F(ManifestActionTest, ClaimsAndComposites) {
  json input = {{"path", "c.yaml"},
                {"apiVersion", "platform.example/v1alpha1"},
                {"kind", "DatabaseClaim"},
                {"name", "db"},
                {"namespace", "team-a"},
                {"crds", json::array({"crds/all.yaml"})},
                {"spec", {{"size", 3}, {"compositionSelector", {{"matchLabels", {{"a", "b"}}}}}}}};
  absl::Status status = Perform(action_, input);
  ASSERT_TRUE(status.ok()) << status;
  input["kind"] = "XDatabase";
  EXPECT_THAT(Error(input), HasSubstr("/metadata/namespace objects of this kind"));
  input["spec"] = {{"sise", 3}};
  EXPECT_THAT(Error(input), HasSubstr("did you mean \"size\"?"));
}

TEST_F(ManifestActionTest, SeveralObjectsInAFile) {
  Put("out/b.yaml", "# head\napiVersion: v1\nkind: Service\nmetadata:\n  name: x # the name\n");
  json input = Bucket({{"region", "eu"}});
  EXPECT_EQ(Perform(action_, input).code(), absl::StatusCode::kAlreadyExists);
  input["append"] = true;
  ASSERT_TRUE(Perform(action_, input).ok());
  input["spec"] = {{"region", "us"}};
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(Get("out/b.yaml"),
            "# head\napiVersion: v1\nkind: Service\nmetadata:\n  name: x # the name\n---\n"
            "apiVersion: store.example/v1\nkind: Bucket\nmetadata:\n  name: logs\n"
            "  namespace: team-a\n  labels:\n    team: a\nspec:\n  region: us\n");
}

TEST_F(ManifestActionTest, ADefinitionByValue) {
  const auto documents = document::ParseYaml(kDefinitions, "f");
  ASSERT_TRUE(documents.ok());
  json input = Bucket({{"regions", "eu"}});
  input.erase("crds");
  input["crd"] = purser::json::TrimDefinition((*documents)[1].value);
  EXPECT_THAT(Error(input), HasSubstr("did you mean \"region\"?"));
  input.erase("crd");
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(context_.outputs["validated"], false);
  EXPECT_THAT(context_.log, HasSubstr("not judged"));
}

TEST_F(ManifestActionTest, RealDefinitions) {
  const char* shared = std::getenv("PURSER_SHARED");
  const fs::path crds =
      fs::path(shared != nullptr ? shared : PURSER_SOURCE_DIR "/../shared") / "data/crds";
  if (!fs::exists(crds)) GTEST_SKIP() << "SKIP " << crds << " is not there";
  const auto use = [&](const char* path) {
    fs::copy_file(crds / path, fs::path(context_.folder) / "crds/real.yaml",
                  fs::copy_options::overwrite_existing);
  };
  json input = {{"path", "o.yaml"},
                {"name", "web"},
                {"namespace", "team-a"},
                {"crds", json::array({"crds/real.yaml"})}};
  const auto with = [&](const char* api, const char* kind, const json& spec) {
    input["path"] = absl::StrCat(kind, ".yaml");
    input["apiVersion"] = api;
    input["kind"] = kind;
    input["spec"] = spec;
    return Error(input);
  };
  use("certmanager/deploy/crds/cert-manager.io_certificates.yaml");
  const json certificate = {{"secretName", "tls"},
                            {"dnsNames", {"a.example"}},
                            {"issuerRef", {{"name", "le"}, {"kind", "ClusterIssuer"}}}};
  EXPECT_EQ(with("cert-manager.io/v1", "Certificate", certificate), "");
  EXPECT_THAT(with("cert-manager.io/v1", "Certificate", {{"dnsName", {"a"}}}),
              testing::AllOf(HasSubstr("did you mean \"dnsNames\"?"), HasSubstr("/spec/secretName"),
                             HasSubstr("/spec/issuerRef")));
  use("flux/config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml");
  const json kustomization = {{"interval", "10m"},
                              {"path", "./x"},
                              {"prune", true},
                              {"sourceRef", {{"kind", "GitRepository"}, {"name", "r"}}}};
  EXPECT_EQ(with("kustomize.toolkit.fluxcd.io/v1", "Kustomization", kustomization), "");
  EXPECT_THAT(with("kustomize.toolkit.fluxcd.io/v1", "Kustomization",
                   {{"interval", "soon"}, {"prune", "yes"}, {"sourceRef", {{"kind", "Git"}}}}),
              testing::AllOf(HasSubstr("/spec/interval"), HasSubstr("/spec/prune"),
                             HasSubstr("/spec/sourceRef/kind"), HasSubstr("/spec/sourceRef/name")));
  use("istio/manifests/charts/base/files/crd-all.gen.yaml");
  const json route = {{"hosts", {"a"}},
                      {"http", {{{"route", {{{"destination", {{"host", "web"}}}}}}}}}};
  EXPECT_EQ(with("networking.istio.io/v1", "VirtualService", route), "");
  EXPECT_THAT(with("networking.istio.io/v1", "VirtualService",
                   {{"hosts", {"a"}}, {"http", {{{"routes", json::array()}}}}}),
              HasSubstr("/spec/http/0/routes is no known field; did you mean \"route\"?"));
  // Every definition there is can be read.
  int kinds = 0;
  for (const auto& entry : fs::recursive_directory_iterator(crds)) {
    if (entry.path().extension() != ".yaml") continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto documents = document::ParseYaml(text, entry.path().string());
    if (!documents.ok()) continue;
    for (const document::Document& one : *documents) {
      if (!one.value.is_object() || one.value.value("kind", "") != "CustomResourceDefinition") {
        continue;
      }
      const json& spec = one.value["spec"];
      for (const json& version : spec["versions"]) {
        if (!version.value("served", true)) continue;
        const auto schema = purser::json::CrdSchema::Find(
            {one.value},
            absl::StrCat(spec["group"].get<std::string>(), "/", version["name"].get<std::string>()),
            spec["names"]["kind"].get<std::string>());
        EXPECT_TRUE(schema.ok()) << entry.path() << " " << schema.status();
        const auto trimmed = purser::json::CrdSchema::Find(
            {purser::json::TrimDefinition(one.value)},
            absl::StrCat(spec["group"].get<std::string>(), "/", version["name"].get<std::string>()),
            spec["names"]["kind"].get<std::string>());
        EXPECT_TRUE(trimmed.ok()) << entry.path() << " " << trimmed.status();
        ++kinds;
      }
    }
  }
  EXPECT_GT(kinds, 40);
}

}  // namespace
}  // namespace purser::actions

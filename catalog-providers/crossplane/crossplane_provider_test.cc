#include "catalog-providers/crossplane/crossplane_provider.h"

#include "catalog-providers/cluster_testing.h"
#include "catalog/entity.h"
#include "document/yaml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

Json Parsed(const char* text) { return *json::Parse(text); }

// Crossplane 1: cluster-wide composites, claims in namespaces.
Json DatabaseDefinition() {
  return Parsed(
      R"({"apiVersion":"apiextensions.crossplane.io/v1","kind":"CompositeResourceDefinition",
    "metadata":{"name":"xdatabases.acme.io","annotations":{"backstage.io/owner":"group:platform"}},
    "spec":{"group":"acme.io","names":{"kind":"XDatabase","plural":"xdatabases"},
      "claimNames":{"kind":"Database","plural":"databases"},
      "versions":[{"name":"v1alpha1","served":true},
        {"name":"v1","served":true,"referenceable":true,"schema":{"openAPIV3Schema":{
          "type":"object","description":"A database of the platform.",
          "properties":{"spec":{"type":"object","required":["size"],"properties":{
            "size":{"type":"string","enum":["small","large"],"default":"small",
                    "description":"How large."},
            "storage-gb":{"type":"integer","minimum":1},
            "compositionRef":{"type":"object"},
            "backup":{"type":"object","description":"Backups.","properties":{
              "enabled":{"type":"boolean"},"keepDays":{"type":"integer"},"window":{"type":"string"}}}
          }}}}}}]}})");
}

class CrossplaneProviderTest : public ::testing::Test {
 protected:
  CrossplaneProviderTest() {
    server_.AddKind("apiextensions.crossplane.io/v1", "CompositeResourceDefinition",
                    "compositeresourcedefinitions", false);
  }
  connectors::FakeApiServer server_;
  CrossplaneProvider provider_;
};

TEST_F(CrossplaneProviderTest, DefinitionsBecomeTemplatesAndApis) {
  server_.Put(DatabaseDefinition());
  ClusterRun run(provider_, server_,
                 {{"templates",
                   {{"repoUrl", "git.example.org?owner=acme&repo=claims"},
                    {"host", "gitlab"},
                    {"path", "claims/db"}}}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  const std::string name = "xdatabases.acme.io.compositeresourcedefinition.c1";
  const Json offer = run.Entity("template:default/" + name);
  ASSERT_FALSE(offer.is_discarded());
  EXPECT_EQ(offer["apiVersion"], "scaffolder.backstage.io/v1beta3");
  EXPECT_EQ(offer["metadata"]["title"], "Database");
  EXPECT_EQ(offer["metadata"]["description"], "A database of the platform.");
  EXPECT_EQ(offer["spec"]["owner"], "group:platform");
  const Json& pages = offer["spec"]["parameters"];
  ASSERT_EQ(pages.size(), 3u) << pages.dump(1);
  EXPECT_EQ(pages[0]["required"], Json({"objectName", "objectNamespace"}));
  EXPECT_EQ(pages[1], Parsed(R"({"title":"Settings","required":["size"],"properties":{
      "size":{"type":"string","title":"Size","enum":["small","large"],"default":"small",
              "description":"How large."},
      "storage-gb":{"type":"integer","title":"Storage gb","minimum":1}}})"));
  EXPECT_EQ(pages[2]["title"], "Backup");
  EXPECT_EQ(pages[2]["properties"]["backup"]["properties"]["keepDays"]["title"], "Keep days");
  const Json& steps = offer["spec"]["steps"];
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0]["action"], "purser:manifest");
  EXPECT_EQ(steps[0]["input"]["apiVersion"], "acme.io/v1");
  EXPECT_EQ(steps[0]["input"]["kind"], "Database");
  EXPECT_EQ(steps[0]["input"]["spec"]["storage-gb"], "${{ parameters[\"storage-gb\"] }}");
  EXPECT_FALSE(steps[0]["input"]["spec"].contains("compositionRef"));
  EXPECT_EQ(steps[1]["input"]["targetPath"], "claims/db");
  EXPECT_EQ(steps[2]["action"], "purser:gitlab:merge-request");
  EXPECT_EQ(offer["spec"]["output"]["links"][0]["url"], "${{ steps.review.output.url }}");

  const Json api = run.Entity("api:default/" + name);
  EXPECT_EQ(api["spec"]["type"], "openapi");
  const auto openapi =
      document::ParseYamlDocument(api["spec"]["definition"].get<std::string>(), "api");
  ASSERT_TRUE(openapi.ok()) << openapi.status();
  EXPECT_TRUE(
      openapi->value["paths"].contains("/apis/acme.io/v1/namespaces/{namespace}/databases"));
  EXPECT_EQ(openapi->value["components"]["schemas"]["Database"]["properties"]["spec"]["properties"]
                          ["size"]["default"],
            "small");
}

TEST_F(CrossplaneProviderTest, ClaimsAndCompositesAreTrees) {
  server_.Put(DatabaseDefinition());
  server_.AddKind("acme.io/v1", "XDatabase", "xdatabases", false);
  server_.AddKind("acme.io/v1", "Database", "databases", true);
  server_.Put(Parsed(R"({"apiVersion":"acme.io/v1","kind":"Database",
      "metadata":{"name":"orders","namespace":"shop","annotations":{"backstage.io/owner":"team-a"}},
      "spec":{"size":"small","password":"hidden","resourceRef":{"apiVersion":"acme.io/v1",
        "kind":"XDatabase","name":"orders-x1"},"writeConnectionSecretToRef":{"name":"hidden"}},
      "status":{"conditions":[{"type":"Ready","status":"False","reason":"Creating"}]}})"));
  server_.Put(Parsed(R"({"apiVersion":"acme.io/v1","kind":"XDatabase",
      "metadata":{"name":"orders-x1","annotations":{"backstage.io/owner":"team-a"}},
      "spec":{"compositionRef":{"name":"aws"},"resourceRefs":[
        {"apiVersion":"rds.aws.upbound.io/v1","kind":"Instance","name":"orders-1"},
        {"apiVersion":"acme.io/v1","kind":"XDatabase","name":"nested"},
        {"apiVersion":"x/v1","kind":"Nameless"}]}})"));
  ClusterRun run(provider_, server_, {{"templates", {{"way", "none"}}}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  const Json claim = run.Entity("resource:default/orders.database.shop.c1");
  EXPECT_EQ(claim["spec"]["dependsOn"], Json::array({"resource:default/orders-x1.xdatabase.c1"}));
  EXPECT_EQ(claim["metadata"]["annotations"]["purser.dev/health"], "progressing");
  EXPECT_THAT(claim["metadata"]["annotations"]["purser.dev/health-message"].get<std::string>(),
              HasSubstr("Creating"));
  EXPECT_EQ(claim.dump().find("hidden"), std::string::npos);
  const Json composite = run.Entity("resource:default/orders-x1.xdatabase.c1");
  EXPECT_EQ(composite["spec"]["dependsOn"], Json({"resource:default/orders-1.instance.c1",
                                                  "resource:default/nested.xdatabase.c1"}));
  EXPECT_EQ(composite["metadata"]["annotations"]["purser.dev/crossplane-composition"], "aws");
  const Json part = run.Entity("resource:default/orders-1.instance.c1");
  EXPECT_EQ(part["spec"]["owner"], "team-a");
  EXPECT_EQ(part["metadata"]["annotations"]["purser.dev/resource-ids"],
            "[\"c1/rds.aws.upbound.io/Instance/-/orders-1\"]");
  // A composite says itself what it is.
  EXPECT_TRUE(run.Entity("resource:default/nested.xdatabase.c1").is_discarded());
  {
    base::MutexLock lock(run.context->mutex);
    EXPECT_EQ(run.context->entities.count(
                  "template:default/xdatabases.acme.io.compositeresourcedefinition.c1"),
              0u);
  }
  // A part goes with its reference.
  server_.Put(Parsed(R"({"apiVersion":"acme.io/v1","kind":"XDatabase",
      "metadata":{"name":"orders-x1"},"spec":{"resourceRefs":[]}})"));
  ASSERT_TRUE(run.WaitForRemoval("resource:default/orders-1.instance.c1"));
}

TEST_F(CrossplaneProviderTest, NamespacedCompositesOfCrossplane2) {
  server_.AddKind("apiextensions.crossplane.io/v2", "CompositeResourceDefinition", "ignored",
                  false);
  Json definition = DatabaseDefinition();
  definition["spec"].erase("claimNames");
  definition["spec"]["names"] = {{"kind", "Bucket"}, {"plural", "buckets"}};
  definition["spec"]["scope"] = "Namespaced";
  server_.Put(definition);
  server_.AddKind("acme.io/v1", "Bucket", "buckets", true);
  server_.Put(Parsed(R"({"apiVersion":"acme.io/v1","kind":"Bucket",
      "metadata":{"name":"logs","namespace":"shop"},
      "spec":{"crossplane":{"compositionRef":{"name":"gcp"},"resourceRefs":[
        {"apiVersion":"s3.aws.m.upbound.io/v1","kind":"Bucket","name":"logs-1"}]}}})"));
  ClusterRun run(provider_, server_,
                 {{"templates", {{"way", "request"}, {"blueprint", "apply-composite"}}}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  const Json logs = run.Entity("resource:default/logs.bucket.shop.c1");
  EXPECT_EQ(logs["spec"]["dependsOn"], Json::array({"resource:default/logs-1.bucket.shop.c1"}));
  EXPECT_FALSE(run.Entity("resource:default/logs-1.bucket.shop.c1").is_discarded());
  const Json offer =
      run.Entity("template:default/xdatabases.acme.io.compositeresourcedefinition.c1");
  EXPECT_EQ(offer["spec"]["steps"][0]["action"], "purser:request");
  EXPECT_EQ(offer["spec"]["steps"][0]["input"]["parameters"]["namespace"],
            "${{ parameters[\"objectNamespace\"] }}");
  EXPECT_EQ(offer["spec"]["output"]["links"].size(), 1u);
}

TEST_F(CrossplaneProviderTest, DefinitionsComeAndGo) {
  ClusterRun run(provider_, server_);
  ASSERT_TRUE(run.WaitForEvent("complete "));
  server_.AddKind("acme.io/v1", "XDatabase", "xdatabases", false);
  server_.AddKind("acme.io/v1", "Database", "databases", true);
  server_.Put(DatabaseDefinition());
  ASSERT_TRUE(run.WaitForEvent("complete c1/acme.io/v1/Database"));
  server_.Put(Parsed(R"({"apiVersion":"acme.io/v1","kind":"Database",
      "metadata":{"name":"orders","namespace":"shop"},"spec":{}})"));
  ASSERT_TRUE(run.WaitForEntity("resource:default/orders.database.shop.c1"));
  // Without a schema there is still something to ask for.
  Json bare = DatabaseDefinition();
  bare["spec"]["versions"] = Json::array({{{"name", "v1"}, {"served", true}}});
  server_.Put(bare);
  ASSERT_TRUE(run.WaitFor([](provider::FakeContext& told) {
    const Json& offer =
        told.entities["template:default/xdatabases.acme.io.compositeresourcedefinition.c1"];
    return offer["spec"]["parameters"].size() == 2;  // the name, and the repository
  }));
  // One that defines nothing is dropped, and what is known of it stays.
  Json broken = DatabaseDefinition();
  broken["spec"].erase("versions");
  server_.Put(broken);
  ASSERT_TRUE(run.WaitFor([](provider::FakeContext& told) { return told.dropped == 1; }));
  EXPECT_FALSE(run.Entity("resource:default/orders.database.shop.c1").is_discarded());
  server_.Delete(DatabaseDefinition());
  ASSERT_TRUE(
      run.WaitForRemoval("template:default/xdatabases.acme.io.compositeresourcedefinition.c1"));
  ASSERT_TRUE(run.WaitFor([](provider::FakeContext& told) {
    return std::count(told.events.begin(), told.events.end(), "complete c1/acme.io/v1/Database") ==
           2;
  }));
}

}  // namespace
}  // namespace purser::catalog_providers

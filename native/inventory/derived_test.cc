#include "inventory/derived.h"

#include "catalog/entity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::inventory {
namespace {

using nlohmann::json;
using testing::IsEmpty;

json Workspace() {
  return json::parse(R"json({
    "apiVersion": "backstage.io/v1alpha1", "kind": "Component",
    "metadata": {"name": "workspace-demo", "annotations": {
      "purser.dev/request-id": "req_1", "purser.dev/state": "running",
      "purser.dev/expires-at": "2027-01-01T00:00:00Z", "purser.dev/environment": "production",
      "backstage.io/techdocs-ref": "url:https://git.example.com/docs"}},
    "spec": {"type": "workspace", "lifecycle": "production", "owner": "group:default/data",
      "system": "analytics"}})json");
}

Resource Bucket() {
  Resource resource;
  resource.id = "urn:demo:bucket";
  resource.connector = "files";
  resource.type = "Bucket";
  resource.name = "demo";
  resource.owner = "group:default/other";
  resource.request_id = "req_1";
  resource.attributes = {{"region", "eu"}, {"url", "https://console.example.com/demo"}};
  return resource;
}

TEST(ResourceEntity, RepeatsWhatBelongsToTheRequest) {
  const json made =
      ResourceEntity(Workspace(), Bucket(), false, {"resource:default/workspace-demo-network"});
  EXPECT_THAT(catalog::Validate(made), IsEmpty());
  EXPECT_EQ(made["kind"], "Resource");
  EXPECT_EQ(made["metadata"]["name"], "workspace-demo-bucket");
  EXPECT_EQ(made["metadata"]["title"], "demo (Bucket)");
  EXPECT_EQ(made["spec"]["type"], "Bucket");
  EXPECT_EQ(made["spec"]["owner"], "group:default/data") << "the entity's owner, as it is now";
  EXPECT_EQ(made["spec"]["system"], "analytics");
  EXPECT_EQ(made["spec"]["dependencyOf"], json({"component:default/workspace-demo"}));
  EXPECT_EQ(made["spec"]["dependsOn"], json({"resource:default/workspace-demo-network"}));
  EXPECT_EQ(made["metadata"]["links"][0]["url"], "https://console.example.com/demo");
  const json& annotations = made["metadata"]["annotations"];
  EXPECT_EQ(annotations["purser.dev/state"], "active") << "its own, not the request's";
  EXPECT_EQ(annotations["purser.dev/request-id"], "req_1");
  EXPECT_EQ(annotations["purser.dev/expires-at"], "2027-01-01T00:00:00Z");
  EXPECT_EQ(annotations["purser.dev/environment"], "production");
  EXPECT_EQ(annotations["purser.dev/location"], "eu");
  EXPECT_EQ(annotations["purser.dev/resource-ids"], R"(["urn:demo:bucket"])");
  EXPECT_EQ(annotations["backstage.io/techdocs-entity"], "component:default/workspace-demo");
}

TEST(ResourceEntity, OfASystemIsInThatSystem) {
  json system = Workspace();
  system["kind"] = "System";
  const json made = ResourceEntity(system, Bucket(), false, {});
  EXPECT_EQ(made["spec"]["system"], "system:default/workspace-demo");
  EXPECT_FALSE(made["spec"].contains("dependencyOf"));
}

TEST(ResourceEntity, IsNamedAfterItsRequestItsTypeAndItself) {
  Resource resource = Bucket();
  resource.name = "logs";
  EXPECT_EQ(ResourceEntity(Workspace(), resource, false, {})["metadata"]["name"],
            "workspace-demo-bucket-logs");
  const std::string distinct =
      ResourceEntity(Workspace(), resource, true, {})["metadata"]["name"].get<std::string>();
  EXPECT_THAT(distinct, testing::MatchesRegex("workspace-demo-bucket-logs-[0-9a-f]{8}"));
  resource.id = "urn:demo:other";
  EXPECT_NE(ResourceEntity(Workspace(), resource, true, {})["metadata"]["name"], distinct);
}

TEST(ResourceEntity, HostileTextsMakeNoWrongEntity) {
  Resource resource = Bucket();
  resource.type = "../../etc";
  resource.name = std::string(400, '/') + "\"<script>";
  resource.attributes = {{"url", "javascript:alert(1)"}, {"links", "none"}, {"region", 7}};
  const json made = ResourceEntity(Workspace(), resource, false, {});
  EXPECT_THAT(catalog::Validate(made), IsEmpty());
  EXPECT_FALSE(made["metadata"].contains("links"));
  EXPECT_FALSE(made["metadata"]["annotations"].contains("purser.dev/location"));
  resource.attributes = nullptr;
  EXPECT_THAT(catalog::Validate(ResourceEntity(Workspace(), resource, false, {})), IsEmpty());
}

TEST(StandsFor, AnEntityOfTheSameTypeAndNameIsTheResource) {
  const json entity = {
      {"kind", "Resource"}, {"metadata", {{"name", "demo"}}}, {"spec", {{"type", "Bucket"}}}};
  EXPECT_TRUE(StandsFor(entity, Bucket()));
  Resource other = Bucket();
  other.name = "demo-2";
  EXPECT_FALSE(StandsFor(entity, other));
  EXPECT_FALSE(StandsFor(Workspace(), Bucket()));
}

TEST(Environment, IsReadFromAnnotationOrLabel) {
  json entity = Workspace();
  EXPECT_EQ(EnvironmentOf(entity), "production");
  AddEnvironment(&entity);
  EXPECT_EQ(entity["spec"]["dependsOn"], json({"resource:default/environment-production"}));
  AddEnvironment(&entity);
  EXPECT_EQ(entity["spec"]["dependsOn"].size(), 1u);
  entity = Workspace();
  entity["metadata"].erase("annotations");
  EXPECT_EQ(EnvironmentOf(entity), "");
  entity["metadata"]["labels"]["purser.dev/environment"] = "dev";
  EXPECT_EQ(EnvironmentOf(entity), "dev");
}

TEST(Environment, MayBeAnEntityOfAnotherSource) {
  EXPECT_TRUE(IsForeignEnvironment("Domain:default/Prod"));
  EXPECT_EQ(EnvironmentRef("Domain:default/Prod"), "domain:default/prod");
  EXPECT_EQ(EnvironmentRef(":::"), "");
  json entity = Workspace();
  entity["metadata"]["annotations"]["purser.dev/environment"] = "domain:default/prod";
  AddEnvironment(&entity);
  EXPECT_EQ(entity["spec"]["dependsOn"], json({"domain:default/prod"}));
}

TEST(Environment, MakesAValidEntityOfAnyName) {
  for (const char* const name : {"production", "Prod EU / west", "ü"}) {
    const json made = EnvironmentEntity(name, "group:default/platform");
    EXPECT_THAT(catalog::Validate(made), IsEmpty()) << name;
    EXPECT_EQ(catalog::RefOf(made).ToString(), EnvironmentRef(name));
    json same = made;
    AddEnvironment(&same);
    EXPECT_EQ(same, made) << "it does not depend on itself";
  }
}

}  // namespace
}  // namespace purser::inventory

#include "catalog-providers/terraform/terraform_provider.h"

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "catalog-providers/terraform/entities.h"
#include "git/publish.h"
#include "git/test_repository.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"
#include "provider/fake_context.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::Pair;

constexpr char kApp[] = "environments/prod/acme/superset";

std::map<std::string, std::string> Platform() {
  return {
      {"infra/azure/aks/main.tf",
       "terraform {\n  required_providers {\n    azurerm = { source = \"hashicorp/azurerm\" }\n  "
       "}\n}\nmodule \"registry\" {\n  source = \"Azure/x/azurerm\"\n  version = \"1.0\"\n}\n"},
      {"apps/superset/kubernetes/main.tf",
       "variable \"replicas\" {\n  type = number\n  default = 1\n}\nvariable \"host\" {\n  type = "
       "string\n}\n"},
      {"environments/prod/infra/main.tf",
       "module \"aks\" { source = \"../../../infra/azure/aks\" }\n"},
      {"environments/prod/acme/infra/main.tf",
       "data \"terraform_remote_state\" \"env\" {\n  backend = \"azurerm\"\n  config = { key = "
       "\"environments/prod/infra.tfstate\" }\n}\n"},
      {std::string(kApp) + "/main.tf",
       "terraform {\n  backend \"azurerm\" { key = \"k.tfstate\" }\n}\nmodule \"app\" { source = "
       "\"../../../../apps/superset/kubernetes\" }\n"},
      {".terraform/x/main.tf", "{{{"},
  };
}

class TerraformProviderTest : public testing::Test {
 protected:
  TerraformProviderTest() : provider_({folder_.path()}) {}

  void Put(const std::string& path, const std::string& text) {
    const std::filesystem::path file = std::filesystem::path(folder_.path()) / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void PutPlatform() {
    for (const auto& [path, text] : Platform()) Put("tree/" + path, text);
  }
  json Config(json config) {
    config["owner"] = "group:default/platform";
    if (!config.contains("repository")) config["folder"] = folder_.path() + "/tree";
    const auto schema = purser::json::Schema::Compile(provider_.description().config_schema);
    EXPECT_TRUE(schema.ok()) << schema.status();
    config = schema->WithDefaults(std::move(config));
    EXPECT_TRUE(purser::json::ToStatus(schema->Validate(config), "config").ok())
        << purser::json::ToStatus(schema->Validate(config), "config");
    return config;
  }

  git::TempFolder folder_;
  TerraformProvider provider_;
};

TEST_F(TerraformProviderTest, TheTreeBecomesEntities) {
  PutPlatform();
  provider::FakeContext context(Config(json::object()));
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  EXPECT_THAT(context.log, Not(Contains(HasSubstr("valid"))));
  std::vector<std::string> refs;
  for (const auto& [ref, entity] : context.entities) refs.push_back(ref);
  EXPECT_THAT(
      refs, ElementsAre("component:default/apps.superset.kubernetes",
                        "component:default/infra.azure.aks", "component:default/prod.acme.superset",
                        "domain:default/prod", "resource:default/environments.prod.acme.infra",
                        "resource:default/environments.prod.acme.superset",
                        "resource:default/environments.prod.infra", "system:default/prod.acme"));
  const json& customer = context.entities.at("resource:default/environments.prod.acme.infra");
  EXPECT_EQ(customer["spec"]["dependsOn"], json({"resource:default/environments.prod.infra"}));
  EXPECT_EQ(customer["spec"]["system"], "system:default/prod.acme");
  const json& app = context.entities.at("resource:default/environments.prod.acme.superset");
  EXPECT_EQ(app["spec"]["dependsOn"], json({"component:default/apps.superset.kubernetes"}));
  EXPECT_EQ(app["metadata"]["annotations"]["purser.dev/terraform-state-key"], "k.tfstate");
  EXPECT_EQ(app["metadata"]["annotations"]["backstage.io/managed-by-location"],
            absl::StrCat("file:", folder_.path(), "/tree/", kApp));
  EXPECT_EQ(context.entities.at("system:default/prod.acme")["spec"]["domain"],
            "domain:default/prod");
  const json& aks = context.entities.at("component:default/infra.azure.aks");
  EXPECT_EQ(aks["metadata"]["tags"], json({"azurerm", "terraform"}));
  EXPECT_EQ(aks["metadata"]["annotations"]["purser.dev/terraform-sources"], "Azure/x/azurerm 1.0");
}

TEST_F(TerraformProviderTest, AFaultKeepsItsFolderOnly) {
  PutPlatform();
  Put(std::string("tree/") + kApp + "/main.tf", "module {{");
  provider::FakeContext context(Config(json::object()));
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  ASSERT_EQ(context.kept.size(), 1u);
  EXPECT_EQ(context.kept.begin()->first, absl::StrCat("file:", folder_.path(), "/tree/", kApp));
  EXPECT_THAT(std::string(context.kept.begin()->second.message()),
              HasSubstr(std::string(kApp) + "/main.tf:1:"));
  EXPECT_EQ(context.dropped, 1);
  EXPECT_THAT(context.entities, Contains(Key("system:default/prod.acme")));
  EXPECT_THAT(context.entities, Contains(Key("resource:default/environments.prod.infra")));
}

TEST_F(TerraformProviderTest, StatesBecomeResources) {
  PutPlatform();
  Put(std::string("states/") + kApp + ".tfstate", R"({"version": 4, "resources": [
    {"mode": "managed", "type": "aws_s3_bucket", "name": "logs", "provider": "x", "instances": [
      {"attributes": {"arn": "arn:aws:s3:::logs", "id": "logs", "tags": {"team": "pay"}}}]}]})");
  Put("states/environments/prod/infra.tfstate", "not a state");
  provider::FakeContext context(
      Config({{"states", {{"folder", folder_.path() + "/states"}}},
              {"rules",
               {{{"match", {{"kind", "resource"}, {"labels", {{"team", "*"}}}}},
                 {"entity", {{"owner", "group:${{ labels.team }}"}}}}}}}));
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  const std::string partition = absl::StrCat("state:", kApp);
  int found = 0;
  for (const auto& [ref, entity] : context.entities) {
    if (context.partitions[ref] != partition) continue;
    ++found;
    EXPECT_EQ(entity["metadata"]["title"], "logs");
    EXPECT_EQ(entity["spec"]["type"], "aws_s3_bucket");
    EXPECT_EQ(entity["spec"]["owner"], "group:pay");
    EXPECT_EQ(entity["metadata"]["annotations"]["purser.dev/resource-ids"],
              R"(["arn:aws:s3:::logs","logs"])");
    EXPECT_EQ(entity["spec"]["dependencyOf"],
              json({"resource:default/environments.prod.acme.superset"}));
  }
  EXPECT_EQ(found, 1);
  // One that cannot be read is kept and says why; one that is not there is kept.
  EXPECT_EQ(context.kept.at("state:environments/prod/infra").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(context.kept.at("state:environments/prod/acme/infra").ok());
}

TEST_F(TerraformProviderTest, StatesOfTheHttpBackendAreAskedForConditionally) {
  PutPlatform();
  http::FakeTransport transport;
  transport.Otherwise(
      [](const http::Request& request, const http::CallOptions&) -> absl::StatusOr<http::Response> {
        EXPECT_EQ(http::FindHeader(request.headers, "Authorization"), "Bearer s3cret");
        if (!absl::StrContains(request.url, "superset")) return http::Response{404, {}, ""};
        if (http::FindHeader(request.headers, "If-None-Match") == "\"1\"") {
          return http::Response{304, {}, ""};
        }
        return http::Response{200, {{"ETag", "\"1\""}}, "{\"version\": 4}"};
      });
  const json config = Config({{"states",
                               {{"url", "https://states.test/{path}"},
                                {"credential", {{"secret", "env:S"}, {"bearer", true}}}}}});
  provider::FakeContext context(config, &transport);
  context.secrets["env:S"] = "s3cret";
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  EXPECT_THAT(context.kept, Not(Contains(Key(absl::StrCat("state:", kApp)))));
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  EXPECT_THAT(context.kept, Contains(Pair(absl::StrCat("state:", kApp), absl::OkStatus())));
  EXPECT_EQ(transport.requests()[0].url, "https://states.test/environments%2Fprod%2Facme%2Finfra");
}

TEST_F(TerraformProviderTest, ModulesBecomeTemplates) {
  PutPlatform();
  provider::FakeContext context(
      Config({{"templates",
               {{"modules", {"apps/*"}},
                {"backend", {{"type", "azurerm"}, {"config", {{"container_name", "states"}}}}},
                {"publish",
                 {{"action", "publish:github:pull-request"}, {"input", {{"repoUrl", "x"}}}}}}}}));
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  ASSERT_THAT(context.entities, Contains(Key("template:default/apps.superset.kubernetes")));
  const json& spec = context.entities["template:default/apps.superset.kubernetes"]["spec"];
  const json& where = spec["parameters"][0];
  EXPECT_EQ(where["properties"]["environment"]["enum"], json({"prod"}));
  const json& inputs = spec["parameters"][1]["properties"]["inputs"];
  EXPECT_EQ(inputs["required"], json({"host"}));
  EXPECT_EQ(inputs["properties"]["replicas"]["default"], 1);
  EXPECT_EQ(spec["steps"][0]["action"], "purser:terraform:layout");
  EXPECT_EQ(spec["steps"][0]["input"]["modules"][0]["source"], "apps/superset/kubernetes");
  EXPECT_EQ(spec["steps"][0]["input"]["modules"][0]["inputs"]["host"],
            "${{ parameters.inputs['host'] }}");
  EXPECT_EQ(spec["steps"][0]["input"]["backend"]["type"], "azurerm");
  EXPECT_EQ(spec["steps"][1]["action"], "publish:github:pull-request");
}

TEST_F(TerraformProviderTest, ARepositoryCannotPutExpressionsIntoATemplate) {
  PutPlatform();
  Put("tree/apps/${{ secrets.x }}/kubernetes/main.tf", "variable \"a\" {}\n");
  Put("tree/apps/other/kubernetes/main.tf",
      "variable \"x'] }} ${{ secrets.y }}\" {}\nvariable \"b\" {}\n");
  provider::FakeContext context(
      Config({{"templates", {{"modules", {"apps/*"}}, {"publish", {{"action", "debug:log"}}}}}}));
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  int templates = 0;
  for (const auto& [ref, entity] : context.entities) {
    if (entity["kind"] != "Template") continue;
    ++templates;
    EXPECT_THAT(entity["spec"]["steps"].dump(), Not(HasSubstr("secrets")));
  }
  EXPECT_EQ(templates, 2);
  const json& steps = context.entities["template:default/apps.other.kubernetes"]["spec"]["steps"];
  EXPECT_EQ(steps[0]["input"]["modules"][0]["inputs"].size(), 1u);
}

TEST_F(TerraformProviderTest, OnlyFoldersThatPurserdMayReadAreRead) {
  PutPlatform();
  TerraformProvider closed;
  provider::FakeContext context(Config(json::object()));
  const absl::Status status = closed.Snapshot(context);
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("catalog.folders"));
  provider::FakeContext missing(Config({{"states", {{"folder", "/nowhere/at/all"}}}}));
  EXPECT_EQ(provider_.Snapshot(missing).code(), absl::StatusCode::kNotFound);
}

TEST_F(TerraformProviderTest, ARepositoryIsReadOnceForEachTip) {
  git::MakeBareRepository(folder_.path());
  git::CgiTransport transport(folder_.path());
  transport.required_authorization = "Basic Z2l0OnMzY3JldA==";
  git::RemoteOptions options;
  options.authorization = transport.required_authorization;
  const auto remote = git::OpenRemote("http://git.test/repo.git", transport, options);
  ASSERT_TRUE(remote.ok());
  std::map<std::string, git::File> files;
  for (const auto& [path, text] : Platform()) {
    if (path[0] != '.') files[path] = {git::kModeFile, text};
  }
  git::Call call{base::Clock::System(), {}};
  const auto publish = [&] {
    const auto published =
        git::PublishTree(**remote, "main", git::MapSource(files),
                         {{"a", "a@b.c"}, "x", "", nullptr}, git::ExistingBranch::kAppend, call);
    ASSERT_TRUE(published.ok()) << published.status();
  };
  publish();
  provider::FakeContext context(
      Config({{"repository", "http://git.test/repo.git"}, {"credential", {{"secret", "env:S"}}}}),
      &transport);
  context.secrets["env:S"] = "s3cret";
  const absl::Status first = provider_.Snapshot(context);
  ASSERT_TRUE(first.ok()) << first;
  EXPECT_EQ(context.entities.size(), 8u);
  EXPECT_FALSE(context.unchanged);
  EXPECT_EQ(context.entities["domain:default/prod"]["metadata"]["annotations"]
                            ["backstage.io/managed-by-location"],
            "url:http://git.test/repo.git#main/environments/prod");
  context.entities.clear();
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  EXPECT_TRUE(context.unchanged);
  EXPECT_THAT(context.entities, IsEmpty());
  context.unchanged = false;
  files["infra/new/main.tf"] = {git::kModeFile, ""};
  publish();
  ASSERT_TRUE(provider_.Snapshot(context).ok());
  EXPECT_FALSE(context.unchanged);
  EXPECT_EQ(context.entities.size(), 9u);
  // While a file is wrong it is read again, and said again.
  files["infra/new/main.tf"] = {git::kModeFile, "{{{"};
  publish();
  for (int round = 0; round < 2; ++round) {
    context.kept.clear();
    ASSERT_TRUE(provider_.Snapshot(context).ok());
    EXPECT_FALSE(context.unchanged);
    EXPECT_EQ(context.kept.size(), 1u);
  }
  // A repository that does not answer leaves everything as it is.
  transport.required_authorization = "Basic other";
  EXPECT_FALSE(provider_.Snapshot(context).ok());
}

TEST(TerraformEntitiesTest, PathsNeverMeetInOneName) {
  EXPECT_EQ(terraform::NameOfPath("a/b-c"), "a.b-c");
  EXPECT_NE(terraform::NameOfPath("a/b.c"), terraform::NameOfPath("a/b/c"));
  EXPECT_NE(terraform::NameOfPath("a/b c"), terraform::NameOfPath("a/b-c"));
  const std::string longer(200, 'x');
  EXPECT_LE(terraform::NameOfPath(longer).size(), 63u);
  EXPECT_NE(terraform::NameOfPath(longer), terraform::NameOfPath(longer + "y"));
}

}  // namespace
}  // namespace purser::catalog_providers

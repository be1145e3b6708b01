#include "catalog-providers/terraform/tree.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "catalog-providers/terraform/affected.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers::terraform {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

std::string Backend(const std::string& key) {
  return absl::StrCat("terraform {\n  backend \"azurerm\" {\n    container_name = \"states\"\n",
                      "    key = \"", key, "\"\n  }\n}\n");
}
std::string Reads(const std::string& name, const std::string& key) {
  return absl::StrCat("data \"terraform_remote_state\" \"", name,
                      "\" {\n  backend = \"azurerm\"\n  config = {\n    container_name = "
                      "\"states\"\n    key = \"",
                      key, "\"\n    access_key = var.key\n  }\n}\n");
}
std::string Calls(const std::string& name, const std::string& source) {
  return absl::StrCat("module \"", name, "\" { source = \"", source, "\" }\n");
}

// An analytics platform: clusters and databases of an environment, databases and storage of
// a customer, apps on top.
TreeFiles Platform() {
  TreeFiles files;
  files["infra/azure/network"]["main.tf"] = "variable \"cidr\" {}\n";
  files["infra/azure/aks"]["main.tf"] = Calls("network", "../network");
  files["infra/database/logical"]["main.tf"] = "";
  files["infra/database/logical"]["variables.tf"] = "variable \"name\" { type = string }\n";
  files["apps/superset/kubernetes"]["main.tf"] =
      "resource \"kubernetes_config_map\" \"x\" {\n"
      "  data = { a = file(\"${path.module}/../docker/config.py\") }\n}\n";
  for (const std::string env : {"dev", "prod"}) {
    const std::string base = absl::StrCat("environments/", env);
    files[base + "/infra"]["main.tf"] =
        absl::StrCat(Backend(base + "/infra.tfstate"), Calls("aks", "../../../infra/azure/aks"));
    files[base + "/acme/infra"]["main.tf"] = absl::StrCat(
        Backend(base + "/acme/infra.tfstate"), Calls("db", "../../../../infra/database/logical"),
        Reads("env", base + "/infra.tfstate"));
    files[base + "/acme/superset"]["main.tf"] =
        absl::StrCat(Backend(base + "/acme/superset.tfstate"),
                     Calls("app", "../../../../apps/superset/kubernetes"),
                     Reads("customer", base + "/acme/infra.tfstate"));
  }
  return files;
}

std::vector<std::string> Paths(const std::vector<AffectedRoot>& roots) {
  std::vector<std::string> paths;
  for (const AffectedRoot& root : roots) paths.push_back(root.path);
  return paths;
}
std::vector<std::string> AffectedBy(const TreeFiles& files, const std::vector<std::string>& changed,
                                    const AffectedOptions& options = {}) {
  return Paths(
      Affected(Tree::Build(files, Layout::Default()), Layout::Default(), changed, options));
}

TEST(TerraformTreeTest, RootsAreFoundByTheirPaths) {
  const Tree tree = Tree::Build(Platform(), Layout::Default());
  EXPECT_THAT(tree.faults(), IsEmpty());
  EXPECT_THAT(tree.problems(), IsEmpty());
  ASSERT_EQ(tree.roots().size(), 6u);
  const Root& app = tree.roots().at("environments/prod/acme/superset");
  EXPECT_EQ(app.place.level, Level::kApp);
  EXPECT_EQ(app.place.Name("environment"), "prod");
  EXPECT_EQ(app.place.Name("customer"), "acme");
  EXPECT_EQ(app.place.Name("app"), "superset");
  EXPECT_THAT(app.reads, ElementsAre("environments/prod/acme/infra"));
  const Root& cluster = tree.roots().at("environments/prod/infra");
  EXPECT_EQ(cluster.place.level, Level::kEnvironment);
  EXPECT_EQ(cluster.place.Name("customer"), "");
  EXPECT_THAT(cluster.modules, ElementsAre("infra/azure/aks", "infra/azure/network"));
}

TEST(TerraformTreeTest, WhatOthersBuildOnComesFirst) {
  TreeFiles files = Platform();
  // An environment's root that builds on a customer's, against its level.
  files["environments/dev/infra"]["extra.tf"] =
      Reads("odd", "environments/prod/acme/infra.tfstate");
  std::vector<std::string> order;
  const Tree tree = Tree::Build(files, Layout::Default());
  for (const Root* root : tree.InOrder()) order.push_back(root->path);
  EXPECT_THAT(order,
              ElementsAre("environments/prod/infra", "environments/prod/acme/infra",
                          "environments/dev/infra", "environments/dev/acme/infra",
                          "environments/dev/acme/superset", "environments/prod/acme/superset"));
}

TEST(TerraformTreeTest, AChangeReachesEveryRootThroughModules) {
  const TreeFiles files = Platform();
  // Two modules away.
  EXPECT_THAT(AffectedBy(files, {"infra/azure/network/main.tf"}),
              ElementsAre("environments/dev/infra", "environments/prod/infra"));
  EXPECT_THAT(AffectedBy(files, {"environments/prod/acme/infra/terraform.tfvars"}),
              ElementsAre("environments/prod/acme/infra"));
  EXPECT_THAT(AffectedBy(files, {"infra/database/logical/sql/init.sql"}),
              ElementsAre("environments/dev/acme/infra", "environments/prod/acme/infra"));
  EXPECT_THAT(AffectedBy(files, {"README.md", "infra/azure/aks/README.md", "docs/x.txt"}),
              IsEmpty());
  EXPECT_THAT(AffectedBy(files, {}), IsEmpty());
  // A file outside of the module that it reads.
  EXPECT_THAT(AffectedBy(files, {"apps/superset/docker/config.py"}),
              ElementsAre("environments/dev/acme/superset", "environments/prod/acme/superset"));
  EXPECT_THAT(AffectedBy(files, {"apps/superset/docker/Dockerfile"}), IsEmpty());
  EXPECT_THAT(AffectedBy(files, {"infra/azure/network/main.tf"}, {.readers = true}),
              ElementsAre("environments/dev/infra", "environments/prod/infra",
                          "environments/dev/acme/infra", "environments/prod/acme/infra",
                          "environments/dev/acme/superset", "environments/prod/acme/superset"));
}

TEST(TerraformTreeTest, ReasonsAreGiven) {
  const Tree tree = Tree::Build(Platform(), Layout::Default());
  const auto roots = Affected(tree, Layout::Default(), {"infra/azure/network/main.tf"});
  ASSERT_EQ(roots.size(), 2u);
  EXPECT_THAT(roots[0].because,
              ElementsAre("infra/azure/network/main.tf (module infra/azure/network)"));
}

TEST(TerraformTreeTest, WhatIsGoneIsSeenToo) {
  TreeFiles files = Platform();
  files.erase("infra/azure/network");
  EXPECT_THAT(AffectedBy(files, {"infra/azure/network/main.tf"}),
              ElementsAre("environments/dev/infra", "environments/prod/infra"));
  EXPECT_THAT(Tree::Build(files, Layout::Default()).problems(),
              ElementsAre(HasSubstr("there is no infra/azure/network")));
  files.erase("environments/dev/acme/superset");
  files.erase("environments/dev/infra");
  const auto roots =
      Affected(Tree::Build(files, Layout::Default()), Layout::Default(),
               {"environments/dev/infra/main.tf", "environments/dev/acme/superset/main.tf"});
  EXPECT_THAT(Paths(roots),
              ElementsAre("environments/dev/acme/superset", "environments/dev/infra"));
  EXPECT_TRUE(roots[0].removed);
}

TEST(TerraformTreeTest, AFaultIsKeptToItsFolderAndMakesItsRootsAffected) {
  TreeFiles files = Platform();
  files["infra/azure/network"]["main.tf"] = "variable {{{";
  const Tree tree = Tree::Build(files, Layout::Default());
  ASSERT_EQ(tree.faults().size(), 1u);
  EXPECT_THAT(std::string(tree.faults().at("infra/azure/network").message()),
              HasSubstr("infra/azure/network/main.tf:1:"));
  EXPECT_EQ(tree.roots().size(), 6u);
  const auto roots = Affected(tree, Layout::Default(), {"docs/x"});
  ASSERT_EQ(roots.size(), 2u);
  EXPECT_THAT(roots[0].because, ElementsAre(HasSubstr("cannot be told")));
}

TEST(TerraformTreeTest, CirclesEndAndAreReported) {
  TreeFiles files;
  files["infra/a"]["main.tf"] = Calls("b", "../b");
  files["infra/b"]["main.tf"] = Calls("a", "../a") + Calls("up", "../../..");
  files["environments/x/infra"]["main.tf"] =
      Calls("a", "../../../infra/a") + Calls("self", "./") + Backend("x") + Reads("y", "y");
  files["environments/y/infra"]["main.tf"] = Backend("y") + Reads("x", "x");
  const Tree tree = Tree::Build(files, Layout::Default());
  EXPECT_THAT(tree.roots().at("environments/x/infra").modules, ElementsAre("infra/a", "infra/b"));
  EXPECT_EQ(tree.InOrder().size(), 2u);
  EXPECT_THAT(tree.problems(), Contains(HasSubstr("leads out of the repository")));
  EXPECT_THAT(tree.problems(), Contains(HasSubstr("in a circle")));
  EXPECT_THAT(tree.problems(), Contains(HasSubstr("reads states in a circle")));
}

TEST(TerraformTreeTest, StatesAreToldApartByWhatIsKnown) {
  TreeFiles files;
  files["environments/x/infra"]["main.tf"] = Backend("k");
  files["environments/y/infra"]["main.tf"] =
      "terraform {\n  backend \"azurerm\" {\n    container_name = \"other\"\n    key = \"k\"\n  "
      "}\n}";
  files["environments/z/infra"]["main.tf"] = Reads("k", "k");
  // Its backend is only known at `init`; the key says the path.
  files["environments/w/infra"]["main.tf"] = "terraform {\n  backend \"s3\" {}\n}\n";
  files["environments/v/infra"]["main.tf"] =
      "locals { e = \"w\" }\ndata \"terraform_remote_state\" \"w\" {\n  backend = \"s3\"\n  config "
      "= { bucket = var.b, key = \"environments/${local.e}/infra/terraform.tfstate\" }\n}";
  files["environments/u/infra"]["main.tf.json"] =
      R"({"terraform": {"cloud": {"organization": "o", "workspaces": {"name": "u"}}}})";
  files["environments/t/infra"]["main.tf.json"] =
      R"({"data": {"terraform_remote_state": {"u": {"backend": "remote",
          "config": {"organization": "o", "workspaces": {"name": "u"}}}}}})";
  const Tree tree = Tree::Build(files, Layout::Default());
  EXPECT_THAT(tree.faults(), IsEmpty());
  EXPECT_THAT(tree.roots().at("environments/z/infra").reads, ElementsAre("environments/x/infra"));
  EXPECT_THAT(tree.roots().at("environments/v/infra").reads, ElementsAre("environments/w/infra"));
  EXPECT_THAT(tree.roots().at("environments/t/infra").reads, ElementsAre("environments/u/infra"));
}

TEST(TerraformTreeTest, FilesOutsideOfTheTreeAreLeftOut) {
  EXPECT_TRUE(BelongsToTree("a/main.tf"));
  EXPECT_TRUE(BelongsToTree("main.tf.json"));
  EXPECT_TRUE(BelongsToTree("a/x.auto.tfvars"));
  EXPECT_FALSE(BelongsToTree("a/.terraform/modules/x/main.tf"));
  EXPECT_FALSE(BelongsToTree(".git/main.tf"));
  EXPECT_FALSE(BelongsToTree("a/secrets.tfvars"));
  EXPECT_FALSE(BelongsToTree("a/terraform.tfstate"));
}

TEST(TerraformLayoutTest, RulesMayBeOnesOwn) {
  const auto layout = Layout::FromConfig(json::parse(R"([
    {"path": "live/**/{environment}/base", "level": "environment"},
    {"path": "{customer}/{customer}", "level": "customer"}
  ])"));
  ASSERT_TRUE(layout.ok()) << layout.status();
  EXPECT_EQ(layout->Match("live/eu/west/prod/base")->Name("environment"), "prod");
  EXPECT_TRUE(layout->Match("live/prod/base").has_value());
  EXPECT_FALSE(layout->Match("live/base").has_value());
  EXPECT_TRUE(layout->Match("a/a").has_value());
  EXPECT_FALSE(layout->Match("a/b").has_value());
  for (const char* wrong : {"a//b", "a/x{y}", "**/a/**", "../a", "a/b*"}) {
    const auto status = Layout::FromConfig(json{{{"path", wrong}, {"level", "app"}}}).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("roots[0].path")) << wrong;
  }
}

TEST(TerraformModuleTest, ReadsVariablesOutputsAndProviders) {
  const auto module = ReadModule("m", {{"main.tf", R"(
terraform {
  required_version = ">= 1.5"
  required_providers {
    azurerm = { source = "hashicorp/azurerm", version = "~> 4" }
  }
}
variable "size" {
  type        = number
  default     = 3
  description = "How many."
  validation {
    condition     = var.size > 0
    error_message = "At least one."
  }
}
variable "password" {
  type      = string
  sensitive = true
}
resource "azurerm_x" "a" {}
resource "azurerm_x" "b" {}
output "id" { value = azurerm_x.a.id }
)"},
                                       {"override.tf", "variable \"size\" { default = 5 }\n"}});
  ASSERT_TRUE(module.ok()) << module.status();
  ASSERT_EQ(module->variables.size(), 2u);
  EXPECT_EQ(module->variables[0].name, "size");
  EXPECT_EQ(module->variables[0].default_value, 5);
  EXPECT_TRUE(module->variables[1].sensitive);
  EXPECT_FALSE(module->variables[1].default_value.has_value());
  EXPECT_EQ(module->resources.at("azurerm_x"), 2);
  EXPECT_EQ(module->providers.at("azurerm"), "hashicorp/azurerm");
  EXPECT_EQ(module->required_version, ">= 1.5");
  EXPECT_EQ(module->outputs[0].name, "id");
}

}  // namespace
}  // namespace purser::catalog_providers::terraform

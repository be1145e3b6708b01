#include "scaffolder-actions/terraform-layout/terraform_layout_action.h"

#include <cstdlib>

#include "document/yaml.h"
#include "edit/hcl.h"
#include "gmock/gmock.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class TerraformLayoutActionTest : public FileActionTest {
 protected:
  static json Customer() {
    return {{"kind", "customer"},
            {"environment", "production"},
            {"customer", "acme"},
            {"apps", {"superset"}},
            {"backend", {{"type", "s3"}, {"config", {{"bucket", "state"}}}}},
            {"tags", {{"cost-centre", "4711"}}}};
  }
  TerraformLayoutAction action_;
};

TEST_F(TerraformLayoutActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<TerraformLayoutAction>()).ok());
}

TEST_F(TerraformLayoutActionTest, AnEnvironment) {
  const absl::Status status = Perform(
      action_,
      {{"kind", "environment"},
       {"environment", "test"},
       {"backend", {{"type", "azurerm"}, {"config", {{"container_name", "state"}}}}},
       {"providers",
        {{{"name", "azurerm"}, {"source", "hashicorp/azurerm"}, {"version", "~> 4.0"}}}},
       {"modules",
        {{{"name", "cluster"}, {"source", "infra/azure/aks"}, {"inputs", {{"size", 3}}}}}}});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(context_.outputs["roots"], json{"environments/test/infra"});
  EXPECT_EQ(Get("environments/test/infra/backend.tf"),
            "terraform {\n  backend \"azurerm\" {\n    container_name = \"state\"\n"
            "    key            = \"environments/test/infra.tfstate\"\n  }\n}\n");
  EXPECT_EQ(Get("environments/test/infra/providers.tf"),
            "terraform {\n  required_version = \">= 1.5\"\n\n  required_providers {\n"
            "    azurerm = {\n      source  = \"hashicorp/azurerm\"\n"
            "      version = \"~> 4.0\"\n    }\n  }\n}\n\n"
            "provider \"azurerm\" {\n  features {\n  }\n}\n");
  EXPECT_EQ(Get("environments/test/infra/main.tf"),
            "# What the costs of this root are booked to.\nlocals {\n  cost_tags = {\n"
            "    environment = \"test\"\n    app         = \"infra\"\n"
            "    managed-by  = \"terraform\"\n  }\n}\n\n"
            "module \"cluster\" {\n  source = \"../../../infra/azure/aks\"\n  size   = 3\n"
            "  tags   = local.cost_tags\n}\n");
}

TEST_F(TerraformLayoutActionTest, ACustomerWithApps) {
  const absl::Status status = Perform(action_, Customer());
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(context_.outputs["roots"],
            (json{"environments/production/acme/infra", "environments/production/acme/superset"}));
  EXPECT_EQ(context_.outputs["paths"].size(), 8u);
  const std::string main = Get("environments/production/acme/superset/main.tf");
  EXPECT_THAT(main, HasSubstr("customer    = \"acme\""));
  EXPECT_THAT(main, HasSubstr("cost-centre = \"4711\""));
  EXPECT_THAT(main, HasSubstr("data \"terraform_remote_state\" \"customer\""));
  EXPECT_THAT(main, HasSubstr("environments/production/acme/infra/terraform.tfstate"));
  EXPECT_THAT(main, HasSubstr("source = \"../../../../apps/superset/kubernetes\""));
  const std::string path = ".github/workflows/terraform-production-acme-superset.yaml";
  const auto workflow = document::ParseYamlDocument(Get(path), path);
  ASSERT_TRUE(workflow.ok()) << workflow.status();
  // A changed module is a reason to run too.
  EXPECT_EQ(
      workflow->value["on"]["push"]["paths"],
      (json{"environments/production/acme/superset/**", "apps/superset/kubernetes/**", path}));
  EXPECT_EQ(workflow->value["jobs"]["terraform"]["defaults"]["run"]["working-directory"],
            "environments/production/acme/superset");
  EXPECT_THAT(Get(path), HasSubstr("\non:\n"));
  // Once more: nothing to do.
  ASSERT_TRUE(Perform(action_, Customer()).ok());
  EXPECT_EQ(context_.outputs["changed"], false);
}

TEST_F(TerraformLayoutActionTest, ExistingFilesAreNotLost) {
  Put("environments/production/acme/infra/main.tf", "# ours\n");
  EXPECT_EQ(Perform(action_, Customer()).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(Files(), testing::SizeIs(5));
  json input = Customer();
  input["existing"] = "keep";
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(Get("environments/production/acme/infra/main.tf"), "# ours\n");
  EXPECT_THAT(context_.log, HasSubstr("1 files kept"));
  input["existing"] = "replace";
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(context_.outputs["paths"], json{"environments/production/acme/infra/main.tf"});
}

TEST_F(TerraformLayoutActionTest, BadInputNamesTheField) {
  const auto with = [](const char* name, const json& value) {
    json input = Customer();
    input[name] = value;
    return input;
  };
  EXPECT_THAT(Perform(action_, with("customer", "../x")).message(), HasSubstr("/customer"));
  EXPECT_THAT(Perform(action_, with("customer", "infra")).message(), HasSubstr("infra is taken"));
  EXPECT_THAT(Perform(action_, with("kind", "environment")).message(),
              HasSubstr("/customer: an environment has none"));
  EXPECT_THAT(Perform(action_, with("kind", "app")).message(), HasSubstr("/app: is required"));
  EXPECT_THAT(Perform(action_, with("backend", {{"type", "nope"}})).message(),
              HasSubstr("/backend/type"));
  EXPECT_THAT(
      Perform(action_, with("backend", {{"type", "s3"}, {"config", {{"a b", 1}}}})).message(),
      HasSubstr("/backend/config"));
  const json module = {
      {"name", "m"}, {"source", "x"}, {"inputs", {{"a", {{"$expression", "f("}}}}}};
  EXPECT_THAT(Perform(action_, with("modules", json::array({module}))).message(),
              HasSubstr("/modules/0/inputs: a: expression:1:3"));
  EXPECT_THAT(Files(), ElementsAre());
}

TEST_F(TerraformLayoutActionTest, TerraformTakesIt) {
  if (std::system("terraform version > /dev/null 2>&1") != 0) {
    GTEST_SKIP() << "SKIP terraform is not installed";
  }
  json input = Customer();
  input["providers"] = {
      {{"name", "aws"},
       {"source", "hashicorp/aws"},
       {"config",
        {{"region", "eu-west-1"},
         {"default_tags", {{"$block", {{"tags", {{"$expression", "local.cost_tags"}}}}}}}}}}};
  ASSERT_TRUE(Perform(action_, input).ok());
  const std::string check =
      "terraform fmt -check -diff -recursive " + context_.folder + " > " + root_ + "/fmt 2>&1";
  const int result = std::system(check.c_str());
  std::ifstream shown(root_ + "/fmt");
  EXPECT_EQ(result, 0) << std::string(std::istreambuf_iterator<char>(shown), {});
}

}  // namespace
}  // namespace purser::actions

#include "catalog-providers/terraform/state.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers::terraform {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr char kCanary[] = "canary-7f3a";

constexpr char kState[] = R"({
  "version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "l",
  "outputs": {"password": {"value": "canary-7f3a", "type": "string", "sensitive": true}},
  "resources": [
    {"mode": "managed", "type": "aws_s3_bucket", "name": "logs",
     "provider": "provider[\"registry.terraform.io/hashicorp/aws\"]",
     "instances": [
       {"index_key": "eu", "schema_version": 0, "attributes": {"arn": "arn:aws:s3:::logs-eu",
          "id": "logs-eu", "name": null, "region": "eu-west-1", "policy": "canary-7f3a",
          "tags": {"team": "pay", "n": 3}}, "sensitive_attributes": []},
       {"index_key": 1, "attributes": {"id": "logs-1", "name": "canary-7f3a"},
        "sensitive_attributes": [[{"type": "get_attr", "value": "name"}]]},
       {"index_key": 2, "deposed": "abcd", "attributes": {"id": "old"}}]},
    {"mode": "managed", "module": "module.db[\"a\"]", "type": "azurerm_x", "name": "y",
     "provider": "provider[\"registry.terraform.io/hashicorp/azurerm\"].alias",
     "instances": [{"attributes": {"id": "/subscriptions/1/x", "name": "y", "location": "westeurope",
       "self_link": "canary-7f3a", "tags": {"k": "canary-7f3a"}},
       "sensitive_attributes": [[{"type": "get_attr", "value": "self_link"}],
         [{"type": "get_attr", "value": "tags"}, {"type": "index", "value": {"value": "k"}}]]}]},
    {"mode": "managed", "type": "random_password", "name": "p", "provider": "x",
     "instances": [{"attributes": {"id": "none", "result": "canary-7f3a"}}]},
    {"mode": "data", "type": "aws_ami", "name": "z", "provider": "x",
     "instances": [{"attributes": {"id": "ami"}}]}
  ]
})";

std::string Everything(const State& state) {
  std::string text;
  for (const StateResource& item : state.resources) {
    text +=
        item.address + item.type + item.name + item.provider + item.display_name + item.location;
    for (const std::string& id : item.ids) text += id;
    for (const auto& [key, value] : item.tags) text += key + value;
  }
  return text;
}

TEST(TerraformStateTest, TakesWhatNamesAResourceAndNoSecret) {
  const auto state = ParseState(kState, "x");
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->serial, 7);
  EXPECT_EQ(state->secrets_left_out, 1);
  ASSERT_EQ(state->resources.size(), 3u);
  EXPECT_EQ(state->resources[0].address, "aws_s3_bucket.logs[\"eu\"]");
  EXPECT_THAT(state->resources[0].ids, ElementsAre("arn:aws:s3:::logs-eu", "logs-eu"));
  EXPECT_EQ(state->resources[0].provider, "hashicorp/aws");
  EXPECT_EQ(state->resources[0].location, "eu-west-1");
  EXPECT_THAT(state->resources[0].tags, ElementsAre(Pair("team", "pay")));
  EXPECT_EQ(state->resources[1].address, "aws_s3_bucket.logs[1]");
  EXPECT_EQ(state->resources[1].display_name, "");
  EXPECT_EQ(state->resources[2].address, "module.db[\"a\"].azurerm_x.y");
  EXPECT_THAT(state->resources[2].ids, ElementsAre("/subscriptions/1/x"));
  EXPECT_THAT(state->resources[2].tags, IsEmpty());
  EXPECT_THAT(Everything(*state), Not(HasSubstr(kCanary)));
}

TEST(TerraformStateTest, ReadsWhatShowSays) {
  const auto state = ParseState(R"({
    "format_version": "1.0", "terraform_version": "1.11.4",
    "values": {"outputs": {"x": {"value": "canary-7f3a"}}, "root_module": {
      "resources": [{"address": "aws_s3_bucket.a", "mode": "managed", "type": "aws_s3_bucket",
        "name": "a", "provider_name": "registry.opentofu.org/hashicorp/aws",
        "values": {"id": "a", "arn": "arn:a", "name": "canary-7f3a", "tags": {"x": "y"}},
        "sensitive_values": {"name": true, "tags": {}}}],
      "child_modules": [{"address": "module.m", "resources": [
        {"address": "module.m.google_x.b", "mode": "managed", "type": "google_x", "name": "b",
         "values": {"self_link": "https://b", "labels": {"k": "canary-7f3a"}},
         "sensitive_values": {"labels": {"k": true}}},
        {"address": "data.x.y", "mode": "data", "type": "x", "name": "y", "values": {}}]}]}}})",
                                "x");
  ASSERT_TRUE(state.ok()) << state.status();
  ASSERT_EQ(state->resources.size(), 2u);
  EXPECT_EQ(state->resources[0].provider, "hashicorp/aws");
  EXPECT_THAT(state->resources[0].tags, ElementsAre(Pair("x", "y")));
  EXPECT_THAT(state->resources[1].ids, ElementsAre("https://b"));
  EXPECT_THAT(Everything(*state), Not(HasSubstr(kCanary)));
}

TEST(TerraformStateTest, OthersAreRefusedWithoutShowingThem) {
  const std::pair<const char*, absl::StatusCode> cases[] = {
      {"canary-7f3a", absl::StatusCode::kInvalidArgument},
      {"{\"version\": 4, \"canary-7f3a", absl::StatusCode::kInvalidArgument},
      {"{\"version\": 3}", absl::StatusCode::kFailedPrecondition},
      {"{\"format_version\": \"1.2\", \"planned_values\": {}}", absl::StatusCode::kInvalidArgument},
      {"{}", absl::StatusCode::kInvalidArgument},
      {"[]", absl::StatusCode::kInvalidArgument},
      {"{\"version\": 4, \"resources\": [{\"mode\": \"managed\", \"instances\": [{}]}]}",
       absl::StatusCode::kInvalidArgument},
  };
  for (const auto& [text, code] : cases) {
    const absl::Status status = ParseState(text, "state of x").status();
    EXPECT_EQ(status.code(), code) << text;
    EXPECT_THAT(std::string(status.message()), HasSubstr("state of x")) << text;
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr(kCanary))) << text;
  }
  const auto empty = ParseState("{\"version\": 4}", "x");
  ASSERT_TRUE(empty.ok()) << empty.status();
  EXPECT_THAT(empty->resources, IsEmpty());
}

// What the real program writes, where it is installed.
TEST(TerraformStatePeerTest, RealStatesAreRead) {
  if (std::system("terraform version > /dev/null 2>&1") != 0) GTEST_SKIP() << "SKIP no terraform";
  std::string pattern = (std::filesystem::temp_directory_path() / "purser-tf-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  // Its own provider needs no network.
  std::ofstream(folder / "main.tf")
      << "resource \"terraform_data\" \"x\" { input = \"canary-7f3a\" }\n";
  const std::string run = absl::StrCat(
      "cd ", folder.string(),
      " && export TF_CLI_CONFIG_FILE=/dev/null CHECKPOINT_DISABLE=1 && "
      "(terraform init -input=false && terraform apply -input=false -auto-approve) > log 2>&1 && "
      "terraform show -json > show.json");
  ASSERT_EQ(std::system(run.c_str()), 0);
  for (const char* name : {"terraform.tfstate", "show.json"}) {
    std::ifstream file(folder / name);
    const auto state = ParseState(std::string(std::istreambuf_iterator<char>(file), {}), name);
    ASSERT_TRUE(state.ok()) << name << state.status();
    EXPECT_FALSE(state->terraform_version.empty()) << name;
    EXPECT_EQ(state->secrets_left_out, 1) << name;
    EXPECT_THAT(Everything(*state), Not(HasSubstr(kCanary))) << name;
  }
  std::filesystem::remove_all(folder);
}

TEST(TerraformStateTest, TypesThatAreSecretsAreLeftOut) {
  for (const char* type :
       {"random_password", "random_string", "tls_private_key", "aws_iam_access_key",
        "aws_secretsmanager_secret_version", "kubernetes_secret", "null_resource",
        "vault_generic_secret", "google_service_account_key", "gitlab_x_token"}) {
    EXPECT_TRUE(IsLeftOut(type)) << type;
  }
  for (const char* type :
       {"aws_s3_bucket", "azurerm_key_vault", "aws_secretsmanager_secret", "google_project"}) {
    EXPECT_FALSE(IsLeftOut(type)) << type;
  }
}

}  // namespace
}  // namespace purser::catalog_providers::terraform

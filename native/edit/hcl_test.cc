#include "edit/hcl.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::edit {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<std::string> EditText(const std::string& text, const std::string& operations) {
  const auto parsed = ParseHclOperations(Model::parse(operations));
  if (!parsed.ok()) return parsed.status();
  return EditHcl(text, "main.tf", *parsed);
}

const char kMain[] = R"(# Storage of the logs
terraform {
  required_version = ">= 1.5" # ours
  backend "azurerm" {
    key = "logs.tfstate"
  }
}

/* the bucket */
resource "aws_s3_bucket" "logs" {
  bucket        = "logs-${var.environment}"
  force_destroy = false // keep

  tags = {
    team = "ops" # who
  }

  lifecycle_rule {
    enabled = true
  }
}

resource "aws_iam_policy" "logs" {
  policy = <<-EOT
    {
      "Version": "2012-10-17", # no comment
      "x": "${jsonencode({ a = "}" })}"
    }
  EOT
  name   = "logs"
}

module "m" { source = "./m" }
locals {}
)";

std::string Main(const std::string& from, const std::string& to) {
  return absl::StrReplaceAll(kMain, {{from, to}});
}

TEST(HclTest, FindsAttributesAndBlocks) {
  const auto body = ParseHcl(kMain, "main.tf");
  ASSERT_TRUE(body.ok()) << body.status();
  ASSERT_EQ(body->items.size(), 5u);
  EXPECT_EQ(body->items[1].name, "resource");
  EXPECT_THAT(body->items[1].labels, ElementsAre("aws_s3_bucket", "logs"));
  const HclBody& policy = body->items[2].body;
  ASSERT_EQ(policy.items.size(), 2u);
  EXPECT_EQ(policy.items[0].name, "policy");
  const std::string text = kMain;
  EXPECT_THAT(text.substr(policy.items[0].value, policy.items[0].end - policy.items[0].value),
              testing::EndsWith("\n  EOT"));
  EXPECT_TRUE(body->items[3].one_line);
}

struct Case {
  const char* name;
  std::string before;
  std::string operations;
  std::string after;
};

class HclEditTest : public testing::TestWithParam<Case> {};

TEST_P(HclEditTest, KeepsEveryOtherByte) {
  const Case& one = GetParam();
  const auto after = EditText(one.before, one.operations);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(*after, one.after);
  const auto again = EditText(*after, one.operations);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(*again, one.after);
  const auto crlf = [](const std::string& text) {
    return absl::StrReplaceAll(text, {{"\n", "\r\n"}});
  };
  if (one.before.find('\n') == std::string::npos) return;
  const auto windows = EditText(crlf(one.before), one.operations);
  ASSERT_TRUE(windows.ok()) << windows.status();
  EXPECT_EQ(*windows, crlf(one.after));
}

INSTANTIATE_TEST_SUITE_P(
    Files, HclEditTest,
    testing::Values(
        Case{"same", kMain,
             R"([{"op":"set","block":"terraform","name":"required_version","value":">= 1.5"}])",
             kMain},
        Case{"change", kMain,
             R"([{"op":"set","block":"terraform","name":"required_version","value":">= 1.9"}])",
             Main("\">= 1.5\"", "\">= 1.9\"")},
        Case{
            "inner", kMain,
            R"([{"op":"set","block":"terraform/backend.azurerm","name":"container_name","value":"state"}])",
            Main("    key = \"logs.tfstate\"\n",
                 "    key            = \"logs.tfstate\"\n    container_name = \"state\"\n")},
        Case{"aligned", kMain,
             R"([{"op":"set","block":["module","m"],"name":"source","value":"../m"}])",
             Main("\"./m\"", "\"../m\"")},
        Case{"oneLine", kMain, R"([{"op":"set","block":"module.m","name":"count","value":2}])",
             Main("module \"m\" { source = \"./m\" }",
                  "module \"m\" {\n  source = \"./m\"\n  count = 2\n}")},
        Case{"emptyOneLine", kMain,
             R"([{"op":"set","block":"locals","name":"x","expression":"var.a[0].b"}])",
             Main("locals {}", "locals {\n  x = var.a[0].b\n}")},
        Case{
            "tags", kMain,
            R"([{"op":"set","block":"resource.aws_s3_bucket","name":"tags","value":{"team":"ops","cost-centre":"4 ${x}"}}])",
            Main("{\n    team = \"ops\" # who\n  }",
                 "{\n    team        = \"ops\"\n    cost-centre = \"4 $${x}\"\n  }")},
        Case{"afterHeredoc", kMain,
             R"([{"op":"set","block":"resource.aws_iam_policy.logs","name":"path","value":"/"}])",
             Main("  name   = \"logs\"\n", "  name   = \"logs\"\n  path   = \"/\"\n")},
        Case{
            "heredocGoes", kMain,
            R"([{"op":"set","block":"resource.aws_iam_policy.logs","name":"policy","expression":"data.x.json"}])",
            Main("<<-EOT\n    {\n      \"Version\": \"2012-10-17\", # no comment\n      \"x\": "
                 "\"${jsonencode({ a = \"}\" })}\"\n    }\n  EOT",
                 "data.x.json")},
        Case{"delete", kMain,
             R"([{"op":"delete","block":"resource.aws_s3_bucket.logs","name":"force_destroy"},
                 {"op":"delete","name":"nothing"},{"op":"delete","block":"none.x","name":"y"}])",
             Main("  force_destroy = false // keep\n", "")},
        Case{
            "addBlock", kMain,
            R"([{"op":"addBlock","name":"variable","labels":["environment"],"body":{"type":{"$expression":"string"},"validation":{"$block":{"condition":true}}}}])",
            absl::StrCat(kMain,
                         "\nvariable \"environment\" {\n  type = string\n\n  validation {\n"
                         "    condition = true\n  }\n}\n")},
        Case{
            "addNested", kMain,
            R"([{"op":"addBlock","block":"terraform","name":"required_providers","body":{"aws":{"source":"hashicorp/aws"}}}])",
            Main("    key = \"logs.tfstate\"\n  }\n",
                 "    key = \"logs.tfstate\"\n  }\n\n  required_providers {\n    aws = {\n      "
                 "source = \"hashicorp/aws\"\n    }\n  }\n")},
        Case{
            "removeBlock", kMain,
            R"([{"op":"removeBlock","block":"resource.aws_s3_bucket.logs","name":"lifecycle_rule"}])",
            Main("\n  lifecycle_rule {\n    enabled = true\n  }\n", "")},
        Case{"removeTopBlock", kMain,
             R"([{"op":"removeBlock","name":"resource","labels":["aws_iam_policy","logs"]}])",
             absl::StrReplaceAll(kMain, {{std::string(kMain).substr(
                                              std::string(kMain).find("resource \"aws_iam"),
                                              std::string(kMain).find("module \"m\"") -
                                                  std::string(kMain).find("resource \"aws_iam")),
                                          ""}})},
        Case{
            "createBlock", "",
            R"([{"op":"set","block":"provider.aws","create":true,"name":"region","value":"eu-west-1"}])",
            "provider \"aws\" {\n  region = \"eu-west-1\"\n}\n"},
        Case{"topAttribute", "a = 1\n", R"([{"op":"set","name":"region","value":["x"]}])",
             "a      = 1\nregion = [\"x\"]\n"},
        Case{"noFinalLineEnd", "a = 1", R"([{"op":"set","name":"b","value":null}])",
             "a = 1\nb = null"},
        Case{"formOnly", "a = [ \"x\",\n \"y\", ]\n",
             R"([{"op":"set","name":"a","value":["x","y"]}])", "a = [ \"x\",\n \"y\", ]\n"},
        Case{"closedOnTheLine", "x {\n  a = 1\n  b = 2 }\n",
             R"([{"op":"set","block":"x","name":"c","value":3}])",
             "x {\n  a = 1\n  b = 2\n  c = 3\n}\n"},
        Case{"duplicate", "r {\n  i {\n    p = 1\n  }\n}\n",
             R"([{"op":"addBlock","block":"r","name":"i","duplicate":true,"body":{"p":2}}])",
             "r {\n  i {\n    p = 1\n  }\n\n  i {\n    p = 2\n  }\n}\n"}),
    [](const auto& info) { return std::string(info.param.name); });

TEST(HclEdits, Literals) {
  const auto text = [](const char* value) { return *HclLiteral(Model::parse(value), 0); };
  EXPECT_EQ(text("\"a\\\"b\\\\c\\n${x} %{y} $${z} $x\""),
            "\"a\\\"b\\\\c\\n$${x} %%{y} $\\u0024{z} $x\"");
  EXPECT_EQ(text("[1, true, null, 1.5]"), "[1, true, null, 1.5]");
  EXPECT_EQ(text("{}"), "{}");
  EXPECT_EQ(text(R"({"a":1,"b c":[]})"), "{\n  a     = 1\n  \"b c\" = []\n}");
  EXPECT_EQ(text(R"([{"a":1}])"), "[\n  {\n    a = 1\n  },\n]");
  EXPECT_EQ(text(R"({"$expression":"var.x"})"), "var.x");
  EXPECT_FALSE(HclLiteral(Model::parse(R"({"$expression":"a b }"})"), 0).ok());
  EXPECT_FALSE(HclLiteral(Model::parse(R"({"$expression":"a\nb = 1"})"), 0).ok());
}

TEST(HclEdits, Errors) {
  const struct {
    const char* text;
    const char* operations;
    const char* error;
  } kCases[] = {
      {"a = 1\n", R"([{"op":"set","block":"x","name":"b","value":1}])", "no block x"},
      {"x {}\nx {}\n", R"([{"op":"set","block":"x","name":"b","value":1}])", "more than once"},
      {"x {\n b {}\n}\n", R"([{"op":"set","block":"x","name":"b","value":1}])", "is a block there"},
      {"a = 1\n", R"([{"op":"zap","name":"b"}])", "/0/op: unknown"},
      {"a = 1\n", R"([{"op":"set","name":"1b","value":1}])", "/0/name"},
      {"a = 1\n", R"([{"op":"set","name":"b"}])", "/0/value"},
      {"a = 1\n", R"([{"op":"set","name":"b","expression":"f("}])", "/0/expression"},
      {"a = \n", "[]", "main.tf:1:5: expected an expression"},
      {"a = 1 b = 2\n", "[]", "main.tf:1:7: expected a new line or an operator"},
      {"a = (1\n", "[]", "expected \")\""},
      {"a = \"x\nb = 1\n", "[]", "main.tf:1:5: this string is not closed"},
      {"a = \"${x\n", "[]", "not closed"},
      {"a = <<EOT\nx\n", "[]", "not closed by EOT"},
      {"x {\n", "[]", "main.tf:1:3: this \"{\" is not closed"},
      {"a = 1 /* b\n", "[]", "main.tf:1:7: this comment is not closed"},
      {"}\n", "[]", "main.tf:1:1: expected an attribute or a block"},
  };
  for (const auto& one : kCases) {
    const auto result = EditText(one.text, one.operations);
    EXPECT_FALSE(result.ok()) << one.text;
    EXPECT_THAT(result.status().message(), HasSubstr(one.error)) << one.text;
  }
}

TEST(HclEdits, HostileTextEndsSoon) {
  for (const char* part :
       {"(", "[", "{", "a{", "\"${", "x {\n", "${", "<<E\n", "/* ", "a = <<-E\n"}) {
    std::string text = part[0] == 'x' ? "" : "a = ";
    for (int i = 0; i < 100'000; ++i) text += part;
    EXPECT_FALSE(ParseHcl(text, "f").ok()) << part;
  }
  EXPECT_EQ(ParseHcl(std::string(kMaxFileBytes + 1, ' '), "f").status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::edit

#include "catalog-providers/terraform/variable_form.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers::terraform {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;

VariableForm Form(const std::string& text, const std::string& file = "variables.tf") {
  const auto module = ReadModule("m", {{file, text}});
  EXPECT_TRUE(module.ok()) << module.status();
  return module.ok() ? FormOf(*module) : VariableForm();
}

TEST(VariableFormTest, TypesBecomeFields) {
  const std::pair<const char*, const char*> cases[] = {
      {"string", R"({"type":"string"})"},
      {"number", R"({"type":"number"})"},
      {"bool", R"({"type":"boolean"})"},
      {"list(string)", R"({"type":"array","items":{"type":"string"}})"},
      {"set(number)", R"({"type":"array","items":{"type":"number"},"uniqueItems":true})"},
      {"map(bool)", R"({"type":"object","additionalProperties":{"type":"boolean"}})"},
      {"map(any)", R"({"type":"object","additionalProperties":true})"},
      {"tuple([string, number])",
       R"({"type":"array","minItems":2,"maxItems":2,"items":[{"type":"string"},{"type":"number"}]})"},
      {"any", R"({"type":"string"})"},
      {"object({ size = number, tier = optional(string, \"basic\"), zones = optional(list(string)) "
       "})",
       R"({"type":"object","required":["size"],"properties":{
           "size":{"type":"number","title":"Size"},
           "tier":{"type":"string","title":"Tier","default":"basic"},
           "zones":{"type":"array","items":{"type":"string"},"title":"Zones"}}})"},
  };
  for (const auto& [type, expected] : cases) {
    const VariableForm form = Form(std::string("variable \"x\" {\n  type = ") + type + "\n}\n");
    json wanted = json::parse(expected);
    wanted["title"] = "X";
    EXPECT_EQ(form.properties["x"], wanted) << type;
  }
}

TEST(VariableFormTest, ValidationsBecomeLimits) {
  const std::pair<const char*, const char*> cases[] = {
      {"contains([\"dev\", \"prod\"], var.x)", R"({"type":"string","enum":["dev","prod"]})"},
      {"length(var.x) >= 3 && length(var.x) < 64",
       R"({"type":"string","minLength":3,"maxLength":63})"},
      {"can(regex(\"^[a-z]+$\", var.x)) && length(var.x) == 5",
       R"({"type":"string","pattern":"^[a-z]+$","minLength":5,"maxLength":5})"},
      {"3 < length(var.x)", R"({"type":"string","minLength":4})"},
      // Not the same in JavaScript, about another variable, or not said by a schema.
      {"can(regex(\"(?i)x\", var.x))", R"({"type":"string","description":"No."})"},
      {"length(var.y) > 3", R"({"type":"string","description":"No."})"},
      {"var.x != lower(var.x)", R"({"type":"string","description":"No."})"},
  };
  for (const auto& [condition, expected] : cases) {
    const VariableForm form =
        Form(std::string("variable \"x\" {\n  type = string\n  validation {\n    condition = ") +
             condition + "\n    error_message = \"No.\"\n  }\n}\n");
    json wanted = json::parse(expected);
    wanted["title"] = "X";
    EXPECT_EQ(form.properties["x"], wanted) << condition;
  }
  const VariableForm number = Form(
      "variable \"n\" {\n  type = number\n  default = 2\n  validation {\n    condition = var.n >= "
      "1 "
      "&& var.n <= 10\n    error_message = \"1 to 10.\"\n  }\n}\n");
  EXPECT_EQ(number.properties["n"],
            json::parse(R"({"type":"number","minimum":1,"maximum":10,"default":2,"title":"N"})"));
}

TEST(VariableFormTest, DefaultsDecideWhatIsRequired) {
  const VariableForm form = Form(R"(
variable "db_name" {
  type        = string
  description = "Name of the database."
}
variable "size" { default = 10 }
variable "zone" { default = null }
variable "password" {
  type      = string
  sensitive = true
}
)");
  EXPECT_EQ(form.order, json({"db_name", "size", "zone"}));
  EXPECT_EQ(form.required, json({"db_name"}));
  EXPECT_THAT(form.left_out, ElementsAre("password"));
  EXPECT_EQ(form.properties["db_name"]["title"], "Db name");
  EXPECT_EQ(form.properties["db_name"]["description"], "Name of the database.");
  EXPECT_EQ(form.properties["size"]["type"], "number");
  EXPECT_FALSE(form.properties["zone"].contains("default"));
}

TEST(VariableFormTest, JsonSyntaxSaysTheSame) {
  const VariableForm form = Form(
      R"json({"variable": {"x": {"type": "list(string)", "validation":
          {"condition": "${length(var.x) > 0}", "error_message": "No."}}}})json",
      "variables.tf.json");
  EXPECT_EQ(form.properties["x"],
            json::parse(R"({"type":"array","items":{"type":"string"},"minItems":1,"title":"X"})"));
}

}  // namespace
}  // namespace purser::catalog_providers::terraform

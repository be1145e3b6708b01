#include "catalog-providers/crossplane/form_schema.h"

#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

TEST(FormSchemaTest, KeepsWhatAFormCanShow) {
  const Json schema = *json::Parse(R"({
    "type": "object",
    "description": "What is wanted.",
    "required": ["size", "gone", "parameters"],
    "x-kubernetes-validations": [{"rule": "self.size > 1"}],
    "properties": {
      "size": {"type": "integer", "format": "int32", "minimum": 0, "exclusiveMinimum": true,
               "maximum": 9, "default": 3, "nullable": true},
      "engine": {"type": "string", "enum": ["postgres", "mysql"], "description": "Which one."},
      "port": {"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]},
      "labels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63}},
      "free": {"x-kubernetes-preserve-unknown-fields": true},
      "parameters": {"type": "object", "required": ["a"], "properties": {
        "a": {"type": "boolean", "title": "The A"},
        "list": {"type": "array", "minItems": 1, "items": {"type": "object", "properties": {
          "cidr": {"type": "string", "pattern": "^[0-9./]+$"}}}}}},
      "odd": {"type": "null"}, "none": 7,
      "titled": {"type": "string", "title": 7, "description": ["x"]}
    }})");
  int64_t left_out = 0;
  const Json form = FormSchema(schema, &left_out);
  EXPECT_EQ(left_out, 2);  // odd, none
  EXPECT_EQ(form, *json::Parse(R"({
    "type": "object",
    "description": "What is wanted.",
    "required": ["size", "parameters"],
    "properties": {
      "size": {"type": "integer", "title": "Size", "exclusiveMinimum": 0, "maximum": 9, "default": 3},
      "engine": {"type": "string", "title": "Engine", "enum": ["postgres", "mysql"],
                 "description": "Which one."},
      "port": {"type": "string", "title": "Port"},
      "labels": {"type": "object", "title": "Labels",
                 "additionalProperties": {"type": "string", "maxLength": 63}},
      "free": {"type": "object", "title": "Free", "additionalProperties": {"type": "string"}},
      "titled": {"type": "string", "title": "Titled"},
      "parameters": {"type": "object", "title": "Parameters", "required": ["a"], "properties": {
        "a": {"type": "boolean", "title": "The A"},
        "list": {"type": "array", "title": "List", "minItems": 1,
          "items": {"type": "object", "properties": {
            "cidr": {"type": "string", "title": "Cidr", "pattern": "^[0-9./]+$"}}}}}}
    }})"));
  // The form itself is a schema.
  EXPECT_TRUE(json::Schema::Compile(form).ok());
}

TEST(FormSchemaTest, NoSchemaAndDeepSchemas) {
  int64_t left_out = 0;
  EXPECT_EQ(FormSchema(Json(), &left_out),
            Json({{"type", "object"}, {"properties", Json::object()}}));
  EXPECT_EQ(FormSchema(Json::object(), &left_out)["type"], "object");
  Json deep = {{"type", "string"}};
  for (int i = 0; i < 100; ++i) deep = {{"type", "object"}, {"properties", {{"x", deep}}}};
  FormSchema(deep, &left_out);
  EXPECT_EQ(left_out, 1);
  Json wide = {{"type", "object"}};
  for (int i = 0; i < 1000; ++i) wide["properties"][std::to_string(i)] = {{"type", "string"}};
  EXPECT_EQ(FormSchema(wide, &left_out)["properties"].size(), kMaxFormFields);
  EXPECT_EQ(left_out, 500);
}

TEST(FormSchemaTest, Titles) {
  EXPECT_EQ(TitleOf("storageGB"), "Storage GB");
  EXPECT_EQ(TitleOf("max-size"), "Max size");
  EXPECT_EQ(TitleOf("idleShutdownTimeout"), "Idle shutdown timeout");
  EXPECT_EQ(TitleOf("vpcCIDRBlock"), "Vpc CIDR Block");
  EXPECT_EQ(TitleOf("x"), "X");
  EXPECT_EQ(TitleOf(""), "");
}

}  // namespace
}  // namespace purser::catalog_providers

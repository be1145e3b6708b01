#include "document/hcl_document.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "document/hcl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::document {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kMain[] = R"(locals {
  name = "shop-${var.environment}" # who
  tags = merge({ team = "pay", (var.key) = 1 }, { "cost centre" = 4711 })
}

module "network" {
  source = "../../infra/network"
  cidr   = var.cidrs[0]
  peers = [for p in var.peers : p.id if p.zone != local.zone]
  text = <<-EOT
    a ${local.name}
      b \n $${x}
  EOT
  depends_on = [module.base, azurerm_x.y]
}

/* état */ variable "größe" { default = 3 }
)";

TEST(HclDocumentTest, ReadsBlocksAttributesAndWhereTheyStand) {
  const auto root = ReadHcl(kMain, "main.tf");
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->blocks.size(), 3u);
  const HclBlock& network = root->blocks[1];
  EXPECT_EQ(network.type, "module");
  EXPECT_THAT(network.labels, ElementsAre("network"));
  EXPECT_EQ(network.Text("source"), "../../infra/network");
  EXPECT_EQ(network.Text("cidr"), "");
  EXPECT_EQ(network.at.line, 6);
  EXPECT_EQ(network.Attribute("cidr")->text, "var.cidrs[0]");
  EXPECT_EQ(network.Attribute("cidr")->at.column, 3);
  EXPECT_EQ(root->blocks[2].labels[0], "größe");
  EXPECT_EQ(root->blocks[2].at.column, 12);  // in characters, not bytes
  EXPECT_EQ(root->Block("variable"), &root->blocks[2]);
  EXPECT_EQ(root->Block("output"), nullptr);
}

TEST(HclDocumentTest, KnowsWhatExpressionsRead) {
  const auto root = ReadHcl(kMain, "main.tf");
  ASSERT_TRUE(root.ok()) << root.status();
  const HclBlock& network = root->blocks[1];
  EXPECT_THAT(network.Attribute("cidr")->value.references(),
              ElementsAre(HclPath{"var", "cidrs", "0"}));
  EXPECT_THAT(network.Attribute("peers")->value.references(),
              ElementsAre(HclPath{"local", "zone"}, HclPath{"var", "peers"}));
  EXPECT_THAT(network.Attribute("text")->value.references(), ElementsAre(HclPath{"local", "name"}));
  const auto depends = network.Attribute("depends_on")->value.Elements();
  ASSERT_EQ(depends.size(), 2u);
  EXPECT_EQ(depends[0].AsPath(), (HclPath{"module", "base"}));
  const auto members = root->blocks[0].Attribute("tags")->value.Members();
  EXPECT_THAT(members, IsEmpty());  // a call
}

TEST(HclDocumentTest, OperationsCanBeTakenApart) {
  const auto both = ParseHclExpression("length(var.a) <= 5 && contains([\"x\"], var.a)", "f");
  ASSERT_TRUE(both.ok()) << both.status();
  const auto operation = both->AsOperation();
  ASSERT_TRUE(operation.has_value());
  EXPECT_EQ(operation->name, "&&");
  EXPECT_EQ(operation->operands[0].AsOperation()->name, "<=");
  const auto call = operation->operands[1].AsOperation();
  EXPECT_EQ(call->name, "contains");
  EXPECT_EQ(call->operands[0].Literal(), json({"x"}));
  EXPECT_EQ(call->operands[1].AsPath(), (HclPath{"var", "a"}));
  EXPECT_FALSE(call->operands[1].AsOperation().has_value());
  const auto files = ParseHclExpression("[file(\"a\"), {x = f(templatefile(\"b\", {}))}]", "f");
  ASSERT_TRUE(files.ok());
  const auto paths = files->FirstArguments({"file", "templatefile"});
  ASSERT_EQ(paths.size(), 2u);
  EXPECT_EQ(paths[1].Literal(), "b");
}

struct Case {
  const char* expression;
  const char* value;  // as JSON; "" = not known
};

TEST(HclDocumentTest, EvaluatesWhatTheTextTells) {
  const Case cases[] = {
      {"1", "1"},
      {"-1.5e2", "-150"},
      {"1.0", "1"},
      {"-7 % 3", "-1"},
      {"\"1\" == 1", "false"},
      {"jsonencode(\"<&>\")", R"("\"\\u003c\\u0026\\u003e\"")"},
      {"\"a\\tb\\u00e9\\\\\"", R"("a\tbé\\")"},
      {"true", "true"},
      {"null", "null"},
      {"[1, \"x\", [true],]", R"([1,"x",[true]])"},
      {"{ a = 1, b : \"x\"\n c = {}\n }", R"({"a":1,"b":"x","c":{}})"},
      {"{\n  for = 1\n}", R"({"for":1})"},
      {"{ (var.env) = 1, \"${var.env}-x\" = 2 }", R"({"prod":1,"prod-x":2})"},
      {"\"${var.env}\"", R"("prod")"},
      {"\"${var.count}\"", "3"},
      {"\"n${var.count}-${var.env}-$${x}%%{y}\"", R"("n3-prod-${x}%{y}")"},
      {"\"a   ${~ var.env ~}  b\"", R"("aprodb")"},
      {"var.list[1].name", R"("two")"},
      {"var.list[var.one][\"name\"]", R"("two")"},
      {"var.list.1.name", R"("two")"},
      {"var.list[9]", ""},
      {"var.count + 2 * 3 - 1", "8"},
      {"(var.count + 2) * 3 % 4", "3"},
      {"7 / 2", "3.5"},
      {"1 / 0", ""},
      {"!(var.count > 2) || var.env == \"prod\" && 1 <= 1", "true"},
      {"var.count != 3 ? \"a\" : var.count >= 3 ? \"b\" : \"c\"", R"("b")"},
      {"format(\"%s-%03d%%%v\", var.env, 7, [1])", R"("prod-007%[1]")"},
      {"format(\"%s\")", ""},
      {"join(\"-\", [\"a\", 1], [\"b\"])", R"("a-1-b")"},
      {"lower(upper(\"Ab\"))", R"("ab")"},
      {"merge({a = 1}, {a = 2, b = 3})", R"({"a":2,"b":3})"},
      {"concat([1], [2], [])", "[1,2]"},
      {"concat([1], [[2], [3]]...)", "[1,2,3]"},
      {"lookup({a = 1}, \"b\", 5)", "5"},
      {"length(keys({a = 1, b = 2}))", "2"},
      {"replace(\"a.b\", \".\", \"-\")", R"("a-b")"},
      {"replace(\"a.b\", \"/x/\", \"-\")", ""},
      {"split(\",\", \"a,b\")", R"(["a","b"])"},
      {"toset([2, 1, 2])", "[1,2]"},
      {"tonumber(\"12\") + max(1, 5)", "17"},
      {"coalesce(null, \"\", \"x\")", R"("x")"},
      {"jsonencode({a = [1]})", R"("{\"a\":[1]}")"},
      {"try(var.env, 1)", R"("prod")"},
      {"try(azurerm_x.y, 1)", ""},
      {"azurerm_x.y.id", ""},
      {"[for x in [1] : x]", ""},
      {"var.list[*].name", ""},
      {"file(\"x\")", ""},
      {"provider::aws::arn(\"x\")", ""},
      {"<<EOT\n a\nb ${var.env}\nEOT\n", R"(" a\nb prod\n")"},
      {"<<-EOT\n    a\n      \\n\n   EOT", R"("a\n  \\n\n")"},
      {"<<-EOT\n %{ if var.env }x%{ endif }\n EOT", ""},
  };
  const HclScope scope = [](const HclPath& path) -> std::optional<json> {
    if (path == HclPath{"var", "env"}) return "prod";
    if (path == HclPath{"var", "count"}) return 3;
    if (path == HclPath{"var", "one"}) return 1;
    if (path == HclPath{"var", "list"}) return json::parse(R"([{"name":"one"},{"name":"two"}])");
    return std::nullopt;
  };
  for (const Case& item : cases) {
    const auto expression = ParseHclExpression(item.expression, "x.tf");
    ASSERT_TRUE(expression.ok()) << item.expression << ": " << expression.status();
    const auto value = expression->Evaluate(scope);
    EXPECT_EQ(value.has_value() ? value->dump() : "", item.value) << item.expression;
  }
}

TEST(HclDocumentTest, FaultsAreNamedWithTheirPlace) {
  const std::pair<const char*, const char*> cases[] = {
      {"a = 1 +\n", "f.tf:1:"},
      {"a = [1 2]\n", "f.tf:1:8: expected \",\" or \"]\""},
      {"x {\n  a = f(1\n}\n", "f.tf:"},
      {"a = { b 1 }\n", "f.tf:1:9: expected \"=\""},
      {"a = \"${b c}\"\n", "f.tf:1:10: expected \"}\""},
      {"a = \"\\q\"\n", "f.tf:1:6: no such escape"},
      {"a = \"\\ud800\"\n", "f.tf:1:6: this escape names no character"},
      {"a = <<X\n ${\nX\n", "f.tf:"},
      {"a = \"%{ while }\"\n", "f.tf:1:9: expected if, else"},
      {"a = x.\n", "f.tf:1:7: expected a member's name"},
      {"a = ? : 1\n", "f.tf:1:5"},
  };
  for (const auto& [text, message] : cases) {
    const auto root = ReadHcl(text, "f.tf");
    ASSERT_FALSE(root.ok()) << text;
    EXPECT_EQ(root.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(root.status().message()), HasSubstr(message)) << text;
  }
}

TEST(HclDocumentTest, EverythingIsBounded) {
  std::string sum = "1";
  for (int i = 0; i < kMaxHclExpressionDepth + 1; ++i) sum += "+1";
  EXPECT_EQ(ParseHclExpression(sum, "f").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ParseHclExpression(std::string(100'000, '!') + "a", "f").status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(ParseHclExpression(std::string(100'000, '('), "f").status().code(),
            absl::StatusCode::kResourceExhausted);
  // A value that doubles itself with each name it is made of.
  const std::string big(kMaxHclValueBytes / 4, 'x');
  const auto doubled = ParseHclExpression("\"${a}${a}${a}${a}${a}\"", "f");
  ASSERT_TRUE(doubled.ok());
  EXPECT_EQ(doubled->Evaluate([&](const HclPath&) { return std::optional<json>(big); }),
            std::nullopt);
  EXPECT_EQ(ReadHcl(std::string(kMaxHclBytes + 1, ' '), "f").status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST(HclDocumentTest, JsonSyntaxGivesTheSameBlocks) {
  const auto root = ReadHclJson(R"({
  "//": "a comment",
  "module": {"network": {"source": "../net", "cidr": "${var.cidr}", "//": "x"}},
  "resource": {"aws_s3_bucket": {"logs": [{"bucket": "b-${local.x}", "n": 1}, {"bucket": "c"}]}},
  "locals": {"x": ["a", {"b": "${var.y}"}]}
})",
                                "main.tf.json", {{"module", 1}, {"resource", 2}, {"locals", 0}});
  ASSERT_TRUE(root.ok()) << root.status();
  ASSERT_EQ(root->blocks.size(), 4u);
  const HclBlock* network = root->Block("module");
  ASSERT_NE(network, nullptr);
  EXPECT_THAT(network->labels, ElementsAre("network"));
  EXPECT_EQ(network->Text("source"), "../net");
  EXPECT_EQ(network->at.line, 3);
  EXPECT_THAT(network->Attribute("cidr")->value.references(), ElementsAre(HclPath{"var", "cidr"}));
  EXPECT_EQ(network->Attribute("//"), nullptr);
  const HclBlock* bucket = root->Block("resource");
  EXPECT_THAT(bucket->labels, ElementsAre("aws_s3_bucket", "logs"));
  EXPECT_EQ(bucket->Attribute("n")->value.Literal(), 1);
  EXPECT_THAT(root->Block("locals")->Attribute("x")->value.references(),
              ElementsAre(HclPath{"var", "y"}));
}

TEST(HclDocumentTest, FaultsOfJsonSyntaxAreNamedWithTheirPlace) {
  const HclLabelCounts labels = {{"module", 1}};
  const auto wrong = ReadHclJson("{\"module\": {\n  \"x\": 1}}", "f.tf.json", labels);
  EXPECT_THAT(std::string(wrong.status().message()),
              HasSubstr("f.tf.json:2:8: /module/x must be an object"));
  const auto expression = ReadHclJson("{\"a\":\n \"${x y}\"}", "f.tf.json", labels);
  EXPECT_THAT(std::string(expression.status().message()), HasSubstr("f.tf.json:2:"));
  EXPECT_THAT(std::string(ReadHclJson("{", "f.tf.json", labels).status().message()),
              HasSubstr("f.tf.json"));
  EXPECT_EQ(ReadHclJson("a: 1", "f.tf.json", labels).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace purser::document

#include "catalog/entity.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "catalog/names.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace purser::catalog {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

json Resource() {
  return {{"apiVersion", "backstage.io/v1alpha1"},
          {"kind", "Resource"},
          {"metadata", {{"name", "bucket-1"}}},
          {"spec", {{"type", "bucket"}, {"owner", "group:default/a"}}}};
}

std::vector<std::string> Pointers(const json& entity) {
  std::vector<std::string> pointers;
  for (const Problem& problem : Validate(entity)) pointers.push_back(problem.pointer);
  return pointers;
}

TEST(EntityRef, ParsesWithDefaultsAndLowerCases) {
  const auto full = EntityRef::Parse("Component:Prod/My-App");
  ASSERT_TRUE(full.ok());
  EXPECT_EQ(full->ToString(), "component:prod/my-app");
  const auto part = EntityRef::Parse("analytics", "Group");
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->ToString(), "group:default/analytics");
}

TEST(EntityRef, RefusesWhatIsNoRef) {
  for (const char* text : {"", "name", ":x", "a:b/", "a:/b", "a:b/c/d", "a:b c", "1a:b"}) {
    EXPECT_EQ(EntityRef::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_THAT(std::string(EntityRef::Parse("name").status().message()),
              HasSubstr("entity ref 'name' has no kind; write kind:namespace/name"));
}

TEST(Validate, AcceptsAGoodEntity) {
  json entity = Resource();
  entity["metadata"]["labels"] = {{"purser.dev/x", "y"}, {"z", ""}};
  entity["metadata"]["annotations"] = {{"backstage.io/managed-by-location", "purser:request/1"}};
  entity["metadata"]["tags"] = {"c++", "a-b", "x:y"};
  entity["metadata"]["links"] = {{{"url", "https://example.com"}, {"title", "t"}}};
  EXPECT_THAT(Validate(entity), IsEmpty());
}

TEST(Validate, TellsEveryProblemAtOnce) {
  json entity = Resource();
  entity["apiVersion"] = "backstage.io/v1 alpha";
  entity["metadata"]["name"] = "-x";
  entity["metadata"]["namespace"] = "Upper";
  entity["metadata"]["labels"] = {{"a/b/c", "v"}, {"ok", "bad value"}};
  entity["metadata"]["annotations"] = {{"k", 5}};
  entity["metadata"]["tags"] = {"ok", "Not Ok", "a--b"};
  entity["metadata"]["links"] = {{{"title", "no url"}}};
  entity["spec"].erase("owner");
  EXPECT_THAT(
      Pointers(entity),
      ElementsAre("/apiVersion", "/metadata/name", "/metadata/namespace",
                  "/metadata/labels/a~1b~1c", "/metadata/labels/ok", "/metadata/annotations/k",
                  "/metadata/tags/1", "/metadata/tags/2", "/metadata/links/0/url", "/spec/owner"));
}

TEST(Validate, KnowsTheBuiltInKinds) {
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"Component", {"/spec/type", "/spec/lifecycle", "/spec/owner"}},
      {"API", {"/spec/type", "/spec/lifecycle", "/spec/owner", "/spec/definition"}},
      {"Resource", {"/spec/type", "/spec/owner"}},
      {"System", {"/spec/owner"}},
      {"Domain", {"/spec/owner"}},
      {"Group", {"/spec/type", "/spec/children"}},
      {"User", {}},
      {"Location", {}},
      {"Widget", {}},
  };
  for (const auto& [kind, expected] : cases) {
    json entity = Resource();
    entity["kind"] = kind;
    entity["spec"] = json::object();
    EXPECT_EQ(Pointers(entity), expected) << kind;
  }
  json entity = Resource();
  entity["kind"] = "Template";
  EXPECT_THAT(Pointers(entity), ElementsAre("/apiVersion", "/spec/steps"));
}

TEST(Validate, RefusesOtherShapes) {
  EXPECT_THAT(Pointers(json::array()), ElementsAre(""));
  EXPECT_THAT(Pointers(json::object()), ElementsAre("/apiVersion", "/kind", "/metadata"));
}

TEST(SanitizeName, KeepsValidAndNeverLetsTwoMeet) {
  EXPECT_EQ(SanitizeName("My_app.v2"), "My_app.v2");
  EXPECT_EQ(SanitizeName(""), "");
  const std::string a = SanitizeName("a b");
  const std::string b = SanitizeName("a/b");
  EXPECT_NE(a, b);
  EXPECT_TRUE(a.starts_with("a-b-"));
  for (const std::string& text :
       {std::string(200, 'x'), std::string("ü"), std::string("--"), std::string("../../etc")}) {
    EXPECT_TRUE(IsObjectName(SanitizeName(text))) << text;
  }
  EXPECT_NE(SanitizeName(std::string(200, 'x')), SanitizeName(std::string(201, 'x')));
}

TEST(Canonical, EqualEntitiesEqualBytes) {
  const json a = json::parse(R"({"b":1,"a":{"d":2,"c":3}})");
  const json b = json::parse(R"({"a":{"c":3,"d":2},"b":1})");
  EXPECT_EQ(Canonical(a), Canonical(b));
  EXPECT_EQ(Canonical(a), R"({"a":{"c":3,"d":2},"b":1})");
  EXPECT_EQ(ContentHash(Canonical(a)).size(), 32u);
}

TEST(Canonical, IsWhatTheLibraryWrites) {
  const json value = json::parse(
      R"({"text":"quote \" back \\ slash / tab \t \u0001 \u00e9 \u20ac","empty":{},"none":[],)"
      R"("list":[1,-2,3.5,true,false,null,"",[[]],{"k":{}}],"k\"ey":1e300,"big":18446744073709551615})");
  EXPECT_EQ(Canonical(value), value.dump());
  EXPECT_EQ(Canonical(json("bad \xff byte")), "\"bad \xEF\xBF\xBD byte\"");
}

TEST(RefOf, IsLowerCase) {
  json entity = Resource();
  entity["metadata"]["namespace"] = "prod";
  entity["metadata"]["name"] = "Big";
  EXPECT_EQ(RefOf(entity).ToString(), "resource:prod/big");
}

}  // namespace
}  // namespace purser::catalog

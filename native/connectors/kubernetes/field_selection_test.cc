#include "connectors/kubernetes/field_selection.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

constexpr char kPod[] = R"( {
  "metadata": {"name": "a\"b", "labels": {"x": "1", "y/z": "ü"},
    "managedFields": [{"a": "]}\\\"{"}, [1, [2]]],
    "annotations": {"keep": "k", "kubectl.kubernetes.io/last-applied-configuration": "{\"a\":1}"}},
  "spec": {"replicas": 3, "list": [1, {"a": []}], "none": null, "deep": {"a": {"b": {"c": true}}}},
  "status": {}
} )";

Json Read(const FieldSelection& fields, absl::string_view text) {
  const auto object = fields.Read(text);
  EXPECT_TRUE(object.ok()) << object.status();
  return object.ok() ? *object : Json();
}

TEST(FieldSelectionTest, TakesWhatIsAskedFor) {
  FieldSelection fields;
  EXPECT_EQ(Read(fields, kPod), Json::object());
  fields.Add({"metadata", "name"});
  fields.Add({"metadata", "labels"});
  fields.Add({"spec", "replicas"});
  fields.Add({"spec", "deep", "a", "b"});
  fields.Add({"spec", "none", "below"});
  fields.Add({"absent", "x"});
  EXPECT_EQ(
      Read(fields, kPod),
      Json({{"metadata", {{"name", "a\"b"}, {"labels", {{"x", "1"}, {"y/z", "ü"}}}}},
            {"spec",
             {{"replicas", 3}, {"deep", {{"a", {{"b", {{"c", true}}}}}}}, {"none", nullptr}}}}));
}

TEST(FieldSelectionTest, LeavesOutWhatIsDropped) {
  FieldSelection fields;
  fields.Drop({"metadata", "managedFields"});
  fields.Drop({"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"});
  fields.Add({});
  Json whole = *json::Parse(kPod);
  whole["metadata"].erase("managedFields");
  whole["metadata"]["annotations"].erase("kubectl.kubernetes.io/last-applied-configuration");
  EXPECT_EQ(Read(fields, kPod), whole);
  // In whatever order it was said.
  FieldSelection other;
  other.Add({"metadata"});
  other.Drop({"metadata", "managedFields"});
  EXPECT_FALSE(Read(other, kPod)["metadata"].contains("managedFields"));
  EXPECT_EQ(Read(other, kPod)["metadata"]["labels"]["x"], "1");
  EXPECT_EQ(
      Read(other.Below("object"), absl::StrCat("{\"type\":1,\"object\":", kPod, "}"))["object"],
      Read(other, kPod));
}

TEST(FieldSelectionTest, GoesThroughLists) {
  FieldSelection fields;
  fields.Add({"v", "name"});
  fields.Add({"v", "schema", "type"});
  EXPECT_EQ(
      Read(fields, R"({"v":[{"name":"a","x":[1]},{"schema":{"type":1,"big":{}}},7,[]],"w":1})"),
      *json::Parse(R"({"v":[{"name":"a"},{"schema":{"type":1}},7,[]]})"));
  EXPECT_EQ(Read(fields, R"({"v":[]})"), *json::Parse(R"({"v":[]})"));
  EXPECT_FALSE(fields.Read(R"({"v":[{"name":1})").ok());
  EXPECT_FALSE(fields.Read(R"({"v":[{} {}]})").ok());
}

TEST(FieldSelectionTest, FaultsAreFound) {
  FieldSelection fields;
  fields.Add({"a"});
  for (const char* text : {"", "[]", "7", "{", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,}",
                           "{\"a\" 1}", "{a:1}", "{\"b\":[1,", "{\"b\":\"x}", "{} {}",
                           "{\"a\":tru}", "{\"a\":\"\\x\"}", "{\"b\":}", "{\"a\":\"\n\"}"}) {
    const auto object = fields.Read(text);
    EXPECT_EQ(object.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(object.status().message()), HasSubstr("byte ")) << text;
  }
  std::string deep = "1";
  for (int i = 0; i < 300; ++i) deep = absl::StrCat("[", deep, "]");
  EXPECT_THAT(std::string(fields.Read(absl::StrCat("{\"a\":", deep, "}")).status().message()),
              HasSubstr("kMaxValueDepth"));
  EXPECT_EQ(Read(fields, R"({"a":[-1,0,1.5,12345678901234567890,1e3,false,"\u00fc",null]})"),
            *json::Parse(R"({"a":[-1,0,1.5,12345678901234567890,1e3,false,"ü",null]})"));
  EXPECT_FALSE(fields.Read(R"({"a":01})").ok());
  EXPECT_FALSE(fields.Read("{\"a\":\"\xff\"}").ok());
  EXPECT_EQ(Read(fields, "{\"\\u0061\":1}"), Json::object());  // nobody writes names that way
}

}  // namespace
}  // namespace purser::connectors

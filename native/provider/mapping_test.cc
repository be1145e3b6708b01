#include "provider/mapping.h"

#include "catalog/entity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::provider {
namespace {

using Json = nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Mapping Compiled(absl::string_view rules) {
  const auto parsed = json::Parse(rules);
  EXPECT_TRUE(parsed.ok()) << parsed.status();
  const auto schema = json::Schema::Compile(Mapping::Schema());
  EXPECT_TRUE(schema.ok()) << schema.status();
  const absl::Status fits = json::ToStatus(schema->Validate(*parsed), "rules");
  EXPECT_TRUE(fits.ok()) << fits;
  auto mapping = Mapping::Compile(*parsed);
  EXPECT_TRUE(mapping.ok()) << mapping.status();
  return *mapping;
}

std::string CompileError(absl::string_view rules) {
  const auto mapping = Mapping::Compile(*json::Parse(rules));
  EXPECT_EQ(mapping.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(mapping.status().message());
}

struct Object {
  Json labels = {{"team", "pay"}, {"tier", "backend"}};
  Json annotations = Json::object();
  Json variables = {{"object", {{"spec", {{"replicas", 2}}}, {"hosts", {"a", "b"}}}},
                    {"cluster", "prod"}};
  Json draft = {{"apiVersion", "backstage.io/v1alpha1"},
                {"kind", "Component"},
                {"metadata", {{"name", "web"}, {"tags", {"old"}}}},
                {"spec", {{"type", "service"}, {"owner", "unknown"}, {"lifecycle", "x"}}}};
  absl::StatusOr<MappingOutcome> Apply(const Mapping& mapping) {
    MappingItem item{
        .api_version = "apps/v1", .kind = "Deployment", .namespace_name = "shop-eu", .name = "web"};
    item.labels = &labels;
    item.annotations = &annotations;
    item.variables = &variables;
    return mapping.Apply(item, &draft);
  }
};

TEST(MappingTest, TheFirstRuleThatMatchesCounts) {
  const Mapping mapping = Compiled(R"([
    {"match": {"kind": "StatefulSet"}, "drop": true},
    {"match": {"apiVersion": "apps/*", "kind": ["Job", "Deploy*"], "namespace": "shop-??",
               "name": "web", "labels": {"team": "*", "gone": null}},
     "entity": {"owner": "group:${{ labels.team }}", "system": "${{ cluster }}-shop",
                "type": "${{ object.spec.nothing }}", "title": "",
                "tags": ["${{ labels.tier }}", "Two Words!", "old"],
                "labels": {"team": "${{ labels.team }}"},
                "annotations": {"example.org/replicas": "${{ object.spec.replicas }}"},
                "links": [{"url": "https://grafana/${{ cluster }}", "title": "Board"},
                          {"url": "javascript:void 0"}],
                "dependsOn": "${{ object.hosts }}",
                "spec": {"replicas": "${{ object.spec.replicas }}"}
}
},
    {"entity": {"owner": "nobody"}}])");
  Object object;
  const auto outcome = object.Apply(mapping);
  ASSERT_TRUE(outcome.ok()) << outcome.status();
  EXPECT_EQ(*outcome, MappingOutcome::kMapped);
  EXPECT_EQ(object.draft["spec"]["owner"], "group:pay");
  EXPECT_EQ(object.draft["spec"]["system"], "prod-shop");
  EXPECT_EQ(object.draft["spec"]["type"], "service");
  EXPECT_EQ(object.draft["spec"]["replicas"], 2);
  EXPECT_EQ(object.draft["spec"]["dependsOn"], Json({"a", "b"}));
  EXPECT_FALSE(object.draft["metadata"].contains("title"));
  EXPECT_EQ(object.draft["metadata"]["tags"], Json({"old", "backend", "two-words"}));
  EXPECT_EQ(object.draft["metadata"]["annotations"]["example.org/replicas"], "2");
  EXPECT_EQ(object.draft["metadata"]["links"],
            Json::array({{{"url", "https://grafana/prod"}, {"title", "Board"}}}));
  EXPECT_TRUE(catalog::Validate(object.draft).empty());
}

TEST(MappingTest, ConditionsDropsAndFurtherRules) {
  const Mapping mapping = Compiled(R"([
    {"continue": true, "entity": {"lifecycle": "production"}},
    {"match": {"if": "${{ object.spec.replicas > 5 }}"}, "entity": {"kind": "System"}},
    {"match": {"if": "${{ labels.absent }}"}, "drop": true},
    {"match": {"if": "${{ object.spec.replicas == 2 and cluster == 'prod' }}"},
     "entity": {"kind": "Resource", "name": "weird name", "namespace": "Team-A"}}])");
  Object object;
  ASSERT_EQ(object.Apply(mapping).value(), MappingOutcome::kMapped);
  EXPECT_EQ(object.draft["kind"], "Resource");
  EXPECT_EQ(object.draft["spec"]["lifecycle"], "production");
  EXPECT_EQ(object.draft["metadata"]["namespace"], "team-a");
  EXPECT_EQ(object.draft["metadata"]["name"], catalog::SanitizeName("weird name"));
  Object other;
  other.labels["absent"] = "yes";
  EXPECT_EQ(other.Apply(mapping).value(), MappingOutcome::kDropped);
  EXPECT_EQ(Object().Apply(Mapping()).value(), MappingOutcome::kUnmatched);
  EXPECT_EQ(Object().Apply(Compiled(R"([{"match": {"labels": {"team": null}}}])")).value(),
            MappingOutcome::kUnmatched);
}

TEST(MappingTest, MistakesNameTheField) {
  const std::string all = CompileError(R"([
    {"match": {"if": "always"}},
    {"entity": {"owner": "${{ labels. }}"}},
    {"drop": true, "continue": true}])");
  EXPECT_THAT(all, HasSubstr("rules[0].match.if: must be an expression"));
  EXPECT_THAT(all, HasSubstr("rules[1].entity.owner"));
  EXPECT_THAT(all, HasSubstr("rules[2]: a rule with drop"));
  Object object;
  const auto list = object.Apply(Compiled(R"([{"entity": {"owner": "${{ object.hosts }}"}}])"));
  EXPECT_THAT(std::string(list.status().message()),
              HasSubstr("rules[0].entity.owner: gives a list where a text belongs"));
  const auto name = object.Apply(Compiled(R"([{"entity": {"namespace": "${{ 'a b' }}"}}])"));
  EXPECT_THAT(std::string(name.status().message()), HasSubstr("rules[0].entity.namespace"));
  const auto endless = object.Apply(Compiled(
      R"([{"entity": {"title": "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}"}}])"));
  EXPECT_EQ(endless.status().code(), absl::StatusCode::kResourceExhausted) << endless.status();
}

TEST(MappingTest, SaysWhichFieldsItReads) {
  const Mapping mapping = Compiled(R"([
    {"match": {"if": "${{ object.spec.replicas > 1 and my_object.x and x.object.y }}"}},
    {"entity": {"owner": "${{ object.metadata.labels['example.org/team'] | upper }}",
                "type": "${{ object.spec.image.split(':')[0] }}",
                "title": "${{ object.status.conditions[0].type }} ${{ object.spec.list.length }}"}}])");
  EXPECT_THAT(mapping.FieldsOf("object"),
              ElementsAre(ElementsAre("metadata", "labels", "example.org/team"),
                          ElementsAre("spec", "image"), ElementsAre("spec", "list"),
                          ElementsAre("spec", "replicas"), ElementsAre("status", "conditions")));
  EXPECT_THAT(Compiled(R"([{"entity": {"title": "${{ object | dump }}"}}])").FieldsOf("object"),
              ElementsAre(ElementsAre()));
  EXPECT_TRUE(Mapping().FieldsOf("object").empty());
}

TEST(MappingTest, WellKnownMetadata) {
  const Json labels = {
      {"app.kubernetes.io/name", "shop"},           {"app.kubernetes.io/part-of", "store"},
      {"app.kubernetes.io/component", "Data Base"}, {"app.kubernetes.io/version", "1.2"},
      {"backstage.io/owner", "by-label"},           {"backstage.io/kubernetes-id", "shop"}};
  const Json annotations = {
      {"backstage.io/owner", "group:default/pay"},
      {"backstage.io/tags", "a, B b,"},
      {"backstage.io/links", R"([{"url":"https://a.example","title":"A"},{"url":"ftp://b"}])"},
      {"backstage.io/techdocs-ref", "dir:."},
      {"backstage.io/managed-by-location", "url:https://evil"},
      {"backstage.io/orphan", "true"}};
  Json draft = {{"kind", "Component"}, {"metadata", {{"name", "x"}}}, {"spec", Json::object()}};
  ApplyWellKnownMetadata(&labels, &annotations, &draft);
  FillRequired({{"owner", "nobody"}, {"type", "service"}, {"lifecycle", "live"}}, &draft);
  EXPECT_EQ(draft["spec"], Json({{"owner", "group:default/pay"},
                                 {"system", "store"},
                                 {"type", "service"},
                                 {"lifecycle", "live"}}));
  EXPECT_EQ(draft["metadata"]["title"], "shop");
  EXPECT_EQ(draft["metadata"]["tags"], Json({"data-base", "a", "b-b"}));
  EXPECT_EQ(draft["metadata"]["links"].size(), 1u);
  EXPECT_EQ(draft["metadata"]["annotations"], Json({{"app.kubernetes.io/version", "1.2"},
                                                    {"backstage.io/kubernetes-id", "shop"},
                                                    {"backstage.io/techdocs-ref", "dir:."}}));
  // Shapes nobody promised.
  const Json odd = {{"backstage.io/links", "{\"a\":"}, {"backstage.io/tags", 7}, {"x", Json()}};
  Json other = {{"kind", "Resource"}};
  ApplyWellKnownMetadata(&odd, &odd, &other);
  ApplyWellKnownMetadata(nullptr, nullptr, &other);
  EXPECT_FALSE(other["metadata"].contains("annotations"));
  EXPECT_TRUE(AsksToBeIgnored(&labels, nullptr) == false);
  const Json ignored = {{"backstage.io/ignore", "true"}};
  EXPECT_TRUE(AsksToBeIgnored(&ignored, &annotations));
}

TEST(MappingTest, WildcardsAndTags) {
  EXPECT_TRUE(WildcardMatches("*", ""));
  EXPECT_TRUE(WildcardMatches("a*c?", "abbcd"));
  EXPECT_FALSE(WildcardMatches("a*c?", "abbc"));
  EXPECT_FALSE(WildcardMatches("", "a"));
  EXPECT_TRUE(WildcardMatches("*.example.org/*", "db.example.org/v1"));
  EXPECT_EQ(TagOf("  Hello__World!! "), "hello-world");
  EXPECT_EQ(TagOf("c++"), "c++");
  EXPECT_EQ(TagOf("!!!"), "");
}

}  // namespace
}  // namespace purser::provider

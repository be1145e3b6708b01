#include "costs/allocation.h"

#include <map>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::HasSubstr;

class FixedIndex final : public ResourceIndex {
 public:
  absl::StatusOr<std::optional<std::string>> EntityOf(absl::string_view resource_id) override {
    if (resource_id == "broken") return absl::UnavailableError("no inventory");
    const auto found = entities.find(std::string(resource_id));
    if (found == entities.end()) return std::nullopt;
    return found->second;
  }
  std::map<std::string, std::string> entities;
};

constexpr char kRules[] = R"(apiVersion: purser.dev/v1
kind: CostAllocation
spec:
  rules:
    - name: recorded
      resource: recorded
    - name: by ref
      tag: purser.dev/entity
    - name: centers
      tag: cost-center
      values: { "4711": "component:default/Shop" }
    - name: teams
      tag: team
      entity: group:default/{value}
    - name: accounts
      subAccount: ["42", "43"]
      entity: system:data/lake
)";

std::string Decide(const Allocation& allocation, absl::string_view resource,
                   absl::string_view account, Tags tags) {
  FixedIndex index;
  index.entities["urn:1"] = "resource:default/Workspace-A";
  const absl::StatusOr<Decision> decision = allocation.Decide({resource, account, &tags}, index);
  return decision.ok() ? decision->rule + " > " + decision->entity_ref
                       : std::string(decision.status().message());
}

TEST(AllocationTest, TheFirstRuleThatMatchesWins) {
  const auto rules = Allocation::Parse(kRules, "rules.yaml");
  ASSERT_TRUE(rules.ok()) << rules.status();
  const Allocation& allocation = **rules;
  const Tags all = {{"purser.dev/entity", "Component:x/Y"}, {"team", "Team A"}};
  EXPECT_EQ(Decide(allocation, "urn:1", "42", all), "recorded > resource:default/workspace-a");
  EXPECT_EQ(Decide(allocation, "urn:2", "42", all), "by ref > component:x/y");
  EXPECT_EQ(Decide(allocation, "", "42", {{"purser.dev/entity", "no ref"}, {"team", "Team A"}}),
            "teams > group:default/team-a");
  EXPECT_EQ(Decide(allocation, "", "", {{"cost-center", "4711"}, {"team", "a"}}),
            "centers > component:default/shop");
  EXPECT_EQ(Decide(allocation, "", "", {{"cost-center", "1"}, {"user:team", "a"}}),
            "teams > group:default/a");
  EXPECT_EQ(Decide(allocation, "", "43", {{"team", "--"}}), "accounts > system:data/lake");
  EXPECT_EQ(Decide(allocation, "urn:2", "44", {}), " > unallocated");
  EXPECT_EQ(Decide(allocation, "broken", "", {}), "no inventory");
}

TEST(AllocationTest, RecordedResourcesComeFirstUnlessSaidOtherwise) {
  const auto rules = Allocation::Parse(
      "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec: {rules: [{name: t, tag: team, "
      "entity: 'group:default/{value}'}]}",
      "rules.yaml");
  ASSERT_TRUE(rules.ok()) << rules.status();
  EXPECT_EQ(Decide(**rules, "urn:1", "", {{"team", "a"}}),
            "recorded > resource:default/workspace-a");
  EXPECT_EQ(Decide(*Allocation::Default(), "urn:1", "", {}),
            "recorded > resource:default/workspace-a");
  EXPECT_NE((*rules)->fingerprint(), Allocation::Default()->fingerprint());
}

TEST(AllocationTest, ConditionsMayBeRegularExpressions) {
  const auto rules = Allocation::Parse(
      "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec:\n  rules:\n"
      "    - name: stages\n"
      "      match: { SubAccountName: { regex: '^(prod|stage)-[0-9]+$' } }\n"
      "      entity: group:default/live\n"
      "    - name: tagged\n"
      "      match: { 'tag:owner': { regex: ['^web', 'shop$'] } }\n"
      "      entity: group:default/web\n",
      "rules.yaml");
  ASSERT_TRUE(rules.ok()) << rules.status();
  FixedIndex index;
  const auto decide = [&](const Tags& columns, const Tags& tags) {
    return (*rules)->Decide({"", "", &tags, &columns}, index)->entity_ref;
  };
  EXPECT_EQ(decide({{"SubAccountName", "prod-17"}}, {}), "group:default/live");
  EXPECT_EQ(decide({{"SubAccountName", "prod-17b"}}, {}), kUnallocated);
  EXPECT_EQ(decide({}, {{"owner", "web-1"}}), "group:default/web");
  EXPECT_EQ(decide({}, {{"owner", "the shop"}}), "group:default/web");
  EXPECT_EQ(decide({}, {{"owner", "the shop floor"}}), kUnallocated);
  EXPECT_EQ(decide({}, {}), kUnallocated) << "nothing is no text";
  const absl::Status wrong =
      Allocation::Parse(
          "apiVersion: purser.dev/v1\nkind: CostAllocation\nspec: {rules: [{name: r, match: "
          "{RegionId: {regex: '(eu'}}, entity: 'group:default/a'}]}",
          "rules.yaml")
          .status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(wrong.message(), HasSubstr("rules.yaml:3:"));
}

TEST(AllocationTest, AllProblemsAreToldWithTheirPlaces) {
  const absl::Status status = Allocation::Parse(R"(apiVersion: purser.dev/v2
kind: CostAllocation
spec:
  rules:
    - name: a
      tag: team
      entity: not a ref
    - name: a
      resource: all
    - tag: x
      subAccount: "1"
    - name: c
      subAccount: [7]
      entity: group:default/x
      colour: red
)",
                                                "rules.yaml")
                                  .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(status.message(), HasSubstr("rules.yaml:1:13: apiVersion must be purser.dev/v1"));
  EXPECT_THAT(status.message(), HasSubstr("rules.yaml:7:15: "));
  EXPECT_THAT(status.message(), HasSubstr("rules.yaml:8:13: two rules are named a"));
  EXPECT_THAT(status.message(), HasSubstr("rules.yaml:9:17: the only value is \"recorded\""));
  EXPECT_THAT(status.message(), HasSubstr("rules.yaml:10:7: a rule needs a name"));
  EXPECT_THAT(status.message(),
              HasSubstr("exactly one of resource, tag, subAccount, kubernetes, column, match"));
  EXPECT_THAT(status.message(), HasSubstr("rules.yaml:13:19: sub accounts are texts"));
  EXPECT_THAT(status.message(), HasSubstr("unknown field \"colour\"; known are column, entity"));
}

}  // namespace
}  // namespace purser::costs

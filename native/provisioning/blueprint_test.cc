#include "provisioning/blueprint.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "connectors/core/core_connector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::provisioning {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class BlueprintTest : public testing::Test {
 protected:
  BlueprintTest() {
    connectors_.emplace("core", std::make_unique<connectors::CoreConnector>("core", clock_));
  }
  absl::StatusOr<std::shared_ptr<const Blueprint>> Parse(const std::string& spec) {
    return ParseBlueprint(absl::StrCat("apiVersion: purser.dev/v1\n"
                                       "kind: Blueprint\n"
                                       "metadata: {name: b}\n"
                                       "spec:\n",
                                       spec),
                          "b.yaml", connectors_);
  }
  std::string Faults(const std::string& spec) {
    return std::string(Parse(spec).status().message());
  }

  base::FakeClock clock_;
  connectors::Connectors connectors_;
};

TEST_F(BlueprintTest, ReadsAGoodOne) {
  const auto blueprint = Parse(
      "  parameters: {type: object, properties: {n: {type: integer, "
      "default: 1}}}\n"
      "  owner: group:default/a\n"
      "  approval: {required: true, message: ask first}\n"
      "  steps:\n"
      "    - {id: a, uses: core/noop, timeout: 5m, retries: {attempts: "
      "7, maxDelay: 2s}}\n"
      "    - {id: b, uses: core/noop, if: \"${{ parameters.n > 1 }}\","
      " with: {x: \"${{ steps.a.outputs.y }}\"}}\n"
      "  outputs: {n: \"${{ parameters.n }}\"}\n");
  ASSERT_TRUE(blueprint.ok()) << blueprint.status();
  EXPECT_EQ((*blueprint)->name, "b");
  EXPECT_EQ((*blueprint)->approval.count, 1);
  EXPECT_EQ((*blueprint)->steps[0].timeout, absl::Minutes(5));
  EXPECT_EQ((*blueprint)->steps[0].retry.attempts, 7);
  EXPECT_EQ((*blueprint)->steps[0].retry.cap, absl::Seconds(2));
  // Using a step's outputs is needing the step.
  EXPECT_THAT((*blueprint)->steps[1].needs, testing::ElementsAre("a"));
  EXPECT_EQ((*blueprint)->hash.size(), 64u);
  const auto again = BlueprintFromBody((*blueprint)->body);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ((*again)->hash, (*blueprint)->hash);
}

TEST_F(BlueprintTest, ShowsTheCycle) {
  const std::string faults = Faults(
      "  steps:\n"
      "    - {id: a, uses: core/noop, needs: [c]}\n"
      "    - {id: b, uses: core/noop, needs: [a]}\n"
      "    - {id: c, uses: core/noop, with: {x: \"${{ steps.b.outputs.y "
      "}}\"}}\n");
  EXPECT_THAT(faults, AllOf(StartsWith("b.yaml:6:7: "), HasSubstr("in a circle: a → c → b → a")));
}

TEST_F(BlueprintTest, TellsEveryFaultWithItsPlace) {
  const std::string faults = Faults(
      "  parameters:\n"
      "    type: object\n"
      "    properties: {name: {type: strin}}\n"
      "  steps:\n"
      "    - id: a\n"
      "      uses: cloud/make\n"
      "    - id: a\n"
      "      uses: core/nope\n"
      "    - id: c\n"
      "      uses: core/wait\n"
      "      needs: [zzz]\n"
      "      with:\n"
      "        seconds: -1\n"
      "        other: ${{ parameters.nme }}\n"
      "    - id: d\n"
      "      uses: core/noop\n"
      "      timeout: soon\n"
      "      if: yes please\n"
      "      with:\n"
      "        x: ${{ steps.yyy.outputs.z }}\n"
      "        y: ${{ 1 + }}\n"
      "        z: ${{ steps.d.outputs.q }}\n");
  EXPECT_THAT(faults,
              AllOf(HasSubstr("b.yaml:6:5: /spec/parameters"),
                    HasSubstr("b.yaml:10:13: /spec/steps/0/uses: there is no connector "
                              "\"cloud\""),
                    HasSubstr("b.yaml:11:11: /spec/steps/1/id: \"a\" is the id of step 1 "
                              "as well"),
                    HasSubstr("b.yaml:12:13: /spec/steps/1/uses: connector \"core\" has no"),
                    HasSubstr("b.yaml:15:15: /spec/steps/2/needs/0: there is no step \"zzz\""),
                    HasSubstr("b.yaml:17:18: /spec/steps/2/with/seconds"),
                    HasSubstr("there is no parameter \"nme\"")));
  EXPECT_THAT(faults, AllOf(HasSubstr("b.yaml:21:16: /spec/steps/3/timeout"),
                            HasSubstr("b.yaml:22:11: /spec/steps/3/if"),
                            HasSubstr("b.yaml:24:12: /spec/steps/3/with/x: there is no step"),
                            HasSubstr("b.yaml:25:12: /spec/steps/3/with/y: bad expression"),
                            HasSubstr("a step cannot use its own outputs")));
}

TEST_F(BlueprintTest, HintsAtDashesInIds) {
  EXPECT_THAT(Faults("  steps:\n"
                     "    - {id: a-b, uses: core/noop}\n"
                     "    - {id: c, uses: core/noop, with: {x: \"${{ "
                     "steps.a-b.outputs.y }}\"}}\n"),
              HasSubstr("an id with '-' is written steps['a-b']"));
}

TEST_F(BlueprintTest, ExpressionsMayStandWhereTheSchemaWantsOtherTypes) {
  EXPECT_TRUE(Parse("  parameters: {type: object, properties: {s: {type: integer}}}\n"
                    "  steps:\n"
                    "    - {id: a, uses: core/wait, with: {seconds: \"${{ parameters.s "
                    "}}\"}}\n")
                  .ok());
  EXPECT_THAT(Faults("  steps:\n"
                     "    - {id: a, uses: core/wait}\n"),
              HasSubstr("seconds"));
}

TEST_F(BlueprintTest, TypesThatCannotFitAreToldBeforeAnythingRuns) {
  const std::string faults = Faults(
      "  parameters: {type: object, properties: {s: {type: string}, n: {type: number}}}\n"
      "  steps:\n"
      "    - {id: a, uses: core/wait, with: {seconds: \"${{ parameters.s }}\"}}\n"
      "    - {id: b, uses: core/wait, with: {seconds: \"${{ parameters.n }}\"}}\n"
      "    - {id: c, uses: core/wait, with: {seconds: \"${{ steps.a.outputs.until }}\"}}\n"
      "    - {id: d, uses: core/wait, with: {seconds: \"${{ parameters.s | length }}\"}}\n");
  EXPECT_THAT(faults, HasSubstr("b.yaml:7:48: /spec/steps/0/with/seconds: must be number, but "
                                "parameters.s is string"));
  EXPECT_THAT(faults, HasSubstr("must be number, but steps.a.outputs.until is string"));
  EXPECT_THAT(faults, testing::Not(HasSubstr("steps/1")));
  EXPECT_THAT(faults, testing::Not(HasSubstr("steps/3")));
}

TEST_F(BlueprintTest, RefusesOtherShapes) {
  EXPECT_THAT(Faults("  stepz: []\n"), AllOf(HasSubstr("/spec/steps"), HasSubstr("stepz")));
  EXPECT_THAT(std::string(ParseBlueprint("a: [", "b.yaml", connectors_).status().message()),
              StartsWith("b.yaml:"));
  std::string many = "  steps:\n";
  for (int i = 0; i < 201; ++i) absl::StrAppend(&many, "    - {id: s", i, ", uses: core/noop}\n");
  EXPECT_THAT(Faults(many), HasSubstr("/spec/steps"));
  EXPECT_FALSE(
      ParseBlueprint(std::string(kMaxBlueprintBytes + 1, '#'), "b.yaml", connectors_).ok());
}

TEST_F(BlueprintTest, TheExamplesAreGood) {
  // Their connectors are not linked here; what does not name one must still
  // hold.
  const auto noop =
      LoadBlueprints({absl::StrCat(PURSER_SOURCE_DIR, "/examples/blueprints")}, connectors_);
  const std::vector<std::string> lines = absl::StrSplit(std::string(noop.status().message()), '\n');
  for (const std::string& line : lines) {
    EXPECT_THAT(line,
                testing::AnyOf(HasSubstr("there is no connector \"files\""),
                               HasSubstr("there is no connector \"git\""), testing::IsEmpty()));
  }
}

}  // namespace
}  // namespace purser::provisioning

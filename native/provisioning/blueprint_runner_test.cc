#include "provisioning/blueprint_runner.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::provisioning {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kBlueprint[] = R"(apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: bucket}
spec:
  parameters: {type: object, required: [name], properties: {name: {type: string}}}
  owner: group:default/testers
  approval: {required: true, fourEyes: true, from: ['group:default/ops']}
  steps:
    - {id: make, uses: cloud/make, with: {name: '${{ parameters.name }}'},
       retries: {attempts: 3, initialDelay: 1s}}
    - {id: ok, needs: [make], uses: wait/approval, with: {from: ['group:default/ops']}}
    - {id: hook, needs: [ok], uses: wait/webhook, with: {secret: 'env:X'}}
    - {id: later, needs: [hook], uses: wait/timer, with: {for: 240h}}
    - {id: use, needs: [later], uses: cloud/use, with: {id: '${{ steps.make.outputs.id }}',
       note: '${{ steps.hook.outputs.payload.note }}'}}
  outputs: {id: '${{ steps.make.outputs.id }}'}
  entity: {metadata: {name: 'b-${{ parameters.name }}'}, spec: {type: bucket}}
)";

constexpr char kTest[] = R"(apiVersion: purser.dev/v1
kind: BlueprintTest
blueprint: bucket.yaml
undo: {cloud/make: cloud/drop}
cases:
  - name: all goes well
    parameters: {name: a}
    answers:
      make: [{error: {code: UNAVAILABLE, message: later}}, {outputs: {id: i-1}}]
    deliver: {hook: {note: hello}}
    expect:
      state: succeeded
      inputs: {use: {id: i-1, note: hello}}
      outputs: {id: i-1}
      steps: {later: succeeded}
      entity: {metadata: {name: b-a}}
  - name: what fails is undone
    parameters: {name: a}
    answers: {use: {error: {code: INVALID_ARGUMENT, message: 'no'}}}
    deliver: {hook: {note: x}}
    expect: {state: failed, message: 'INVALID_ARGUMENT: no', undone: [make]}
  - name: rejected
    parameters: {name: a}
    reject: [ok]
    expect: {state: failed, steps: {use: skipped}}
  - name: bad input
    expect: {refused: name}
)";

TEST(BlueprintRunnerTest, CasesRunWithoutAnyOutsideSystem) {
  const auto results = RunBlueprintTests(kTest, "t.yaml", kBlueprint, "bucket.yaml");
  ASSERT_TRUE(results.ok()) << results.status();
  ASSERT_EQ(results->size(), 4u);
  for (const CaseResult& result : *results) EXPECT_THAT(result.failures, IsEmpty()) << result.name;
}

TEST(BlueprintRunnerTest, WhatIsNotAsExpectedIsSaid) {
  std::string test = kTest;
  test.replace(test.find("outputs: {id: i-1}\n      steps"), 18, "outputs: {id: i-2}");
  const auto results = RunBlueprintTests(test, "t.yaml", kBlueprint, "bucket.yaml");
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_THAT((*results)[0].failures, ElementsAre("/outputs/id: is \"i-1\"; expected \"i-2\""));
}

TEST(BlueprintRunnerTest, FaultsOfTheFilesAreTold) {
  const auto bad = RunBlueprintTests("kind: BlueprintTest\n", "t.yaml", kBlueprint, "b.yaml");
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("t.yaml:1:1"));
  const auto unknown = RunBlueprintTests(
      kTest, "t.yaml", "apiVersion: purser.dev/v1\nkind: Blueprint\nspec: {}\n", "b.yaml");
  EXPECT_TRUE(absl::IsInvalidArgument(unknown.status())) << unknown.status();
  EXPECT_EQ(*BlueprintOfTest(kTest, "some/where/t.yaml"), "some/where/bucket.yaml");
}

}  // namespace
}  // namespace purser::provisioning

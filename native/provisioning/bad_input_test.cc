// Inputs that do not fit and outputs that are too large: told before the call, or what became of
// it.
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "provisioning/testing/service_fixture.h"
#include "workflow/transition.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class BadInputTest : public ServiceFixture {
 protected:
  absl::StatusOr<Request> Ask(const std::string& steps, const json& parameters) {
    WriteBlueprint("bad", absl::StrCat("  parameters:\n"
                                       "    type: object\n"
                                       "    properties: {text: {type: string}}\n"
                                       "  owner: group:default/testers\n"
                                       "  steps:\n",
                                       steps));
    Open();
    return Make("bad", parameters);
  }
};

TEST_F(BadInputTest, WhatFollowsFromTheParametersIsRefusedAtOnce) {
  const absl::Status wrong =
      Ask("    - {id: a, uses: core/wait, with: {seconds: '${{ parameters.text | upper }}'}}\n",
          {{"text", "soon"}})
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(wrong)) << wrong;
  EXPECT_THAT(std::string(wrong.message()),
              HasSubstr("step a: input of core/wait: /seconds must be number, is string"));
  const absl::Status bad =
      Ask("    - {id: a, uses: cloud/make, with: {name: '${{ parameters.text | nofilter }}'}}\n",
          {{"text", "x"}})
          .status();
  EXPECT_TRUE(absl::IsInvalidArgument(bad)) << bad;
  EXPECT_THAT(std::string(bad.message()), AllOf(HasSubstr("/with/name"), HasSubstr("nofilter")));
}

TEST_F(BadInputTest, WhatFollowsFromOutputsFailsItsStepBeforeTheCall) {
  const Request failed = Done(
      Ask("    - {id: a, uses: core/noop, with: {x: '${{ parameters.text }}'}}\n"
          "    - {id: b, uses: core/wait, with: {seconds: '${{ steps.a.outputs.x | upper }}'}}\n"
          "    - {id: c, needs: [b], uses: cloud/make, with: {name: c}}\n",
          {{"text", "soon"}}));
  EXPECT_EQ(failed.state, RequestState::kFailed);
  EXPECT_THAT(failed.message, AllOf(HasSubstr("step b"), HasSubstr("input of core/wait"),
                                    HasSubstr("/seconds must be number, is string")));
  EXPECT_THAT(cloud_->Calls(), IsEmpty());
}

TEST_F(BadInputTest, OutputsThatAreTooLargeFailTheirStepAndAreNotKept) {
  const Request failed =
      Done(Ask("    - {id: a, uses: core/noop, with: {all: '${{ parameters.text }}'}}\n",
               {{"text", std::string(workflow::kMaxOutputsBytes, 'x')}}));
  EXPECT_EQ(failed.state, RequestState::kFailed);
  EXPECT_THAT(
      failed.message,
      AllOf(HasSubstr("its outputs have"),
            HasSubstr(absl::StrCat("at most ", workflow::kMaxOutputsBytes, " are allowed"))));
  EXPECT_LT(failed.steps[0].outputs.dump().size(), 100);
}

}  // namespace
}  // namespace purser::provisioning

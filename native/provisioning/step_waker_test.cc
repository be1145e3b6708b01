#include "provisioning/step_waker.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "provisioning/testing/service_fixture.h"

namespace purser::provisioning {
namespace {

using ::testing::Contains;

// The clock stands still in all of these: a step's own look would never come.
class StepWakerTest : public ServiceFixture {
 protected:
  std::string Begin(const std::string& steps) {
    WriteBlueprint("plant", "  owner: group:default/testers\n  steps:\n" + steps);
    Open();
    const auto created = Make("plant", {});
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->id : "";
  }
  void Waiting(const std::string& id, const std::string& progress) {
    WaitFor(id, [&](const Request& request) {
      return std::any_of(request.steps.begin(), request.steps.end(),
                         [&](const StepStatus& step) { return step.message == progress; });
    });
  }
};

TEST_F(StepWakerTest, AConnectorThatHearsOfAChangeWakesItsStep) {
  const std::string id = Begin("    - {id: a, uses: cloud/grow, with: {name: oak}}\n");
  Waiting(id, "grows");
  cloud_->Tell("oak");
  EXPECT_EQ(Settle(id).state, RequestState::kSucceeded);
  EXPECT_THAT(cloud_->Calls(), Contains("look oak").Times(1));
  // A wake that comes late does nothing, not even when the service is gone.
  const std::function<void()> late = cloud_->WakerOf("oak");
  late();
  service_.reset();
  late();
}

TEST_F(StepWakerTest, WhatComesWhileTheCallIsStoredIsNotLost) {
  const std::string id = Begin("    - {id: a, uses: cloud/grow, with: {name: oak, told: true}}\n");
  EXPECT_EQ(Settle(id).state, RequestState::kSucceeded);
}

TEST_F(StepWakerTest, AnUndoThatWaitsIsWokenToo) {
  const std::string id = Begin(
      "    - {id: a, uses: cloud/grow, with: {name: oak, told: true}}\n"
      "    - {id: b, needs: [a], uses: cloud/fail}\n");
  Waiting(id, "shrinks");
  cloud_->Tell("oak");
  EXPECT_EQ(Settle(id).state, RequestState::kFailed);
}

}  // namespace
}  // namespace purser::provisioning

// Steps that wait: for a time, people, messages, other requests.
#include "provisioning/waits.h"

#include <atomic>

#include "base/hash.h"
#include "gmock/gmock.h"
#include "provisioning/testing/service_fixture.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

TEST(NextOpeningTest, WindowsOfTheWeek) {
  const json night = {{"days", {"fri"}}, {"from", "22:00"}, {"to", "04:00"}};
  // 2026-11-20 is a Friday.
  EXPECT_EQ(*NextOpening(night, At("2026-11-18T12:00:00Z")), At("2026-11-20T22:00:00Z"));
  EXPECT_EQ(*NextOpening(night, At("2026-11-20T23:00:00Z")), At("2026-11-20T23:00:00Z"));
  // Past midnight it is still Friday's window.
  EXPECT_EQ(*NextOpening(night, At("2026-11-21T03:59:00Z")), At("2026-11-21T03:59:00Z"));
  EXPECT_EQ(*NextOpening(night, At("2026-11-21T04:00:00Z")), At("2026-11-27T22:00:00Z"));
  const json day = {{"from", "09:00"}, {"to", "17:00"}, {"timezone", "Nowhere/Else"}};
  EXPECT_EQ(NextOpening(day, absl::UnixEpoch()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

Delivery Signed(const std::string& body, absl::string_view secret, const std::string& timestamp) {
  Delivery delivery;
  delivery.body = body;
  delivery.timestamp = timestamp;
  delivery.delivery_id = "d1";
  const std::string text = timestamp.empty() ? body : absl::StrCat(timestamp, ".", body);
  delivery.signature = absl::StrCat("sha256=", base::ToHex(base::HmacSha256(secret, text)));
  return delivery;
}

TEST(VerifyDeliveryTest, OnlyTheRightKeyAtTheRightTime) {
  // RFC 4231, test case 2.
  EXPECT_EQ(base::ToHex(base::HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const json input = {{"secret", "env:X"}};
  EXPECT_TRUE(VerifyDelivery(Signed("{}", "key", "1700000100"), input, "key", now).ok());
  EXPECT_FALSE(VerifyDelivery(Signed("{}", "other", "1700000100"), input, "key", now).ok());
  EXPECT_FALSE(VerifyDelivery(Signed("{}", "key", "1699999000"), input, "key", now).ok());
  EXPECT_FALSE(VerifyDelivery(Signed("{}", "key", ""), input, "key", now).ok());
  EXPECT_FALSE(VerifyDelivery(Signed("{}", "", "1700000000"), input, "", now).ok());
  Delivery changed = Signed("{}", "key", "1700000000");
  changed.body = "{ }";
  EXPECT_FALSE(VerifyDelivery(changed, input, "key", now).ok());
  const json plain = {{"secret", "env:X"}, {"timestamped", false}};
  EXPECT_TRUE(VerifyDelivery(Signed("{}", "key", ""), plain, "key", now).ok());
}

class WaitsTest : public ServiceFixture {
 protected:
  void OpenWith(const std::string& steps) {
    WriteBlueprint(
        "waits",
        absl::StrCat("  owner: group:default/testers\n"
                     "  parameters: {type: object, properties: {key: {}, number: {}}}\n  steps:\n",
                     steps));
    Open();
  }
  Request Waiting(const std::string& id, const std::string& text) {
    return WaitFor(id, [&](const Request& request) {
      return !request.steps.empty() && absl::StrContains(request.steps[0].message, text);
    });
  }
};

TEST_F(WaitsTest, ATimerIsNeverEarlyWhateverTheClockSays) {
  OpenWith("    - {id: t, uses: wait/timer, with: {for: 48h}}\n");
  const auto created = Make("waits", {});
  ASSERT_TRUE(created.ok()) << created.status();
  Waiting(created->id, "waits until");
  clock_.JumpWallTime(absl::Hours(100));
  clock_.Advance(absl::Hours(47));
  EXPECT_EQ(service_->Get(created->id)->state, RequestState::kWaiting);
  clock_.JumpWallTime(-absl::Hours(300));
  clock_.Advance(absl::Hours(1) + absl::Seconds(1));
  EXPECT_EQ(Settle(created->id).state, RequestState::kSucceeded);
}

TEST_F(WaitsTest, AWindowOpens) {
  // The fake clock starts on a Tuesday, 2023-11-14T22:13:20Z.
  OpenWith("    - {id: w, uses: wait/window, with: {days: [wed], from: '01:00', to: '02:00'}}\n");
  const auto created = Make("waits", {});
  ASSERT_TRUE(created.ok()) << created.status();
  Waiting(created->id, "2023-11-15T01:00:00Z");
  clock_.Advance(absl::Hours(3));
  EXPECT_EQ(Settle(created->id).state, RequestState::kSucceeded);
}

TEST_F(WaitsTest, AnApprovalIsBoundToWhatWasSeen) {
  OpenWith(
      "    - {id: plan, uses: core/noop, with: {hash: abc}}\n"
      "    - {id: ok, uses: wait/approval, with: {message: apply it?, count: 2,\n"
      "       of: '${{ steps.plan.outputs.hash }}', from: ['group:default/ops']}}\n");
  const auto created = Make("waits", {});
  ASSERT_TRUE(created.ok()) << created.status();
  const Request waiting = WaitFor(created->id, [](const Request& request) {
    return absl::StrContains(request.steps[1].message, "waits for approval (0 of 2): apply it?");
  });
  const Actor ops1 = {"user:default/o1", "fine", {"group:default/ops"}};
  const Actor ops2 = {"user:default/o2", "", {"group:default/ops"}};
  const std::string id = created->id;
  // Who asked, strangers, steps that wait for nothing, another plan: refused.
  EXPECT_TRUE(absl::IsPermissionDenied(
      service_->Approve(id, "ok", "", {kAnna.ref, "", {"group:default/ops"}}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(service_->Approve(id, "ok", "", kBoss).status()));
  EXPECT_TRUE(absl::IsNotFound(service_->Approve(id, "plan", "", ops1).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(service_->Approve(id, "ok", "f00", ops1).status()));
  ASSERT_TRUE(service_->Approve(id, "ok", StepPlanHash({{"of", "abc"}}), ops1).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(service_->Approve(id, "ok", "", ops1).status()));
  WaitFor(id, [](const Request& request) {
    return absl::StrContains(request.steps[1].message, "(1 of 2)");
  });
  ASSERT_TRUE(service_->Approve(id, "ok", "", ops2).ok());
  const Request done = Settle(id);
  EXPECT_EQ(done.state, RequestState::kSucceeded) << done.message;
  EXPECT_EQ(done.steps[1].outputs["approvedBy"], json({"user:default/o1", "user:default/o2"}));
  ASSERT_EQ(done.approvals.size(), 2u);
  EXPECT_EQ(done.approvals[0].reason, "fine");
  EXPECT_THAT(Events(id), Contains("step.approval-given").Times(2));
}

TEST_F(WaitsTest, ARejectionFailsTheStepAndARetryAsksAnew) {
  OpenWith("    - {id: ok, uses: wait/approval}\n");
  const auto created = Make("waits", {});
  ASSERT_TRUE(created.ok()) << created.status();
  Waiting(created->id, "waits for approval");
  ASSERT_TRUE(service_->Reject(created->id, "ok", kBoss).ok());
  const Request failed = Settle(created->id);
  EXPECT_EQ(failed.state, RequestState::kFailed);
  EXPECT_THAT(failed.message, HasSubstr("rejected by user:default/boss: looked at it"));
  ASSERT_TRUE(service_->Retry(created->id, kBoss).ok());
  Waiting(created->id, "waits for approval");
  ASSERT_TRUE(service_->Approve(created->id, "ok", "", kBoss).ok());
  EXPECT_EQ(Settle(created->id).state, RequestState::kSucceeded);
}

TEST_F(WaitsTest, ASignedMessageWakesItsStepOnce) {
  OpenWith("    - {id: hook, uses: wait/webhook, with: {secret: 'test:hook'}}\n");
  const auto created = Make("waits", {});
  ASSERT_TRUE(created.ok()) << created.status();
  Waiting(created->id, "message from outside");
  const std::string now = absl::StrCat(absl::ToUnixSeconds(clock_.Now()));
  Delivery delivery = Signed(R"({"ok":true})", "s3cr3t", now);
  delivery.request_id = created->id;
  delivery.step_id = "hook";
  Delivery forged = delivery;
  forged.signature = Signed(delivery.body, "guessed", now).signature;
  EXPECT_TRUE(absl::IsPermissionDenied(service_->Deliver(forged)));
  Delivery elsewhere = delivery;
  elsewhere.request_id = "req_none";
  EXPECT_TRUE(absl::IsPermissionDenied(service_->Deliver(elsewhere)));
  Delivery large = delivery;
  large.body.assign(kMaxDeliveryBytes + 1, 'x');
  EXPECT_TRUE(absl::IsResourceExhausted(service_->Deliver(large)));
  ASSERT_TRUE(service_->Deliver(delivery).ok());
  const Request done = Settle(created->id);
  EXPECT_EQ(done.state, RequestState::kSucceeded) << done.message;
  EXPECT_EQ(done.steps[0].outputs["payload"], json({{"ok", true}}));
  // A replay of what ended changes nothing.
  EXPECT_TRUE(absl::IsFailedPrecondition(service_->Deliver(delivery)));
  EXPECT_THAT(Events(created->id), Contains("step.delivered").Times(1));
}

TEST_F(WaitsTest, AMessageThatComesBeforeItsStepIsKept) {
  OpenWith(
      "    - {id: first, uses: wait/timer, with: {for: 1h}}\n"
      "    - {id: hook, needs: [first], uses: wait/webhook, with: {secret: 'test:hook'}}\n");
  const auto created = Make("waits", {});
  ASSERT_TRUE(created.ok()) << created.status();
  Delivery delivery = Signed("7", "s3cr3t", absl::StrCat(absl::ToUnixSeconds(clock_.Now())));
  delivery.request_id = created->id;
  delivery.step_id = "hook";
  ASSERT_TRUE(service_->Deliver(delivery).ok());
  ASSERT_TRUE(service_->Deliver(delivery).ok());  // twice is once
  Waiting(created->id, "waits until");
  clock_.Advance(absl::Hours(1) + absl::Seconds(1));
  const Request done = Settle(created->id);
  EXPECT_EQ(done.state, RequestState::kSucceeded) << done.message;
  EXPECT_EQ(done.steps[1].outputs["payload"], 7);
}

TEST_F(WaitsTest, AnotherRequestIsWaitedFor) {
  WriteBlueprint("other",
                 "  owner: group:default/testers\n"
                 "  steps: [{id: t, uses: wait/timer, with: {for: 1h}}]\n"
                 "  outputs: {made: 5}\n");
  OpenWith("    - {id: r, uses: wait/request, with: {key: '${{ parameters.key }}'}}\n");
  const auto waits = Make("waits", {{"key", "k1"}});
  ASSERT_TRUE(waits.ok()) << waits.status();
  Waiting(waits->id, "waits for a request with that key");
  const auto other = Make("other", {}, "k1");
  ASSERT_TRUE(other.ok()) << other.status();
  Waiting(other->id, "waits until");
  clock_.Advance(absl::Hours(1) + absl::Seconds(1));
  Settle(other->id);
  AdvanceUntil(absl::Minutes(1),
               [&] { return service_->Get(waits->id)->state == RequestState::kSucceeded; });
  EXPECT_EQ(service_->Get(waits->id)->steps[0].outputs["outputs"], json({{"made", 5}}));
}

// A hosting whose one pull request people merge or close.
class Forge final : public connectors::Connector {
 public:
  Forge() {
    connectors::Operation merged;
    merged.name = "merged";
    merged.call_class = connectors::CallClass::kPut;
    merged.input_schema = {{"type", "object"}};
    merged.output_schema = {{"type", "object"}};
    operations_.push_back(merged);
  }
  const std::string& name() const override { return name_; }
  const std::vector<connectors::Operation>& operations() const override { return operations_; }
  absl::StatusOr<connectors::CallResult> Call(absl::string_view, const json& input,
                                              connectors::CallContext&) override {
    connectors::CallResult result;
    result.outputs = {{"number", input.at("number")}, {"state", state.load()}};
    if (std::string(state) == "closed") return absl::FailedPreconditionError("closed by people");
    result.ready = std::string(state) == "merged";
    result.poll_after = absl::Minutes(10);
    result.progress = "waits for people";
    result.resources.push_back({"https://forge/7", "pull-request", "7", {}});
    return result;
  }
  absl::StatusOr<connectors::CallResult> Observe(absl::string_view operation, const json& input,
                                                 const connectors::CallResult&,
                                                 connectors::CallContext& context) override {
    return Call(operation, input, context);
  }
  std::atomic<const char*> state = "open";

 private:
  const std::string name_ = "forge";
  std::vector<connectors::Operation> operations_;
};

TEST_F(WaitsTest, PeopleMergeOrClose) {
  auto made = std::make_unique<Forge>();
  Forge& forge = *made;
  connectors_.emplace("forge", std::move(made));
  OpenWith(
      "    - {id: pr, uses: wait/pull-request,\n"
      "       with: {connector: forge, repository: org/x, number: '${{ parameters.number }}'}}\n");
  const auto merged = Make("waits", {{"number", 7}});
  ASSERT_TRUE(merged.ok()) << merged.status();
  Waiting(merged->id, "waits for people");
  Open();  // another process
  forge.state = "merged";
  AdvanceUntil(absl::Minutes(1),
               [&] { return service_->Get(merged->id)->state == RequestState::kSucceeded; });
  EXPECT_EQ(service_->Get(merged->id)->steps[0].outputs["number"], 7);
  EXPECT_FALSE(inventory_->FindResource("https://forge/7")->has_value()) << "the proposal's";
  forge.state = "closed";
  const auto closed = Make("waits", {{"number", 8}});
  const Request failed = Settle(closed->id);
  EXPECT_EQ(failed.state, RequestState::kFailed);
  EXPECT_THAT(failed.message, HasSubstr("closed by people"));
}

TEST_F(WaitsTest, WaitsSurviveARestart) {
  OpenWith("    - {id: ok, uses: wait/approval}\n");
  const auto created = Make("waits", {});
  ASSERT_TRUE(created.ok()) << created.status();
  Waiting(created->id, "waits for approval");
  Open();
  ASSERT_TRUE(service_->Approve(created->id, "ok", "", kBoss).ok());
  EXPECT_EQ(Settle(created->id).state, RequestState::kSucceeded);
}

}  // namespace
}  // namespace purser::provisioning

// Policy: its files, and what it does to requests.
#include "provisioning/policy.h"

#include "gmock/gmock.h"
#include "provisioning/testing/service_fixture.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string PolicyFile(const std::string& spec) {
  return absl::StrCat(
      "apiVersion: purser.dev/v1\nkind: Policy\nmetadata: {name: platform}\nspec:\n", spec);
}

TEST(PolicyFileTest, FaultsAreToldAllAtOnceWithTheirPlaces) {
  Policies policies;
  const absl::Status status =
      policies.Add(PolicyFile("  rules:\n"
                              "    - {id: a, effect: refuse, message: x, if: 'plain'}\n"
                              "    - {id: b, effect: refuse, message: x, if: '${{ 1 + }}'}\n"
                              "    - {id: c, effect: refuse, message: '${{ steps.x.outputs }}'}\n"),
                   "p.yaml");
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("p.yaml:6:"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/spec/rules/0/if: must be an expression"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("/spec/rules/1/if: bad expression"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("policy is asked before any step runs"));
  EXPECT_TRUE(absl::IsInvalidArgument(policies.Add(PolicyFile("  colour: red\n"), "p.yaml")));
}

TEST(StricterTest, BothDemandsHold) {
  const Approval one = {1, false, {"group:default/a"}, ""};
  const Approval two = {2, true, {"group:default/a", "group:default/b"}, "money"};
  const Approval both = Stricter(one, two);
  EXPECT_EQ(both.count, 2);
  EXPECT_TRUE(both.four_eyes);
  EXPECT_THAT(both.from, testing::ElementsAre("group:default/a"));
  const Approval other = {1, false, {"group:default/c"}, ""};
  EXPECT_EQ(Stricter(one, other).count, 2);
  EXPECT_EQ(Stricter(one, other).from.size(), 2u);
  EXPECT_EQ(Stricter({}, two).count, 2);
}

class FakeAdvisor final : public CostAdvisor {
 public:
  absl::StatusOr<std::optional<Quote>> QuoteOf(absl::string_view product,
                                               const json& parameters) override {
    if (product != "thing") return std::nullopt;
    Quote quote;
    quote.currency = "EUR";
    quote.monthly = base::Decimal::FromInteger(parameters.value("size", 1) * 100);
    quote.lines.push_back({"size", quote.monthly});
    return quote;
  }
  absl::StatusOr<std::vector<BudgetLine>> BudgetsOf(const BudgetQuestion& question) override {
    if (question.owner != "group:default/testers") return std::vector<BudgetLine>();
    return std::vector<BudgetLine>{
        {"testers-2023", "EUR", base::Decimal::FromInteger(1000), base::Decimal::FromInteger(650)}};
  }
};

class PolicyTest : public ServiceFixture {
 protected:
  void OpenWith(const std::string& policy) {
    options_.costs = &advisor_;
    WriteBlueprint("thing",
                   "  parameters: {type: object, properties: {name: {type: string},"
                   " size: {type: integer}, region: {type: string}}}\n"
                   "  owner: group:default/testers\n"
                   "  environment: prod\n"
                   "  classification: ${{ 'secret' if parameters.region else 'open' }}\n"
                   "  steps: [{id: make, uses: cloud/make, with: {name: '${{ parameters.name }}',"
                   " size: '${{ parameters.size }}'}}]\n");
    Write("policies/p.yaml", PolicyFile(policy));
    Open();
  }
  FakeAdvisor advisor_;
};

TEST_F(PolicyTest, ARefusalSaysWhyAndIsRecorded) {
  OpenWith(
      "  rules:\n"
      "    - id: region\n"
      "      if: ${{ request.classification == 'secret' and parameters.region != 'home' }}\n"
      "      effect: refuse\n"
      "      message: ${{ request.classification }} data stays at home\n"
      "    - {id: note, effect: warn, message: be careful, if: '${{ parameters.size > 2 }}'}\n");
  const auto refused = Make("thing", {{"name", "a"}, {"size", 3}, {"region", "away"}});
  EXPECT_TRUE(absl::IsPermissionDenied(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("platform/region: secret data stays at home"));
  clock_.Advance(absl::Seconds(1));  // ids sort by time
  const Request allowed = Done(Make("thing", {{"name", "a"}, {"size", 3}, {"region", "home"}}));
  EXPECT_EQ(allowed.state, RequestState::kSucceeded) << allowed.message;
  EXPECT_EQ(allowed.plan["decisions"][0]["reason"], "be careful");
  EXPECT_EQ(allowed.plan["quote"]["monthly"], "300");
  const std::vector<Decision> decisions = *service_->ListDecisions(10);
  ASSERT_EQ(decisions.size(), 2u);
  EXPECT_EQ(decisions[0].verdict, "allowed");
  EXPECT_EQ(decisions[1].verdict, "refused");
  EXPECT_EQ(decisions[1].request_id, "");
  EXPECT_EQ(decisions[1].detail[0]["rule"], "region");
  EXPECT_EQ(service_->List({})->requests.size(), 1u);
}

TEST_F(PolicyTest, ARuleThatCannotBeEvaluatedRefuses) {
  OpenWith("  rules: [{id: r, effect: warn, message: x, if: '${{ no_such_function() }}'}]\n");
  EXPECT_TRUE(absl::IsPermissionDenied(Make("thing", {{"name", "a"}}).status()));
}

TEST_F(PolicyTest, MoneyAboveALimitNeedsTwoOthersOfTheRightGroup) {
  OpenWith(
      "  rules:\n"
      "    - {id: dear, quoteAbove: {amount: '250', currency: EUR}, effect: approve, count: 2,\n"
      "       message: 'costs ${{ quote.monthly }} a month', from: ['group:default/finance']}\n");
  EXPECT_EQ(Done(Make("thing", {{"name", "a"}, {"size", 2}})).state, RequestState::kSucceeded);
  const auto held = Make("thing", {{"name", "b"}, {"size", 3}});
  ASSERT_TRUE(held.ok()) << held.status();
  EXPECT_EQ(held->state, RequestState::kWaitingApproval);
  EXPECT_EQ(held->message, "costs 300 a month");
  EXPECT_EQ(held->plan["approval"]["count"], 2);
  const Actor f1 = {"user:default/f1", "", {"group:default/finance"}};
  const Actor f2 = {"user:default/f2", "", {"group:default/finance"}};
  EXPECT_TRUE(absl::IsPermissionDenied(
      service_->Approve(held->id, "", "", {kAnna.ref, "", {"group:default/finance"}}).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(service_->Approve(held->id, "", "", kBoss).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(service_->Approve(held->id, "", "beef", f1).status()));
  ASSERT_TRUE(service_->Approve(held->id, "", held->plan_hash, f1).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(service_->Approve(held->id, "", "", f1).status()));
  EXPECT_EQ(service_->Get(held->id)->state, RequestState::kWaitingApproval);
  ASSERT_TRUE(service_->Approve(held->id, "", "", f2).ok());
  EXPECT_EQ(Settle(held->id).state, RequestState::kSucceeded);
}

TEST_F(PolicyTest, ARejectedRequestIsCancelled) {
  OpenWith("  rules: [{id: all, effect: approve, message: ask}]\n");
  const auto held = Make("thing", {{"name", "b"}});
  ASSERT_TRUE(held.ok()) << held.status();
  ASSERT_TRUE(service_->Reject(held->id, "", kBoss).ok());
  EXPECT_EQ(Settle(held->id).state, RequestState::kCancelled);
  EXPECT_FALSE(service_->Get(held->id)->approvals[0].approved);
}

TEST_F(PolicyTest, QuotasCountWhatIsThereAndWhatIsOnItsWay) {
  OpenWith(
      "  quotas: [{id: size, limit: 5, amount: '${{ parameters.size }}',"
      " key: '${{ request.owner }} ${{ request.environment }}'}]\n");
  const Request first = Done(Make("thing", {{"name", "a"}, {"size", 3}}));
  ASSERT_EQ(first.state, RequestState::kSucceeded) << first.message;
  const auto second = Make("thing", {{"name", "b"}, {"size", 3}});
  EXPECT_TRUE(absl::IsPermissionDenied(second.status()));
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("group:default/testers prod: 3 of 5 are used, 3 more asked"));
  // A change counts instead of what was there, not beside it.
  EXPECT_EQ(Done(Ask(RequestKind::kChange, first.id, {{"size", 5}})).state,
            RequestState::kSucceeded);
  EXPECT_TRUE(absl::IsPermissionDenied(Make("thing", {{"name", "b"}, {"size", 1}}).status()));
  EXPECT_EQ(Done(Ask(RequestKind::kDelete, first.id)).state, RequestState::kSucceeded);
  EXPECT_EQ(Done(Make("thing", {{"name", "b"}, {"size", 5}})).state, RequestState::kSucceeded);
}

TEST_F(PolicyTest, AnExhaustedBudgetAsksAndAChangeCountsItsDifferenceOnly) {
  OpenWith("  budgets: {effect: approve, from: ['group:default/finance']}\n");
  const Request small = Done(Make("thing", {{"name", "a"}, {"size", 3}}));
  EXPECT_EQ(small.state, RequestState::kSucceeded) << small.message;
  EXPECT_THAT(small.plan["decisions"][0]["reason"].get<std::string>(),
              HasSubstr("650.00 + 300.00 of 1000.00 EUR"));
  const auto large = Make("thing", {{"name", "b"}, {"size", 4}});
  ASSERT_TRUE(large.ok()) << large.status();
  EXPECT_EQ(large->state, RequestState::kWaitingApproval);
  EXPECT_THAT(large->message, HasSubstr("budget testers-2023 would be exceeded"));
  const Request changed = Done(Ask(RequestKind::kChange, small.id, {{"size", 6}}));
  EXPECT_EQ(changed.state, RequestState::kSucceeded) << changed.message;
  EXPECT_EQ(changed.plan["quote"]["before"], "300");
}

}  // namespace
}  // namespace purser::provisioning

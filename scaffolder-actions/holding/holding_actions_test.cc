#include "scaffolder-actions/holding/holding_actions.h"

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "provisioning/testing/unimplemented_service.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using provisioning::RequestKind;
using ::testing::HasSubstr;

// One holding, and requests that end well at once.
class OneHolding final : public provisioning::UnimplementedService {
 public:
  absl::StatusOr<provisioning::Request> Create(
      const provisioning::CreateOptions& options) override {
    asked.push_back(options);
    provisioning::Request request;
    request.id = "req_2";
    request.state = provisioning::RequestState::kRunning;
    request.plan = {{"changes", {{{"path", "/parameters/size"}, {"from", 1}, {"to", 2}}}},
                    {"steps", {{{"step", "make"}, {"effect", "changes"}}}}};
    return request;
  }
  absl::StatusOr<provisioning::Request> Get(absl::string_view id) override {
    provisioning::Request request;
    request.id = std::string(id);
    request.state = provisioning::RequestState::kSucceeded;
    request.entity_ref = "resource:default/database-shop";
    return request;
  }
  absl::Status Watch(absl::string_view, int64_t, bool, std::stop_token,
                     const std::function<absl::Status(const provisioning::Event&)>&) override {
    return absl::OkStatus();
  }
  absl::StatusOr<provisioning::Holding> GetHolding(absl::string_view id) override {
    looked.emplace_back(id);
    provisioning::Holding holding;
    holding.id = "req_1";
    holding.entity_ref = "resource:default/database-shop";
    holding.expires_at = absl::FromUnixSeconds(1'800'000'000);
    return holding;
  }
  absl::StatusOr<provisioning::Holding> Renew(absl::string_view id, std::optional<absl::Time> until,
                                              absl::string_view key,
                                              const provisioning::Actor& actor) override {
    renewed.push_back(
        absl::StrCat(id, " ", until.has_value() ? "until " : "", key, " ", actor.ref));
    return GetHolding(id);
  }

  std::vector<provisioning::CreateOptions> asked;
  std::vector<std::string> looked;
  std::vector<std::string> renewed;
};

class HoldingActionsTest : public ::testing::Test {
 protected:
  HoldingActionsTest() { EXPECT_TRUE(AddHoldingActions(registry_, &service_).ok()); }

  // As hosts do it: judged by the schema first.
  absl::Status Run(const std::string& verb, const nlohmann::json& input) {
    action::Action* const action = registry_.Find("purser:holding:" + verb);
    if (action == nullptr) return absl::NotFoundError(verb);
    const auto schema = json::Schema::Compile(action->description().input_schema);
    context_.given = schema->WithDefaults(input);
    const auto violations = schema->Validate(context_.given);
    if (!violations.empty()) return absl::InvalidArgumentError(violations[0].message);
    return action->Run(context_);
  }

  OneHolding service_;
  action::Registry registry_;
  FakeContext context_;
};

TEST_F(HoldingActionsTest, EachVerbIsARequestOfItsKind) {
  const nlohmann::json one = {{"holding", "req_1"}};
  nlohmann::json change = one;
  change["parameters"] = {{"size", 2}};
  nlohmann::json transfer = one;
  transfer["owner"] = "group:default/web";
  EXPECT_TRUE(Run("change", change).ok());
  EXPECT_THAT(context_.log, HasSubstr("/parameters/size: 1 becomes 2\nstep make: changes\n"));
  EXPECT_TRUE(Run("transfer", transfer).ok());
  for (const char* verb : {"suspend", "resume", "repair"}) EXPECT_TRUE(Run(verb, one).ok()) << verb;
  ASSERT_EQ(service_.asked.size(), 5);
  const RequestKind kinds[] = {RequestKind::kChange, RequestKind::kTransfer, RequestKind::kSuspend,
                               RequestKind::kResume, RequestKind::kRepair};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(service_.asked[i].kind, kinds[i]);
    EXPECT_EQ(service_.asked[i].holding, "req_1");
    EXPECT_EQ(service_.asked[i].requester, "user:default/guest");
    EXPECT_EQ(service_.asked[i].idempotency_key, "task-1/step/abc");
  }
  EXPECT_EQ(service_.asked[0].parameters["size"], 2);
  EXPECT_EQ(service_.asked[1].owner, "group:default/web");
  EXPECT_EQ(context_.outputs["state"], "succeeded");
}

TEST_F(HoldingActionsTest, DeletingWantsItsNameTwice) {
  const absl::Status slip = Run("delete", {{"holding", "req_1"}, {"confirm", "database-ship"}});
  EXPECT_TRUE(absl::IsInvalidArgument(slip));
  EXPECT_THAT(std::string(slip.message()), HasSubstr("database-shop"));
  EXPECT_FALSE(Run("delete", {{"holding", "req_1"}}).ok());
  EXPECT_TRUE(service_.asked.empty());
  EXPECT_TRUE(Run("delete", {{"holding", "req_1"}, {"confirm", "database-shop"}}).ok());
  ASSERT_EQ(service_.asked.size(), 1);
  EXPECT_EQ(service_.asked[0].kind, RequestKind::kDelete);
}

TEST_F(HoldingActionsTest, ADryRunOnlyPlans) {
  context_.dry = true;
  EXPECT_TRUE(Run("suspend", {{"holding", "req_1"}}).ok());
  EXPECT_TRUE(service_.asked.at(0).dry_run);
  EXPECT_TRUE(Run("renew", {{"holding", "req_1"}}).ok());
  EXPECT_TRUE(service_.renewed.empty());
}

TEST_F(HoldingActionsTest, ARenewalIsKeptUnderTheKeyOfTheStep) {
  EXPECT_TRUE(Run("renew", {{"holding", "req_1"}, {"reason", "in use"}}).ok());
  EXPECT_TRUE(Run("renew", {{"holding", "req_1"}, {"until", "2027-01-01T00:00:00Z"}}).ok());
  EXPECT_EQ(service_.renewed,
            (std::vector<std::string>{"req_1 task-1/step/abc user:default/guest",
                                      "req_1 until task-1/step/abc user:default/guest"}));
  EXPECT_EQ(context_.outputs["expiresAt"], "2027-01-15T08:00:00Z");
  EXPECT_FALSE(Run("renew", {{"holding", "req_1"}, {"until", "soon"}}).ok());
}

}  // namespace
}  // namespace purser::actions

// Holdings: from the request that makes one to the request that takes it away.
#include <algorithm>
#include <functional>

#include "gmock/gmock.h"
#include "provisioning/run_recorder.h"
#include "provisioning/testing/service_fixture.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr char kThing[] = R"(  parameters:
    type: object
    required: [name]
    additionalProperties: false
    properties:
      name: {type: string}
      size: {type: integer, default: 1}
      extra: {type: boolean, default: false}
      fail: {type: boolean, default: false}
      owner: {type: string, default: group:default/testers}
  owner: ${{ parameters.owner }}
  life:
    suspendable: true
  steps:
    - {id: make, uses: cloud/make, with: {name: '${{ parameters.name }}',
       size: '${{ 0 if request.suspended else parameters.size }}', owner: '${{ request.owner }}'}}
    - {id: extra, uses: cloud/make, needs: [make], if: '${{ parameters.extra }}',
       with: {name: 'extra-${{ steps.make.outputs.name }}', size: 7}}
    - {id: fail, uses: cloud/fail, needs: [extra], if: '${{ parameters.fail }}'}
  outputs: {size: '${{ steps.make.outputs.size }}'}
  entity:
    metadata: {name: 'thing-${{ parameters.name }}'}
    spec: {type: thing}
)";

class LifeTest : public ServiceFixture {
 protected:
  void OpenWith(const std::string& spec = kThing) {
    WriteBlueprint("thing", spec);
    Open();
  }
  json Entity(const std::string& name) {
    const inventory::EntityChanges changes = *inventory_->Changes("", 1000);
    for (const std::string& text : changes.upserts) {
      json entity = json::parse(text);
      if (entity["metadata"]["name"] == name) return entity;
    }
    return json();
  }
};

TEST_F(LifeTest, AChangeShowsWhatItDoesAndDoesIt) {
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}}));
  ASSERT_EQ(made.state, RequestState::kSucceeded) << made.message;
  CreateOptions preview;
  preview.kind = RequestKind::kChange;
  preview.holding = made.id;
  preview.parameters = {{"size", 3}, {"extra", true}};
  preview.requester = kAnna.ref;
  preview.dry_run = true;
  const auto planned = service_->Create(preview);
  ASSERT_TRUE(planned.ok()) << planned.status();
  EXPECT_EQ(planned->plan["changes"],
            json::parse(R"([{"path":"/parameters/extra","from":false,"to":true},
                            {"path":"/parameters/size","from":1,"to":3}])"));
  EXPECT_EQ(planned->plan["steps"],
            json::parse(R"([{"step":"make","effect":"changes","paths":["/size"]},
                            {"step":"extra","effect":"new"},
                            {"step":"fail","effect":"skipped"}])"));
  EXPECT_EQ(cloud_->Things()["a"]["size"], 1);

  const Request changed = Done(Ask(RequestKind::kChange, made.id, preview.parameters));
  ASSERT_EQ(changed.state, RequestState::kSucceeded) << changed.message;
  EXPECT_EQ(changed.holding_id, made.id);
  EXPECT_EQ(changed.parameters["name"], "a");  // merged into what it had
  EXPECT_EQ(cloud_->Things()["a"]["size"], 3);
  const Holding holding = *service_->GetHolding(changed.id);
  EXPECT_EQ(holding.id, made.id);
  EXPECT_EQ(holding.current_request, changed.id);
  EXPECT_THAT(holding.steps, ElementsAre("extra", "make"));
  EXPECT_EQ(Entity("thing-a")["metadata"]["annotations"]["purser.dev/request-id"], changed.id);
}

TEST_F(LifeTest, AChangeThatFailsLeavesWhatWasThere) {
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}}));
  const Request failed = Done(Ask(RequestKind::kChange, made.id, {{"size", 2}, {"fail", true}}));
  EXPECT_EQ(failed.state, RequestState::kFailed);
  EXPECT_THAT(cloud_->Calls(), Not(Contains("drop a")));
  EXPECT_EQ(service_->GetHolding(made.id)->current_request, made.id);
  // What cannot be changed: its name in the catalog.
  const auto renamed = Ask(RequestKind::kChange, made.id, {{"name", "b"}});
  EXPECT_TRUE(absl::IsFailedPrecondition(renamed.status())) << renamed.status();
  const auto wrong = Ask(RequestKind::kChange, made.id, {{"size", "large"}});
  EXPECT_TRUE(absl::IsInvalidArgument(wrong.status())) << wrong.status();
}

TEST_F(LifeTest, AskingAgainForTheSameEntityChangesIt) {
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}}));
  const Request again = Done(Make("thing", {{"name", "a"}, {"size", 9}, {"fail", true}}));
  EXPECT_EQ(again.kind, RequestKind::kChange);
  EXPECT_EQ(again.holding_id, made.id);
  EXPECT_EQ(again.state, RequestState::kFailed);
  EXPECT_TRUE(cloud_->Things().contains("a"));
}

TEST_F(LifeTest, DeletingUndoesInReverseAndRefusesWhatIsProtected) {
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}, {"extra", true}}));
  ASSERT_EQ(made.state, RequestState::kSucceeded) << made.message;
  ASSERT_TRUE(service_->Protect(made.id, true, kBoss).ok());
  const auto refused = Ask(RequestKind::kDelete, made.id);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("protected"));
  ASSERT_TRUE(service_->Protect(made.id, false, kBoss).ok());
  const Request deleted = Done(Ask(RequestKind::kDelete, made.id));
  ASSERT_EQ(deleted.state, RequestState::kSucceeded) << deleted.message;
  EXPECT_THAT(cloud_->Things(), IsEmpty());
  EXPECT_EQ(deleted.plan["steps"][0]["step"], "extra");
  const std::vector<std::string> calls = cloud_->Calls();
  EXPECT_EQ(std::vector<std::string>(calls.end() - 2, calls.end()),
            (std::vector<std::string>{"drop extra-a", "drop a"}));
  EXPECT_TRUE(Entity("thing-a").is_null());
  EXPECT_EQ((*inventory_->FindResource("urn:cloud:a"))->state, "deleted");
  EXPECT_EQ(service_->GetHolding(made.id)->state, HoldingState::kDeleted);
  EXPECT_TRUE(absl::IsFailedPrecondition(Ask(RequestKind::kDelete, made.id).status()));
  // The name is free again, also for others.
  const Request other = Done(Make("thing", {{"name", "a"}, {"owner", "group:default/others"}}));
  EXPECT_EQ(other.state, RequestState::kSucceeded) << other.message;
  EXPECT_NE(other.holding_id, made.id);
}

TEST_F(LifeTest, WhatWasMadeGoesAfterAChangeAsWellAndWhatWasThereBeforeStays) {
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}}));
  ASSERT_EQ(Done(Ask(RequestKind::kChange, made.id, {{"size", 2}})).state,
            RequestState::kSucceeded);
  EXPECT_EQ(Done(Ask(RequestKind::kDelete, made.id)).state, RequestState::kSucceeded);
  EXPECT_FALSE(cloud_->Things().contains("a"));
  cloud_->Set("theirs", {{"name", "theirs"}});
  const Request over = Done(Make("thing", {{"name", "theirs"}}));
  ASSERT_EQ(Done(Ask(RequestKind::kChange, over.id, {{"size", 2}})).state,
            RequestState::kSucceeded);
  EXPECT_EQ(Done(Ask(RequestKind::kDelete, over.id)).state, RequestState::kSucceeded);
  EXPECT_TRUE(cloud_->Things().contains("theirs"));
}

TEST(CountMembersAsMadeTest, OfASetByUid) {
  const json before = json::parse(R"({"members": [
      {"uid": "1", "created": true}, {"uid": "2", "created": false}, {"uid": "", "created": true}]})");
  json outputs = json::parse(R"({"members": [
      {"uid": "1", "created": false}, {"uid": "2", "created": false},
      {"uid": "3", "created": false}, {"uid": "", "created": false}]})");
  CountMembersAsMade(before, outputs);
  std::vector<bool> created;
  for (const json& member : outputs["members"]) created.push_back(member["created"].get<bool>());
  EXPECT_THAT(created, ::testing::ElementsAre(true, false, false, false));
  for (const char* odd : {R"({"members": 1})", R"({"members": [1]})", "{}"}) {
    json other = json::parse(odd);
    CountMembersAsMade(before, other);
    EXPECT_EQ(other, json::parse(odd));
  }
}

TEST_F(LifeTest, TheSameKeyGivesTheFirstRequestWhateverHasHappenedSince) {
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}}, "make"));
  CreateOptions suspend;
  suspend.kind = RequestKind::kSuspend;
  suspend.holding = "resource:default/thing-a";
  suspend.requester = kAnna.ref;
  suspend.idempotency_key = "suspend";
  CreateOptions remove = suspend;
  remove.kind = RequestKind::kDelete;
  remove.idempotency_key = "remove";
  const Request suspended = Done(service_->Create(suspend));
  EXPECT_EQ(suspended.holding_id, made.id);
  EXPECT_EQ(Done(service_->Create(suspend)).id, suspended.id);
  const Request removed = Done(service_->Create(remove));
  ASSERT_EQ(removed.state, RequestState::kSucceeded) << removed.message;
  const size_t calls = cloud_->Calls().size();
  EXPECT_EQ(Done(service_->Create(remove)).id, removed.id);
  EXPECT_EQ(Done(service_->Create(suspend)).id, suspended.id);
  EXPECT_EQ(Done(Make("thing", {{"name", "a"}}, "make")).id, made.id);
  EXPECT_EQ(cloud_->Calls().size(), calls);
  EXPECT_EQ(service_->GetHolding("resource:default/thing-a")->state, HoldingState::kDeleted);
  EXPECT_TRUE(absl::IsNotFound(service_->GetHolding("resource:default/none").status()));
}

TEST_F(LifeTest, ADeletionThatFailsGoesOnWhereItStopped) {
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}}));
  cloud_->SetSticky(true);
  const Request failed = Done(Ask(RequestKind::kDelete, made.id));
  EXPECT_EQ(failed.state, RequestState::kFailed);
  EXPECT_EQ(service_->GetHolding(made.id)->state, HoldingState::kActive);
  cloud_->SetSticky(false);
  ASSERT_TRUE(service_->Retry(failed.id, kBoss).ok());
  EXPECT_EQ(Settle(failed.id).state, RequestState::kSucceeded);
  EXPECT_EQ(service_->GetHolding(made.id)->state, HoldingState::kDeleted);
}

TEST_F(LifeTest, SuspendResumeTransfer) {
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}, {"size", 4}}));
  EXPECT_EQ(Done(Ask(RequestKind::kSuspend, made.id)).state, RequestState::kSucceeded);
  EXPECT_EQ(cloud_->Things()["a"]["size"], 0);
  EXPECT_EQ(service_->GetHolding(made.id)->state, HoldingState::kSuspended);
  EXPECT_TRUE(absl::IsFailedPrecondition(Ask(RequestKind::kSuspend, made.id).status()));
  // What is suspended stays so when something else of it changes.
  EXPECT_EQ(Done(Ask(RequestKind::kChange, made.id, {{"extra", true}})).state,
            RequestState::kSucceeded);
  EXPECT_EQ(cloud_->Things()["a"]["size"], 0);
  EXPECT_EQ(Done(Ask(RequestKind::kResume, made.id)).state, RequestState::kSucceeded);
  EXPECT_EQ(cloud_->Things()["a"]["size"], 4);
  const Request moved =
      Done(Ask(RequestKind::kTransfer, made.id, json::object(), "group:default/others"));
  EXPECT_EQ(moved.state, RequestState::kSucceeded) << moved.message;
  EXPECT_EQ(service_->GetHolding(made.id)->owner, "group:default/others");
  EXPECT_EQ(cloud_->Things()["a"]["owner"], "group:default/others");
  EXPECT_EQ(Entity("thing-a")["spec"]["owner"], "group:default/others");
  EXPECT_EQ((*inventory_->FindResource("urn:cloud:a"))->owner, "group:default/others");
  EXPECT_TRUE(absl::IsInvalidArgument(Ask(RequestKind::kTransfer, made.id).status()));
}

TEST_F(LifeTest, WhatIsThereIsTakenOnWithoutACall) {
  OpenWith();
  cloud_->Set("old", {{"name", "old"}, {"size", 3}});
  CreateOptions options;
  options.kind = RequestKind::kImport;
  options.blueprint = "thing";
  options.parameters = {{"name", "old"}, {"size", 3}};
  options.requester = kAnna.ref;
  options.imported = {{"make", {{"name", "old"}, {"size", 3}}}};
  const Request imported = Done(service_->Create(options));
  ASSERT_EQ(imported.state, RequestState::kSucceeded) << imported.message;
  EXPECT_THAT(cloud_->Calls(), ElementsAre("look old"));
  EXPECT_EQ(service_->GetHolding(imported.id)->state, HoldingState::kActive);
  EXPECT_TRUE((*inventory_->FindResource("urn:cloud:old")).has_value());
  options.parameters = {{"name", "missing"}};
  const Request missing = Done(service_->Create(options));
  EXPECT_EQ(missing.state, RequestState::kFailed);
  EXPECT_THAT(missing.message, HasSubstr("there is no missing"));
  EXPECT_EQ(Done(Ask(RequestKind::kDelete, imported.id)).state, RequestState::kSucceeded);
  EXPECT_THAT(cloud_->Things(), IsEmpty());
}

std::string WithLife(const std::string& life) {
  std::string spec = kThing;
  const std::string suspendable = "    suspendable: true\n";
  spec.replace(spec.find(suspendable), suspendable.size(), life);
  return spec;
}

TEST_F(LifeTest, EntitiesLinkToTheFormsOfTheirVerbs) {
  options_.forms = {"https://portal.example.com",
                    {{"change", "change-{blueprint}"},
                     {"renew", "template:default/renew-holding"},
                     {"resume", "resume-holding"},
                     {"delete", "tools/delete-holding"}}};
  ASSERT_TRUE(CheckForms(options_.forms).ok());
  OpenWith();
  const Request made = Done(Make("thing", {{"name", "a"}}));
  const std::string begin = "https://portal.example.com/create/templates/";
  const std::string end = "?formData=%7B%22entity%22%3A%22resource%3Adefault%2Fthing-a%22%7D";
  const json change = {{"title", "Change"}, {"url", begin + "default/change-thing" + end}};
  const json remove = {{"title", "Delete"}, {"url", begin + "tools/delete-holding" + end}};
  EXPECT_EQ(Entity("thing-a")["metadata"]["links"], json({change, remove}));
  ASSERT_TRUE(service_->Protect(made.id, true, kBoss).ok());
  EXPECT_EQ(Entity("thing-a")["metadata"]["links"], json::array({change}));
  ASSERT_TRUE(service_->Renew(made.id, clock_.Now() + absl::Hours(1), "", kBoss).ok());
  EXPECT_EQ(Entity("thing-a")["metadata"]["links"][1]["title"], "Keep longer");
  EXPECT_TRUE(absl::IsInvalidArgument(CheckForms({"https://x", {{"explode", "a"}}})));
  EXPECT_TRUE(absl::IsInvalidArgument(CheckForms({"https://x", {{"change", "not a ref"}}})));
}

TEST_F(LifeTest, WhatEndedLongAgoIsForgottenUnlessItIsReferredTo) {
  options_.keep = absl::Hours(24 * 30);
  OpenWith();
  const Request gone = Done(Make("thing", {{"name", "a"}}, "make"));
  Done(Ask(RequestKind::kChange, gone.id, {{"size", 2}}));
  Done(Ask(RequestKind::kDelete, gone.id));
  const Request failed = Done(Make("thing", {{"name", "c"}, {"fail", true}}));
  ASSERT_EQ(failed.state, RequestState::kFailed);
  const Request kept = Done(Make("thing", {{"name", "b"}}));
  const Request changed = Done(Ask(RequestKind::kChange, kept.id, {{"size", 2}}));
  const auto count = [&] { return service_->List({})->requests.size(); };
  ASSERT_EQ(count(), 6);
  clock_.Advance(absl::Hours(24 * 29));
  AdvanceUntil(absl::Seconds(10), [&] { return service_->Health().ok(); });
  EXPECT_EQ(count(), 6);
  clock_.Advance(absl::Hours(25));
  AdvanceUntil(absl::Seconds(10), [&] { return count() == 2; });
  EXPECT_TRUE(absl::IsNotFound(service_->Get(gone.id).status()));
  EXPECT_TRUE(service_->Get(kept.id).ok());
  EXPECT_EQ(service_->Get(changed.id)->steps[0].outputs["size"], 2);
  EXPECT_EQ(service_->ListHoldings({})->holdings.size(), 1);
  const auto audit = service_->VerifyAudit();
  ASSERT_TRUE(audit.ok()) << audit.status();
  EXPECT_EQ(audit->fault, "");
  EXPECT_GT(audit->forgotten, 0);
  // What is there can still be changed and deleted, and the key of what is not is free.
  EXPECT_EQ(Done(Ask(RequestKind::kDelete, kept.id)).state, RequestState::kSucceeded);
  EXPECT_NE(Done(Make("thing", {{"name", "a"}}, "make")).id, gone.id);
  // Words that are missing where the run is there are no retention.
  ASSERT_TRUE(database_
                  ->Transact([&](store::Connection& connection) {
                    return connection
                        .Execute(
                            "UPDATE workflow_event SET events = '', outputs = '' WHERE "
                            "run_id = $1",
                            {kept.run_id})
                        .status();
                  })
                  .ok());
  EXPECT_THAT(service_->VerifyAudit()->fault, HasSubstr("was emptied"));
}

TEST_F(LifeTest, RemindersThenGraceThenTheEnd) {
  OpenWith(WithLife("    {expiresAfter: 240h, reminders: [48h, 24h], grace: 12h}\n"));
  const Request made = Done(Make("thing", {{"name", "a"}}));
  ASSERT_EQ(made.state, RequestState::kSucceeded) << made.message;
  EXPECT_EQ(made.plan["expiresAfter"], "240h");
  const absl::Time expires = *service_->GetHolding(made.id)->expires_at;
  EXPECT_LT(absl::AbsDuration(expires - clock_.Now() - absl::Hours(240)), absl::Minutes(1));
  EXPECT_TRUE(Entity("thing-a")["metadata"]["annotations"].contains("purser.dev/expires-at"));
  const auto count = [&](const char* type) {
    const std::vector<std::string> events = Events(made.id);
    return std::count(events.begin(), events.end(), type);
  };
  // Just past the time, then in small steps until the keeper has seen it.
  const auto at = [&](absl::Time time, const std::function<bool()>& seen) {
    clock_.Advance(time - clock_.Now());
    AdvanceUntil(absl::Seconds(1), seen);
  };
  EXPECT_EQ(count("holding.expires"), 0);
  at(expires - absl::Hours(48), [&] { return count("holding.expires") == 1; });
  at(expires - absl::Hours(24), [&] { return count("holding.expires") == 2; });
  // Renewed: it begins anew.
  const auto renewed = service_->Renew(made.id, std::nullopt, "once", kAnna);
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  const absl::Time later = *renewed->expires_at;
  EXPECT_EQ(later, expires + absl::Hours(240));
  // The same word again, as after a crash of who said it, and by the name in the catalog.
  const auto again = service_->Renew("resource:default/thing-a", std::nullopt, "once", kAnna);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->expires_at, later);
  EXPECT_THAT(Events(made.id), Contains("holding.renewed"));
  at(later - absl::Hours(48), [&] { return count("holding.expires") == 3; });
  at(later - absl::Hours(24), [&] { return count("holding.expires") == 4; });
  at(later, [&] { return count("holding.expired") == 1; });
  EXPECT_TRUE(cloud_->Things().contains("a"));
  at(later + absl::Hours(12),
     [&] { return service_->GetHolding(made.id)->state == HoldingState::kDeleted; });
  EXPECT_THAT(cloud_->Things(), IsEmpty());
  EXPECT_EQ(count("holding.expires"), 4);
}

TEST_F(LifeTest, ARunThatNobodyTakesUpMakesItNotReady) {
  WriteBlueprint("hanging",
                 "  owner: group:default/testers\n"
                 "  steps: [{id: a, uses: cloud/hang, timeout: 2000h}]\n");
  options_.workers = 1;
  Open();
  const auto first = Make("hanging", json::object());
  ASSERT_TRUE(first.ok()) << first.status();
  WaitFor(first->id, [](const Request& request) { return request.steps[0].attempts == 1; });
  const auto second = Make("hanging", json::object());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(service_->Health().ok());
  AdvanceUntil(absl::Minutes(1), [&] { return !service_->Health().ok(); });
  EXPECT_TRUE(absl::IsUnavailable(service_->Health()));
  EXPECT_THAT(std::string(service_->Health().message()), HasSubstr("nobody takes it up"));
  EXPECT_GE(service_->GetStats().queue_age, options_.stuck_after);
  cloud_->LetGo();
  Settle(first->id);
  Settle(second->id);
  AdvanceUntil(absl::Seconds(10), [&] { return service_->Health().ok(); });
}

TEST_F(LifeTest, DriftIsSeenAndRepaired) {
  OpenWith(WithLife("    {drift: {every: 1h, repair: true}}\n"));
  const Request made = Done(Make("thing", {{"name", "a"}, {"size", 2}}));
  ASSERT_EQ(made.state, RequestState::kSucceeded) << made.message;
  const auto looked = service_->Inspect(made.id, {});
  ASSERT_TRUE(looked.ok()) << looked.status();
  EXPECT_EQ(looked->drift,
            json::parse(R"({"drifted":false,"steps":[{"step":"make","state":"same"}]})"));
  cloud_->Set("a", {{"name", "a"}, {"size", 99}});
  clock_.Advance(absl::Minutes(61));
  AdvanceUntil(absl::Seconds(1), [&] { return cloud_->Things()["a"]["size"] == 2; });
  EXPECT_THAT(Events(made.id), Contains("holding.drifted"));
  ListOptions repairs;
  repairs.kind = RequestKind::kRepair;
  repairs.holding_id = made.id;
  EXPECT_EQ(service_->List(repairs)->requests.size(), 1u);
}

TEST_F(LifeTest, DriftIsToldAndListedWithoutRepair) {
  OpenWith(WithLife("    {drift: {every: 1h}}\n"));
  const Request made = Done(Make("thing", {{"name", "a"}}));
  cloud_->Set("a", json());
  ListHoldingsOptions drifted;
  drifted.drifted = true;
  clock_.Advance(absl::Minutes(61));
  AdvanceUntil(absl::Seconds(1),
               [&] { return service_->ListHoldings(drifted)->holdings.size() == 1; });
  const Holding holding = *service_->GetHolding(made.id);
  EXPECT_EQ(holding.drift["steps"][0]["state"], "gone");
  EXPECT_THAT(cloud_->Things(), IsEmpty());
}

TEST_F(LifeTest, WhatAFailedUndoLeavesIsAnOrphanUntilSomebodySawToIt) {
  OpenWith();
  cloud_->SetSticky(true);
  const auto created = Make("thing", {{"name", "a"}, {"fail", true}});
  ASSERT_TRUE(created.ok()) << created.status();
  const Request parked = Settle(created->id);
  ASSERT_EQ(parked.state, RequestState::kNeedsOperator) << parked.message;
  const OrphanPage page = *service_->ListOrphans(50, "");
  ASSERT_EQ(page.orphans.size(), 1u);
  EXPECT_EQ(page.orphans[0].step_id, "make");
  EXPECT_EQ(page.orphans[0].undo, "cloud/drop");
  EXPECT_EQ(page.orphans[0].outputs["name"], "a");
  EXPECT_THAT(page.orphans[0].resource_ids, ElementsAre("urn:cloud:a"));
  // Somebody leaves it: it stays on the list until it is settled.
  ASSERT_TRUE(service_->SkipStep(created->id, "make", kBoss).ok());
  EXPECT_EQ(Settle(created->id).state, RequestState::kFailed);
  EXPECT_EQ(service_->ListOrphans(50, "")->orphans.size(), 1u);
  ASSERT_TRUE(service_->ForgetOrphan(created->id, "make", kBoss).ok());
  EXPECT_THAT(service_->ListOrphans(50, "")->orphans, IsEmpty());
  EXPECT_TRUE(absl::IsFailedPrecondition(service_->ForgetOrphan(created->id, "make", kBoss)));
  EXPECT_THAT(Events(created->id), Contains("step.orphan-settled"));
  EXPECT_EQ(service_->VerifyAudit()->fault, "");
}

TEST_F(LifeTest, AForkTakesOverWhatDoesNotDependOnItsStep) {
  OpenWith();
  const Request failed = Done(Make("thing", {{"name", "a"}, {"extra", true}}));
  ASSERT_EQ(failed.state, RequestState::kSucceeded) << failed.message;
  const auto fork = service_->Fork(failed.id, "extra", "fork-1", kBoss);
  ASSERT_TRUE(fork.ok()) << fork.status();
  EXPECT_EQ(Settle(fork->id).state, RequestState::kSucceeded);
  EXPECT_EQ(fork->plan["forkOf"], failed.id);
  EXPECT_THAT(cloud_->Calls(), ElementsAre("make a", "make extra-a", "make extra-a"));
  EXPECT_TRUE(absl::IsNotFound(service_->Fork(failed.id, "none", "", kBoss).status()));
  EXPECT_EQ(service_->Fork(failed.id, "extra", "fork-1", kBoss)->id, fork->id);
}

TEST_F(LifeTest, EachItemIsAStepOfItsOwn) {
  WriteBlueprint("many",
                 "  owner: group:default/testers\n"
                 "  parameters: {type: object, properties: {names: {type: array}}}\n"
                 "  parallel: 2\n"
                 "  steps:\n"
                 "    - {id: make, uses: cloud/make, each: '${{ parameters.names }}',\n"
                 "       with: {name: '${{ item }}', size: '${{ index }}'}}\n"
                 "    - {id: all, uses: core/noop, with: {made: '${{ steps.make.outputs }}'}}\n");
  Open();
  const Request made = Done(Make("many", {{"names", {"x", "y", "z"}}}));
  ASSERT_EQ(made.state, RequestState::kSucceeded) << made.message;
  ASSERT_EQ(made.steps.size(), 4u);
  EXPECT_EQ(made.steps[2].id, "make.2");
  EXPECT_EQ(made.steps[3].outputs["made"], json::parse(R"([{"created":true,"name":"x","size":0},
                            {"created":true,"name":"y","size":1},
                            {"created":true,"name":"z","size":2}])"));
  EXPECT_EQ(Done(Make("many", {{"names", json::array()}})).state, RequestState::kSucceeded);
  const auto too_many = Make("many", {{"names", std::vector<int>(101, 1)}});
  EXPECT_TRUE(absl::IsInvalidArgument(too_many.status())) << too_many.status();
  EXPECT_EQ(Done(Ask(RequestKind::kDelete, made.id)).state, RequestState::kSucceeded);
  EXPECT_THAT(cloud_->Things(), IsEmpty());
}

TEST_F(LifeTest, AKeptStepStaysWhenAllElseGoes) {
  WriteBlueprint("keeps",
                 "  owner: group:default/testers\n"
                 "  steps:\n"
                 "    - {id: log, keep: true, uses: cloud/make, with: {name: log}}\n"
                 "    - {id: work, uses: cloud/make, with: {name: work}}\n");
  Open();
  const Request made = Done(Make("keeps", json::object()));
  EXPECT_EQ(Done(Ask(RequestKind::kDelete, made.id)).state, RequestState::kSucceeded);
  EXPECT_TRUE(cloud_->Things().contains("log"));
  EXPECT_FALSE(cloud_->Things().contains("work"));
}

}  // namespace
}  // namespace purser::provisioning

#include "provisioning/operator.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"
#include "provisioning/request_reader.h"
#include "provisioning/waits.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;
using workflow::Transition;

constexpr char kApprovalUses[] = "wait/approval";
constexpr char kWebhookUses[] = "wait/webhook";
constexpr size_t kMaxDeliveryIdBytes = 200;
constexpr int64_t kMaxSignalsOfStep = 100;

// Whether the actor may speak, for an approval that is asked of `from` (empty: of anybody).
absl::Status CheckApprover(const workflow::Actor& who, const Actor& actor,
                           const std::vector<std::string>& from, bool four_eyes,
                           const std::string& requester) {
  if (four_eyes && who.ref == requester) {
    return absl::PermissionDeniedError(
        absl::StrCat(who.ref, " asked for it; somebody else must approve (four eyes)"));
  }
  if (from.empty()) return absl::OkStatus();
  const auto is_asked = [&](const std::string& ref) {
    return std::find(from.begin(), from.end(), ref) != from.end();
  };
  if (is_asked(who.ref) ||
      std::any_of(actor.belongs_to.begin(), actor.belongs_to.end(), is_asked)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat(who.ref, " is not among those who are asked: ", absl::StrJoin(from, ", ")));
}

// Who has spoken for `step_id` so far; each may once.
absl::StatusOr<int64_t> CountApprovals(Connection& connection, const std::string& run_id,
                                       absl::string_view step_id, absl::string_view hash,
                                       const std::string& actor) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<ApprovalRow> rows, Approvals(connection, run_id));
  int64_t count = 0;
  for (const ApprovalRow& row : rows) {
    if (row.step_id != step_id) continue;
    if (row.actor == actor) {
      return absl::FailedPreconditionError(
          absl::StrCat(actor, " has said so already, at ", MicrosText(row.at)));
    }
    if (row.approved && row.plan_hash == hash) ++count;
  }
  return count;
}

absl::Status HashDiffers(absl::string_view what) {
  return absl::PermissionDeniedError(
      absl::StrCat("what was approved is not what ", what,
                   " is about to do: its plan hash differs; look again"));
}

}  // namespace

absl::StatusOr<RequestRow> Operator::Row(absl::string_view id) {
  std::optional<RequestRow> row;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(row, GetRequestRow(connection, id));
    return absl::OkStatus();
  }));
  return *std::move(row);
}

absl::Status Operator::Approve(absl::string_view id, absl::string_view step_id,
                               absl::string_view plan_hash, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  PURSER_ASSIGN_OR_RETURN(const RequestRow row, Row(id));
  if (!step_id.empty()) return ApproveStep(row, step_id, plan_hash, true, actor);
  const json plan = ParseJsonOr(row.plan, json::object());
  const json approval = plan.value("approval", json::object());
  const int64_t needed = approval.value("count", 1);
  if (!plan_hash.empty() && plan_hash != row.plan_hash) return HashDiffers("the request");
  return core_.engine->Change(row.run_id, [&](Transition& run) -> absl::Status {
    if (run.run().state != workflow::RunState::kHeld) return run.Release(who);
    PURSER_RETURN_IF_ERROR(CheckApprover(who, actor,
                                         approval.value("from", std::vector<std::string>()),
                                         approval.value("fourEyes", false), row.requester));
    PURSER_ASSIGN_OR_RETURN(const int64_t given, CountApprovals(run.connection(), row.run_id, "",
                                                                row.plan_hash, who.ref));
    PURSER_RETURN_IF_ERROR(InsertApproval(
        run.connection(),
        {row.run_id, "", who.ref, row.plan_hash, true, who.reason, absl::ToUnixMicros(run.now())}));
    if (given + 1 >= needed) return run.Release(who);
    run.AppendEvent("", "request.approval-given", who.reason,
                    {{"actor", who.ref},
                     {"planHash", row.plan_hash},
                     {"given", given + 1},
                     {"needed", needed}});
    return absl::OkStatus();
  });
}

absl::Status Operator::ApproveStep(const RequestRow& row, absl::string_view step_id,
                                   absl::string_view plan_hash, bool approved, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  const std::string id(step_id);
  return core_.engine->Change(row.run_id, [&](Transition& run) -> absl::Status {
    const workflow::RunView view = run.View();
    const workflow::StepDefinition* const step = view.definition->Find(id);
    if (step == nullptr || step->uses != kApprovalUses) {
      return absl::NotFoundError(absl::StrCat("request ", row.id, " has no step \"",
                                              base::EscapeForDisplay(id),
                                              "\" that waits for approval"));
    }
    // The step says what is approved; before it waits nobody can know.
    const absl::StatusOr<workflow::Prepared> prepared = core_.executor.Prepare(view, *step);
    if (!prepared.ok() || prepared->skip || !run.IsWaiting(id)) {
      return absl::FailedPreconditionError(
          absl::StrCat("step ", id, " of request ", row.id, " does not wait for approval now"));
    }
    const std::string hash = StepPlanHash(prepared->input);
    if (!plan_hash.empty() && plan_hash != hash) return HashDiffers(absl::StrCat("step ", id));
    PURSER_RETURN_IF_ERROR(CheckApprover(who, actor,
                                         prepared->input.value("from", std::vector<std::string>()),
                                         prepared->input.value("fourEyes", true), row.requester));
    PURSER_RETURN_IF_ERROR(
        CountApprovals(run.connection(), row.run_id, id, hash, who.ref).status());
    PURSER_RETURN_IF_ERROR(InsertApproval(
        run.connection(),
        {row.run_id, id, who.ref, hash, approved, who.reason, absl::ToUnixMicros(run.now())}));
    run.AppendEvent(id, approved ? "step.approval-given" : "step.rejected", who.reason,
                    {{"actor", who.ref}, {"planHash", hash}});
    run.Wake(id);
    return absl::OkStatus();
  });
}

absl::Status Operator::Reject(absl::string_view id, absl::string_view step_id, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  PURSER_ASSIGN_OR_RETURN(const RequestRow row, Row(id));
  if (!step_id.empty()) return ApproveStep(row, step_id, "", false, actor);
  const json approval = ParseJsonOr(row.plan, json::object()).value("approval", json::object());
  return core_.engine->Change(row.run_id, [&](Transition& run) -> absl::Status {
    if (run.run().state != workflow::RunState::kHeld) {
      return absl::FailedPreconditionError(absl::StrCat(
          "request ", row.id, " is ", ToString(row.state), " and waits for no approval"));
    }
    PURSER_RETURN_IF_ERROR(CheckApprover(
        who, actor, approval.value("from", std::vector<std::string>()), false, row.requester));
    PURSER_RETURN_IF_ERROR(
        CountApprovals(run.connection(), row.run_id, "", row.plan_hash, who.ref).status());
    PURSER_RETURN_IF_ERROR(
        InsertApproval(run.connection(), {row.run_id, "", who.ref, row.plan_hash, false, who.reason,
                                          absl::ToUnixMicros(run.now())}));
    run.AppendEvent("", "request.rejected", who.reason,
                    {{"actor", who.ref}, {"planHash", row.plan_hash}});
    return run.Cancel(who);
  });
}

absl::Status Operator::Cancel(absl::string_view id, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  PURSER_ASSIGN_OR_RETURN(const RequestRow row, Row(id));
  return core_.engine->Cancel(row.run_id, who);
}

absl::Status Operator::Retry(absl::string_view id, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  PURSER_ASSIGN_OR_RETURN(const RequestRow row, Row(id));
  return core_.engine->Change(row.run_id, [&](Transition& run) -> absl::Status {
    PURSER_RETURN_IF_ERROR(run.Retry(who));
    // A step that was rejected asks anew.
    return ForgetStepApprovals(run.connection(), row.run_id);
  });
}

absl::Status Operator::SkipStep(absl::string_view id, absl::string_view step_id,
                                const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  PURSER_ASSIGN_OR_RETURN(const RequestRow row, Row(id));
  return core_.engine->Change(row.run_id, [step = std::string(step_id), who](Transition& run) {
    return run.SkipStep(step, who);
  });
}

absl::Status Operator::MarkDone(absl::string_view id, absl::string_view step_id,
                                const json& outputs, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  PURSER_ASSIGN_OR_RETURN(const RequestRow row, Row(id));
  return core_.engine->Change(
      row.run_id, [step = std::string(step_id), outputs, who](Transition& run) {
        return run.MarkDone(step, outputs.is_null() ? json::object() : outputs, who);
      });
}

absl::Status Operator::Deliver(const Delivery& delivery) {
  if (delivery.body.size() > kMaxDeliveryBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the message has ", delivery.body.size(),
                                                     " bytes; at most ", kMaxDeliveryBytes,
                                                     " are allowed"));
  }
  // Strangers learn nothing, not even which requests there are.
  const absl::Status refused = absl::PermissionDeniedError("the message is not one to be trusted");
  absl::StatusOr<RequestRow> row = Row(delivery.request_id);
  if (absl::IsNotFound(row.status())) return refused;
  PURSER_RETURN_IF_ERROR(row.status());
  workflow::RunView view;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(view, LoadView(connection, core_.definitions, row->run_id));
    return absl::OkStatus();
  }));
  const workflow::StepDefinition* const step = view.definition->Find(delivery.step_id);
  if (step == nullptr || step->uses != kWebhookUses) return refused;
  const absl::StatusOr<workflow::Prepared> prepared = core_.executor.Prepare(view, *step);
  if (!prepared.ok() || prepared->skip) return refused;
  const absl::StatusOr<std::string> secret =
      core_.executor.ResolveSecret(prepared->input.value("secret", ""));
  if (!secret.ok()) return refused;
  PURSER_RETURN_IF_ERROR(
      VerifyDelivery(delivery, prepared->input, *secret, core_.options.clock->Now()));

  if (IsFinal(row->state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("request ", row->id, " has ended; nothing waits for the message"));
  }
  if (delivery.delivery_id.empty() || delivery.delivery_id.size() > kMaxDeliveryIdBytes ||
      !base::IsValidUtf8(delivery.delivery_id)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the delivery id must be a text of 1 to ", kMaxDeliveryIdBytes, " bytes"));
  }
  PURSER_RETURN_IF_ERROR(
      base::Annotate(purser::json::Parse(delivery.body).status(), "the message's body"));
  const std::string step_id = delivery.step_id;
  return core_.engine->Change(row->run_id, [&](Transition& run) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const int64_t known,
                            CountSignals(run.connection(), row->run_id, step_id));
    if (known >= kMaxSignalsOfStep) {
      return absl::ResourceExhaustedError(
          absl::StrCat("step ", step_id, " has ", known, " messages already"));
    }
    PURSER_ASSIGN_OR_RETURN(
        const bool is_new,
        InsertSignal(run.connection(), {row->run_id, step_id, delivery.delivery_id, delivery.body,
                                        absl::ToUnixMicros(run.now())}));
    if (!is_new) return absl::OkStatus();
    run.AppendEvent(step_id, "step.delivered", "", {{"deliveryId", delivery.delivery_id}});
    run.Wake(step_id);
    return absl::OkStatus();
  });
}

absl::Status Operator::ChangeHolding(
    absl::string_view id,
    const std::function<absl::StatusOr<std::optional<Note>>(Transition&, HoldingRow&, const Life&)>&
        change) {
  HoldingRow holding;
  RequestRow current;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(holding, GetHoldingRow(connection, id));
    if (holding.current_request.empty() || holding.state == HoldingState::kDeleted) {
      return absl::FailedPreconditionError(
          absl::StrCat("holding ", holding.id, " is ", ToString(holding.state)));
    }
    PURSER_ASSIGN_OR_RETURN(current, GetRequestRow(connection, holding.current_request));
    return absl::OkStatus();
  }));
  PURSER_RETURN_IF_ERROR(core_.engine->Change(current.run_id, [&](Transition& run) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(std::optional<HoldingRow> now,
                            FindHolding(run.connection(), holding.id));
    if (!now.has_value() || now->current_request != holding.current_request) {
      return absl::AbortedError(
          absl::StrCat("holding ", holding.id, " was changed meanwhile; try again"));
    }
    const Life& life = BlueprintOf(*run.View().definition).life;
    PURSER_ASSIGN_OR_RETURN(const std::optional<Note> note, change(run, *now, life));
    if (!note.has_value()) return absl::OkStatus();
    now->updated_at = absl::ToUnixMicros(run.now());
    now->due = DueOf(*now, life);
    PURSER_RETURN_IF_ERROR(UpdateHolding(run.connection(), *now));
    PURSER_RETURN_IF_ERROR(recorder_.ShowHolding(run.connection(), *now));
    // Last: what is in the trail cannot be taken back.
    run.AppendEvent("", note->type, note->message, note->data);
    return absl::OkStatus();
  }));
  recorder_.OnCommitted();
  return absl::OkStatus();
}

absl::Status Operator::Renew(absl::string_view id, std::optional<absl::Time> until,
                             absl::string_view idempotency_key, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  if (idempotency_key.size() > kMaxKeyBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("idempotency_key has more than ", kMaxKeyBytes, " bytes"));
  }
  // Before anything else: what was renewed then may be gone now.
  bool known = false;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const HoldingRow holding, GetHoldingRow(connection, id));
    PURSER_ASSIGN_OR_RETURN(known, IsRenewalKnown(connection, holding.id, idempotency_key));
    return absl::OkStatus();
  }));
  if (known) return absl::OkStatus();
  return ChangeHolding(
      id,
      [&](Transition& run, HoldingRow& holding,
          const Life& life) -> absl::StatusOr<std::optional<Note>> {
        const int64_t now = absl::ToUnixMicros(run.now());
        // Somebody else may have said it in the meantime.
        PURSER_ASSIGN_OR_RETURN(const bool said,
                                IsRenewalKnown(run.connection(), holding.id, idempotency_key));
        if (said) return std::nullopt;
        int64_t expires = 0;
        if (until.has_value()) {
          expires = absl::ToUnixMicros(*until);
        } else {
          absl::Duration by = life.renew_by;
          if (by == absl::ZeroDuration()) {
            PURSER_ASSIGN_OR_RETURN(const RequestRow made,
                                    GetRequestRow(run.connection(), holding.id));
            if (!absl::ParseDuration(
                    ParseJsonOr(made.plan, json::object()).value("expiresAfter", ""), &by)) {
              return absl::FailedPreconditionError(
                  absl::StrCat("holding ", holding.id,
                               " never expires by itself; name the time until which it "
                               "should stay"));
            }
          }
          // What is over already is renewed from now on.
          expires = std::max(holding.expires_at == kNever ? now : holding.expires_at, now) +
                    absl::ToInt64Microseconds(by);
        }
        if (expires <= now) {
          return absl::InvalidArgumentError(
              absl::StrCat("until: ", MicrosText(expires), " is over already"));
        }
        if (!idempotency_key.empty()) {
          PURSER_RETURN_IF_ERROR(PutRenewal(run.connection(), holding.id, idempotency_key, now));
        }
        holding.expires_at = expires;
        // Reminders whose time has passed by then are not sent late.
        holding.told = 0;
        for (const absl::Duration before : life.reminders) {
          if (expires - absl::ToInt64Microseconds(before) <= now) ++holding.told;
        }
        return Note{
            "holding.renewed",
            who.reason,
            {{"actor", who.ref}, {"holding", holding.id}, {"expiresAt", MicrosText(expires)}}};
      });
}

absl::Status Operator::Protect(absl::string_view id, bool on, const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  return ChangeHolding(
      id,
      [&](Transition&, HoldingRow& holding, const Life&) -> absl::StatusOr<std::optional<Note>> {
        holding.is_protected = on;
        return Note{on ? "holding.protected" : "holding.unprotected",
                    who.reason,
                    {{"actor", who.ref}, {"holding", holding.id}}};
      });
}

absl::Status Operator::ForgetOrphan(absl::string_view holding_id, absl::string_view step_id,
                                    const Actor& actor) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
  PURSER_ASSIGN_OR_RETURN(const RequestRow row, Row(holding_id));
  const std::string step(step_id);
  return core_.engine->Change(row.run_id, [&](Transition& run) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const std::optional<HoldingRow> holding,
                            FindHolding(run.connection(), row.holding_id));
    PURSER_ASSIGN_OR_RETURN(const std::vector<MadeRow> made,
                            MadeOf(run.connection(), row.holding_id));
    const bool known = std::any_of(made.begin(), made.end(),
                                   [&](const MadeRow& one) { return one.step_id == step; });
    const bool is_kept = holding.has_value() && (holding->state == HoldingState::kActive ||
                                                 holding->state == HoldingState::kSuspended);
    if (!known || is_kept || !IsFinal(ToRequestState(run.run().state))) {
      return absl::FailedPreconditionError(absl::StrCat("step ", base::EscapeForDisplay(step),
                                                        " of holding ", row.holding_id,
                                                        " left no orphan"));
    }
    PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> resources,
                            ResourcesOfHolding(run.connection(), row.holding_id));
    for (const RecordedResource& resource : resources) {
      if (resource.step_id != step) continue;
      PURSER_RETURN_IF_ERROR(ForgetResource(run.connection(), resource.request_id, resource));
    }
    PURSER_RETURN_IF_ERROR(ForgetMade(run.connection(), row.holding_id, step));
    run.AppendEvent(step, "step.orphan-settled", who.reason, {{"actor", who.ref}});
    return absl::OkStatus();
  });
}

}  // namespace purser::provisioning

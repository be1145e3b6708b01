// Storing plans, and runs that go on where another stopped.
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"
#include "provisioning/planner.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;

// Steps that need `step_id`, directly or not, and itself.
std::set<std::string> From(const workflow::Definition& definition, const std::string& step_id) {
  std::set<std::string> found = {step_id};
  // Each pass finds those that need what is known; at most as many as there are
  // steps.
  for (bool more = true; more;) {
    more = false;
    for (const workflow::StepDefinition& step : definition.steps) {
      for (const std::string& need : step.needs) {
        if (found.contains(need)) more = found.insert(step.id).second || more;
      }
    }
  }
  return found;
}

std::vector<std::string> Fields(const RequestRow& known, const RequestRow& asked) {
  std::vector<std::string> fields;
  if (known.blueprint != asked.blueprint) fields.emplace_back("blueprint");
  if (known.kind != asked.kind) fields.emplace_back("kind");
  if (known.requester != asked.requester) fields.emplace_back("requester");
  if (known.owner != asked.owner) fields.emplace_back("owner");
  const json patch = json::diff(ParseJsonOr(known.parameters, json::object()),
                                ParseJsonOr(asked.parameters, json::object()));
  for (const json& operation : patch) {
    fields.push_back(absl::StrCat("parameters", operation.at("path").get<std::string>()));
  }
  return fields;
}

}  // namespace

absl::StatusOr<std::optional<RequestRow>> Planner::FindKnown(Connection& connection,
                                                             const Plan& plan) {
  PURSER_ASSIGN_OR_RETURN(std::optional<RequestRow> known,
                          FindRequestByKey(connection, plan.row.key));
  if (!known.has_value() || known->input_hash == plan.row.input_hash) return known;
  std::string differs;
  for (const std::string& field : Fields(*known, plan.row)) {
    absl::StrAppend(&differs, differs.empty() ? " (" : ", ", field);
  }
  return absl::AlreadyExistsError(
      absl::StrCat("idempotency key ", base::EscapeForDisplay(plan.row.key), " belongs to request ",
                   known->id, ", which asked for something else", differs,
                   differs.empty() ? "" : " differ)", "; use another key"));
}

absl::StatusOr<std::optional<std::string>> Planner::FindSame(const CreateOptions& options) {
  if (options.idempotency_key.empty()) return std::nullopt;
  Plan plan;
  PURSER_RETURN_IF_ERROR(Identify(options, plan));
  std::optional<RequestRow> known;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(known, FindRequestByKey(connection, plan.row.key));
    return absl::OkStatus();
  }));
  if (!known.has_value() || known->input_hash != plan.row.input_hash) return std::nullopt;
  return known->id;
}

absl::Status Planner::CheckStillValid(Connection& connection, Plan& plan) {
  const RequestRow& row = plan.row;
  std::optional<RequestRow> unfinished;
  if (plan.holding.has_value()) {
    PURSER_ASSIGN_OR_RETURN(const std::optional<HoldingRow> now,
                            FindHolding(connection, plan.holding->id));
    PURSER_ASSIGN_OR_RETURN(unfinished, FindUnfinishedOfHolding(connection, plan.holding->id));
    const bool changed = !now.has_value() ||
                         now->current_request != plan.holding->current_request ||
                         now->state != plan.holding->state || now->owner != plan.holding->owner ||
                         now->is_protected != plan.holding->is_protected;
    if (changed && !unfinished.has_value()) {
      return absl::AbortedError(absl::StrCat("holding ", plan.holding->id,
                                             " was changed meanwhile; look at it and try again"));
    }
  }
  if (!unfinished.has_value() && !row.entity_ref.empty()) {
    PURSER_ASSIGN_OR_RETURN(unfinished, FindUnfinished(connection, row.entity_ref));
  }
  if (unfinished.has_value()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "request ", unfinished->id, " (", ToString(unfinished->state), ") already works on ",
        row.entity_ref.empty() ? row.holding_id : row.entity_ref,
        "; wait for it, or cancel it first"));
  }
  if (!plan.holding.has_value() && !row.entity_ref.empty()) {
    // One thing in the catalog has one owner, also when it was made before
    // holdings were recorded.
    PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> before,
                            FindLastSucceeded(connection, row.entity_ref, row.id));
    if (before.has_value() && before->owner != row.owner) {
      PURSER_ASSIGN_OR_RETURN(const std::optional<HoldingRow> holding,
                              FindHolding(connection, before->holding_id));
      if (!holding.has_value() || holding->state != HoldingState::kDeleted) {
        return absl::FailedPreconditionError(
            absl::StrCat(row.entity_ref, " belongs to ", before->owner, "; choose another name"));
      }
    }
  }
  for (const QuotaClaim& claim : plan.verdict.quotas) {
    PURSER_ASSIGN_OR_RETURN(const int64_t used,
                            UsageOfOthers(connection, claim.quota, claim.key, plan.row.holding_id));
    if (used + claim.amount <= claim.limit) continue;
    plan.verdict.Add(claim.policy, claim.rule, "refuse",
                     absl::StrCat("quota of ", base::EscapeForDisplay(claim.key), ": ", used,
                                  " of ", claim.limit, " are used, ", claim.amount, " more asked",
                                  claim.message.empty() ? "" : "; ", claim.message));
  }
  return absl::OkStatus();
}

absl::Status Planner::Store(Connection& connection, Plan& plan) {
  const RequestRow& row = plan.row;
  PURSER_RETURN_IF_ERROR(InsertRequest(connection, row));
  if (!plan.holding.has_value()) {
    HoldingRow holding;
    holding.id = row.holding_id;
    holding.blueprint = row.blueprint;
    holding.owner = row.owner;
    holding.entity_ref = row.entity_ref;
    holding.environment = plan.environment;
    holding.created_at = row.created_at;
    holding.updated_at = row.created_at;
    PURSER_RETURN_IF_ERROR(InsertHolding(connection, holding));
  }
  std::vector<UsageRow> usage;
  for (const QuotaClaim& claim : plan.verdict.quotas) {
    usage.push_back({claim.quota, claim.key, claim.amount});
  }
  PURSER_RETURN_IF_ERROR(InsertUsage(connection, row, usage));
  const bool held = row.state == RequestState::kWaitingApproval;
  if (!plan.verdict.decisions.empty()) {
    PURSER_RETURN_IF_ERROR(
        InsertDecision(connection, {row.id, row.id, row.requester, row.blueprint,
                                    std::string(ToString(row.kind)), held ? "approval" : "allowed",
                                    purser::json::Dump(plan.verdict.decisions), row.created_at}));
  }
  workflow::NewRun run;
  run.id = row.run_id;
  run.subject = row.id;
  run.definition = plan.definition;
  run.body = plan.definition->body;
  run.input = plan.run_input;
  run.held = held;
  run.message = row.message;
  run.done = plan.done;
  run.event_data = {{"kind", std::string(ToString(row.kind))},
                    {"holding", row.holding_id},
                    {"blueprint", row.blueprint},
                    {"blueprintHash", row.blueprint_hash},
                    {"owner", row.owner},
                    {"requester", row.requester},
                    {"entityRef", row.entity_ref},
                    {"state", std::string(ToString(row.state))},
                    {"planHash", row.plan_hash}};
  if (!plan.verdict.decisions.empty()) run.event_data["decisions"] = plan.verdict.decisions;
  return core_.engine->Begin(connection, run);
}

absl::Status Planner::StoreRefusal(const Plan& plan) {
  return core_.database.Transact([&](Connection& connection) {
    return InsertDecision(connection,
                          {plan.row.id, "", plan.row.requester, plan.row.blueprint,
                           std::string(ToString(plan.row.kind)), "refused",
                           purser::json::Dump(plan.verdict.decisions), plan.row.created_at});
  });
}

absl::StatusOr<Plan> Planner::MakeFork(const RequestRow& original, absl::string_view step_id,
                                       absl::string_view idempotency_key,
                                       const workflow::Actor& actor) {
  if (!IsFinal(original.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("request ", original.id, " is ", ToString(original.state),
                     "; only one that has ended can be begun again elsewhere "
                     "(retry goes on with it)"));
  }
  Plan plan;
  workflow::RunView view;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(view, LoadView(connection, core_.definitions, original.run_id));
    PURSER_ASSIGN_OR_RETURN(plan.holding, FindHolding(connection, original.holding_id));
    return absl::OkStatus();
  }));
  const std::string from(step_id);
  if (view.definition->Find(from) == nullptr) {
    return absl::NotFoundError(absl::StrCat("request ", original.id, " has no step \"",
                                            base::EscapeForDisplay(step_id), "\""));
  }
  plan.definition = std::static_pointer_cast<const Blueprint>(view.definition);
  plan.blueprint = plan.definition;
  plan.row = original;
  plan.row.id = base::NewId("req", *core_.options.clock, *core_.options.rng);
  plan.row.run_id = base::NewId("run", *core_.options.clock, *core_.options.rng);
  plan.row.key = idempotency_key.empty() ? absl::StrCat("fork/", original.id, "/", from, "/",
                                                        base::Sha256Hex(plan.row.id))
                                               .substr(0, kMaxKeyBytes)
                                         : std::string(idempotency_key);
  plan.row.requester = actor.ref;
  plan.row.input_hash =
      base::Sha256Hex(purser::json::Dump({"fork", original.id, from, plan.row.requester}));
  plan.row.state = RequestState::kRunning;
  plan.row.message.clear();
  plan.row.outputs = "{}";
  plan.row.created_at = absl::ToUnixMicros(core_.options.clock->Now());
  json shown = {{"forkOf", original.id}, {"from", from}};
  plan.row.plan = purser::json::Dump(shown);
  plan.run_input = view.input;
  plan.run_input["request"]["id"] = plan.row.id;
  plan.run_input["request"]["run_id"] = plan.row.run_id;
  const std::set<std::string> again = From(*view.definition, from);
  for (const auto& [id, outputs] : view.outputs) {
    if (!again.contains(id)) plan.done.emplace(id, outputs);
  }
  return plan;
}

}  // namespace purser::provisioning

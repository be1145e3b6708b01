#include "provisioning/request_reader.h"

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "provisioning/core.h"
#include "workflow/records.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;

StepState ToStepState(workflow::StepState state) {
  switch (state) {
    case workflow::StepState::kPending:
    case workflow::StepState::kDue:
      return StepState::kPending;
    case workflow::StepState::kRunning:
    case workflow::StepState::kUndoDue:
    case workflow::StepState::kUndoing:
      return StepState::kRunning;
    case workflow::StepState::kRetrying:
    case workflow::StepState::kObserving:
    case workflow::StepState::kUnknown:
    case workflow::StepState::kUndoRetrying:
    case workflow::StepState::kUndoObserving:
      return StepState::kWaiting;
    case workflow::StepState::kSucceeded:
      return StepState::kSucceeded;
    case workflow::StepState::kFailed:
    case workflow::StepState::kUndoFailed:
      return StepState::kFailed;
    case workflow::StepState::kSkipped:
      return StepState::kSkipped;
    case workflow::StepState::kCompensated:
      return StepState::kCompensated;
  }
  return StepState::kPending;
}

Request ToRequest(const RequestRow& row) {
  Request request;
  request.id = row.id;
  request.run_id = row.run_id;
  request.blueprint = row.blueprint;
  request.blueprint_hash = row.blueprint_hash;
  request.idempotency_key = row.key;
  request.requester = row.requester;
  request.owner = row.owner;
  request.entity_ref = row.entity_ref;
  request.parameters = ParseJsonOr(row.parameters, json::object());
  request.state = row.state;
  request.message = row.message;
  request.outputs = ParseJsonOr(row.outputs, json::object());
  request.created_at = absl::FromUnixMicros(row.created_at);
  request.updated_at = request.created_at;
  request.kind = row.kind;
  request.holding_id = row.holding_id;
  request.plan = ParseJsonOr(row.plan, json::object());
  request.plan_hash = row.plan_hash;
  return request;
}

}  // namespace

Request PlannedRequest(const Plan& plan) {
  Request request = ToRequest(plan.row);
  request.id.clear();
  request.run_id.clear();
  if (request.idempotency_key == plan.row.id) request.idempotency_key.clear();
  if (request.holding_id == plan.row.id) request.holding_id.clear();
  for (const workflow::StepDefinition& definition : plan.definition->steps) {
    StepStatus step;
    step.id = definition.id;
    step.uses = definition.uses;
    step.state = StepState::kPending;
    step.outputs = json::object();
    request.steps.push_back(std::move(step));
  }
  return request;
}

absl::StatusOr<Request> LoadRequest(Connection& connection, workflow::DefinitionCache& definitions,
                                    const RequestRow& row, bool whole) {
  Request request = ToRequest(row);
  PURSER_ASSIGN_OR_RETURN(const workflow::RunRecord run, workflow::LoadRun(connection, row.run_id));
  request.updated_at = run.updated_at;
  request.sequence = run.sequence;
  if (!whole) return request;
  PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const workflow::Definition> definition,
                          definitions.Get(connection, run.definition_hash));
  PURSER_ASSIGN_OR_RETURN(const std::vector<workflow::StepRecord> steps,
                          workflow::LoadSteps(connection, row.run_id));
  for (const workflow::StepRecord& record : steps) {
    StepStatus step;
    step.id = record.id;
    const workflow::StepDefinition* found = definition->Find(record.id);
    if (found != nullptr) step.uses = found->uses;
    step.state = ToStepState(record.state);
    step.attempts = static_cast<int>(record.attempts);
    step.message = record.message;
    step.outputs = record.state == workflow::StepState::kSucceeded
                       ? ParseJsonOr(record.outputs, json::object())
                       : json::object();
    step.started_at = record.started_at;
    step.ended_at = record.ended_at;
    request.steps.push_back(std::move(step));
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<ApprovalRow> approvals,
                          Approvals(connection, row.run_id));
  for (const ApprovalRow& approval : approvals) {
    request.approvals.push_back({approval.step_id, approval.actor, approval.plan_hash,
                                 approval.approved, approval.reason,
                                 absl::FromUnixMicros(approval.at)});
  }
  return request;
}

absl::StatusOr<Holding> LoadHolding(Connection& connection, const HoldingRow& row, bool whole) {
  Holding holding;
  holding.id = row.id;
  holding.blueprint = row.blueprint;
  holding.owner = row.owner;
  holding.entity_ref = row.entity_ref;
  holding.state = row.state;
  holding.current_request = row.current_request;
  holding.environment = row.environment;
  holding.is_protected = row.is_protected;
  if (row.expires_at != kNever) holding.expires_at = absl::FromUnixMicros(row.expires_at);
  holding.drift = ParseJsonOr(row.drift, json::object());
  if (row.drift != "{}") holding.looked_at = absl::FromUnixMicros(row.looked_at);
  holding.created_at = absl::FromUnixMicros(row.created_at);
  holding.updated_at = absl::FromUnixMicros(row.updated_at);
  PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> open,
                          FindUnfinishedOfHolding(connection, row.id));
  if (open.has_value()) holding.open_request = open->id;
  PURSER_ASSIGN_OR_RETURN(
      const std::optional<RequestRow> current,
      FindRequest(connection, row.current_request.empty() ? row.id : row.current_request));
  if (current.has_value()) {
    holding.parameters = ParseJsonOr(current->parameters, json::object());
  }
  if (!whole) return holding;
  PURSER_ASSIGN_OR_RETURN(const std::vector<MadeRow> made, MadeOf(connection, row.id));
  for (const MadeRow& one : made) holding.steps.push_back(one.step_id);
  return holding;
}

absl::StatusOr<HoldingRow> GetHoldingRow(Connection& connection, absl::string_view id) {
  if (absl::StrContains(id, ':')) {
    PURSER_ASSIGN_OR_RETURN(const std::string ref, NormalRef(id, "resource", "holding"));
    PURSER_ASSIGN_OR_RETURN(std::optional<HoldingRow> of_entity,
                            FindHoldingOfEntity(connection, ref));
    if (of_entity.has_value()) return *std::move(of_entity);
    // What was deleted answers to its name until somebody else has it: who deletes again, with the
    // same key, is told of the first deletion.
    ListHoldingsOptions last;
    last.entity_ref = ref;
    last.page_size = 1;
    PURSER_ASSIGN_OR_RETURN(std::vector<HoldingRow> rows, ListHoldingRows(connection, last));
    if (rows.empty()) return absl::NotFoundError(absl::StrCat("no request made ", ref));
    return std::move(rows.front());
  }
  PURSER_ASSIGN_OR_RETURN(const RequestRow request, GetRequestRow(connection, id));
  PURSER_ASSIGN_OR_RETURN(std::optional<HoldingRow> holding,
                          FindHolding(connection, request.holding_id));
  if (!holding.has_value()) {
    return absl::NotFoundError(absl::StrCat(
        "what request ", request.id, " made is not recorded: it is from before holdings were"));
  }
  return *std::move(holding);
}

}  // namespace purser::provisioning

#include "provisioning/run_recorder.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "json/json.h"
#include "provisioning/connector_executor.h"
#include "provisioning/core.h"
#include "provisioning/entity_mapping.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;

constexpr size_t kMaxResourceIdBytes = 2048;

// The steps whose resources those of `step` depend on: the nearest ones upwards that made any.
std::vector<std::string> StepsAbove(const workflow::Definition& definition,
                                    const workflow::StepDefinition& step,
                                    const std::vector<RecordedResource>& recorded) {
  std::vector<std::string> found;
  std::set<std::string> seen;
  std::vector<std::string> open = step.needs;
  while (!open.empty()) {
    const std::string id = std::move(open.back());
    open.pop_back();
    if (!seen.insert(id).second) continue;
    if (std::any_of(recorded.begin(), recorded.end(),
                    [&id](const RecordedResource& resource) { return resource.step_id == id; })) {
      found.push_back(id);
    } else if (const workflow::StepDefinition* const above = definition.Find(id)) {
      open.insert(open.end(), above->needs.begin(), above->needs.end());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

bool IsStorableId(const std::string& id) {
  return !id.empty() && id.size() <= kMaxResourceIdBytes && base::IsValidUtf8(id) &&
         !absl::StrContains(id, '\0');
}

}  // namespace

RequestState ToRequestState(workflow::RunState state) {
  switch (state) {
    case workflow::RunState::kHeld:
      return RequestState::kWaitingApproval;
    case workflow::RunState::kRunning:
      return RequestState::kRunning;
    case workflow::RunState::kWaiting:
      return RequestState::kWaiting;
    case workflow::RunState::kSucceeded:
      return RequestState::kSucceeded;
    case workflow::RunState::kFailed:
      return RequestState::kFailed;
    case workflow::RunState::kCancelled:
      return RequestState::kCancelled;
    case workflow::RunState::kNeedsOperator:
      return RequestState::kNeedsOperator;
  }
  return RequestState::kNeedsOperator;
}

int64_t DueOf(const HoldingRow& holding, const Life& life) {
  if (holding.state != HoldingState::kActive && holding.state != HoldingState::kSuspended) {
    return kNever;
  }
  int64_t due = kNever;
  if (life.drift_every > absl::ZeroDuration()) {
    due = std::min(due, holding.looked_at + absl::ToInt64Microseconds(life.drift_every));
  }
  if (holding.expires_at == kNever) return due;
  const auto reminders = static_cast<int64_t>(life.reminders.size());
  if (holding.told < reminders) {
    const absl::Duration before = life.reminders[static_cast<size_t>(holding.told)];
    return std::min(due, holding.expires_at - absl::ToInt64Microseconds(before));
  }
  if (holding.told == reminders) return std::min(due, holding.expires_at);
  // What is over is dealt with once; when that was refused, the next renewal begins anew.
  if (holding.told == reminders + 1) {
    return std::min(due, holding.expires_at + absl::ToInt64Microseconds(life.grace));
  }
  return due;
}

absl::Status RunRecorder::OnRunState(Connection& connection, const workflow::RunRecord& run,
                                     const workflow::RunView& view) {
  PURSER_ASSIGN_OR_RETURN(std::optional<RequestRow> row, FindRequest(connection, run.subject));
  if (!row.has_value()) {
    return absl::DataLossError(
        absl::StrCat("request ", run.subject, " of run ", run.id, " is missing"));
  }
  row->state = ToRequestState(run.state);
  row->message = workflow::CleanMessage(run.message);
  row->outputs = run.outputs;
  PURSER_ASSIGN_OR_RETURN(std::optional<HoldingRow> holding,
                          FindHolding(connection, row->holding_id));
  if (IsFinal(row->state) && holding.has_value()) {
    PURSER_RETURN_IF_ERROR(
        SettleHolding(connection, *row, BlueprintOf(*view.definition), *holding));
  }
  if (!row->entity_ref.empty()) {
    PURSER_RETURN_IF_ERROR(UpdateEntity(connection, *row, view, holding));
  }
  return UpdateRequestState(connection, *row);
}

absl::Status RunRecorder::SettleHolding(Connection& connection, const RequestRow& row,
                                        const Blueprint& definition, HoldingRow& holding) {
  const bool succeeded = row.state == RequestState::kSucceeded;
  const bool removed = succeeded && row.kind == RequestKind::kDelete;
  const json plan = ParseJsonOr(row.plan, json::object());
  if (succeeded && !removed) {
    // A request that failed before gave its quota back; one that went on after all takes it again.
    std::vector<UsageRow> usage;
    for (const json& claim : plan.value("quotas", json::array())) {
      usage.push_back(
          {claim.value("quota", ""), claim.value("key", ""), claim.value("amount", int64_t{0})});
    }
    PURSER_RETURN_IF_ERROR(InsertUsage(connection, row, usage));
  }
  PURSER_RETURN_IF_ERROR(SettleUsage(connection, row, succeeded, removed));
  if (!succeeded) return absl::OkStatus();
  const int64_t now = absl::ToUnixMicros(now_());
  holding.updated_at = now;
  if (removed) {
    holding.state = HoldingState::kDeleted;
    holding.due = kNever;
    return UpdateHolding(connection, holding);
  }
  const bool is_new = holding.state == HoldingState::kPending;
  holding.owner = row.owner;
  holding.environment = plan.value("environment", holding.environment);
  holding.current_request = row.id;
  holding.drift = "{}";
  holding.looked_at = now;
  if (row.kind == RequestKind::kSuspend) {
    holding.state = HoldingState::kSuspended;
  } else if (row.kind == RequestKind::kResume || is_new) {
    holding.state = HoldingState::kActive;
  }
  if (is_new) {
    holding.entity_ref = row.entity_ref;
    holding.is_protected = plan.value("protected", false);
    absl::Duration after;
    if (absl::ParseDuration(plan.value("expiresAfter", ""), &after)) {
      holding.expires_at = now + absl::ToInt64Microseconds(after);
    }
  }
  holding.due = DueOf(holding, definition.life);
  return UpdateHolding(connection, holding);
}

absl::Status RunRecorder::UpdateEntity(Connection& connection, RequestRow& row,
                                       const workflow::RunView& view,
                                       const std::optional<HoldingRow>& holding) {
  const bool is_delete = row.kind == RequestKind::kDelete;
  if (is_delete && row.state == RequestState::kSucceeded) {
    return inventory_.RemoveEntity(connection, row.entity_ref);
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> resources,
                          RecordedResources(connection, row.id));
  // A request that left nothing leaves the entity as the one before made it.
  const bool left_nothing = row.state == RequestState::kCancelled && resources.empty();
  if (!is_delete && !left_nothing) {
    return ShowEntity(connection, row, BlueprintOf(*view.definition), ExpressionContext(view),
                      holding);
  }
  if (holding.has_value()) return ShowHolding(connection, *holding);
  return inventory_.RemoveEntity(connection, row.entity_ref);
}

absl::Status RunRecorder::ShowHolding(Connection& connection, const HoldingRow& holding) {
  if (holding.entity_ref.empty()) return absl::OkStatus();
  const bool is_there =
      holding.state == HoldingState::kActive || holding.state == HoldingState::kSuspended;
  if (!is_there) return inventory_.RemoveEntity(connection, holding.entity_ref);
  PURSER_ASSIGN_OR_RETURN(RequestRow current, GetRequestRow(connection, holding.current_request));
  PURSER_ASSIGN_OR_RETURN(const workflow::RunView view,
                          LoadView(connection, definitions_, current.run_id));
  return ShowEntity(connection, current, BlueprintOf(*view.definition), ExpressionContext(view),
                    holding);
}

absl::Status RunRecorder::ShowEntity(Connection& connection, RequestRow& row,
                                     const Blueprint& blueprint, const json& context,
                                     const std::optional<HoldingRow>& holding) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> resources,
                          RecordedResources(connection, row.id));
  EntityInput input;
  input.request_id = row.id;
  input.owner = row.owner;
  input.state = row.state;
  input.context = context;
  input.outputs = ParseJsonOr(row.outputs, json::object());
  if (holding.has_value() && holding->expires_at != kNever) {
    input.expires_at = absl::FromUnixMicros(holding->expires_at);
  }
  if (holding.has_value()) input.links = HoldingLinks(forms_, *holding);
  input.complete = row.state == RequestState::kSucceeded;
  for (const RecordedResource& resource : resources) {
    input.resource_ids.push_back(resource.resource_id);
  }
  absl::StatusOr<json> entity = BuildEntity(blueprint, input);
  if (!entity.ok() && input.complete) {
    // What was made is real; that it cannot be described in full must not undo
    // it.
    row.message = workflow::CleanMessage(entity.status().message());
    input.complete = false;
    entity = BuildEntity(blueprint, input);
  }
  if (!entity.ok() || catalog::RefOf(*entity).ToString() != row.entity_ref) {
    if (row.message.empty()) row.message = "its catalog entity could not be updated";
    return absl::OkStatus();
  }
  return inventory_.PutEntity(connection, *entity);
}

absl::Status RunRecorder::DropResources(Connection& connection, const RequestRow& row,
                                        absl::string_view step_id) {
  // A removal takes away what any of the holding's requests recorded, an undo what its own did.
  PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> resources,
                          row.kind == RequestKind::kDelete
                              ? ResourcesOfHolding(connection, row.holding_id)
                              : RecordedResources(connection, row.id));
  for (const RecordedResource& resource : resources) {
    if (resource.step_id != step_id) continue;
    PURSER_RETURN_IF_ERROR(inventory_.MarkDeleted(connection, resource.resource_id));
    PURSER_RETURN_IF_ERROR(ForgetResource(connection, resource.request_id, resource));
  }
  return ForgetMade(connection, row.holding_id, step_id);
}

void CountMembersAsMade(const json& before, json& outputs) {
  const auto members = outputs.find("members");
  if (members == outputs.end() || !members->is_array()) return;
  std::set<std::string> made;
  for (const json& member : before.value("members", json::array())) {
    if (member.is_object() && member.value("created", json(false)) == true) {
      made.insert(member.value("uid", ""));
    }
  }
  made.erase("");
  for (json& member : *members) {
    if (member.is_object() && made.contains(member.value("uid", ""))) member["created"] = true;
  }
}

absl::StatusOr<json> RunRecorder::OutputsToUndo(Connection& connection, const RequestRow& row,
                                                const std::string& step_id,
                                                const workflow::CallResult& result) {
  json outputs = result.outputs;
  // Connectors spare what was there before a call. What an earlier request of the same holding made
  // was there before this one's, and is the holding's all the same.
  PURSER_ASSIGN_OR_RETURN(const std::vector<MadeRow> made, MadeOf(connection, row.holding_id));
  for (const MadeRow& before : made) {
    if (before.step_id != step_id) continue;
    const json earlier = ParseJsonOr(before.outputs, json::object());
    CountMembersAsMade(earlier, outputs);
    if (outputs.value("created", json(true)) != false ||
        earlier.value("created", json(true)) == false) {
      continue;
    }
    std::set<std::string> known;
    PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> recorded,
                            RecordedResources(connection, before.request_id));
    for (const RecordedResource& resource : recorded) {
      if (resource.step_id == step_id) known.insert(resource.resource_id);
    }
    std::set<std::string> now;
    for (const json& resource : result.resources) now.insert(resource.value("id", ""));
    // Only when it is the very same thing.
    if (!now.empty() && now == known) outputs["created"] = true;
  }
  return outputs;
}

absl::Status RunRecorder::OnStepResult(Connection& connection, const workflow::RunRecord& run,
                                       const workflow::StepDefinition& step,
                                       workflow::Direction direction,
                                       const workflow::CallResult& result) {
  const bool is_undo = direction == workflow::Direction::kUndo;
  PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const workflow::Definition> definition,
                          definitions_.Get(connection, run.definition_hash));
  const Blueprint& blueprint = BlueprintOf(*definition);
  std::string undo;
  if (!is_undo && blueprint.mode != Mode::kRemove && !blueprint.keeps.contains(step.id)) {
    const absl::StatusOr<std::string> found = executor_.UndoOf(step);
    if (found.ok()) undo = *found;
  }
  const bool removes = is_undo || (blueprint.mode == Mode::kRemove && result.ready);
  if (!removes && undo.empty() && result.resources.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const RequestRow row, GetRequestRow(connection, run.subject));
  if (removes) return DropResources(connection, row, step.id);
  if (!undo.empty()) {
    // Also while it is not ready: what was begun must be found again.
    PURSER_ASSIGN_OR_RETURN(const json outputs, OutputsToUndo(connection, row, step.id, result));
    PURSER_RETURN_IF_ERROR(PutMade(connection, {row.holding_id, step.id, row.id, undo,
                                                purser::json::Dump(outputs), run.sequence + 1}));
  }
  if (result.resources.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> before,
                          RecordedResources(connection, row.id));
  const std::vector<std::string> needs = StepsAbove(*definition, step, before);
  for (const json& recorded : result.resources) {
    inventory::Resource resource;
    resource.id = recorded.value("id", "");
    if (!IsStorableId(resource.id)) continue;
    resource.connector = workflow::CleanMessage(recorded.value("connector", ""));
    resource.type = workflow::CleanMessage(recorded.value("type", ""));
    resource.name = workflow::CleanMessage(recorded.value("name", ""));
    resource.entity_ref = row.entity_ref;
    resource.owner = row.owner;
    resource.request_id = row.id;
    resource.step_id = step.id;
    resource.state = inventory::kActiveState;
    resource.needs = needs;
    resource.attributes = recorded.value("attributes", json::object());
    PURSER_RETURN_IF_ERROR(inventory_.PutResource(connection, resource));
    PURSER_RETURN_IF_ERROR(RecordResource(connection, row.id, {step.id, resource.id, row.id}));
  }
  return absl::OkStatus();
}

}  // namespace purser::provisioning

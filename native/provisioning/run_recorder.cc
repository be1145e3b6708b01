#include "provisioning/run_recorder.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "provisioning/connector_executor.h"
#include "provisioning/entity_mapping.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;

constexpr size_t kMaxResourceIdBytes = 2048;

json ParseOr(absl::string_view text, json fallback) {
  json value = json::parse(base::ToStd(text), nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? std::move(fallback) : value;
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
  if (!row->entity_ref.empty()) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> resources,
                            RecordedResources(connection, row->id));
    if (row->state == RequestState::kCancelled && resources.empty()) {
      PURSER_RETURN_IF_ERROR(HideEntity(connection, *row));
    } else {
      PURSER_RETURN_IF_ERROR(
          ShowEntity(connection, *row, BlueprintOf(*view.definition), ExpressionContext(view)));
    }
  }
  return UpdateRequestState(connection, *row);
}

absl::Status RunRecorder::ShowEntity(Connection& connection, RequestRow& row,
                                     const Blueprint& blueprint, const json& context) {
  PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> resources,
                          RecordedResources(connection, row.id));
  EntityInput input;
  input.request_id = row.id;
  input.owner = row.owner;
  input.state = row.state;
  input.context = context;
  input.outputs = ParseOr(row.outputs, json::object());
  input.complete = row.state == RequestState::kSucceeded;
  for (const RecordedResource& resource : resources) {
    input.resource_ids.push_back(resource.resource_id);
  }
  absl::StatusOr<json> entity = BuildEntity(blueprint, input);
  if (!entity.ok() && input.complete) {
    // What was made is real; that it cannot be described in full must not undo it.
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

absl::Status RunRecorder::HideEntity(Connection& connection, const RequestRow& row) {
  PURSER_ASSIGN_OR_RETURN(std::optional<RequestRow> before,
                          FindLastSucceeded(connection, row.entity_ref, row.id));
  if (!before.has_value()) return inventory_.RemoveEntity(connection, row.entity_ref);
  PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const workflow::Definition> definition,
                          definitions_.Get(connection, before->blueprint_hash));
  PURSER_ASSIGN_OR_RETURN(const workflow::RunRecord run,
                          workflow::LoadRun(connection, before->run_id));
  PURSER_ASSIGN_OR_RETURN(const std::vector<workflow::StepRecord> steps,
                          workflow::LoadSteps(connection, before->run_id));
  workflow::RunView view;
  view.input = ParseOr(run.input, json::object());
  for (const workflow::StepRecord& step : steps) {
    view.outputs.emplace(step.id, ParseOr(step.outputs, json::object()));
  }
  return ShowEntity(connection, *before, BlueprintOf(*definition), ExpressionContext(view));
}

absl::Status RunRecorder::OnStepResult(Connection& connection, const workflow::RunRecord& run,
                                       const workflow::StepDefinition& step,
                                       workflow::Direction direction,
                                       const workflow::CallResult& result) {
  if (direction == workflow::Direction::kUndo) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<RecordedResource> resources,
                            RecordedResources(connection, run.subject));
    for (const RecordedResource& resource : resources) {
      if (resource.step_id != step.id) continue;
      PURSER_RETURN_IF_ERROR(inventory_.MarkDeleted(connection, resource.resource_id));
      PURSER_RETURN_IF_ERROR(ForgetResource(connection, run.subject, resource));
    }
    return absl::OkStatus();
  }
  if (result.resources.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> row,
                          FindRequest(connection, run.subject));
  if (!row.has_value()) {
    return absl::DataLossError(
        absl::StrCat("request ", run.subject, " of run ", run.id, " is missing"));
  }
  for (const json& recorded : result.resources) {
    inventory::Resource resource;
    resource.id = recorded.value("id", "");
    if (!IsStorableId(resource.id)) continue;
    resource.connector = workflow::CleanMessage(recorded.value("connector", ""));
    resource.type = workflow::CleanMessage(recorded.value("type", ""));
    resource.name = workflow::CleanMessage(recorded.value("name", ""));
    resource.entity_ref = row->entity_ref;
    resource.owner = row->owner;
    resource.request_id = row->id;
    resource.step_id = step.id;
    resource.state = "active";
    resource.attributes = recorded.value("attributes", json::object());
    PURSER_RETURN_IF_ERROR(inventory_.PutResource(connection, resource));
    PURSER_RETURN_IF_ERROR(RecordResource(connection, row->id, {step.id, resource.id}));
  }
  return absl::OkStatus();
}

}  // namespace purser::provisioning

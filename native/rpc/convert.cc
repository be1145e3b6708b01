#include "rpc/convert.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "json/json.h"
#include "rpc/provisioning_convert.h"

namespace purser::rpc {
namespace {

purser::v1::StepState ToProto(provisioning::StepState state) {
  switch (state) {
    case provisioning::StepState::kPending:
      return purser::v1::STEP_STATE_PENDING;
    case provisioning::StepState::kRunning:
      return purser::v1::STEP_STATE_RUNNING;
    case provisioning::StepState::kWaiting:
      return purser::v1::STEP_STATE_WAITING;
    case provisioning::StepState::kSucceeded:
      return purser::v1::STEP_STATE_SUCCEEDED;
    case provisioning::StepState::kFailed:
      return purser::v1::STEP_STATE_FAILED;
    case provisioning::StepState::kSkipped:
      return purser::v1::STEP_STATE_SKIPPED;
    case provisioning::StepState::kCompensated:
      return purser::v1::STEP_STATE_COMPENSATED;
  }
  return purser::v1::STEP_STATE_UNSPECIFIED;
}

std::string DumpOrEmpty(const nlohmann::json& value) {
  return value.is_null() ? std::string() : json::Dump(value);
}

}  // namespace

purser::v1::RequestState ToProto(provisioning::RequestState state) {
  switch (state) {
    case provisioning::RequestState::kWaitingApproval:
      return purser::v1::REQUEST_STATE_WAITING_APPROVAL;
    case provisioning::RequestState::kRunning:
      return purser::v1::REQUEST_STATE_RUNNING;
    case provisioning::RequestState::kWaiting:
      return purser::v1::REQUEST_STATE_WAITING;
    case provisioning::RequestState::kSucceeded:
      return purser::v1::REQUEST_STATE_SUCCEEDED;
    case provisioning::RequestState::kFailed:
      return purser::v1::REQUEST_STATE_FAILED;
    case provisioning::RequestState::kCancelled:
      return purser::v1::REQUEST_STATE_CANCELLED;
    case provisioning::RequestState::kNeedsOperator:
      return purser::v1::REQUEST_STATE_NEEDS_OPERATOR;
  }
  return purser::v1::REQUEST_STATE_UNSPECIFIED;
}

google::protobuf::Timestamp ToProto(absl::Time time) {
  google::protobuf::Timestamp out;
  const int64_t nanos = absl::ToUnixNanos(time);
  constexpr int64_t kNanosPerSecond = 1'000'000'000;
  int64_t seconds = nanos / kNanosPerSecond;
  int64_t rest = nanos % kNanosPerSecond;
  if (rest < 0) {
    rest += kNanosPerSecond;
    --seconds;
  }
  out.set_seconds(seconds);
  out.set_nanos(static_cast<int32_t>(rest));
  return out;
}

purser::v1::Request ToProto(const provisioning::Request& request) {
  purser::v1::Request out;
  out.set_id(request.id);
  out.set_run_id(request.run_id);
  out.set_blueprint(request.blueprint);
  out.set_blueprint_hash(request.blueprint_hash);
  out.set_idempotency_key(request.idempotency_key);
  out.set_requester(request.requester);
  out.set_owner(request.owner);
  out.set_entity_ref(request.entity_ref);
  out.set_parameters_json(DumpOrEmpty(request.parameters));
  out.set_state(ToProto(request.state));
  out.set_message(request.message);
  out.set_outputs_json(DumpOrEmpty(request.outputs));
  for (const provisioning::StepStatus& step : request.steps) {
    purser::v1::Step& added = *out.add_steps();
    added.set_id(step.id);
    added.set_uses(step.uses);
    added.set_state(ToProto(step.state));
    added.set_attempts(step.attempts);
    added.set_message(step.message);
    added.set_outputs_json(DumpOrEmpty(step.outputs));
    if (step.started_at.has_value()) *added.mutable_started_at() = ToProto(*step.started_at);
    if (step.ended_at.has_value()) *added.mutable_ended_at() = ToProto(*step.ended_at);
  }
  *out.mutable_created_at() = ToProto(request.created_at);
  *out.mutable_updated_at() = ToProto(request.updated_at);
  out.set_sequence(request.sequence);
  out.set_kind(ToProto(request.kind));
  out.set_holding_id(request.holding_id);
  out.set_plan_json(DumpOrEmpty(request.plan));
  out.set_plan_hash(request.plan_hash);
  for (const provisioning::Request::Word& word : request.approvals) {
    purser::v1::Approval& added = *out.add_approvals();
    added.set_step_id(word.step_id);
    added.set_actor(word.actor);
    added.set_plan_hash(word.plan_hash);
    added.set_approved(word.approved);
    added.set_reason(word.reason);
    *added.mutable_at() = ToProto(word.at);
  }
  return out;
}

purser::v1::Event ToProto(const provisioning::Event& event) {
  purser::v1::Event out;
  out.set_sequence(event.sequence);
  out.set_request_id(event.request_id);
  out.set_step_id(event.step_id);
  out.set_type(event.type);
  out.set_message(event.message);
  out.set_data_json(DumpOrEmpty(event.data));
  *out.mutable_at() = ToProto(event.at);
  return out;
}

purser::v1::Blueprint ToProto(const provisioning::BlueprintInfo& blueprint) {
  purser::v1::Blueprint out;
  out.set_name(blueprint.name);
  out.set_title(blueprint.title);
  out.set_description(blueprint.description);
  out.set_hash(blueprint.hash);
  out.set_parameters_schema_json(DumpOrEmpty(blueprint.parameters_schema));
  for (const std::string& id : blueprint.step_ids) out.add_step_ids(id);
  return out;
}

purser::v1::Resource ToProto(const inventory::Resource& resource) {
  purser::v1::Resource out;
  out.set_id(resource.id);
  out.set_connector(resource.connector);
  out.set_type(resource.type);
  out.set_name(resource.name);
  out.set_entity_ref(resource.entity_ref);
  out.set_owner(resource.owner);
  out.set_request_id(resource.request_id);
  out.set_state(resource.state);
  out.set_attributes_json(DumpOrEmpty(resource.attributes));
  return out;
}

absl::StatusOr<provisioning::RequestState> FromProto(purser::v1::RequestState state) {
  switch (state) {
    case purser::v1::REQUEST_STATE_WAITING_APPROVAL:
      return provisioning::RequestState::kWaitingApproval;
    case purser::v1::REQUEST_STATE_RUNNING:
      return provisioning::RequestState::kRunning;
    case purser::v1::REQUEST_STATE_WAITING:
      return provisioning::RequestState::kWaiting;
    case purser::v1::REQUEST_STATE_SUCCEEDED:
      return provisioning::RequestState::kSucceeded;
    case purser::v1::REQUEST_STATE_FAILED:
      return provisioning::RequestState::kFailed;
    case purser::v1::REQUEST_STATE_CANCELLED:
      return provisioning::RequestState::kCancelled;
    case purser::v1::REQUEST_STATE_NEEDS_OPERATOR:
      return provisioning::RequestState::kNeedsOperator;
    default:
      return absl::InvalidArgumentError(
          absl::StrCat("states: ", static_cast<int>(state), " is not a request state"));
  }
}

absl::StatusOr<nlohmann::json> ParseObject(absl::string_view text, absl::string_view field) {
  if (text.empty()) return nlohmann::json::object();
  json::Limits limits;
  limits.max_bytes = kMaxJsonFieldBytes;
  absl::StatusOr<nlohmann::json> value = json::Parse(text, limits);
  if (!value.ok()) return base::Annotate(value.status(), field);
  if (!value->is_object()) {
    return absl::InvalidArgumentError(absl::StrCat(field, ": must be a JSON object"));
  }
  return value;
}

}  // namespace purser::rpc

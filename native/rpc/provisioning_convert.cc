#include "rpc/provisioning_convert.h"

#include "json/json.h"
#include "rpc/convert.h"

namespace purser::rpc {
namespace {

constexpr int kMaxRefs = 10'000;
constexpr size_t kMaxRefBytes = 512;

std::string DumpOrEmpty(const nlohmann::json& value) {
  return value.is_null() ? std::string() : json::Dump(value);
}

}  // namespace

// The numbers are those of the domain, moved by the one that says "not set".
purser::v1::RequestKind ToProto(provisioning::RequestKind kind) {
  return static_cast<purser::v1::RequestKind>(static_cast<int>(kind) + 1);
}
static_assert(static_cast<int>(provisioning::RequestKind::kCreate) + 1 ==
              purser::v1::REQUEST_KIND_CREATE);
static_assert(static_cast<int>(provisioning::RequestKind::kRepair) + 1 ==
              purser::v1::REQUEST_KIND_REPAIR);
static_assert(static_cast<int>(provisioning::RequestKind::kImport) + 1 ==
              purser::v1::REQUEST_KIND_IMPORT);
static_assert(static_cast<int>(provisioning::HoldingState::kDeleted) + 1 ==
              purser::v1::HOLDING_STATE_DELETED);

absl::StatusOr<provisioning::RequestKind> FromProto(purser::v1::RequestKind kind) {
  if (kind == purser::v1::REQUEST_KIND_UNSPECIFIED) return provisioning::RequestKind::kCreate;
  if (!purser::v1::RequestKind_IsValid(kind)) {
    return absl::InvalidArgumentError(
        absl::StrCat("kind: ", static_cast<int>(kind), " is no kind of a request"));
  }
  return static_cast<provisioning::RequestKind>(static_cast<int>(kind) - 1);
}

absl::StatusOr<provisioning::HoldingState> FromProto(purser::v1::HoldingState state) {
  if (state == purser::v1::HOLDING_STATE_UNSPECIFIED || !purser::v1::HoldingState_IsValid(state)) {
    return absl::InvalidArgumentError(
        absl::StrCat("state: ", static_cast<int>(state), " is no state of a holding"));
  }
  return static_cast<provisioning::HoldingState>(static_cast<int>(state) - 1);
}

absl::Time FromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

purser::v1::Holding ToProto(const provisioning::Holding& holding) {
  purser::v1::Holding out;
  out.set_id(holding.id);
  out.set_blueprint(holding.blueprint);
  out.set_owner(holding.owner);
  out.set_entity_ref(holding.entity_ref);
  out.set_state(static_cast<purser::v1::HoldingState>(static_cast<int>(holding.state) + 1));
  out.set_current_request(holding.current_request);
  out.set_open_request(holding.open_request);
  out.set_environment(holding.environment);
  out.set_protected_(holding.is_protected);
  if (holding.expires_at.has_value()) *out.mutable_expires_at() = ToProto(*holding.expires_at);
  out.set_parameters_json(DumpOrEmpty(holding.parameters));
  if (holding.looked_at.has_value()) {
    out.set_drift_json(DumpOrEmpty(holding.drift));
    *out.mutable_looked_at() = ToProto(*holding.looked_at);
  }
  for (const std::string& step : holding.steps) out.add_step_ids(step);
  *out.mutable_created_at() = ToProto(holding.created_at);
  *out.mutable_updated_at() = ToProto(holding.updated_at);
  return out;
}

purser::v1::Orphan ToProto(const provisioning::Orphan& orphan) {
  purser::v1::Orphan out;
  out.set_holding_id(orphan.holding_id);
  out.set_request_id(orphan.request_id);
  out.set_step_id(orphan.step_id);
  out.set_undo(orphan.undo);
  out.set_outputs_json(DumpOrEmpty(orphan.outputs));
  for (const std::string& id : orphan.resource_ids) out.add_resource_ids(id);
  out.set_owner(orphan.owner);
  out.set_blueprint(orphan.blueprint);
  out.set_request_state(ToProto(orphan.request_state));
  out.set_message(orphan.message);
  return out;
}

purser::v1::Decision ToProto(const provisioning::Decision& decision) {
  purser::v1::Decision out;
  out.set_id(decision.id);
  out.set_request_id(decision.request_id);
  out.set_requester(decision.requester);
  out.set_blueprint(decision.blueprint);
  out.set_kind(decision.kind);
  out.set_verdict(decision.verdict);
  out.set_detail_json(DumpOrEmpty(decision.detail));
  *out.mutable_at() = ToProto(decision.at);
  return out;
}

absl::StatusOr<std::vector<std::string>> RefsOf(
    const google::protobuf::RepeatedPtrField<std::string>& refs) {
  if (refs.size() > kMaxRefs) {
    return absl::InvalidArgumentError(
        absl::StrCat("belongs_to: ", refs.size(), " refs; at most ", kMaxRefs, " are allowed"));
  }
  std::vector<std::string> texts;
  for (const std::string& ref : refs) {
    if (ref.empty() || ref.size() > kMaxRefBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("belongs_to: refs have 1 to ", kMaxRefBytes, " bytes"));
    }
    texts.push_back(ref);
  }
  return texts;
}

}  // namespace purser::rpc

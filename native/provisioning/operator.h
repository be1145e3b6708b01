// What people say about requests under way: approvals, operators' verbs, deliveries from outside.
#ifndef PURSER_PROVISIONING_OPERATOR_H_
#define PURSER_PROVISIONING_OPERATOR_H_

#include <functional>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "provisioning/core.h"
#include "provisioning/run_recorder.h"
#include "provisioning/service.h"

namespace purser::provisioning {

// Each verb and its event are one transaction. Thread-safe.
class Operator {
 public:
  Operator(Core& core, RunRecorder& recorder) : core_(core), recorder_(recorder) {}

  absl::Status Approve(absl::string_view id, absl::string_view step_id, absl::string_view plan_hash,
                       const Actor& actor);
  absl::Status Reject(absl::string_view id, absl::string_view step_id, const Actor& actor);
  absl::Status Cancel(absl::string_view id, const Actor& actor);
  absl::Status Retry(absl::string_view id, const Actor& actor);
  absl::Status SkipStep(absl::string_view id, absl::string_view step_id, const Actor& actor);
  absl::Status MarkDone(absl::string_view id, absl::string_view step_id,
                        const nlohmann::json& outputs, const Actor& actor);
  absl::Status Deliver(const Delivery& delivery);
  absl::Status Renew(absl::string_view id, std::optional<absl::Time> until,
                     absl::string_view idempotency_key, const Actor& actor);
  absl::Status Protect(absl::string_view id, bool on, const Actor& actor);
  absl::Status ForgetOrphan(absl::string_view holding_id, absl::string_view step_id,
                            const Actor& actor);

 private:
  // What the trail says of a change.
  struct Note {
    std::string type;
    std::string message;
    nlohmann::json data;
  };
  absl::StatusOr<RequestRow> Row(absl::string_view id);
  absl::Status ApproveStep(const RequestRow& row, absl::string_view step_id,
                           absl::string_view plan_hash, bool approved, const Actor& actor);
  // Changes the holding within a change of its current run, and shows it; no note: nothing is to be
  // changed.
  absl::Status ChangeHolding(absl::string_view id,
                             const std::function<absl::StatusOr<std::optional<Note>>(
                                 workflow::Transition&, HoldingRow&, const Life&)>& change);

  Core& core_;
  RunRecorder& recorder_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_OPERATOR_H_

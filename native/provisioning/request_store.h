// The rows of requests.
#ifndef PURSER_PROVISIONING_REQUEST_STORE_H_
#define PURSER_PROVISIONING_REQUEST_STORE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "provisioning/service.h"
#include "store/store.h"

namespace purser::provisioning {

struct RequestRow {
  std::string id;
  std::string run_id;
  std::string blueprint;
  std::string blueprint_hash;
  std::string key;
  std::string input_hash;  // of what was asked for under the key
  std::string requester;
  std::string owner;
  std::string entity_ref;
  std::string parameters;  // JSON
  RequestState state = RequestState::kRunning;
  std::string message;
  std::string outputs;     // JSON
  int64_t created_at = 0;  // microseconds since 1970
  RequestKind kind = RequestKind::kCreate;
  std::string holding_id;   // what it makes or changes
  std::string plan = "{}";  // JSON: see Request::plan
  std::string plan_hash;    // what approvals are bound to
};

// A resource that a request's step recorded and that still exists.
struct RecordedResource {
  std::string step_id;
  std::string resource_id;
  std::string request_id;
};

absl::Status MigrateRequests(store::Database& database);

absl::Status InsertRequest(store::Connection& connection, const RequestRow& row);
absl::Status UpdateRequestState(store::Connection& connection, const RequestRow& row);
absl::StatusOr<std::optional<RequestRow>> FindRequest(store::Connection& connection,
                                                      absl::string_view id);
absl::StatusOr<std::optional<RequestRow>> FindRequestByKey(store::Connection& connection,
                                                           absl::string_view key);
// Newest first, filtered; one more than the page's size tells that there are
// more.
// `blueprints` are in place of the options'; none: any.
absl::StatusOr<std::vector<RequestRow>> ListRequestRows(store::Connection& connection,
                                                        const ListOptions& options,
                                                        const std::vector<std::string>& blueprints);
// "column IN ($n, …)" for these words, which are appended to the parameters.
std::string AnyOf(absl::string_view column, const std::vector<std::string>& words,
                  std::vector<store::Value>* parameters);
// The newest request for an entity that is in one of the given kinds of states.
absl::StatusOr<std::optional<RequestRow>> FindUnfinished(store::Connection& connection,
                                                         absl::string_view entity_ref);
absl::StatusOr<std::optional<RequestRow>> FindLastSucceeded(store::Connection& connection,
                                                            absl::string_view entity_ref,
                                                            absl::string_view except_id);

absl::Status RecordResource(store::Connection& connection, absl::string_view request_id,
                            const RecordedResource& resource);
absl::Status ForgetResource(store::Connection& connection, absl::string_view request_id,
                            const RecordedResource& resource);
absl::StatusOr<std::vector<RecordedResource>> RecordedResources(store::Connection& connection,
                                                                absl::string_view request_id);
// Of all requests of a holding.
absl::StatusOr<std::vector<RecordedResource>> ResourcesOfHolding(store::Connection& connection,
                                                                 absl::string_view holding_id);
// The newest request of a holding that has not ended.
absl::StatusOr<std::optional<RequestRow>> FindUnfinishedOfHolding(store::Connection& connection,
                                                                  absl::string_view holding_id);

// Somebody's word on a request (step "") or on a step that waits for approval.
struct ApprovalRow {
  std::string run_id;
  std::string step_id;
  std::string actor;
  std::string plan_hash;  // of what was approved
  bool approved = true;   // false: rejected
  std::string reason;
  int64_t at = 0;
};
absl::Status InsertApproval(store::Connection& connection, const ApprovalRow& row);
absl::StatusOr<std::vector<ApprovalRow>> Approvals(store::Connection& connection,
                                                   absl::string_view run_id);

absl::Status ForgetStepApprovals(store::Connection& connection, absl::string_view run_id);

// A message from outside that a step waits for. False when it was delivered
// before.
struct SignalRow {
  std::string run_id;
  std::string step_id;
  std::string delivery_id;
  std::string body;
  int64_t at = 0;
};
absl::StatusOr<bool> InsertSignal(store::Connection& connection, const SignalRow& row);
absl::StatusOr<int64_t> CountSignals(store::Connection& connection, absl::string_view run_id,
                                     absl::string_view step_id);
absl::StatusOr<std::optional<SignalRow>> FirstSignal(store::Connection& connection,
                                                     absl::string_view run_id,
                                                     absl::string_view step_id);

// What policy said, also of requests that it refused and that were never
// stored.
struct DecisionRow {
  std::string id;          // sorts by time
  std::string request_id;  // "" when refused
  std::string requester;
  std::string blueprint;
  std::string kind;
  std::string verdict;  // "allowed", "refused", "approval"
  std::string detail;   // JSON: the decisions with their reasons
  int64_t at = 0;
};
absl::Status InsertDecision(store::Connection& connection, const DecisionRow& row);
// Newest first, at most `limit`.
absl::StatusOr<std::vector<DecisionRow>> ListDecisions(store::Connection& connection, int limit);

// What counts against quotas: by request, so that a change counts as the larger
// of before and after until it ended.
struct UsageRow {
  std::string quota;
  std::string key;
  int64_t amount = 0;
};
absl::Status InsertUsage(store::Connection& connection, const RequestRow& request,
                         const std::vector<UsageRow>& rows);
// Of everybody but this holding.
absl::StatusOr<int64_t> UsageOfOthers(store::Connection& connection, absl::string_view quota,
                                      absl::string_view key, absl::string_view holding_id);
// A request ended: if it counts (`kept`), the holding's older ones do not any
// more; else it does not. `gone`: nothing of the holding counts.
absl::Status SettleUsage(store::Connection& connection, const RequestRow& request, bool kept,
                         bool gone);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_REQUEST_STORE_H_

// Provisioning: from a user's wish (a request) to durable runs of a blueprint's steps.
//
// The domain's front door; native/rpc maps it to gRPC one to one. All state lives in the store;
// every transition is one transaction that also appends the event with the next sequence number.
#ifndef PURSER_PROVISIONING_SERVICE_H_
#define PURSER_PROVISIONING_SERVICE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace purser::provisioning {

enum class RequestState {
  kWaitingApproval,
  kRunning,
  kWaiting,  // a timer, readiness or retry is pending; no thread is held
  kSucceeded,
  kFailed,  // after compensation, if the blueprint has any
  kCancelled,
  kNeedsOperator,  // outcome unknown or compensation failed; retry after a look
};
absl::string_view ToString(RequestState state);  // "waiting-approval", "running", …
absl::StatusOr<RequestState> ParseRequestState(absl::string_view text);
bool IsFinal(RequestState state);  // succeeded, failed, cancelled

enum class StepState { kPending, kRunning, kWaiting, kSucceeded, kFailed, kSkipped, kCompensated };
absl::string_view ToString(StepState state);

struct StepStatus {
  std::string id;
  std::string uses;  // "files/write"
  StepState state;
  int attempts = 0;
  std::string message;     // last progress or error, for people
  nlohmann::json outputs;  // of a completed step
  std::optional<absl::Time> started_at;
  std::optional<absl::Time> ended_at;
};

struct Request {
  std::string id;  // "req_…"
  std::string run_id;
  std::string blueprint;
  std::string blueprint_hash;  // pinned definition
  std::string idempotency_key;
  std::string requester;   // entity ref
  std::string owner;       // entity ref
  std::string entity_ref;  // of the resource entity it makes; "" when the blueprint maps none
  nlohmann::json parameters;
  RequestState state;
  std::string message;  // why it stands where it stands
  nlohmann::json outputs;
  std::vector<StepStatus> steps;  // empty in lists unless asked for
  absl::Time created_at;
  absl::Time updated_at;
  int64_t sequence = 0;  // of its last event
};

struct Event {
  int64_t sequence;  // global, gap-free per store, from 1
  std::string request_id;
  std::string step_id;  // "" for the request itself
  std::string type;     // "request.created", "step.started", "step.log", "step.succeeded", …
  std::string message;
  nlohmann::json data;
  absl::Time at;
};

struct CreateOptions {
  std::string blueprint;
  nlohmann::json parameters;
  std::string owner;            // entity ref; may be "" when the blueprint derives it
  std::string requester;        // entity ref
  std::string idempotency_key;  // 1..200 bytes; "" makes a fresh one
  bool dry_run = false;  // validates and plans, stores nothing; the answer has state and steps
};

struct ListOptions {
  std::string owner;      // "" = any
  std::string requester;  // "" = any
  std::string blueprint;
  std::string entity_ref;
  std::vector<RequestState> states;  // empty = any
  int page_size = 50;                // 1..500
  std::string page_token;
  bool with_steps = false;
};
struct RequestPage {
  std::vector<Request> requests;  // newest first
  std::string next_page_token;    // "" at the end
};

struct BlueprintInfo {
  std::string name;
  std::string title;
  std::string description;
  std::string hash;
  std::string file;
  nlohmann::json parameters_schema;
  std::vector<std::string> step_ids;
};

struct Actor {
  std::string ref;  // entity ref of who acts, for the audit trail
  std::string reason;
};

// Thread-safe. Errors: NOT_FOUND (request, blueprint), INVALID_ARGUMENT (parameters: every
// violation with its JSON pointer), ALREADY_EXISTS (key used with another input; says which
// request), FAILED_PRECONDITION (state does not allow it), RESOURCE_EXHAUSTED (limits, disk full).
class Service {
 public:
  virtual ~Service() = default;
  // Same key and same input: the first request again.
  virtual absl::StatusOr<Request> Create(const CreateOptions& options) = 0;
  virtual absl::StatusOr<Request> Get(absl::string_view id) = 0;
  virtual absl::StatusOr<RequestPage> List(const ListOptions& options) = 0;
  virtual absl::StatusOr<Request> Approve(absl::string_view id, const Actor& actor) = 0;
  virtual absl::StatusOr<Request> Cancel(absl::string_view id, const Actor& actor) = 0;
  // From failed or needs-operator: unfinished steps are due again; completed ones never run again.
  virtual absl::StatusOr<Request> Retry(absl::string_view id, const Actor& actor) = 0;

  // Events with a sequence above `after`, in order, of one request or of all (""). Follows until
  // the request is final (one request), `stop`, or a status other than OK from `on_event`. With
  // `follow` false it ends at the last stored event.
  virtual absl::Status Watch(absl::string_view request_id, int64_t after, bool follow,
                             std::stop_token stop,
                             const std::function<absl::Status(const Event&)>& on_event) = 0;

  virtual std::vector<BlueprintInfo> ListBlueprints() = 0;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_SERVICE_H_

// Provisioning: from a user's wish (a request) to durable runs of a blueprint's
// steps.
//
// The domain's front door; native/rpc maps it to gRPC one to one. All state
// lives in the store; every transition is one transaction that also appends the
// event with the next sequence number.
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

// What a request wants of a holding.
enum class RequestKind {
  kCreate,
  kChange,    // other parameters
  kTransfer,  // another owner
  kSuspend,
  kResume,
  kRepair,  // what drifted is applied again
  kDelete,
  kImport,  // takes on what is there already
};
absl::string_view ToString(RequestKind kind);  // "create", "change", …
absl::StatusOr<RequestKind> ParseRequestKind(absl::string_view text);

enum class HoldingState {
  kPending,  // its first request has not succeeded (yet)
  kActive,
  kSuspended,
  kDeleted,
};
absl::string_view ToString(HoldingState state);  // "pending", "active", …
absl::StatusOr<HoldingState> ParseHoldingState(absl::string_view text);

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
  std::string entity_ref;  // of the resource entity it makes; "" when the
                           // blueprint maps none
  nlohmann::json parameters;
  RequestState state;
  std::string message;  // why it stands where it stands
  nlohmann::json outputs;
  std::vector<StepStatus> steps;  // empty in lists unless asked for
  absl::Time created_at;
  absl::Time updated_at;
  int64_t sequence = 0;  // of its last event
  RequestKind kind = RequestKind::kCreate;
  std::string holding_id;  // of what it makes or changes
  // What was worked out before it began:
  //   {"changes": [{"path", "from", "to"}], "steps": [{"step", "effect",
  //   "paths"}],
  //    "quote": {"monthly", "currency", "before", "lines"}, "decisions":
  //    [{"policy", "rule", "effect", "reason"}], "approval": {"count",
  //    "fourEyes", "from"}, "environment", "classification", "leaves": [step
  //    ids that it would not touch any more]}
  // Members without content are left out. Money is decimal text.
  nlohmann::json plan;
  std::string plan_hash;  // what approvals are bound to; "" when nothing was stored
  struct Word {
    std::string step_id;  // "" for the request itself
    std::string actor;
    std::string plan_hash;
    bool approved = true;
    std::string reason;
    absl::Time at;
  };
  std::vector<Word> approvals;  // not in lists
};

// What a request made and its owner keeps. Its id is that of the request that
// made it.
struct Holding {
  std::string id;
  std::string blueprint;
  std::string owner;
  std::string entity_ref;
  HoldingState state = HoldingState::kPending;
  std::string current_request;  // the last that succeeded; "" before
  std::string open_request;     // the one that works on it now; ""
  std::string environment;
  bool is_protected = false;
  std::optional<absl::Time> expires_at;
  nlohmann::json parameters;  // of the current request
  // Of the last look: {"drifted": bool, "steps": [{"step", "state": "same" |
  // "differs" | "gone" | "unknown", "detail"}]}; {} before.
  nlohmann::json drift;
  std::optional<absl::Time> looked_at;
  std::vector<std::string> steps;  // that would be undone, latest first; not in lists
  absl::Time created_at;
  absl::Time updated_at;
};

struct ListHoldingsOptions {
  std::string owner;  // "" = any
  std::string entity_ref;
  std::string blueprint;  // as above
  std::optional<HoldingState> state;
  absl::Time expires_before = absl::InfiniteFuture();
  bool drifted = false;  // only those
  int page_size = 50;    // 1..500
  std::string page_token;
};
struct HoldingPage {
  std::vector<Holding> holdings;  // newest first
  std::string next_page_token;    // "" at the end
};

// Something a step made that no request will undo by itself.
struct Orphan {
  std::string holding_id;
  std::string request_id;
  std::string step_id;
  std::string undo;        // "connector/operation" that would take it away
  nlohmann::json outputs;  // its input
  std::vector<std::string> resource_ids;
  std::string owner;
  std::string blueprint;
  RequestState request_state = RequestState::kFailed;
  std::string message;  // why the request stands where it stands
};
struct OrphanPage {
  std::vector<Orphan> orphans;
  std::string next_page_token;
};

// What policy decided on a request, refused ones included.
struct Decision {
  std::string id;
  std::string request_id;  // "" when it was refused
  std::string requester;
  std::string blueprint;
  std::string kind;
  std::string verdict;    // "allowed", "approval", "refused"
  nlohmann::json detail;  // [{"policy", "rule", "effect", "reason"}]
  absl::Time at;
};

// A message from outside for a step that waits for it (wait/webhook).
struct Delivery {
  std::string request_id;
  std::string step_id;
  std::string body;         // JSON, at most kMaxDeliveryBytes
  std::string signature;    // "sha256=<hex>" of HMAC-SHA256
  std::string timestamp;    // seconds since 1970, a part of what is signed; ""
                            // when the step says so
  std::string delivery_id;  // the sender's; the same one twice is stored once
};
inline constexpr size_t kMaxDeliveryBytes = 256 << 10;

struct Event {
  int64_t sequence;  // global, gap-free per store, from 1
  std::string request_id;
  std::string step_id;  // "" for the request itself
  std::string type;     // "request.created", "step.started", "step.log",
                        // "step.succeeded", …
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
  bool dry_run = false;         // validates and plans, stores nothing; the answer has
                                // state and steps
  RequestKind kind = RequestKind::kCreate;
  // For all kinds but create and import: the holding, by its id, that of one of
  // its requests, or the ref of its entity. `parameters` of a change are merged into what it has
  // (JSON merge patch), `owner` is that of a transfer.
  std::string holding;
  // For import: outputs of steps, as their calls would have given them, by step
  // id.
  nlohmann::json imported;
};

struct ListOptions {
  std::string owner;      // "" = any
  std::string requester;  // "" = any
  std::string blueprint;  // its name, or that of a product: of all blueprints that make it
  std::string entity_ref;
  std::string holding_id;
  std::string key;  // idempotency key
  std::optional<RequestKind> kind;
  absl::Time created_after = absl::InfinitePast();     // inclusive
  absl::Time created_before = absl::InfiniteFuture();  // exclusive
  std::vector<RequestState> states;                    // empty = any
  int page_size = 50;                                  // 1..500
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
  // Groups (and other entities) the actor belongs to, as the caller knows them.
  std::vector<std::string> belongs_to = {};
};

// How far the trail reaches, and the first thing wrong with it.
struct AuditReport {
  int64_t events = 0;
  int64_t forgotten = 0;  // rows of requests that are not kept any more
  std::string fault;      // "" when every row is as it was written
};

// Thread-safe. Errors: NOT_FOUND (request, blueprint), INVALID_ARGUMENT
// (parameters: every violation with its JSON pointer), ALREADY_EXISTS (key used
// with another input; says which request), FAILED_PRECONDITION (state does not
// allow it), RESOURCE_EXHAUSTED (limits, disk full).
class Service {
 public:
  virtual ~Service() = default;
  // Same key and same input: the first request again.
  virtual absl::StatusOr<Request> Create(const CreateOptions& options) = 0;
  virtual absl::StatusOr<Request> Get(absl::string_view id) = 0;
  virtual absl::StatusOr<RequestPage> List(const ListOptions& options) = 0;
  // Starts a request that waits for approval, when this is the last one it
  // needs; with a step id: the step that waits for it (wait/approval).
  // `plan_hash` is what the actor saw: PERMISSION_DENIED when the request's
  // differs; "" is taken for what stands there now.
  virtual absl::StatusOr<Request> Approve(absl::string_view id, absl::string_view step_id,
                                          absl::string_view plan_hash, const Actor& actor) = 0;
  // The opposite: cancels the request, or fails the step.
  virtual absl::StatusOr<Request> Reject(absl::string_view id, absl::string_view step_id,
                                         const Actor& actor) = 0;
  virtual absl::StatusOr<Request> Cancel(absl::string_view id, const Actor& actor) = 0;
  // From failed or needs-operator: unfinished steps are due again; completed
  // ones never run again.
  virtual absl::StatusOr<Request> Retry(absl::string_view id, const Actor& actor) = 0;
  // An operator's word on a step that failed, waits, or of which nobody knows;
  // see workflow::Transition.
  virtual absl::StatusOr<Request> SkipStep(absl::string_view id, absl::string_view step_id,
                                           const Actor& actor) = 0;
  virtual absl::StatusOr<Request> MarkDone(absl::string_view id, absl::string_view step_id,
                                           const nlohmann::json& outputs, const Actor& actor) = 0;
  // A new request of the same definition and parameters that begins at
  // `step_id`: the completed steps that do not depend on it are taken over.
  // Only for requests that have ended.
  virtual absl::StatusOr<Request> Fork(absl::string_view id, absl::string_view step_id,
                                       absl::string_view idempotency_key, const Actor& actor) = 0;
  // Verifies and stores. PERMISSION_DENIED whatever is wrong with who sends it,
  // so that nothing is told to strangers; RESOURCE_EXHAUSTED for a body too
  // large.
  virtual absl::Status Deliver(const Delivery& delivery) = 0;

  // Holdings are named by their id, that of one of their requests, or the ref of their entity.
  virtual absl::StatusOr<Holding> GetHolding(absl::string_view id) = 0;
  virtual absl::StatusOr<HoldingPage> ListHoldings(const ListHoldingsOptions& options) = 0;
  // Moves the expiry: to `until`, or by what the blueprint gives when that is
  // not set. The same key for the same holding again changes nothing ("": no key).
  virtual absl::StatusOr<Holding> Renew(absl::string_view id, std::optional<absl::Time> until,
                                        absl::string_view idempotency_key, const Actor& actor) = 0;
  // Whether deleting is refused.
  virtual absl::StatusOr<Holding> Protect(absl::string_view id, bool on, const Actor& actor) = 0;
  // Compares what is outside with what was applied, now.
  virtual absl::StatusOr<Holding> Inspect(absl::string_view id, std::stop_token stop) = 0;
  // What is left outside of requests that failed, were cancelled or parked.
  // Takes one off the list when an operator has seen to it.
  virtual absl::StatusOr<OrphanPage> ListOrphans(int page_size, absl::string_view page_token) = 0;
  virtual absl::Status ForgetOrphan(absl::string_view holding_id, absl::string_view step_id,
                                    const Actor& actor) = 0;
  virtual absl::StatusOr<std::vector<Decision>> ListDecisions(int limit) = 0;  // newest first
  // Walks the whole trail.
  virtual absl::StatusOr<AuditReport> VerifyAudit() = 0;

  // Events with a sequence above `after`, in order, of one request or of all
  // (""). Follows until the request is final (one request), `stop`, or a status
  // other than OK from `on_event`. With `follow` false it ends at the last
  // stored event.
  virtual absl::Status Watch(absl::string_view request_id, int64_t after, bool follow,
                             std::stop_token stop,
                             const std::function<absl::Status(const Event&)>& on_event) = 0;

  virtual std::vector<BlueprintInfo> ListBlueprints() = 0;
  // The definition, by name (as it is now) or by the hash that a request
  // pinned.
  virtual absl::StatusOr<nlohmann::json> GetBlueprint(absl::string_view name_or_hash) = 0;
  // INVALID_ARGUMENT lists every fault of the text, one a line, each with
  // file:line:column.
  virtual absl::Status CheckBlueprintText(absl::string_view text, absl::string_view file) = 0;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_SERVICE_H_

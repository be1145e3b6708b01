// Connectors: code that speaks to one outside system, behind one interface.
//
// A step of a blueprint is one call of a connector's operation. The engine journals before and
// after each call and may repeat an unfinished one with the same effect key; how far that is
// harmless is declared by the operation's call class. A folder native/connectors/<system> holds the
// client interface (XClient), HttpXClient, FakeXClient and the operations.
#ifndef PURSER_CONNECTORS_CONNECTOR_H_
#define PURSER_CONNECTORS_CONNECTOR_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "action/action.h"
#include "base/clock.h"
#include "base/rng.h"
#include "http/transport.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// What a repeat of the same call does to the outside system.
enum class CallClass {
  kPut,     // declarative: the same call gives the same state (server-side apply, a file's content)
  kKeyed,   // the peer honours our effect key (client token, idempotency header)
  kProbe,   // Probe tells whether it happened; only then it is called again
  kUnsafe,  // at most once; an unknown outcome stops the run for an operator
};

struct Operation {
  std::string name;  // "apply"; a step says "uses: kubernetes/apply"
  std::string description;
  CallClass call_class;
  nlohmann::json input_schema;   // JSON Schema of `with`
  nlohmann::json output_schema;  // of what outputs hold
  std::string compensation;      // operation that undoes it, with the step's outputs; "" when none
};

// A thing a call made and which lives on outside.
struct OutsideResource {
  std::string id;    // the system's own id, as billing files name it where they do (ARN, URL, path)
  std::string type;  // "bucket", "Deployment", …
  std::string name;  // for people
  nlohmann::json attributes;  // links, regions …; no secrets
};

struct CallResult {
  nlohmann::json outputs = nlohmann::json::object();
  std::vector<OutsideResource> resources;
  // Not ready yet: the engine calls Observe after `poll_after` (without holding a thread) until it
  // is.
  bool ready = true;
  absl::Duration poll_after = absl::Seconds(2);
  std::string progress;  // one line for people while not ready
};

// What is outside, compared with what a call made there.
struct Comparison {
  enum class State { kSame, kDiffers, kGone };
  State state = State::kSame;
  std::string detail;  // what differs, for people; no secrets
};

class CallContext {
 public:
  virtual ~CallContext() = default;
  virtual const std::string& effect_key() const = 0;  // run/step/incarnation
  virtual std::stop_token stop() const = 0;
  virtual absl::Time deadline() const = 0;
  virtual void Log(action::LogLevel level, absl::string_view line) = 0;
  // The value behind a reference such as "env:GITHUB_TOKEN" or "file:/run/secrets/x". Only for use
  // inside this call; never logged, journaled or returned.
  virtual absl::StatusOr<std::string> ResolveSecret(absl::string_view reference) = 0;
  // Makes the engine look at this step at once, if it waits by then: for connectors that are told
  // of changes outside. A hint that may be lost: poll_after stays the promise. To be called by any
  // thread at any time, also when the step is long over; it returns at once. Empty: nobody to tell.
  virtual std::function<void()> Waker() { return {}; }
};

// Thread-safe: several steps may call at once. Errors: UNAVAILABLE/DEADLINE_EXCEEDED/ABORTED/
// RESOURCE_EXHAUSTED are retried, everything else is permanent; an error marked
// base::SetOutcomeUnknown is handled by call class; base::SetRetryAfterMillis is obeyed.
class Connector {
 public:
  virtual ~Connector() = default;
  virtual const std::string& name() const = 0;  // "kubernetes"
  virtual const std::vector<Operation>& operations() const = 0;

  // Does the operation. `input` passed the operation's input_schema.
  virtual absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                          CallContext& context) = 0;
  // For kProbe: the result of an earlier Call with this effect key, or nullopt when it never
  // happened. Others need not implement it.
  virtual absl::StatusOr<std::optional<CallResult>> Probe(absl::string_view operation,
                                                          const nlohmann::json& input,
                                                          CallContext& context);
  // Looks again at something not ready; `previous` is what Call or the last Observe gave.
  virtual absl::StatusOr<CallResult> Observe(absl::string_view operation,
                                             const nlohmann::json& input,
                                             const CallResult& previous, CallContext& context);
  // Takes on what is there already, as if a Call with this input had made it, and changes nothing.
  // `told`: what people say of it, in place of outputs. NOT_FOUND when it is not there. By default
  // it is looked at by Observe, and who cannot look believes what is told.
  virtual absl::StatusOr<CallResult> Import(absl::string_view operation,
                                            const nlohmann::json& input, const nlohmann::json& told,
                                            CallContext& context);
  // Whether what a Call with this input made is still as it made it; `applied` is what it gave.
  // Changes nothing. By default it is looked at by Observe: gone when that says NOT_FOUND,
  // different when it is not ready any more or its outputs are others. UNIMPLEMENTED: nobody can
  // tell.
  virtual absl::StatusOr<Comparison> Compare(absl::string_view operation,
                                             const nlohmann::json& input, const CallResult& applied,
                                             CallContext& context);
};

// What a connector is made with. Each one offers
//   static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(absl::string_view name,
//       const nlohmann::json& config, const ConnectorDependencies& dependencies);
//   static const nlohmann::json& ConfigSchema();
// where FromConfig reports every fault of the config at once (json::ToStatus).
struct ConnectorDependencies {
  http::Transport& transport;  // guarded and retrying; outlives the connector
  base::Clock& clock;
  base::Rng& rng;
  // What a secret reference of the config itself stands for ("file:/etc/…"); the steps' own come
  // through CallContext::ResolveSecret.
  std::function<absl::StatusOr<std::string>(absl::string_view reference)> resolve_secret;
  // A connector that was made before, for those that stand on another one; nullptr when there is
  // none. It outlives the one that is made.
  std::function<Connector*(absl::string_view name)> find = {};
};

// All connectors a sidecar is configured with, by name.
using Connectors = std::map<std::string, std::unique_ptr<Connector>, std::less<>>;

// The operation, or NOT_FOUND naming the ones there are. `uses` is "connector/operation".
struct Resolved {
  Connector* connector;
  const Operation* operation;
};
absl::StatusOr<Resolved> Resolve(const Connectors& connectors, absl::string_view uses);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_CONNECTOR_H_

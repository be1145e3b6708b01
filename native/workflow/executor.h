// What the engine asks of those who know what steps mean. Provisioning adapts connectors to it;
// tests give their own.
#ifndef PURSER_WORKFLOW_EXECUTOR_H_
#define PURSER_WORKFLOW_EXECUTOR_H_

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "workflow/definition.h"

namespace purser::workflow {

// What a repeat of a call does; see connectors/connector.h.
enum class CallClass { kPut, kKeyed, kProbe, kUnsafe };
enum class Direction { kDo, kUndo };
enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct StepTraits {
  CallClass call_class = CallClass::kPut;
  bool has_undo = false;  // for Direction::kDo: can it be compensated
};

// What a call gave. `resources` is opaque to the engine and handed to the observer.
struct CallResult {
  nlohmann::json outputs = nlohmann::json::object();
  nlohmann::json resources = nlohmann::json::array();
  bool ready = true;
  absl::Duration poll_after = absl::Seconds(2);
  std::string progress;
};

class CallContext {
 public:
  virtual ~CallContext() = default;
  virtual const std::string& effect_key() const = 0;  // run/step/incarnation[/undo]
  virtual std::stop_token stop() const = 0;
  virtual absl::Time deadline() const = 0;
  virtual void Log(LogLevel level, absl::string_view line) = 0;
};

// A run as expressions may see it.
struct RunView {
  std::string id;
  std::string subject;
  std::shared_ptr<const Definition> definition;
  nlohmann::json input;                                        // as given to Begin
  std::map<std::string, nlohmann::json, std::less<>> outputs;  // of completed steps; skipped: {}
};

struct Prepared {
  bool skip = false;  // the step's condition is false
  nlohmann::json input;
};

struct StepCall {
  const RunView& run;
  const StepDefinition& step;
  Direction direction;
  const nlohmann::json& input;  // kDo: from Prepare; kUndo: the step's outputs
};

// Thread-safe. Call, Probe and Observe may take long and reach outside; the others are pure and
// quick (they run inside transactions). Errors: UNAVAILABLE, DEADLINE_EXCEEDED, ABORTED and
// RESOURCE_EXHAUSTED are retried; an error with base::SetOutcomeUnknown is handled by call class;
// everything else is permanent.
class StepExecutor {
 public:
  virtual ~StepExecutor() = default;
  // The definition behind a stored body.
  virtual absl::StatusOr<std::shared_ptr<const Definition>> Parse(absl::string_view hash,
                                                                  absl::string_view body) = 0;
  virtual absl::StatusOr<StepTraits> Traits(const StepDefinition& step, Direction direction) = 0;
  // Must give the same answer for the same run: it is asked again after a crash.
  virtual absl::StatusOr<Prepared> Prepare(const RunView& run, const StepDefinition& step) = 0;
  virtual absl::StatusOr<CallResult> Call(const StepCall& call, CallContext& context) = 0;
  virtual absl::StatusOr<std::optional<CallResult>> Probe(const StepCall& call,
                                                          CallContext& context) = 0;
  virtual absl::StatusOr<CallResult> Observe(const StepCall& call, const CallResult& previous,
                                             CallContext& context) = 0;
  // The run's outputs once all steps are done; an error fails the run.
  virtual absl::StatusOr<nlohmann::json> Finish(const RunView& run) = 0;
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_EXECUTOR_H_

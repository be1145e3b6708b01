// Connectors as the workflow engine's executor: renders inputs, checks them,
// calls.
#ifndef PURSER_PROVISIONING_CONNECTOR_EXECUTOR_H_
#define PURSER_PROVISIONING_CONNECTOR_EXECUTOR_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/metrics.h"
#include "base/mutex.h"
#include "connectors/connector.h"
#include "json/json.h"
#include "provisioning/blueprint.h"
#include "provisioning/engine.h"
#include "provisioning/step_waker.h"
#include "workflow/executor.h"

namespace purser::provisioning {

// What expressions see: {"parameters", "request", "steps": {id: {"outputs"}}}.
nlohmann::json ExpressionContext(const workflow::RunView& run);
// The same for one step: with `item` and `index` when it is one of several.
nlohmann::json StepContext(const workflow::RunView& run, absl::string_view step_id);

// Thread-safe.
class ConnectorExecutor final : public workflow::StepExecutor {
 public:
  // `wait` serves "wait/…"; `metrics` and `waker` may be null. All must outlive it.
  ConnectorExecutor(const connectors::Connectors& connectors, connectors::Connector& wait,
                    SecretResolver resolve_secret, base::Metrics* metrics, const StepWaker* waker)
      : connectors_(connectors),
        wait_(wait),
        resolve_secret_(std::move(resolve_secret)),
        metrics_(metrics),
        waker_(waker) {}

  absl::StatusOr<std::shared_ptr<const workflow::Definition>> Parse(
      absl::string_view hash, absl::string_view body) override;
  absl::StatusOr<workflow::StepTraits> Traits(const workflow::StepDefinition& step,
                                              workflow::Direction direction) override;
  absl::StatusOr<workflow::Prepared> Prepare(const workflow::RunView& run,
                                             const workflow::StepDefinition& step) override;
  absl::StatusOr<workflow::CallResult> Call(const workflow::StepCall& call,
                                            workflow::CallContext& context) override;
  absl::StatusOr<std::optional<workflow::CallResult>> Probe(
      const workflow::StepCall& call, workflow::CallContext& context) override;
  absl::StatusOr<workflow::CallResult> Observe(const workflow::StepCall& call,
                                               const workflow::CallResult& previous,
                                               workflow::CallContext& context) override;
  absl::StatusOr<nlohmann::json> Finish(const workflow::RunView& run) override;

  // "connector/operation" that undoes the step; "" when it is kept or nothing
  // does.
  absl::StatusOr<std::string> UndoOf(const workflow::StepDefinition& step);
  // The value behind a secret reference.
  absl::StatusOr<std::string> ResolveSecret(absl::string_view reference) const;
  // Whether what a completed step made is still so.
  absl::StatusOr<connectors::Comparison> Compare(const workflow::RunView& run,
                                                 const workflow::StepDefinition& step,
                                                 const nlohmann::json& outputs, absl::Time deadline,
                                                 std::stop_token stop);

 private:
  struct Target {
    connectors::Connector* connector;
    const connectors::Operation* operation;
    std::string uses;
  };
  absl::StatusOr<Target> Resolve(const workflow::StepDefinition& step,
                                 workflow::Direction direction);
  absl::Status CheckInput(const Target& target, const nlohmann::json& input);
  // The engine's form of a result, with the resources that the blueprint adds.
  absl::StatusOr<workflow::CallResult> Adopt(const workflow::StepCall& call, const Target& target,
                                             connectors::CallResult result);

  // Finds what is there already instead of calling.
  absl::StatusOr<connectors::CallResult> TakeOn(const workflow::StepCall& call,
                                                const Target& target,
                                                connectors::CallContext& context);
  absl::StatusOr<connectors::CallResult> CallTimed(const workflow::StepCall& call,
                                                   const Target& target,
                                                   connectors::CallContext& context);

  const connectors::Connectors& connectors_;
  connectors::Connector& wait_;
  const SecretResolver resolve_secret_;
  base::Metrics* const metrics_;
  const StepWaker* const waker_;
  base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const purser::json::Schema>, std::less<>> schemas_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_CONNECTOR_EXECUTOR_H_

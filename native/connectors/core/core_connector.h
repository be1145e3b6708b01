// The connector "core": steps that need no outside system.
//
//   noop  gives its input back as outputs: to name a value once, to join branches, to measure the
//         engine
//   wait  is ready after a while, without holding a thread
#ifndef PURSER_CONNECTORS_CORE_CORE_CONNECTOR_H_
#define PURSER_CONNECTORS_CORE_CORE_CONNECTOR_H_

#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"

namespace purser::connectors {

// Thread-safe.
class CoreConnector final : public Connector {
 public:
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();

  // `clock` must outlive it.
  CoreConnector(absl::string_view name, base::Clock& clock);

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override { return operations_; }
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;
  absl::StatusOr<CallResult> Observe(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& previous, CallContext& context) override;

 private:
  const std::string name_;
  const std::vector<Operation> operations_;
  base::Clock& clock_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_CORE_CORE_CONNECTOR_H_

// A connector that answers by a script and remembers what it was asked.
#ifndef PURSER_PROVISIONING_SCRIPTED_CONNECTOR_H_
#define PURSER_PROVISIONING_SCRIPTED_CONNECTOR_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "connectors/connector.h"
#include "nlohmann/json.hpp"

namespace purser::provisioning {

// What all scripted connectors of a run share. Thread-safe.
class Script {
 public:
  // `answers`: by step id, one answer or a list of them, one for each call: {"outputs",
  // "resources"} or {"error": {"code", "message"}}. The last one of a list is given again and
  // again.
  explicit Script(nlohmann::json answers) : answers_(std::move(answers)) {}

  absl::StatusOr<connectors::CallResult> Answer(absl::string_view effect_key,
                                                const nlohmann::json& input);
  // The last input of each step, and those undone, in order.
  std::map<std::string, nlohmann::json> Inputs();
  std::vector<std::string> Undone();

 private:
  const nlohmann::json answers_;
  base::Mutex mutex_;
  std::map<std::string, size_t> calls_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, nlohmann::json> inputs_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> undone_ ABSL_GUARDED_BY(mutex_);
};

// Operations of one connector; any input suits them.
class ScriptedConnector final : public connectors::Connector {
 public:
  // `operations`: name → compensation ("" for none).
  ScriptedConnector(absl::string_view name, const std::map<std::string, std::string>& operations,
                    Script& script);
  const std::string& name() const override { return name_; }
  const std::vector<connectors::Operation>& operations() const override { return operations_; }
  absl::StatusOr<connectors::CallResult> Call(absl::string_view operation,
                                              const nlohmann::json& input,
                                              connectors::CallContext& context) override;

 private:
  const std::string name_;
  std::vector<connectors::Operation> operations_;
  Script& script_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_SCRIPTED_CONNECTOR_H_

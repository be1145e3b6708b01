// The machine-readable output of terraform's plan and apply (-json): one event a line.
#ifndef PURSER_CONNECTORS_TERRAFORM_TERRAFORM_EVENTS_H_
#define PURSER_CONNECTORS_TERRAFORM_TERRAFORM_EVENTS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "action/action.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

inline constexpr size_t kMaxTerraformLogLines = 1000;   // of a run that are passed on
inline constexpr size_t kMaxTerraformDiagnostics = 50;  // kept
inline constexpr size_t kMaxPlannedChanges = 500;       // listed one by one

struct TerraformLock {
  std::string id;  // for force-unlock
  std::string who;
};

// Collects what a run said. Not thread-safe.
class TerraformEvents {
 public:
  // `log` gets lines for people, at most kMaxTerraformLogLines.
  explicit TerraformEvents(std::function<void(action::LogLevel, absl::string_view)> log)
      : log_(std::move(log)) {}
  // One line; what is no event is passed over.
  void Add(absl::string_view line);

  // Errors and where they are, one a line; "" when there were none.
  std::string Errors() const;
  // Who holds the state's lock, when that was an error.
  bool lock_held() const { return lock_held_; }
  const TerraformLock& lock() const { return lock_; }
  // The plan does not fit the state any more.
  bool stale() const { return stale_; }
  // {"add", "change", "remove", "import"}: how many.
  const nlohmann::json& summary() const { return summary_; }
  // {"address", "action"} of each.
  const nlohmann::json& changes() const { return changes_; }
  // name → {"sensitive", "value"?, "type"}, as the run printed them.
  const nlohmann::json& outputs() const { return outputs_; }

 private:
  void Log(action::LogLevel level, absl::string_view line);

  std::function<void(action::LogLevel, absl::string_view)> log_;
  size_t lines_ = 0;
  std::vector<std::string> errors_;
  bool lock_held_ = false;
  bool stale_ = false;
  TerraformLock lock_;
  nlohmann::json summary_ = nlohmann::json::object();
  nlohmann::json changes_ = nlohmann::json::array();
  nlohmann::json outputs_ = nlohmann::json::object();
};

// name → value, a sensitive one as the reference "terraform:<root>#<name>".
nlohmann::json ShownOutputs(const nlohmann::json& outputs, absl::string_view root);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_TERRAFORM_TERRAFORM_EVENTS_H_

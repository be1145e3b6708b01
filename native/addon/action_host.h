// Runs portal actions: reads the request, checks it, gives the action its context, cleans what
// leaves.
#ifndef PURSER_ADDON_ACTION_HOST_H_
#define PURSER_ADDON_ACTION_HOST_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "action/action.h"
#include "addon/caller.h"
#include "base/mutex.h"
#include "json/json.h"

namespace purser::addon {

inline constexpr size_t kMaxOutputs = 1000;
inline constexpr size_t kMaxOutputBytes = 16 << 20;  // of all outputs of one run

// Thread-safe: several Run at once.
class ActionHost {
 public:
  explicit ActionHost(std::unique_ptr<action::Registry> registry)
      : registry_(std::move(registry)) {}

  // JSON array of action::ToJson.
  std::string List() const;

  // `request_json`: {"input": {…}, "workspace": absolute path, "secrets": {name: value},
  // "idempotencyKey", "user", "dryRun"}; only `input` is required. Blocks until the action ended.
  // Defaults of the schema are filled in first; INVALID_ARGUMENT lists every violation. CANCELLED
  // when stop was requested and the action did not finish. No secret is in the status's text.
  absl::Status Run(absl::string_view id, absl::string_view request_json, Caller& caller);

 private:
  absl::StatusOr<std::shared_ptr<const json::Schema>> InputSchema(const action::Action& action);

  const std::unique_ptr<action::Registry> registry_;
  base::Mutex mutex_;
  std::map<std::string, std::shared_ptr<const json::Schema>, std::less<>> schemas_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_ACTION_HOST_H_

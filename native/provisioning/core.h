// What the parts of the provisioning service share. Private to this folder.
#ifndef PURSER_PROVISIONING_CORE_H_
#define PURSER_PROVISIONING_CORE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "provisioning/blueprint.h"
#include "provisioning/connector_executor.h"
#include "provisioning/engine.h"
#include "provisioning/policy.h"
#include "provisioning/request_store.h"
#include "workflow/definition_cache.h"
#include "workflow/engine.h"

namespace purser::provisioning {

inline constexpr size_t kMaxKeyBytes = 200;
inline constexpr size_t kMaxParametersBytes = 1 << 20;
inline constexpr size_t kMaxReasonBytes = 1024;
inline constexpr int kMaxPageSize = 500;
inline constexpr char kRequestPrefix[] = "req_";
// Who acts when nobody asked: expiry, repairs.
inline constexpr char kPurserRef[] = "component:default/purser";

struct Core {
  const Options& options;
  store::Database& database;
  const Blueprints& blueprints;
  const Policies& policies;
  ConnectorExecutor& executor;
  workflow::DefinitionCache& definitions;
  workflow::Engine* engine = nullptr;  // set once it is open
};

absl::Status UnknownRequest(absl::string_view id);
absl::StatusOr<std::string> NormalRef(absl::string_view text, absl::string_view kind,
                                      absl::string_view what);
// A time of the store, microseconds since 1970, as people read it.
std::string MicrosText(int64_t micros);
nlohmann::json ParseJsonOr(absl::string_view text, nlohmann::json fallback);
// NOT_FOUND names those there are.
absl::StatusOr<std::shared_ptr<const Blueprint>> FindBlueprint(const Blueprints& blueprints,
                                                               absl::string_view name);
// NOT_FOUND.
absl::StatusOr<RequestRow> GetRequestRow(store::Connection& connection, absl::string_view id);
// Checked and cleaned for the trail.
absl::StatusOr<workflow::Actor> ToActor(const Actor& actor);

// A run as its expressions see it, at its end or in the middle.
absl::StatusOr<workflow::RunView> LoadView(store::Connection& connection,
                                           workflow::DefinitionCache& definitions,
                                           absl::string_view run_id);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_CORE_H_

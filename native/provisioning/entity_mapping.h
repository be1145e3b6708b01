// From a request to the catalog entity that shows it.
#ifndef PURSER_PROVISIONING_ENTITY_MAPPING_H_
#define PURSER_PROVISIONING_ENTITY_MAPPING_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "provisioning/blueprint.h"
#include "provisioning/service.h"

namespace purser::provisioning {

inline constexpr char kAnnotationRequestId[] = "purser.dev/request-id";
inline constexpr char kAnnotationState[] = "purser.dev/state";
inline constexpr char kAnnotationResourceIds[] = "purser.dev/resource-ids";  // a JSON array
inline constexpr char kAnnotationExpiresAt[] = "purser.dev/expires-at";
inline constexpr char kAnnotationBlueprint[] = "purser.dev/blueprint";

struct EntityInput {
  std::string request_id;
  std::string owner;
  RequestState state;
  nlohmann::json context;  // what expressions see; "steps" has completed steps only
  nlohmann::json outputs;  // of the blueprint; its "links" become links of the entity
  std::vector<std::string> resource_ids;
  std::optional<absl::Time> expires_at = {};
  nlohmann::json links = nlohmann::json::array();  // behind all others
  bool complete = false;                           // all steps are done: every expression must hold
};

// The entity, valid, with owner, annotations and links. While not `complete`,
// members that use steps or outputs are left out, and list elements that lost a
// member as well. INVALID_ARGUMENT lists what is wrong with the result.
absl::StatusOr<nlohmann::json> BuildEntity(const Blueprint& blueprint, const EntityInput& input);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_ENTITY_MAPPING_H_

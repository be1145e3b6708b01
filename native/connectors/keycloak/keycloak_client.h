// What Purser asks of a realm of Keycloak: its users, its groups, and who is in them.
#ifndef PURSER_CONNECTORS_KEYCLOAK_KEYCLOAK_CLIENT_H_
#define PURSER_CONNECTORS_KEYCLOAK_KEYCLOAK_CLIENT_H_

#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

// Thread-safe. Errors: UNAUTHENTICATED (client id or secret), PERMISSION_DENIED (the client's
// service account lacks realm-management's view-users), NOT_FOUND (no such realm), UNAVAILABLE,
// ABORTED (what was listed changed meanwhile, or the server repeats itself: list again),
// RESOURCE_EXHAUSTED. A status other than OK from a callback ends the listing with it.
class KeycloakClient {
 public:
  // UserRepresentation and GroupRepresentation as the Admin REST API has them.
  using OnItem = std::function<absl::Status(const nlohmann::json& item)>;
  // `parent_id` is "" at the top.
  using OnGroup =
      std::function<absl::Status(const nlohmann::json& group, const std::string& parent_id)>;

  virtual ~KeycloakClient() = default;
  virtual absl::Status ListUsers(const OnItem& on_user, std::stop_token stop) = 0;
  // Parents before their children.
  virtual absl::Status ListGroups(const OnGroup& on_group, std::stop_token stop) = 0;
  // Direct members.
  virtual absl::Status ListMembers(absl::string_view group_id, const OnItem& on_user,
                                   std::stop_token stop) = 0;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KEYCLOAK_KEYCLOAK_CLIENT_H_

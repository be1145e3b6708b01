// What Purser asks of an Okta organisation: its users, its groups, and who is in them.
#ifndef PURSER_CONNECTORS_OKTA_OKTA_CLIENT_H_
#define PURSER_CONNECTORS_OKTA_OKTA_CLIENT_H_

#include <functional>
#include <stop_token>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

// Thread-safe. Errors: UNAUTHENTICATED, PERMISSION_DENIED (a scope or a role is missing),
// NOT_FOUND, UNAVAILABLE (with the pause that the rate limit asks for), ABORTED (the server repeats
// itself), RESOURCE_EXHAUSTED. A status other than OK from a callback ends the listing with it.
class OktaClient {
 public:
  // User and Group objects as the Management API has them.
  using OnItem = std::function<absl::Status(const nlohmann::json& item)>;

  virtual ~OktaClient() = default;
  // `search` is an expression of Okta's (status eq "ACTIVE"), "" for all but deprovisioned users.
  virtual absl::Status ListUsers(absl::string_view search, const OnItem& on_user,
                                 std::stop_token stop) = 0;
  virtual absl::Status ListGroups(absl::string_view search, const OnItem& on_group,
                                  std::stop_token stop) = 0;
  virtual absl::Status ListMembers(absl::string_view group_id, const OnItem& on_user,
                                   std::stop_token stop) = 0;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_OKTA_OKTA_CLIENT_H_

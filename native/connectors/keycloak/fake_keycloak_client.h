// A realm in memory, for tests of what uses a KeycloakClient.
#ifndef PURSER_CONNECTORS_KEYCLOAK_FAKE_KEYCLOAK_CLIENT_H_
#define PURSER_CONNECTORS_KEYCLOAK_FAKE_KEYCLOAK_CLIENT_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"
#include "connectors/keycloak/keycloak_client.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// What it holds; fill before use.
struct FakeRealm {
  std::vector<nlohmann::json> users;
  std::vector<std::pair<nlohmann::json, std::string>> groups;  // with the parent's id
  std::map<std::string, std::vector<std::string>> members;     // group id → user ids
  // Given once each behind the list, then OK.
  std::vector<absl::Status> users_statuses, groups_statuses, members_statuses;
};

class FakeKeycloakClient final : public KeycloakClient {
 public:
  explicit FakeKeycloakClient(FakeRealm& realm) : realm_(realm) {}
  absl::Status ListUsers(const OnItem& on_user, std::stop_token) override {
    for (const nlohmann::json& user : realm_.users) PURSER_RETURN_IF_ERROR(on_user(user));
    return Next(realm_.users_statuses);
  }
  absl::Status ListGroups(const OnGroup& on_group, std::stop_token) override {
    for (const auto& [group, parent] : realm_.groups) {
      PURSER_RETURN_IF_ERROR(on_group(group, parent));
    }
    return Next(realm_.groups_statuses);
  }
  absl::Status ListMembers(absl::string_view group_id, const OnItem& on_user,
                           std::stop_token) override {
    for (const std::string& id : realm_.members[std::string(group_id)]) {
      PURSER_RETURN_IF_ERROR(on_user({{"id", id}}));
    }
    return Next(realm_.members_statuses);
  }

 private:
  static absl::Status Next(std::vector<absl::Status>& statuses) {
    if (statuses.empty()) return absl::OkStatus();
    const absl::Status status = statuses.front();
    statuses.erase(statuses.begin());
    return status;
  }
  FakeRealm& realm_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KEYCLOAK_FAKE_KEYCLOAK_CLIENT_H_

// An organisation in memory, for tests of what uses an OktaClient.
#ifndef PURSER_CONNECTORS_OKTA_FAKE_OKTA_CLIENT_H_
#define PURSER_CONNECTORS_OKTA_FAKE_OKTA_CLIENT_H_

#include <map>
#include <string>
#include <vector>

#include "base/status.h"
#include "connectors/okta/okta_client.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// What it holds and what was asked of it; fill before use.
struct FakeOkta {
  std::vector<nlohmann::json> users;
  std::vector<nlohmann::json> groups;
  std::map<std::string, std::vector<std::string>> members;  // group id → user ids
  absl::Status users_status, groups_status, members_status;
  int member_lists = 0;
};

class FakeOktaClient final : public OktaClient {
 public:
  explicit FakeOktaClient(FakeOkta& okta) : okta_(okta) {}
  absl::Status ListUsers(absl::string_view, const OnItem& on_user, std::stop_token) override {
    for (const nlohmann::json& user : okta_.users) PURSER_RETURN_IF_ERROR(on_user(user));
    return okta_.users_status;
  }
  absl::Status ListGroups(absl::string_view, const OnItem& on_group, std::stop_token) override {
    for (const nlohmann::json& group : okta_.groups) PURSER_RETURN_IF_ERROR(on_group(group));
    return okta_.groups_status;
  }
  absl::Status ListMembers(absl::string_view group_id, const OnItem& on_user,
                           std::stop_token) override {
    ++okta_.member_lists;
    for (const std::string& id : okta_.members[std::string(group_id)]) {
      PURSER_RETURN_IF_ERROR(on_user({{"id", id}}));
    }
    return okta_.members_status;
  }

 private:
  FakeOkta& okta_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_OKTA_FAKE_OKTA_CLIENT_H_

#include "catalog-providers/okta/okta_provider.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "catalog-providers/identity.h"
#include "json/fields.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;
using purser::json::TextAt;

constexpr char kConfigSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["url"],
  "additionalProperties": false,
  "oneOf": [{"required": ["token"]}, {"required": ["clientId", "privateKey"]}],
  "properties": {
    "url": {"type": "string", "pattern": "^https?://", "maxLength": 1024,
      "description": "Of the organisation, e.g. https://acme.okta.com."},
    "token": {"type": "string", "minLength": 1,
      "description": "Reference to an API token (SSWS) of a read-only administrator, e.g. env:PURSER_SECRET_OKTA."},
    "clientId": {"type": "string", "minLength": 1,
      "description": "Of an API service with the scopes okta.users.read and okta.groups.read."},
    "privateKey": {"type": "string", "minLength": 1,
      "description": "Reference to its RSA key in PEM, e.g. file:/run/secrets/okta.pem."},
    "keyId": {"type": "string", "minLength": 1, "description": "The key's kid, when it has several."},
    "pageSize": {"type": "integer", "minimum": 1, "maximum": 200, "default": 200},
    "userSearch": {"type": "string", "minLength": 1, "maxLength": 2048,
      "description": "Okta search expression, e.g. profile.department eq \"R&D\"."},
    "groupSearch": {"type": "string", "minLength": 1, "maxLength": 2048,
      "description": "e.g. type eq \"OKTA_GROUP\", which leaves out the groups that Okta and applications made."},
    "displayName": {"type": "string", "enum": ["name", "displayName"], "default": "name",
      "description": "name: first and last name."}
  }
})json";

const json& ProfileOf(const json& object) {
  static const json& empty = *new json(json::object());
  const auto found = object.find("profile");
  return found != object.end() && found->is_object() ? *found : empty;
}

// Who may sign in, or could as soon as a password is set anew.
bool IsEnabled(const std::string& status) {
  return status != "SUSPENDED" && status != "DEPROVISIONED" && status != "STAGED";
}

class Reader {
 public:
  Reader(connectors::OktaClient& client, provider::Context& context, const IdentityOptions& options)
      : client_(client), context_(context), options_(options), config_(context.config()) {}

  absl::Status Read(DirectoryBuilder& directory) {
    PURSER_RETURN_IF_ERROR(client_.ListUsers(
        config_.value("userSearch", ""),
        [&](const json& user) { return directory.AddUser(UserOf(user)); }, context_.stop()));
    std::vector<std::pair<std::string, std::string>> groups;  // id → when its members changed
    PURSER_RETURN_IF_ERROR(client_.ListGroups(
        config_.value("groupSearch", ""),
        [&](const json& group) {
          groups.emplace_back(TextAt(group, "id"), TextAt(group, "lastMembershipUpdated"));
          return directory.AddGroup(GroupOf(group));
        },
        context_.stop()));
    for (const auto& [id, changed] : groups) {
      PURSER_RETURN_IF_ERROR(Members(directory, id, changed));
    }
    return absl::OkStatus();
  }

 private:
  // "time\nid\nid…" of the last round.
  absl::Status Members(DirectoryBuilder& directory, const std::string& id,
                       const std::string& changed) {
    const std::string key = absl::StrCat("members:", options_.hash, ":", id);
    std::vector<std::string> members;
    bool known = false;
    if (const auto memory = changed.empty() ? std::nullopt : context_.Recall(key)) {
      members = absl::StrSplit(*memory, '\n', absl::SkipEmpty());
      known = !members.empty() && members[0] == changed;
      if (known) members.erase(members.begin());
    }
    if (!known) {
      members.clear();
      PURSER_RETURN_IF_ERROR(client_.ListMembers(
          id,
          [&](const json& user) {
            members.push_back(TextAt(user, "id"));
            return members.size() > kMaxIdentityUsers
                       ? absl::ResourceExhaustedError(absl::StrCat("group ", id, ": more than ",
                                                                   kMaxIdentityUsers,
                                                                   " members (kMaxIdentityUsers)"))
                       : absl::OkStatus();
          },
          context_.stop()));
    }
    for (const std::string& member : members) {
      PURSER_RETURN_IF_ERROR(directory.AddMember(id, member));
    }
    if (changed.empty()) return absl::OkStatus();
    std::string memory = absl::StrCat(changed, "\n", absl::StrJoin(members, "\n"));
    if (memory.size() > provider::kMaxMemoryValueBytes) memory.clear();
    // What is not remembered is only asked for again.
    if (const absl::Status kept = context_.Remember(key, memory);
        !kept.ok() && !absl::IsResourceExhausted(kept)) {
      return kept;
    }
    return absl::OkStatus();
  }

  DirectoryUser UserOf(const json& source) const {
    const json& profile = ProfileOf(source);
    DirectoryUser user;
    user.id = TextAt(source, "id");
    user.name = TextAt(profile, "login");
    user.email = TextAt(profile, "email");
    user.display_name = TextAt(profile, "displayName");
    if (user.display_name.empty() || config_.value("displayName", "name") == "name") {
      const std::string first = TextAt(profile, "firstName");
      const std::string last = TextAt(profile, "lastName");
      const std::string name = absl::StrCat(first, first.empty() || last.empty() ? "" : " ", last);
      if (!name.empty()) user.display_name = name;
    }
    user.enabled = IsEnabled(TextAt(source, "status"));
    user.annotations = {{"okta.com/id", user.id}};
    user.attributes = {{"id", user.id}, {"status", TextAt(source, "status")}, {"profile", profile}};
    return user;
  }

  static DirectoryGroup GroupOf(const json& source) {
    const json& profile = ProfileOf(source);
    DirectoryGroup group;
    group.id = TextAt(source, "id");
    group.name = TextAt(profile, "name");
    group.display_name = group.name;
    group.description = TextAt(profile, "description");
    group.annotations = {{"okta.com/id", group.id}};
    group.attributes = {{"id", group.id}, {"type", TextAt(source, "type")}, {"profile", profile}};
    return group;
  }

  connectors::OktaClient& client_;
  provider::Context& context_;
  const IdentityOptions& options_;
  const json& config_;
};

}  // namespace

OktaProvider::OktaProvider()
    : OktaProvider([](connectors::OktaOptions options, provider::Context& context)
                       -> absl::StatusOr<std::unique_ptr<connectors::OktaClient>> {
        return connectors::HttpOktaClient::Create(std::move(options), context.transport(),
                                                  context.clock(), context.rng());
      }) {}

OktaProvider::OktaProvider(NewClient new_client) : new_client_(std::move(new_client)) {
  description_ =
      DescribeDirectory("okta", "Users and groups of an Okta organisation.", kConfigSchema);
}

absl::Status OktaProvider::Snapshot(provider::Context& context) {
  const json& config = context.config();
  PURSER_ASSIGN_OR_RETURN(const IdentityOptions options, IdentityOptions::FromConfig(config));
  connectors::OktaOptions client_options;
  client_options.org_url = std::string(absl::StripSuffix(config.at("url").get<std::string>(), "/"));
  client_options.page_size = config.value("pageSize", client_options.page_size);
  if (config.contains("token")) {
    PURSER_ASSIGN_OR_RETURN(client_options.api_token,
                            context.Secret(config["token"].get<std::string>()));
    if (client_options.api_token.empty() ||
        client_options.api_token.find_first_of("\r\n") != std::string::npos) {
      return absl::InvalidArgumentError("token: the value is empty or has line breaks");
    }
  } else {
    client_options.client_id = config.at("clientId").get<std::string>();
    client_options.key_id = config.value("keyId", "");
    PURSER_ASSIGN_OR_RETURN(client_options.private_key_pem,
                            context.Secret(config.at("privateKey").get<std::string>()));
  }
  const DirectoryOrigin origin = {absl::StrCat("url:", client_options.org_url)};
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<connectors::OktaClient> client,
                          new_client_(std::move(client_options), context));
  DirectoryBuilder directory(options);
  PURSER_RETURN_IF_ERROR(Reader(*client, context, options).Read(directory));
  return directory.Emit(context, origin);
}

}  // namespace purser::catalog_providers

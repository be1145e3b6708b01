#include "catalog-providers/keycloak/keycloak_provider.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "catalog-providers/identity.h"
#include "catalog/entity.h"
#include "http/url.h"
#include "json/fields.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;
using purser::json::TextAt;

constexpr char kConfigSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["url", "realm", "clientId", "clientSecret"],
  "additionalProperties": false,
  "properties": {
    "url": {"type": "string", "pattern": "^https?://", "maxLength": 1024,
      "description": "Of the server, e.g. https://id.example.com; versions before 17 end in /auth."},
    "realm": {"type": "string", "minLength": 1, "maxLength": 255},
    "loginRealm": {"type": "string", "minLength": 1, "maxLength": 255,
      "description": "Realm of the client; `realm` when absent."},
    "clientId": {"type": "string", "minLength": 1,
      "description": "A confidential client whose service account has realm-management's view-users (query-groups too from version 23)."},
    "clientSecret": {"type": "string", "minLength": 1,
      "description": "Reference, e.g. env:PURSER_SECRET_KEYCLOAK."},
    "pageSize": {"type": "integer", "minimum": 1, "maximum": 5000, "default": 500},
    "groupNames": {"type": "string", "enum": ["path", "name"], "default": "path",
      "description": "path: /eng/pay becomes eng.pay, so that groups of one name below others differ."}
  }
})json";

DirectoryUser UserOf(const json& source, const std::string& realm) {
  DirectoryUser user;
  user.id = TextAt(source, "id");
  user.name = TextAt(source, "username");
  user.email = TextAt(source, "email");
  const std::string first = TextAt(source, "firstName");
  const std::string last = TextAt(source, "lastName");
  user.display_name = absl::StrCat(first, first.empty() || last.empty() ? "" : " ", last);
  const auto enabled = source.find("enabled");
  user.enabled = enabled == source.end() || !enabled->is_boolean() || enabled->get<bool>();
  user.annotations = {{"keycloak.org/id", user.id}, {"keycloak.org/realm", realm}};
  user.attributes = source;
  // Rules have no use for them, and they are none of the catalog's business.
  for (const char* const secret : {"credentials", "disableableCredentialTypes", "requiredActions",
                                   "federatedIdentities", "access"}) {
    user.attributes.erase(secret);
  }
  return user;
}

class Reader {
 public:
  Reader(connectors::KeycloakClient& client, provider::Context& context)
      : client_(client), context_(context), config_(context.config()) {}

  absl::Status Read(DirectoryBuilder& directory) {
    PURSER_RETURN_IF_ERROR(client_.ListUsers(
        [&](const json& user) {
          return directory.AddUser(UserOf(user, config_.at("realm").get<std::string>()));
        },
        context_.stop()));
    std::vector<std::pair<std::string, std::string>> edges;
    PURSER_RETURN_IF_ERROR(client_.ListGroups(
        [&](const json& group, const std::string& parent) {
          DirectoryGroup item = GroupOf(group, parent);
          if (!parent.empty()) edges.emplace_back(parent, item.id);
          return directory.AddGroup(std::move(item));
        },
        context_.stop()));
    for (const auto& [parent, child] : edges) {
      PURSER_RETURN_IF_ERROR(directory.AddChild(parent, child));
    }
    for (const std::string& id : directory.GroupIds()) {
      const absl::Status listed = client_.ListMembers(
          id, [&](const json& user) { return directory.AddMember(id, TextAt(user, "id")); },
          context_.stop());
      // A group that went away between the two lists: everything is read again.
      if (absl::IsNotFound(listed)) return absl::AbortedError(listed.message());
      PURSER_RETURN_IF_ERROR(listed);
    }
    return absl::OkStatus();
  }

 private:
  DirectoryGroup GroupOf(const json& source, const std::string& parent) {
    DirectoryGroup group;
    group.id = TextAt(source, "id");
    group.name = TextAt(source, "name");
    group.display_name = group.name;
    group.description = TextAt(source, "description");
    group.attributes = source;
    group.attributes.erase("subGroups");
    group.annotations = {{"keycloak.org/id", group.id},
                         {"keycloak.org/realm", config_.at("realm").get<std::string>()}};
    if (config_.value("groupNames", "path") == "path") {
      // The path is not taken from the answer: in it, a "/" of a name is not told apart. Nor may a
      // dot of a name pass for a step of the path: it is escaped, so that SanitizeName replaces it
      // and adds a hash; no two names are escaped alike.
      std::string name = catalog::SanitizeName(absl::StrReplaceAll(group.name, {{".",
                                                                                 "\x02"
                                                                                 "d"},
                                                                                {"\x02",
                                                                                 "\x02"
                                                                                 "e"}}));
      const auto above = paths_.find(parent);
      if (!parent.empty() && above != paths_.end()) name = absl::StrCat(above->second, ".", name);
      paths_[group.id] = name;
      if (!group.name.empty()) group.name = name;
    }
    return group;
  }

  connectors::KeycloakClient& client_;
  provider::Context& context_;
  const json& config_;
  std::map<std::string, std::string> paths_;  // group id → name made of its path
};

}  // namespace

KeycloakProvider::KeycloakProvider()
    : KeycloakProvider([](connectors::KeycloakOptions options, provider::Context& context) {
        return std::make_unique<connectors::HttpKeycloakClient>(
            std::move(options), context.transport(), context.clock());
      }) {}

KeycloakProvider::KeycloakProvider(NewClient new_client) : new_client_(std::move(new_client)) {
  description_ =
      DescribeDirectory("keycloak", "Users and groups of a realm of Keycloak.", kConfigSchema);
}

absl::Status KeycloakProvider::Snapshot(provider::Context& context) {
  const json& config = context.config();
  PURSER_ASSIGN_OR_RETURN(const IdentityOptions options, IdentityOptions::FromConfig(config));
  connectors::KeycloakOptions client_options;
  client_options.base_url =
      std::string(absl::StripSuffix(config.at("url").get<std::string>(), "/"));
  client_options.realm = config.at("realm").get<std::string>();
  client_options.login_realm = config.value("loginRealm", "");
  client_options.client_id = config.at("clientId").get<std::string>();
  client_options.page_size = config.value("pageSize", client_options.page_size);
  PURSER_ASSIGN_OR_RETURN(client_options.client_secret,
                          context.Secret(config.at("clientSecret").get<std::string>()));
  DirectoryOrigin origin;
  origin.location = absl::StrCat("url:", client_options.base_url, "/realms/",
                                 http::EncodeComponent(client_options.realm));
  const std::unique_ptr<connectors::KeycloakClient> client =
      new_client_(std::move(client_options), context);
  absl::Status status;
  for (int attempt = 0; attempt < kMaxKeycloakReads; ++attempt) {
    DirectoryBuilder directory(options);
    status = Reader(*client, context).Read(directory);
    if (status.ok()) return directory.Emit(context, origin);
    if (!absl::IsAborted(status)) return status;
    context.Log(action::LogLevel::kWarning, absl::StrCat(status.message(), "; read again"));
  }
  return status;
}

}  // namespace purser::catalog_providers

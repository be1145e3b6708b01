#include "catalog-providers/identity_options.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/fold_name.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;

constexpr absl::Duration kRefreshEvery = absl::Minutes(15);

constexpr char kSchemaProperties[] = R"json({
  "namespace": {"type": "string", "minLength": 1, "maxLength": 63, "default": "default",
    "description": "Namespace of the users and groups."},
  "userNames": {"type": "string", "enum": ["name", "email", "emailLocalPart"], "default": "name",
    "description": "What a user is called: the name to sign in with, the address, or what stands before its @."},
  "emailDomains": {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1}, "default": [],
    "description": "Only users with an address of one of these; all when empty."},
  "disabledUsers": {"type": "string", "enum": ["drop", "mark"], "default": "drop",
    "description": "Users that are disabled: left out, or kept without memberships and marked."},
  "profileEmail": {"type": "boolean", "default": true, "description": "Show addresses in profiles."},
  "excludeUsers": {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1}, "default": [],
    "description": "Patterns of names, e.g. service-account-*; * stands for any characters."},
  "includeGroups": {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1}, "default": [],
    "description": "Patterns of names; all groups when empty."},
  "excludeGroups": {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1}, "default": [],
    "description": "Patterns of names."},
  "reservedGroups": {"type": "array", "maxItems": 100, "items": {"type": "string", "minLength": 1}, "default": [],
    "description": "Patterns of names that no group of this source may take, also not by look-alikes or titles, but the trusted ones."},
  "trustedGroups": {"type": "object", "maxProperties": 100, "additionalProperties": {"type": "string", "minLength": 1}, "default": {},
    "description": "Reserved names and the id of the one group that may have each."},
  "maxUsers": {"type": "integer", "minimum": 1, "maximum": 500000, "default": 100000,
    "description": "More users fail the round."},
  "maxGroups": {"type": "integer", "minimum": 1, "maximum": 100000, "default": 20000,
    "description": "More groups fail the round."}
})json";

std::vector<std::string> Texts(const json& config, const char* name) {
  std::vector<std::string> texts;
  const auto found = config.find(name);
  if (found == config.end()) return texts;
  for (const json& text : *found) texts.push_back(text.get<std::string>());
  return texts;
}

}  // namespace

provider::Description DescribeDirectory(absl::string_view id, absl::string_view description,
                                        absl::string_view own_schema) {
  provider::Description made;
  made.id = std::string(id);
  made.description = std::string(description);
  made.host = action::Host::kSidecar;
  made.kinds = {"User", "Group"};
  made.refresh_every = kRefreshEvery;
  made.config_schema = json::parse(base::ToStd(own_schema));
  json& properties = made.config_schema["properties"];
  properties.update(json::parse(kSchemaProperties));
  properties["rules"] = provider::Mapping::Schema();
  return made;
}

absl::StatusOr<IdentityOptions> IdentityOptions::FromConfig(const json& config) {
  IdentityOptions options;
  options.hash = base::Sha256Hex(config.dump()).substr(0, 16);
  options.namespace_name = config.value("namespace", "default");
  const std::string names = config.value("userNames", "name");
  options.user_name = names == "email"            ? UserName::kEmail
                      : names == "emailLocalPart" ? UserName::kEmailLocalPart
                                                  : UserName::kName;
  options.disabled =
      config.value("disabledUsers", "drop") == "mark" ? Disabled::kMark : Disabled::kDrop;
  options.profile_email = config.value("profileEmail", true);
  options.max_users = std::min(config.value("maxUsers", options.max_users), kMaxIdentityUsers);
  options.max_groups = std::min(config.value("maxGroups", options.max_groups), kMaxIdentityGroups);
  for (const std::string& name : Texts(config, "reservedGroups")) {
    options.reserved_groups.push_back(FoldName(name, true));
  }
  if (const auto trusted = config.find("trustedGroups"); trusted != config.end()) {
    for (const auto& [name, id] : trusted->items()) {
      options.trusted_groups.emplace(absl::AsciiStrToLower(name), id.get<std::string>());
      // A trusted name is reserved for its group.
      options.reserved_groups.push_back(FoldName(name));
    }
  }
  options.include_groups = Texts(config, "includeGroups");
  options.exclude_groups = Texts(config, "excludeGroups");
  options.exclude_users = Texts(config, "excludeUsers");
  for (const std::string& domain : Texts(config, "emailDomains")) {
    options.email_domains.push_back(absl::AsciiStrToLower(domain));
  }
  if (const auto rules = config.find("rules"); rules != config.end()) {
    PURSER_ASSIGN_OR_RETURN(options.rules, provider::Mapping::Compile(*rules));
  }
  return options;
}

}  // namespace purser::catalog_providers

#include "catalog-providers/ldap/ldap_provider.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/identity.h"
#include "connectors/ldap/ldap_text.h"

namespace purser::catalog_providers {
namespace {

using connectors::LdapEntry;
using connectors::LdapScope;
using connectors::LdapSearch;
using nlohmann::json;

constexpr char kChangeMemory[] = "change";
constexpr int64_t kAccountDisabled = 2;  // a bit of userAccountControl

constexpr char kConfigSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["url", "users", "groups"],
  "additionalProperties": false,
  "properties": {
    "url": {"type": "string", "pattern": "^ldaps?://", "maxLength": 1024,
      "description": "ldaps://host[:636] or ldap://host[:389]."},
    "vendor": {"type": "string", "enum": ["openldap", "activeDirectory"], "default": "openldap",
      "description": "Sets the attributes' defaults."},
    "startTls": {"type": "boolean", "default": false, "description": "Of ldap://."},
    "allowPlainText": {"type": "boolean", "default": false,
      "description": "Let the password travel without TLS."},
    "ca": {"type": "string", "minLength": 1,
      "description": "Reference to the authority's certificate in PEM; the system's trust when absent."},
    "serverName": {"type": "string", "minLength": 1,
      "description": "Name the certificate must have; the URL's host when absent."},
    "bindDn": {"type": "string", "minLength": 1, "description": "Anonymous when absent."},
    "bindPassword": {"type": "string", "minLength": 1, "description": "Reference, e.g. env:PURSER_SECRET_LDAP."},
    "pageSize": {"type": "integer", "minimum": 1, "maximum": 10000, "default": 500},
    "users": {
      "type": "object", "additionalProperties": false, "required": ["base"],
      "properties": {
        "base": {"type": "string", "description": "Name of the entry below which users are."},
        "filter": {"type": "string", "maxLength": 16384,
          "description": "(objectClass=inetOrgPerson), or (&(objectCategory=person)(objectClass=user))."},
        "scope": {"type": "string", "enum": ["one", "subtree"], "default": "subtree"},
        "id": {"type": "string", "description": "Attribute: entryUUID, or objectGUID."},
        "name": {"type": "string", "description": "uid, or sAMAccountName."},
        "displayName": {"type": "string", "default": "cn"},
        "email": {"type": "string", "default": "mail"},
        "disabled": {"type": "string",
          "description": "A filter that disabled users pass, e.g. (pwdAccountLockedTime=*); of Active Directory userAccountControl is read."},
        "attributes": {"type": "array", "maxItems": 50, "items": {"type": "string", "minLength": 1}, "default": [],
          "description": "More attributes, for rules, as user.<name in lower case>."}
      }
    },
    "groups": {
      "type": "object", "additionalProperties": false, "required": ["base"],
      "properties": {
        "base": {"type": "string"},
        "filter": {"type": "string", "maxLength": 16384,
          "description": "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup)), or (objectClass=group)."},
        "scope": {"type": "string", "enum": ["one", "subtree"], "default": "subtree"},
        "id": {"type": "string"},
        "name": {"type": "string", "default": "cn"},
        "displayName": {"type": "string", "default": "cn"},
        "description": {"type": "string", "default": "description"},
        "email": {"type": "string", "default": "mail"},
        "members": {"type": "array", "maxItems": 10, "items": {"type": "string", "minLength": 1},
          "description": "Attributes that hold names of members (entries), groups too: member, uniqueMember."},
        "memberNames": {"type": "array", "maxItems": 10, "items": {"type": "string", "minLength": 1},
          "description": "Attributes that hold users' names: memberUid."},
        "attributes": {"type": "array", "maxItems": 50, "items": {"type": "string", "minLength": 1}, "default": []}
      }
    },
    "memberOf": {"type": "string",
      "description": "Attribute of users and groups that holds the names of their groups: memberOf. Read beside the groups' own members."}
  }
})json";

// Active Directory's 16 bytes are shown as everybody shows them: the first three parts are
// little-endian.
std::string IdOf(const std::string& value, bool is_guid) {
  constexpr int kOrder[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
  if (!is_guid || value.size() != std::size(kOrder)) {
    return base::IsValidUtf8(value) ? value : base::ToHex(value);
  }
  std::string bytes;
  for (const int i : kOrder) bytes.push_back(value[static_cast<size_t>(i)]);
  const std::string hex = base::ToHex(bytes);
  return absl::StrCat(hex.substr(0, 8), "-", hex.substr(8, 4), "-", hex.substr(12, 4), "-",
                      hex.substr(16, 4), "-", hex.substr(20));
}

struct Part {
  LdapSearch search;
  std::string id, name, display_name, description, email;
  std::vector<std::string> members, member_names, more;
  std::string disabled;
};

class Reader {
 public:
  Reader(connectors::LdapClient& client, provider::Context& context)
      : client_(client),
        context_(context),
        config_(context.config()),
        is_ad_(config_.value("vendor", "openldap") == "activeDirectory"),
        member_of_(config_.value("memberOf", is_ad_ ? "memberOf" : "")) {
    users_ = ReadPart(config_.at("users"), true);
    groups_ = ReadPart(config_.at("groups"), false);
  }

  // What the directory says of its last change; "" when it does not.
  absl::StatusOr<std::string> LastChange() {
    std::string change;
    for (const auto& [base, attribute] :
         {std::pair<std::string, std::string>("", "highestCommittedUSN"),
          std::pair<std::string, std::string>(Suffix(), "contextCSN")}) {
      LdapSearch search;
      search.base = base;
      search.scope = LdapScope::kBase;
      search.attributes = {attribute};
      const absl::StatusOr<int64_t> found = client_.Search(
          search,
          [&, name = attribute](const LdapEntry& entry) {
            std::vector<std::string> values = entry.All(name);
            std::sort(values.begin(), values.end());
            for (const std::string& value : values) absl::StrAppend(&change, name, "=", value, ";");
            return absl::OkStatus();
          },
          context_.stop());
      // A directory that hides it is read in full.
      if (!found.ok() && !absl::IsNotFound(found.status()) &&
          !absl::IsPermissionDenied(found.status())) {
        return found.status();
      }
    }
    return change.substr(0, kMaxChangeBytes);
  }

  absl::Status Read(DirectoryBuilder& directory) {
    if (!users_.disabled.empty()) PURSER_RETURN_IF_ERROR(ReadDisabled());
    PURSER_RETURN_IF_ERROR(
        Search(users_, [&](const LdapEntry& entry) { return AddUser(directory, entry); }));
    PURSER_RETURN_IF_ERROR(
        Search(groups_, [&](const LdapEntry& entry) { return AddGroup(directory, entry); }));
    // Members may be named before they are known.
    for (const auto& [group, member] : edges_) {
      const auto group_id = group_ids_.find(group);
      if (group_id == group_ids_.end()) continue;
      if (const auto user = user_ids_.find(member); user != user_ids_.end()) {
        PURSER_RETURN_IF_ERROR(directory.AddMember(group_id->second, user->second));
      } else if (const auto child = group_ids_.find(member); child != group_ids_.end()) {
        PURSER_RETURN_IF_ERROR(directory.AddChild(group_id->second, child->second));
      }
    }
    for (const auto& [group, name] : name_edges_) {
      const auto user = user_names_.find(name);
      const auto group_id = group_ids_.find(group);
      if (user == user_names_.end() || group_id == group_ids_.end() || user->second.empty())
        continue;
      PURSER_RETURN_IF_ERROR(directory.AddMember(group_id->second, user->second));
    }
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kMaxChangeBytes = 2048;

  static std::vector<std::string> Texts(const json& part, const char* name,
                                        std::vector<std::string> otherwise) {
    const auto found = part.find(name);
    return found == part.end() ? otherwise : found->get<std::vector<std::string>>();
  }

  Part ReadPart(const json& config, bool users) const {
    Part part;
    part.search.base = config.at("base").get<std::string>();
    part.search.scope =
        config.value("scope", "subtree") == "one" ? LdapScope::kOne : LdapScope::kSubtree;
    part.search.filter = config.value(
        "filter",
        users
            ? (is_ad_ ? "(&(objectCategory=person)(objectClass=user))"
                      : "(objectClass=inetOrgPerson)")
            : (is_ad_ ? "(objectClass=group)"
                      : "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass="
                        "posixGroup))"));
    part.id = config.value("id", is_ad_ ? "objectGUID" : "entryUUID");
    part.name = config.value("name", users ? (is_ad_ ? "sAMAccountName" : "uid") : "cn");
    part.display_name = config.value("displayName", "cn");
    part.email = config.value("email", "mail");
    part.description = config.value("description", "description");
    part.disabled = config.value("disabled", "");
    part.more = Texts(config, "attributes", {});
    part.search.attributes = {part.id, part.name, part.display_name, part.email};
    if (users) {
      if (is_ad_) part.search.attributes.push_back("userAccountControl");
    } else {
      part.members = Texts(config, "members",
                           is_ad_ ? std::vector<std::string>{"member"}
                                  : std::vector<std::string>{"member", "uniqueMember"});
      part.member_names =
          Texts(config, "memberNames",
                is_ad_ ? std::vector<std::string>{} : std::vector<std::string>{"memberUid"});
      part.search.attributes.push_back(part.description);
    }
    for (const auto* const list : {&part.members, &part.member_names, &part.more}) {
      part.search.attributes.insert(part.search.attributes.end(), list->begin(), list->end());
    }
    if (!member_of_.empty()) part.search.attributes.push_back(member_of_);
    return part;
  }

  // The naming context: what both bases end in, down to the domain.
  std::string Suffix() const {
    const std::string& base = users_.search.base;
    const size_t at = absl::AsciiStrToLower(base).find("dc=");
    return at == std::string::npos ? base : base.substr(at);
  }

  absl::Status Search(const Part& part, const connectors::LdapClient::OnEntry& on_entry) {
    PURSER_ASSIGN_OR_RETURN(const int64_t references,
                            client_.Search(part.search, on_entry, context_.stop()));
    if (references > 0) {
      context_.Log(action::LogLevel::kWarning,
                   absl::StrCat("below ", part.search.base, ": ", references,
                                " references to other servers were not followed"));
    }
    return absl::OkStatus();
  }

  absl::Status ReadDisabled() {
    LdapSearch search = users_.search;
    search.filter = absl::StrCat("(&", users_.search.filter, users_.disabled, ")");
    search.attributes = {users_.id};
    return client_
        .Search(
            search,
            [&](const LdapEntry& entry) {
              disabled_.insert(IdOf(entry.First(users_.id), is_ad_));
              return disabled_.size() > kMaxIdentityUsers
                         ? absl::ResourceExhaustedError(
                               "too many disabled users (kMaxIdentityUsers)")
                         : absl::OkStatus();
            },
            context_.stop())
        .status();
  }

  void Drop(absl::string_view dn, absl::string_view why) {
    context_.AddDropped(1);
    if (++problems_ <= kMaxLoggedIdentityProblems) {
      context_.Log(action::LogLevel::kWarning, absl::StrCat(base::EscapeForDisplay(dn), ": ", why));
    }
  }

  absl::Status AddEdge(const std::string& group, const std::string& member) {
    if (edges_.size() + name_edges_.size() >= kMaxIdentityMemberships) {
      return absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxIdentityMemberships,
                                                       " memberships (kMaxIdentityMemberships)"));
    }
    edges_.emplace_back(group, member);
    return absl::OkStatus();
  }

  json Attributes(const LdapEntry& entry, const std::vector<std::string>& names) const {
    json values = {{"dn", entry.dn}};
    for (const std::string& name : names) {
      json list = json::array();
      for (const std::string& value : entry.All(name)) {
        if (base::IsValidUtf8(value) && value.size() <= kMaxIdentityTextBytes)
          list.push_back(value);
      }
      if (list.empty()) continue;
      // One value is what most have, and what expressions want.
      values[absl::AsciiStrToLower(name)] = list.size() == 1 ? list[0] : list;
    }
    return values;
  }

  absl::Status AddUser(DirectoryBuilder& directory, const LdapEntry& entry) {
    const absl::StatusOr<std::string> dn = connectors::NormalizeDn(entry.dn);
    DirectoryUser user;
    user.id = IdOf(entry.First(users_.id), is_ad_);
    user.name = entry.First(users_.name);
    if (!dn.ok() || user.id.empty() || user.name.empty()) {
      Drop(entry.dn, !dn.ok() ? std::string(dn.status().message())
                              : absl::StrCat("has no ", user.id.empty() ? users_.id : users_.name));
      return absl::OkStatus();
    }
    user.display_name = entry.First(users_.display_name);
    user.email = entry.First(users_.email);
    int64_t control = 0;
    user.enabled = !disabled_.contains(user.id) &&
                   !(is_ad_ && absl::SimpleAtoi(entry.First("userAccountControl"), &control) &&
                     (control & kAccountDisabled) != 0);
    user.annotations = {{"backstage.io/ldap-dn", entry.dn}, {"backstage.io/ldap-uuid", user.id}};
    user.attributes = Attributes(entry, users_.search.attributes);
    user_ids_[*dn] = user.id;
    // A name that several have is nobody's.
    const auto [known, is_new] = user_names_.emplace(user.name, user.id);
    if (!is_new) known->second.clear();
    PURSER_RETURN_IF_ERROR(AddMemberOf(entry, *dn));
    return directory.AddUser(std::move(user));
  }

  absl::Status AddMemberOf(const LdapEntry& entry, const std::string& dn) {
    if (member_of_.empty()) return absl::OkStatus();
    for (const std::string& name : entry.All(member_of_)) {
      const absl::StatusOr<std::string> group = connectors::NormalizeDn(name);
      if (group.ok()) PURSER_RETURN_IF_ERROR(AddEdge(*group, dn));
    }
    return absl::OkStatus();
  }

  absl::Status AddGroup(DirectoryBuilder& directory, const LdapEntry& entry) {
    const absl::StatusOr<std::string> dn = connectors::NormalizeDn(entry.dn);
    DirectoryGroup group;
    group.id = IdOf(entry.First(groups_.id), is_ad_);
    group.name = entry.First(groups_.name);
    if (!dn.ok() || group.id.empty() || group.name.empty()) {
      Drop(entry.dn, !dn.ok()
                         ? std::string(dn.status().message())
                         : absl::StrCat("has no ", group.id.empty() ? groups_.id : groups_.name));
      return absl::OkStatus();
    }
    group.display_name = entry.First(groups_.display_name);
    group.description = entry.First(groups_.description);
    group.email = entry.First(groups_.email);
    group.annotations = {{"backstage.io/ldap-dn", entry.dn}, {"backstage.io/ldap-uuid", group.id}};
    std::vector<std::string> shown = {groups_.id, groups_.name, groups_.display_name,
                                      groups_.description, groups_.email};
    shown.insert(shown.end(), groups_.more.begin(), groups_.more.end());
    group.attributes = Attributes(entry, shown);
    group_ids_[*dn] = group.id;
    for (const std::string& attribute : groups_.members) {
      for (const std::string& name : entry.All(attribute)) {
        const absl::StatusOr<std::string> member = connectors::NormalizeDn(name);
        if (member.ok()) PURSER_RETURN_IF_ERROR(AddEdge(*dn, *member));
      }
    }
    for (const std::string& attribute : groups_.member_names) {
      for (const std::string& name : entry.All(attribute)) {
        if (edges_.size() + name_edges_.size() >= kMaxIdentityMemberships) {
          return absl::ResourceExhaustedError(absl::StrCat(
              "more than ", kMaxIdentityMemberships, " memberships (kMaxIdentityMemberships)"));
        }
        name_edges_.emplace_back(*dn, name);
      }
    }
    PURSER_RETURN_IF_ERROR(AddMemberOf(entry, *dn));
    return directory.AddGroup(std::move(group));
  }

  connectors::LdapClient& client_;
  provider::Context& context_;
  const json& config_;
  const bool is_ad_;
  const std::string member_of_;
  Part users_, groups_;
  std::set<std::string> disabled_;                                       // ids
  absl::flat_hash_map<std::string, std::string> user_ids_, group_ids_;   // normalized name → id
  absl::flat_hash_map<std::string, std::string> user_names_;             // name → id
  std::vector<std::pair<std::string, std::string>> edges_, name_edges_;  // group → member
  int64_t problems_ = 0;
};

}  // namespace

LdapProvider::LdapProvider(http::AddressPolicy policy)
    : LdapProvider([policy = std::move(policy)](connectors::LdapOptions options)
                       -> absl::StatusOr<std::unique_ptr<connectors::LdapClient>> {
        return connectors::TcpLdapClient::Create(std::move(options), policy);
      }) {}

LdapProvider::LdapProvider(NewClient new_client) : new_client_(std::move(new_client)) {
  description_ = DescribeDirectory("ldap", "Users and groups of an LDAP directory.", kConfigSchema);
}

absl::Status LdapProvider::Snapshot(provider::Context& context) {
  const json& config = context.config();
  PURSER_ASSIGN_OR_RETURN(const IdentityOptions options, IdentityOptions::FromConfig(config));
  connectors::LdapOptions client_options;
  client_options.url = config.at("url").get<std::string>();
  client_options.start_tls = config.value("startTls", false);
  client_options.allow_plain_text = config.value("allowPlainText", false);
  client_options.bind_dn = config.value("bindDn", "");
  client_options.page_size = config.value("pageSize", client_options.page_size);
  client_options.tls.server_name = config.value("serverName", "");
  if (config.contains("bindPassword")) {
    PURSER_ASSIGN_OR_RETURN(client_options.password,
                            context.Secret(config["bindPassword"].get<std::string>()));
  }
  if (config.contains("ca")) {
    PURSER_ASSIGN_OR_RETURN(client_options.tls.ca_pem,
                            context.Secret(config["ca"].get<std::string>()));
  }
  // A filter that is none is told before anybody connects.
  for (const char* const part : {"users", "groups"}) {
    for (const char* const name : {"filter", "disabled"}) {
      const std::string filter = config.at(part).value(name, "");
      if (filter.empty()) continue;
      if (const absl::Status checked = connectors::EncodeLdapFilter(filter).status();
          !checked.ok()) {
        return base::Annotate(checked, absl::StrCat(part, ".", name));
      }
    }
  }
  const DirectoryOrigin origin = {absl::StrCat("url:", absl::StripSuffix(client_options.url, "/"))};
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<connectors::LdapClient> client,
                          new_client_(std::move(client_options)));
  Reader reader(*client, context);
  // Before the reading: what changes meanwhile is read again next time.
  PURSER_ASSIGN_OR_RETURN(const std::string change, reader.LastChange());
  const std::string memory = absl::StrCat(options.hash, change);
  if (!change.empty() && context.Recall(kChangeMemory) == memory) {
    context.Unchanged();
    return absl::OkStatus();
  }
  DirectoryBuilder directory(options);
  PURSER_RETURN_IF_ERROR(reader.Read(directory));
  PURSER_RETURN_IF_ERROR(directory.Emit(context, origin));
  return context.Remember(kChangeMemory, change.empty() ? "" : memory);
}

}  // namespace purser::catalog_providers

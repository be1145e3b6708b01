// What the providers of people share: they read users, groups and memberships of a directory;
// names, hierarchy, hostile input and the entities are handled here.
//
//   PURSER_ASSIGN_OR_RETURN(const IdentityOptions options, IdentityOptions::FromConfig(config));
//   DirectoryBuilder directory(options);
//   PURSER_RETURN_IF_ERROR(directory.AddUser({.id = "7", .name = "ada"}));
//   PURSER_RETURN_IF_ERROR(directory.AddGroup({.id = "3", .name = "pay"}));
//   directory.AddMember("3", "7");
//   return directory.Emit(context, {.location = "url:https://id.example.com/realms/acme"});
//
// A directory is given whole or not at all: nothing is emitted before everything was read.
#ifndef PURSER_CATALOG_PROVIDERS_IDENTITY_H_
#define PURSER_CATALOG_PROVIDERS_IDENTITY_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "provider/mapping.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

inline constexpr size_t kMaxIdentityUsers = 500'000;
inline constexpr size_t kMaxIdentityGroups = 100'000;
inline constexpr size_t kMaxIdentityMemberships = 10'000'000;
inline constexpr size_t kMaxIdentityTextBytes =
    1024;  // of a name or address; longer ones are left out
inline constexpr int kMaxLoggedIdentityProblems = 200;  // of one round; the rest is counted

struct DirectoryUser {
  std::string id;    // the directory's own, which stays when the name changes
  std::string name;  // to sign in with
  std::string email = {};
  std::string display_name = {};
  std::string picture = {};  // URL
  bool enabled = true;
  std::map<std::string, std::string> annotations = {};
  nlohmann::json attributes = {};  // for rules, as `user`
};

struct DirectoryGroup {
  std::string id;
  std::string name;
  std::string display_name = {};
  std::string description = {};
  std::string email = {};
  std::map<std::string, std::string> annotations = {};
  nlohmann::json attributes = {};  // for rules, as `group`
};

struct IdentityOptions {
  enum class UserName { kName, kEmail, kEmailLocalPart };
  enum class Disabled { kDrop, kMark };

  // The part of a config schema that is the same for all: properties to be merged in.
  static const nlohmann::json& SchemaProperties();
  // Of a config that passed the schema. INVALID_ARGUMENT for rules that are wrong.
  static absl::StatusOr<IdentityOptions> FromConfig(const nlohmann::json& config);
  // Of everything that decides what becomes of the directory's content.
  std::string hash;

  std::string namespace_name = "default";
  UserName user_name = UserName::kName;
  Disabled disabled = Disabled::kDrop;
  bool profile_email = true;
  size_t max_users = 100'000;
  size_t max_groups = 20'000;
  std::vector<std::string> reserved_groups;           // patterns, folded (see FoldName)
  std::map<std::string, std::string> trusted_groups;  // name → the group's id in the directory
  std::vector<std::string> include_groups, exclude_groups;  // patterns of names; none: all
  std::vector<std::string> exclude_users;
  std::vector<std::string> email_domains;  // lower case; none: all
  provider::Mapping rules;
};

// Where the entities are from.
struct DirectoryOrigin {
  std::string location;  // backstage.io/managed-by-location
  std::string group_type = "team";
};

// Not thread-safe.
class DirectoryBuilder {
 public:
  explicit DirectoryBuilder(const IdentityOptions& options) : options_(options) {}

  // RESOURCE_EXHAUSTED beyond maxUsers and maxGroups. A second one of the same id is left out.
  absl::Status AddUser(DirectoryUser user);
  absl::Status AddGroup(DirectoryGroup group);
  bool HasUser(absl::string_view id) const { return user_index_.contains(id); }
  bool HasGroup(absl::string_view id) const { return group_index_.contains(id); }
  std::vector<std::string> GroupIds() const;
  // Unknown ids are left out. RESOURCE_EXHAUSTED beyond kMaxIdentityMemberships.
  absl::Status AddMember(absl::string_view group_id, absl::string_view user_id);
  absl::Status AddChild(absl::string_view parent_id, absl::string_view child_id);

  // Gives all entities to the host. In this order: groups and users that filters leave out go;
  // names are made; those that a reserved name hides behind, and those that two claim, go; circles
  // of groups are cut where the group with the greater id is the parent; disabled users go or are
  // marked and lose their memberships. What was left out is logged and counted.
  absl::Status Emit(provider::Context& context, const DirectoryOrigin& origin);

 private:
  struct Group {
    DirectoryGroup source;
    std::vector<uint32_t> children;
    std::string ref_name;  // "" = left out
  };
  struct User {
    DirectoryUser source;
    std::vector<uint32_t> groups;
    std::string ref_name;
  };

  nlohmann::json GroupDraft(const Group& group, const DirectoryOrigin& origin) const;
  nlohmann::json UserDraft(const User& user, const DirectoryOrigin& origin) const;
  std::string UserNameOf(const DirectoryUser& user) const;
  bool TakesGroup(const DirectoryGroup& group) const;
  bool TakesUser(const DirectoryUser& user) const;
  bool IsReserved(const nlohmann::json& draft, const DirectoryGroup& group) const;
  absl::StatusOr<bool> Map(const char* kind, const std::string& name,
                           const nlohmann::json& attributes, nlohmann::json* draft) const;
  void NameGroups(provider::Context& context, const DirectoryOrigin& origin);
  void NameUsers(provider::Context& context, const DirectoryOrigin& origin);
  void CutCircles(provider::Context& context);
  void Problem(provider::Context& context, absl::string_view line, int64_t dropped);
  absl::Status EmitOne(provider::Context& context, const char* kind, const std::string& name,
                       const nlohmann::json& entity);

  const IdentityOptions& options_;  // outlives the builder
  std::vector<User> users_;
  std::vector<Group> groups_;
  absl::flat_hash_map<std::string, uint32_t> user_index_;
  absl::flat_hash_map<std::string, uint32_t> group_index_;
  size_t memberships_ = 0;
  int64_t problems_ = 0;
  int64_t emitted_users_ = 0;
  int64_t emitted_groups_ = 0;
};

// A name as a person reads it, for comparing: lower case, letters and digits only, look-alikes of
// letters that are common in spoofing (0, 1, and the Cyrillic and Greek twins) folded. '*' stays
// when `pattern`.
std::string FoldName(absl::string_view name, bool pattern = false);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_IDENTITY_H_

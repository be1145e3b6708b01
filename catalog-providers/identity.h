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
#include "catalog-providers/identity_options.h"
#include "nlohmann/json.hpp"
#include "provider/provider.h"

namespace purser::catalog_providers {

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

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_IDENTITY_H_

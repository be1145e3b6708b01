// What is configured alike for all providers of people.
#ifndef PURSER_CATALOG_PROVIDERS_IDENTITY_OPTIONS_H_
#define PURSER_CATALOG_PROVIDERS_IDENTITY_OPTIONS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "provider/mapping.h"
#include "provider/provider.h"

namespace purser::catalog_providers {

inline constexpr size_t kMaxIdentityUsers = 500'000;
inline constexpr size_t kMaxIdentityGroups = 100'000;

struct IdentityOptions {
  enum class UserName { kName, kEmail, kEmailLocalPart };
  enum class Disabled { kDrop, kMark };

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

// The description of a provider of people. `own_schema` is the JSON Schema of what it alone needs;
// the properties of IdentityOptions are merged in.
provider::Description DescribeDirectory(absl::string_view id, absl::string_view description,
                                        absl::string_view own_schema);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_IDENTITY_OPTIONS_H_

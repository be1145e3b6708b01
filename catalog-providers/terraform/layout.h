// Which folders of a repository are root modules, and of what.
//
//   environments/{environment}/infra                 an environment's own root
//   environments/{environment}/{customer}/infra      a customer's
//   environments/{environment}/{customer}/{app}      one app of a customer
#ifndef PURSER_CATALOG_PROVIDERS_TERRAFORM_LAYOUT_H_
#define PURSER_CATALOG_PROVIDERS_TERRAFORM_LAYOUT_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::catalog_providers::terraform {

inline constexpr size_t kMaxLayoutRules = 100;

// From what others build on to what builds on others: the order in which roots are applied.
enum class Level { kEnvironment, kCustomer, kApp };
absl::string_view LevelName(Level level);  // "environment"

// What a root's path says.
struct RootPlace {
  Level level = Level::kApp;
  std::map<std::string, std::string> names;  // "environment" → "prod"

  std::string Name(absl::string_view key) const;  // "" when the path does not say it
};

// Immutable, cheap enough to copy.
class Layout {
 public:
  // The layout above.
  static Layout Default();
  // [{"path": "environments/{environment}/infra", "level": "environment"}, …]; the first that
  // matches counts. In paths "*" is any one folder, "**" (whole component) any number of them.
  // INVALID_ARGUMENT names rule and fault.
  static absl::StatusOr<Layout> FromConfig(const nlohmann::json& roots);
  static const nlohmann::json& Schema();

  std::optional<RootPlace> Match(absl::string_view path) const;

 private:
  struct Rule {
    std::vector<std::string> components;
    Level level;
  };
  std::vector<Rule> rules_;
};

}  // namespace purser::catalog_providers::terraform

#endif  // PURSER_CATALOG_PROVIDERS_TERRAFORM_LAYOUT_H_

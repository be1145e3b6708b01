#include "catalog-providers/terraform/layout.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers::terraform {
namespace {

using nlohmann::json;

constexpr char kDefaultLayout[] = R"json([
  {"path": "environments/{environment}/infra", "level": "environment"},
  {"path": "environments/{environment}/{customer}/infra", "level": "customer"},
  {"path": "environments/{environment}/{customer}/{app}", "level": "app"}
])json";

bool IsCapture(absl::string_view component) {
  return component.size() > 2 && component.front() == '{' && component.back() == '}';
}

// At most one "**" tries several lengths, so that time is linear in the path.
bool MatchFrom(const std::vector<std::string>& rule, size_t at,
               const std::vector<absl::string_view>& path, size_t from,
               std::map<std::string, std::string>* names) {
  for (; at < rule.size(); ++at, ++from) {
    if (rule[at] == "**") {
      const size_t rest = rule.size() - at - 1;
      if (path.size() < from + rest) return false;
      from = path.size() - rest - 1;
      continue;
    }
    if (from >= path.size()) return false;
    if (IsCapture(rule[at])) {
      const std::string name = rule[at].substr(1, rule[at].size() - 2);
      const auto [known, is_new] = names->emplace(name, std::string(path[from]));
      if (!is_new && known->second != path[from]) return false;
    } else if (rule[at] != "*" && rule[at] != path[from]) {
      return false;
    }
  }
  return from == path.size();
}

absl::StatusOr<std::vector<std::string>> Components(const std::string& path) {
  std::vector<std::string> components = absl::StrSplit(path, '/');
  for (const std::string& component : components) {
    if (component.empty() || component == "." || component == "..") {
      return absl::InvalidArgumentError("has an empty, \".\" or \"..\" component");
    }
    const bool special = component.find_first_of("*{}") != std::string::npos;
    if (special && component != "*" && component != "**" && !IsCapture(component)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", base::EscapeForDisplay(component),
                       "\": *, ** and {name} must be whole components"));
    }
  }
  if (std::count(components.begin(), components.end(), "**") > 1) {
    return absl::InvalidArgumentError("has \"**\" more than once");
  }
  return components;
}

}  // namespace

absl::string_view LevelName(Level level) {
  switch (level) {
    case Level::kEnvironment:
      return "environment";
    case Level::kCustomer:
      return "customer";
    case Level::kApp:
      return "app";
  }
  return "app";
}

std::string RootPlace::Name(absl::string_view key) const {
  const auto found = names.find(std::string(key));
  return found == names.end() ? "" : found->second;
}

Layout Layout::Default() { return *FromConfig(json::parse(kDefaultLayout)); }

const json& Layout::Schema() {
  static const json& schema = *new json{
      {"type", "array"},
      {"maxItems", kMaxLayoutRules},
      {"minItems", 1},
      {"description",
       "Which folders are root modules; the first rule that matches counts. {environment}, "
       "{customer} and {app} stand for one folder's name, * for any folder, ** for any folders."},
      {"default", json::parse(kDefaultLayout)},
      {"items",
       {{"type", "object"},
        {"additionalProperties", false},
        {"required", {"path", "level"}},
        {"properties",
         {{"path", {{"type", "string"}, {"minLength", 1}, {"maxLength", 1024}}},
          {"level", {{"type", "string"}, {"enum", {"environment", "customer", "app"}}}}}}}}};
  return schema;
}

absl::StatusOr<Layout> Layout::FromConfig(const json& roots) {
  Layout layout;
  for (size_t i = 0; i < roots.size(); ++i) {
    const std::string level = roots[i].at("level").get<std::string>();
    absl::StatusOr<std::vector<std::string>> components =
        Components(roots[i].at("path").get<std::string>());
    if (!components.ok()) {
      return base::Annotate(components.status(), absl::StrCat("roots[", i, "].path"));
    }
    layout.rules_.push_back({*std::move(components), level == "environment" ? Level::kEnvironment
                                                     : level == "customer"  ? Level::kCustomer
                                                                            : Level::kApp});
  }
  return layout;
}

std::optional<RootPlace> Layout::Match(absl::string_view path) const {
  const std::vector<absl::string_view> components = absl::StrSplit(path, '/', absl::SkipEmpty());
  for (const Rule& rule : rules_) {
    RootPlace place;
    place.level = rule.level;
    if (MatchFrom(rule.components, 0, components, 0, &place.names)) return place;
  }
  return std::nullopt;
}

}  // namespace purser::catalog_providers::terraform

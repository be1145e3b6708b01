#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "catalog/names.h"
#include "json/json.h"
#include "nlohmann/json.hpp"

namespace purser::catalog {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxProblems = 100;

// What a built-in kind asks of its spec.
struct KindRule {
  const char* api_prefix;            // of apiVersion; built-in kinds belong to one API group
  std::vector<const char*> strings;  // required, not empty
  std::vector<const char*> optional_strings;  // not empty when present
  std::vector<const char*> lists;             // required lists of strings
  std::vector<const char*> optional_lists;    // lists of strings when present
};

const std::map<std::string, KindRule, std::less<>>& KindRules() {
  // Never destroyed: validation may run while the process ends.
  static const auto& rules = *new std::map<std::string, KindRule, std::less<>>{
      {"Component",
       {"backstage.io/",
        {"type", "lifecycle", "owner"},
        {"system", "subcomponentOf"},
        {},
        {"providesApis", "consumesApis", "dependsOn", "dependencyOf"}}},
      {"API", {"backstage.io/", {"type", "lifecycle", "owner", "definition"}, {"system"}, {}, {}}},
      {"Resource",
       {"backstage.io/", {"type", "owner"}, {"system"}, {}, {"dependsOn", "dependencyOf"}}},
      {"System", {"backstage.io/", {"owner"}, {"domain", "type"}, {}, {}}},
      {"Domain", {"backstage.io/", {"owner"}, {"subdomainOf", "type"}, {}, {}}},
      {"Group", {"backstage.io/", {"type"}, {"parent"}, {"children"}, {"members"}}},
      {"User", {"backstage.io/", {}, {}, {}, {"memberOf"}}},
      {"Location", {"backstage.io/", {}, {"type", "target", "presence"}, {}, {"targets"}}},
      {"Template", {"scaffolder.backstage.io/", {"type"}, {"owner"}, {}, {}}},
  };
  return rules;
}

class Validator {
 public:
  explicit Validator(const Json& entity) : entity_(entity) {}

  std::vector<Problem> Run() {
    if (!entity_.is_object()) {
      Add("", "must be an object");
      return std::move(problems_);
    }
    const absl::string_view api_version = RequiredString(entity_, "", "apiVersion");
    if (!api_version.empty() && !IsApiVersion(api_version)) {
      Add("/apiVersion", "must look like 'backstage.io/v1alpha1'");
    }
    const absl::string_view kind = RequiredString(entity_, "", "kind");
    if (!kind.empty() && !IsKind(kind)) {
      Add("/kind", "must be a letter followed by letters and digits, at most 63");
    }
    const auto metadata = entity_.find("metadata");
    if (metadata == entity_.end() || !metadata->is_object()) {
      Add("/metadata", "is required and must be an object");
    } else {
      CheckMetadata(*metadata);
    }
    const auto spec = entity_.find("spec");
    if (spec != entity_.end() && !spec->is_object()) Add("/spec", "must be an object");
    CheckKind(api_version, kind, spec);
    return std::move(problems_);
  }

 private:
  void Add(std::string pointer, std::string message) {
    if (problems_.size() < kMaxProblems) {
      problems_.push_back({std::move(pointer), std::move(message)});
    }
  }

  // The text, "" when there is none. Pointers are made for problems only: most entities have none.
  absl::string_view RequiredString(const Json& object, absl::string_view at, const char* key) {
    const auto found = object.find(key);
    if (found == object.end()) {
      Add(absl::StrCat(at, "/", key), "is required");
      return "";
    }
    return NotEmpty(*found, at, key);
  }

  void OptionalString(const Json& object, absl::string_view at, const char* key) {
    const auto found = object.find(key);
    if (found != object.end()) NotEmpty(*found, at, key);
  }

  absl::string_view NotEmpty(const Json& value, absl::string_view at, absl::string_view key) {
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
      Add(absl::StrCat(at, "/", key), "must be a string that is not empty");
      return "";
    }
    return value.get_ref<const std::string&>();
  }

  void CheckMetadata(const Json& metadata) {
    const absl::string_view name = RequiredString(metadata, "/metadata", "name");
    if (!name.empty() && !IsObjectName(name)) {
      Add("/metadata/name",
          "must be 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at both ends");
    }
    const auto namespace_name = metadata.find("namespace");
    if (namespace_name != metadata.end() &&
        (!namespace_name->is_string() ||
         !IsDnsLabel(namespace_name->get_ref<const std::string&>()))) {
      Add("/metadata/namespace", "must be 1 to 63 lower-case letters, digits and inner '-'");
    }
    OptionalString(metadata, "/metadata", "title");
    const auto description = metadata.find("description");
    if (description != metadata.end() && !description->is_string()) {
      Add("/metadata/description", "must be a string");
    }
    CheckMap(metadata, "labels", /*is_label=*/true);
    CheckMap(metadata, "annotations", /*is_label=*/false);
    CheckTags(metadata);
    CheckLinks(metadata);
  }

  void CheckMap(const Json& metadata, const char* field, bool is_label) {
    const auto map = metadata.find(field);
    if (map == metadata.end()) return;
    if (!map->is_object()) {
      Add(absl::StrCat("/metadata/", field), "must be an object");
      return;
    }
    for (const auto& [name, value] : map->get_ref<const Json::object_t&>()) {
      const auto pointer = [&field, &key = name] {
        return absl::StrCat("/metadata/", field, "/", json::PointerToken(key));
      };
      if (!IsLabelKey(name)) Add(pointer(), "must have a key like '[dns.prefix/]name'");
      if (!value.is_string()) {
        Add(pointer(), "must be a string");
      } else if (is_label && !IsLabelValue(value.get_ref<const std::string&>())) {
        Add(pointer(),
            "must be empty or 1 to 63 letters, digits, '-', '_' or '.', with a letter or digit at "
            "both ends");
      }
    }
  }

  void CheckTags(const Json& metadata) {
    const auto tags = metadata.find("tags");
    if (tags == metadata.end()) return;
    if (!tags->is_array()) {
      Add("/metadata/tags", "must be a list");
      return;
    }
    for (size_t i = 0; i < tags->size(); ++i) {
      const Json& tag = (*tags)[i];
      if (!tag.is_string() || !IsTag(tag.get_ref<const std::string&>())) {
        Add(absl::StrCat("/metadata/tags/", i),
            "must be 1 to 63 lower-case letters, digits, ':', '+', '#' and single inner '-'");
      }
    }
  }

  void CheckLinks(const Json& metadata) {
    const auto links = metadata.find("links");
    if (links == metadata.end()) return;
    if (!links->is_array()) {
      Add("/metadata/links", "must be a list");
      return;
    }
    for (size_t i = 0; i < links->size(); ++i) {
      const std::string at = absl::StrCat("/metadata/links/", i);
      const Json& link = (*links)[i];
      if (!link.is_object()) {
        Add(at, "must be an object");
        continue;
      }
      RequiredString(link, at, "url");
      for (const char* key : {"title", "icon", "type"}) OptionalString(link, at, key);
    }
  }

  void CheckStrings(const Json& list, absl::string_view key) {
    if (!list.is_array()) {
      Add(absl::StrCat("/spec/", key), "must be a list of strings");
      return;
    }
    for (size_t i = 0; i < list.size(); ++i) {
      if (!list[i].is_string() || list[i].get_ref<const std::string&>().empty()) {
        Add(absl::StrCat("/spec/", key, "/", i), "must be a string that is not empty");
      }
    }
  }

  void CheckKind(absl::string_view api_version, absl::string_view kind, Json::const_iterator at) {
    const auto found = KindRules().find(base::ToStd(kind));
    if (found == KindRules().end()) return;  // kinds of others are theirs to judge
    const KindRule& rule = found->second;
    if (!api_version.empty() && !absl::StartsWith(api_version, rule.api_prefix)) {
      Add("/apiVersion", absl::StrCat("must begin with '", rule.api_prefix, "' for kind ", kind));
    }
    if (at == entity_.end()) {
      Add("/spec", "is required");
      return;
    }
    if (!at->is_object()) return;
    const Json& spec = *at;
    for (const char* key : rule.strings) RequiredString(spec, "/spec", key);
    for (const char* key : rule.optional_strings) OptionalString(spec, "/spec", key);
    for (const char* key : rule.lists) {
      const auto list = spec.find(key);
      CheckStrings(list == spec.end() ? Json() : *list, key);
    }
    for (const char* key : rule.optional_lists) {
      if (const auto list = spec.find(key); list != spec.end()) CheckStrings(*list, key);
    }
    if (kind == "Template" && !(spec.contains("steps") && spec.at("steps").is_array())) {
      Add("/spec/steps", "must be a list");
    }
    if (kind == "Location" && spec.contains("presence") && spec.at("presence") != "required" &&
        spec.at("presence") != "optional") {
      Add("/spec/presence", "must be 'required' or 'optional'");
    }
  }

  const Json& entity_;
  std::vector<Problem> problems_;
};

}  // namespace

std::vector<Problem> Validate(const nlohmann::json& entity) { return Validator(entity).Run(); }

}  // namespace purser::catalog

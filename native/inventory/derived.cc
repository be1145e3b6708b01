#include "inventory/derived.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "json/fields.h"
#include "json/json.h"

namespace purser::inventory {
namespace {

using nlohmann::json;
using purser::json::TextAt;

constexpr char kTechdocs[] = "backstage.io/techdocs-ref";
constexpr char kTechdocsEntity[] = "backstage.io/techdocs-entity";
constexpr const char* kInherited[] = {"purser.dev/request-id", "purser.dev/blueprint",
                                      "purser.dev/expires-at", kEnvironmentAnnotation,
                                      "purser.dev/product",    kTechdocsEntity};
constexpr size_t kDistinctHexDigits = 8;
constexpr size_t kMaxLinks = 20;

std::string WithoutEdges(const std::string& text) {
  return std::string(absl::StripAsciiWhitespace(text));
}

bool IsWebUrl(absl::string_view url) {
  return absl::StartsWith(url, "https://") || absl::StartsWith(url, "http://");
}

// A connector says where people can look at what it made: "links", or one "url".
json LinksOf(const Resource& resource) {
  json links = json::array();
  const auto add = [&links](const std::string& url, const std::string& title) {
    if (!IsWebUrl(url) || links.size() >= kMaxLinks) return;
    links.push_back({{"url", url}, {"title", title.empty() ? url : title}});
  };
  if (const auto given = resource.attributes.find("links");
      given != resource.attributes.end() && given->is_array()) {
    for (const json& link : *given) add(TextAt(link, {"url"}), TextAt(link, {"title"}));
  }
  add(TextAt(resource.attributes, {"url"}), resource.name);
  return links;
}

void AddDependency(json* entity, const std::string& ref) {
  json& list = (*entity)["spec"]["dependsOn"];
  if (!list.is_array()) list = json::array();
  if (std::find(list.begin(), list.end(), ref) == list.end()) list.push_back(ref);
}

std::string NameOf(const json& entity, const Resource& resource, bool distinct) {
  const std::string above = TextAt(entity, {"metadata", "name"});
  std::string name = absl::StrCat(
      above, "-",
      absl::AsciiStrToLower(resource.type.empty() ? resource.connector : resource.type));
  // "shop-db" and its database "db" are "shop-db-database", not "shop-db-database-db".
  if (!absl::EndsWith(above, resource.name)) absl::StrAppend(&name, "-", resource.name);
  if (distinct) {
    absl::StrAppend(&name, "-", base::Sha256Hex(resource.id).substr(0, kDistinctHexDigits));
  }
  return catalog::SanitizeName(name);
}

}  // namespace

Heritage HeritageOf(const json& entity) {
  Heritage heritage;
  heritage.owner = TextAt(entity, {"spec", "owner"});
  heritage.system = TextAt(entity, {"kind"}) == "System" ? catalog::RefOf(entity).ToString()
                                                         : TextAt(entity, {"spec", "system"});
  for (const char* const name : kInherited) {
    const std::string text = TextAt(entity, {"metadata", "annotations", name});
    if (!text.empty()) heritage.annotations[name] = text;
  }
  const std::string environment = EnvironmentOf(entity);
  if (!environment.empty()) heritage.annotations[kEnvironmentAnnotation] = environment;
  if (!TextAt(entity, {"metadata", "annotations", kTechdocs}).empty()) {
    heritage.annotations[kTechdocsEntity] = catalog::RefOf(entity).ToString();
  }
  return heritage;
}

std::string EnvironmentOf(const json& entity) {
  for (const char* const where : {"annotations", "labels"}) {
    std::string text = WithoutEdges(TextAt(entity, {"metadata", where, kEnvironmentAnnotation}));
    if (!EnvironmentRef(text).empty()) return text;
  }
  return "";
}

bool IsForeignEnvironment(absl::string_view environment) {
  return absl::StrContains(environment, ':');
}

std::string EnvironmentRef(absl::string_view environment) {
  if (environment.empty() || !base::IsValidUtf8(environment)) return "";
  if (IsForeignEnvironment(environment)) {
    const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(environment);
    return ref.ok() ? ref->ToString() : "";
  }
  return absl::StrCat(
      "resource:default/",
      absl::AsciiStrToLower(catalog::SanitizeName(absl::StrCat("environment-", environment))));
}

json EnvironmentEntity(absl::string_view environment, absl::string_view owner) {
  const std::string location = absl::StrCat("purser:environment/", environment);
  return {{"apiVersion", "backstage.io/v1alpha1"},
          {"kind", "Resource"},
          {"metadata",
           {{"name", catalog::SanitizeName(absl::StrCat("environment-", environment))},
            {"title", std::string(environment)},
            {"description", absl::StrCat("What Purser keeps in ", environment, ".")},
            {"annotations",
             {{"backstage.io/managed-by-location", location},
              {"backstage.io/managed-by-origin-location", location},
              {kEnvironmentAnnotation, std::string(environment)}}}}},
          {"spec", {{"type", "environment"}, {"owner", std::string(owner)}}}};
}

void AddEnvironment(json* entity) {
  const std::string kind = TextAt(*entity, {"kind"});
  if (kind != "Component" && kind != "Resource") return;
  const std::string ref = EnvironmentRef(EnvironmentOf(*entity));
  if (!ref.empty() && ref != catalog::RefOf(*entity).ToString()) AddDependency(entity, ref);
}

bool StandsFor(const json& entity, const Resource& resource) {
  return TextAt(entity, {"kind"}) == "Resource" &&
         TextAt(entity, {"spec", "type"}) == resource.type &&
         TextAt(entity, {"metadata", "name"}) == resource.name;
}

json ResourceEntity(const json& entity, const Resource& resource, bool distinct,
                    const std::vector<std::string>& depends_on) {
  const Heritage heritage = HeritageOf(entity);
  const std::string type = resource.type.empty() ? resource.connector : resource.type;
  const std::string location = absl::StrCat("purser:request/", resource.request_id);
  json annotations = heritage.annotations;
  annotations["backstage.io/managed-by-location"] = location;
  annotations["backstage.io/managed-by-origin-location"] = location;
  annotations["purser.dev/state"] = resource.state.empty() ? kActiveState : resource.state;
  annotations["purser.dev/resource-ids"] = purser::json::Dump(json::array({resource.id}));
  const std::string region = WithoutEdges(TextAt(resource.attributes, {"region"}));
  if (!region.empty()) annotations["purser.dev/location"] = region;
  json made = {
      {"apiVersion", "backstage.io/v1alpha1"},
      {"kind", "Resource"},
      {"metadata",
       {{"name", NameOf(entity, resource, distinct)},
        {"title", resource.name.empty() ? type : absl::StrCat(resource.name, " (", type, ")")},
        {"annotations", std::move(annotations)}}},
      {"spec",
       {{"type", type}, {"owner", heritage.owner.empty() ? resource.owner : heritage.owner}}}};
  const catalog::EntityRef above = catalog::RefOf(entity);
  if (above.namespace_name != "default") made["metadata"]["namespace"] = above.namespace_name;
  json links = LinksOf(resource);
  if (!links.empty()) made["metadata"]["links"] = std::move(links);
  if (!heritage.system.empty()) made["spec"]["system"] = heritage.system;
  if (above.kind == "component" || above.kind == "resource") {
    made["spec"]["dependencyOf"] = {above.ToString()};
  }
  for (size_t i = 0; i < depends_on.size() && i < kMaxDependsOn; ++i) {
    AddDependency(&made, depends_on[i]);
  }
  return made;
}

}  // namespace purser::inventory

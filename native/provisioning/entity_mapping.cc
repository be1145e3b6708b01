#include "provisioning/entity_mapping.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/time_text.h"
#include "catalog/entity.h"
#include "json/json.h"
#include "provisioning/expressions.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

bool UsesSteps(absl::string_view text) {
  if (!IsExpression(text)) return false;
  for (const Reference& reference : FindReferences(text)) {
    if (reference.root == "steps" || reference.root == "outputs") return true;
  }
  return false;
}

// nullopt: it is not known before the steps ran. An element of a list stands
// for one thing and goes whole when a part of it is missing; a member of an
// object goes alone.
std::optional<json> WithoutSteps(const json& value, bool in_list) {
  if (value.is_string()) {
    if (UsesSteps(value.get_ref<const std::string&>())) return std::nullopt;
    return value;
  }
  if (value.is_array()) {
    json result = json::array();
    for (const json& element : value) {
      std::optional<json> kept = WithoutSteps(element, /*in_list=*/true);
      if (kept.has_value()) result.push_back(*std::move(kept));
    }
    return result;
  }
  if (value.is_object()) {
    json result = json::object();
    for (const auto& [key, member] : value.items()) {
      std::optional<json> kept =
          UsesSteps(key) ? std::nullopt : WithoutSteps(member, /*in_list=*/false);
      if (kept.has_value()) {
        result[key] = *std::move(kept);
      } else if (in_list) {
        return std::nullopt;
      }
    }
    return result;
  }
  return value;
}

void AddLinks(json& metadata, const json& outputs, const json& more) {
  json links = json::array();
  std::set<std::string> urls;
  const auto add = [&](const json& link) {
    if (!link.is_object() || !link.contains("url") || !link.at("url").is_string()) return;
    const std::string url = link.at("url");
    if (url.empty() || !urls.insert(url).second) return;
    json own = {{"url", url}};
    for (const char* key : {"title", "icon", "type"}) {
      if (link.contains(key) && link.at(key).is_string()) own[key] = link.at(key);
    }
    links.push_back(std::move(own));
  };
  for (const json& link : metadata.value("links", json::array())) add(link);
  if (outputs.is_object() && outputs.contains("links") && outputs.at("links").is_array()) {
    for (const json& link : outputs.at("links")) add(link);
  }
  for (const json& link : more) add(link);
  metadata.erase("links");
  if (!links.empty()) metadata["links"] = std::move(links);
}

}  // namespace

absl::StatusOr<json> BuildEntity(const Blueprint& blueprint, const EntityInput& input) {
  json context = input.context;
  context["outputs"] = input.outputs.is_object() ? input.outputs : json::object();
  json source = blueprint.entity;
  if (!input.complete) {
    source = WithoutSteps(source, /*in_list=*/false).value_or(json::object());
  }
  PURSER_ASSIGN_OR_RETURN(json entity, Evaluate(source, context, "/entity"));
  entity.emplace("apiVersion", "backstage.io/v1alpha1");
  entity.emplace("kind", "Resource");
  if (!entity.contains("metadata") || !entity["metadata"].is_object() || !entity.contains("spec") ||
      !entity["spec"].is_object()) {
    return absl::InvalidArgumentError("/entity: metadata and spec must be objects");
  }
  json& metadata = entity["metadata"];
  AddLinks(metadata, input.outputs, input.links);
  json annotations = metadata.value("annotations", json::object());
  const std::string location = absl::StrCat("purser:request/", input.request_id);
  annotations["backstage.io/managed-by-location"] = location;
  annotations["backstage.io/managed-by-origin-location"] = location;
  annotations[kAnnotationRequestId] = input.request_id;
  annotations[kAnnotationBlueprint] = blueprint.name;
  // Short waits in the middle are no news for a catalog.
  annotations[kAnnotationState] = std::string(
      ToString(input.state == RequestState::kWaiting ? RequestState::kRunning : input.state));
  if (!input.resource_ids.empty()) {
    annotations[kAnnotationResourceIds] = purser::json::Dump(json(input.resource_ids));
  }
  if (input.expires_at.has_value()) {
    annotations[kAnnotationExpiresAt] = base::TimeText(*input.expires_at);
  }
  metadata["annotations"] = std::move(annotations);
  entity["spec"]["owner"] = input.owner;
  const std::vector<catalog::Problem> problems = catalog::Validate(entity);
  if (!problems.empty()) {
    return absl::InvalidArgumentError(
        absl::StrJoin(problems, "; ", [](std::string* out, const catalog::Problem& problem) {
          absl::StrAppend(out, "/entity", problem.pointer, " ", problem.message);
        }));
  }
  return entity;
}

}  // namespace purser::provisioning

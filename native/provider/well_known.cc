#include <algorithm>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "catalog/entity.h"
#include "json/json.h"
#include "provider/entity_draft.h"
#include "provider/mapping.h"

namespace purser::provider {
namespace {

using Json = nlohmann::json;

constexpr char kPrefix[] = "backstage.io/";

// What an object may not say about its entity: where it comes from is the catalog's to say.
bool IsReserved(absl::string_view name) {
  return absl::StartsWith(name, "managed-by-") || name == "orphan" || name == "view-url" ||
         name == "edit-url" || name == "source-location" || name == "ignore";
}

}  // namespace

void ApplyWellKnownMetadata(const Json* labels, const Json* annotations, Json* draft) {
  Json& metadata = Member(*draft, "metadata");
  Json& spec = Member(*draft, "spec");
  const auto set = [](Json& object, const char* key, const std::string* text) {
    if (text != nullptr && !absl::StripAsciiWhitespace(*text).empty()) object[key] = *text;
  };
  Json& kept = Member(metadata, "annotations");
  set(metadata, "title", TextOf(labels, "app.kubernetes.io/name"));
  set(spec, "system", TextOf(labels, "app.kubernetes.io/part-of"));
  set(kept, "app.kubernetes.io/version", TextOf(labels, "app.kubernetes.io/version"));
  set(kept, "app.kubernetes.io/managed-by", TextOf(labels, "app.kubernetes.io/managed-by"));
  set(kept, "backstage.io/kubernetes-id", TextOf(labels, "backstage.io/kubernetes-id"));
  if (const std::string* const component = TextOf(labels, "app.kubernetes.io/component")) {
    AddTags({*component}, draft);
  }
  for (const Json* const source : {labels, annotations}) {
    for (const char* field : {"owner", "system", "domain", "type", "lifecycle"}) {
      set(spec, field, TextOf(source, absl::StrCat(kPrefix, field)));
    }
  }
  for (const char* field : {"title", "description"}) {
    set(metadata, field, TextOf(annotations, absl::StrCat(kPrefix, field)));
  }
  if (const std::string* const name = TextOf(annotations, "backstage.io/name")) {
    if (!name->empty()) metadata["name"] = catalog::SanitizeName(*name);
  }
  if (const std::string* const tags = TextOf(annotations, "backstage.io/tags")) {
    const absl::StatusOr<std::vector<std::string>> texts = AsTexts(Json(*tags), "");
    if (texts.ok()) AddTags(*texts, draft);
  }
  if (const std::string* const links = TextOf(annotations, "backstage.io/links")) {
    const absl::StatusOr<Json> list = json::Parse(*links, {.max_bytes = 64 << 10, .max_depth = 5});
    if (list.ok()) AddLinks(*list, draft);
  }
  if (annotations != nullptr && annotations->is_object()) {
    static constexpr absl::string_view kFields[] = {"owner", "system",      "domain",    "type",
                                                    "title", "description", "lifecycle", "name",
                                                    "tags",  "links"};
    for (const auto& [key, value] : annotations->items()) {
      if (!absl::StartsWith(key, kPrefix) || !value.is_string()) continue;
      const absl::string_view name = absl::string_view(key).substr(sizeof(kPrefix) - 1);
      if (IsReserved(name) ||
          std::find(std::begin(kFields), std::end(kFields), name) != std::end(kFields)) {
        continue;
      }
      kept[key] = value;
    }
  }
  if (kept.empty()) metadata.erase("annotations");
}

bool AsksToBeIgnored(const Json* labels, const Json* annotations) {
  for (const Json* const source : {annotations, labels}) {
    const std::string* const text = TextOf(source, "backstage.io/ignore");
    if (text != nullptr) return *text == "true";
  }
  return false;
}

void FillRequired(const Json& fallback, Json* draft) {
  const std::string kind = draft->value("kind", "");
  Json& spec = Member(*draft, "spec");
  std::vector<const char*> fields;
  if (kind == "Component" || kind == "API") {
    fields = {"type", "lifecycle", "owner", "system"};
  } else if (kind == "Resource") {
    fields = {"type", "owner", "system"};
    spec.erase("lifecycle");
  } else if (kind == "System" || kind == "Domain") {
    fields = {"owner"};
  } else if (kind == "Template") {
    fields = {"type", "owner"};
  }
  for (const char* field : fields) {
    if (spec.contains(field)) continue;
    if (const std::string* const text = TextOf(&fallback, field)) spec[field] = *text;
  }
}

}  // namespace purser::provider

#include "provider/source_options.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "json/json.h"

namespace purser::provider {
namespace {

constexpr char kSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "additionalProperties": false,
  "properties": {
    "guard": {
      "type": "object",
      "additionalProperties": false,
      "description": "When a drop in entities is held back for an operator.",
      "properties": {
        "maxRemovedFraction": {
          "type": "number", "minimum": 0, "maximum": 1, "default": 0.2,
          "description": "A larger share that has gone at once is held …"
        },
        "minRemoved": {
          "type": "integer", "minimum": 0, "default": 10,
          "description": "… unless fewer than this many have gone."
        },
        "allowEmpty": {
          "type": "boolean", "default": false,
          "description": "Whether a source that holds nothing any more removes everything."
        }
      }
    },
    "allowedKinds": {
      "type": "array", "maxItems": 50,
      "items": {"type": "string", "minLength": 1},
      "description": "Kinds that may come from this instance; others are dropped and counted."
    },
    "allowedNamespaces": {
      "type": "array", "maxItems": 1000,
      "items": {"type": "string", "minLength": 1},
      "description": "Namespaces that entities may be in; any when empty."
    },
    "refreshEvery": {
      "type": "number", "minimum": 1, "maximum": 604800,
      "description": "Seconds between two looks at a source that does not tell its changes."
    },
    "priority": {
      "type": "integer", "minimum": -1000, "maximum": 1000, "default": 0,
      "description": "Of several sources of purserd that tell of one entity the highest shows it."
    }
  }
})json";

void ReadNames(const nlohmann::json& names, absl::flat_hash_set<std::string>& into) {
  for (const nlohmann::json& name : names) {
    into.insert(absl::AsciiStrToLower(name.get_ref<const std::string&>()));
  }
}

}  // namespace

std::string SourceOptions::Refusal(const catalog::EntityRef& ref) const {
  if (!kinds.empty() && !kinds.contains(ref.kind)) {
    return absl::StrCat(ref.ToString(), ": kind ", ref.kind, " is not allowed here (allowedKinds)");
  }
  if (!namespaces.empty() && !namespaces.contains(ref.namespace_name)) {
    return absl::StrCat(ref.ToString(), ": namespace ", ref.namespace_name,
                        " is not allowed here (allowedNamespaces)");
  }
  return "";
}

const nlohmann::json& SourceOptionsSchema() {
  // Never destroyed: hosts may ask while the process ends.
  static const auto& schema = *new nlohmann::json(nlohmann::json::parse(kSchema));
  return schema;
}

absl::StatusOr<SourceOptions> ReadSourceOptions(const nlohmann::json& options,
                                                const Description& description) {
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema, json::Schema::Compile(SourceOptionsSchema()));
  PURSER_RETURN_IF_ERROR(
      json::ToStatus(schema.Validate(options), absl::StrCat("options of ", description.id)));
  SourceOptions result;
  result.refresh_every = description.refresh_every;
  result.source = options;
  if (options.contains("refreshEvery")) {
    result.refresh_every = absl::Seconds(options["refreshEvery"].get<double>());
  }
  result.priority = options.value("priority", int64_t{0});
  if (options.contains("guard")) {
    const nlohmann::json& guard = options["guard"];
    result.guard.max_removed_fraction =
        guard.value("maxRemovedFraction", result.guard.max_removed_fraction);
    result.guard.min_removed = guard.value("minRemoved", result.guard.min_removed);
    result.guard.allow_empty = guard.value("allowEmpty", result.guard.allow_empty);
  }
  if (options.contains("allowedKinds")) {
    ReadNames(options["allowedKinds"], result.kinds);
  } else {
    for (const std::string& kind : description.kinds) {
      result.kinds.insert(absl::AsciiStrToLower(kind));
    }
  }
  if (options.contains("allowedNamespaces")) {
    ReadNames(options["allowedNamespaces"], result.namespaces);
  }
  return result;
}

}  // namespace purser::provider

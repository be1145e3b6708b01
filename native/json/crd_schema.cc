#include "json/crd_schema.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/pattern.h"

namespace purser::json {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxNameLength = 64;  // of fields whose nearest name is looked for

// Members of draft-07 that mean the same in a structural schema.
constexpr const char* kSame[] = {"enum",          "required",   "minLength",   "maxLength",
                                 "minItems",      "maxItems",   "uniqueItems", "minProperties",
                                 "maxProperties", "multipleOf", "format",      "default"};

bool IsTrue(const Json& schema, const char* name) {
  const auto found = schema.find(name);
  return found != schema.end() && found->is_boolean() && found->get<bool>();
}

// Fields that Crossplane gives every claim and composite, beside those of the definition.
const Json& CrossplaneSpec() {
  static const Json* const fields = new Json([] {
    Json out = Json::object();
    for (const char* name :
         {"compositionRef", "compositionSelector", "compositionRevisionRef",
          "compositionRevisionSelector", "compositionUpdatePolicy", "compositeDeletePolicy",
          "writeConnectionSecretToRef", "publishConnectionDetailsTo", "resourceRef", "resourceRefs",
          "claimRef", "crossplane", "environmentConfigRefs"}) {
      out[name] = {{"x-kubernetes-preserve-unknown-fields", true}};
    }
    return out;
  }());
  return *fields;
}

class Converter {
 public:
  // OpenAPI's structural schema to draft-07. Depth is bounded by kMaxCrdDepth.
  absl::StatusOr<Json> Convert(const Json& schema, int depth) {
    if (depth > kMaxCrdDepth) {
      return absl::ResourceExhaustedError(
          absl::StrCat("the schema is nested deeper than ", kMaxCrdDepth, " (kMaxCrdDepth)"));
    }
    if (!schema.is_object()) return Json(true);
    Json out = Json::object();
    for (const char* name : kSame) {
      if (const auto found = schema.find(name); found != schema.end()) out[name] = *found;
    }
    if (IsTrue(schema, "x-kubernetes-int-or-string")) {
      out["type"] = {"integer", "string"};
    } else if (const auto type = schema.find("type"); type != schema.end()) {
      out["type"] = *type;
    }
    if (IsTrue(schema, "nullable")) {
      if (out.contains("type")) {
        Json types = out["type"].is_array() ? out["type"] : Json::array({out["type"]});
        types.push_back("null");
        out["type"] = std::move(types);
      }
      if (out.contains("enum")) out["enum"].push_back(nullptr);
    }
    Bound(schema, "minimum", "exclusiveMinimum", out);
    Bound(schema, "maximum", "exclusiveMaximum", out);
    if (const auto pattern = schema.find("pattern"); pattern != schema.end()) {
      // Go's syntax; nearly all patterns mean the same in both.
      if (pattern->is_string() && Pattern::Compile(pattern->get_ref<const std::string&>()).ok()) {
        out["pattern"] = *pattern;
      } else {
        ++unchecked;
      }
    }
    if (const auto rules = schema.find("x-kubernetes-validations"); rules != schema.end()) {
      unchecked += static_cast<int>(rules->size());
    }
    for (const char* name : {"items", "not", "additionalProperties"}) {
      if (const auto found = schema.find(name); found != schema.end()) {
        PURSER_ASSIGN_OR_RETURN(out[name], Convert(*found, depth + 1));
      }
    }
    for (const char* name : {"allOf", "anyOf", "oneOf"}) {
      const auto found = schema.find(name);
      if (found == schema.end() || !found->is_array()) continue;
      // Within int-or-string these repeat the types.
      Json list = Json::array();
      for (const Json& item : *found) {
        PURSER_ASSIGN_OR_RETURN(Json converted, Convert(item, depth + 1));
        list.push_back(std::move(converted));
      }
      out[name] = std::move(list);
    }
    if (const auto properties = schema.find("properties");
        properties != schema.end() && properties->is_object()) {
      Json converted = Json::object();
      for (const auto& [name, property] : properties->items()) {
        PURSER_ASSIGN_OR_RETURN(converted[name], Convert(property, depth + 1));
      }
      out["properties"] = std::move(converted);
    }
    return out;
  }

  int unchecked = 0;

 private:
  // OpenAPI 3.0 says `exclusiveMinimum: true` beside the bound.
  static void Bound(const Json& schema, const char* bound, const char* exclusive, Json& out) {
    const auto found = schema.find(bound);
    if (found == schema.end()) return;
    out[IsTrue(schema, exclusive) ? exclusive : bound] = *found;
  }
};

std::vector<std::string> NamesOf(const Json& properties) {
  std::vector<std::string> names;
  for (const auto& [name, property] : properties.items()) names.push_back(name);
  return names;
}

std::string UnknownText(const std::string& name, const std::vector<std::string>& known) {
  const std::string nearest = NearestName(name, known);
  if (!nearest.empty()) return absl::StrCat("is no known field; did you mean \"", nearest, "\"?");
  if (known.empty()) return "is no known field; there are none here";
  if (known.size() > 20) return "is no known field";
  return absl::StrCat("is no known field; known are ", absl::StrJoin(known, ", "));
}

// Fields that the server would drop. `value` is bounded in depth by whoever read it.
void FindUnknown(const Json& schema, const Json& value, const std::string& pointer, bool root,
                 std::vector<Violation>* out) {
  if (!schema.is_object() || out->size() >= kMaxViolations) return;
  if (value.is_array()) {
    const auto items = schema.find("items");
    if (items == schema.end()) return;
    for (size_t i = 0; i < value.size(); ++i) {
      FindUnknown(*items, value[i], absl::StrCat(pointer, "/", i), false, out);
    }
    return;
  }
  if (!value.is_object()) return;
  static const Json* const empty = new Json(Json::object());
  const auto found = schema.find("properties");
  const Json& properties = found != schema.end() && found->is_object() ? *found : *empty;
  const bool open = IsTrue(schema, "x-kubernetes-preserve-unknown-fields");
  const bool embedded = root || IsTrue(schema, "x-kubernetes-embedded-resource");
  const auto additional = schema.find("additionalProperties");
  // A schema that says nothing about objects says nothing about their fields.
  if (properties.empty() && additional == schema.end() && schema.value("type", "") != "object") {
    return;
  }
  for (const auto& [name, member] : value.items()) {
    const std::string at = absl::StrCat(pointer, "/", PointerToken(name));
    if (const auto property = properties.find(name); property != properties.end()) {
      // The server knows metadata better than a definition may say.
      if (embedded && name == "metadata") continue;
      FindUnknown(*property, member, at, false, out);
    } else if (embedded && (name == "apiVersion" || name == "kind" || name == "metadata")) {
      continue;
    } else if (additional != schema.end() && !(additional->is_boolean() && *additional == false)) {
      FindUnknown(*additional, member, at, false, out);
    } else if (!open) {
      out->push_back({at, UnknownText(name, NamesOf(properties))});
    }
  }
}

// [a-z0-9]([-a-z0-9]*[a-z0-9])?, with dots between such parts when `dots`.
bool IsDnsName(absl::string_view text, bool dots, size_t limit) {
  if (text.empty() || text.size() > limit) return false;
  char before = '.';
  for (const char c : text) {
    const bool plain = absl::ascii_islower(static_cast<unsigned char>(c)) ||
                       absl::ascii_isdigit(static_cast<unsigned char>(c));
    if (!plain && !(c == '-' && before != '.' && before != '\0') &&
        !(c == '.' && dots && before != '.' && before != '-')) {
      return false;
    }
    before = c;
  }
  return before != '-' && before != '.';
}

// What stands behind the slash of a label's key, and a label's value.
bool IsLabelWord(absl::string_view text, bool may_be_empty) {
  if (text.empty()) return may_be_empty;
  const auto outer = [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); };
  return text.size() <= 63 && outer(text.front()) && outer(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return outer(c) || c == '-' || c == '_' || c == '.'; });
}

void CheckWords(const Json& words, const char* name, bool label, std::vector<Violation>* out) {
  if (!words.is_object()) {
    out->push_back({absl::StrCat("/metadata/", name), "must be an object"});
    return;
  }
  for (const auto& [key, value] : words.items()) {
    const std::string at = absl::StrCat("/metadata/", name, "/", PointerToken(key));
    const size_t slash = key.find('/');
    const bool fits = slash == std::string::npos
                          ? IsLabelWord(key, false)
                          : IsDnsName(absl::string_view(key).substr(0, slash), true, 253) &&
                                IsLabelWord(absl::string_view(key).substr(slash + 1), false);
    if (!fits)
      out->push_back({at,
                      "the key must be a name of at most 63 letters, digits, -, _ and "
                      "., with a domain and / before it if need be"});
    if (!value.is_string()) {
      out->push_back({at, "must be a string"});
    } else if (label && !IsLabelWord(value.get_ref<const std::string&>(), true)) {
      out->push_back({at,
                      "must be at most 63 letters, digits, -, _ and ., with letters or digits "
                      "at both ends"});
    }
  }
}

}  // namespace

std::string NearestName(absl::string_view name, const std::vector<std::string>& names) {
  if (name.size() > kMaxNameLength) return "";
  const std::string wanted = absl::AsciiStrToLower(name);
  std::string best;
  size_t best_distance = std::max<size_t>(name.size() / 3, 1) + 1;
  for (const std::string& candidate : names) {
    if (candidate.size() > kMaxNameLength) continue;
    const std::string other = absl::AsciiStrToLower(candidate);
    // Levenshtein's distance, one row at a time.
    std::vector<size_t> row(other.size() + 1);
    for (size_t i = 0; i < row.size(); ++i) row[i] = i;
    for (size_t i = 1; i <= wanted.size(); ++i) {
      size_t corner = row[0]++;
      for (size_t j = 1; j <= other.size(); ++j) {
        const size_t change = corner + (wanted[i - 1] == other[j - 1] ? 0 : 1);
        corner = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, change});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

std::vector<Violation> CheckMetadata(const Json& metadata) {
  std::vector<Violation> out;
  if (!metadata.is_object()) return {{"/metadata", "must be an object"}};
  static const std::vector<std::string>* const kKnown =
      new std::vector<std::string>{"annotations", "finalizers", "generateName",   "labels",
                                   "name",        "namespace",  "ownerReferences"};
  for (const auto& [name, value] : metadata.items()) {
    if (std::find(kKnown->begin(), kKnown->end(), name) == kKnown->end()) {
      out.push_back({absl::StrCat("/metadata/", PointerToken(name)), UnknownText(name, *kKnown)});
    }
  }
  const std::string name = metadata.value("name", "");
  if (name.empty() && !metadata.contains("generateName")) {
    out.push_back({"/metadata/name", "is required"});
  } else if (!name.empty() && !IsDnsName(name, true, 253)) {
    out.push_back({"/metadata/name",
                   "must be at most 253 lower case letters, digits, - and ., with letters or "
                   "digits at both ends"});
  }
  if (metadata.contains("namespace") && !IsDnsName(metadata.value("namespace", ""), false, 63)) {
    out.push_back({"/metadata/namespace",
                   "must be at most 63 lower case letters, digits and -, with letters or digits "
                   "at both ends"});
  }
  if (metadata.contains("labels")) CheckWords(metadata["labels"], "labels", true, &out);
  if (metadata.contains("annotations")) {
    CheckWords(metadata["annotations"], "annotations", false, &out);
  }
  return out;
}

absl::StatusOr<CrdSchema> CrdSchema::Find(const std::vector<Json>& definitions,
                                          absl::string_view api_version, absl::string_view kind) {
  const size_t slash = api_version.find('/');
  if (slash == absl::string_view::npos) {
    return absl::FailedPreconditionError(
        absl::StrCat("/apiVersion: ", api_version, " is of the core group, which has no CRDs"));
  }
  const std::string group(api_version.substr(0, slash));
  const std::string version(api_version.substr(slash + 1));
  std::vector<std::string> known;
  for (const Json& definition : definitions) {
    if (!definition.is_object() || !definition.contains("spec")) continue;
    const std::string type = definition.value("kind", "");
    const bool composite = type == "CompositeResourceDefinition";
    if (type != "CustomResourceDefinition" && !composite) continue;
    const Json& spec = definition["spec"];
    if (!spec.is_object()) continue;
    const Json names = spec.value("names", Json::object());
    const Json claims = spec.value("claimNames", Json::object());
    const std::string own_group = spec.value("group", "");
    const bool claim = composite && claims.value("kind", "") == kind;
    known.push_back(absl::StrCat(own_group, " ", names.value("kind", "")));
    if (composite && claims.contains("kind")) {
      known.push_back(absl::StrCat(own_group, " ", claims.value("kind", "")));
    }
    if (own_group != group || (names.value("kind", "") != kind && !claim)) continue;
    std::vector<std::string> versions;
    for (const Json& one : spec.value("versions", Json::array())) {
      if (!one.is_object() || !one.value("served", true)) continue;
      versions.push_back(one.value("name", ""));
      if (versions.back() != version) continue;
      Json source = one.value(Json::json_pointer("/schema/openAPIV3Schema"), Json());
      if (!source.is_object()) {
        return absl::FailedPreconditionError(
            absl::StrCat("the definition of ", kind, " has no schema for ", version));
      }
      if (composite) {
        for (const auto& [name, field] : CrossplaneSpec().items()) {
          Json& fields = source["properties"]["spec"]["properties"];
          if (!fields.contains(name)) fields[name] = field;
        }
        source["properties"]["spec"]["type"] = "object";
      }
      Converter converter;
      PURSER_ASSIGN_OR_RETURN(Json converted, converter.Convert(source, 0));
      converted["type"] = "object";
      absl::StatusOr<Schema> schema = Schema::Compile(std::move(converted));
      if (!schema.ok()) {
        return base::Annotate(schema.status(), absl::StrCat("the definition of ", kind));
      }
      CrdSchema result(std::move(source), *std::move(schema));
      const std::string scope = spec.value("scope", composite ? "LegacyCluster" : "Namespaced");
      result.namespaced_ = claim || scope == "Namespaced";
      result.unchecked_rules_ = converter.unchecked;
      return result;
    }
    return absl::FailedPreconditionError(absl::StrCat("/apiVersion: ", kind, " is served as ",
                                                      absl::StrJoin(versions, ", "), ", not as ",
                                                      base::EscapeForDisplay(version, 60)));
  }
  std::sort(known.begin(), known.end());
  if (known.size() > 20) known.resize(20);
  return absl::FailedPreconditionError(
      absl::StrCat("/kind: no definition of ", base::EscapeForDisplay(kind, 80), " in ",
                   base::EscapeForDisplay(group, 80), "; there are ",
                   known.empty() ? "none" : absl::StrJoin(known, ", ")));
}

std::vector<Violation> CrdSchema::Validate(const Json& object) const {
  std::vector<Violation> out = CheckMetadata(object.value("metadata", Json::object()));
  const bool in_namespace = object.value("metadata", Json::object()).contains("namespace");
  if (in_namespace && !namespaced_) {
    out.push_back({"/metadata/namespace", "objects of this kind stand in no namespace"});
  }
  for (Violation& violation : schema_.Validate(object)) {
    // What CheckMetadata has judged already.
    if (absl::StartsWith(violation.pointer, "/metadata/")) continue;
    out.push_back(std::move(violation));
  }
  FindUnknown(source_, object, "", true, &out);
  std::stable_sort(out.begin(), out.end(),
                   [](const Violation& a, const Violation& b) { return a.pointer < b.pointer; });
  return out;
}

std::vector<Violation> CrdSchema::UnknownFields(const Json& object) const {
  std::vector<Violation> out;
  FindUnknown(source_, object, "", true, &out);
  return out;
}

namespace {

void TrimSchema(Json& schema, int depth) {
  if (depth > kMaxCrdDepth) return;
  if (schema.is_array()) {
    for (Json& item : schema) TrimSchema(item, depth + 1);
    return;
  }
  if (!schema.is_object()) return;
  schema.erase("example");
  if (schema.contains("description") && schema["description"].is_string()) {
    schema.erase("description");
  }
  for (auto& [name, member] : schema.items()) {
    if (name == "properties" && member.is_object()) {
      for (auto& [property, value] : member.items()) TrimSchema(value, depth + 1);
    } else if (name != "default" && name != "enum") {
      TrimSchema(member, depth + 1);
    }
  }
}

}  // namespace

Json TrimDefinition(const Json& definition) {
  const Json spec = definition.value("spec", Json::object());
  Json versions = Json::array();
  for (const Json& version : spec.value("versions", Json::array())) {
    if (!version.is_object()) continue;
    Json schema = version.value(Json::json_pointer("/schema/openAPIV3Schema"), Json::object());
    if (schema.contains("properties") && schema["properties"].is_object()) {
      schema["properties"].erase("status");
    }
    TrimSchema(schema, 0);
    versions.push_back({{"name", version.value("name", "")},
                        {"served", version.value("served", true)},
                        {"schema", {{"openAPIV3Schema", std::move(schema)}}}});
  }
  Json trimmed = {{"group", spec.value("group", "")},
                  {"names", {{"kind", spec.value(Json::json_pointer("/names/kind"), "")}}},
                  {"versions", std::move(versions)}};
  if (spec.contains("scope")) trimmed["scope"] = spec["scope"];
  if (spec.contains("claimNames")) {
    trimmed["claimNames"] = {{"kind", spec.value(Json::json_pointer("/claimNames/kind"), "")}};
  }
  return {{"kind", definition.value("kind", "CustomResourceDefinition")},
          {"spec", std::move(trimmed)}};
}

}  // namespace purser::json

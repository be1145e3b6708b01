// JSON Schema draft-07: compile (check the schema, compile patterns), defaults.
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"
#include "json/schema_internal.h"

namespace purser::json {
namespace {

using Json = nlohmann::json;

constexpr int kMaxSchemaNesting = 200;  // of the schema's own text

// Which keywords hold what. Unknown ones are not looked into, but may be the target of a $ref.
constexpr const char* kSchemaKeywords[] = {"additionalItems",
                                           "additionalProperties",
                                           "contains",
                                           "propertyNames",
                                           "not",
                                           "if",
                                           "then",
                                           "else"};
constexpr const char* kSchemaListKeywords[] = {"allOf", "anyOf", "oneOf"};
constexpr const char* kSchemaMapKeywords[] = {"properties", "patternProperties", "definitions",
                                              "$defs"};
constexpr const char* kCountKeywords[] = {"minLength", "maxLength",     "minItems",
                                          "maxItems",  "minProperties", "maxProperties"};
constexpr const char* kNumberKeywords[] = {"minimum", "maximum", "exclusiveMinimum",
                                           "exclusiveMaximum"};
constexpr const char* kTypes[] = {"null",   "boolean", "object", "array",
                                  "number", "string",  "integer"};

class Compiler {
 public:
  explicit Compiler(Schema::Compiled* out) : out_(out) {}

  absl::Status Check(const Json& schema, const std::string& pointer, int depth) {
    if (!checked_.insert(&schema).second) return absl::OkStatus();
    if (schema.is_boolean()) return absl::OkStatus();
    if (!schema.is_object()) return Error(pointer, "a schema must be an object or a boolean");
    if (depth > kMaxSchemaNesting) {
      return Error(pointer, absl::StrCat("schemas are nested deeper than ", kMaxSchemaNesting));
    }
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      return CheckRef(*ref, absl::StrCat(pointer, "/$ref"), depth);
    }
    PURSER_RETURN_IF_ERROR(CheckPlainKeywords(schema, pointer));
    PURSER_RETURN_IF_ERROR(CheckPatterns(schema, pointer));
    return CheckSubschemas(schema, pointer, depth);
  }

 private:
  static absl::Status Error(const std::string& pointer, absl::string_view what) {
    return absl::InvalidArgumentError(
        absl::StrCat("schema at ", pointer.empty() ? "its top" : pointer, ": ", what));
  }

  absl::Status CheckRef(const Json& ref, const std::string& pointer, int depth) {
    if (!ref.is_string()) return Error(pointer, "must be a string");
    const std::string& text = ref.get_ref<const std::string&>();
    const Json* target = ResolveRef(out_->schema, text);
    if (target == nullptr) {
      return Error(pointer, absl::StrCat("\"", base::EscapeForDisplay(text),
                                         "\" is not in this schema; only \"#/…\" is supported"));
    }
    out_->refs.emplace(text, target);
    // A chain of nothing but references that meets itself never ends.
    const Json* step = target;
    for (int turns = 0; step->is_object() && step->contains("$ref"); ++turns) {
      const Json& next = (*step)["$ref"];
      step =
          next.is_string() ? ResolveRef(out_->schema, next.get_ref<const std::string&>()) : nullptr;
      if (step == nullptr) break;
      if (turns > kMaxSchemaNesting) return Error(pointer, "the reference leads back to itself");
    }
    return Check(*target, text.substr(1), depth + 1);
  }

  absl::Status CheckPlainKeywords(const Json& schema, const std::string& pointer) {
    if (const auto type = schema.find("type"); type != schema.end()) {
      const std::string at = absl::StrCat(pointer, "/type");
      if (type->is_array() ? type->empty() : !type->is_string()) {
        return Error(at, "must be a type's name or a list of them");
      }
      for (const Json& name : type->is_array() ? *type : Json::array({*type})) {
        bool known = false;
        for (const char* allowed : kTypes) known = known || name == allowed;
        if (!known) return Error(at, absl::StrCat("unknown type ", Dump(name)));
      }
    }
    for (const char* keyword : kCountKeywords) {
      const auto found = schema.find(keyword);
      if (found != schema.end() && !(found->is_number() && *found >= 0)) {
        return Error(absl::StrCat(pointer, "/", keyword), "must be a number, 0 or more");
      }
    }
    for (const char* keyword : kNumberKeywords) {
      const auto found = schema.find(keyword);
      if (found != schema.end() && !found->is_number()) {
        return Error(absl::StrCat(pointer, "/", keyword), "must be a number");
      }
    }
    if (const auto step = schema.find("multipleOf");
        step != schema.end() && !(step->is_number() && *step > 0)) {
      return Error(absl::StrCat(pointer, "/multipleOf"), "must be a number above 0");
    }
    if (const auto values = schema.find("enum"); values != schema.end() && !values->is_array()) {
      return Error(absl::StrCat(pointer, "/enum"), "must be a list");
    }
    if (const auto required = schema.find("required"); required != schema.end()) {
      const std::string at = absl::StrCat(pointer, "/required");
      if (!required->is_array()) return Error(at, "must be a list of names");
      for (const Json& name : *required) {
        if (!name.is_string()) return Error(at, "must be a list of names");
      }
    }
    if (const auto format = schema.find("format"); format != schema.end() && !format->is_string()) {
      return Error(absl::StrCat(pointer, "/format"), "must be a string");
    }
    return absl::OkStatus();
  }

  absl::Status AddPattern(const std::string& source, const std::string& pointer) {
    if (out_->patterns.contains(source)) return absl::OkStatus();
    absl::StatusOr<Pattern> pattern = Pattern::Compile(source);
    if (!pattern.ok()) return Error(pointer, pattern.status().message());
    out_->patterns.emplace(source, *std::move(pattern));
    return absl::OkStatus();
  }

  absl::Status CheckPatterns(const Json& schema, const std::string& pointer) {
    if (const auto pattern = schema.find("pattern"); pattern != schema.end()) {
      const std::string at = absl::StrCat(pointer, "/pattern");
      if (!pattern->is_string()) return Error(at, "must be a string");
      PURSER_RETURN_IF_ERROR(AddPattern(pattern->get_ref<const std::string&>(), at));
    }
    const auto properties = schema.find("patternProperties");
    if (properties != schema.end() && properties->is_object()) {
      for (const auto& [source, unused] : properties->items()) {
        PURSER_RETURN_IF_ERROR(
            AddPattern(source, absl::StrCat(pointer, "/patternProperties/", PointerToken(source))));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CheckList(const Json& list, const std::string& pointer, int depth) {
    for (size_t i = 0; i < list.size(); ++i) {
      PURSER_RETURN_IF_ERROR(Check(list[i], absl::StrCat(pointer, "/", i), depth + 1));
    }
    return absl::OkStatus();
  }

  absl::Status CheckSubschemas(const Json& schema, const std::string& pointer, int depth) {
    for (const char* keyword : kSchemaKeywords) {
      if (const auto found = schema.find(keyword); found != schema.end()) {
        PURSER_RETURN_IF_ERROR(Check(*found, absl::StrCat(pointer, "/", keyword), depth + 1));
      }
    }
    for (const char* keyword : kSchemaListKeywords) {
      const auto found = schema.find(keyword);
      if (found == schema.end()) continue;
      const std::string at = absl::StrCat(pointer, "/", keyword);
      if (!found->is_array() || found->empty()) return Error(at, "must be a list of schemas");
      PURSER_RETURN_IF_ERROR(CheckList(*found, at, depth));
    }
    for (const char* keyword : kSchemaMapKeywords) {
      const auto found = schema.find(keyword);
      if (found == schema.end()) continue;
      const std::string at = absl::StrCat(pointer, "/", keyword);
      if (!found->is_object()) return Error(at, "must be an object of schemas");
      for (const auto& [name, child] : found->items()) {
        PURSER_RETURN_IF_ERROR(Check(child, absl::StrCat(at, "/", PointerToken(name)), depth + 1));
      }
    }
    if (const auto items = schema.find("items"); items != schema.end()) {
      const std::string at = absl::StrCat(pointer, "/items");
      PURSER_RETURN_IF_ERROR(items->is_array() ? CheckList(*items, at, depth)
                                               : Check(*items, at, depth + 1));
    }
    if (const auto dependencies = schema.find("dependencies"); dependencies != schema.end()) {
      const std::string at = absl::StrCat(pointer, "/dependencies");
      if (!dependencies->is_object()) return Error(at, "must be an object");
      for (const auto& [name, child] : dependencies->items()) {
        const std::string child_at = absl::StrCat(at, "/", PointerToken(name));
        if (!child.is_array()) {
          PURSER_RETURN_IF_ERROR(Check(child, child_at, depth + 1));
          continue;
        }
        for (const Json& needed : child) {
          if (!needed.is_string()) return Error(child_at, "must be a list of names or a schema");
        }
      }
    }
    return absl::OkStatus();
  }

  Schema::Compiled* const out_;
  absl::flat_hash_set<const Json*> checked_;
};

// Completes objects along the keywords that always apply; what anyOf/oneOf/if would choose may
// itself depend on a default, so these give none (as ajv does).
class DefaultsFiller {
 public:
  explicit DefaultsFiller(const Schema::Compiled& compiled) : compiled_(compiled) {}

  void Fill(const Json& schema, Json& instance, int depth) {
    if (!schema.is_object() || depth > kMaxSchemaDepth || ++steps_ > kMaxSchemaSteps) return;
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      Fill(*compiled_.refs.at(ref->get_ref<const std::string&>()), instance, depth + 1);
      return;
    }
    if (const auto all = schema.find("allOf"); all != schema.end()) {
      for (const Json& part : *all) Fill(part, instance, depth + 1);
    }
    if (instance.is_object()) FillObject(schema, instance, depth);
    const auto items = schema.find("items");
    if (instance.is_array() && items != schema.end()) {
      for (size_t i = 0; i < instance.size(); ++i) {
        if (!items->is_array()) {
          Fill(*items, instance[i], depth + 1);
        } else if (i < items->size()) {
          Fill((*items)[i], instance[i], depth + 1);
        }
      }
    }
  }

 private:
  void FillObject(const Json& schema, Json& instance, int depth) {
    const auto properties = schema.find("properties");
    if (properties != schema.end()) {
      for (const auto& [name, child] : properties->items()) {
        if (!instance.contains(name)) {
          const Json* value = DefaultOf(child, 0);
          if (value == nullptr) continue;
          instance[name] = *value;
        }
        Fill(child, instance[name], depth + 1);
      }
    }
    const auto additional = schema.find("additionalProperties");
    if (additional != schema.end() && additional->is_object()) {
      for (auto& [name, value] : instance.items()) {
        if (properties != schema.end() && properties->contains(name)) continue;
        Fill(*additional, value, depth + 1);
      }
    }
  }

  const Json* DefaultOf(const Json& schema, int depth) {
    if (!schema.is_object() || depth > kMaxSchemaDepth) return nullptr;
    if (const auto ref = schema.find("$ref"); ref != schema.end()) {
      return DefaultOf(*compiled_.refs.at(ref->get_ref<const std::string&>()), depth + 1);
    }
    const auto found = schema.find("default");
    return found == schema.end() ? nullptr : &*found;
  }

  const Schema::Compiled& compiled_;
  int64_t steps_ = 0;
};

}  // namespace

const nlohmann::json* ResolveRef(const nlohmann::json& root, absl::string_view ref) {
  if (ref.empty() || ref.front() != '#') return nullptr;
  ref.remove_prefix(1);
  const Json* at = &root;
  while (!ref.empty()) {
    if (ref.front() != '/') return nullptr;
    ref.remove_prefix(1);
    const size_t end = std::min(ref.find('/'), ref.size());
    std::string token;
    for (size_t i = 0; i < end; ++i) {
      const auto hex = [&ref](size_t k) {
        const char c = static_cast<char>(ref[k] | 0x20);
        return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
      };
      if (ref[i] == '~' && i + 1 < end && (ref[i + 1] == '0' || ref[i + 1] == '1')) {
        token += ref[++i] == '0' ? '~' : '/';
      } else if (ref[i] == '%' && i + 2 < end && hex(i + 1) >= 0 && hex(i + 2) >= 0) {
        token += static_cast<char>(hex(i + 1) * 16 + hex(i + 2));
        i += 2;
      } else {
        token += ref[i];
      }
    }
    ref.remove_prefix(end);
    if (at->is_object()) {
      const auto found = at->find(token);
      if (found == at->end()) return nullptr;
      at = &*found;
    } else if (at->is_array()) {
      size_t index = 0;
      for (const char c : token) {
        if (c < '0' || c > '9' || index > at->size()) return nullptr;
        index = index * 10 + static_cast<size_t>(c - '0');
      }
      if (token.empty() || index >= at->size()) return nullptr;
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at;
}

absl::StatusOr<Schema> Schema::Compile(nlohmann::json schema) {
  auto compiled = std::make_shared<Compiled>();
  compiled->schema = std::move(schema);
  PURSER_RETURN_IF_ERROR(Compiler(compiled.get()).Check(compiled->schema, "", 0));
  return Schema(std::move(compiled));
}

const nlohmann::json& Schema::text() const { return compiled_->schema; }

nlohmann::json Schema::WithDefaults(nlohmann::json instance) const {
  DefaultsFiller(*compiled_).Fill(compiled_->schema, instance, 0);
  return instance;
}

}  // namespace purser::json

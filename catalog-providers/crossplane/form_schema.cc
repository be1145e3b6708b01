#include "catalog-providers/crossplane/form_schema.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

bool IsUpper(char c) { return absl::ascii_isupper(static_cast<unsigned char>(c)); }
bool IsLower(char c) {
  return absl::ascii_islower(static_cast<unsigned char>(c)) ||
         absl::ascii_isdigit(static_cast<unsigned char>(c));
}

class Converter {
 public:
  explicit Converter(int64_t* left_out) : left_out_(left_out) {}

  // False when the field cannot be shown.
  bool Convert(const Json& schema, int depth, Json* form) {
    *form = Json::object();
    if (!schema.is_object()) return false;
    Copy(schema,
         {"enum", "default", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
          "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "uniqueItems",
          "minProperties", "maxProperties"},
         form);
    const auto title = schema.find("title");
    if (title != schema.end() && title->is_string()) (*form)["title"] = *title;
    // OpenAPI 3.0 has booleans where JSON Schema has numbers.
    for (const auto& [flag, limit] :
         {std::pair{"exclusiveMinimum", "minimum"}, std::pair{"exclusiveMaximum", "maximum"}}) {
      const auto found = form->find(flag);
      if (found == form->end() || !found->is_boolean()) continue;
      const bool exclusive = found->get<bool>();
      form->erase(found);
      if (exclusive && form->contains(limit)) {
        (*form)[flag] = (*form)[limit];
        form->erase(limit);
      }
    }
    const auto description = schema.find("description");
    if (description != schema.end() && description->is_string()) {
      const std::string& text = description->get_ref<const std::string&>();
      size_t end = std::min(text.size(), kMaxFormTextBytes);
      while (end < text.size() && end > 0 &&
             (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
        --end;
      }
      (*form)["description"] = text.substr(0, end);
    }
    const auto format = schema.find("format");
    for (const char* shown : {"date-time", "date", "email", "uri", "uuid"}) {
      if (format != schema.end() && *format == shown) (*form)["format"] = shown;
    }
    if (schema.value("x-kubernetes-int-or-string", Json()) == true) {
      (*form)["type"] = "string";
      return true;
    }
    const std::string type = TypeOf(schema);
    if (type == "object") return Object(schema, depth, form);
    if (type == "array") {
      (*form)["type"] = "array";
      Json items;
      if (depth >= kMaxFormDepth || !schema.contains("items") ||
          !Convert(schema["items"], depth + 1, &items)) {
        items = {{"type", "string"}};
      }
      (*form)["items"] = std::move(items);
      return true;
    }
    if (type != "string" && type != "integer" && type != "number" && type != "boolean") {
      return false;
    }
    (*form)["type"] = type;
    return true;
  }

 private:
  static void Copy(const Json& from, std::initializer_list<const char*> names, Json* to) {
    for (const char* name : names) {
      const auto found = from.find(name);
      if (found != from.end()) (*to)[name] = *found;
    }
  }

  static std::string TypeOf(const Json& schema) {
    const auto type = schema.find("type");
    if (type != schema.end() && type->is_string()) return type->get<std::string>();
    if (schema.contains("properties") || schema.contains("additionalProperties") ||
        schema.value("x-kubernetes-preserve-unknown-fields", Json()) == true) {
      return "object";
    }
    if (schema.contains("items")) return "array";
    return schema.contains("enum") ? "string" : "";
  }

  bool Object(const Json& schema, int depth, Json* form) {
    (*form)["type"] = "object";
    const auto properties = schema.find("properties");
    if (properties == schema.end() || !properties->is_object() || properties->empty()) {
      // Free names: people give pairs.
      Json value = {{"type", "string"}};
      const auto more = schema.find("additionalProperties");
      if (more != schema.end() && more->is_object() && depth < kMaxFormDepth) {
        Json converted;
        if (Convert(*more, depth + 1, &converted)) value = std::move(converted);
      }
      (*form)["additionalProperties"] = std::move(value);
      return true;
    }
    Json fields = Json::object();
    for (const auto& [name, property] : properties->items()) {
      Json field;
      if (depth >= kMaxFormDepth || fields_ >= kMaxFormFields ||
          !Convert(property, depth + 1, &field)) {
        ++*left_out_;
        continue;
      }
      ++fields_;
      if (!field.contains("title")) field["title"] = TitleOf(name);
      fields[name] = std::move(field);
    }
    const auto required = schema.find("required");
    if (required != schema.end() && required->is_array()) {
      Json kept = Json::array();
      for (const Json& name : *required) {
        // A default answers for what nobody filled in.
        if (name.is_string() && fields.contains(name.get<std::string>())) kept.push_back(name);
      }
      if (!kept.empty()) (*form)["required"] = std::move(kept);
    }
    (*form)["properties"] = std::move(fields);
    return true;
  }

  int64_t* const left_out_;
  size_t fields_ = 0;
};

}  // namespace

Json FormSchema(const Json& schema, int64_t* left_out) {
  *left_out = 0;
  Json form;
  if (!Converter(left_out).Convert(schema, 0, &form)) {
    return {{"type", "object"}, {"properties", Json::object()}};
  }
  return form;
}

std::string TitleOf(absl::string_view field) {
  std::string title;
  for (size_t i = 0; i < field.size(); ++i) {
    const char c = field[i];
    if (c == '-' || c == '_' || c == '.') {
      if (!title.empty() && title.back() != ' ') title.push_back(' ');
      continue;
    }
    const bool begins = i > 0 && IsUpper(c) && IsLower(field[i - 1]);
    const bool ends_run = i > 0 && IsUpper(c) && IsUpper(field[i - 1]) && i + 1 < field.size() &&
                          IsLower(field[i + 1]) && !absl::ascii_isdigit(field[i + 1]);
    if ((begins || ends_run) && title.back() != ' ') title.push_back(' ');
    // A word of one capital only is a word; a run of capitals is an abbreviation.
    const bool alone = i + 1 >= field.size() || !IsUpper(field[i + 1]);
    title.push_back(begins && alone && i + 1 < field.size() ? absl::ascii_tolower(c) : c);
  }
  if (!title.empty()) title[0] = absl::ascii_toupper(static_cast<unsigned char>(title[0]));
  return title;
}

}  // namespace purser::catalog_providers

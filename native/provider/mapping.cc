#include "provider/mapping.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "catalog/names.h"
#include "json/json.h"
#include "template/template.h"

namespace purser::provider {
namespace {

using Json = nlohmann::json;

constexpr char kSchema[] = R"json({
  "type": "array", "maxItems": 200, "default": [],
  "description": "Rules that say how items become entities; the first that matches counts.",
  "items": {
    "type": "object", "additionalProperties": false,
    "properties": {
      "match": {
        "type": "object", "additionalProperties": false,
        "description": "All that is given must hold; without it the rule takes every item.",
        "properties": {
          "apiVersion": {"$ref": "#/definitions/patterns"},
          "kind": {"$ref": "#/definitions/patterns"},
          "namespace": {"$ref": "#/definitions/patterns"},
          "name": {"$ref": "#/definitions/patterns"},
          "labels": {"$ref": "#/definitions/pairs"},
          "annotations": {"$ref": "#/definitions/pairs"},
          "if": {"type": "string", "minLength": 1, "maxLength": 8192,
                 "description": "An expression ${{ … }} that must be true."}
        }
      },
      "drop": {"type": "boolean", "description": "The item becomes no entity."},
      "continue": {"type": "boolean", "description": "The rules behind this one are asked too."},
      "entity": {
        "type": "object", "additionalProperties": false,
        "description": "Fields of the entity; texts may hold expressions ${{ … }}.",
        "properties": {
          "kind": {"$ref": "#/definitions/text"},
          "name": {"$ref": "#/definitions/text"},
          "namespace": {"$ref": "#/definitions/text"},
          "title": {"$ref": "#/definitions/text"},
          "description": {"$ref": "#/definitions/text"},
          "owner": {"$ref": "#/definitions/text"},
          "system": {"$ref": "#/definitions/text"},
          "domain": {"$ref": "#/definitions/text"},
          "type": {"$ref": "#/definitions/text"},
          "lifecycle": {"$ref": "#/definitions/text"},
          "tags": {"oneOf": [{"$ref": "#/definitions/text"},
                             {"type": "array", "maxItems": 30, "items": {"$ref": "#/definitions/text"}}]},
          "links": {"oneOf": [{"$ref": "#/definitions/text"},
                              {"type": "array", "maxItems": 30, "items": {
                                "type": "object", "additionalProperties": false, "required": ["url"],
                                "properties": {
                                  "url": {"$ref": "#/definitions/text"},
                                  "title": {"$ref": "#/definitions/text"},
                                  "icon": {"$ref": "#/definitions/text"},
                                  "type": {"$ref": "#/definitions/text"}}}}]},
          "labels": {"$ref": "#/definitions/texts"},
          "annotations": {"$ref": "#/definitions/texts"},
          "dependsOn": {"oneOf": [{"$ref": "#/definitions/text"},
                                  {"type": "array", "maxItems": 100, "items": {"$ref": "#/definitions/text"}}]},
          "spec": {"type": "object", "maxProperties": 50,
                   "description": "Other members of the entity's spec."}
        }
      }
    }
  },
  "definitions": {}
})json";

// Stand below the schema's own "definitions", wherever a provider puts it; $ref is resolved against
// the whole document, so the references are written out here instead.
const Json& Definition(const std::string& name) {
  static const Json& definitions = *new Json(Json::parse(R"json({
    "text": {"type": "string", "maxLength": 8192},
    "patterns": {"description": "A name, or a list of them; * stands for any characters, ? for one.",
      "oneOf": [{"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1},
                 "minItems": 1, "maxItems": 100}]},
    "pairs": {"type": "object", "maxProperties": 50,
      "description": "Name to pattern of the value; null: there must be none of that name.",
      "additionalProperties": {"type": ["string", "null"]}},
    "texts": {"type": "object", "maxProperties": 100,
      "description": "Name to text; null takes the name away.",
      "additionalProperties": {"type": ["string", "null"], "maxLength": 8192}}
  })json"));
  return definitions[name];
}

void Inline(Json& schema) {
  if (schema.is_object()) {
    const auto found = schema.find("$ref");
    if (found != schema.end()) {
      const std::string name(absl::StripPrefix(found->get<std::string>(), "#/definitions/"));
      schema = Definition(name);
      return;
    }
  }
  if (schema.is_structured()) {
    for (Json& member : schema) Inline(member);
  }
}

const tmpl::Limits& ExpressionLimits() {
  static const tmpl::Limits& limits = *new tmpl::Limits{
      .max_source_bytes = kMaxMappingTextBytes,
      .max_output_bytes = kMaxMappingOutputBytes,
      .max_steps = kMaxMappingSteps,
      .max_nesting = 64,
      .max_memory_bytes = kMaxMappingMemoryBytes,
      .max_regex_steps = 200'000,
      .max_wall_ms = kMaxMappingMillis,
  };
  return limits;
}

bool IsNothing(const Json& value) {
  return value.is_discarded() || value.is_null() ||
         (value.is_string() && value.get_ref<const std::string&>().empty());
}

bool IsTrue(const Json& value) {
  if (IsNothing(value)) return false;
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number()) return value.get<double>() != 0;
  return true;
}

const std::string* TextOf(const Json* object, const std::string& key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(key);
  return found != object->end() && found->is_string() ? found->get_ptr<const std::string*>()
                                                      : nullptr;
}

// A value of the config: plain JSON, with every string compiled.
struct Node {
  std::string where;  // "rules[0].entity.owner"
  Json literal;       // what holds no template
  std::optional<tmpl::Template> text;
  std::string name;  // as a member
  std::vector<Node> items;
  std::vector<Node> members;
  enum class Type { kLiteral, kTemplate, kArray, kObject } type = Type::kLiteral;
};

struct Rule {
  std::string where;
  std::vector<std::string> api_versions, kinds, namespaces, names;
  std::vector<std::pair<std::string, std::optional<std::string>>> labels, annotations;
  std::optional<tmpl::Template> condition;
  bool drop = false;
  bool go_on = false;
  std::vector<std::pair<std::string, Node>> entity;
};

std::vector<std::string> Patterns(const Json& match, const char* key) {
  const auto found = match.find(key);
  if (found == match.end()) return {};
  if (found->is_string()) return {found->get<std::string>()};
  return found->get<std::vector<std::string>>();
}

bool AnyMatches(const std::vector<std::string>& patterns, absl::string_view text) {
  return patterns.empty() ||
         std::any_of(patterns.begin(), patterns.end(),
                     [text](const std::string& pattern) { return WildcardMatches(pattern, text); });
}

bool PairsMatch(const std::vector<std::pair<std::string, std::optional<std::string>>>& wanted,
                const Json* values) {
  return std::all_of(wanted.begin(), wanted.end(), [values](const auto& pair) {
    const std::string* const value = TextOf(values, pair.first);
    if (!pair.second.has_value()) return value == nullptr;
    return value != nullptr && WildcardMatches(*pair.second, *value);
  });
}

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '$';
}

// The members of the variable `name` that an expression's text speaks of. Reads the text, not its
// syntax tree: what it takes for a use and is none (a word in a string) only makes the answer
// wider.
void AddFields(absl::string_view text, absl::string_view name, std::set<FieldPath>* fields) {
  for (size_t at = text.find(name); at != absl::string_view::npos; at = text.find(name, at + 1)) {
    if (at > 0 && (IsWordCharacter(text[at - 1]) || text[at - 1] == '.')) continue;
    size_t next = at + name.size();
    if (next < text.size() && IsWordCharacter(text[next])) continue;
    FieldPath path;
    for (;;) {
      if (next < text.size() && text[next] == '.') {
        size_t end = next + 1;
        while (end < text.size() && IsWordCharacter(text[end])) ++end;
        if (end == next + 1) break;
        // A method is asked of what stands before it.
        if (end < text.size() && text[end] == '(') break;
        path.emplace_back(text.substr(next + 1, end - next - 1));
        next = end;
        continue;
      }
      if (next + 1 < text.size() && text[next] == '[' &&
          (text[next + 1] == '\'' || text[next + 1] == '"')) {
        const size_t close = text.find(text[next + 1], next + 2);
        if (close == absl::string_view::npos || close + 1 >= text.size() ||
            text[close + 1] != ']' ||
            absl::StrContains(text.substr(next + 2, close - next - 2), '\\')) {
          break;
        }
        path.emplace_back(text.substr(next + 2, close - next - 2));
        next = close + 2;
        continue;
      }
      break;
    }
    // `length` is asked of a list or text, which is then needed as a whole.
    if (!path.empty() && path.back() == "length") path.pop_back();
    fields->insert(std::move(path));
  }
}

class Compiler {
 public:
  absl::StatusOr<Rule> Compile(const Json& config, std::string where) {
    Rule rule;
    rule.where = where;
    if (const auto match = config.find("match"); match != config.end()) {
      rule.api_versions = Patterns(*match, "apiVersion");
      rule.kinds = Patterns(*match, "kind");
      rule.namespaces = Patterns(*match, "namespace");
      rule.names = Patterns(*match, "name");
      rule.labels = Pairs(*match, "labels");
      rule.annotations = Pairs(*match, "annotations");
      if (const auto condition = match->find("if"); condition != match->end()) {
        const std::string& text = condition->get_ref<const std::string&>();
        const std::string at = absl::StrCat(where, ".match.if");
        absl::StatusOr<tmpl::Template> compiled = Text(text, at);
        if (!compiled.ok()) {
          Add(compiled.status().message());
        } else if (compiled->IsPlain()) {
          Add(absl::StrCat(at, ": must be an expression, ${{ … }}"));
        } else {
          rule.condition = *std::move(compiled);
        }
      }
    }
    rule.drop = config.value("drop", false);
    rule.go_on = config.value("continue", false);
    const auto entity = config.find("entity");
    if (rule.drop && (rule.go_on || (entity != config.end() && !entity->empty()))) {
      Add(absl::StrCat(where, ": a rule with drop: true has neither entity nor continue"));
    }
    if (entity != config.end()) {
      for (const auto& [key, value] : entity->items()) {
        rule.entity.emplace_back(key, MakeNode(value, absl::StrCat(where, ".entity.", key), 0));
      }
    }
    return rule;
  }

  absl::Status status() const {
    return problems_.empty() ? absl::OkStatus() : absl::InvalidArgumentError(problems_);
  }
  std::vector<std::string>&& texts() { return std::move(texts_); }

 private:
  static constexpr int kMaxDepth = 20;

  void Add(absl::string_view problem) {
    absl::StrAppend(&problems_, problems_.empty() ? "" : "; ", problem);
  }

  absl::StatusOr<tmpl::Template> Text(const std::string& text, const std::string& where) {
    texts_.push_back(text);
    return tmpl::Template::Compile(text, {.name = where}, ExpressionLimits());
  }

  static std::vector<std::pair<std::string, std::optional<std::string>>> Pairs(const Json& match,
                                                                               const char* key) {
    std::vector<std::pair<std::string, std::optional<std::string>>> pairs;
    const auto found = match.find(key);
    if (found == match.end()) return pairs;
    for (const auto& [name, value] : found->items()) {
      pairs.emplace_back(name, value.is_string()
                                   ? std::optional<std::string>(value.get<std::string>())
                                   : std::nullopt);
    }
    return pairs;
  }

  Node MakeNode(const Json& value, const std::string& where, int depth) {
    Node node;
    node.where = where;
    if (depth > kMaxDepth) {
      Add(absl::StrCat(where, ": is nested deeper than ", kMaxDepth, " levels"));
      return node;
    }
    if (value.is_string()) {
      absl::StatusOr<tmpl::Template> compiled = Text(value.get_ref<const std::string&>(), where);
      if (!compiled.ok()) {
        Add(compiled.status().message());
      } else if (!compiled->IsPlain()) {
        node.type = Node::Type::kTemplate;
        node.text = *std::move(compiled);
        return node;
      }
      node.literal = value;
    } else if (value.is_array()) {
      node.type = Node::Type::kArray;
      for (size_t i = 0; i < value.size(); ++i) {
        node.items.push_back(MakeNode(value[i], absl::StrCat(where, "[", i, "]"), depth + 1));
      }
    } else if (value.is_object()) {
      node.type = Node::Type::kObject;
      for (const auto& [key, member] : value.items()) {
        node.members.push_back(MakeNode(member, absl::StrCat(where, ".", key), depth + 1));
        node.members.back().name = key;
      }
    } else {
      node.literal = value;
    }
    return node;
  }

  std::string problems_;
  std::vector<std::string> texts_;
};

// Members that are undefined are left out, items become null.
absl::StatusOr<Json> Evaluate(const Node& node, const tmpl::Context& context) {
  switch (node.type) {
    case Node::Type::kLiteral:
      return node.literal;
    case Node::Type::kTemplate:
      return node.text->Evaluate(context, ExpressionLimits());
    case Node::Type::kArray: {
      Json list = Json::array();
      for (const Node& item : node.items) {
        PURSER_ASSIGN_OR_RETURN(Json value, Evaluate(item, context));
        list.push_back(value.is_discarded() ? Json() : std::move(value));
      }
      return list;
    }
    case Node::Type::kObject: {
      Json object = Json::object();
      for (const Node& member : node.members) {
        PURSER_ASSIGN_OR_RETURN(Json value, Evaluate(member, context));
        if (!value.is_discarded()) object[member.name] = std::move(value);
      }
      return object;
    }
  }
  return Json();
}

absl::StatusOr<std::string> AsText(const Json& value, const std::string& where) {
  if (IsNothing(value)) return "";
  if (value.is_string()) {
    return std::string(absl::StripAsciiWhitespace(value.get_ref<const std::string&>()));
  }
  if (value.is_structured()) {
    return absl::InvalidArgumentError(absl::StrCat(
        where, ": gives ", value.is_array() ? "a list" : "an object", " where a text belongs"));
  }
  return value.dump();
}

// A list from a list, or from one text with commas.
absl::StatusOr<std::vector<std::string>> AsTexts(const Json& value, const std::string& where) {
  std::vector<std::string> texts;
  const auto add = [&texts](absl::string_view text) {
    text = absl::StripAsciiWhitespace(text);
    if (!text.empty()) texts.emplace_back(text);
  };
  if (value.is_array()) {
    for (const Json& item : value) {
      PURSER_ASSIGN_OR_RETURN(const std::string text, AsText(item, where));
      add(text);
    }
    return texts;
  }
  PURSER_ASSIGN_OR_RETURN(const std::string text, AsText(value, where));
  for (size_t start = 0; start <= text.size();) {
    const size_t comma = std::min(text.find(',', start), text.size());
    add(absl::string_view(text).substr(start, comma - start));
    start = comma + 1;
  }
  return texts;
}

Json& Member(Json& object, const char* key) {
  Json& member = object[key];
  if (!member.is_object()) member = Json::object();
  return member;
}

void AddTags(const std::vector<std::string>& texts, Json* draft) {
  Json& tags = (*draft)["metadata"]["tags"];
  if (!tags.is_array()) tags = Json::array();
  for (const std::string& text : texts) {
    const std::string tag = TagOf(text);
    if (tag.empty() || tags.size() >= kMaxEntityTags) continue;
    if (std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  }
  if (tags.empty()) (*draft)["metadata"].erase("tags");
}

// Web addresses only: a link is something people click.
bool IsWebUrl(absl::string_view url) {
  return (absl::StartsWith(url, "https://") || absl::StartsWith(url, "http://")) &&
         url.size() > 8 && url.size() <= 2048 && std::none_of(url.begin(), url.end(), [](char c) {
           return absl::ascii_iscntrl(static_cast<unsigned char>(c)) || c == ' ' || c == '"' ||
                  c == '<' || c == '>';
         });
}

void AddLinks(const Json& list, Json* draft) {
  if (!list.is_array()) return;
  Json& links = (*draft)["metadata"]["links"];
  if (!links.is_array()) links = Json::array();
  for (const Json& link : list) {
    const std::string* const url = TextOf(&link, "url");
    if (url == nullptr || !IsWebUrl(*url) || links.size() >= kMaxEntityLinks) continue;
    Json kept = {{"url", *url}};
    for (const char* key : {"title", "icon", "type"}) {
      const std::string* const text = TextOf(&link, key);
      if (text != nullptr && !text->empty()) kept[key] = *text;
    }
    if (std::find(links.begin(), links.end(), kept) == links.end()) links.push_back(kept);
  }
  if (links.empty()) (*draft)["metadata"].erase("links");
}

absl::Status SetField(const std::string& key, const Node& node, const tmpl::Context& context,
                      Json* draft) {
  PURSER_ASSIGN_OR_RETURN(const Json value, Evaluate(node, context));
  Json& metadata = Member(*draft, "metadata");
  Json& spec = Member(*draft, "spec");
  if (key == "labels" || key == "annotations") {
    Json& map = Member(metadata, key.c_str());
    for (const auto& [name, member] : value.items()) {
      if (member.is_null()) {
        map.erase(name);
        continue;
      }
      PURSER_ASSIGN_OR_RETURN(std::string text,
                              AsText(member, absl::StrCat(node.where, ".", name)));
      if (!text.empty()) map[name] = std::move(text);
    }
    return absl::OkStatus();
  }
  if (key == "spec") {
    for (const auto& [name, member] : value.items()) {
      if (member.is_null()) {
        spec.erase(name);
      } else {
        spec[name] = member;
      }
    }
    return absl::OkStatus();
  }
  if (IsNothing(value)) return absl::OkStatus();
  if (key == "links") {
    if (!value.is_array()) {
      return absl::InvalidArgumentError(absl::StrCat(node.where, ": must give a list of links"));
    }
    AddLinks(value, draft);
    return absl::OkStatus();
  }
  if (key == "tags" || key == "dependsOn") {
    PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> texts, AsTexts(value, node.where));
    if (key == "tags") {
      AddTags(texts, draft);
      return absl::OkStatus();
    }
    Json& list = spec["dependsOn"];
    if (!list.is_array()) list = Json::array();
    for (const std::string& text : texts) {
      if (std::find(list.begin(), list.end(), text) == list.end()) list.push_back(text);
    }
    return absl::OkStatus();
  }
  PURSER_ASSIGN_OR_RETURN(std::string text, AsText(value, node.where));
  if (text.empty()) return absl::OkStatus();
  if (key == "kind") {
    (*draft)["kind"] = std::move(text);
  } else if (key == "name") {
    metadata["name"] = catalog::SanitizeName(text);
  } else if (key == "namespace") {
    text = absl::AsciiStrToLower(text);
    if (!catalog::IsDnsLabel(text)) {
      return absl::InvalidArgumentError(
          absl::StrCat(node.where, ": gives ", base::EscapeForDisplay(text),
                       ", but a namespace has 1 to 63 lower-case letters, digits and inner '-'"));
    }
    metadata["namespace"] = std::move(text);
  } else if (key == "title" || key == "description") {
    metadata[key] = std::move(text);
  } else {
    spec[key] = std::move(text);
  }
  return absl::OkStatus();
}

constexpr char kPrefix[] = "backstage.io/";

// What an object may not say about its entity: where it comes from is the catalog's to say.
bool IsReserved(absl::string_view name) {
  return absl::StartsWith(name, "managed-by-") || name == "orphan" || name == "view-url" ||
         name == "edit-url" || name == "source-location" || name == "ignore";
}

}  // namespace

struct Mapping::Compiled {
  std::vector<Rule> rules;
  std::vector<std::string> texts;
};

Mapping::Mapping() : compiled_(std::make_shared<const Compiled>()) {}

const Json& Mapping::Schema() {
  static const Json& schema = *[] {
    auto* const parsed = new Json(Json::parse(kSchema));
    parsed->erase("definitions");
    Inline(*parsed);
    return parsed;
  }();
  return schema;
}

absl::StatusOr<Mapping> Mapping::Compile(const Json& rules, absl::string_view where) {
  auto compiled = std::make_shared<Compiled>();
  if (rules.is_null()) return Mapping(std::move(compiled));
  if (rules.size() > kMaxMappingRules) {
    return absl::InvalidArgumentError(
        absl::StrCat(where, ": has more than ", kMaxMappingRules, " rules"));
  }
  Compiler compiler;
  for (size_t i = 0; i < rules.size(); ++i) {
    PURSER_ASSIGN_OR_RETURN(Rule rule,
                            compiler.Compile(rules[i], absl::StrCat(where, "[", i, "]")));
    compiled->rules.push_back(std::move(rule));
  }
  PURSER_RETURN_IF_ERROR(compiler.status());
  compiled->texts = compiler.texts();
  return Mapping(std::move(compiled));
}

absl::StatusOr<MappingOutcome> Mapping::Apply(const MappingItem& item, Json* draft) const {
  MappingOutcome outcome = MappingOutcome::kUnmatched;
  // Made when the first expression needs it. Expressions see the draft as the provider made it,
  // whatever rules before changed.
  std::optional<tmpl::Context> context;
  const auto prepare = [&]() -> absl::Status {
    if (context.has_value()) return absl::OkStatus();
    Json variables = item.variables != nullptr ? *item.variables : Json::object();
    variables["labels"] =
        item.labels != nullptr && item.labels->is_object() ? *item.labels : Json::object();
    variables["annotations"] = item.annotations != nullptr && item.annotations->is_object()
                                   ? *item.annotations
                                   : Json::object();
    variables["entity"] = *draft;
    PURSER_ASSIGN_OR_RETURN(context, tmpl::Context::FromJson(variables));
    return absl::OkStatus();
  };
  for (const Rule& rule : compiled_->rules) {
    if (!AnyMatches(rule.api_versions, item.api_version) || !AnyMatches(rule.kinds, item.kind) ||
        !AnyMatches(rule.namespaces, item.namespace_name) || !AnyMatches(rule.names, item.name) ||
        !PairsMatch(rule.labels, item.labels) || !PairsMatch(rule.annotations, item.annotations)) {
      continue;
    }
    if (rule.condition.has_value()) {
      PURSER_RETURN_IF_ERROR(prepare());
      PURSER_ASSIGN_OR_RETURN(const Json holds,
                              rule.condition->Evaluate(*context, ExpressionLimits()));
      if (!IsTrue(holds)) continue;
    }
    if (rule.drop) return MappingOutcome::kDropped;
    if (!rule.entity.empty()) PURSER_RETURN_IF_ERROR(prepare());
    for (const auto& [key, node] : rule.entity) {
      PURSER_RETURN_IF_ERROR(SetField(key, node, *context, draft));
    }
    outcome = MappingOutcome::kMapped;
    if (!rule.go_on) break;
  }
  return outcome;
}

std::vector<FieldPath> Mapping::FieldsOf(absl::string_view name) const {
  std::set<FieldPath> fields;
  for (const std::string& text : compiled_->texts) AddFields(text, name, &fields);
  if (fields.contains(FieldPath())) return {FieldPath()};
  return {fields.begin(), fields.end()};
}

size_t Mapping::size() const { return compiled_->rules.size(); }

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

std::string TagOf(absl::string_view text) {
  std::string tag;
  for (char c : text) {
    c = absl::ascii_tolower(static_cast<unsigned char>(c));
    const bool fits = absl::ascii_islower(static_cast<unsigned char>(c)) ||
                      absl::ascii_isdigit(static_cast<unsigned char>(c)) || c == ':' || c == '+' ||
                      c == '#';
    if (fits) {
      tag.push_back(c);
    } else if (!tag.empty() && tag.back() != '-') {
      tag.push_back('-');
    }
    if (tag.size() == catalog::kMaxNameBytes) break;
  }
  while (!tag.empty() && tag.back() == '-') tag.pop_back();
  return tag;
}

bool WildcardMatches(absl::string_view pattern, absl::string_view text) {
  size_t at = 0, star = absl::string_view::npos, mark = 0, next = 0;
  while (at < text.size()) {
    if (next < pattern.size() && pattern[next] == '*') {
      star = next++;
      mark = at;
    } else if (next < pattern.size() && (pattern[next] == '?' || pattern[next] == text[at])) {
      ++next;
      ++at;
    } else if (star != absl::string_view::npos) {
      next = star + 1;
      at = ++mark;
    } else {
      return false;
    }
  }
  while (next < pattern.size() && pattern[next] == '*') ++next;
  return next == pattern.size();
}

}  // namespace purser::provider

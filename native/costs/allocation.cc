#include "costs/allocation.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "costs/readers/tags.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr char kValuePlace[] = "{value}";
constexpr int64_t kMaxAllocationBytes = 8 << 20;
constexpr size_t kMaxNameBytes = 63;  // of an entity

// A tag's value as a part of an entity's name: "Team A" and "team-a" mean the same.
std::string NamePart(absl::string_view value) {
  std::string name;
  for (const char c : value.substr(0, kMaxNameBytes)) {
    const char lower = absl::ascii_tolower(c);
    name.push_back(absl::ascii_isalnum(lower) || lower == '.' || lower == '_' ? lower : '-');
  }
  const size_t first = name.find_first_not_of("-._");
  if (first == std::string::npos) return "";
  return name.substr(first, name.find_last_not_of("-._") + 1 - first);
}

}  // namespace

// Reads the rules of one document and collects what is wrong with them.
class AllocationParser {
 public:
  AllocationParser(const document::Document& document, absl::string_view file)
      : document_(document), file_(file) {}

  absl::StatusOr<std::shared_ptr<const Allocation>> Run() {
    auto allocation = std::make_shared<Allocation>();
    ReadRules(*allocation);
    if (!problems_.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems_, "\n"));
    allocation->fingerprint_ = base::Sha256Hex(json::Dump(document_.value));
    return allocation;
  }

 private:
  void Problem(absl::string_view pointer, absl::string_view text) {
    problems_.push_back(absl::StrCat(document_.Where(file_, pointer), ": ", text));
  }

  // The member's text; "" and a problem when it is something else.
  std::string TextAt(const nlohmann::json& rule, const char* key, const std::string& pointer) {
    const auto found = rule.find(key);
    if (found == rule.end()) return "";
    if (found->is_string() && !found->get_ref<const std::string&>().empty()) return *found;
    Problem(absl::StrCat(pointer, "/", key), absl::StrCat(key, " must be a text"));
    return "";
  }

  void CheckKeys(const nlohmann::json& object, const std::set<std::string>& allowed,
                 const std::string& pointer) {
    for (const auto& [key, value] : object.items()) {
      if (!allowed.contains(key)) {
        Problem(absl::StrCat(pointer, "/", json::PointerToken(key)),
                absl::StrCat("unknown field \"", base::EscapeForDisplay(key), "\"; known are ",
                             absl::StrJoin(allowed, ", ")));
      }
    }
  }

  // In lower case; a problem when it is no entity ref.
  std::string CheckedRef(const std::string& text, const std::string& pointer) {
    const std::string sample = absl::StrReplaceAll(text, {{kValuePlace, "value"}});
    const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(sample);
    if (!ref.ok()) Problem(pointer, ref.status().message());
    // "{value}" is in lower case itself.
    if (ref.ok() && !absl::StrContains(text, kValuePlace)) return ref->ToString();
    return absl::AsciiStrToLower(text);
  }

  void ReadRules(Allocation& allocation) {
    const nlohmann::json& root = document_.value;
    if (!root.is_object() || !root.contains("spec") || !root["spec"].is_object() ||
        !root["spec"].contains("rules") || !root["spec"]["rules"].is_array()) {
      Problem("",
              "an allocation has the form {apiVersion, kind: CostAllocation, spec: {rules: []}}");
      return;
    }
    CheckKeys(root, {"apiVersion", "kind", "metadata", "spec"}, "");
    if (root.value("apiVersion", nlohmann::json()) != "purser.dev/v1") {
      Problem("/apiVersion", "apiVersion must be purser.dev/v1");
    }
    if (root.value("kind", nlohmann::json()) != "CostAllocation") {
      Problem("/kind", "kind must be CostAllocation");
    }
    CheckKeys(root["spec"], {"rules"}, "/spec");
    const nlohmann::json& rules = root["spec"]["rules"];
    if (rules.size() > kMaxRules) {
      Problem("/spec/rules", absl::StrCat("more than ", kMaxRules, " rules (kMaxRules)"));
      return;
    }
    bool recorded = false;
    for (size_t i = 0; i < rules.size(); ++i) {
      const std::string pointer = absl::StrCat("/spec/rules/", i);
      if (!rules[i].is_object()) {
        Problem(pointer, "a rule is an object with name and one of resource, tag, subAccount");
        continue;
      }
      allocation.rules_.push_back(ReadRule(rules[i], pointer));
      recorded = recorded || allocation.rules_.back().kind == Allocation::Kind::kRecorded;
    }
    if (!recorded) {
      Allocation::Rule rule;
      rule.name = "recorded";
      allocation.rules_.insert(allocation.rules_.begin(), std::move(rule));
    }
  }

  Allocation::Rule ReadRule(const nlohmann::json& value, const std::string& pointer) {
    Allocation::Rule rule;
    CheckKeys(value, {"name", "resource", "tag", "subAccount", "entity", "values"}, pointer);
    rule.name = TextAt(value, "name", pointer);
    if (!value.contains("name")) Problem(pointer, "a rule needs a name");
    if (!rule.name.empty() && !names_.insert(rule.name).second) {
      Problem(pointer + "/name",
              absl::StrCat("two rules are named ", base::EscapeForDisplay(rule.name)));
    }
    if (value.contains("resource") + value.contains("tag") + value.contains("subAccount") != 1) {
      Problem(pointer, "a rule has exactly one of resource, tag, subAccount");
      return rule;
    }
    if (value.contains("resource")) {
      if (value["resource"] != "recorded") {
        Problem(pointer + "/resource", "the only value is \"recorded\"");
      }
      if (value.contains("entity") || value.contains("values")) {
        Problem(pointer, "a resource rule takes its entity from what was recorded");
      }
      return rule;
    }
    if (value.contains("tag")) {
      rule.kind = Allocation::Kind::kTag;
      rule.tag = TextAt(value, "tag", pointer);
      if (value.contains("values")) ReadValues(value["values"], pointer + "/values", rule);
      if (value.contains("entity")) {
        rule.entity = CheckedRef(TextAt(value, "entity", pointer), pointer + "/entity");
      } else if (!value.contains("values")) {
        rule.entity = kValuePlace;
      }
      return rule;
    }
    rule.kind = Allocation::Kind::kSubAccount;
    ReadSubAccounts(value["subAccount"], pointer + "/subAccount", rule);
    rule.entity = CheckedRef(TextAt(value, "entity", pointer), pointer + "/entity");
    if (value.contains("values")) Problem(pointer, "values belong to a tag rule");
    return rule;
  }

  void ReadValues(const nlohmann::json& values, const std::string& pointer,
                  Allocation::Rule& rule) {
    if (!values.is_object()) {
      Problem(pointer, "values is a map from tag values to entity refs");
      return;
    }
    mapped_ += values.size();
    if (mapped_ > kMaxMappedValues) {
      Problem(pointer, absl::StrCat("more than ", kMaxMappedValues, " values (kMaxMappedValues)"));
      return;
    }
    for (const auto& [key, entity] : values.items()) {
      const std::string at = absl::StrCat(pointer, "/", json::PointerToken(key));
      if (!entity.is_string()) {
        Problem(at, "an entity ref is expected");
        continue;
      }
      rule.values[key] = CheckedRef(entity, at);
    }
  }

  void ReadSubAccounts(const nlohmann::json& accounts, const std::string& pointer,
                       Allocation::Rule& rule) {
    const nlohmann::json list = accounts.is_array() ? accounts : nlohmann::json::array({accounts});
    for (const nlohmann::json& account : list) {
      if (!account.is_string() || account == "") {
        Problem(pointer, "sub accounts are texts; put numbers into quotes");
        return;
      }
      rule.sub_accounts.push_back(account);
    }
    std::sort(rule.sub_accounts.begin(), rule.sub_accounts.end());
    mapped_ += rule.sub_accounts.size();
    if (mapped_ > kMaxMappedValues) {
      Problem(pointer, absl::StrCat("more than ", kMaxMappedValues, " values (kMaxMappedValues)"));
    }
  }

  const document::Document& document_;
  absl::string_view file_;
  std::vector<std::string> problems_;
  std::set<std::string> names_;
  size_t mapped_ = 0;
};

std::shared_ptr<const Allocation> Allocation::Default() {
  auto allocation = std::make_shared<Allocation>();
  Rule rule;
  rule.name = "recorded";
  allocation->rules_.push_back(std::move(rule));
  allocation->fingerprint_ = "default";
  return allocation;
}

absl::StatusOr<std::shared_ptr<const Allocation>> Allocation::Parse(absl::string_view yaml,
                                                                    absl::string_view file) {
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(yaml, file));
  return AllocationParser(document, file).Run();
}

absl::StatusOr<std::shared_ptr<const Allocation>> Allocation::Load(const std::string& path) {
  PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(path, kMaxAllocationBytes));
  return Parse(text, path);
}

absl::StatusOr<Decision> Allocation::Decide(const Subject& subject,
                                            ResourceIndex& resources) const {
  for (const Rule& rule : rules_) {
    switch (rule.kind) {
      case Kind::kRecorded: {
        if (subject.resource_id.empty()) break;
        PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> entity,
                                resources.EntityOf(subject.resource_id));
        if (entity.has_value()) return Decision{absl::AsciiStrToLower(*entity), rule.name};
        break;
      }
      case Kind::kTag: {
        const std::string* value = FindTag(*subject.tags, rule.tag);
        if (value == nullptr) break;
        const auto mapped = rule.values.find(*value);
        if (mapped != rule.values.end()) return Decision{mapped->second, rule.name};
        if (rule.entity.empty()) break;
        const std::string text =
            rule.entity == kValuePlace
                ? std::string(absl::StripAsciiWhitespace(*value))
                : absl::StrReplaceAll(rule.entity, {{kValuePlace, NamePart(*value)}});
        // What people write into tags need not be a ref; then later rules have their turn.
        const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(text);
        if (ref.ok()) return Decision{ref->ToString(), rule.name};
        break;
      }
      case Kind::kSubAccount:
        if (std::binary_search(rule.sub_accounts.begin(), rule.sub_accounts.end(),
                               subject.sub_account)) {
          return Decision{rule.entity, rule.name};
        }
        break;
    }
  }
  return Decision{kUnallocated, ""};
}

}  // namespace purser::costs

// The YAML form of allocation rules.
#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/allocation_document.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr int64_t kMaxAllocationBytes = 8 << 20;
constexpr absl::string_view kItemColumns[] = {"ServiceName", "RegionId", "SkuId", "ChargeCategory",
                                              "BillingCurrency"};

template <typename List>
bool Among(const List& list, absl::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

}  // namespace

// Reads the rules of one document and collects what is wrong with them.
class AllocationParser {
 public:
  AllocationParser(const document::Document& document, absl::string_view file)
      : document_(document, file) {}

  absl::StatusOr<std::shared_ptr<const Allocation>> Run() {
    auto allocation = std::make_shared<Allocation>();
    allocation_ = allocation.get();
    ReadRoot();
    if (!document_.problems().empty()) {
      return absl::InvalidArgumentError(absl::StrJoin(document_.problems(), "\n"));
    }
    allocation->fingerprint_ = base::Sha256Hex(json::Dump(document_.value()));
    if (const nlohmann::json& spec = document_.value()["spec"]; spec.contains("pools")) {
      allocation->pools_fingerprint_ = base::Sha256Hex(json::Dump(spec["pools"]));
    }
    return allocation;
  }

 private:
  using Rule = Allocation::Rule;
  using Kind = Allocation::Kind;

  // Remembers what must be kept of charges for the column to be looked at.
  void Use(const std::string& column, const std::string& pointer) {
    if (absl::StartsWith(column, "tag:") || column == "ResourceId" || column == "SubAccountId" ||
        Among(kSubjectColumns, column)) {
      return;
    }
    if (Among(kItemColumns, column)) {
      allocation_->by_item_ = true;
      return;
    }
    std::vector<std::string>& extra = allocation_->extra_columns_;
    if (Among(extra, column)) return;
    if (extra.size() == kMaxSubjectColumns) {
      document_.Problem(pointer, absl::StrCat("rules look at more than ", kMaxSubjectColumns,
                                              " further columns (kMaxSubjectColumns)"));
      return;
    }
    extra.push_back(column);
    std::sort(extra.begin(), extra.end());
  }

  void ReadRoot() {
    const nlohmann::json& root = document_.value();
    if (!root.is_object() || !root.contains("spec") || !root["spec"].is_object() ||
        !root["spec"].contains("rules") || !root["spec"]["rules"].is_array()) {
      document_.Problem(
          "", "an allocation has the form {apiVersion, kind: CostAllocation, spec: {rules: []}}");
      return;
    }
    document_.CheckKeys(root, {"apiVersion", "kind", "metadata", "spec"}, "");
    if (root.value("apiVersion", nlohmann::json()) != "purser.dev/v1") {
      document_.Problem("/apiVersion", "apiVersion must be purser.dev/v1");
    }
    if (root.value("kind", nlohmann::json()) != "CostAllocation") {
      document_.Problem("/kind", "kind must be CostAllocation");
    }
    const nlohmann::json& spec = root["spec"];
    document_.CheckKeys(spec, {"rules", "pools"}, "/spec");
    if (spec.contains("pools")) {
      allocation_->pools_ = ReadPools(document_, spec["pools"]);
      for (const Pool& pool : allocation_->pools_) pools_.insert(pool.name);
    }
    const nlohmann::json& rules = spec["rules"];
    if (rules.size() > kMaxRules) {
      document_.Problem("/spec/rules", absl::StrCat("more than ", kMaxRules, " rules (kMaxRules)"));
      return;
    }
    bool recorded = false;
    for (size_t i = 0; i < rules.size(); ++i) {
      const std::string pointer = absl::StrCat("/spec/rules/", i);
      if (!rules[i].is_object()) {
        document_.Problem(pointer,
                          "a rule is an object with name and one of resource, tag, subAccount, "
                          "kubernetes, column, match");
        continue;
      }
      allocation_->rules_.push_back(ReadRule(rules[i], pointer));
      recorded = recorded || allocation_->rules_.back().kind == Kind::kRecorded;
    }
    if (!recorded) {
      Rule rule;
      rule.name = "recorded";
      allocation_->rules_.insert(allocation_->rules_.begin(), std::move(rule));
    }
  }

  Rule ReadRule(const nlohmann::json& value, const std::string& pointer) {
    Rule rule;
    document_.CheckKeys(value,
                        {"name", "resource", "tag", "subAccount", "kubernetes", "column", "glob",
                         "match", "when", "entity", "values", "share"},
                        pointer);
    rule.name = document_.TextAt(value, "name", pointer);
    if (!value.contains("name")) document_.Problem(pointer, "a rule needs a name");
    if (!rule.name.empty() && !names_.insert(rule.name).second) {
      document_.Problem(pointer + "/name",
                        absl::StrCat("two rules are named ", base::EscapeForDisplay(rule.name)));
    }
    int kinds = 0;
    for (const char* kind : {"resource", "tag", "subAccount", "kubernetes", "column", "match"}) {
      kinds += value.contains(kind) ? 1 : 0;
    }
    if (kinds != 1) {
      document_.Problem(pointer,
                        "a rule has exactly one of resource, tag, subAccount, kubernetes, column, "
                        "match");
      return rule;
    }
    if (value.contains("when")) ReadConditions(value["when"], pointer + "/when", rule);
    if (value.contains("resource")) {
      if (value["resource"] != "recorded") {
        document_.Problem(pointer + "/resource", "the only value is \"recorded\"");
      }
      if (value.contains("entity") || value.contains("values") || value.contains("share")) {
        document_.Problem(pointer, "a resource rule takes its entity from what was recorded");
      }
      return rule;
    }
    ReadKind(value, pointer, rule);
    ReadTarget(value, pointer, rule);
    return rule;
  }

  void ReadKind(const nlohmann::json& value, const std::string& pointer, Rule& rule) {
    if (value.contains("tag")) {
      rule.kind = Kind::kTag;
      rule.key = document_.TextAt(value, "tag", pointer);
    } else if (value.contains("column")) {
      rule.kind = Kind::kColumn;
      rule.key = document_.TextAt(value, "column", pointer);
      Use(rule.key, pointer + "/column");
    } else if (value.contains("kubernetes")) {
      rule.kind = Kind::kKubernetes;
      const nlohmann::json& what = value["kubernetes"];
      // What tells that a charge is a pod's.
      Use("x_KubernetesNamespace", pointer);
      if (what.is_object() && what.size() == 1 && what.contains("label")) {
        rule.key = document_.TextAt(what, "label", pointer + "/kubernetes");
      } else if (what != "namespace") {
        document_.Problem(pointer + "/kubernetes", "must be namespace or {label: NAME}");
      }
    } else if (value.contains("match")) {
      rule.kind = Kind::kMatch;
      ReadConditions(value["match"], pointer + "/match", rule);
    } else {
      rule.kind = Kind::kSubAccount;
      rule.sub_accounts =
          document_.TextsOf(value["subAccount"], pointer + "/subAccount", "sub accounts");
    }
    if (value.contains("glob")) {
      rule.glob = document_.TextAt(value, "glob", pointer);
      if (rule.kind != Kind::kColumn && rule.kind != Kind::kTag) {
        document_.Problem(pointer + "/glob", "glob belongs to a tag or column rule");
      }
      if (std::count(rule.glob.begin(), rule.glob.end(), '*') > kMaxStars) {
        document_.Problem(pointer + "/glob", absl::StrCat("at most ", kMaxStars, " stars"));
      }
    }
  }

  void ReadTarget(const nlohmann::json& value, const std::string& pointer, Rule& rule) {
    const bool looks_up =
        rule.kind == Kind::kTag || rule.kind == Kind::kColumn || rule.kind == Kind::kKubernetes;
    if (value.contains("values")) {
      if (!looks_up)
        document_.Problem(pointer, "values belong to a tag, column or kubernetes rule");
      ReadValues(value["values"], pointer + "/values", rule);
    }
    if (value.contains("share")) {
      rule.pool = document_.TextAt(value, "share", pointer);
      if (value.contains("entity"))
        document_.Problem(pointer, "a rule has entity or share, not both");
      if (!rule.pool.empty() && !pools_.contains(rule.pool)) {
        document_.Problem(
            pointer + "/share",
            absl::StrCat("there is no pool ", base::EscapeForDisplay(rule.pool), " in spec.pools"));
      }
      return;
    }
    if (value.contains("entity")) {
      rule.entity =
          document_.CheckedRef(document_.TextAt(value, "entity", pointer), pointer + "/entity");
    } else if (!looks_up) {
      document_.Problem(pointer, "the rule has neither entity nor share");
    } else if (!value.contains("values")) {
      rule.entity = "{value}";
    }
    if (!looks_up && absl::StrContains(rule.entity, "{")) {
      document_.Problem(pointer + "/entity", "this kind of rule has no {value}");
    }
  }

  void ReadConditions(const nlohmann::json& value, const std::string& pointer, Rule& rule) {
    if (!value.is_object() || value.empty()) {
      document_.Problem(pointer,
                        "conditions are a map from columns, or tag:KEY, to texts, {glob: …} or "
                        "{regex: …}");
      return;
    }
    for (const auto& [column, wanted] : value.items()) {
      const std::string at = absl::StrCat(pointer, "/", json::PointerToken(column));
      Matcher matcher;
      matcher.column = column;
      Use(column, at);
      if (wanted.is_object()) {
        if (wanted.size() == 1 && wanted.contains("glob")) {
          matcher.globs = document_.TextsOf(wanted["glob"], at, "globs");
        } else if (wanted.size() == 1 && wanted.contains("regex")) {
          ReadPatterns(wanted["regex"], at, matcher);
        } else {
          document_.Problem(at, "must be a text, a list of texts, {glob: …} or {regex: …}");
          continue;
        }
      } else {
        matcher.values = document_.TextsOf(wanted, at, "values");
      }
      rule.conditions.push_back(std::move(matcher));
    }
  }

  void ReadPatterns(const nlohmann::json& value, const std::string& at, Matcher& matcher) {
    for (const std::string& source : document_.TextsOf(value, at, "regular expressions")) {
      absl::StatusOr<json::Pattern> pattern = json::Pattern::Compile(source);
      if (pattern.ok()) {
        matcher.patterns.push_back(*std::move(pattern));
      } else {
        document_.Problem(at, pattern.status().message());
      }
    }
  }

  void ReadValues(const nlohmann::json& values, const std::string& pointer, Rule& rule) {
    if (!values.is_object()) {
      document_.Problem(pointer, "values is a map from tag values to entity refs");
      return;
    }
    document_.CountMapped(values.size(), pointer);
    for (const auto& [key, entity] : values.items()) {
      const std::string at = absl::StrCat(pointer, "/", json::PointerToken(key));
      if (!entity.is_string()) {
        document_.Problem(at, "an entity ref is expected");
        continue;
      }
      rule.values[key] = document_.CheckedRef(entity, at);
    }
  }

  AllocationDocument document_;
  Allocation* allocation_ = nullptr;
  std::set<std::string> names_;
  std::set<std::string> pools_;
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

}  // namespace purser::costs

// The YAML form of allocation rules.
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
#include "costs/allocation.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::costs {
namespace {

constexpr int64_t kMaxAllocationBytes = 8 << 20;
constexpr absl::string_view kItemColumns[] = {"ServiceName", "RegionId", "SkuId", "ChargeCategory",
                                              "BillingCurrency"};
constexpr int kMaxStars = 9;

template <typename List>
bool Among(const List& list, absl::string_view text) {
  return std::find(std::begin(list), std::end(list), text) != std::end(list);
}

}  // namespace

// Reads the rules of one document and collects what is wrong with them.
class AllocationParser {
 public:
  AllocationParser(const document::Document& document, absl::string_view file)
      : document_(document), file_(file) {}

  absl::StatusOr<std::shared_ptr<const Allocation>> Run() {
    auto allocation = std::make_shared<Allocation>();
    allocation_ = allocation.get();
    ReadRoot();
    if (!problems_.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems_, "\n"));
    allocation->fingerprint_ = base::Sha256Hex(json::Dump(document_.value));
    return allocation;
  }

 private:
  using Rule = Allocation::Rule;
  using Kind = Allocation::Kind;

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

  // A text or a list of texts.
  std::vector<std::string> TextsOf(const nlohmann::json& value, const std::string& pointer,
                                   absl::string_view what) {
    std::vector<std::string> texts;
    const nlohmann::json list = value.is_array() ? value : nlohmann::json::array({value});
    for (const nlohmann::json& text : list) {
      if (!text.is_string()) {
        Problem(pointer, absl::StrCat(what, " are texts; put numbers into quotes"));
        return {};
      }
      texts.push_back(text);
    }
    std::sort(texts.begin(), texts.end());
    mapped_ += texts.size();
    if (mapped_ > kMaxMappedValues) {
      Problem(pointer, absl::StrCat("more than ", kMaxMappedValues, " values (kMaxMappedValues)"));
    }
    return texts;
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
    std::string sample = absl::StrReplaceAll(text, {{"{value}", "value"}});
    for (int i = 1; i <= kMaxStars; ++i) {
      sample = absl::StrReplaceAll(sample, {{absl::StrCat("{", i, "}"), "value"}});
    }
    const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(sample);
    if (!ref.ok()) Problem(pointer, ref.status().message());
    // "{value}" is in lower case itself.
    if (ref.ok() && sample == text) return ref->ToString();
    return absl::AsciiStrToLower(text);
  }

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
      Problem(pointer, absl::StrCat("rules look at more than ", kMaxSubjectColumns,
                                    " further columns (kMaxSubjectColumns)"));
      return;
    }
    extra.push_back(column);
    std::sort(extra.begin(), extra.end());
  }

  void ReadRoot() {
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
    const nlohmann::json& spec = root["spec"];
    CheckKeys(spec, {"rules", "pools"}, "/spec");
    if (spec.contains("pools")) ReadPools(spec["pools"]);
    const nlohmann::json& rules = spec["rules"];
    if (rules.size() > kMaxRules) {
      Problem("/spec/rules", absl::StrCat("more than ", kMaxRules, " rules (kMaxRules)"));
      return;
    }
    bool recorded = false;
    for (size_t i = 0; i < rules.size(); ++i) {
      const std::string pointer = absl::StrCat("/spec/rules/", i);
      if (!rules[i].is_object()) {
        Problem(pointer,
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
    CheckKeys(value,
              {"name", "resource", "tag", "subAccount", "kubernetes", "column", "glob", "match",
               "when", "entity", "values", "share"},
              pointer);
    rule.name = TextAt(value, "name", pointer);
    if (!value.contains("name")) Problem(pointer, "a rule needs a name");
    if (!rule.name.empty() && !names_.insert(rule.name).second) {
      Problem(pointer + "/name",
              absl::StrCat("two rules are named ", base::EscapeForDisplay(rule.name)));
    }
    int kinds = 0;
    for (const char* kind : {"resource", "tag", "subAccount", "kubernetes", "column", "match"}) {
      kinds += value.contains(kind) ? 1 : 0;
    }
    if (kinds != 1) {
      Problem(pointer,
              "a rule has exactly one of resource, tag, subAccount, kubernetes, column, "
              "match");
      return rule;
    }
    if (value.contains("when")) ReadConditions(value["when"], pointer + "/when", rule);
    if (value.contains("resource")) {
      if (value["resource"] != "recorded") {
        Problem(pointer + "/resource", "the only value is \"recorded\"");
      }
      if (value.contains("entity") || value.contains("values") || value.contains("share")) {
        Problem(pointer, "a resource rule takes its entity from what was recorded");
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
      rule.key = TextAt(value, "tag", pointer);
    } else if (value.contains("column")) {
      rule.kind = Kind::kColumn;
      rule.key = TextAt(value, "column", pointer);
      Use(rule.key, pointer + "/column");
    } else if (value.contains("kubernetes")) {
      rule.kind = Kind::kKubernetes;
      const nlohmann::json& what = value["kubernetes"];
      // What tells that a charge is a pod's.
      Use("x_KubernetesNamespace", pointer);
      if (what.is_object() && what.size() == 1 && what.contains("label")) {
        rule.key = TextAt(what, "label", pointer + "/kubernetes");
      } else if (what != "namespace") {
        Problem(pointer + "/kubernetes", "must be namespace or {label: NAME}");
      }
    } else if (value.contains("match")) {
      rule.kind = Kind::kMatch;
      ReadConditions(value["match"], pointer + "/match", rule);
    } else {
      rule.kind = Kind::kSubAccount;
      rule.sub_accounts = TextsOf(value["subAccount"], pointer + "/subAccount", "sub accounts");
    }
    if (value.contains("glob")) {
      rule.glob = TextAt(value, "glob", pointer);
      if (rule.kind != Kind::kColumn && rule.kind != Kind::kTag) {
        Problem(pointer + "/glob", "glob belongs to a tag or column rule");
      }
      if (std::count(rule.glob.begin(), rule.glob.end(), '*') > kMaxStars) {
        Problem(pointer + "/glob", absl::StrCat("at most ", kMaxStars, " stars"));
      }
    }
  }

  void ReadTarget(const nlohmann::json& value, const std::string& pointer, Rule& rule) {
    const bool looks_up =
        rule.kind == Kind::kTag || rule.kind == Kind::kColumn || rule.kind == Kind::kKubernetes;
    if (value.contains("values")) {
      if (!looks_up) Problem(pointer, "values belong to a tag, column or kubernetes rule");
      ReadValues(value["values"], pointer + "/values", rule);
    }
    if (value.contains("share")) {
      rule.pool = TextAt(value, "share", pointer);
      if (value.contains("entity")) Problem(pointer, "a rule has entity or share, not both");
      if (!rule.pool.empty() && !pools_.contains(rule.pool)) {
        Problem(
            pointer + "/share",
            absl::StrCat("there is no pool ", base::EscapeForDisplay(rule.pool), " in spec.pools"));
      }
      return;
    }
    if (value.contains("entity")) {
      rule.entity = CheckedRef(TextAt(value, "entity", pointer), pointer + "/entity");
    } else if (!looks_up) {
      Problem(pointer, "the rule has neither entity nor share");
    } else if (!value.contains("values")) {
      rule.entity = "{value}";
    }
    if (!looks_up && absl::StrContains(rule.entity, "{")) {
      Problem(pointer + "/entity", "this kind of rule has no {value}");
    }
  }

  void ReadConditions(const nlohmann::json& value, const std::string& pointer, Rule& rule) {
    if (!value.is_object() || value.empty()) {
      Problem(pointer, "conditions are a map from columns, or tag:KEY, to texts or {glob: …}");
      return;
    }
    for (const auto& [column, wanted] : value.items()) {
      const std::string at = absl::StrCat(pointer, "/", json::PointerToken(column));
      Matcher matcher;
      matcher.column = column;
      Use(column, at);
      if (wanted.is_object()) {
        if (wanted.size() != 1 || !wanted.contains("glob")) {
          Problem(at, "must be a text, a list of texts or {glob: …}");
          continue;
        }
        matcher.globs = TextsOf(wanted["glob"], at, "globs");
      } else {
        matcher.values = TextsOf(wanted, at, "values");
      }
      rule.conditions.push_back(std::move(matcher));
    }
  }

  void ReadValues(const nlohmann::json& values, const std::string& pointer, Rule& rule) {
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

  void ReadPools(const nlohmann::json& pools) {
    if (!pools.is_array() || pools.size() > kMaxPools) {
      Problem("/spec/pools",
              absl::StrCat("pools are a list of at most ", kMaxPools, " (kMaxPools)"));
      return;
    }
    for (size_t i = 0; i < pools.size(); ++i) {
      const std::string pointer = absl::StrCat("/spec/pools/", i);
      if (!pools[i].is_object()) {
        Problem(pointer, "a pool is an object with name and split");
        continue;
      }
      Pool pool = ReadPool(pools[i], pointer);
      if (!pools_.insert(pool.name).second) {
        Problem(pointer, absl::StrCat("two pools are named ", base::EscapeForDisplay(pool.name)));
      }
      allocation_->pools_.push_back(std::move(pool));
    }
  }

  Pool ReadPool(const nlohmann::json& value, const std::string& pointer) {
    Pool pool;
    CheckKeys(value, {"name", "split", "measure", "shares", "metric", "capacity", "among"},
              pointer);
    pool.name = TextAt(value, "name", pointer);
    if (pool.name.empty() || pool.name != NamePart(pool.name)) {
      Problem(pointer, "a pool needs a name of a-z, 0-9, '.', '_' and '-'");
    }
    const std::string split = TextAt(value, "split", pointer);
    const std::map<std::string, Split> splits = {{"even", Split::kEven},
                                                 {"proportional", Split::kProportional},
                                                 {"fixed", Split::kFixed},
                                                 {"metric", Split::kMetric}};
    const auto found = splits.find(split);
    if (found == splits.end()) {
      Problem(pointer, "split must be even, proportional, fixed or metric");
      return pool;
    }
    pool.split = found->second;
    if (value.contains("measure")) {
      const absl::StatusOr<Measure> measure = ParseMeasure(TextAt(value, "measure", pointer));
      if (measure.ok()) {
        pool.measure = *measure;
      } else {
        Problem(pointer + "/measure", measure.status().message());
      }
    }
    pool.metric = TextAt(value, "metric", pointer);
    pool.capacity = TextAt(value, "capacity", pointer);
    if ((pool.split == Split::kMetric) != value.contains("metric")) {
      Problem(pointer, "split: metric goes together with metric");
    }
    if (value.contains("capacity") && pool.split != Split::kMetric) {
      Problem(pointer + "/capacity", "capacity belongs to split: metric");
    }
    if ((pool.split == Split::kFixed) != value.contains("shares")) {
      Problem(pointer, "split: fixed goes together with shares");
    }
    if (value.contains("shares")) ReadShares(value["shares"], pointer + "/shares", pool);
    if (value.contains("among")) ReadAmong(value["among"], pointer + "/among", pool);
    return pool;
  }

  void ReadShares(const nlohmann::json& shares, const std::string& pointer, Pool& pool) {
    if (!shares.is_object()) {
      Problem(pointer, "shares is a map from entity refs to percents");
      return;
    }
    base::Decimal sum;
    for (const auto& [ref, percent] : shares.items()) {
      const std::string at = absl::StrCat(pointer, "/", json::PointerToken(ref));
      const absl::StatusOr<base::Decimal> number = base::Decimal::Parse(
          percent.is_string() ? percent.get<std::string>() : json::Dump(percent));
      if (!number.ok() || number->IsNegative() || !base::Decimal::Add(sum, *number, &sum)) {
        Problem(at, "a percent from 0 to 100 is expected");
        continue;
      }
      pool.fixed[CheckedRef(ref, at)] = *number;
    }
    if (sum > base::Decimal::FromInteger(100)) {
      Problem(pointer, absl::StrCat("the shares are ", sum.ToString(), " %, more than all"));
    }
  }

  void ReadAmong(const nlohmann::json& among, const std::string& pointer, Pool& pool) {
    if (!among.is_object()) {
      Problem(pointer, "among is a map with kinds, owners, systems or entities");
      return;
    }
    CheckKeys(among, {"kinds", "owners", "systems", "entities"}, pointer);
    if (among.contains("kinds")) {
      pool.kinds = TextsOf(among["kinds"], pointer + "/kinds", "kinds");
      for (std::string& kind : pool.kinds) kind = absl::AsciiStrToLower(kind);
      std::sort(pool.kinds.begin(), pool.kinds.end());
    }
    const std::pair<const char*, std::vector<std::string>*> lists[] = {
        {"owners", &pool.owners}, {"systems", &pool.systems}, {"entities", &pool.entities}};
    for (const auto& [name, list] : lists) {
      if (!among.contains(name)) continue;
      const std::string at = absl::StrCat(pointer, "/", name);
      for (const std::string& text : TextsOf(among[name], at, "entity refs")) {
        list->push_back(CheckedRef(text, at));
      }
      std::sort(list->begin(), list->end());
    }
  }

  const document::Document& document_;
  absl::string_view file_;
  Allocation* allocation_ = nullptr;
  std::vector<std::string> problems_;
  std::set<std::string> names_;
  std::set<std::string> pools_;
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

}  // namespace purser::costs

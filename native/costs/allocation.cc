#include "costs/allocation.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "costs/readers/tags.h"

namespace purser::costs {
namespace {

constexpr size_t kMaxNameBytes = 63;  // of an entity

// Where exports put a container's namespace and labels: AWS split cost data, GKE, Azure, OpenCost.
constexpr absl::string_view kNamespaceTags[] = {"aws:eks:namespace", "k8s-namespace",
                                                "kubernetes.io/namespace", "kubernetes_namespace",
                                                "namespace"};
constexpr absl::string_view kLabelPrefixes[] = {"k8s-label/", "kubernetes.io/label/", "label_",
                                                "label:", "aws:eks:label/"};

constexpr absl::string_view kNamespaceColumn = "x_KubernetesNamespace";
constexpr absl::string_view kFlatPrefix = "label_";

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", base::EscapeForDisplay(text, 80), "\"");
}

bool Holds(const Matcher& matcher, const Subject& subject, std::string* why) {
  const std::optional<std::string> value = ColumnOf(subject, matcher.column);
  const std::string text = value.value_or("");
  if (std::binary_search(matcher.values.begin(), matcher.values.end(), text)) return true;
  for (const std::string& glob : matcher.globs) {
    if (value.has_value() && GlobMatches(glob, text, nullptr)) return true;
  }
  for (const json::Pattern& pattern : matcher.patterns) {
    if (!value.has_value()) break;
    const absl::StatusOr<bool> found = pattern.Search(text);
    if (!found.ok()) {
      *why = absl::StrCat(matcher.column, ": ", found.status().message());
      return false;
    }
    if (*found) return true;
  }
  *why = absl::StrCat(matcher.column, " is ", value.has_value() ? Quoted(text) : "not there");
  return false;
}

}  // namespace

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

bool GlobMatches(absl::string_view glob, absl::string_view text, std::vector<std::string>* stars) {
  // The last star is the only one to come back to: linear in practice, never exponential.
  size_t g = 0, t = 0, star = absl::string_view::npos, mark = 0;
  std::vector<std::pair<size_t, size_t>> spans;
  while (t < text.size()) {
    if (g < glob.size() && glob[g] == '*') {
      star = g++;
      mark = t;
      spans.emplace_back(t, t);
    } else if (g < glob.size() && (glob[g] == '?' || glob[g] == text[t])) {
      ++g;
      ++t;
    } else if (star != absl::string_view::npos) {
      g = star + 1;
      t = ++mark;
      spans.back().second = t;
    } else {
      return false;
    }
  }
  for (; g < glob.size() && glob[g] == '*'; ++g) spans.emplace_back(t, t);
  if (g != glob.size()) return false;
  if (stars != nullptr) {
    stars->clear();
    for (const auto& [from, to] : spans) stars->emplace_back(text.substr(from, to - from));
  }
  return true;
}

std::optional<std::string> ColumnOf(const Subject& subject, absl::string_view column) {
  const auto given = [](absl::string_view text) -> std::optional<std::string> {
    if (text.empty()) return std::nullopt;
    return std::string(text);
  };
  if (absl::StartsWith(column, "tag:")) {
    const std::string* value = FindTag(*subject.tags, column.substr(4));
    return value == nullptr ? std::nullopt : std::make_optional(*value);
  }
  if (column == "ResourceId") return given(subject.resource_id);
  if (column == "SubAccountId") return given(subject.sub_account);
  if (subject.item != nullptr) {
    if (column == "ServiceName") return given(subject.item->service);
    if (column == "RegionId") return given(subject.item->region);
    if (column == "SkuId") return given(subject.item->sku);
    if (column == "ChargeCategory") return given(subject.item->category);
    if (column == "BillingCurrency") return given(subject.item->currency);
  }
  if (subject.columns == nullptr) return std::nullopt;
  const auto found = subject.columns->find(std::string(column));
  if (found == subject.columns->end()) return std::nullopt;
  return given(found->second);
}

// The text a rule looks at, when the charge has it.
std::optional<std::string> Allocation::ValueFor(const Rule& rule, const Subject& subject) {
  if (rule.kind == Kind::kTag) return ColumnOf(subject, absl::StrCat("tag:", rule.key));
  if (rule.kind == Kind::kColumn) return ColumnOf(subject, rule.key);
  if (rule.key.empty()) {  // the namespace
    for (const absl::string_view key : kNamespaceTags) {
      if (const std::string* value = FindTag(*subject.tags, key)) return *value;
    }
    return ColumnOf(subject, kNamespaceColumn);
  }
  for (const absl::string_view prefix : kLabelPrefixes) {
    if (const std::string* value = FindTag(*subject.tags, absl::StrCat(prefix, rule.key))) {
      return *value;
    }
  }
  // OpenCost writes labels as Prometheus does.
  std::string flat = absl::StrCat(kFlatPrefix, rule.key);
  for (char& c : flat) c = absl::ascii_isalnum(c) ? c : '_';
  const std::string* value = FindTag(*subject.tags, flat);
  // An allocation's tags are the pod's labels, without any mark.
  if (value == nullptr && ColumnOf(subject, kNamespaceColumn).has_value()) {
    value = FindTag(*subject.tags, rule.key);
    if (value == nullptr) value = FindTag(*subject.tags, flat.substr(kFlatPrefix.size()));
  }
  return value == nullptr ? std::nullopt : std::make_optional(*value);
}

std::optional<std::string> Allocation::EntityFor(const Rule& rule, const std::string& value,
                                                 std::string* why) {
  const auto mapped = rule.values.find(value);
  if (mapped != rule.values.end()) return mapped->second;
  std::vector<std::string> stars;
  if (!rule.glob.empty() && !GlobMatches(rule.glob, value, &stars)) {
    *why = absl::StrCat(rule.key, " is ", Quoted(value), ", which is not like ", Quoted(rule.glob));
    return std::nullopt;
  }
  if (!rule.pool.empty()) return absl::StrCat(kSharedPrefix, rule.pool);
  if (rule.entity.empty()) {
    *why = absl::StrCat(Quoted(value), " is none of the values");
    return std::nullopt;
  }
  std::string text;
  if (rule.entity == "{value}") {
    text = std::string(absl::StripAsciiWhitespace(value));
  } else {
    std::vector<std::pair<std::string, std::string>> parts = {{"{value}", NamePart(value)}};
    for (size_t i = 0; i < stars.size(); ++i) {
      parts.emplace_back(absl::StrCat("{", i + 1, "}"), NamePart(stars[i]));
    }
    text = absl::StrReplaceAll(rule.entity, parts);
  }
  // What people write into tags need not be a ref; then later rules have their turn.
  const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(text);
  if (!ref.ok()) {
    *why = absl::StrCat(Quoted(text), " is no entity ref");
    return std::nullopt;
  }
  return ref->ToString();
}

absl::StatusOr<Decision> Allocation::Decide(const Subject& subject, ResourceIndex& resources,
                                            std::vector<RuleTrace>* trace) const {
  for (const Rule& rule : rules_) {
    std::string why;
    std::optional<std::string> entity;
    const bool holds =
        std::all_of(rule.conditions.begin(), rule.conditions.end(),
                    [&](const Matcher& condition) { return Holds(condition, subject, &why); });
    if (holds) {
      switch (rule.kind) {
        case Kind::kRecorded: {
          why = "no run recorded this resource";
          if (subject.resource_id.empty()) break;
          PURSER_ASSIGN_OR_RETURN(entity, resources.EntityOf(subject.resource_id));
          if (entity.has_value()) *entity = absl::AsciiStrToLower(*entity);
          break;
        }
        case Kind::kTag:
        case Kind::kColumn:
        case Kind::kKubernetes: {
          const std::optional<std::string> value = ValueFor(rule, subject);
          if (value.has_value()) {
            entity = EntityFor(rule, *value, &why);
          } else {
            why = rule.kind == Kind::kTag ? absl::StrCat("there is no tag ", rule.key)
                  : rule.kind == Kind::kColumn
                      ? absl::StrCat(rule.key, " is not there")
                      : absl::StrCat("there is no ",
                                     rule.key.empty() ? "namespace" : "label " + rule.key);
          }
          break;
        }
        case Kind::kSubAccount:
          if (std::binary_search(rule.sub_accounts.begin(), rule.sub_accounts.end(),
                                 subject.sub_account)) {
            entity = rule.pool.empty() ? rule.entity : absl::StrCat(kSharedPrefix, rule.pool);
          } else {
            why = absl::StrCat("the sub account is ", Quoted(subject.sub_account));
          }
          break;
        case Kind::kMatch:
          entity = rule.pool.empty() ? rule.entity : absl::StrCat(kSharedPrefix, rule.pool);
          break;
      }
    }
    if (trace != nullptr) {
      trace->push_back({rule.name, entity.has_value(),
                        entity.has_value() ? absl::StrCat("gives it to ", *entity) : why});
    }
    if (entity.has_value()) return Decision{*entity, rule.name};
  }
  return Decision{kUnallocated, ""};
}

}  // namespace purser::costs

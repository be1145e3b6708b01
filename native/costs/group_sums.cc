// Sums by any dimensions: chooses the nodes that hold the answer and adds up their months.
#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/query.h"
#include "costs/readers/days.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

// A few nodes are read one by one; more by going through the months.
constexpr size_t kMaxPickedNodes = 2'000;
// Days, then one more for the currency and one for the day of a conversion.
constexpr size_t kKeyParts = kMaxGroupBy + 2;

enum class Part { kDay, kMonth, kNode, kItem, kBill };

Part PartOf(Dimension dimension) {
  if (dimension == Dimension::kDay) return Part::kDay;
  if (dimension == Dimension::kMonth) return Part::kMonth;
  if (IsOfItem(dimension)) return Part::kItem;
  return IsOfBill(dimension) ? Part::kBill : Part::kNode;
}

class Summing {
 public:
  Summing(const QueryContext& context, absl::CivilDay from, absl::CivilDay to,
          const std::vector<Dimension>& group_by, const std::vector<Filter>& filters,
          const std::string& currency)
      : context_(context),
        from_(from),
        to_(to),
        group_by_(group_by),
        filters_(filters),
        currency_(currency),
        texts_(group_by.size()) {}

  absl::StatusOr<std::vector<Group>> Run() {
    PURSER_RETURN_IF_ERROR(CheckSums(group_by_, currency_, context_.rates));
    PURSER_ASSIGN_OR_RETURN(const bool any, ClampDays());
    if (!any) return std::vector<Group>();
    PURSER_RETURN_IF_ERROR(ReadDayFilters());
    PURSER_RETURN_IF_ERROR(ChooseNodes());
    PURSER_RETURN_IF_ERROR(Read());
    return Finish();
  }

 private:
  using Key = std::array<uint32_t, kKeyParts>;

  // Only months that have data are looked at.
  absl::StatusOr<bool> ClampDays() {
    int64_t first = 0, last = 0;
    PURSER_RETURN_IF_ERROR(context_.connection.ForEach(
        "SELECT min(month), max(month) FROM cost_months", {}, [&](const store::Row& row) {
          if (!row.IsNull(0)) {
            first = row.Int(0);
            last = row.Int(1);
          }
          return absl::OkStatus();
        }));
    if (first == 0) return false;
    from_ = std::max(from_, FirstDay(first));
    to_ = std::min(to_, FirstDay(NextMonth(last)) - 1);
    return from_ <= to_;
  }

  absl::Status ReadDayFilters() {
    for (const Filter& filter : filters_) {
      if (PartOf(filter.dimension) == Part::kDay) {
        std::set<int64_t> days;
        for (const std::string& value : filter.values) {
          const absl::StatusOr<absl::CivilDay> day = ParseDay(value);
          if (day.ok()) days.insert(*day - absl::CivilDay());
        }
        day_filters_.push_back(std::move(days));
      } else if (PartOf(filter.dimension) == Part::kMonth) {
        std::set<int64_t> months;
        for (const std::string& value : filter.values) {
          const absl::StatusOr<absl::CivilDay> day = ParseDay(absl::StrCat(value, "-01"));
          if (day.ok()) months.insert(MonthOf(*day));
        }
        month_filters_.push_back(std::move(months));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ChooseNodes() {
    std::set<Dimension> used;
    for (const Dimension dimension : group_by_) {
      if (PartOf(dimension) == Part::kNode) used.insert(dimension);
    }
    for (const Filter& filter : filters_) {
      if (PartOf(filter.dimension) == Part::kNode) used.insert(filter.dimension);
    }
    if (used.empty()) {
      Pick(NodeKind::kTotal, "");
      return absl::OkStatus();
    }
    if (used.size() == 1) {
      kind_ = *NodeKindOf(*used.begin());
      return ChooseOfOneKind();
    }
    kind_ = NodeKind::kEntity;
    return ChooseEntities();
  }

  void Pick(NodeKind kind, const std::string& name) {
    kind_ = kind;
    all_nodes_ = false;
    if (const std::optional<uint32_t> node = context_.numbers.nodes.Find({kind, name})) {
      picked_.insert(*node);
    }
  }

  absl::Status ChooseOfOneKind() {
    for (const Filter& filter : filters_) {
      if (PartOf(filter.dimension) != Part::kNode) continue;
      const bool first = all_nodes_;
      const std::set<uint32_t> before = std::exchange(picked_, {});
      all_nodes_ = false;
      for (const std::string& value : filter.values) {
        const bool is_ref = kind_ != NodeKind::kProduct && kind_ != NodeKind::kEnvironment;
        Pick(kind_, is_ref ? absl::AsciiStrToLower(value) : value);
      }
      if (first) continue;
      std::erase_if(picked_, [&](uint32_t node) { return !before.contains(node); });
    }
    return absl::OkStatus();
  }

  // Several dimensions of the catalog: from entities, each with its place in it.
  absl::Status ChooseEntities() {
    PURSER_RETURN_IF_ERROR(CheckTogether(group_by_));
    all_nodes_ = false;
    for (uint32_t node = 0; node < context_.numbers.nodes.size(); ++node) {
      const Node& entity = context_.numbers.nodes[node];
      if (entity.kind != NodeKind::kEntity) continue;
      const Ancestry ancestry = context_.graph.Of(entity.name);
      if (!PassesCatalog(filters_, ancestry, entity.name)) continue;
      picked_.insert(node);
      ancestries_.emplace(node, ancestry);
    }
    return absl::OkStatus();
  }

  absl::Status Read() {
    if (!all_nodes_ && picked_.size() <= kMaxPickedNodes) {
      for (const uint32_t node : picked_) {
        PURSER_RETURN_IF_ERROR(context_.connection.ForEach(
            "SELECT month, facts FROM cost_node_months WHERE node = $1 AND month >= $2 AND "
            "month <= $3",
            {static_cast<int64_t>(node), MonthOf(from_), MonthOf(to_)},
            [&](const store::Row& row) { return AddMonth(node, row.Int(0), row.Text(1)); }));
      }
      return absl::OkStatus();
    }
    for (int64_t month = MonthOf(from_); month <= MonthOf(to_); month = NextMonth(month)) {
      PURSER_RETURN_IF_ERROR(context_.connection.ForEach(
          "SELECT m.node, m.facts FROM cost_node_months m JOIN cost_nodes n ON n.id = m.node "
          "WHERE m.month = $1 AND n.kind = $2",
          {month, static_cast<int64_t>(kind_)}, [&](const store::Row& row) {
            const uint32_t node = static_cast<uint32_t>(row.Int(0));
            if (!all_nodes_ && !picked_.contains(node)) return absl::OkStatus();
            return AddMonth(node, month, row.Text(1));
          }));
    }
    return absl::OkStatus();
  }

  uint32_t CodeOf(size_t at, const std::string& text) { return texts_[at].NumberOf(text); }

  // What an item contributes: its codes, or that it is filtered out.
  struct Codes {
    bool known = false;
    bool passes = false;
    std::array<uint32_t, kMaxGroupBy> codes{};
    uint32_t currency = 0;
  };
  template <typename T>
  Codes& Look(std::vector<Codes>& cache, uint32_t number, const Numbering<T>& values, Part part) {
    if (number >= cache.size()) cache.resize(std::max<size_t>(number + 1, values.size()));
    Codes& codes = cache[number];
    if (codes.known) return codes;
    codes.known = true;
    codes.passes = number < values.size();
    if (!codes.passes) return codes;
    for (const Filter& filter : filters_) {
      if (PartOf(filter.dimension) != part) continue;
      const std::string value = ValueOf(values[number], filter.dimension);
      codes.passes = codes.passes && std::find(filter.values.begin(), filter.values.end(), value) !=
                                         filter.values.end();
    }
    for (size_t i = 0; i < group_by_.size(); ++i) {
      if (PartOf(group_by_[i]) == part) {
        codes.codes[i] = CodeOf(i, ValueOf(values[number], group_by_[i]));
      }
    }
    return codes;
  }

  absl::Status AddMonth(uint32_t node, int64_t month, absl::string_view facts) {
    Key base{};
    for (const std::set<int64_t>& months : month_filters_) {
      if (!months.contains(month)) return absl::OkStatus();
    }
    for (size_t i = 0; i < group_by_.size(); ++i) {
      if (PartOf(group_by_[i]) == Part::kMonth) {
        base[i] = CodeOf(i, DayText(FirstDay(month)).substr(0, 7));
      } else if (PartOf(group_by_[i]) == Part::kNode) {
        base[i] = CodeOf(i, NodeValue(node, group_by_[i]));
      }
    }
    const int64_t first = FirstDay(month) - absl::CivilDay();
    const int low = MonthOf(from_) == month ? from_.day() : 1;
    const int high = MonthOf(to_) == month ? to_.day() : 31;
    absl::Status status;
    PURSER_RETURN_IF_ERROR(DecodeFacts(facts, [&](const Fact& fact) {
      if (fact.day < low || fact.day > high || !status.ok()) return;
      const int64_t day = first + fact.day - 1;
      for (const std::set<int64_t>& days : day_filters_) {
        if (!days.contains(day)) return;
      }
      Codes& item = Look(items_, fact.item, context_.numbers.items, Part::kItem);
      Codes& bill = Look(bills_, fact.bill, context_.numbers.bills, Part::kBill);
      if (!item.passes || !bill.passes) return;
      Key key = base;
      for (size_t i = 0; i < group_by_.size(); ++i) {
        switch (PartOf(group_by_[i])) {
          case Part::kDay:
            key[i] = static_cast<uint32_t>(day);
            break;
          case Part::kItem:
            key[i] = item.codes[i];
            break;
          case Part::kBill:
            key[i] = bill.codes[i];
            break;
          default:
            break;
        }
      }
      if (item.currency == 0) {
        item.currency = currencies_.NumberOf(context_.numbers.items[fact.item].currency) + 1;
      }
      key[kMaxGroupBy] = item.currency - 1;
      if (!currency_.empty()) key[kMaxGroupBy + 1] = static_cast<uint32_t>(day);
      status = sums_[key].Add(fact.sums);
    }));
    PURSER_RETURN_IF_ERROR(status);
    if (sums_.size() <= kMaxRollups) return absl::OkStatus();
    return absl::ResourceExhaustedError(
        absl::StrCat("the answer has more than ", kMaxRollups,
                     " groups (kMaxRollups): ask for fewer days or dimensions"));
  }

  std::string NodeValue(uint32_t node, Dimension dimension) const {
    const auto found = ancestries_.find(node);
    if (found == ancestries_.end()) return context_.numbers.nodes[node].name;
    return ValuesOf(found->second, context_.numbers.nodes[node].name, dimension)[0];
  }

  absl::StatusOr<std::vector<Group>> Finish() {
    absl::flat_hash_map<Key, Measures> converted;
    if (!currency_.empty()) {
      PURSER_RETURN_IF_ERROR(Convert(converted));
    }
    std::vector<Group> groups;
    for (const auto& [key, sums] : currency_.empty() ? sums_ : converted) {
      Group group;
      for (size_t i = 0; i < group_by_.size(); ++i) {
        group.keys.push_back(PartOf(group_by_[i]) == Part::kDay ? DayText(absl::CivilDay() + key[i])
                                                                : texts_[i][key[i]]);
      }
      group.currency = currency_.empty() ? currencies_[key[kMaxGroupBy]] : currency_;
      group.sums = sums;
      groups.push_back(std::move(group));
    }
    std::sort(groups.begin(), groups.end(), [](const Group& a, const Group& b) {
      return std::tie(a.keys, a.currency) < std::tie(b.keys, b.currency);
    });
    return groups;
  }

  absl::Status Convert(absl::flat_hash_map<Key, Measures>& converted) const {
    Unconverted unconverted;
    for (const auto& [key, sums] : sums_) {
      const std::string& from = currencies_[key[kMaxGroupBy]];
      const absl::CivilDay day = absl::CivilDay() + key[kMaxGroupBy + 1];
      const absl::StatusOr<Measures> here =
          ConvertMeasures(*context_.rates, sums, from, currency_, day);
      if (!here.ok()) {
        unconverted.Note(day, from, here.status());
        continue;
      }
      Key without = key;
      without[kMaxGroupBy] = without[kMaxGroupBy + 1] = 0;
      PURSER_RETURN_IF_ERROR(converted[without].Add(*here));
    }
    return unconverted.status();
  }

  const QueryContext& context_;
  absl::CivilDay from_;
  absl::CivilDay to_;
  const std::vector<Dimension>& group_by_;
  const std::vector<Filter>& filters_;
  const std::string& currency_;
  std::vector<std::set<int64_t>> day_filters_, month_filters_;
  NodeKind kind_ = NodeKind::kTotal;
  bool all_nodes_ = true;  // of kind_; else those picked
  std::set<uint32_t> picked_;
  absl::flat_hash_map<uint32_t, Ancestry> ancestries_;
  std::vector<Numbering<std::string>> texts_;  // by group_by
  Numbering<std::string> currencies_;
  std::vector<Codes> items_, bills_;
  absl::flat_hash_map<Key, Measures> sums_;
};

}  // namespace

absl::StatusOr<std::vector<Group>> SumGroups(const QueryContext& context, absl::CivilDay from,
                                             absl::CivilDay to,
                                             const std::vector<Dimension>& group_by,
                                             const std::vector<Filter>& filters,
                                             const std::string& currency) {
  return Summing(context, from, to, group_by, filters, currency).Run();
}

}  // namespace purser::costs

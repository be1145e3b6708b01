#include "costs/month_allocator.h"

#include <algorithm>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/fact_sums.h"
#include "costs/split.h"

namespace purser::costs {
namespace {

// Entities that stand for what belongs to nobody.
bool IsNobody(absl::string_view ref) {
  return ref == kUnallocated || absl::StartsWith(ref, kSharedPrefix) ||
         absl::StartsWith(ref, kIdlePrefix);
}

base::Decimal Plus(base::Decimal a, base::Decimal b) {
  base::Decimal sum = a;
  // Weights need no more than their order of magnitude: one that does not fit stays what it was.
  base::Decimal::Add(a, b, &sum);
  return sum;
}

}  // namespace

uint32_t MonthAllocator::PlaceOf(const std::string& entity_ref) {
  const auto [at, added] = places_.try_emplace(entity_ref, static_cast<uint32_t>(refs_.size()));
  if (added) {
    refs_.push_back(entity_ref);
    facts_.emplace_back();
  }
  return at->second;
}

absl::Status MonthAllocator::Finish(
    const std::function<absl::Status(uint32_t node, const std::vector<Fact>&)>& on_node) {
  absl::flat_hash_map<uint32_t, Measures> before, after;
  PURSER_RETURN_IF_ERROR(SumByBill(before));
  for (std::vector<Fact>& facts : facts_) PURSER_RETURN_IF_ERROR(Normalise(facts));
  // Pools are split by direct cost only, so that their order makes no difference.
  const size_t direct = refs_.size();
  for (const Pool& pool : allocation_.pools()) {
    PURSER_RETURN_IF_ERROR(SplitPool(pool, direct));
  }
  for (std::vector<Fact>& facts : facts_) PURSER_RETURN_IF_ERROR(Normalise(facts));
  PURSER_RETURN_IF_ERROR(SumByBill(after));
  if (before != after) {
    return absl::InternalError(
        "what entities got is not what was billed; nothing was stored, please report this");
  }
  return RollUp(on_node);
}

absl::Status MonthAllocator::SumByBill(absl::flat_hash_map<uint32_t, Measures>& sums) const {
  for (const std::vector<Fact>& facts : facts_) {
    // Neighbours are mostly of one bill.
    Measures* sum = nullptr;
    uint32_t bill = 0;
    for (const Fact& fact : facts) {
      if (sum == nullptr || fact.bill != bill) sum = &sums[bill = fact.bill];
      if (!sum->TryAdd(fact.sums)) return sum->Add(fact.sums);
    }
  }
  return absl::OkStatus();
}

bool MonthAllocator::TakesPart(const Pool& pool, const std::string& ref) const {
  const auto among = [](const std::vector<std::string>& list, absl::string_view text) {
    return list.empty() || std::binary_search(list.begin(), list.end(), text);
  };
  if (IsNobody(ref) || !among(pool.kinds, KindOfRef(ref))) return false;
  if (pool.owners.empty() && pool.systems.empty()) return true;
  const Ancestry ancestry = graph_.Of(ref);
  const bool owned =
      pool.owners.empty() ||
      std::any_of(ancestry.groups.begin(), ancestry.groups.end(),
                  [&](const std::string& group) { return among(pool.owners, group); });
  return owned && among(pool.systems, ancestry.system);
}

std::vector<MonthAllocator::Part> MonthAllocator::PartsOf(const Pool& pool,
                                                          const std::string& currency,
                                                          size_t direct_places) {
  std::vector<Part> parts;
  const base::Decimal one = base::Decimal::FromInteger(1);
  if (pool.split == Split::kFixed) {
    base::Decimal rest = base::Decimal::FromInteger(100);
    for (const auto& [ref, percent] : pool.fixed) {
      parts.push_back({PlaceOf(ref), percent});
      base::Decimal::Subtract(rest, percent, &rest);
    }
    if (!rest.IsZero()) parts.push_back({PlaceOf(absl::StrCat(kSharedPrefix, pool.name)), rest});
    return parts;
  }
  std::vector<uint32_t> places;
  if (pool.entities.empty()) {
    for (uint32_t place = 0; place < direct_places; ++place) {
      if (!facts_[place].empty() && TakesPart(pool, refs_[place])) places.push_back(place);
    }
    // Of equal remainders the earlier part takes one: by name, as facts come in any order.
    std::sort(places.begin(), places.end(),
              [&](uint32_t a, uint32_t b) { return refs_[a] < refs_[b]; });
  } else {
    for (const std::string& ref : pool.entities) places.push_back(PlaceOf(ref));
  }
  if (pool.split == Split::kEven) {
    for (const uint32_t place : places) parts.push_back({place, one});
    return parts;
  }
  if (pool.split == Split::kProportional) {
    for (const uint32_t place : places) {
      base::Decimal weight;
      for (const Fact& fact : facts_[place]) {
        const ChargeItem& item = numbers_.items[fact.item];
        if (item.pool.empty() && item.currency == currency) {
          weight = Plus(weight, fact.sums.Of(pool.measure));
        }
      }
      if (weight > base::Decimal()) parts.push_back({place, weight});
    }
    return parts;
  }
  const auto metric = metrics_.find(pool.metric);
  if (metric == metrics_.end()) return parts;
  base::Decimal used;
  for (const auto& [ref, value] : metric->second) {
    const bool listed = pool.entities.empty() ||
                        std::binary_search(pool.entities.begin(), pool.entities.end(), ref);
    if (value <= base::Decimal() || !listed || !TakesPart(pool, ref)) continue;
    parts.push_back({PlaceOf(ref), value});
    used = Plus(used, value);
  }
  if (pool.capacity.empty()) return parts;
  if (const auto capacity = metrics_.find(pool.capacity); capacity != metrics_.end()) {
    const auto value = capacity->second.find(absl::StrCat(kSharedPrefix, pool.name));
    if (value != capacity->second.end() && value->second > used) {
      parts.push_back({PlaceOf(absl::StrCat(kIdlePrefix, pool.name)), Plus(value->second, -used)});
    }
  }
  return parts;
}

absl::Status MonthAllocator::SplitFact(const Fact& fact, const std::vector<Part>& parts) {
  std::vector<base::Decimal> weights;
  weights.reserve(parts.size());
  for (const Part& part : parts) weights.push_back(part.weight);
  const std::vector<base::Decimal> billed = SplitExactly(fact.sums.billed, weights);
  const auto split = [&](base::Decimal amount) {
    return amount == fact.sums.billed ? billed : SplitExactly(amount, weights);
  };
  const std::vector<base::Decimal> effective = split(fact.sums.effective);
  const std::vector<base::Decimal> list = split(fact.sums.list);
  const std::vector<base::Decimal> contracted = split(fact.sums.contracted);
  const std::vector<base::Decimal> charges =
      SplitExactly(base::Decimal::FromUnits(fact.sums.charges), weights);
  for (size_t i = 0; i < parts.size(); ++i) {
    Fact share = fact;
    share.sums = {billed[i], effective[i], list[i], contracted[i],
                  static_cast<int64_t>(charges[i].units())};
    if (share.sums == Measures()) continue;
    facts_[parts[i].place].push_back(share);
  }
  return absl::OkStatus();
}

absl::Status MonthAllocator::SplitPool(const Pool& pool, size_t direct_places) {
  const auto found = places_.find(absl::StrCat(kSharedPrefix, pool.name));
  if (found == places_.end() || facts_[found->second].empty()) return absl::OkStatus();
  // Without region and SKU there is less to split; the service stays to be seen.
  std::vector<Fact> shared = std::move(facts_[found->second]);
  facts_[found->second].clear();
  for (Fact& fact : shared) {
    const ChargeItem& item = numbers_.items[fact.item];
    fact.item = numbers_.items.NumberOf(
        {item.service, "", "", item.category, item.kind, item.currency, pool.name});
  }
  PURSER_RETURN_IF_ERROR(Normalise(shared));
  std::map<std::string, std::vector<Part>> parts;  // by currency
  for (const Fact& fact : shared) {
    const std::string currency = numbers_.items[fact.item].currency;
    auto known = parts.find(currency);
    if (known == parts.end()) {
      known = parts.emplace(currency, PartsOf(pool, currency, direct_places)).first;
    }
    if (known->second.empty()) {
      facts_[places_.at(absl::StrCat(kSharedPrefix, pool.name))].push_back(fact);
      continue;
    }
    PURSER_RETURN_IF_ERROR(SplitFact(fact, known->second));
  }
  return absl::OkStatus();
}

absl::Status MonthAllocator::RollUp(
    const std::function<absl::Status(uint32_t node, const std::vector<Fact>&)>& on_node) {
  std::map<std::string, FactSums> owners, systems, products, environments;
  // Domains are found over the system, or over the entity itself when it has none.
  std::map<std::vector<std::string>, FactSums> domains;
  for (uint32_t place = 0; place < refs_.size(); ++place) {
    if (facts_[place].empty()) continue;
    const std::string& ref = refs_[place];
    const Ancestry ancestry = graph_.Of(ref);
    FactSums* const direct[] = {&owners[ancestry.owner], &systems[ancestry.system],
                                &products[ancestry.product], &environments[ancestry.environment],
                                ancestry.domains.empty() ? nullptr : &domains[ancestry.domains]};
    for (FactSums* sums : direct) {
      if (sums != nullptr) PURSER_RETURN_IF_ERROR(sums->Add(facts_[place]));
    }
    PURSER_RETURN_IF_ERROR(
        on_node(numbers_.nodes.NumberOf({NodeKind::kEntity, ref}), facts_[place]));
  }
  const auto tell = [&](NodeKind kind,
                        const std::map<std::string, FactSums>& nodes) -> absl::Status {
    for (const auto& [name, sums] : nodes) {
      PURSER_RETURN_IF_ERROR(on_node(numbers_.nodes.NumberOf({kind, name}), sums.InOrder()));
    }
    return absl::OkStatus();
  };
  std::map<std::string, FactSums> groups, above, total;
  for (const auto& [owner, sums] : owners) {
    PURSER_RETURN_IF_ERROR(total[""].Add(sums));
    if (owner.empty()) continue;
    const Ancestry ancestry = graph_.Of(owner);
    std::vector<std::string> chain = ancestry.groups;
    if (KindOfRef(owner) != "group") chain = {owner};
    for (const std::string& group : chain) PURSER_RETURN_IF_ERROR(groups[group].Add(sums));
  }
  for (const auto& [chain, sums] : domains) {
    for (const std::string& domain : chain) PURSER_RETURN_IF_ERROR(above[domain].Add(sums));
  }
  PURSER_RETURN_IF_ERROR(tell(NodeKind::kTotal, total));
  PURSER_RETURN_IF_ERROR(tell(NodeKind::kOwner, owners));
  PURSER_RETURN_IF_ERROR(tell(NodeKind::kGroup, groups));
  PURSER_RETURN_IF_ERROR(tell(NodeKind::kSystem, systems));
  PURSER_RETURN_IF_ERROR(tell(NodeKind::kDomain, above));
  PURSER_RETURN_IF_ERROR(tell(NodeKind::kProduct, products));
  return tell(NodeKind::kEnvironment, environments);
}

}  // namespace purser::costs

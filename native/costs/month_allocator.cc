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

// Bytes of an entity's facts; much more than most have.
constexpr size_t kFirstAddedUp = 1 << 20;

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
  const auto known = places_.find(entity_ref);
  if (known != places_.end()) return known->second;
  if (refs_.size() == kMaxMonthEntities) {
    // Told by Split; until then the memory stays what it is.
    if (first_too_many_.empty()) first_too_many_ = entity_ref;
    return 0;
  }
  const auto place = static_cast<uint32_t>(refs_.size());
  places_.emplace(refs_.emplace_back(entity_ref), place);
  facts_.emplace_back();
  add_up_at_.push_back(kFirstAddedUp);
  return place;
}

void MonthAllocator::AddUp(uint32_t place) {
  std::vector<Fact> facts;
  facts_[place].Read(facts);
  // A sum that does not fit is told by Normalise, which meets it again.
  if (costs::Normalise(facts).ok()) {
    facts_[place].Clear();
    facts_[place].Add(facts);
  }
  add_up_at_[place] = std::max(kFirstAddedUp, 2 * facts_[place].size());
}

absl::Status MonthAllocator::Split() {
  const auto check_room = [&] {
    return first_too_many_.empty()
               ? absl::OkStatus()
               : absl::ResourceExhaustedError(absl::StrCat(
                     "more than ", kMaxMonthEntities,
                     " entities have cost in one month (kMaxMonthEntities), like ", first_too_many_,
                     ": does a rule make an entity of what every charge has of its own?"));
  };
  PURSER_RETURN_IF_ERROR(check_room());
  // Pools are split by direct cost only, so that their order makes no difference.
  const size_t direct = refs_.size();
  for (const Pool& pool : allocation_.pools()) {
    PURSER_RETURN_IF_ERROR(SplitPool(pool, direct));
  }
  PURSER_RETURN_IF_ERROR(check_room());
  BillSums given;
  PURSER_RETURN_IF_ERROR(Normalise(given));
  if (!added_.fits() || !given.fits()) {
    return absl::OutOfRangeError("the sum of a bill's costs does not fit");
  }
  if (!(given == added_)) {
    return absl::InternalError(
        "what entities got is not what was billed; nothing was stored, please report this");
  }
  FindMembers();
  return absl::OkStatus();
}

absl::Status MonthAllocator::Normalise(BillSums& sums) {
  std::vector<Fact> facts;
  for (FactList& list : facts_) {
    list.Read(facts);
    for (const Fact& fact : facts) sums.Add(fact);
    const auto out_of_order = [](const Fact& a, const Fact& b) { return a.key() >= b.key(); };
    if (std::adjacent_find(facts.begin(), facts.end(), out_of_order) == facts.end()) continue;
    PURSER_RETURN_IF_ERROR(costs::Normalise(facts));
    list.Clear();
    list.Add(facts);
  }
  return absl::OkStatus();
}

size_t MonthAllocator::bytes() const {
  size_t bytes = 0;
  for (const FactList& list : facts_) bytes += list.bytes();
  return bytes;
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
  if (pool.split == costs::Split::kFixed) {
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
  if (pool.split == costs::Split::kEven) {
    for (const uint32_t place : places) parts.push_back({place, one});
    return parts;
  }
  if (pool.split == costs::Split::kProportional) {
    std::vector<Fact> facts;
    for (const uint32_t place : places) {
      base::Decimal weight;
      facts_[place].Read(facts);
      for (const Fact& fact : facts) {
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
    facts_[parts[i].place].Add(share);
  }
  return absl::OkStatus();
}

absl::Status MonthAllocator::SplitPool(const Pool& pool, size_t direct_places) {
  const auto found = places_.find(absl::StrCat(kSharedPrefix, pool.name));
  if (found == places_.end() || facts_[found->second].empty()) return absl::OkStatus();
  // Without region and SKU there is less to split; the service stays to be seen.
  std::vector<Fact> shared;
  facts_[found->second].Read(shared);
  facts_[found->second].Clear();
  for (Fact& fact : shared) {
    const ChargeItem& item = numbers_.items[fact.item];
    fact.item = numbers_.items.NumberOf(
        {item.service, "", "", item.category, item.kind, item.currency, pool.name});
  }
  PURSER_RETURN_IF_ERROR(costs::Normalise(shared));
  std::map<std::string, std::vector<Part>> parts;  // by currency
  for (const Fact& fact : shared) {
    const std::string currency = numbers_.items[fact.item].currency;
    auto known = parts.find(currency);
    if (known == parts.end()) {
      known = parts.emplace(currency, PartsOf(pool, currency, direct_places)).first;
    }
    if (known->second.empty()) {
      facts_[places_.at(absl::StrCat(kSharedPrefix, pool.name))].Add(fact);
      continue;
    }
    PURSER_RETURN_IF_ERROR(SplitFact(fact, known->second));
  }
  return absl::OkStatus();
}

void MonthAllocator::FindMembers() {
  for (uint32_t place = 0; place < refs_.size(); ++place) {
    if (facts_[place].empty()) continue;
    const std::string& ref = refs_[place];
    const Ancestry ancestry = graph_.Of(ref);
    numbers_.nodes.NumberOf({NodeKind::kEntity, ref});
    members_[NodeKind::kOwner][ancestry.owner].push_back(place);
    members_[NodeKind::kSystem][ancestry.system].push_back(place);
    members_[NodeKind::kProduct][ancestry.product].push_back(place);
    members_[NodeKind::kEnvironment][ancestry.environment].push_back(place);
    for (const std::string& domain : ancestry.domains) {
      members_[NodeKind::kDomain][domain].push_back(place);
    }
  }
  for (const auto& [kind, members] : members_) {
    for (const auto& [name, places] : members) numbers_.nodes.NumberOf({kind, name});
  }
  if (members_.empty()) return;
  numbers_.nodes.NumberOf({NodeKind::kTotal, ""});
  for (const auto& [owner, places] : members_[NodeKind::kOwner]) {
    if (owner.empty()) continue;
    const std::vector<std::string> chain =
        KindOfRef(owner) == "group" ? graph_.Of(owner).groups : std::vector<std::string>{owner};
    for (const std::string& group : chain) {
      owners_of_[group].push_back(owner);
      numbers_.nodes.NumberOf({NodeKind::kGroup, group});
    }
  }
}

absl::Status MonthAllocator::RollUp(const OnNode& on_node) {
  if (members_.empty()) return absl::OkStatus();
  std::vector<Fact> facts;
  FactSums all;
  size_t places = 0;
  for (uint32_t place = 0; place < refs_.size(); ++place) {
    if (facts_[place].empty()) continue;
    ++places;
    facts_[place].Read(facts);
    PURSER_RETURN_IF_ERROR(all.Add(facts));
    PURSER_RETURN_IF_ERROR(
        on_node(numbers_.nodes.NumberOf({NodeKind::kEntity, refs_[place]}), facts));
  }
  const std::vector<Fact> total = all.InOrder();
  PURSER_RETURN_IF_ERROR(on_node(numbers_.nodes.NumberOf({NodeKind::kTotal, ""}), total));
  for (const auto& [kind, members] : members_) {
    if (kind == NodeKind::kOwner) continue;
    for (const auto& [name, of_member] : members) {
      const uint32_t node = numbers_.nodes.NumberOf({kind, name});
      // Where nobody says what product it is, all are of the one without a name.
      if (of_member.size() == places) {
        PURSER_RETURN_IF_ERROR(on_node(node, total));
        continue;
      }
      PURSER_ASSIGN_OR_RETURN(facts, SumOf(of_member));
      PURSER_RETURN_IF_ERROR(on_node(node, facts));
    }
  }
  return RollUpOwners(on_node);
}

absl::StatusOr<std::vector<Fact>> MonthAllocator::SumOf(const std::vector<uint32_t>& places) const {
  FactSums sums;
  std::vector<Fact> facts;
  for (const uint32_t place : places) {
    facts_[place].Read(facts);
    PURSER_RETURN_IF_ERROR(sums.Add(facts));
  }
  return sums.InOrder();
}

// Owners, and by their sums the groups above them.
absl::Status MonthAllocator::RollUpOwners(const OnNode& on_node) {
  std::map<std::string, FactList> owners;
  std::vector<Fact> facts;
  for (const auto& [owner, places] : members_[NodeKind::kOwner]) {
    PURSER_ASSIGN_OR_RETURN(facts, SumOf(places));
    PURSER_RETURN_IF_ERROR(on_node(numbers_.nodes.NumberOf({NodeKind::kOwner, owner}), facts));
    owners[owner].Add(facts);
  }
  for (const auto& [group, below] : owners_of_) {
    FactSums sums;
    for (const std::string& owner : below) {
      owners.at(owner).Read(facts);
      PURSER_RETURN_IF_ERROR(sums.Add(facts));
    }
    PURSER_RETURN_IF_ERROR(
        on_node(numbers_.nodes.NumberOf({NodeKind::kGroup, group}), sums.InOrder()));
  }
  return absl::OkStatus();
}

}  // namespace purser::costs

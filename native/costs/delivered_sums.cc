#include "costs/delivered_sums.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "costs/numbers.h"
#include "costs/readers/days.h"
#include "costs/readers/tags.h"
#include "costs/service.h"

namespace purser::costs {
namespace {

constexpr size_t kPageBytes = 1 << 20;

// The parts of a charge's key, in this order: first those of its subject, the kept columns among
// them. Sums come in the order of these parts, so that a subject's stand together, its days last.
enum SubjectPart : size_t { kResourcePart, kAccountPart, kTagsPart, kColumnParts };
// Behind the columns.
enum ChargePart : size_t {
  kPeriodPart,
  kServicePart,
  kRegionPart,
  kSkuPart,
  kCategoryPart,
  kClassPart,
  kCommitmentPart,
  kCurrencyPart,
  kInvoicePart,
  kDayPart,
  kChargeParts,
};

struct PartColumn {
  const char* column;
  KeyPart::Kind kind;
  bool optional;
};
constexpr PartColumn kSubjectColumnsOfParts[] = {{"ResourceId", KeyPart::kText, false},
                                                 {"SubAccountId", KeyPart::kText, false},
                                                 {"Tags", KeyPart::kTags, false}};
constexpr PartColumn kChargeColumnsOfParts[] = {{"BillingPeriodStart", KeyPart::kDay, false},
                                                {"ServiceName", KeyPart::kText, false},
                                                {"RegionId", KeyPart::kText, true},
                                                {"SkuId", KeyPart::kText, true},
                                                {"ChargeCategory", KeyPart::kCategory, false},
                                                {"ChargeClass", KeyPart::kText, true},
                                                {"CommitmentDiscountStatus", KeyPart::kText, true},
                                                {"BillingCurrency", KeyPart::kCurrency, false},
                                                {"InvoiceId", KeyPart::kText, true},
                                                {"ChargePeriodStart", KeyPart::kDay, false}};
static_assert(std::size(kChargeColumnsOfParts) == kChargeParts);

template <typename... Parts>
absl::Status TooMany(const Parts&... what) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the delivery has more than ", what..., ": deliver it in parts"));
}

}  // namespace

uint32_t TextNumbers::NumberOf(absl::string_view text) {
  const auto found = numbers_.find(text);
  if (found != numbers_.end()) return found->second;
  const uint32_t number = static_cast<uint32_t>(texts_.size());
  texts_.push_back(std::make_unique<const std::string>(text));
  numbers_.emplace(*texts_.back(), number);
  return number;
}

// Takes groups in the order of their parts' texts: what is the same as in the group before is known
// already.
class DeliveredSums::Taking {
 public:
  explicit Taking(DeliveredSums& sums)
      : sums_(sums),
        charge_parts_(kColumnParts + sums.columns_.size()),
        last_(charge_parts_ + kChargeParts) {}

  absl::Status Add(const GroupTable::Row& row) {
    const bool same_subject = Same(row, 0, charge_parts_) && any_;
    const size_t charge = charge_parts_;
    if (!same_subject) {
      PURSER_RETURN_IF_ERROR(FinishPeriod());
      PURSER_RETURN_IF_ERROR(AddSubject(row));
    }
    if (!same_subject || !Same(row, charge + kPeriodPart, charge + kServicePart)) {
      PURSER_RETURN_IF_ERROR(FinishPeriod());
      PURSER_ASSIGN_OR_RETURN(period_, DayOf(row.keys[charge + kPeriodPart]));
    }
    const bool negative = row.sums[0].IsNegative();
    if (!any_ || negative != negative_ ||
        !Same(row, charge + kServicePart, charge + kInvoicePart)) {
      PURSER_RETURN_IF_ERROR(FindItem(row, negative));
    }
    if (!any_ || !Same(row, charge + kInvoicePart, charge + kDayPart)) {
      invoice_ = sums_.texts_.NumberOf(row.keys[charge + kInvoicePart]);
    }
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, DayOf(row.keys[charge + kDayPart]));
    months_[MonthOf(day)].push_back(
        {item_,
         invoice_,
         day.day(),
         {row.sums[0], row.sums[1], row.sums[2], row.sums[3], row.charges}});
    const auto [days, added] = sums_.periods_.try_emplace(period_, day, day);
    days->second.first = std::min(days->second.first, day);
    days->second.second = std::max(days->second.second, day);
    if (++sums_.size_ > kMaxRollups) return TooMany(kMaxRollups, " different sums (kMaxRollups)");
    for (size_t part = 0; part < last_.size(); ++part) {
      if (last_[part] != row.keys[part]) last_[part] = std::string(row.keys[part]);
    }
    any_ = true;
    return absl::OkStatus();
  }

  absl::Status Finish() {
    PURSER_RETURN_IF_ERROR(FinishPeriod());
    for (uint32_t item = 0; item < items_.size(); ++item) sums_.items_.push_back(items_[item]);
    return absl::OkStatus();
  }

 private:
  bool Same(const GroupTable::Row& row, size_t first, size_t end) const {
    for (size_t part = first; part < end; ++part) {
      if (last_[part] != row.keys[part]) return false;
    }
    return true;
  }

  // There are few different days.
  absl::StatusOr<absl::CivilDay> DayOf(absl::string_view text) {
    const auto known = days_.find(text);
    if (known != days_.end()) return known->second;
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(text));
    days_.emplace(std::string(text), day);
    return day;
  }

  absl::Status AddSubject(const GroupTable::Row& row) {
    Tags kept;
    for (size_t i = 0; i < sums_.columns_.size(); ++i) {
      const absl::string_view value = row.keys[kColumnParts + i].substr(0, kMaxColumnBytes);
      if (!value.empty()) kept[sums_.columns_[i]] = std::string(value);
    }
    sums_.subjects_.push_back(
        {std::string(row.keys[kResourcePart]), std::string(row.keys[kAccountPart]),
         sums_.texts_.NumberOf(row.keys[kTagsPart]), sums_.texts_.NumberOf(TagsToJson(kept))});
    if (sums_.subjects_.size() + sums_.texts_.size() <= kMaxDistinctTexts) return absl::OkStatus();
    return TooMany(kMaxDistinctTexts,
                   " different resources, tags and invoices (kMaxDistinctTexts)");
  }

  absl::Status FindItem(const GroupTable::Row& row, bool negative) {
    const auto text = [&](ChargePart part) { return std::string(row.keys[charge_parts_ + part]); };
    negative_ = negative;
    item_ = items_.NumberOf(
        {text(kServicePart), text(kRegionPart), text(kSkuPart), text(kCategoryPart),
         KindOf(text(kCategoryPart), text(kClassPart), text(kCommitmentPart), negative),
         text(kCurrencyPart), ""});
    if (items_.size() <= kMaxItems) return absl::OkStatus();
    return TooMany(kMaxItems, " different services, regions and SKUs (kMaxItems)");
  }

  // Writes what the last subject was charged in the last billing period.
  absl::Status FinishPeriod() {
    for (auto& [month, facts] : months_) {
      // Several classes of charges may be one kind.
      const size_t count = facts.size();
      PURSER_RETURN_IF_ERROR(Normalise(facts));
      sums_.size_ -= count - facts.size();
      const std::string encoded = EncodeFacts(facts);
      if (sums_.pages_.empty() || sums_.pages_.back().size() + encoded.size() > kPageBytes) {
        sums_.pages_.emplace_back().reserve(std::max(kPageBytes, encoded.size()));
      }
      std::string& page = sums_.pages_.back();
      sums_.rows_.push_back(
          {period_, static_cast<uint32_t>(sums_.subjects_.size() - 1), static_cast<uint32_t>(month),
           static_cast<uint32_t>(sums_.pages_.size() - 1), static_cast<uint32_t>(page.size()),
           static_cast<uint32_t>(page.size() + encoded.size())});
      page += encoded;
    }
    months_.clear();
    return absl::OkStatus();
  }

  DeliveredSums& sums_;
  const size_t charge_parts_;  // where they begin
  bool any_ = false;
  std::vector<std::string> last_;  // the parts of the group before
  absl::CivilDay period_;
  bool negative_ = false;
  uint32_t item_ = 0;
  uint32_t invoice_ = 0;
  Numbering<ChargeItem> items_;
  absl::flat_hash_map<std::string, absl::CivilDay> days_;
  std::map<int64_t, std::vector<Fact>> months_;  // of the last subject and billing period
};

void DeliveredSums::Want(ScanRequest& scan) const {
  const auto want = [&](const std::string& column, KeyPart::Kind kind, bool optional) {
    if (kind == KeyPart::kCurrency) scan.currency = scan.parts.size();
    scan.parts.push_back({kind, scan.wanted.texts.size()});
    scan.wanted.texts.push_back(column);
    if (optional) scan.wanted.optional.push_back(column);
  };
  for (const PartColumn& part : kSubjectColumnsOfParts) want(part.column, part.kind, part.optional);
  for (const std::string& column : columns_) want(column, KeyPart::kText, true);
  for (const PartColumn& part : kChargeColumnsOfParts) want(part.column, part.kind, part.optional);
  scan.wanted.amounts = {"BilledCost", "EffectiveCost", "ListCost", "ContractedCost"};
  scan.wanted.optional.insert(scan.wanted.optional.end(), {"ListCost", "ContractedCost"});
}

absl::Status DeliveredSums::Take(ScanResult& scanned) {
  Taking taking(*this);
  const auto add = [&](const GroupTable::Row& row) { return taking.Add(row); };
  PURSER_RETURN_IF_ERROR(scanned.runs != nullptr ? scanned.runs->ForEachSorted(add)
                                                 : scanned.table->ForEachSorted(add));
  PURSER_RETURN_IF_ERROR(taking.Finish());
  // Everything is here now.
  scanned.runs = nullptr;
  scanned.table = nullptr;
  return absl::OkStatus();
}

absl::Status DeliveredSums::ForEachSubject(const OnSubject& on_subject) const {
  std::vector<DeliveredMonth> months;
  for (size_t row = 0; row < rows_.size();) {
    const uint32_t subject = rows_[row].subject;
    months.clear();
    for (; row < rows_.size() && rows_[row].subject == subject; ++row) {
      const Row& at = rows_[row];
      DeliveredMonth& month = months.emplace_back();
      month.billing_period = at.period;
      month.month = at.month;
      PURSER_RETURN_IF_ERROR(
          DecodeFacts(absl::string_view(pages_[at.page]).substr(at.begin, at.end - at.begin),
                      [&](const Fact& fact) { month.facts.push_back(fact); }));
    }
    PURSER_RETURN_IF_ERROR(on_subject(subject, months));
  }
  return absl::OkStatus();
}

size_t DeliveredSums::bytes() const {
  size_t bytes = rows_.capacity() * sizeof(Row);
  for (const std::string& page : pages_) bytes += page.capacity();
  return bytes;
}

}  // namespace purser::costs

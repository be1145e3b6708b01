#include "costs/delivered_sums.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "base/status.h"
#include "costs/readers/days.h"
#include "costs/readers/tags.h"
#include "costs/service.h"

namespace purser::costs {
namespace {

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

// What is kept of a column. Of two long values that differ something else is kept: subjects are
// told apart by it.
std::string Kept(absl::string_view value) {
  if (value.size() <= kMaxColumnBytes) return std::string(value);
  constexpr size_t kHashDigits = 16;
  size_t end = kMaxColumnBytes - kHashDigits - 1;
  while ((value[end] & 0xc0) == 0x80) --end;  // not within a character of UTF-8
  return absl::StrCat(value.substr(0, end), "#", base::Sha256Hex(value).substr(0, kHashDigits));
}

// A subject as a record: its texts, then its months, all behind their size.
void PutNumber(uint32_t number, std::string& record) {
  record.append(reinterpret_cast<const char*>(&number), sizeof number);
}
void PutBytes(absl::string_view bytes, std::string& record) {
  PutNumber(static_cast<uint32_t>(bytes.size()), record);
  absl::StrAppend(&record, bytes);
}
bool TakeNumber(absl::string_view& record, uint32_t* number) {
  if (record.size() < sizeof *number) return false;
  std::memcpy(number, record.data(), sizeof *number);
  record.remove_prefix(sizeof *number);
  return true;
}
bool TakeBytes(absl::string_view& record, absl::string_view* bytes) {
  uint32_t size;
  if (!TakeNumber(record, &size) || record.size() < size) return false;
  *bytes = record.substr(0, size);
  record.remove_prefix(size);
  return true;
}
bool TakeText(absl::string_view& record, std::string* text) {
  absl::string_view bytes;
  if (!TakeBytes(record, &bytes)) return false;
  text->assign(bytes.data(), bytes.size());
  return true;
}

}  // namespace

// Takes groups in the order of their parts' texts: what is the same as in the group before is known
// already.
class DeliveredSums::Taking {
 public:
  explicit Taking(DeliveredSums& sums)
      : sums_(sums), charge_parts_(kColumnParts + sums.columns_.size()) {}

  absl::Status Add(const GroupRow& row) {
    const size_t charge = charge_parts_;
    if (row.same < charge) {
      PURSER_RETURN_IF_ERROR(FinishSubject());
      PURSER_RETURN_IF_ERROR(StartSubject(row));
    }
    if (row.same <= charge + kPeriodPart) {
      PURSER_RETURN_IF_ERROR(FinishPeriod());
      PURSER_ASSIGN_OR_RETURN(period_, DayOf(row.keys[charge + kPeriodPart]));
    }
    const bool negative = row.sums[0].IsNegative();
    if (row.same < charge + kInvoicePart || negative != negative_) {
      PURSER_RETURN_IF_ERROR(FindItem(row, negative));
    }
    if (row.same <= charge + kInvoicePart) {
      invoice_ = sums_.invoices_.NumberOf(std::string(row.keys[charge + kInvoicePart]));
      if (sums_.invoices_.size() > kMaxInvoices) {
        return TooMany(kMaxInvoices, " invoices (kMaxInvoices)");
      }
    }
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, DayOf(row.keys[charge + kDayPart]));
    months_[MonthOf(day)].push_back(
        {item_,
         invoice_,
         day.day(),
         {row.sums[0], row.sums[1], row.sums[2], row.sums[3], row.charges}});
    DeliveredDays& days =
        sums_.periods_.try_emplace(period_, DeliveredDays{day, day, std::nullopt}).first->second;
    days.first = std::min(days.first, day);
    days.last = std::max(days.last, day);
    if (day <= sums_.today_) days.known = std::max(days.known.value_or(day), day);
    if (++sums_.size_ > kMaxDeliverySums) {
      return TooMany(kMaxDeliverySums, " different sums (kMaxDeliverySums)");
    }
    return absl::OkStatus();
  }

  absl::Status Finish() {
    PURSER_RETURN_IF_ERROR(FinishSubject());
    for (uint32_t item = 0; item < items_.size(); ++item) sums_.items_.push_back(items_[item]);
    return absl::OkStatus();
  }

 private:
  // There are few different days.
  absl::StatusOr<absl::CivilDay> DayOf(absl::string_view text) {
    const auto known = days_.find(text);
    if (known != days_.end()) return known->second;
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(text));
    days_.emplace(std::string(text), day);
    return day;
  }

  absl::Status StartSubject(const GroupRow& row) {
    Tags kept;
    for (size_t i = 0; i < sums_.columns_.size(); ++i) {
      const absl::string_view value = row.keys[kColumnParts + i];
      if (!value.empty()) kept[sums_.columns_[i]] = Kept(value);
    }
    PutBytes(row.keys[kResourcePart], record_);
    PutBytes(row.keys[kAccountPart], record_);
    PutBytes(row.keys[kTagsPart], record_);
    PutBytes(TagsToJson(kept), record_);
    ++sums_.subjects_;
    return absl::OkStatus();
  }

  absl::Status FindItem(const GroupRow& row, bool negative) {
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
      PutNumber(static_cast<uint32_t>(period_ - absl::CivilDay()), record_);
      PutNumber(static_cast<uint32_t>(month), record_);
      PutBytes(EncodeFacts(facts), record_);
    }
    months_.clear();
    return absl::OkStatus();
  }

  absl::Status FinishSubject() {
    if (record_.empty()) return absl::OkStatus();
    PURSER_RETURN_IF_ERROR(FinishPeriod());
    PURSER_RETURN_IF_ERROR(sums_.spool_.Add(record_));
    record_.clear();
    return absl::OkStatus();
  }

  DeliveredSums& sums_;
  const size_t charge_parts_;  // where they begin
  std::string record_;         // of the last subject
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
  const auto add = [&](const GroupRow& row) { return taking.Add(row); };
  PURSER_RETURN_IF_ERROR(scanned.groups->ForEachSorted(add));
  PURSER_RETURN_IF_ERROR(taking.Finish());
  // Everything is here now.
  scanned.groups = nullptr;
  return absl::OkStatus();
}

absl::Status DeliveredSums::ForEachSubject(const OnSubject& on_subject) const {
  DeliveredSubject subject;
  uint32_t number = 0;
  return spool_.ForEach([&](absl::string_view record) -> absl::Status {
    bool whole = TakeText(record, &subject.resource_id) && TakeText(record, &subject.sub_account) &&
                 TakeText(record, &subject.tags) && TakeText(record, &subject.columns);
    size_t months = 0;
    while (whole && !record.empty()) {
      if (months == subject.months.size()) subject.months.emplace_back();
      DeliveredMonth& at = subject.months[months++];
      at.facts.clear();
      uint32_t period, month;
      absl::string_view facts;
      whole =
          TakeNumber(record, &period) && TakeNumber(record, &month) && TakeBytes(record, &facts);
      if (!whole) break;
      at.billing_period = absl::CivilDay() + static_cast<int32_t>(period);
      at.month = month;
      PURSER_RETURN_IF_ERROR(
          DecodeFacts(facts, [&](const Fact& fact) { at.facts.push_back(fact); }));
    }
    if (!whole) return absl::DataLossError("what a delivery was summed up to is damaged");
    subject.months.resize(months);
    return on_subject(number++, subject);
  });
}

}  // namespace purser::costs

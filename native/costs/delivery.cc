#include "costs/delivery.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <system_error>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/numbers.h"
#include "costs/readers/days.h"
#include "costs/readers/formats.h"
#include "costs/readers/manifest.h"
#include "costs/readers/tags.h"

namespace purser::costs {
namespace {

// The parts of a charge's key, in this order; the kept columns of its subject follow.
enum Part : size_t {
  kPeriodPart,
  kDayPart,
  kResourcePart,
  kAccountPart,
  kTagsPart,
  kServicePart,
  kCategoryPart,
  kCurrencyPart,
  kRegionPart,
  kSkuPart,
  kClassPart,
  kCommitmentPart,
  kInvoicePart,
  kColumnParts,
};

// Where a row of the table stands among the rollups.
struct Place {
  uint32_t period;
  uint32_t month;
  uint32_t subject;
  uint32_t row;
  uint64_t rest;  // item, invoice and day

  friend bool operator<(const Place& a, const Place& b) {
    return std::tie(a.period, a.month, a.subject, a.rest) <
           std::tie(b.period, b.month, b.subject, b.rest);
  }
};

absl::StatusOr<std::vector<absl::CivilDay>> DaysOf(const GroupTable& table, size_t part) {
  std::vector<absl::CivilDay> days;
  for (uint32_t code = 0; code < table.part(part).size(); ++code) {
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(table.part(part).TextOf(code)));
    days.push_back(day);
  }
  return days;
}

// By day: how many smaller values there are.
template <typename Value>
std::vector<uint32_t> Ranks(const std::vector<absl::CivilDay>& days, const Value& value) {
  using Values = std::vector<decltype(value(absl::CivilDay()))>;
  Values values;
  for (const absl::CivilDay day : days) values.push_back(value(day));
  Values sorted = values;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  std::vector<uint32_t> ranks;
  for (const auto& one : values) {
    ranks.push_back(static_cast<uint32_t>(std::lower_bound(sorted.begin(), sorted.end(), one) -
                                          sorted.begin()));
  }
  return ranks;
}

ChargeItem ItemOf(const GroupTable& table, const GroupTable::CodedRow& row) {
  const auto text = [&](size_t part) {
    return std::string(table.part(part).TextOf(row.codes[part]));
  };
  return {text(kServicePart),
          text(kRegionPart),
          text(kSkuPart),
          text(kCategoryPart),
          KindOf(text(kCategoryPart), text(kClassPart), text(kCommitmentPart),
                 row.sums[0].IsNegative()),
          text(kCurrencyPart),
          ""};
}

absl::Status TooManyItems() {
  return absl::ResourceExhaustedError(
      absl::StrCat("the delivery has more than ", kMaxItems,
                   " different services, regions and SKUs (kMaxItems): deliver it in parts"));
}

}  // namespace

uint32_t TextNumbers::NumberOf(absl::string_view text) {
  const auto found = numbers_.find(text);
  if (found != numbers_.end()) return found->second;
  const uint32_t number = static_cast<uint32_t>(texts_.size());
  // Owned apart from the map, whose keys move when it grows.
  numbers_.emplace(std::string(text), number);
  texts_.push_back(std::make_unique<std::string>(text));
  return number;
}

absl::Status Sums::Add(base::Decimal more_billed, base::Decimal more_effective,
                       int64_t more_charges) {
  base::Decimal new_billed, new_effective;
  if (!base::Decimal::Add(billed, more_billed, &new_billed) ||
      !base::Decimal::Add(effective, more_effective, &new_effective)) {
    return absl::OutOfRangeError(
        "a sum of costs does not fit into ±170141183460469231731: is an amount in the file wrong?");
  }
  billed = new_billed;
  effective = new_effective;
  charges += more_charges;
  return absl::OkStatus();
}

Delivery::Delivery(const IngestRequest& request, const std::vector<std::string>& extra_columns,
                   std::string duckdb_library)
    : request_(request),
      duckdb_library_(std::move(duckdb_library)),
      columns_(std::begin(kSubjectColumns), std::end(kSubjectColumns)) {
  columns_.insert(columns_.end(), extra_columns.begin(), extra_columns.end());
}

absl::Status Delivery::Read(Quarantine& quarantine, IngestReport& report) {
  ScanRequest scan;
  int64_t rows_promised = -1;
  PURSER_RETURN_IF_ERROR(FindFiles(scan.paths, &rows_promised));
  scan.wanted.texts = {
      "BillingPeriodStart", "ChargePeriodStart", "ResourceId",     "SubAccountId", "Tags",
      "ServiceName",        "ChargeCategory",    "BillingCurrency"};
  scan.wanted.amounts = {"BilledCost", "EffectiveCost", "ListCost", "ContractedCost"};
  scan.wanted.optional = {"ListCost", "ContractedCost"};
  scan.parts = {{KeyPart::kDay, kPeriodPart},        {KeyPart::kDay, kDayPart},
                {KeyPart::kText, kResourcePart},     {KeyPart::kText, kAccountPart},
                {KeyPart::kTags, kTagsPart},         {KeyPart::kText, kServicePart},
                {KeyPart::kCategory, kCategoryPart}, {KeyPart::kCurrency, kCurrencyPart}};
  std::vector<std::string> more = {"RegionId", "SkuId", "ChargeClass", "CommitmentDiscountStatus",
                                   "InvoiceId"};
  more.insert(more.end(), columns_.begin(), columns_.end());
  for (std::string& column : more) {
    scan.parts.push_back({KeyPart::kText, scan.wanted.texts.size()});
    scan.wanted.texts.push_back(column);
    scan.wanted.optional.push_back(std::move(column));
  }
  scan.wanted.format = request_.format;
  scan.currency = kCurrencyPart;
  scan.max_groups = kMaxRollups;
  scan.hash = true;
  scan.duckdb_library = duckdb_library_;
  scan.stop = request_.stop;
  if (request_.on_progress) {
    scan.on_progress = [&](const ScanProgress& progress) {
      request_.on_progress({progress.rows, progress.bytes, progress.total_bytes});
    };
  }
  if (request_.bad_rows == BadRows::kQuarantine) {
    scan.on_bad_row = [&](const std::string& path, const BadRow& row) {
      return AddBad(path, row, quarantine, report);
    };
  }
  absl::StatusOr<ScanResult> scanned = ScanBills(scan);
  if (!scanned.ok()) {
    return absl::Status(scanned.status().code(),
                        absl::StrCat(scanned.status().message(), "; nothing was stored"));
  }
  report.rows_stored = scanned->rows_added;
  report.rows_quarantined = scanned->rows_bad;
  report.rows_read = scanned->rows_added + scanned->rows_bad;
  report.rounded_numbers = scanned->rounded;
  report.sha256 = scanned->sha256;
  if (const std::string reading = Reading(); !reading.empty()) {
    report.sha256 = base::Sha256Hex(absl::StrCat(scanned->sha256, "\n", reading));
  }
  for (const auto& [currency, sums] : set_aside_) {
    report.quarantined_money.push_back({currency, sums.billed});
  }
  if (rows_promised >= 0 && rows_promised != report.rows_read) {
    return absl::FailedPreconditionError(
        absl::StrCat("the manifest counts ", rows_promised, " rows, its files have ",
                     report.rows_read, ": the delivery is not complete; nothing was stored"));
  }
  PURSER_RETURN_IF_ERROR(Fill(*scanned));
  return CheckControlTotals(*scanned);
}

// What of a delivery's files is looked at, where that is not what is looked at of all: the same
// bytes with other columns kept, or by another map of them, are not what is stored already.
std::string Delivery::Reading() const {
  std::string reading = request_.format == nullptr ? std::string() : request_.format->fingerprint;
  for (size_t i = std::size(kSubjectColumns); i < columns_.size(); ++i) {
    absl::StrAppend(&reading, "\n", columns_[i]);
  }
  return reading;
}

// The files themselves, and those that the manifests of folders name. `*rows` is what all manifests
// promise together, -1 when not all that is read was promised.
absl::Status Delivery::FindFiles(std::vector<std::string>& paths, int64_t* rows) const {
  int64_t promised = 0;
  bool all_promised = true;
  for (const std::string& path : request_.paths) {
    std::error_code error;
    if (!std::filesystem::is_directory(path, error)) {
      paths.push_back(path);
      all_promised = false;
      continue;
    }
    PURSER_ASSIGN_OR_RETURN(const DeliveredFiles delivered, ReadDelivered(path));
    paths.insert(paths.end(), delivered.paths.begin(), delivered.paths.end());
    all_promised = all_promised && delivered.rows.has_value();
    promised += delivered.rows.value_or(0);
  }
  if (all_promised) *rows = promised;
  return absl::OkStatus();
}

absl::Status Delivery::Fill(const ScanResult& scanned) {
  const GroupTable& table = *scanned.table;
  size_t texts = 0;
  for (const size_t part : {kResourcePart, kAccountPart, kTagsPart, kServicePart}) {
    texts += table.part(part).size();
  }
  if (texts > kMaxDistinctTexts) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the delivery has more than ", kMaxDistinctTexts,
        " different services, tags and resources (kMaxDistinctTexts): deliver it in parts"));
  }
  PURSER_ASSIGN_OR_RETURN(const std::vector<absl::CivilDay> periods, DaysOf(table, kPeriodPart));
  PURSER_ASSIGN_OR_RETURN(const std::vector<absl::CivilDay> days, DaysOf(table, kDayPart));
  for (uint32_t code = 0; code < table.part(kTagsPart).size(); ++code) {
    const absl::string_view text = table.part(kTagsPart).TextOf(code);
    PURSER_ASSIGN_OR_RETURN(Tags tags, ParseTags(text));
    tags_.emplace_back(std::move(tags), std::string(text));
  }
  // Texts were numbered while they were read: what rows mean is found by the numbers alone.
  const std::vector<uint32_t> period_ranks = Ranks(periods, [](absl::CivilDay day) { return day; });
  const std::vector<uint32_t> month_ranks = Ranks(days, MonthOf);
  std::vector<std::optional<uint32_t>> invoices(table.part(kInvoicePart).size());
  absl::flat_hash_map<std::vector<uint32_t>, uint32_t> subjects, items;
  Numbering<ChargeItem> numbered;
  std::vector<Place> places;
  places.reserve(table.groups());
  std::vector<uint32_t> key;
  PURSER_RETURN_IF_ERROR(table.ForEach([&](const GroupTable::CodedRow& row) -> absl::Status {
    key.assign({row.codes[kResourcePart], row.codes[kAccountPart], row.codes[kTagsPart]});
    key.insert(key.end(), row.codes.begin() + kColumnParts, row.codes.end());
    const auto [subject, new_subject] =
        subjects.try_emplace(key, static_cast<uint32_t>(subjects_.size()));
    if (new_subject) AddSubject(table, row);
    const bool negative = row.sums[0].IsNegative();
    key.assign({row.codes[kServicePart], row.codes[kRegionPart], row.codes[kSkuPart],
                row.codes[kCategoryPart], row.codes[kCurrencyPart], row.codes[kClassPart],
                row.codes[kCommitmentPart], negative});
    const auto [item, new_item] = items.try_emplace(key, 0);
    if (new_item) item->second = numbered.NumberOf(ItemOf(table, row));
    if (numbered.size() > kMaxItems) return TooManyItems();
    std::optional<uint32_t>& invoice = invoices[row.codes[kInvoicePart]];
    if (!invoice.has_value()) {
      invoice = texts_.NumberOf(table.part(kInvoicePart).TextOf(row.codes[kInvoicePart]));
    }
    places.push_back({period_ranks[row.codes[kPeriodPart]], month_ranks[row.codes[kDayPart]],
                      subject->second, static_cast<uint32_t>(places.size()),
                      static_cast<uint64_t>(item->second) << 40 |
                          static_cast<uint64_t>(*invoice) << 8 |
                          static_cast<uint64_t>(days[row.codes[kDayPart]].day())});
    return absl::OkStatus();
  }));
  for (uint32_t item = 0; item < numbered.size(); ++item) items_.push_back(numbered[item]);
  std::sort(places.begin(), places.end());
  rollups_.reserve(places.size());
  GroupTable::CodedRow row;
  for (const Place& place : places) {
    table.ReadRow(place.row, row);
    const RollupKey of{periods[row.codes[kPeriodPart]], days[row.codes[kDayPart]], place.subject,
                       static_cast<uint32_t>(place.rest >> 40),
                       static_cast<uint32_t>(place.rest >> 8)};
    const Measures sums{row.sums[0], row.sums[1], row.sums[2], row.sums[3], row.charges};
    // Several classes of charges may be one kind.
    if (!rollups_.empty() && rollups_.back().first == of) {
      PURSER_RETURN_IF_ERROR(rollups_.back().second.Add(sums));
    } else {
      rollups_.emplace_back(of, sums);
    }
  }
  return absl::OkStatus();
}

void Delivery::AddSubject(const GroupTable& table, const GroupTable::CodedRow& row) {
  const auto text = [&](size_t part) { return table.part(part).TextOf(row.codes[part]); };
  Tags kept;
  for (size_t i = 0; i < columns_.size(); ++i) {
    const absl::string_view value = text(kColumnParts + i).substr(0, kMaxColumnBytes);
    if (!value.empty()) kept[columns_[i]] = std::string(value);
  }
  subjects_.push_back({std::string(text(kResourcePart)), std::string(text(kAccountPart)),
                       row.codes[kTagsPart], texts_.NumberOf(TagsToJson(kept))});
}

absl::Status Delivery::AddBad(const std::string& path, const BadRow& row, Quarantine& quarantine,
                              IngestReport& report) {
  PURSER_RETURN_IF_ERROR(quarantine.Add(path, row));
  ++report.rows_quarantined;
  if (report.problems.size() < kMaxProblems) report.problems.push_back(row.ToString(path));
  if (!row.billed.has_value()) {
    ++report.quarantined_without_money;
    return absl::OkStatus();
  }
  return set_aside_[row.currency].Add(*row.billed, base::Decimal(), 1);
}

// The money of all rows, summed while they were read, is the money of the groups.
absl::Status Delivery::CheckControlTotals(const ScanResult& scanned) const {
  std::map<std::string, Sums> counted;
  Sums* sum = nullptr;
  uint32_t item = 0;
  for (const auto& [key, sums] : rollups_) {
    // Neighbours are mostly of one item.
    if (sum == nullptr || key.item != item) sum = &counted[items_[item = key.item].currency];
    PURSER_RETURN_IF_ERROR(sum->Add(sums.billed, sums.effective, sums.charges));
  }
  bool equal = counted.size() == scanned.totals.size();
  int64_t rows = 0;
  for (const auto& [currency, total] : scanned.totals) {
    const auto found = counted.find(currency);
    equal = equal && found != counted.end() && found->second.billed.units() == total.units[0] &&
            found->second.effective.units() == total.units[1] &&
            found->second.charges == total.rows;
    rows += total.rows;
  }
  if (equal && rows == scanned.rows_added) return absl::OkStatus();
  return absl::InternalError(
      "the sums of the delivery are not what was read; nothing was stored, please report this");
}

}  // namespace purser::costs

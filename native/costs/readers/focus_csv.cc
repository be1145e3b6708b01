#include "costs/readers/focus_csv.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::costs {
namespace {

struct Alias {
  absl::string_view canonical;
  absl::string_view other;
};
// Columns that bear another name in some version: 1.3 and 1.4 renamed the provider columns, the
// 1.0 preview (which OCI still delivers) had shorter names.
constexpr Alias kAliases[] = {
    {"ProviderName", "ServiceProviderName"}, {"ProviderName", "Provider"},
    {"PublisherName", "HostProviderName"},   {"PublisherName", "Publisher"},
    {"InvoiceIssuerName", "InvoiceIssuer"},  {"RegionId", "Region"},
    {"ConsumedQuantity", "UsageQuantity"},   {"ConsumedUnit", "UsageUnit"},
};

constexpr absl::string_view kCategories[] = {"Usage", "Purchase", "Tax", "Credit", "Adjustment"};

// Exports differ in case and underscores: BilledCost, billedCost, billed_cost.
std::string Normalised(absl::string_view name) {
  // A custom column stays apart from the one it is named after.
  const bool custom = absl::StartsWithIgnoreCase(name, "x_");
  std::string text = custom ? "x_" : "";
  for (const char c : custom ? name.substr(2) : name) {
    if (c != '_' && c != ' ') text.push_back(absl::ascii_tolower(c));
  }
  return text;
}

using ColumnIndex = absl::flat_hash_map<std::string, int>;

int FindColumn(const ColumnIndex& index, absl::string_view name) {
  const auto at = [&](absl::string_view key) {
    const auto found = index.find(Normalised(key));
    return found == index.end() ? -1 : found->second;
  };
  if (const int column = at(name); column >= 0) return column;
  const std::string wanted = Normalised(name);
  for (const Alias& alias : kAliases) {
    if (Normalised(alias.canonical) != wanted && Normalised(alias.other) != wanted) continue;
    // Names of the same column lead to each other over the canonical one.
    for (const Alias& same : kAliases) {
      if (same.canonical != alias.canonical) continue;
      if (const int column = at(same.other); column >= 0) return column;
      if (const int column = at(same.canonical); column >= 0) return column;
    }
  }
  return -1;
}

// `NULL` without quotes is no value; with quotes it is a text.
absl::string_view Text(const CsvRecord& record, int column) {
  if (column < 0) return {};
  const CsvField& field = record.fields[column];
  return !field.quoted && field.text == "NULL" ? absl::string_view() : field.text;
}

bool IsCleanText(absl::string_view raw) {
  uint64_t high = 0;
  size_t i = 0;
  for (; i + 8 <= raw.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, raw.data() + i, 8);
    high |= word;
  }
  for (; i < raw.size(); ++i) high |= static_cast<unsigned char>(raw[i]);
  if ((high & 0x8080808080808080u) != 0 && !base::IsValidUtf8(raw)) return false;
  return std::memchr(raw.data(), '\0', raw.size()) == nullptr;
}

bool Digits(absl::string_view text, size_t at, size_t count, int* out) {
  if (text.size() < at + count) return false;
  int value = 0;
  for (size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return false;
    value = value * 10 + (text[i] - '0');
  }
  *out = value;
  return true;
}

}  // namespace

absl::StatusOr<absl::CivilDay> ParseDay(absl::string_view text) {
  const auto bad = [&] {
    return absl::InvalidArgumentError("not a date like 2026-11-01 or 2026-11-01T00:00:00Z");
  };
  int year, month, day;
  if (!Digits(text, 0, 4, &year) || !Digits(text, 5, 2, &month) || !Digits(text, 8, 2, &day) ||
      text[4] != '-' || text[7] != '-') {
    return bad();
  }
  const absl::CivilDay date(year, month, day);
  if (date.year() != year || date.month() != month || date.day() != day) {
    return absl::InvalidArgumentError("no such day");
  }
  if (year < 1990 || year > 2199) {
    return absl::InvalidArgumentError("the year is not one of a bill (1990 to 2199)");
  }
  if (text.size() == 10) return date;
  int hour, minute, second = 0;
  if ((text[10] != 'T' && text[10] != ' ') || !Digits(text, 11, 2, &hour) ||
      !Digits(text, 14, 2, &minute) || text[13] != ':' || hour > 23 || minute > 59) {
    return bad();
  }
  size_t at = 16;
  if (at < text.size() && text[at] == ':') {
    if (!Digits(text, 17, 2, &second) || second > 60) return bad();
    at = 19;
    if (at < text.size() && text[at] == '.') {
      const size_t fraction = ++at;
      while (at < text.size() && absl::ascii_isdigit(text[at])) ++at;
      if (at == fraction) return bad();
    }
  }
  absl::string_view zone = text.substr(at);
  if (zone.empty() || zone == "Z" || zone == "z" || zone == " UTC") return date;
  int zone_hour, zone_minute;
  if ((zone[0] != '+' && zone[0] != '-') || zone.size() != 6 || zone[3] != ':' ||
      !Digits(zone, 1, 2, &zone_hour) || !Digits(zone, 4, 2, &zone_minute) || zone_hour > 15 ||
      zone_minute > 59) {
    return bad();
  }
  const int offset = (zone_hour * 60 + zone_minute) * (zone[0] == '-' ? -1 : 1);
  return absl::CivilDay(absl::CivilMinute(year, month, day, hour, minute) - offset);
}

std::string BadRow::ToString(absl::string_view file) const {
  std::string text = absl::StrCat(file, ":", line, ": ");
  if (!column.empty()) {
    absl::StrAppend(&text, "column ", base::EscapeForDisplay(column, 80), ": value \"",
                    base::EscapeForDisplay(value, 80), "\": ");
  }
  absl::StrAppend(&text, reason, " (row ", row, ", byte ", offset, ")");
  return text;
}

absl::StatusOr<std::unique_ptr<FocusCsvReader>> FocusCsvReader::Open(
    ByteSource& source, std::string name, const std::vector<std::string>& extra,
    const std::vector<std::string>& optional) {
  auto reader = std::unique_ptr<FocusCsvReader>(new FocusCsvReader(source, std::move(name)));
  PURSER_RETURN_IF_ERROR(reader->ReadHeader(extra, optional));
  return reader;
}

absl::Status FocusCsvReader::ReadHeader(const std::vector<std::string>& extra,
                                        const std::vector<std::string>& optional) {
  PURSER_ASSIGN_OR_RETURN(const CsvRecord* record, scanner_.Next());
  if (record == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, " is empty: a header is expected, even for a bill without charges"));
  }
  if (!record->problem.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ":", record->line, ": header: ", record->problem));
  }
  header_ = std::string(record->raw);
  ColumnIndex index;
  for (const CsvField& field : record->fields) {
    const std::string column(absl::StripAsciiWhitespace(field.text));
    if (!index.emplace(Normalised(column), static_cast<int>(names_.size())).second) {
      return absl::InvalidArgumentError(absl::StrCat(name_, ":", record->line, ": column ",
                                                     base::EscapeForDisplay(column),
                                                     " is there twice"));
    }
    names_.push_back(column);
  }

  std::vector<absl::string_view> missing;
  const auto mandatory = [&](absl::string_view column, int* out) {
    *out = FindColumn(index, column);
    if (*out < 0) missing.push_back(column);
  };
  mandatory("BilledCost", &columns_.billed);
  mandatory("EffectiveCost", &columns_.effective);
  mandatory("BillingCurrency", &columns_.currency);
  mandatory("BillingPeriodStart", &columns_.billing_period);
  mandatory("ChargePeriodStart", &columns_.day);
  mandatory("ChargeCategory", &columns_.category);
  mandatory("ServiceName", &columns_.service);
  columns_.resource_id = FindColumn(index, "ResourceId");
  columns_.sub_account = FindColumn(index, "SubAccountId");
  columns_.tags = FindColumn(index, "Tags");
  for (const std::string& column : extra) {
    columns_.extra.push_back(FindColumn(index, column));
    if (columns_.extra.back() < 0) missing.push_back(column);
  }
  for (const std::string& column : optional) columns_.extra.push_back(FindColumn(index, column));
  if (!missing.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name_, ":", record->line, ": not a FOCUS file: column ",
                     absl::StrJoin(missing, ", "), missing.size() == 1 ? " is" : " are",
                     " missing (FOCUS 1.0 to 1.4, section Columns); it has ",
                     base::EscapeForDisplay(absl::StrJoin(names_, ", "), 400)));
  }
  charge_.extra.resize(columns_.extra.size());
  return absl::OkStatus();
}

RowKind FocusCsvReader::Bad(const CsvRecord& record, int column, std::string reason) {
  bad_row_ = BadRow();
  bad_row_.line = record.line;
  bad_row_.row = record.row;
  bad_row_.offset = record.offset;
  if (column >= 0) {
    bad_row_.column = names_[column];
    bad_row_.value = std::string(record.fields[column].text);
  }
  bad_row_.reason = std::move(reason);
  bad_row_.raw = record.raw;
  // Fields in the wrong number stand under the wrong names: their money is not known.
  if (record.problem.empty() && record.fields.size() == names_.size()) {
    const absl::StatusOr<base::Decimal> billed =
        base::Decimal::Parse(Text(record, columns_.billed));
    const absl::string_view currency = Text(record, columns_.currency);
    if (billed.ok() && currency.size() == 3) {
      bad_row_.billed = *billed;
      bad_row_.currency = std::string(currency);
    }
  }
  return RowKind::kBad;
}

absl::StatusOr<RowKind> FocusCsvReader::Next() {
  PURSER_ASSIGN_OR_RETURN(const CsvRecord* record, scanner_.Next());
  record_ = record;
  if (record == nullptr) return RowKind::kEnd;
  ++rows_;
  return Decode(*record);
}

RowKind FocusCsvReader::Decode(const CsvRecord& record) {
  if (record.fields.size() != names_.size()) {
    std::string reason =
        absl::StrCat("the row has ", record.fields.size(), " fields, the header ", names_.size());
    if (!record.problem.empty()) absl::StrAppend(&reason, "; ", record.problem);
    return Bad(record, -1, std::move(reason));
  }
  if (!record.problem.empty()) {
    return Bad(record, static_cast<int>(record.problem_field), record.problem);
  }
  if (!IsCleanText(record.raw)) {
    return Bad(record, -1, "the row is not UTF-8 text");
  }

  int rounded = 0;
  const std::pair<int, base::Decimal*> amounts[] = {{columns_.billed, &charge_.billed},
                                                    {columns_.effective, &charge_.effective}};
  for (const auto& [column, out] : amounts) {
    const absl::string_view text = Text(record, column);
    if (text.empty()) return Bad(record, column, "no amount; FOCUS allows no NULL here");
    bool lost = false;
    absl::StatusOr<base::Decimal> amount = base::Decimal::Parse(text, &lost);
    if (!amount.ok()) return Bad(record, column, std::string(amount.status().message()));
    *out = *amount;
    rounded += lost;
  }
  const std::pair<int, absl::CivilDay*> days[] = {
      {columns_.billing_period, &charge_.billing_period}, {columns_.day, &charge_.day}};
  for (const auto& [column, out] : days) {
    const absl::StatusOr<absl::CivilDay> day = ParseDay(Text(record, column));
    if (!day.ok()) return Bad(record, column, std::string(day.status().message()));
    *out = *day;
  }
  charge_.currency = Text(record, columns_.currency);
  if (charge_.currency.size() != 3 ||
      !std::all_of(charge_.currency.begin(), charge_.currency.end(), absl::ascii_isupper)) {
    return Bad(record, columns_.currency, "not a currency code of three capitals (ISO 4217)");
  }
  charge_.category = Text(record, columns_.category);
  if (std::find(std::begin(kCategories), std::end(kCategories), charge_.category) ==
      std::end(kCategories)) {
    return Bad(record, columns_.category, "not one of Usage, Purchase, Tax, Credit, Adjustment");
  }
  charge_.service = Text(record, columns_.service);
  charge_.resource_id = Text(record, columns_.resource_id);
  charge_.sub_account = Text(record, columns_.sub_account);
  charge_.tags = Text(record, columns_.tags);
  for (size_t i = 0; i < columns_.extra.size(); ++i) {
    charge_.extra[i] = Text(record, columns_.extra[i]);
  }
  rounded_here_ = rounded;
  rounded_numbers_ += rounded;
  return RowKind::kCharge;
}

const BadRow& FocusCsvReader::RejectCharge(absl::string_view column, std::string reason) {
  rounded_numbers_ -= rounded_here_;
  rounded_here_ = 0;
  int index = kAbsent;
  for (size_t i = 0; i < names_.size(); ++i) {
    if (Normalised(names_[i]) == Normalised(column)) index = static_cast<int>(i);
  }
  Bad(*record_, index, std::move(reason));
  return bad_row_;
}

}  // namespace purser::costs

// FOCUS (1.0 to 1.4) CSV files as charges: columns by name, values checked, bad rows told exactly.
#ifndef PURSER_COSTS_READERS_FOCUS_CSV_H_
#define PURSER_COSTS_READERS_FOCUS_CSV_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "base/decimal.h"
#include "costs/readers/byte_source.h"
#include "costs/readers/csv_scanner.h"

namespace purser::costs {

// One row. Views are valid until the next call of Next. NULL and empty are both "".
struct Charge {
  absl::CivilDay billing_period;  // first day
  absl::CivilDay day;             // on which the charge period begins, UTC
  absl::string_view currency;
  absl::string_view category;
  absl::string_view service;
  absl::string_view resource_id;
  absl::string_view sub_account;
  absl::string_view tags;  // JSON as in the file
  base::Decimal billed;
  base::Decimal effective;
  std::vector<absl::string_view> extra;  // in the order asked for: `extra`, then `optional`
};

// Why a row cannot be counted. Views as in Charge.
struct BadRow {
  int64_t line = 0;
  int64_t row = 0;     // from 1, the header not counted
  int64_t offset = 0;  // of its first byte in the unpacked file
  std::string column;  // "" when the whole row is meant
  std::string value;
  std::string reason;
  absl::string_view raw;  // the row as in the file
  // What could be read of its money.
  std::string currency;
  std::optional<base::Decimal> billed;

  // "bill.csv:7: column BilledCost: value "abc": … (row 6, byte 1234)".
  std::string ToString(absl::string_view file) const;
};

enum class RowKind { kCharge, kBad, kEnd };

// One thread. `source` must outlive it.
class FocusCsvReader {
 public:
  // Reads the header. INVALID_ARGUMENT names all mandatory columns that are missing, and columns
  // that come twice. `extra` names more columns to decode, in any spelling and version; a missing
  // one is an error. `optional` names columns that are decoded when they are there, else "".
  static absl::StatusOr<std::unique_ptr<FocusCsvReader>> Open(
      ByteSource& source, std::string name, const std::vector<std::string>& extra = {},
      const std::vector<std::string>& optional = {});

  absl::StatusOr<RowKind> Next();
  const Charge& charge() const { return charge_; }    // after kCharge
  const BadRow& bad_row() const { return bad_row_; }  // after kBad
  // Makes a bad row of the charge just read, for what only its user can see.
  const BadRow& RejectCharge(absl::string_view column, std::string reason);
  const std::string& header() const { return header_; }  // as in the file
  int64_t rows() const { return rows_; }
  int64_t rounded_numbers() const { return rounded_numbers_; }  // of charges, not of bad rows

 private:
  static constexpr int kAbsent = -1;
  struct Columns {
    int billed = kAbsent, effective = kAbsent, currency = kAbsent, billing_period = kAbsent,
        day = kAbsent, category = kAbsent, service = kAbsent, resource_id = kAbsent,
        sub_account = kAbsent, tags = kAbsent;
    std::vector<int> extra;
  };

  FocusCsvReader(ByteSource& source, std::string name)
      : name_(name), scanner_(source, std::move(name)) {}
  absl::Status ReadHeader(const std::vector<std::string>& extra,
                          const std::vector<std::string>& optional);
  RowKind Bad(const CsvRecord& record, int column, std::string reason);
  RowKind Decode(const CsvRecord& record);

  std::string name_;
  CsvScanner scanner_;
  std::string header_;
  std::vector<std::string> names_;  // of the columns, as in the file
  Columns columns_;
  Charge charge_;
  BadRow bad_row_;
  const CsvRecord* record_ = nullptr;  // the last one
  int64_t rows_ = 0;
  int rounded_here_ = 0;  // in the last charge
  int64_t rounded_numbers_ = 0;
};

// "2026-11-01", "2026-11-01T00:00:00Z", "2026-11-01 00:00:00.000", with an offset (+01:00) instead
// of Z or with neither (then UTC): the UTC day.
absl::StatusOr<absl::CivilDay> ParseDay(absl::string_view text);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_FOCUS_CSV_H_

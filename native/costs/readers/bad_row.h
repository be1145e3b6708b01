// Why a row of a billing file cannot be counted, and where it stands.
#ifndef PURSER_COSTS_READERS_BAD_ROW_H_
#define PURSER_COSTS_READERS_BAD_ROW_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "base/decimal.h"
#include "costs/readers/columns.h"

namespace purser::costs {

struct BadRow {
  int64_t line = 0;    // from 1; 0 in files without lines
  int64_t row = 0;     // from 1, the header not counted
  int64_t offset = 0;  // of its first byte in the unpacked file; -1 in files without rows' places
  std::string column;  // "" when the whole row is meant
  std::string value;
  std::string reason;
  std::string raw;  // the row as in the file
  // What could be read of its money.
  std::string currency;
  std::optional<base::Decimal> billed;

  // "bill.csv:7: column BilledCost: value "abc": … (row 6, byte 1234)".
  std::string ToString(absl::string_view file) const;

  // Sets both, when the currency is three letters.
  void SetMoney(absl::string_view unit, base::Decimal amount);
  // Sets currency and billed, when both can be read; `text_of` gives the row's text of a column.
  void ReadMoney(const Binding::Money& money, const std::function<std::string(int)>& text_of);
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_BAD_ROW_H_

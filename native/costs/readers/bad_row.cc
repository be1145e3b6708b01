#include "costs/readers/bad_row.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::costs {

std::string BadRow::ToString(absl::string_view file) const {
  std::string text(file);
  if (line > 0) absl::StrAppend(&text, ":", line);
  absl::StrAppend(&text, ": ");
  if (!column.empty()) {
    absl::StrAppend(&text, "column ", base::EscapeForDisplay(column, 80), ": value \"",
                    base::EscapeForDisplay(value, 80), "\": ");
  }
  absl::StrAppend(&text, reason, " (row ", row);
  if (offset >= 0) absl::StrAppend(&text, ", byte ", offset);
  absl::StrAppend(&text, ")");
  return text;
}

void BadRow::SetMoney(absl::string_view unit, base::Decimal amount) {
  if (unit.size() != 3 || !std::all_of(unit.begin(), unit.end(), absl::ascii_isalpha)) return;
  currency = std::string(unit);
  billed = amount;
}

void BadRow::ReadMoney(const Binding::Money& money,
                       const std::function<std::string(int)>& text_of) {
  const std::string unit = money.currency >= 0 ? text_of(money.currency) : money.same_currency;
  if (money.billed.empty()) return;
  base::Decimal sum;
  for (const AmountSource::Term& term : money.billed) {
    const std::string text = text_of(term.column);
    if (text.empty() && money.may_be_empty) continue;
    const absl::StatusOr<base::Decimal> amount = base::Decimal::Parse(text);
    if (!amount.ok()) return;
    const bool fits = term.minus ? base::Decimal::Subtract(sum, *amount, &sum)
                                 : base::Decimal::Add(sum, *amount, &sum);
    if (!fits) return;
  }
  SetMoney(unit, sum);
}

}  // namespace purser::costs

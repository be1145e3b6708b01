#include "costs/readers/column_map.h"

#include <algorithm>
#include <deque>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/strings.h"

namespace purser::costs {
namespace {

constexpr absl::string_view kAmounts[] = {"BilledCost", "EffectiveCost", "ListCost",
                                          "ContractedCost"};

// A format's texts are views; here somebody must own them.
struct MappedFormat {
  std::deque<std::string> texts;
  BillFormat format;

  absl::string_view Keep(absl::string_view text) { return texts.emplace_back(text); }
};

absl::Status Wrong(const std::string& name, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("column map: ", base::EscapeForDisplay(name, 100), ": ", why));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const BillFormat>> MapColumns(
    const std::map<std::string, std::string>& columns) {
  if (columns.size() > kMaxMappedColumns) {
    return absl::InvalidArgumentError(
        absl::StrCat("column map: more than ", kMaxMappedColumns, " columns (kMaxMappedColumns)"));
  }
  const auto mapped = std::make_shared<MappedFormat>();
  mapped->format.name = "mapped";
  mapped->format.empty_amounts = true;
  for (const auto& [name, text] : columns) {
    absl::StrAppend(&mapped->format.fingerprint, name.size(), ":", name, text.size(), ":", text);
    absl::string_view value = text;
    if (value.empty()) return Wrong(name, "names no column");
    if (name == "tags") {
      mapped->format.tag_prefixes.push_back(mapped->Keep(value));
      continue;
    }
    if (name == "dates") {
      if (value != "month-first") return Wrong(name, "can only be month-first");
      mapped->format.dates = DateOrder::kMonthFirst;
      continue;
    }
    BillFormat::Column column{.focus = mapped->Keep(name), .names = {}};
    if (absl::ConsumePrefix(&value, "=")) {
      if (std::find(std::begin(kAmounts), std::end(kAmounts), name) != std::end(kAmounts)) {
        return Wrong(name, "an amount is read, not given");
      }
      column.constant = mapped->Keep(value);
    } else {
      column.month_start = absl::ConsumePrefix(&value, "month:");
      column.names.push_back(mapped->Keep(value));
    }
    mapped->format.columns.push_back(std::move(column));
  }
  return std::shared_ptr<const BillFormat>(mapped, &mapped->format);
}

}  // namespace purser::costs

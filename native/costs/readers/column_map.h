// A bill of any other kind, by a map of its columns.
#ifndef PURSER_COSTS_READERS_COLUMN_MAP_H_
#define PURSER_COSTS_READERS_COLUMN_MAP_H_

#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "costs/readers/formats.h"

namespace purser::costs {

inline constexpr size_t kMaxMappedColumns = 200;

// FOCUS column → what stands for it in the file:
//   "Cost"         the column of that name; of an amount also a sum, "Cost + Tax - Discount", whose
//                  names are written without blanks
//   "month:Date"   of a date: the first day of its month
//   "=Usage"       this text in every row; not of an amount
// And beside columns:
//   tags   → "label_"       columns whose name begins so are one tag each
//   dates  → "month-first"  11/1/2026 is November the 1st
// INVALID_ARGUMENT names the entry. The format replaces all that Purser would tell by itself.
absl::StatusOr<std::shared_ptr<const BillFormat>> MapColumns(
    const std::map<std::string, std::string>& columns);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_COLUMN_MAP_H_

#include "costs/readers/bad_row.h"

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

}  // namespace purser::costs

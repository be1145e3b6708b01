// The formats of bills, each as one table: where its columns stand for those of FOCUS.
#ifndef PURSER_COSTS_READERS_FORMATS_H_
#define PURSER_COSTS_READERS_FORMATS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace purser::costs {

// What a file's values are in FOCUS. Values compare without regard to case.
struct ValueTable {
  struct Entry {
    absl::string_view value;
    absl::string_view focus;
  };
  std::vector<Entry> entries;
  absl::string_view otherwise;  // for all others; "": they stay as they are
};

enum class DateOrder {
  kIso,
  kMonthFirst,  // 11/1/2026 too
  kMonths,      // 202611 too: its first day
};

struct BillFormat {
  absl::string_view name;  // for people
  // Columns that only files of this format have (all of them), as normalised names.
  std::vector<absl::string_view> marks;
  struct Column {
    absl::string_view focus;
    // The first that the file has; of an amount it may be a sum, "a + b - c".
    std::vector<absl::string_view> names;
    const ValueTable* values = nullptr;
    absl::string_view constant = "";  // when the file has none of the names
    bool month_start = false;         // of a date: the first day of its month is meant
  };
  std::vector<Column> columns;
  // EffectiveCost by the value of a column.
  struct Choice {
    absl::string_view value;
    absl::string_view columns;  // a sum as above; "": 0
  };
  absl::string_view effective_selector = "";
  std::vector<Choice> effective_choices = {};
  // Columns whose name begins so are one tag each; the rest of the name is its key.
  std::vector<absl::string_view> tag_prefixes = {};
  DateOrder dates = DateOrder::kIso;
  bool empty_amounts = false;  // an empty amount is 0
  // Of a map that somebody wrote: what it says. A file read by another map is another delivery.
  std::string fingerprint = {};
};

// All formats, FOCUS last: it has no marks.
const std::vector<BillFormat>& BillFormats();

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_FORMATS_H_

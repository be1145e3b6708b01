// Which column of a file holds what is asked for: FOCUS columns of any version and spelling, and
// what stands for them in the providers' own formats (formats.h).
#ifndef PURSER_COSTS_READERS_COLUMNS_H_
#define PURSER_COSTS_READERS_COLUMNS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs {

struct BillFormat;
struct ValueTable;

// What is asked of each row.
struct Wanted {
  // A FOCUS column, "Tags", "tag:KEY" or any column of the files.
  std::vector<std::string> texts = {};
  std::vector<std::string> amounts = {};
  // Those of the texts and amounts that a file may lack: then they are "" and 0. Amounts among them
  // may be empty, too.
  std::vector<std::string> optional = {};
  // What the files are; null: told by their columns.
  std::shared_ptr<const BillFormat> format = nullptr;
};

inline constexpr int kNoColumn = -1;

// One text of each row.
struct TextSource {
  int column = kNoColumn;
  // Not empty: an object of these columns as JSON text, in the form of the Tags column.
  std::vector<std::pair<std::string, int>> members = {};
  // Not empty: not the column's whole map, but its value for this key.
  std::string tag = {};
  friend bool operator==(const TextSource&, const TextSource&) = default;
};

// One amount of each row: a sum of columns, mostly of one; none: 0.
struct AmountSource {
  struct Term {
    int column = kNoColumn;
    bool minus = false;
    friend bool operator==(const Term&, const Term&) = default;
  };
  using Terms = std::vector<Term>;
  Terms terms = {};
  // Where some rows have the amount elsewhere: by the text `selector`.
  int selector = -1;
  std::vector<std::pair<std::string, Terms>> choices = {};  // value → columns
  bool may_be_empty = false;                                // then it is 0

  // The only column, kNoColumn when it is not that simple.
  int column() const {
    return terms.size() == 1 && selector < 0 && !terms[0].minus ? terms[0].column : kNoColumn;
  }
};

// How a file answers what is wanted.
struct Binding {
  const BillFormat* format = nullptr;  // lives as long as Wanted
  std::vector<TextSource> texts;
  // By Wanted::texts.
  struct Text {
    int source = -1;                     // into texts; -1: nothing, always ""
    bool is_tag_value = false;           // of a "tag:KEY": the source is not all tags, but this one
    const ValueTable* values = nullptr;  // what the file's values are in FOCUS
    std::string constant = {};           // when there is no source
    bool month_start = false;            // of a date: the first day of its month is meant
  };
  std::vector<Text> wanted;
  std::vector<AmountSource> amounts;  // by Wanted::amounts
  // Where a row that cannot be counted has its money.
  struct Money {
    AmountSource::Terms billed = {};
    bool may_be_empty = false;  // then it is 0
    int currency = kNoColumn;
    std::string same_currency = {};  // of all rows, when there is no column
  } money = {};
};

// `maps` are the numbers of the columns whose values can be taken key by key. INVALID_ARGUMENT
// names a wanted column that the file has twice, or all that are wanted and missing.
absl::StatusOr<Binding> Bind(const std::string& file, const std::vector<std::string>& columns,
                             const Wanted& wanted, const std::vector<int>& maps = {});

// Lower case without "_" and blanks: BilledCost, billedCost, billed_cost. "x_" stays in front. Of
// "Abonnement-GUID (SubscriptionGuid)", as Azure translates its headers, what is in parentheses.
std::string NormalisedColumn(absl::string_view name);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_COLUMNS_H_

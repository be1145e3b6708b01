// From the texts of rows to groups: what each distinct text means is found out once.
#ifndef PURSER_COSTS_GROUPER_H_
#define PURSER_COSTS_GROUPER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "costs/group_table.h"
#include "costs/readers/columns.h"
#include "costs/readers/row_batch.h"
#include "costs/readers/tags.h"

namespace purser::costs {

// A part of a group's key.
struct KeyPart {
  enum Kind {
    kText,      // as it is
    kDay,       // of a date: "2026-11-01", UTC
    kMonth,     // "2026-11"
    kCurrency,  // three capitals
    kCategory,  // one of FOCUS's charge categories
    kTag,       // the value of one tag
    kTags,      // all tags, as compact JSON with sorted keys
  } kind;
  size_t wanted;         // into Wanted::texts
  std::string tag = {};  // of kTag
};

// Sums of rows in one currency.
struct ControlTotal {
  std::vector<__int128> units;  // by measure
  int64_t rows = 0;
};

// One thread.
class Grouper {
 public:
  // `currency` is the part with the currency; control totals are kept for it.
  Grouper(std::vector<KeyPart> parts, size_t measures, size_t currency);

  // Before the rows of a file with another binding than the last one's.
  void Use(const Binding& binding);
  // Adds the rows without problems; appends those whose texts are wrong to batch.problems.
  absl::Status Add(RowBatch& batch, std::vector<SourceDictionary>& dictionaries);

  GroupTable& table() { return *table_; }
  // Hands the table over; the grouper is of no more use.
  std::unique_ptr<GroupTable> TakeTable() { return std::move(table_); }
  // Forgets what refers to the table, which the caller has emptied.
  void ForgetTable();
  // By the currency's text: all rows added, summed apart from the groups.
  const std::map<std::string, ControlTotal>& totals() const { return totals_; }
  int64_t rows_added() const { return rows_added_; }
  int64_t rounded() const { return rounded_; }

 private:
  struct Map {
    std::vector<uint32_t> codes;  // by the source's number
    uint64_t epoch = 0;
    absl::flat_hash_map<uint32_t, std::string> reasons;  // of texts that are wrong
  };
  // Finds out what a source's text means for all parts that use it.
  void Derive(size_t source, uint32_t code, const SourceDictionary& dictionary);
  absl::StatusOr<std::string> Value(const KeyPart& part, const std::string& text);
  absl::Status ReadTags(const std::string& text);
  absl::Status AddTotals(const RowBatch& batch);

  const std::vector<KeyPart> parts_;
  const size_t measures_;
  const size_t currency_;
  std::unique_ptr<GroupTable> table_;
  GroupTable::Batch pending_;
  Binding binding_;
  std::vector<Map> maps_;  // by part
  bool tags_read_ = false;
  std::string tags_text_;
  Tags tags_;
  std::map<std::string, ControlTotal> totals_;
  std::vector<ControlTotal*> total_of_;  // by the currency part's number
  int64_t rows_added_ = 0;
  int64_t rounded_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_GROUPER_H_

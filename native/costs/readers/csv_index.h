// Where the fields of CSV text end: a bitwise scan of 64 bytes a time that finds the commas and
// line feeds outside quotes, by the vector instructions of the machine (simd_level.h).
//
// The scan takes every quote for the begin or end of a quoted part, which is right for what RFC
// 4180 allows. It notices what RFC 4180 does not allow (irregular), and the caller then reads that
// text with CsvScanner, which knows what to make of it.
#ifndef PURSER_COSTS_READERS_CSV_INDEX_H_
#define PURSER_COSTS_READERS_CSV_INDEX_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "costs/readers/csv_index_scan.h"
#include "costs/readers/simd_level.h"

namespace purser::costs {

// Bytes behind the indexed text that may be read (their values do not matter).
inline constexpr size_t kCsvIndexSlack = 64;

// One thread.
class CsvIndex {
 public:
  // By a level that the machine has.
  explicit CsvIndex(SimdLevel level = UsedSimdLevel());

  // Forgets everything; the next text begins with a record.
  void Reset();
  // Goes on with bytes [from, to) of `text`, which follow those seen before. Offsets are
  // kept as 32 bits.
  void Scan(const char* text, size_t from, size_t to);

  // Offsets of the commas and line feeds outside quotes, in order. ends()[-1] may be written and
  // read: it is the place for a sentinel.
  uint32_t* ends() { return ends_.get() + 1; }
  const uint32_t* ends() const { return ends_.get() + 1; }
  size_t count() const { return state_.count; }
  size_t feeds() const { return state_.feeds; }  // all line feeds, those inside quotes, too
  bool irregular() const { return state_.irregular; }
  bool inside_quotes() const { return state_.inside; }  // at the end of what was seen
  bool has_high_bytes() const { return state_.high; }   // not ASCII alone
  bool has_nul() const { return state_.nul; }

 private:
  void MakeRoom(size_t more);

  CsvScanFunction scan_;
  CsvScanState state_;
  std::unique_ptr<uint32_t[]> ends_;
  size_t capacity_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_CSV_INDEX_H_

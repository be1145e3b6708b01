// Where the fields of CSV text end: a bitwise scan of 64 bytes a time that finds the commas and
// line feeds outside quotes. The vector unit of the machine is used when it has one (AVX-512, AVX2
// with carry-less multiplication, else plain C++); all give the same answer.
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

namespace purser::costs {

// Bytes behind the indexed text that may be read (their values do not matter).
inline constexpr size_t kCsvIndexSlack = 64;

enum class CsvIndexMethod { kBest, kPortable, kAvx2, kAvx512 };
bool CsvIndexMethodWorksHere(CsvIndexMethod method);

// One thread.
class CsvIndex {
 public:
  // A method that does not work here becomes kPortable.
  explicit CsvIndex(CsvIndexMethod method = CsvIndexMethod::kBest);

  // Forgets everything; the next text begins with a record.
  void Reset();
  // Goes on with bytes [from, to) of `text`, which follow those seen before. All pieces but the
  // last one have a multiple of 64 bytes. Offsets are kept as 32 bits.
  void Scan(const char* text, size_t from, size_t to);

  // Offsets of the commas and line feeds outside quotes, in order. ends()[-1] may be written and
  // read: it is the place for a sentinel.
  uint32_t* ends() { return ends_.get() + 1; }
  const uint32_t* ends() const { return ends_.get() + 1; }
  size_t count() const { return state_.count; }
  size_t records() const { return state_.records; }  // line feeds outside quotes
  bool has_quoted_feeds() const { return state_.quoted_feeds != 0; }
  bool irregular() const { return state_.irregular != 0; }
  bool inside_quotes() const { return state_.inside != 0; }  // at the end of what was seen
  bool has_high_bytes() const { return state_.high != 0; }   // not ASCII alone
  bool has_nul() const { return state_.nul != 0; }

 private:
  void MakeRoom(size_t more);

  CsvScanFunction scan_;
  CsvScanState state_;
  std::unique_ptr<uint32_t[]> ends_;
  size_t capacity_ = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_CSV_INDEX_H_

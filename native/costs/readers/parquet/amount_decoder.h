// Columns of a Parquet file as the exact amounts of a RowBatch.
#ifndef PURSER_COSTS_READERS_PARQUET_AMOUNT_DECODER_H_
#define PURSER_COSTS_READERS_PARQUET_AMOUNT_DECODER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "costs/readers/columns.h"
#include "costs/readers/parquet/convert.h"
#include "costs/readers/parquet/leaf_reader.h"
#include "costs/readers/parquet/metadata.h"
#include "costs/readers/row_batch.h"

namespace purser::costs::parquet {

// One AmountSource. One thread.
class AmountDecoder {
 public:
  AmountDecoder(int file, const Metadata& metadata, const AmountSource& source);
  void Start(const RowGroup& group, const std::string& where);
  absl::Status Prepare(size_t* rows);
  // `texts` has the selector's texts.
  void Take(size_t rows, const RowBatch& texts, const std::vector<SourceDictionary>& dictionaries,
            std::vector<__int128>& units, RowBatch& batch);

 private:
  enum Kind : uint8_t { kExact, kRounded, kBad, kMissing };
  // One column that amounts stand in.
  struct Input {
    Input(int file, const Leaf& leaf, int column) : reader(file, leaf), column(column) {}
    absl::Status LoadSlice();
    // What stands in an entry of the slice, for people; "" where that is no single text.
    std::string TextOfEntry(size_t entry) const;
    LeafReader reader;
    const int column;
    // Of a list: the sum of its elements.
    std::vector<__int128> units;  // of the slice, by row
    std::vector<uint8_t> kinds;
    bool all_exact = true;
    size_t next = 0;
    int64_t dictionary_number = -1;
    std::vector<__int128> dictionary_units;
    std::vector<uint8_t> dictionary_kinds;

   private:
    // Fills units and kinds by the slice's entries.
    void DecodeSlice();
    absl::Status LoadLists();
    void AddElement(__int128 amount, uint8_t kind);
    // A list that may go on in the next page.
    bool open_ = false;
    __int128 sum_ = 0;
    uint8_t sum_kind_ = kMissing;
    friend class AmountDecoder;
  };

  // AmountSource::Term with the place in inputs_ for the column.
  using Terms = std::vector<std::pair<size_t, bool>>;
  Terms TermsOf(int file, const AmountSource::Terms& terms);
  void Tell(const Input& input, size_t row, RowBatch& batch) const;

  const Metadata& metadata_;
  const AmountSource& source_;
  std::vector<std::unique_ptr<Input>> inputs_;
  Terms terms_;
  std::vector<Terms> choices_;        // by AmountSource::choices
  std::vector<const Terms*> chosen_;  // by the selector's code
};

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_AMOUNT_DECODER_H_

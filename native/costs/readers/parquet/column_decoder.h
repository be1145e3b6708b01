// Columns of a Parquet file as the numbers of texts and the exact amounts of a RowBatch.
#ifndef PURSER_COSTS_READERS_PARQUET_COLUMN_DECODER_H_
#define PURSER_COSTS_READERS_PARQUET_COLUMN_DECODER_H_

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

// The texts of one TextSource. One thread.
class TextDecoder {
 public:
  // The column's leaf, the pairs of a map as a JSON object, or the members as one.
  static std::unique_ptr<TextDecoder> For(int file, const Metadata& metadata,
                                          const TextSource& source);
  virtual ~TextDecoder() = default;
  virtual void Start(const RowGroup& group, const std::string& where) = 0;
  // Brings *rows down to what can be taken next. Only here may the dictionary begin anew.
  virtual absl::Status Prepare(SourceDictionary& dictionary, size_t* rows) = 0;
  virtual absl::Status Take(size_t rows, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
                            RowBatch& batch) = 0;
};

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
    absl::Status LoadPage();
    LeafReader reader;
    const int column;
    std::vector<__int128> units;  // of the page, by row
    std::vector<uint8_t> kinds;
    bool all_exact = true;
    size_t next = 0;
    int64_t dictionary_number = -1;
    std::vector<__int128> dictionary_units;
    std::vector<uint8_t> dictionary_kinds;
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

#endif  // PURSER_COSTS_READERS_PARQUET_COLUMN_DECODER_H_

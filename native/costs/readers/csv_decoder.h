// The rows of a piece of CSV as a RowBatch.
#ifndef PURSER_COSTS_READERS_CSV_DECODER_H_
#define PURSER_COSTS_READERS_CSV_DECODER_H_

#include <vector>

#include "costs/readers/columns.h"
#include "costs/readers/csv_chunk.h"
#include "costs/readers/row_batch.h"

namespace purser::costs {

// One thread. `dictionaries` has one entry per Binding::texts.
class CsvDecoder {
 public:
  // Amounts that are none, and rows that are no text, are problems of the batch.
  void Decode(const CsvChunk& chunk, const Binding& binding,
              std::vector<SourceDictionary>& dictionaries, RowBatch& batch);

 private:
  void DecodeText(const CsvChunk& chunk, const TextSource& source, SourceDictionary& dictionary,
                  std::vector<uint32_t>& codes);
  void DecodeAmount(const CsvChunk& chunk, const AmountSource& source, const RowBatch& texts,
                    const std::vector<SourceDictionary>& dictionaries, std::vector<__int128>& units,
                    RowBatch& batch);
  static void AddAmount(const CsvChunk& chunk, size_t row, AmountSource::Term term,
                        bool may_be_empty, __int128* units, RowBatch& batch);
  std::string scratch_;
  std::vector<uint32_t> others_;                    // rows whose amounts are in unusual forms
  std::vector<const AmountSource::Terms*> choice_;  // by code of the selector
};

// What stands in the chunk about a row that cannot be counted.
BadRow DescribeRow(const CsvChunk& chunk, const std::vector<std::string>& columns,
                   const RowProblem& problem, const Binding::Money& money);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_CSV_DECODER_H_

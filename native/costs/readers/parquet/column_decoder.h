// Columns of a Parquet file as the numbers of texts of a RowBatch.
#ifndef PURSER_COSTS_READERS_PARQUET_COLUMN_DECODER_H_
#define PURSER_COSTS_READERS_PARQUET_COLUMN_DECODER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "costs/readers/columns.h"
#include "costs/readers/parquet/leaf_reader.h"
#include "costs/readers/parquet/metadata.h"
#include "costs/readers/row_batch.h"

namespace purser::costs::parquet {

// The texts of one TextSource. One thread.
class TextDecoder {
 public:
  virtual ~TextDecoder() = default;
  virtual void Start(const RowGroup& group, const std::string& where) = 0;
  // Brings *rows down to what can be taken next. Only here may the dictionary begin anew.
  virtual absl::Status Prepare(SourceDictionary& dictionary, size_t* rows) = 0;
  virtual absl::Status Take(size_t rows, SourceDictionary& dictionary, std::vector<uint32_t>& codes,
                            RowBatch& batch) = 0;
};

// For each source: the column's leaf, the pairs of a map as a JSON object or the value of one of
// them, or the members as a JSON object. The sources and the metadata outlive the decoders, which
// are all asked for the same rows in this order.
std::vector<std::unique_ptr<TextDecoder>> NewTextDecoders(int file, const Metadata& metadata,
                                                          const std::vector<TextSource>& sources);

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_COLUMN_DECODER_H_

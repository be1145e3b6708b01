// Decoders of rows' tags: a column of maps, or columns that are one tag each.
#ifndef PURSER_COSTS_READERS_PARQUET_MAP_DECODER_H_
#define PURSER_COSTS_READERS_PARQUET_MAP_DECODER_H_

#include <memory>

#include "costs/readers/columns.h"
#include "costs/readers/parquet/column_decoder.h"
#include "costs/readers/parquet/metadata.h"

namespace purser::costs::parquet {

// A row's text is the JSON object of its pairs. `file` is open for reading, and `metadata` outlives
// the decoder; `column` is the file's number of the map.
std::unique_ptr<TextDecoder> NewMapDecoder(int file, const Metadata& metadata, const Column& map,
                                           int column);
// `source` has members and outlives the decoder.
std::unique_ptr<TextDecoder> NewMembersDecoder(int file, const Metadata& metadata,
                                               const TextSource& source);

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_MAP_DECODER_H_

// Decoders of single tags of a column of maps: what is not asked for is not looked at.
#ifndef PURSER_COSTS_READERS_PARQUET_TAG_DECODER_H_
#define PURSER_COSTS_READERS_PARQUET_TAG_DECODER_H_

#include <memory>
#include <string>
#include <vector>

#include "costs/readers/parquet/column_decoder.h"
#include "costs/readers/parquet/metadata.h"

namespace purser::costs::parquet {

// By key: the text of a row is the value of that tag as FindTag finds it. A row is wrong that has
// an asked tag twice, or an entry without a key. `file` is open for reading, and `metadata`
// outlives the decoders; `column` is the file's number of the map. They go through its pages
// together, so that all are asked for the same rows, the first one first.
std::vector<std::unique_ptr<TextDecoder>> NewTagDecoders(int file, const Metadata& metadata,
                                                         const Column& map, int column,
                                                         const std::vector<std::string>& keys);

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_TAG_DECODER_H_

// The schema in the footer of a Parquet file: a tree whose leaves hold the values.
#ifndef PURSER_COSTS_READERS_PARQUET_SCHEMA_H_
#define PURSER_COSTS_READERS_PARQUET_SCHEMA_H_

#include "absl/status/status.h"
#include "costs/readers/parquet/metadata.h"
#include "costs/readers/parquet/thrift.h"

namespace purser::costs::parquet {

// Reads the list of the schema's entries into leaves and columns. INVALID_ARGUMENT when they are no
// tree; where bytes are damaged the reader is not ok.
absl::Status ReadSchema(ThriftReader& reader, Metadata& metadata);

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_SCHEMA_H_

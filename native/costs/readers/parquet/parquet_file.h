// Parquet files as bills: flat columns of any type that bills use, and maps of texts as tags.
#ifndef PURSER_COSTS_READERS_PARQUET_PARQUET_FILE_H_
#define PURSER_COSTS_READERS_PARQUET_PARQUET_FILE_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "costs/readers/bill_file.h"

namespace purser::costs::parquet {

// Reads the footer. What cannot be read is told when a column is asked for.
absl::StatusOr<std::unique_ptr<BillFile>> OpenParquet(const std::string& path,
                                                      const BillFile::Options& options);

}  // namespace purser::costs::parquet

#endif  // PURSER_COSTS_READERS_PARQUET_PARQUET_FILE_H_

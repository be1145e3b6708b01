// Parquet files that Purser's reader declines, read by way of a libduckdb.
#ifndef PURSER_COSTS_READERS_DUCKDB_REWRITTEN_FILE_H_
#define PURSER_COSTS_READERS_DUCKDB_REWRITTEN_FILE_H_

#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "costs/readers/bill_file.h"

namespace purser::costs {

// Has DuckDB write the file `path` anew in a form that Purser reads, and reads that: what a type
// means (a floating number, a map of tags, a time) is decided in one place, whoever unpacked it.
// The rewritten file lies in the machine's folder for temporary files, without a name, until the
// result's end. The digest is that of `path`. `library`: of DuckDb::Load.
absl::StatusOr<std::unique_ptr<BillFile>> OpenRewritten(const std::string& library,
                                                        const std::string& path,
                                                        const BillFile::Options& options,
                                                        std::stop_token stop);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_DUCKDB_REWRITTEN_FILE_H_

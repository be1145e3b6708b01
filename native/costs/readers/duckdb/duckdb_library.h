// A libduckdb that the operator names, loaded when it is needed; nothing of it is linked or
// shipped.
//
//   PURSER_ASSIGN_OR_RETURN(const DuckDb* duckdb, DuckDb::Load("/opt/duckdb/libduckdb.so"));
//   PURSER_RETURN_IF_ERROR(duckdb->Rewrite(folder, "in.parquet", "out.parquet"));
#ifndef PURSER_COSTS_READERS_DUCKDB_DUCKDB_LIBRARY_H_
#define PURSER_COSTS_READERS_DUCKDB_DUCKDB_LIBRARY_H_

#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace purser::costs {

// What a rewriting may hold in memory beside what this process does.
inline constexpr char kDuckDbMemory[] = "384MiB";

// Of DuckDB's C API what is needed here, declared after its documentation
// (duckdb.org/docs/stable/clients/c/api). Thread-safe.
class DuckDb {
 public:
  // The library of this path, which stays loaded. FAILED_PRECONDITION says what cannot be loaded or
  // which function it lacks.
  static absl::StatusOr<const DuckDb*> Load(const std::string& path);

  // Writes the Parquet file `from` anew as `to`, both names in `folder`: the same rows in the same
  // order, packed with snappy. `from` may be a link. The engine sees nothing beside that folder and
  // what the link points to, loads no extensions, and holds kDuckDbMemory. INVALID_ARGUMENT: what
  // it says about the file; CANCELLED by `stop`.
  absl::Status Rewrite(const std::string& folder, const std::string& from, const std::string& to,
                       std::stop_token stop) const;

 private:
  // Handles are pointers; of a result the size is known, and nothing else of it is used.
  using Handle = void*;
  struct Result {
    void* words[6] = {};
  };
  static constexpr int kSuccess = 0;

  DuckDb() = default;
  class Session;

  int (*create_config_)(Handle* config) = nullptr;
  int (*set_config_)(Handle config, const char* name, const char* value) = nullptr;
  void (*destroy_config_)(Handle* config) = nullptr;
  int (*open_ext_)(const char* path, Handle* database, Handle config, char** error) = nullptr;
  void (*close_)(Handle* database) = nullptr;
  int (*connect_)(Handle database, Handle* connection) = nullptr;
  void (*disconnect_)(Handle* connection) = nullptr;
  void (*interrupt_)(Handle connection) = nullptr;
  int (*query_)(Handle connection, const char* sql, Result* result) = nullptr;
  const char* (*result_error_)(Result* result) = nullptr;
  void (*destroy_result_)(Result* result) = nullptr;
  void (*free_)(void* memory) = nullptr;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_DUCKDB_DUCKDB_LIBRARY_H_

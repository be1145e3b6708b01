// One SQLite connection: statements with $1…$n, a cache of prepared statements, errors as statuses.
#ifndef PURSER_STORE_SQLITE_CONNECTION_H_
#define PURSER_STORE_SQLITE_CONNECTION_H_

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "store/store.h"

struct sqlite3;
struct sqlite3_stmt;

namespace purser::store {

inline constexpr size_t kMaxCachedStatements = 256;

// Used by one thread at a time. Failures name the database and the statement (never the values).
class SqliteConnection final : public Connection {
 public:
  static absl::StatusOr<std::unique_ptr<SqliteConnection>> Open(const std::string& path,
                                                                bool read_only);
  ~SqliteConnection() override;
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  absl::StatusOr<Rows> Query(absl::string_view sql, absl::Span<const Value> parameters) override;
  absl::Status ForEach(absl::string_view sql, absl::Span<const Value> parameters,
                       const std::function<absl::Status(const Row&)>& on_row) override;
  absl::StatusOr<int64_t> Execute(absl::string_view sql,
                                  absl::Span<const Value> parameters) override;

  // Statements separated by ';', without parameters: a migration.
  absl::Status RunScript(absl::string_view sql);
  // Transaction control and PRAGMAs, which users of Connection may not call.
  absl::Status Control(absl::string_view sql);
  // False when SQLite has ended the transaction by itself (after a full disk, for example).
  bool InTransaction() const;
  // Tells `on_commit` after each commit how many pages the write-ahead log has, instead of copying
  // it into the database now and then; `on_commit` must outlive the connection.
  void WatchLog(const std::function<void(int)>* on_commit);
  // Copies what it can of the log into the database, and syncs it, without waiting for anybody.
  // What it cannot, a later call can. Returns how many of the log's pages are copied now.
  int CopyLog();

 private:
  struct Statement {
    std::string sql;
    sqlite3_stmt* handle = nullptr;
    std::vector<int> places;  // places[i]: SQLite's index of $i+1
    bool control = false;     // prepared by Control
    bool cached = false;
    bool in_use = false;
  };

  SqliteConnection(sqlite3* handle, std::string path) : handle_(handle), path_(std::move(path)) {}

  // A statement that is in use already, by a callback's caller, is prepared once more.
  absl::StatusOr<Statement*> Take(absl::string_view sql);
  void Return(Statement* statement);
  absl::Status Run(absl::string_view sql, absl::Span<const Value> parameters,
                   const std::function<absl::Status(Row&)>& on_row);
  absl::StatusOr<std::unique_ptr<Statement>> Prepare(absl::string_view sql, size_t* used);
  absl::Status Bind(Statement& statement, absl::Span<const Value> parameters);
  absl::Status Step(Statement& statement, const std::function<absl::Status(Row&)>& on_row);
  absl::Status Error(absl::string_view sql) const;
  static int Authorize(void* self, int action, const char*, const char*, const char*, const char*);

  sqlite3* handle_;
  std::string path_;
  bool control_ = false;
  // Most recently used first.
  std::list<std::unique_ptr<Statement>> cache_;
  absl::flat_hash_map<std::string, std::list<std::unique_ptr<Statement>>::iterator> by_sql_;
};

// The status of an SQLite result code. `system_error` is errno of the failed call or 0.
absl::Status SqliteStatus(int code, int system_error, absl::string_view text);

}  // namespace purser::store

#endif  // PURSER_STORE_SQLITE_CONNECTION_H_

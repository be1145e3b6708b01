// The database behind everything durable: SQLite embedded, or PostgreSQL (and what speaks its
// protocol) shared by several processes. Both understand one SQL subset: $1…$n parameters,
// TEXT/BIGINT/BLOB columns, ON CONFLICT, RETURNING, WITH … VALUES, UPDATE … FROM, no other dialect;
// where a parameter's type does not follow from its place, CAST($1 AS BIGINT) says it. Only this
// folder knows a database library.
#ifndef PURSER_STORE_STORE_H_
#define PURSER_STORE_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace purser::store {

struct Blob {
  std::string bytes;
  friend bool operator==(const Blob&, const Blob&) = default;
};
// NULL, integer, text, bytes. Money is stored as text (Decimal), time as Unix microseconds.
using Value = std::variant<std::monostate, int64_t, std::string, Blob>;

class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  size_t size() const { return values_.size(); }
  bool IsNull(size_t column) const;
  // 0 or "" for NULL; a value of the other type is converted: the number a text holds, else 0.
  int64_t Int(size_t column) const;
  const std::string& Text(size_t column) const;  // also the bytes of a Blob

 private:
  std::vector<Value> values_;
  mutable std::map<size_t, std::string> texts_;  // of integers asked for as text
};
using Rows = std::vector<Row>;

// A larger result of Query is RESOURCE_EXHAUSTED: page it, or read it with ForEach.
inline constexpr int64_t kMaxQueryRows = 200'000;
inline constexpr int64_t kAnyRows = -1;

// Valid only inside the Transact/Read callback it was given to; one thread. Statements are single,
// begin and end no transactions and set no options of the database; parameters are $1…$n, all
// used. Text must be UTF-8 without NUL (bytes go into a Blob). A broken key is ALREADY_EXISTS when
// it is a unique one, FAILED_PRECONDITION otherwise. After a statement that failed the callback
// must return its status: what it does further may be refused.
class Connection {
 public:
  virtual ~Connection() = default;
  virtual absl::StatusOr<Rows> Query(absl::string_view sql, absl::Span<const Value> parameters) = 0;
  // Row by row, for results that need not fit in memory; a non-OK status from `on_row` ends it.
  virtual absl::Status ForEach(absl::string_view sql, absl::Span<const Value> parameters,
                               const std::function<absl::Status(const Row&)>& on_row) = 0;
  // Returns the number of rows changed.
  virtual absl::StatusOr<int64_t> Execute(absl::string_view sql,
                                          absl::Span<const Value> parameters) = 0;
  // As Execute, when nothing but success matters: `rows` must change (kAnyRows: any number), else
  // ABORTED. Over a network it is sent without waiting for the answer, in order with the other
  // statements, so that a failure may come from a later call or from Transact itself.
  virtual absl::Status ExecuteLater(absl::string_view sql, absl::Span<const Value> parameters,
                                    int64_t rows = kAnyRows);
};

// ABORTED when a statement changed `changed` rows instead of `expected` (or any, for kAnyRows).
absl::Status CheckChanged(absl::string_view sql, int64_t changed, int64_t expected);

// A numbered step of a folder's schema; forward only, applied once, in order, checked at start.
struct Migration {
  int number;        // 1, 2, 3 … per component
  std::string name;  // what it does
  std::string sql;   // statements separated by ';'
};

// Thread-safe. Calls do not nest: Transact, Read or Migrate from inside a callback on the same
// thread is FAILED_PRECONDITION (it would wait for itself when all connections are in use).
class Database {
 public:
  virtual ~Database() = default;
  // Runs `work` in one transaction: committed durably (synced) when it returns OK, rolled back
  // otherwise with its status returned. May run `work` again when the database asks for it
  // (serialisation failure), so `work` must have no effect outside the connection. Writers queue;
  // those that wait share one commit, and none fails for what another did.
  // A full disk is RESOURCE_EXHAUSTED, a corrupt file DATA_LOSS; nothing is stored then.
  virtual absl::Status Transact(const std::function<absl::Status(Connection&)>& work) = 0;
  // A consistent snapshot, read-only, not blocked by writers.
  virtual absl::Status Read(const std::function<absl::Status(Connection&)>& work) = 0;
  // Brings `component`'s tables up to date. FAILED_PRECONDITION when the database is newer than
  // this program or a recorded step differs.
  virtual absl::Status Migrate(absl::string_view component, absl::Span<const Migration> steps) = 0;
  // Whether other processes may use the same database at the same time.
  virtual bool IsShared() const { return false; }
  // The clock that all processes of a shared database have in common; nullopt: this process's own.
  virtual absl::StatusOr<std::optional<absl::Time>> ServerTime() {
    return std::optional<absl::Time>();
  }
};

struct SqliteOptions {
  std::string path;  // file in a folder that exists; ":memory:" for tests
  int read_connections = 4;
  // Size at which the database counts as full; 0: the disk decides.
  int64_t max_bytes = 0;
};
// WAL, synchronous=FULL, foreign keys on, file mode 0600. A second process on the same file is
// refused with FAILED_PRECONDITION (lock file beside it). ":memory:" is a database of its own in a
// temporary folder that is removed on close; it is not synced, else behaves the same.
absl::StatusOr<std::unique_ptr<Database>> OpenSqlite(const SqliteOptions& options);

struct PostgresOptions {
  // postgresql://user@host/name?sslmode=verify-full&sslrootcert=… with all of libpq's parameters; a
  // password comes from passfile, PGPASSFILE or `password`.
  std::string url;
  std::string password = {};
  int read_connections = 4;
  absl::Duration connect_timeout = absl::Seconds(5);
  // Of one statement; 0: none. Ends what would hold the writers' queue for ever.
  absl::Duration statement_timeout = absl::Minutes(2);
  // How long a call tries to reach the server before it is UNAVAILABLE.
  absl::Duration patience = absl::Seconds(2);
  // How long after a connection lost during a commit it is asked whether the commit happened;
  // later the status is UNAVAILABLE of unknown outcome.
  absl::Duration outcome_patience = absl::Seconds(30);
};
// PostgreSQL 15 or newer, CockroachDB, Aurora. libpq is loaded when this is called:
// FAILED_PRECONDITION names the package when it is not installed. Any number of processes may share
// the database: writers of all of them take turns by a row lock, so that what Transact promises
// holds among them too. A server that goes away and comes back costs time, never a process or a
// result.
absl::StatusOr<std::unique_ptr<Database>> OpenPostgres(const PostgresOptions& options);

// Whether `store` of a configuration is a URL for OpenPostgres rather than a path.
bool IsPostgresUrl(absl::string_view text);

}  // namespace purser::store

#endif  // PURSER_STORE_STORE_H_

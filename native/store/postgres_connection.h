// One connection to a PostgreSQL server, always in pipeline mode: statements are sent ahead and
// their answers are read when one of them is needed.
#ifndef PURSER_STORE_POSTGRES_CONNECTION_H_
#define PURSER_STORE_POSTGRES_CONNECTION_H_

#include <deque>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "store/libpq.h"
#include "store/postgres_status.h"
#include "store/store.h"

namespace purser::store {

inline constexpr size_t kMaxPostgresStatements = 256;
// Statements sent ahead before their answers are read: bounds what both sides keep.
inline constexpr size_t kMaxSentAhead = 512;
inline constexpr size_t kMaxSentAheadBytes = 4 << 20;

// Used by one thread at a time. Failures name the database and the statement (never the values).
class PostgresConnection final : public Connection {
 public:
  // UNAVAILABLE when the server cannot be reached, FAILED_PRECONDITION when it is too old.
  static absl::StatusOr<std::unique_ptr<PostgresConnection>> Open(const PostgresOptions& options);
  // The database's name for messages, without user and password; INVALID_ARGUMENT for a bad URL.
  static absl::StatusOr<std::string> DisplayName(const std::string& url);
  ~PostgresConnection() override;
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  absl::StatusOr<Rows> Query(absl::string_view sql, absl::Span<const Value> parameters) override;
  absl::Status ForEach(absl::string_view sql, absl::Span<const Value> parameters,
                       const std::function<absl::Status(const Row&)>& on_row) override;
  absl::StatusOr<int64_t> Execute(absl::string_view sql,
                                  absl::Span<const Value> parameters) override;
  absl::Status ExecuteLater(absl::string_view sql, absl::Span<const Value> parameters,
                            int64_t rows) override;

  // Transaction control, which users of Connection may not call: sent ahead.
  absl::Status Control(absl::string_view sql);
  // Waits for the answers of all that was sent ahead: the status of the first that failed.
  absl::Status Flush();
  // Sends what is buffered without waiting for answers.
  void Push();
  // Statements separated by ';', in the shared subset: a migration.
  absl::Status RunScript(absl::string_view sql);
  // Looks, without waiting, whether the server has closed the idle connection meanwhile.
  void LookAlive();
  // The connection is of no use any more.
  bool lost() const { return lost_; }
  // Not PostgreSQL but CockroachDB.
  bool is_cockroach() const { return is_cockroach_; }

 private:
  struct Statement {
    std::string sql;
    std::string name;
    bool control = false;
    int pending = 0;  // answers that refer to it
  };
  // What the server will answer, in order.
  struct Answer {
    enum class Kind { kPrepare, kExecute, kSync };
    Kind kind = Kind::kExecute;
    Statement* statement = nullptr;
    int64_t expected = kAnyRows;
    bool wanted = false;  // its rows or count are asked for by the caller
  };
  // The rows of the statement that ForEach walks.
  struct Stream {
    std::deque<Row> rows;
    bool complete = false;
    absl::Status status;
    int64_t changed = 0;
  };

  PostgresConnection(const Libpq& pq, PGconn* handle, std::string name, absl::Duration patience)
      : pq_(pq), handle_(handle), name_(std::move(name)), answer_patience_(patience) {}

  absl::Status Configure(const PostgresOptions& options);
  absl::Status CheckAllowed(absl::string_view sql) const;
  absl::StatusOr<Statement*> Prepare(absl::string_view sql, bool control);
  void Evict();
  void Forget(Statement* statement);
  absl::Status Send(absl::string_view sql, absl::Span<const Value> parameters, int64_t expected,
                    bool wanted, bool control);
  // Sends a sync and reads up to the wanted answer, whose result goes into `stream`.
  absl::Status Start(Stream* stream);
  // Reads some more rows of the open stream, or all of them.
  void ReadMore(bool all);
  void ReadToSync();
  // The next result; nullptr ends an answer. Sets lost_ when there is none to come.
  PGresult* NextResult();
  void TakeResult(PGresult* result, const Answer& answer);
  void NoteError(const absl::Status& status);
  void Lose(absl::string_view why);
  absl::Status LostStatus() const;
  absl::Status ResultStatus(const PGresult* result, absl::string_view sql) const;

  const Libpq& pq_;
  PGconn* handle_;
  const std::string name_;
  const absl::Duration answer_patience_;
  bool is_cockroach_ = false;
  bool lost_ = false;
  std::string lost_why_;

  std::deque<Answer> answers_;
  size_t sent_bytes_ = 0;
  absl::Status error_;        // the first of what was sent ahead
  Stream* stream_ = nullptr;  // being read
  int64_t next_name_ = 0;
  // Most recently used first.
  std::list<std::unique_ptr<Statement>> cache_;
  absl::flat_hash_map<std::string, std::list<std::unique_ptr<Statement>>::iterator> by_sql_;
};

}  // namespace purser::store

#endif  // PURSER_STORE_POSTGRES_CONNECTION_H_

// The shared database: one connection that writes, with group commit, and a pool of readers.
//
// Writers of all processes take turns: the first statement of each transaction locks one row. So
// transactions are serial, as they are on SQLite, on every server that speaks the protocol, and
// callbacks that read and then write need no thought about isolation. Throughput comes from sharing
// commits, not from running side by side.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/status.h"
#include "store/group_commit.h"
#include "store/migrate.h"
#include "store/postgres_connection.h"
#include "store/scope.h"
#include "store/store.h"

namespace purser::store {
namespace {

constexpr absl::Duration kFirstPause = absl::Milliseconds(10);
constexpr absl::Duration kLongestPause = absl::Milliseconds(250);
constexpr int kMaxTries = 100;  // of one transaction
// Rows of processes that ended long ago are removed at the start of another.
constexpr absl::Duration kClientAge = absl::Hours(24 * 30);

constexpr char kBegin[] = "BEGIN ISOLATION LEVEL READ COMMITTED";
constexpr char kBeginRead[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
constexpr char kLock[] = "SELECT id FROM purser_writer WHERE id = 1 FOR UPDATE";

int64_t NowMicros() { return absl::ToUnixMicros(base::Clock::System().Now()); }

// Full jitter, so that processes do not come back all at once.
absl::Duration Jitter(absl::Duration pause) {
  return absl::Microseconds(static_cast<int64_t>(
      base::Rng::System().Below(static_cast<uint64_t>(absl::ToInt64Microseconds(pause)) + 1)));
}

// The connection that writes. Each transaction carries the number of its process's row, by which a
// commit whose answer was lost is recognised.
class PostgresWriter final : public WriteSession {
 public:
  PostgresWriter(const PostgresOptions& options, std::string name, std::stop_token stop)
      : options_(options),
        name_(std::move(name)),
        stop_(std::move(stop)),
        client_(absl::StrCat(absl::Hex(base::Rng::System().Next(), absl::kZeroPad16),
                             absl::Hex(base::Rng::System().Next(), absl::kZeroPad16))) {}

  // Makes the tables of this folder's own.
  absl::Status Prepare();
  absl::Status RunScript(absl::string_view sql) { return connection_->RunScript(sql); }

  Connection& connection() override { return *connection_; }
  absl::Status Begin() override;
  absl::Status Savepoint() override { return connection_->Control("SAVEPOINT caller"); }
  absl::Status ReleaseSavepoint() override { return connection_->Control("RELEASE caller"); }
  absl::Status RollbackToSavepoint() override {
    PURSER_RETURN_IF_ERROR(connection_->Control("ROLLBACK TO caller"));
    PURSER_RETURN_IF_ERROR(connection_->Control("RELEASE caller"));
    return connection_->Flush();
  }
  absl::Status Flush() override { return connection_->Flush(); }
  absl::Status Commit() override;
  absl::Status Rollback() override;
  bool InTransaction() const override { return open_ && !connection_->lost(); }

 private:
  absl::Status Connect();
  // After a connection that was lost during a commit: whether transaction `number_` is stored.
  absl::Status Resolve(const absl::Status& lost);
  absl::StatusOr<bool> IsStored();

  const PostgresOptions options_;
  const std::string name_;
  const std::stop_token stop_;
  const std::string client_;
  int64_t number_ = 0;
  bool open_ = false;
  std::unique_ptr<PostgresConnection> connection_;
};

absl::Status PostgresWriter::Connect() {
  // Found before anything is sent, a lost connection leaves no doubt about what was stored.
  if (connection_ != nullptr) connection_->LookAlive();
  if (connection_ != nullptr && !connection_->lost()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<PostgresConnection>> connection =
      PostgresConnection::Open(options_);
  if (!connection.ok()) {
    absl::Status status = connection.status();
    if (status.code() == absl::StatusCode::kUnavailable) MarkTryAgain(status);
    return status;
  }
  connection_ = *std::move(connection);
  return absl::OkStatus();
}

absl::Status PostgresWriter::Prepare() {
  PURSER_RETURN_IF_ERROR(Connect());
  // Two processes that start at the same time may both try: the one that comes second sees the
  // other's tables at its second try.
  absl::Status status;
  for (int i = 0; i < 5; ++i) {
    if (i > 0) base::Clock::System().SleepFor(Jitter(absl::Milliseconds(100)), stop_);
    PURSER_RETURN_IF_ERROR(Connect());
    status = connection_->RunScript(
        "CREATE TABLE IF NOT EXISTS purser_writer (id BIGINT PRIMARY KEY);"
        "CREATE TABLE IF NOT EXISTS purser_client ("
        "  client TEXT PRIMARY KEY, number BIGINT NOT NULL, at BIGINT NOT NULL);"
        "INSERT INTO purser_writer (id) VALUES (1) ON CONFLICT (id) DO NOTHING");
    if (status.ok()) break;
    // Outside of a transaction there is nothing to take back but the note of the error.
    connection_->Control("ROLLBACK").IgnoreError();
    connection_->Flush().IgnoreError();
  }
  PURSER_RETURN_IF_ERROR(status);
  PURSER_RETURN_IF_ERROR(
      connection_->ExecuteLater("DELETE FROM purser_client WHERE at < $1",
                                {NowMicros() - absl::ToInt64Microseconds(kClientAge)}, kAnyRows));
  return connection_->Flush();
}

absl::Status PostgresWriter::Begin() {
  PURSER_RETURN_IF_ERROR(Connect());
  PURSER_RETURN_IF_ERROR(connection_->Control(kBegin));
  PURSER_RETURN_IF_ERROR(connection_->Control(kLock));
  open_ = true;
  return absl::OkStatus();
}

absl::Status PostgresWriter::Commit() {
  ++number_;
  absl::Status status = connection_->ExecuteLater(
      "INSERT INTO purser_client (client, number, at) VALUES ($1, $2, $3) "
      "ON CONFLICT (client) DO UPDATE SET number = excluded.number, at = excluded.at",
      {client_, number_, NowMicros()}, kAnyRows);
  // What was lost until here cannot have been committed.
  if (status.ok()) status = connection_->Control("COMMIT");
  if (!status.ok()) return status;
  status = connection_->Flush();
  if (status.ok()) {
    open_ = false;
    return status;
  }
  if (!connection_->lost()) return status;
  open_ = false;
  return Resolve(status);
}

absl::Status PostgresWriter::Rollback() {
  open_ = false;
  PURSER_RETURN_IF_ERROR(connection_->Control("ROLLBACK"));
  return connection_->Flush();
}

absl::Status PostgresWriter::Resolve(const absl::Status& lost) {
  base::Clock& clock = base::Clock::System();
  const absl::Duration until = clock.Monotonic() + options_.outcome_patience;
  absl::Duration pause = kFirstPause;
  while (true) {
    const absl::StatusOr<bool> stored = IsStored();
    if (stored.ok()) return *stored ? absl::OkStatus() : lost;
    if (clock.Monotonic() >= until || !clock.SleepFor(Jitter(pause), stop_)) break;
    pause = std::min(pause * 2, kLongestPause);
  }
  absl::Status unknown = absl::UnavailableError(
      absl::StrCat("database ", name_,
                   ": the connection was lost during a commit and the server has not come "
                   "back since; whether the change was stored is not known"));
  base::SetOutcomeUnknown(unknown);
  return unknown;
}

absl::StatusOr<bool> PostgresWriter::IsStored() {
  PURSER_RETURN_IF_ERROR(Connect());
  // The lock waits for the lost transaction, should the server still be busy with it.
  PURSER_RETURN_IF_ERROR(connection_->Control(kBegin));
  PURSER_RETURN_IF_ERROR(connection_->Control(kLock));
  const absl::StatusOr<Rows> rows =
      connection_->Query("SELECT number FROM purser_client WHERE client = $1", {client_});
  const absl::Status ended = Rollback();
  PURSER_RETURN_IF_ERROR(rows.status());
  PURSER_RETURN_IF_ERROR(ended);
  return !rows->empty() && (*rows)[0].Int(0) == number_;
}

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(const PostgresOptions& options, std::string name)
      : options_(options),
        name_(std::move(name)),
        writer_(options, name_, stop_.get_token()),
        group_commit_(writer_),
        readers_(static_cast<size_t>(std::max(1, options.read_connections))) {}
  ~PostgresDatabase() override { stop_.request_stop(); }

  absl::Status Start() {
    PURSER_RETURN_IF_ERROR(Patiently([this] { return writer_.Prepare(); }));
    return ServerTime().status();
  }

  absl::Status Transact(const std::function<absl::Status(Connection&)>& work) override {
    PURSER_RETURN_IF_ERROR(EnterScope::CheckOutside(this));
    const EnterScope inside(this);
    return Patiently([&] { return group_commit_.Run(work); });
  }

  absl::Status Read(const std::function<absl::Status(Connection&)>& work) override {
    PURSER_RETURN_IF_ERROR(EnterScope::CheckOutside(this));
    const EnterScope inside(this);
    std::unique_ptr<PostgresConnection> reader;
    {
      base::MutexLock lock(readers_mutex_);
      while (readers_.empty()) reader_free_.Wait(readers_mutex_);
      reader = std::move(readers_.back());
      readers_.pop_back();
    }
    // `work` may not be repeatable, so the connection is tried before it.
    absl::Status status = Patiently([&]() -> absl::Status {
      if (reader == nullptr || reader->lost()) {
        absl::StatusOr<std::unique_ptr<PostgresConnection>> opened =
            PostgresConnection::Open(options_);
        if (!opened.ok()) {
          absl::Status failed = opened.status();
          if (failed.code() == absl::StatusCode::kUnavailable) MarkTryAgain(failed);
          return failed;
        }
        reader = *std::move(opened);
      }
      PURSER_RETURN_IF_ERROR(reader->Control(kBeginRead));
      return reader->Flush();
    });
    if (status.ok()) {
      status = work(*reader);
      // Nobody waits for the end of a transaction that changed nothing.
      if (absl::Status ended = reader->Control("ROLLBACK"); status.ok() && !reader->lost()) {
        status = ended;
      }
      reader->Push();
    }
    base::MutexLock lock(readers_mutex_);
    readers_.push_back(std::move(reader));
    reader_free_.NotifyOne();
    return status;
  }

  absl::Status Migrate(absl::string_view component, absl::Span<const Migration> steps) override {
    return Transact([&](Connection& connection) {
      return ApplyMigrations(connection, name_, component, steps,
                             [this](absl::string_view sql) { return writer_.RunScript(sql); });
    });
  }

  bool IsShared() const override { return true; }

  absl::StatusOr<std::optional<absl::Time>> ServerTime() override {
    std::optional<absl::Time> time;
    PURSER_RETURN_IF_ERROR(Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(
          const Rows rows,
          connection.Query("SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000 AS BIGINT)",
                           {}));
      time = absl::FromUnixMicros(rows[0].Int(0));
      return absl::OkStatus();
    }));
    return time;
  }

 private:
  // Repeats `act` while its status asks for it.
  absl::Status Patiently(const std::function<absl::Status()>& act) {
    base::Clock& clock = base::Clock::System();
    const absl::Duration until = clock.Monotonic() + options_.patience;
    absl::Duration pause = kFirstPause;
    for (int tries = 1;; ++tries) {
      absl::Status status = act();
      if (status.ok() || !IsTryAgain(status)) return status;
      if (tries == kMaxTries || clock.Monotonic() >= until) return status;
      if (!clock.SleepFor(Jitter(pause), stop_.get_token())) return status;
      pause = std::min(pause * 2, kLongestPause);
    }
  }

  const PostgresOptions options_;
  const std::string name_;
  std::stop_source stop_;
  PostgresWriter writer_;
  GroupCommit group_commit_;

  base::Mutex readers_mutex_;
  base::CondVar reader_free_;
  // Not connected yet: nullptr.
  std::vector<std::unique_ptr<PostgresConnection>> readers_ ABSL_GUARDED_BY(readers_mutex_);
};

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenPostgres(const PostgresOptions& options) {
  PURSER_ASSIGN_OR_RETURN(std::string name, PostgresConnection::DisplayName(options.url));
  auto database = std::make_unique<PostgresDatabase>(options, std::move(name));
  PURSER_RETURN_IF_ERROR(database->Start());
  return database;
}

}  // namespace purser::store

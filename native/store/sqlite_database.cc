// The embedded database: one writer shared by all threads with group commit, a pool of readers.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "base/status.h"
#include "store/file_lock.h"
#include "store/sqlite_connection.h"
#include "store/store.h"

namespace purser::store {
namespace {

// Callers that may share one commit: bounds how long the first of them waits.
constexpr int kMaxGroup = 64;
// The write-ahead log is cut back to this after a large transaction.
constexpr int64_t kMaxIdleLogBytes = 64 << 20;
constexpr int64_t kPageBytes = 4096;

// Which databases this thread is inside of, innermost first.
struct Scope {
  const Database* database;
  const Scope* outer;
};
thread_local const Scope* scope = nullptr;

class EnterScope {
 public:
  explicit EnterScope(const Database* database) : here_{database, scope} { scope = &here_; }
  ~EnterScope() { scope = here_.outer; }
  static absl::Status CheckOutside(const Database* database) {
    for (const Scope* at = scope; at != nullptr; at = at->outer) {
      if (at->database == database) {
        return absl::FailedPreconditionError(
            "a database call from inside a callback of the same database: use the callback's "
            "connection");
      }
    }
    return absl::OkStatus();
  }

 private:
  const Scope here_;
};

// A temporary folder, removed with all in it.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(std::string path) : path_(std::move(path)) {}
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

 private:
  std::string path_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, std::unique_ptr<TemporaryFolder> folder, FileLock lock)
      : path_(std::move(path)), folder_(std::move(folder)), lock_(std::move(lock)) {}

  absl::Status Start(const SqliteOptions& options);

  absl::Status Transact(const std::function<absl::Status(Connection&)>& work) override;
  absl::Status Read(const std::function<absl::Status(Connection&)>& work) override;
  absl::Status Migrate(absl::string_view component, absl::Span<const Migration> steps) override;

 private:
  // The callers whose work is in one transaction. Guarded by mutex_.
  struct Group {
    int members = 0;
    bool alone = false;
    bool done = false;
    absl::Status status;  // once done: of the commit, or what ended the transaction before
  };
  struct Outcome {
    absl::Status status;
    // The work itself was fine and its effect was lost for what another caller did.
    bool innocent = false;
  };

  Outcome TransactOnce(const std::function<absl::Status(Connection&)>& work, bool alone);
  // Runs `work` below a savepoint. Only the thread that set busy_ calls it.
  absl::Status RunBelowSavepoint(const std::function<absl::Status(Connection&)>& work);
  void Finish(Group& group, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status MigrateStep(Connection& connection, absl::string_view component,
                           const Migration& step, const Rows& applied);

  // Destroyed last to first: connections, lock, folder.
  const std::string path_;
  const std::unique_ptr<TemporaryFolder> folder_;
  const FileLock lock_;
  std::unique_ptr<SqliteConnection> writer_;  // of the thread that set busy_

  base::Mutex mutex_;
  base::CondVar turn_;
  base::CondVar finished_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;  // that may join a group
  std::shared_ptr<Group> group_ ABSL_GUARDED_BY(mutex_);

  base::Mutex readers_mutex_;
  base::CondVar reader_free_;
  std::vector<std::unique_ptr<SqliteConnection>> readers_ ABSL_GUARDED_BY(readers_mutex_);
};

absl::Status SqliteDatabase::Start(const SqliteOptions& options) {
  // SQLite creates its other files with the mode of this one.
  const int fd = open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return base::ErrnoStatus(errno, absl::StrCat("open database ", path_));
  const int mode_error = fchmod(fd, 0600) == 0 ? 0 : errno;
  close(fd);
  if (mode_error != 0) {
    return base::ErrnoStatus(mode_error, absl::StrCat("set mode 0600 of database ", path_));
  }
  PURSER_ASSIGN_OR_RETURN(writer_, SqliteConnection::Open(path_, /*read_only=*/false));
  PURSER_RETURN_IF_ERROR(writer_->Control("PRAGMA journal_mode=WAL"));
  PURSER_RETURN_IF_ERROR(
      writer_->Control(folder_ == nullptr ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF"));
  PURSER_RETURN_IF_ERROR(writer_->Control("PRAGMA foreign_keys=ON"));
  PURSER_RETURN_IF_ERROR(
      writer_->Control(absl::StrCat("PRAGMA journal_size_limit=", kMaxIdleLogBytes)));
  if (options.max_bytes > 0) {
    PURSER_RETURN_IF_ERROR(writer_->Control(absl::StrCat(
        "PRAGMA max_page_count=", std::max<int64_t>(1, options.max_bytes / kPageBytes))));
  }
  base::MutexLock lock(readers_mutex_);
  for (int i = 0; i < std::max(1, options.read_connections); ++i) {
    PURSER_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> reader,
                            SqliteConnection::Open(path_, /*read_only=*/true));
    readers_.push_back(std::move(reader));
  }
  return absl::OkStatus();
}

absl::Status SqliteDatabase::Transact(const std::function<absl::Status(Connection&)>& work) {
  PURSER_RETURN_IF_ERROR(EnterScope::CheckOutside(this));
  const EnterScope inside(this);
  Outcome outcome = TransactOnce(work, /*alone=*/false);
  // Once more by itself: then nobody else can be the reason.
  if (outcome.innocent) outcome = TransactOnce(work, /*alone=*/true);
  return outcome.status;
}

SqliteDatabase::Outcome SqliteDatabase::TransactOnce(
    const std::function<absl::Status(Connection&)>& work, bool alone) {
  std::shared_ptr<Group> group;
  bool first = false;
  {
    base::MutexLock lock(mutex_);
    // Who wants to be alone cannot take an open transaction over, so nobody may count on it.
    if (!alone) ++waiting_;
    while (busy_ || (group_ != nullptr && (alone || group_->alone))) turn_.Wait(mutex_);
    if (!alone) --waiting_;
    busy_ = true;
    if (group_ == nullptr) {
      group_ = std::make_shared<Group>();
      group_->alone = alone;
      first = true;
    }
    group = group_;
    ++group->members;
  }

  absl::Status status;
  if (first) status = writer_->Control("BEGIN IMMEDIATE");
  if (status.ok()) status = RunBelowSavepoint(work);

  base::MutexLock lock(mutex_);
  if (!writer_->InTransaction()) {
    // BEGIN failed, or SQLite rolled everything back (a full disk does that).
    Finish(*group, status.ok() ? absl::InternalError("the transaction was lost") : status);
    return {group->status, false};
  }
  if (waiting_ > 0 && !group->alone && group->members < kMaxGroup) {
    // The next in the queue goes on with the transaction; the last of the group commits.
    busy_ = false;
    turn_.NotifyAll();
    if (!status.ok()) return {status, false};  // nothing of ours is in it
    while (!group->done) finished_.Wait(mutex_);
    return {group->status, !group->status.ok()};
  }
  mutex_.Unlock();
  absl::Status commit = writer_->Control("COMMIT");
  if (!commit.ok() && writer_->InTransaction()) {
    // The transaction is open still; its end must not depend on the disk.
    if (absl::Status rollback = writer_->Control("ROLLBACK"); !rollback.ok()) {
      commit = base::Annotate(commit, rollback.message());
    }
  }
  mutex_.Lock();
  const bool shared = group->members > 1;
  Finish(*group, commit);
  if (!status.ok()) return {status, false};
  return {commit, shared && !commit.ok()};
}

absl::Status SqliteDatabase::RunBelowSavepoint(
    const std::function<absl::Status(Connection&)>& work) {
  PURSER_RETURN_IF_ERROR(writer_->Control("SAVEPOINT caller"));
  absl::Status status = work(*writer_);
  if (!writer_->InTransaction()) {
    // `work` may have swallowed the error that ended the transaction; its changes are gone.
    return status.ok() ? absl::AbortedError("the database gave the transaction up") : status;
  }
  if (status.ok()) status = writer_->Control("RELEASE caller");
  if (!status.ok() && writer_->InTransaction()) {
    PURSER_RETURN_IF_ERROR(writer_->Control("ROLLBACK TO caller"));
    PURSER_RETURN_IF_ERROR(writer_->Control("RELEASE caller"));
  }
  return status;
}

void SqliteDatabase::Finish(Group& group, absl::Status status) {
  group.done = true;
  group.status = std::move(status);
  group_ = nullptr;
  busy_ = false;
  turn_.NotifyAll();
  finished_.NotifyAll();
}

absl::Status SqliteDatabase::Read(const std::function<absl::Status(Connection&)>& work) {
  PURSER_RETURN_IF_ERROR(EnterScope::CheckOutside(this));
  const EnterScope inside(this);
  std::unique_ptr<SqliteConnection> reader;
  {
    base::MutexLock lock(readers_mutex_);
    while (readers_.empty()) reader_free_.Wait(readers_mutex_);
    reader = std::move(readers_.back());
    readers_.pop_back();
  }
  absl::Status status = reader->Control("BEGIN");
  if (status.ok()) {
    status = work(*reader);
    // Read-only: the end of the transaction gives the snapshot back and changes nothing.
    if (reader->InTransaction()) status.Update(reader->Control("ROLLBACK"));
  }
  base::MutexLock lock(readers_mutex_);
  readers_.push_back(std::move(reader));
  reader_free_.NotifyOne();
  return status;
}

absl::Status SqliteDatabase::Migrate(absl::string_view component,
                                     absl::Span<const Migration> steps) {
  return Transact([&](Connection& connection) -> absl::Status {
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("CREATE TABLE IF NOT EXISTS purser_migrations ("
                     "component TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL, "
                     "sha256 TEXT NOT NULL, applied_at BIGINT NOT NULL, "
                     "PRIMARY KEY (component, number))",
                     {})
            .status());
    PURSER_ASSIGN_OR_RETURN(const Rows applied,
                            connection.Query("SELECT number, sha256, name FROM purser_migrations "
                                             "WHERE component = $1 ORDER BY number",
                                             {std::string(component)}));
    if (applied.size() > steps.size()) {
      return absl::FailedPreconditionError(
          absl::StrCat("database ", path_, ": the tables of \"", component, "\" are at step ",
                       applied.back().Int(0), ", this program knows ", steps.size(),
                       ": use the newer program, or restore a backup made before the upgrade"));
    }
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].number != static_cast<int>(i) + 1) {
        return absl::InternalError(absl::StrCat("migrations of \"", component, "\": step ", i + 1,
                                                " has number ", steps[i].number));
      }
      PURSER_RETURN_IF_ERROR(MigrateStep(connection, component, steps[i], applied));
    }
    return absl::OkStatus();
  });
}

absl::Status SqliteDatabase::MigrateStep(Connection& connection, absl::string_view component,
                                         const Migration& step, const Rows& applied) {
  const std::string sha256 = base::Sha256Hex(step.sql);
  const std::string what =
      absl::StrCat("migration ", component, "/", step.number, " (", step.name, ")");
  if (static_cast<size_t>(step.number) <= applied.size()) {
    const Row& recorded = applied[step.number - 1];
    if (recorded.Int(0) == step.number && recorded.Text(1) == sha256) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("database ", path_, ": ", what, " was applied in another form (\"",
                     recorded.Text(2), "\"): this program is not of the same line"));
  }
  // Transact hands out the writer and nothing else.
  PURSER_RETURN_IF_ERROR(
      base::Annotate(static_cast<SqliteConnection&>(connection).RunScript(step.sql), what));
  return connection
      .Execute(
          "INSERT INTO purser_migrations (component, number, name, sha256, applied_at) "
          "VALUES ($1, $2, $3, $4, $5)",
          {std::string(component), int64_t{step.number}, step.name, sha256,
           absl::ToUnixMicros(absl::Now())})
      .status();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenSqlite(const SqliteOptions& options) {
  std::string path = options.path;
  if (path.empty()) return absl::InvalidArgumentError("the path of the database is empty");
  std::unique_ptr<TemporaryFolder> folder;
  if (path == ":memory:") {
    std::error_code error;
    std::string name = (std::filesystem::temp_directory_path(error) / "purser-XXXXXX").string();
    if (error || mkdtemp(name.data()) == nullptr) {
      return base::ErrnoStatus(error ? error.value() : errno,
                               "make a temporary folder for a database");
    }
    folder = std::make_unique<TemporaryFolder>(name);
    path = name + "/database";
  }
  PURSER_ASSIGN_OR_RETURN(FileLock lock, FileLock::Take(path + ".lock"));
  auto database =
      std::make_unique<SqliteDatabase>(std::move(path), std::move(folder), std::move(lock));
  PURSER_RETURN_IF_ERROR(database->Start(options));
  return database;
}

}  // namespace purser::store

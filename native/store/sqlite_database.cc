// The embedded database: one writer shared by all threads with group commit, a pool of readers.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <optional>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/temporary_folder.h"
#include "store/file_lock.h"
#include "store/group_commit.h"
#include "store/migrate.h"
#include "store/scope.h"
#include "store/sqlite_checkpointer.h"
#include "store/sqlite_connection.h"
#include "store/sqlite_log.h"
#include "store/store.h"

namespace purser::store {
namespace {

// The write-ahead log is cut back to this after a large transaction.
constexpr int64_t kMaxIdleLogBytes = 64 << 20;
// Laid out at start, so that commits write over what is there; it may become longer.
constexpr int64_t kLaidOutLogBytes = 8 << 20;
// Pages that the writer keeps in memory: those that every change of a run touches.
constexpr int64_t kWriterCacheKibibytes = 8 << 10;

// The one connection that writes.
class SqliteWriter final : public WriteSession {
 public:
  explicit SqliteWriter(std::unique_ptr<SqliteConnection> connection)
      : connection_(std::move(connection)) {}

  SqliteConnection& connection() override { return *connection_; }
  absl::Status Begin() override { return connection_->Control("BEGIN IMMEDIATE"); }
  absl::Status Savepoint() override { return connection_->Control("SAVEPOINT caller"); }
  absl::Status ReleaseSavepoint() override { return connection_->Control("RELEASE caller"); }
  absl::Status RollbackToSavepoint() override {
    PURSER_RETURN_IF_ERROR(connection_->Control("ROLLBACK TO caller"));
    return connection_->Control("RELEASE caller");
  }
  absl::Status Flush() override { return absl::OkStatus(); }
  absl::Status Commit() override { return connection_->Control("COMMIT"); }
  absl::Status Rollback() override { return connection_->Control("ROLLBACK"); }
  bool InTransaction() const override { return connection_->InTransaction(); }

 private:
  const std::unique_ptr<SqliteConnection> connection_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(std::string path, std::unique_ptr<base::TemporaryFolder> folder, FileLock lock)
      : path_(std::move(path)), folder_(std::move(folder)), lock_(std::move(lock)) {}

  absl::Status Start(const SqliteOptions& options);

  absl::Status Transact(const std::function<absl::Status(Connection&)>& work) override;
  absl::Status Read(const std::function<absl::Status(Connection&)>& work) override;
  absl::Status Migrate(absl::string_view component, absl::Span<const Migration> steps) override;

 private:
  // Destroyed last to first: checkpointer, connections, lock, folder.
  const std::string path_;
  const std::unique_ptr<base::TemporaryFolder> folder_;
  const FileLock lock_;
  std::function<void(int)> on_commit_;  // told how long the log is
  std::unique_ptr<SqliteWriter> writer_;
  std::unique_ptr<GroupCommit> group_commit_;

  base::Mutex readers_mutex_;
  base::CondVar reader_free_;
  std::vector<std::unique_ptr<SqliteConnection>> readers_ ABSL_GUARDED_BY(readers_mutex_);
  std::unique_ptr<SqliteCheckpointer> checkpointer_;
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
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                          SqliteConnection::Open(path_, /*read_only=*/false));
  SqliteConnection& writer = *connection;
  writer_ = std::make_unique<SqliteWriter>(std::move(connection));
  group_commit_ = std::make_unique<GroupCommit>(*writer_);
  PURSER_RETURN_IF_ERROR(writer.Control("PRAGMA journal_mode=WAL"));
  PURSER_RETURN_IF_ERROR(
      writer.Control(folder_ == nullptr ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF"));
  PURSER_RETURN_IF_ERROR(writer.Control("PRAGMA foreign_keys=ON"));
  PURSER_RETURN_IF_ERROR(
      writer.Control(absl::StrCat("PRAGMA journal_size_limit=", kMaxIdleLogBytes)));
  PURSER_RETURN_IF_ERROR(writer.Control("PRAGMA wal_autocheckpoint=0"));
  PURSER_RETURN_IF_ERROR(
      writer.Control(absl::StrCat("PRAGMA cache_size=-", kWriterCacheKibibytes)));
  if (options.max_bytes > 0) {
    PURSER_RETURN_IF_ERROR(writer.Control(absl::StrCat(
        "PRAGMA max_page_count=", std::max<int64_t>(1, options.max_bytes / kSqlitePageBytes))));
  }
  if (folder_ == nullptr) LayOutLog(path_ + "-wal", kLaidOutLogBytes);
  PURSER_ASSIGN_OR_RETURN(checkpointer_,
                          SqliteCheckpointer::Start(path_, /*synced=*/folder_ == nullptr,
                                                    [this](const std::function<void()>& act) {
                                                      group_commit_->RunApart(act);
                                                    }));
  on_commit_ = [this](int log_pages) { checkpointer_->OnCommit(log_pages); };
  writer.WatchLog(&on_commit_);
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
  return group_commit_->Run(work);
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
  return Transact([&](Connection& connection) {
    return ApplyMigrations(connection, path_, component, steps, [this](absl::string_view sql) {
      return writer_->connection().RunScript(sql);
    });
  });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> OpenSqlite(const SqliteOptions& options) {
  std::string path = options.path;
  if (path.empty()) return absl::InvalidArgumentError("the path of the database is empty");
  std::unique_ptr<base::TemporaryFolder> folder;
  if (path == ":memory:") {
    PURSER_ASSIGN_OR_RETURN(folder, base::TemporaryFolder::Create("a database"));
    path = folder->path() + "/database";
  }
  PURSER_ASSIGN_OR_RETURN(FileLock lock, FileLock::Take(path + ".lock"));
  auto database =
      std::make_unique<SqliteDatabase>(std::move(path), std::move(folder), std::move(lock));
  PURSER_RETURN_IF_ERROR(database->Start(options));
  return database;
}

}  // namespace purser::store

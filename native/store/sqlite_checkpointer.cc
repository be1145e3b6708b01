#include "store/sqlite_checkpointer.h"

#include <utility>

#include "base/status.h"

namespace purser::store {
namespace {

// Of a log that has become too long, before writers wait; each takes less long than the one before.
constexpr int kMaxCopies = 4;
constexpr int kFewPages = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<SqliteCheckpointer>> SqliteCheckpointer::Start(
    const std::string& path, bool synced, Exclusively exclusively) {
  PURSER_ASSIGN_OR_RETURN(std::unique_ptr<SqliteConnection> connection,
                          SqliteConnection::Open(path, /*read_only=*/false));
  PURSER_RETURN_IF_ERROR(
      connection->Control(synced ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=OFF"));
  auto checkpointer = std::unique_ptr<SqliteCheckpointer>(
      new SqliteCheckpointer(std::move(connection), std::move(exclusively)));
  checkpointer->thread_ = std::thread([self = checkpointer.get()] { self->Work(); });
  return checkpointer;
}

SqliteCheckpointer::~SqliteCheckpointer() {
  {
    base::MutexLock lock(mutex_);
    stopping_ = true;
    grown_.NotifyAll();
  }
  thread_.join();
}

void SqliteCheckpointer::OnCommit(int log_pages) {
  base::MutexLock lock(mutex_);
  // At its front again.
  if (log_pages < log_pages_) copy_at_ = kLogPages;
  log_pages_ = log_pages;
  if (log_pages_ >= copy_at_) grown_.NotifyOne();
}

void SqliteCheckpointer::Work() {
  while (true) {
    bool too_long = false;
    {
      base::MutexLock lock(mutex_);
      while (!stopping_ && log_pages_ < copy_at_) grown_.Wait(mutex_);
      // The last connection that closes copies the rest.
      if (stopping_) return;
      too_long = log_pages_ >= kMaxLogPages;
      copy_at_ = log_pages_ + kLogPages;
    }
    int copied = connection_->CopyLog();
    if (!too_long) continue;
    // What was written meanwhile is copied beside the writers as well, until little is left that
    // they have to wait for.
    for (int i = 1; i < kMaxCopies && LogPages() - copied > kFewPages; ++i) {
      copied = connection_->CopyLog();
    }
    exclusively_([this] { connection_->CopyLog(); });
  }
}

int SqliteCheckpointer::LogPages() {
  base::MutexLock lock(mutex_);
  return log_pages_;
}

}  // namespace purser::store

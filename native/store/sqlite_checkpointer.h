// Copies the write-ahead log into the database beside the writers, so that no commit waits for it.
#ifndef PURSER_STORE_SQLITE_CHECKPOINTER_H_
#define PURSER_STORE_SQLITE_CHECKPOINTER_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "store/sqlite_connection.h"

namespace purser::store {

inline constexpr int kSqlitePageBytes = 4096;
// Each time the log has grown by this it is copied, beside the writers. A transaction that begins
// when all is copied writes at the log's front again.
inline constexpr int kLogPages = (16 << 20) / kSqlitePageBytes;
// From here on writers, who left no moment for that, wait while the last pages are copied.
inline constexpr int kMaxLogPages = 4 * kLogPages;

// One thread and one connection. What could not be copied (a full disk, a reader who still looks at
// an old state) is tried again when the log has grown further.
class SqliteCheckpointer {
 public:
  // Runs what it is given while nobody writes.
  using Exclusively = std::function<void(const std::function<void()>&)>;

  // `synced`: as the writer's commits are.
  static absl::StatusOr<std::unique_ptr<SqliteCheckpointer>> Start(const std::string& path,
                                                                   bool synced,
                                                                   Exclusively exclusively);
  ~SqliteCheckpointer();
  SqliteCheckpointer(const SqliteCheckpointer&) = delete;
  SqliteCheckpointer& operator=(const SqliteCheckpointer&) = delete;

  // After a commit: how long the log is now. Any thread, does not wait.
  void OnCommit(int log_pages);

 private:
  SqliteCheckpointer(std::unique_ptr<SqliteConnection> connection, Exclusively exclusively)
      : connection_(std::move(connection)), exclusively_(std::move(exclusively)) {}
  void Work();
  int LogPages();

  const std::unique_ptr<SqliteConnection> connection_;
  const Exclusively exclusively_;
  base::Mutex mutex_;
  base::CondVar grown_;
  int log_pages_ ABSL_GUARDED_BY(mutex_) = 0;
  int copy_at_ ABSL_GUARDED_BY(mutex_) = kLogPages;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace purser::store

#endif  // PURSER_STORE_SQLITE_CHECKPOINTER_H_

// Several callers, one commit: the queue of writers in front of one connection.
//
// Callers run one after another on the same open transaction, each but the first below a savepoint
// of its own, and the last of those who wait commits for all. A caller that fails is rolled back to
// its savepoint, the first to the beginning; one whose work was fine and was lost for what another
// did runs once more by itself.
#ifndef PURSER_STORE_GROUP_COMMIT_H_
#define PURSER_STORE_GROUP_COMMIT_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "base/mutex.h"
#include "store/store.h"

namespace purser::store {

// Callers that may share one commit: bounds how long the first of them waits.
inline constexpr int kMaxGroup = 64;

// One connection that writes. Used by one thread at a time.
class WriteSession {
 public:
  virtual ~WriteSession() = default;
  virtual Connection& connection() = 0;
  virtual absl::Status Begin() = 0;
  virtual absl::Status Savepoint() = 0;
  virtual absl::Status ReleaseSavepoint() = 0;
  virtual absl::Status RollbackToSavepoint() = 0;
  // Waits for the answers of what was sent ahead: the status of the first that failed.
  virtual absl::Status Flush() = 0;
  virtual absl::Status Commit() = 0;
  virtual absl::Status Rollback() = 0;
  // False before Begin, after Commit, and when the database ended the transaction by itself.
  virtual bool InTransaction() const = 0;
};

// Thread-safe.
class GroupCommit {
 public:
  explicit GroupCommit(WriteSession& session) : session_(session) {}
  absl::Status Run(const std::function<absl::Status(Connection&)>& work);
  // Runs `act` between two transactions: callers wait meanwhile.
  void RunApart(const std::function<void()>& act);

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

  Outcome RunOnce(const std::function<absl::Status(Connection&)>& work, bool alone);
  // Runs `work`, below a savepoint unless it is the transaction's first. Only the thread that set
  // busy_ calls it.
  absl::Status RunWork(const std::function<absl::Status(Connection&)>& work, bool first);
  // Takes back what the present caller did, or the whole transaction when that fails.
  void UndoCaller(bool first);
  void Finish(Group& group, absl::Status status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  WriteSession& session_;  // of the thread that set busy_
  base::Mutex mutex_;
  base::CondVar turn_;
  base::CondVar finished_;
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;  // that may join a group
  std::shared_ptr<Group> group_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::store

#endif  // PURSER_STORE_GROUP_COMMIT_H_

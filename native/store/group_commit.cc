#include "store/group_commit.h"

#include <utility>

#include "base/status.h"

namespace purser::store {

absl::Status GroupCommit::Run(const std::function<absl::Status(Connection&)>& work) {
  Outcome outcome = RunOnce(work, /*alone=*/false);
  // Once more by itself: then nobody else can be the reason.
  if (outcome.innocent) outcome = RunOnce(work, /*alone=*/true);
  return outcome.status;
}

void GroupCommit::RunApart(const std::function<void()>& act) {
  {
    base::MutexLock lock(mutex_);
    while (busy_ || group_ != nullptr) turn_.Wait(mutex_);
    busy_ = true;
  }
  act();
  base::MutexLock lock(mutex_);
  busy_ = false;
  turn_.NotifyAll();
}

GroupCommit::Outcome GroupCommit::RunOnce(const std::function<absl::Status(Connection&)>& work,
                                          bool alone) {
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
  if (first) status = session_.Begin();
  if (status.ok()) status = RunWork(work, first);

  base::MutexLock lock(mutex_);
  if (!session_.InTransaction()) {
    // Begin failed, or the database rolled everything back (a full disk does that).
    Finish(*group, status.ok() ? absl::InternalError("the transaction was lost") : status);
    return {group->status, false};
  }
  const bool shared = group->members > 1;
  const bool go_on = waiting_ > 0 && !group->alone && group->members < kMaxGroup;
  if (shared || go_on) {
    // What was sent ahead must be known to be this caller's fault before others build on it.
    mutex_.Unlock();
    if (status.ok()) {
      status = session_.Flush();
      if (!status.ok() && session_.InTransaction()) UndoCaller(first);
    }
    mutex_.Lock();
    if (!session_.InTransaction()) {
      Finish(*group, status.ok() ? absl::InternalError("the transaction was lost") : status);
      return {group->status, false};
    }
  }
  if (go_on) {
    // The next in the queue goes on with the transaction; the last of the group commits.
    busy_ = false;
    turn_.NotifyAll();
    if (!status.ok()) return {status, false};  // nothing of ours is in it
    while (!group->done) finished_.Wait(mutex_);
    return {group->status, !group->status.ok()};
  }
  mutex_.Unlock();
  // Alone with a failure there is nothing to keep.
  absl::Status commit = status.ok() || shared ? session_.Commit() : session_.Rollback();
  if (!commit.ok() && session_.InTransaction()) {
    // The transaction is open still; its end must not depend on the disk.
    if (absl::Status rollback = session_.Rollback(); !rollback.ok()) {
      commit = base::Annotate(commit, rollback.message());
    }
  }
  mutex_.Lock();
  Finish(*group, commit);
  if (!status.ok()) return {status, false};
  return {commit, shared && !commit.ok()};
}

absl::Status GroupCommit::RunWork(const std::function<absl::Status(Connection&)>& work,
                                  bool first) {
  // Before the first there is nothing to keep, and a savepoint costs a copy of every changed page.
  if (!first) PURSER_RETURN_IF_ERROR(session_.Savepoint());
  absl::Status status = work(session_.connection());
  if (!session_.InTransaction()) {
    // `work` may have swallowed the error that ended the transaction; its changes are gone.
    return status.ok() ? absl::AbortedError("the database gave the transaction up") : status;
  }
  if (status.ok() && !first) status = session_.ReleaseSavepoint();
  if (!status.ok() && session_.InTransaction()) UndoCaller(first);
  return status;
}

void GroupCommit::UndoCaller(bool first) {
  if (!first && session_.RollbackToSavepoint().ok()) return;
  // Half of a caller's work must not be committed with the others': all of it goes. Whether the end
  // itself succeeds changes nothing: a transaction without a commit is lost.
  session_.Rollback().IgnoreError();
}

void GroupCommit::Finish(Group& group, absl::Status status) {
  group.done = true;
  group.status = std::move(status);
  group_ = nullptr;
  busy_ = false;
  turn_.NotifyAll();
  finished_.NotifyAll();
}

}  // namespace purser::store

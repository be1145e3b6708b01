// What one transaction of the engine writes: collected while runs change in memory, then written by
// few statements. Events get their sequence numbers and hashes here.
#ifndef PURSER_WORKFLOW_JOURNAL_H_
#define PURSER_WORKFLOW_JOURNAL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "store/store.h"
#include "workflow/records.h"

namespace purser::workflow {

// The events of one change of one run: one row.
struct EventRow {
  int64_t sequence = 0;  // of the last of them
  int64_t count = 0;
  int64_t run = 0;       // its number
  int64_t previous = 0;  // the run's row before, by its sequence; 0: this is its first
  std::string run_id;
  std::string events;   // JSON: [[step, type, message, data], …]
  std::string outputs;  // of the step that the change completed
};

// The hash that binds a row to the one before it.
std::string ChainHash(absl::string_view previous, const EventRow& row, int64_t at_micros);

// Lives within one transaction, of which it is the only writer of these tables. Not thread-safe.
class Journal {
 public:
  // Reads the head of the trail. `others_ahead`: by how much the time of engines that share the
  // store may be ahead of `now`. `rows_per_statement`: 1 on a database within the process, more
  // where each statement is a message.
  static absl::StatusOr<Journal> Open(store::Connection& connection, absl::Time now,
                                      absl::Duration others_ahead, size_t rows_per_statement);

  store::Connection& connection() const { return *connection_; }
  absl::Time now() const { return now_; }
  // It is no later for any engine. What is put off is put off from here, so that it is not due too
  // soon for one whose time is ahead.
  absl::Time latest_now() const { return now_ + others_ahead_; }

  // Events are appended between BeginRow and EndRow; each gets the next sequence number. `previous`
  // is the run's last event so far, 0 when this is its first row.
  void BeginRow(int64_t run, absl::string_view run_id, int64_t previous);
  // The number of the last event so far.
  int64_t sequence() const { return sequence_; }
  int64_t Append(absl::string_view step_id, absl::string_view type, absl::string_view message,
                 const nlohmann::json& data);
  // The same with data that is JSON text already.
  int64_t AppendText(absl::string_view step_id, absl::string_view type, absl::string_view message,
                     absl::string_view data);
  // The present row carries these outputs; they are found by what EndRow returns.
  void SetOutputs(std::string outputs);
  // The sequence number of the row's last event; 0 when nothing was appended.
  int64_t EndRow();
  bool row_is_empty() const { return row_.count == 0; }

  void InsertRun(const RunRecord& run);
  void InsertState(Run& run);
  // Of a run that nobody holds from now on. The state must still be the one that was read.
  void UpdateState(Run& run);
  // Where a run stands in the queue, its state says as well (RunRecord::queued).
  void Enqueue(int64_t run, absl::Time due);
  // From its place in the queue, where it must be.
  void Dequeue(int64_t run, absl::Time due);
  // From now on `boot` holds the run, and its lease carries the state.
  void Lease(Run& run, absl::string_view boot);
  // Of a run that somebody holds. The lease must still be at version `run.record.version` - 1.
  void UpdateLease(Run& run);
  // The same holds for its end.
  void Release(const RunRecord& run);
  // Tells the engine that holds the lease that the run has changed.
  void Attend(int64_t run);

  bool empty() const;
  // Writes everything; the last act. A run may occur once in each list. ABORTED when somebody else
  // changed a run or holds its lease.
  absl::Status Write();

 private:
  Journal(store::Connection& connection, absl::Time now, absl::Duration others_ahead,
          size_t rows_per_statement, int64_t sequence, std::string hash)
      : connection_(&connection),
        now_(now),
        others_ahead_(others_ahead),
        rows_per_statement_(rows_per_statement),
        sequence_(sequence),
        first_sequence_(sequence),
        hash_(std::move(hash)) {}

  // `values` holds rows of `columns` values each, in order.
  struct Table {
    std::vector<store::Value> values;
  };

  store::Connection* connection_;
  absl::Time now_;
  absl::Duration others_ahead_;
  size_t rows_per_statement_;
  int64_t sequence_;
  int64_t first_sequence_;
  std::string hash_;
  EventRow row_;
  Table runs_;
  Table new_states_;
  Table states_;
  Table queue_;
  Table dequeue_;
  Table leases_;
  Table held_;
  Table releases_;
  Table attention_;
  Table events_;
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_JOURNAL_H_

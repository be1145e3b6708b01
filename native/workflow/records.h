// A run as the engine holds it in memory, and its rows.
#ifndef PURSER_WORKFLOW_RECORDS_H_
#define PURSER_WORKFLOW_RECORDS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "nlohmann/json.hpp"
#include "store/store.h"

namespace purser::workflow {

enum class RunState {
  kHeld,     // waits to be released (approval)
  kRunning,  // a step is due or being called
  kWaiting,  // only timers are pending
  kSucceeded,
  kFailed,
  kCancelled,
  kNeedsOperator,
};
absl::string_view ToString(RunState state);
absl::StatusOr<RunState> ParseRunState(absl::string_view text);
inline bool IsFinal(RunState state) {
  return state == RunState::kSucceeded || state == RunState::kFailed ||
         state == RunState::kCancelled;
}

// What a run that stops early is on its way to.
enum class Goal { kFinish, kFail, kCancel };

enum class StepState {
  kPending,
  kDue,        // queued for its first call
  kRunning,    // being called: the intent is in the journal, the result is not
  kRetrying,   // queued for another call
  kObserving,  // called, not ready yet, queued for a look
  kSucceeded,
  kFailed,
  kSkipped,
  kUnknown,  // an unsafe call whose outcome nobody knows
  kUndoDue,
  kUndoing,
  kUndoRetrying,
  kUndoObserving,
  kCompensated,
  kUndoFailed,
};
absl::string_view ToString(StepState state);

struct RunRecord {
  std::string id;
  int64_t number = 0;  // of its first event: the key of its rows
  std::string subject;
  std::string definition_hash;
  RunState state = RunState::kHeld;
  Goal goal = Goal::kFinish;
  std::string message;
  std::string input;     // JSON
  std::string outputs;   // JSON, "{}" until succeeded
  int64_t retries = 0;   // of all its steps, against the run's budget
  int64_t sequence = 0;  // of its last event
  int64_t version = 0;   // grows with every change: who writes must have read the latest
  // Of its row in workflow_state, which is not written while the run is held.
  int64_t stored_version = 0;
  std::string holder;  // when it was read, the boot of the engine that held it; "": none did
  absl::Time created_at;
  absl::Time updated_at;
  absl::Time queued = absl::InfiniteFuture();  // its place in the queue; infinite: it has none
};

struct StepRecord {
  std::string id;
  int64_t index = 0;
  StepState state = StepState::kPending;
  int64_t attempts = 0;     // calls made
  int64_t failures = 0;     // failed calls since it last became due
  int64_t recoveries = 0;   // times the process ended during a call
  int64_t incarnation = 1;  // part of the effect key
  int64_t fence = 0;        // of the last call: results of earlier ones are refused
  bool calling = false;     // a call is under way, or was when its process ended
  bool unknown = false;     // a call's outcome is not known
  bool effect = false;      // a call succeeded: there is something outside
  std::string outputs;      // JSON, "" before
  int64_t output_at = 0;    // sequence number of the event that carries them; 0: none does
  std::string pending;      // JSON of the last result that was not ready
  std::string message;
  int64_t done_order = 0;  // sequence number of the event that completed it
  absl::Time deadline = absl::InfiniteFuture();
  absl::Time due = absl::InfiniteFuture();  // of its next call
  std::optional<absl::Time> started_at;
  std::optional<absl::Time> ended_at;
};

// Which work a step waits for.
enum class TaskKind { kCall, kObserve, kUndo, kUndoObserve };

struct Definition;

// Writes the steps' one column: a JSON array of arrays, what is at its default left out at the end.
// A change of a run is a change of few of its steps: what the others were written as is kept.
class StepsEncoder {
 public:
  std::string Encode(const std::vector<StepRecord>& steps);

 private:
  static constexpr size_t kNumbers = 13;
  struct Kept {
    std::array<int64_t, kNumbers> numbers = {};
    std::string text;  // empty: nothing is kept
  };
  std::vector<Kept> kept_;
};

// A run whole. Thread-compatible.
struct Run {
  RunRecord record;
  std::vector<StepRecord> steps;
  std::shared_ptr<const Definition> definition;
  nlohmann::json input;                 // of record.input
  std::vector<nlohmann::json> outputs;  // of each step, in order; null: not parsed yet
  StepsEncoder encoder;
};

// The schema, and reads.
absl::Status MigrateWorkflow(store::Database& database);
const std::vector<store::Migration>& WorkflowMigrations();
absl::StatusOr<RunRecord> LoadRun(store::Connection& connection, absl::string_view run_id);
absl::StatusOr<std::vector<StepRecord>> LoadSteps(store::Connection& connection,
                                                  absl::string_view run_id);
// A run whole but for its definition.
absl::StatusOr<Run> LoadWholeRun(store::Connection& connection, absl::string_view run_id);
// The same of several at once, in the order of `numbers`; those that do not exist are left out.
absl::StatusOr<std::vector<Run>> LoadRuns(store::Connection& connection,
                                          absl::Span<const int64_t> numbers);

// What StepsEncoder wrote.
absl::StatusOr<std::vector<StepRecord>> DecodeSteps(absl::string_view text);
absl::string_view ToString(Goal goal);

inline constexpr size_t kMaxMessageBytes = 4096;
// Text for people as the store takes it: valid UTF-8 without NUL, cut at kMaxMessageBytes.
std::string CleanMessage(absl::string_view text);

// Time in the store: microseconds since 1970; infinite future is NULL.
store::Value ToStored(absl::Time time);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_RECORDS_H_

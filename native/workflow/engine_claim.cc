// What a round takes from the queue.
#include <algorithm>
#include <utility>

#include "base/status.h"
#include "workflow/engine_core.h"

namespace purser::workflow {
namespace {

using store::Connection;
using store::Row;
using store::Rows;

// A run that cannot be loaded is looked at again after this, so that it does not block the others.
constexpr absl::Duration kUnreadableRunPause = absl::Minutes(1);

}  // namespace

absl::Status EngineCore::Claim(RoundState& round, Journal& journal) {
  int64_t budget = 0;
  {
    base::MutexLock lock(mutex_);
    if (draining_) return absl::OkStatus();
    budget = Target() - round.busy - static_cast<int64_t>(round.tasks.size());
  }
  if (budget <= 0) {
    round.claim_more = true;
    return absl::OkStatus();
  }
  Connection& connection = journal.connection();
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT due, run FROM workflow_queue ORDER BY due, run LIMIT $1",
                       {budget + 1}));
  absl::flat_hash_set<int64_t> touched;
  for (const auto& [id, each] : round.touched) touched.insert(each.run->record.number);
  std::vector<int64_t> numbers;
  std::vector<absl::Time> places;
  for (const Row& row : rows) {
    const absl::Time due = absl::FromUnixMicros(row.Int(0));
    if (due > journal.now()) {
      round.due = std::min(round.due, due);
      break;
    }
    if (static_cast<int64_t>(numbers.size()) == budget) {
      round.claim_more = true;
      break;
    }
    // What this very round changes settles its own place in the queue. A run that this engine holds
    // and that is queued all the same was taken from it, and is claimed as any other.
    if (touched.contains(row.Int(1))) continue;
    numbers.push_back(row.Int(1));
    places.push_back(due);
  }
  if (numbers.empty()) return absl::OkStatus();
  absl::flat_hash_set<int64_t> found;
  absl::StatusOr<std::vector<Run>> runs = LoadRuns(connection, numbers);
  if (absl::IsDataLoss(runs.status())) {
    // One of them cannot be read: find out which.
    runs = std::vector<Run>();
    for (size_t i = 0; i < numbers.size(); ++i) {
      absl::StatusOr<std::vector<Run>> one = LoadRuns(connection, {numbers[i]});
      if (absl::IsDataLoss(one.status())) {
        found.insert(numbers[i]);
        PURSER_RETURN_IF_ERROR(Postpone(round, journal, numbers[i], places[i]));
        continue;
      }
      PURSER_RETURN_IF_ERROR(one.status());
      for (Run& run : *one) runs->push_back(std::move(run));
    }
  }
  PURSER_RETURN_IF_ERROR(runs.status());
  for (Run& run : *runs) {
    found.insert(run.record.number);
    absl::StatusOr<std::shared_ptr<const Definition>> definition =
        definitions_.Get(connection, run.record.definition_hash);
    if (!definition.ok()) {
      // The store's own errors end the round; a definition that cannot be read only its runs.
      if (absl::IsUnavailable(definition.status()) || absl::IsAborted(definition.status())) {
        return definition.status();
      }
      PURSER_RETURN_IF_ERROR(Postpone(round, journal, run.record.number, run.record.queued));
      continue;
    }
    run.definition = *std::move(definition);
    PURSER_RETURN_IF_ERROR(ClaimOne(round, journal, std::move(run)));
  }
  // A place in the queue of a run that is gone.
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (!found.contains(numbers[i])) journal.Dequeue(numbers[i], places[i]);
  }
  return absl::OkStatus();
}

absl::Status EngineCore::Postpone(RoundState& round, Journal& journal, int64_t run,
                                  absl::Time queued) {
  const absl::Time later = journal.now() + kUnreadableRunPause;
  journal.Dequeue(run, queued);
  journal.Enqueue(run, later);
  round.due = std::min(round.due, later);
  return journal.connection().ExecuteLater("UPDATE workflow_state SET due = $2 WHERE run = $1",
                                           {run, absl::ToUnixMicros(later)}, 1);
}

absl::Status EngineCore::ClaimOne(RoundState& round, Journal& journal, Run run) {
  const std::string id = run.record.id;
  Touched& touched = round.touched[id];
  touched.loaded = std::make_unique<Run>(std::move(run));
  touched.run = touched.loaded.get();
  touched.owned = true;
  touched.claimed = true;
  touched.changed = true;
  round.claimed = true;
  Transition transition(context_, journal, *touched.run);
  transition.TakeOver();
  PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  return transition.Save();
}

}  // namespace purser::workflow

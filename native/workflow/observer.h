// What a domain hears of its runs, inside the transaction that changes them.
#ifndef PURSER_WORKFLOW_OBSERVER_H_
#define PURSER_WORKFLOW_OBSERVER_H_

#include "absl/status/status.h"
#include "store/store.h"
#include "workflow/executor.h"
#include "workflow/records.h"

namespace purser::workflow {

// Called by the engine's threads, within a transaction that may be repeated or rolled back: only
// write through `connection`. A status other than OK rolls the transition back and it is tried
// again later, so only the store's own errors may be returned.
class RunObserver {
 public:
  virtual ~RunObserver() = default;
  // The run's state is about to become `run.state`. `view` has the outputs of completed steps.
  virtual absl::Status OnRunState(store::Connection& connection, const RunRecord& run,
                                  const RunView& view) = 0;
  // A call of `step` succeeded, ready or not; it may come several times for one step.
  virtual absl::Status OnStepResult(store::Connection& connection, const RunRecord& run,
                                    const StepDefinition& step, Direction direction,
                                    const CallResult& result) = 0;
  // Nothing to roll back any more: the changes above are durable.
  virtual void OnCommitted() = 0;
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_OBSERVER_H_

// One piece of work, outside any transaction: asks the executor by the rules of the call's class.
#ifndef PURSER_WORKFLOW_PERFORM_H_
#define PURSER_WORKFLOW_PERFORM_H_

#include "workflow/executor.h"
#include "workflow/transition.h"

namespace purser::workflow {

// put/keyed: call. probe: look first when an earlier call may have happened, then call. unsafe:
// never call again after one that may have happened; its outcome is then unknown.
Outcome Perform(StepExecutor& executor, const Task& task, CallContext& context);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_PERFORM_H_

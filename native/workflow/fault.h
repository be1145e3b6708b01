// Fault points: places where a test may kill the process, to prove that nothing depends on luck.
//
//   PURSER_FAULT_POINT("result.after-commit");
//
// A point does nothing unless the build has PURSER_FAULTS (debug and sanitizer builds) and the
// environment says PURSER_FAULT_KILL=<name>:<n>: then the n-th pass raises SIGKILL.
#ifndef PURSER_WORKFLOW_FAULT_H_
#define PURSER_WORKFLOW_FAULT_H_

#include <vector>

#include "absl/strings/string_view.h"

namespace purser::workflow {

// Kills the process when it is `name`'s turn. Thread-safe; a load of one flag when not armed.
void PassFaultPoint(absl::string_view name);

// Arms the process as PURSER_FAULT_KILL=`value` would; for one that was forked from a process which
// has read the environment already. Before any thread passes a point.
void ArmFaultPoint(absl::string_view value);

// Every point there is, so that a test can visit each; a point that is not listed is never armed.
const std::vector<absl::string_view>& FaultPoints();

}  // namespace purser::workflow

#if defined(PURSER_FAULTS)
#define PURSER_FAULT_POINT(name) ::purser::workflow::PassFaultPoint(name)
#else
#define PURSER_FAULT_POINT(name) static_cast<void>(0)
#endif

#endif  // PURSER_WORKFLOW_FAULT_H_

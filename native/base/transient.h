// Failures of the moment, where the code alone does not tell: RESOURCE_EXHAUSTED is a full disk as
// well as an input beyond a limit, and only one of them is worth another try with the same input.
#ifndef PURSER_BASE_TRANSIENT_H_
#define PURSER_BASE_TRANSIENT_H_

#include "absl/status/status.h"

namespace purser::base {

// Marks a failure of the machine or of another system, not of what was asked for: the same call may
// succeed later. ErrnoStatus does so for what ran out (ENOSPC, ENOMEM, EMFILE, …).
void SetTransient(absl::Status& status);
bool IsTransient(const absl::Status& status);

}  // namespace purser::base

#endif  // PURSER_BASE_TRANSIENT_H_

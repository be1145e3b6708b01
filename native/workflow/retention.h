// Forgetting runs that ended long ago.
#ifndef PURSER_WORKFLOW_RETENTION_H_
#define PURSER_WORKFLOW_RETENTION_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "store/store.h"

namespace purser::workflow {

// Removes a run that nothing refers to any more, within the caller's transaction. Of its events the
// places in the trail stay, with their hashes, so that the chain can be walked over them; what they
// said and what the steps gave is gone. FAILED_PRECONDITION when the run has not ended.
absl::Status ForgetRun(store::Connection& connection, absl::string_view run_id);

// Removes definitions that no run is of.
absl::Status ForgetDefinitions(store::Connection& connection);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_RETENTION_H_

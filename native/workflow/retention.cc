#include "workflow/retention.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "workflow/events.h"
#include "workflow/records.h"

namespace purser::workflow {

absl::Status ForgetRun(store::Connection& connection, absl::string_view run_id) {
  const std::string id(run_id);
  PURSER_ASSIGN_OR_RETURN(const RunRecord run, LoadRun(connection, run_id));
  if (!IsFinal(run.state)) {
    return absl::FailedPreconditionError(
        absl::StrCat("run ", id, " is ", ToString(run.state), " and cannot be forgotten"));
  }
  PURSER_RETURN_IF_ERROR(EmptyEvents(connection, run.sequence));
  // What ended is neither queued nor leased.
  PURSER_RETURN_IF_ERROR(
      connection.Execute("DELETE FROM workflow_state WHERE run = $1", {run.number}).status());
  return connection.Execute("DELETE FROM workflow_run WHERE number = $1", {run.number}).status();
}

absl::Status ForgetDefinitions(store::Connection& connection) {
  return connection
      .Execute(
          "DELETE FROM workflow_definition WHERE NOT EXISTS (SELECT 1 FROM workflow_run r "
          "WHERE r.definition_hash = workflow_definition.hash)",
          {})
      .status();
}

}  // namespace purser::workflow

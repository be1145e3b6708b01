#include "provisioning/retention.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "workflow/retention.h"

namespace purser::provisioning {
namespace {

constexpr char kForgettable[] =
    "SELECT r.id, r.run_id FROM provisioning_request r "
    "JOIN workflow_run w ON w.id = r.run_id JOIN workflow_current s ON s.run = w.number "
    "WHERE r.state IN ('succeeded', 'failed', 'cancelled') AND s.updated_at < $1 "
    "AND NOT EXISTS (SELECT 1 FROM provisioning_made m WHERE m.request_id = r.id) "
    "AND NOT EXISTS (SELECT 1 FROM provisioning_resource x WHERE x.request_id = r.id) "
    "AND NOT EXISTS (SELECT 1 FROM provisioning_holding h "
    "  WHERE h.id = r.holding_id AND h.state IN ('active', 'suspended') "
    "  AND (h.id = r.id OR h.current_request = r.id)) "
    "ORDER BY r.id LIMIT $2";

// Of holdings that are gone, when the last of their requests is.
constexpr const char* kLeftovers[] = {
    "DELETE FROM provisioning_holding WHERE state IN ('pending', 'deleted') AND NOT EXISTS "
    "(SELECT 1 FROM provisioning_request r WHERE r.holding_id = provisioning_holding.id)",
    "DELETE FROM provisioning_renewal WHERE NOT EXISTS "
    "(SELECT 1 FROM provisioning_holding h WHERE h.id = provisioning_renewal.holding_id)",
};

}  // namespace

absl::StatusOr<int64_t> ForgetRequests(store::Connection& connection, int64_t before,
                                       int64_t limit) {
  PURSER_ASSIGN_OR_RETURN(const store::Rows rows, connection.Query(kForgettable, {before, limit}));
  for (const store::Row& row : rows) {
    const std::string id = row.Text(0);
    const std::string run = row.Text(1);
    PURSER_RETURN_IF_ERROR(workflow::ForgetRun(connection, run));
    for (const char* table : {"provisioning_approval", "provisioning_signal"}) {
      PURSER_RETURN_IF_ERROR(
          connection.Execute(absl::StrCat("DELETE FROM ", table, " WHERE run_id = $1"), {run})
              .status());
    }
    PURSER_RETURN_IF_ERROR(
        connection.Execute("DELETE FROM provisioning_usage WHERE request_id = $1", {id}).status());
    PURSER_RETURN_IF_ERROR(
        connection.Execute("DELETE FROM provisioning_request WHERE id = $1", {id}).status());
  }
  PURSER_RETURN_IF_ERROR(
      connection.Execute("DELETE FROM provisioning_decision WHERE at < $1", {before}).status());
  if (rows.empty()) return 0;
  for (const char* statement : kLeftovers) {
    PURSER_RETURN_IF_ERROR(connection.Execute(statement, {}).status());
  }
  PURSER_RETURN_IF_ERROR(workflow::ForgetDefinitions(connection));
  return static_cast<int64_t>(rows.size());
}

}  // namespace purser::provisioning

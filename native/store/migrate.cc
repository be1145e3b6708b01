#include "store/migrate.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/hash.h"
#include "base/status.h"

namespace purser::store {
namespace {

absl::Status ApplyStep(Connection& connection, absl::string_view where, absl::string_view component,
                       const Migration& step, const Rows& applied,
                       const std::function<absl::Status(absl::string_view)>& run_script) {
  const std::string sha256 = base::Sha256Hex(step.sql);
  const std::string what =
      absl::StrCat("migration ", component, "/", step.number, " (", step.name, ")");
  if (static_cast<size_t>(step.number) <= applied.size()) {
    const Row& recorded = applied[step.number - 1];
    if (recorded.Int(0) == step.number && recorded.Text(1) == sha256) return absl::OkStatus();
    return absl::FailedPreconditionError(
        absl::StrCat("database ", where, ": ", what, " was applied in another form (\"",
                     recorded.Text(2), "\"): this program is not of the same line"));
  }
  PURSER_RETURN_IF_ERROR(base::Annotate(run_script(step.sql), what));
  return connection
      .Execute(
          "INSERT INTO purser_migrations (component, number, name, sha256, applied_at) "
          "VALUES ($1, $2, $3, $4, $5)",
          {std::string(component), int64_t{step.number}, step.name, sha256,
           absl::ToUnixMicros(absl::Now())})
      .status();
}

}  // namespace

absl::Status ApplyMigrations(Connection& connection, absl::string_view where,
                             absl::string_view component, absl::Span<const Migration> steps,
                             const std::function<absl::Status(absl::string_view)>& run_script) {
  PURSER_RETURN_IF_ERROR(
      connection
          .Execute("CREATE TABLE IF NOT EXISTS purser_migrations ("
                   "component TEXT NOT NULL, number BIGINT NOT NULL, name TEXT NOT NULL, "
                   "sha256 TEXT NOT NULL, applied_at BIGINT NOT NULL, "
                   "PRIMARY KEY (component, number))",
                   {})
          .status());
  PURSER_ASSIGN_OR_RETURN(const Rows applied,
                          connection.Query("SELECT number, sha256, name FROM purser_migrations "
                                           "WHERE component = $1 ORDER BY number",
                                           {std::string(component)}));
  if (applied.size() > steps.size()) {
    return absl::FailedPreconditionError(
        absl::StrCat("database ", where, ": the tables of \"", component, "\" are at step ",
                     applied.back().Int(0), ", this program knows ", steps.size(),
                     ": use the newer program, or restore a backup made before the upgrade"));
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    if (steps[i].number != static_cast<int>(i) + 1) {
      return absl::InternalError(absl::StrCat("migrations of \"", component, "\": step ", i + 1,
                                              " has number ", steps[i].number));
    }
    PURSER_RETURN_IF_ERROR(ApplyStep(connection, where, component, steps[i], applied, run_script));
  }
  return absl::OkStatus();
}

}  // namespace purser::store

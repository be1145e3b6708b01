#include "costs/state.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::costs {

absl::StatusOr<std::map<int64_t, std::string>> MonthFingerprints(store::Connection& connection) {
  std::map<int64_t, std::string> fingerprints;
  PURSER_RETURN_IF_ERROR(connection.ForEach("SELECT month, allocation FROM cost_months", {},
                                            [&](const store::Row& row) {
                                              fingerprints[row.Int(0)] = row.Text(1);
                                              return absl::OkStatus();
                                            }));
  return fingerprints;
}

absl::Status SetMonthFingerprint(store::Connection& connection, int64_t month,
                                 const std::string& value) {
  return connection.ExecuteLater(
      "INSERT INTO cost_months (month, allocation) VALUES ($1, $2) "
      "ON CONFLICT (month) DO UPDATE SET allocation = excluded.allocation",
      {month, value});
}

absl::StatusOr<std::string> GetState(store::Connection& connection, absl::string_view name) {
  PURSER_ASSIGN_OR_RETURN(
      const store::Rows rows,
      connection.Query("SELECT value FROM cost_state WHERE name = $1", {std::string(name)}));
  return rows.empty() ? std::string() : rows[0].Text(0);
}

absl::Status SetState(store::Connection& connection, absl::string_view name,
                      const std::string& value) {
  return connection.ExecuteLater(
      "INSERT INTO cost_state (name, value) VALUES ($1, $2) "
      "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
      {std::string(name), value});
}

absl::StatusOr<int64_t> DataVersion(store::Connection& connection) {
  PURSER_ASSIGN_OR_RETURN(const std::string text, GetState(connection, "version"));
  int64_t version = 0;
  if (!text.empty() && !absl::SimpleAtoi(text, &version)) {
    return absl::DataLossError("the version of the stored costs is damaged");
  }
  return version;
}

absl::Status BumpDataVersion(store::Connection& connection) {
  PURSER_ASSIGN_OR_RETURN(const int64_t version, DataVersion(connection));
  return SetState(connection, "version", absl::StrCat(version + 1));
}

absl::StatusOr<std::vector<GraphEntity>> LoadGraph(store::Connection& connection) {
  std::vector<GraphEntity> entities;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT ref, owner, system, domain, parent, product, environment FROM cost_graph", {},
      [&](const store::Row& row) {
        entities.push_back({row.Text(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4),
                            row.Text(5), row.Text(6)});
        return absl::OkStatus();
      }));
  return entities;
}

absl::Status StoreGraph(store::Connection& connection, const EntityGraph& graph) {
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater("DELETE FROM cost_graph", {}));
  for (const auto& [ref, entity] : graph.entities()) {
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO cost_graph (ref, owner, system, domain, parent, product, environment) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7)",
        {ref, entity.owner, entity.system, entity.domain, entity.parent, entity.product,
         entity.environment}));
  }
  return absl::OkStatus();
}

}  // namespace purser::costs

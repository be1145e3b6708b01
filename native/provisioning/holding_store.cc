#include "provisioning/holding_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "provisioning/request_store.h"

namespace purser::provisioning {
namespace {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

constexpr char kColumns[] =
    "id, blueprint, owner, entity_ref, state, current_request, environment, "
    "protected, expires_at, "
    "told, drift, looked_at, due, version, created_at, updated_at";

absl::StatusOr<HoldingRow> ToHoldingRow(const Row& row) {
  HoldingRow holding;
  holding.id = row.Text(0);
  holding.blueprint = row.Text(1);
  holding.owner = row.Text(2);
  holding.entity_ref = row.Text(3);
  PURSER_ASSIGN_OR_RETURN(holding.state, ParseHoldingState(row.Text(4)));
  holding.current_request = row.Text(5);
  holding.environment = row.Text(6);
  holding.is_protected = row.Int(7) != 0;
  holding.expires_at = row.Int(8);
  holding.told = row.Int(9);
  holding.drift = row.Text(10);
  holding.looked_at = row.Int(11);
  holding.due = row.Int(12);
  holding.version = row.Int(13);
  holding.created_at = row.Int(14);
  holding.updated_at = row.Int(15);
  return holding;
}

absl::StatusOr<std::vector<HoldingRow>> Select(Connection& connection, absl::string_view condition,
                                               const std::vector<Value>& parameters) {
  std::vector<HoldingRow> rows;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      absl::StrCat("SELECT ", kColumns, " FROM provisioning_holding ", condition), parameters,
      [&](const Row& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(HoldingRow holding, ToHoldingRow(row));
        rows.push_back(std::move(holding));
        return absl::OkStatus();
      }));
  return rows;
}

absl::StatusOr<std::optional<HoldingRow>> First(absl::StatusOr<std::vector<HoldingRow>> rows) {
  if (!rows.ok()) return rows.status();
  if (rows->empty()) return std::nullopt;
  return std::move(rows->front());
}

std::string Text(absl::string_view text) { return std::string(text); }

}  // namespace

absl::Status InsertHolding(Connection& connection, const HoldingRow& row) {
  return connection
      .Execute(absl::StrCat("INSERT INTO provisioning_holding (", kColumns,
                            ") VALUES "
                            "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16)"),
               {row.id, row.blueprint, row.owner, row.entity_ref, Text(ToString(row.state)),
                row.current_request, row.environment, int64_t{row.is_protected}, row.expires_at,
                row.told, row.drift, row.looked_at, row.due, row.version, row.created_at,
                row.updated_at})
      .status();
}

absl::Status UpdateHolding(Connection& connection, HoldingRow& row) {
  PURSER_ASSIGN_OR_RETURN(
      const int64_t changed,
      connection.Execute(
          "UPDATE provisioning_holding SET blueprint = $1, owner = $2, "
          "entity_ref = $3, "
          "state = $4, current_request = $5, environment = $6, protected = $7, "
          "expires_at = $8, "
          "told = $9, drift = $10, looked_at = $11, due = $12, version = $13, "
          "updated_at = $14 "
          "WHERE id = $15 AND version = $16",
          {row.blueprint, row.owner, row.entity_ref, Text(ToString(row.state)), row.current_request,
           row.environment, int64_t{row.is_protected}, row.expires_at, row.told, row.drift,
           row.looked_at, row.due, row.version + 1, row.updated_at, row.id, row.version}));
  if (changed != 1) {
    return absl::AbortedError(
        absl::StrCat("holding ", row.id, " was changed meanwhile; look at it and try again"));
  }
  ++row.version;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<HoldingRow>> FindHolding(Connection& connection,
                                                      absl::string_view id) {
  return First(Select(connection, "WHERE id = $1", {Text(id)}));
}

absl::StatusOr<std::optional<HoldingRow>> FindHoldingOfEntity(Connection& connection,
                                                              absl::string_view entity_ref) {
  return First(Select(connection,
                      "WHERE entity_ref = $1 AND state IN ('active', 'suspended') "
                      "ORDER BY id DESC LIMIT 1",
                      {Text(entity_ref)}));
}

absl::StatusOr<std::vector<HoldingRow>> ListHoldingRows(
    Connection& connection, const ListHoldingsOptions& options,
    const std::vector<std::string>& blueprints) {
  std::vector<std::string> conditions;
  std::vector<Value> parameters;
  const auto add = [&](absl::string_view condition, Value value) {
    parameters.push_back(std::move(value));
    conditions.push_back(absl::StrCat(condition, " $", parameters.size()));
  };
  if (!options.owner.empty()) add("owner =", options.owner);
  if (!options.entity_ref.empty()) add("entity_ref =", options.entity_ref);
  if (!blueprints.empty()) conditions.push_back(AnyOf("blueprint", blueprints, &parameters));
  if (options.state.has_value()) add("state =", Text(ToString(*options.state)));
  if (options.expires_before != absl::InfiniteFuture()) {
    add("expires_at <", absl::ToUnixMicros(options.expires_before));
  }
  if (options.drifted) conditions.emplace_back("drift LIKE '%\"drifted\":true%'");
  if (!options.page_token.empty()) add("id <", options.page_token);
  parameters.emplace_back(int64_t{options.page_size} + 1);
  return Select(connection,
                absl::StrCat(conditions.empty() ? "" : "WHERE ", absl::StrJoin(conditions, " AND "),
                             " ORDER BY id DESC LIMIT $", parameters.size()),
                parameters);
}

absl::StatusOr<std::vector<HoldingRow>> DueHoldings(Connection& connection, int64_t now,
                                                    int limit) {
  return Select(connection, "WHERE due <= $1 ORDER BY due, id LIMIT $2", {now, int64_t{limit}});
}

absl::StatusOr<int64_t> NextHoldingDue(Connection& connection) {
  PURSER_ASSIGN_OR_RETURN(const Rows rows,
                          connection.Query("SELECT MIN(due) FROM provisioning_holding", {}));
  return rows.empty() || rows[0].IsNull(0) ? kNever : rows[0].Int(0);
}

absl::StatusOr<bool> IsRenewalKnown(Connection& connection, absl::string_view holding_id,
                                    absl::string_view key) {
  if (key.empty()) return false;
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT 1 FROM provisioning_renewal WHERE holding_id = $1 AND "
                       "renewal_key = $2",
                       {Text(holding_id), Text(key)}));
  return !rows.empty();
}

absl::Status PutRenewal(Connection& connection, absl::string_view holding_id, absl::string_view key,
                        int64_t at) {
  return connection
      .Execute("INSERT INTO provisioning_renewal (holding_id, renewal_key, at) VALUES ($1,$2,$3)",
               {Text(holding_id), Text(key), at})
      .status();
}

absl::Status PutMade(Connection& connection, const MadeRow& row) {
  return connection
      .Execute(
          "INSERT INTO provisioning_made (holding_id, step_id, "
          "request_id, undo, outputs, position)"
          " VALUES ($1,$2,$3,$4,$5,$6) ON CONFLICT (holding_id, step_id) "
          "DO UPDATE SET "
          "request_id = excluded.request_id, undo = excluded.undo, "
          "outputs = excluded.outputs, "
          "position = excluded.position",
          {row.holding_id, row.step_id, row.request_id, row.undo, row.outputs, row.position})
      .status();
}

absl::Status ForgetMade(Connection& connection, absl::string_view holding_id,
                        absl::string_view step_id) {
  return connection
      .Execute(
          "DELETE FROM provisioning_made WHERE holding_id = $1 AND "
          "step_id = $2",
          {Text(holding_id), Text(step_id)})
      .status();
}

absl::StatusOr<std::vector<MadeRow>> MadeOf(Connection& connection, absl::string_view holding_id) {
  std::vector<MadeRow> rows;
  PURSER_RETURN_IF_ERROR(
      connection.ForEach("SELECT holding_id, step_id, request_id, undo, outputs, position FROM "
                         "provisioning_made "
                         "WHERE holding_id = $1 ORDER BY position DESC, step_id DESC",
                         {Text(holding_id)}, [&](const Row& row) {
                           rows.push_back({row.Text(0), row.Text(1), row.Text(2), row.Text(3),
                                           row.Text(4), row.Int(5)});
                           return absl::OkStatus();
                         }));
  return rows;
}

absl::StatusOr<std::vector<Orphan>> ListOrphanRows(Connection& connection, int limit,
                                                   absl::string_view after) {
  const std::pair<std::string, std::string> at = absl::StrSplit(after, absl::MaxSplits('/', 1));
  std::vector<Orphan> orphans;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT m.holding_id, m.step_id, m.request_id, m.undo, m.outputs, "
      "h.owner, h.blueprint, "
      "h.state, q.state, q.message FROM provisioning_made m "
      "JOIN provisioning_holding h ON h.id = m.holding_id "
      "JOIN provisioning_request q ON q.id = m.request_id "
      "WHERE (h.state = 'deleted' OR (h.state = 'pending' AND "
      "q.state IN ('failed', 'cancelled', 'needs-operator'))) "
      "AND (m.holding_id > $1 OR (m.holding_id = $1 AND m.step_id > $2)) "
      "ORDER BY m.holding_id, m.step_id LIMIT $3",
      {at.first, at.second, int64_t{limit} + 1}, [&](const Row& row) -> absl::Status {
        Orphan orphan;
        orphan.holding_id = row.Text(0);
        orphan.step_id = row.Text(1);
        orphan.request_id = row.Text(2);
        orphan.undo = row.Text(3);
        orphan.outputs = nlohmann::json::parse(row.Text(4), nullptr,
                                               /*allow_exceptions=*/false);
        orphan.owner = row.Text(5);
        orphan.blueprint = row.Text(6);
        PURSER_ASSIGN_OR_RETURN(orphan.request_state, ParseRequestState(row.Text(8)));
        orphan.message = row.Text(9);
        orphans.push_back(std::move(orphan));
        return absl::OkStatus();
      }));
  for (Orphan& orphan : orphans) {
    PURSER_RETURN_IF_ERROR(
        connection.ForEach("SELECT resource_id FROM provisioning_resource WHERE request_id = $1 "
                           "AND step_id = $2 "
                           "ORDER BY resource_id",
                           {orphan.request_id, orphan.step_id}, [&](const Row& row) {
                             orphan.resource_ids.push_back(row.Text(0));
                             return absl::OkStatus();
                           }));
  }
  return orphans;
}

}  // namespace purser::provisioning

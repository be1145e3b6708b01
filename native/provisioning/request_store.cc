#include "provisioning/request_store.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"

namespace purser::provisioning {
namespace {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

const std::vector<store::Migration>& Migrations() {
  static const auto& steps = *new std::vector<store::Migration>{
      {1, "requests and the resources they recorded",
       "CREATE TABLE provisioning_request ("
       "  id TEXT PRIMARY KEY, run_id TEXT NOT NULL, blueprint TEXT NOT NULL,"
       "  blueprint_hash TEXT NOT NULL, request_key TEXT NOT NULL, input_hash "
       "TEXT NOT NULL,"
       "  requester TEXT NOT NULL, owner TEXT NOT NULL, entity_ref TEXT NOT "
       "NULL,"
       "  parameters TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL,"
       "  outputs TEXT NOT NULL, created_at BIGINT NOT NULL);"
       "CREATE UNIQUE INDEX provisioning_request_key ON provisioning_request "
       "(request_key);"
       "CREATE INDEX provisioning_request_owner ON provisioning_request "
       "(owner, id);"
       "CREATE INDEX provisioning_request_requester ON provisioning_request "
       "(requester, id);"
       "CREATE INDEX provisioning_request_entity ON provisioning_request "
       "(entity_ref, id);"
       "CREATE INDEX provisioning_request_state ON provisioning_request "
       "(state, id);"
       "CREATE TABLE provisioning_resource ("
       "  request_id TEXT NOT NULL, step_id TEXT NOT NULL, resource_id TEXT "
       "NOT NULL,"
       "  PRIMARY KEY (request_id, step_id, resource_id))"},
      {2, "kinds of requests, holdings, approvals, signals, decisions, quotas",
       "ALTER TABLE provisioning_request ADD COLUMN kind TEXT NOT NULL DEFAULT "
       "'create';"
       "ALTER TABLE provisioning_request ADD COLUMN holding_id TEXT NOT NULL "
       "DEFAULT '';"
       "ALTER TABLE provisioning_request ADD COLUMN plan TEXT NOT NULL DEFAULT "
       "'{}';"
       "ALTER TABLE provisioning_request ADD COLUMN plan_hash TEXT NOT NULL "
       "DEFAULT '';"
       "UPDATE provisioning_request SET holding_id = id;"
       "CREATE INDEX provisioning_request_holding ON provisioning_request "
       "(holding_id, id);"
       "CREATE INDEX provisioning_request_blueprint ON provisioning_request "
       "(blueprint, id);"
       "CREATE TABLE provisioning_holding ("
       "  id TEXT PRIMARY KEY, blueprint TEXT NOT NULL, owner TEXT NOT NULL,"
       "  entity_ref TEXT NOT NULL, state TEXT NOT NULL, current_request TEXT "
       "NOT NULL,"
       "  environment TEXT NOT NULL, protected BIGINT NOT NULL, expires_at "
       "BIGINT NOT NULL,"
       "  told BIGINT NOT NULL, drift TEXT NOT NULL, looked_at BIGINT NOT NULL,"
       "  due BIGINT NOT NULL, version BIGINT NOT NULL, created_at BIGINT NOT "
       "NULL,"
       "  updated_at BIGINT NOT NULL);"
       "CREATE INDEX provisioning_holding_owner ON provisioning_holding "
       "(owner, id);"
       "CREATE INDEX provisioning_holding_entity ON provisioning_holding "
       "(entity_ref, id);"
       "CREATE INDEX provisioning_holding_state ON provisioning_holding "
       "(state, id);"
       "CREATE INDEX provisioning_holding_due ON provisioning_holding (due, "
       "id);"
       "CREATE TABLE provisioning_made ("
       "  holding_id TEXT NOT NULL, step_id TEXT NOT NULL, request_id TEXT NOT "
       "NULL,"
       "  undo TEXT NOT NULL, outputs TEXT NOT NULL, position BIGINT NOT NULL,"
       "  PRIMARY KEY (holding_id, step_id));"
       "CREATE TABLE provisioning_approval ("
       "  run_id TEXT NOT NULL, step_id TEXT NOT NULL, actor TEXT NOT NULL,"
       "  plan_hash TEXT NOT NULL, approved BIGINT NOT NULL, reason TEXT NOT "
       "NULL,"
       "  at BIGINT NOT NULL, PRIMARY KEY (run_id, step_id, actor));"
       "CREATE TABLE provisioning_signal ("
       "  run_id TEXT NOT NULL, step_id TEXT NOT NULL, delivery_id TEXT NOT "
       "NULL,"
       "  body TEXT NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (run_id, "
       "step_id, delivery_id));"
       "CREATE TABLE provisioning_decision ("
       "  id TEXT PRIMARY KEY, request_id TEXT NOT NULL, requester TEXT NOT "
       "NULL,"
       "  blueprint TEXT NOT NULL, kind TEXT NOT NULL, verdict TEXT NOT NULL,"
       "  detail TEXT NOT NULL, at BIGINT NOT NULL);"
       "CREATE TABLE provisioning_usage ("
       "  request_id TEXT NOT NULL, holding_id TEXT NOT NULL, quota TEXT NOT "
       "NULL,"
       "  usage_key TEXT NOT NULL, amount BIGINT NOT NULL,"
       "  PRIMARY KEY (request_id, quota, usage_key));"
       "CREATE INDEX provisioning_usage_key ON provisioning_usage (quota, "
       "usage_key, holding_id)"},
      {3, "keys of renewals, so that one that is repeated counts once",
       "CREATE TABLE provisioning_renewal ("
       "  holding_id TEXT NOT NULL, renewal_key TEXT NOT NULL, at BIGINT NOT NULL,"
       "  PRIMARY KEY (holding_id, renewal_key))"},
  };
  return steps;
}

constexpr char kColumns[] =
    "id, run_id, blueprint, blueprint_hash, request_key, input_hash, "
    "requester, owner, entity_ref, "
    "parameters, state, message, outputs, created_at, kind, holding_id, plan, "
    "plan_hash";

absl::StatusOr<RequestRow> ToRequestRow(const Row& row) {
  RequestRow request;
  request.id = row.Text(0);
  request.run_id = row.Text(1);
  request.blueprint = row.Text(2);
  request.blueprint_hash = row.Text(3);
  request.key = row.Text(4);
  request.input_hash = row.Text(5);
  request.requester = row.Text(6);
  request.owner = row.Text(7);
  request.entity_ref = row.Text(8);
  request.parameters = row.Text(9);
  PURSER_ASSIGN_OR_RETURN(request.state, ParseRequestState(row.Text(10)));
  request.message = row.Text(11);
  request.outputs = row.Text(12);
  request.created_at = row.Int(13);
  PURSER_ASSIGN_OR_RETURN(request.kind, ParseRequestKind(row.Text(14)));
  request.holding_id = row.Text(15);
  request.plan = row.Text(16);
  request.plan_hash = row.Text(17);
  return request;
}

absl::StatusOr<std::optional<RequestRow>> FindOne(Connection& connection,
                                                  absl::string_view condition,
                                                  const std::vector<Value>& parameters) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(
          absl::StrCat("SELECT ", kColumns, " FROM provisioning_request WHERE ", condition),
          parameters));
  if (rows.empty()) return std::nullopt;
  PURSER_ASSIGN_OR_RETURN(RequestRow row, ToRequestRow(rows[0]));
  return row;
}

std::string Text(absl::string_view text) { return std::string(text); }

}  // namespace

absl::Status MigrateRequests(store::Database& database) {
  return database.Migrate("provisioning", Migrations());
}

absl::Status InsertRequest(Connection& connection, const RequestRow& row) {
  return connection
      .Execute(absl::StrCat("INSERT INTO provisioning_request (", kColumns,
                            ") VALUES "
                            "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$"
                            "15,$16,$17,$18)"),
               {row.id, row.run_id, row.blueprint, row.blueprint_hash, row.key, row.input_hash,
                row.requester, row.owner, row.entity_ref, row.parameters, Text(ToString(row.state)),
                row.message, row.outputs, row.created_at, Text(ToString(row.kind)), row.holding_id,
                row.plan, row.plan_hash})
      .status();
}

absl::Status UpdateRequestState(Connection& connection, const RequestRow& row) {
  return connection
      .Execute(
          "UPDATE provisioning_request SET state = $1, message = $2, "
          "outputs = $3 "
          "WHERE id = $4",
          {Text(ToString(row.state)), row.message, row.outputs, row.id})
      .status();
}

absl::StatusOr<std::optional<RequestRow>> FindRequest(Connection& connection,
                                                      absl::string_view id) {
  return FindOne(connection, "id = $1", {Text(id)});
}

absl::StatusOr<std::optional<RequestRow>> FindRequestByKey(Connection& connection,
                                                           absl::string_view key) {
  return FindOne(connection, "request_key = $1", {Text(key)});
}

std::string AnyOf(absl::string_view column, const std::vector<std::string>& words,
                  std::vector<Value>* parameters) {
  std::vector<std::string> places;
  for (const std::string& word : words) {
    parameters->emplace_back(word);
    places.push_back(absl::StrCat("$", parameters->size()));
  }
  return absl::StrCat(column, " IN (", absl::StrJoin(places, ", "), ")");
}

absl::StatusOr<std::vector<RequestRow>> ListRequestRows(
    Connection& connection, const ListOptions& options,
    const std::vector<std::string>& blueprints) {
  std::vector<std::string> conditions;
  std::vector<Value> parameters;
  const auto add = [&](absl::string_view column, const std::string& value) {
    if (value.empty()) return;
    parameters.emplace_back(value);
    conditions.push_back(absl::StrCat(column, " = $", parameters.size()));
  };
  add("owner", options.owner);
  add("requester", options.requester);
  if (!blueprints.empty()) conditions.push_back(AnyOf("blueprint", blueprints, &parameters));
  add("entity_ref", options.entity_ref);
  add("holding_id", options.holding_id);
  add("request_key", options.key);
  if (options.kind.has_value()) add("kind", Text(ToString(*options.kind)));
  if (options.created_after != absl::InfinitePast()) {
    parameters.emplace_back(absl::ToUnixMicros(options.created_after));
    conditions.push_back(absl::StrCat("created_at >= $", parameters.size()));
  }
  if (options.created_before != absl::InfiniteFuture()) {
    parameters.emplace_back(absl::ToUnixMicros(options.created_before));
    conditions.push_back(absl::StrCat("created_at < $", parameters.size()));
  }
  if (!options.states.empty()) {
    std::vector<std::string> states;
    for (const RequestState state : options.states) states.push_back(Text(ToString(state)));
    conditions.push_back(AnyOf("state", states, &parameters));
  }
  if (!options.page_token.empty()) {
    parameters.emplace_back(options.page_token);
    conditions.push_back(absl::StrCat("id < $", parameters.size()));
  }
  parameters.emplace_back(int64_t{options.page_size} + 1);
  std::vector<RequestRow> rows;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      absl::StrCat("SELECT ", kColumns, " FROM provisioning_request",
                   conditions.empty() ? "" : " WHERE ", absl::StrJoin(conditions, " AND "),
                   " ORDER BY id DESC LIMIT $", parameters.size()),
      parameters, [&](const Row& row) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(RequestRow request, ToRequestRow(row));
        rows.push_back(std::move(request));
        return absl::OkStatus();
      }));
  return rows;
}

absl::StatusOr<std::optional<RequestRow>> FindUnfinished(Connection& connection,
                                                         absl::string_view entity_ref) {
  return FindOne(connection,
                 "entity_ref = $1 AND state NOT IN ('succeeded', 'failed', 'cancelled') "
                 "ORDER BY id DESC LIMIT 1",
                 {Text(entity_ref)});
}

absl::StatusOr<std::optional<RequestRow>> FindLastSucceeded(Connection& connection,
                                                            absl::string_view entity_ref,
                                                            absl::string_view except_id) {
  return FindOne(connection,
                 "entity_ref = $1 AND state = 'succeeded' AND id <> $2 ORDER "
                 "BY id DESC LIMIT 1",
                 {Text(entity_ref), Text(except_id)});
}

absl::Status RecordResource(Connection& connection, absl::string_view request_id,
                            const RecordedResource& resource) {
  return connection
      .Execute(
          "INSERT INTO provisioning_resource (request_id, step_id, "
          "resource_id) "
          "VALUES ($1,$2,$3) ON CONFLICT (request_id, step_id, "
          "resource_id) DO NOTHING",
          {Text(request_id), resource.step_id, resource.resource_id})
      .status();
}

absl::Status ForgetResource(Connection& connection, absl::string_view request_id,
                            const RecordedResource& resource) {
  return connection
      .Execute(
          "DELETE FROM provisioning_resource WHERE request_id = $1 AND "
          "step_id = $2 "
          "AND resource_id = $3",
          {Text(request_id), resource.step_id, resource.resource_id})
      .status();
}

absl::StatusOr<std::vector<RecordedResource>> RecordedResources(Connection& connection,
                                                                absl::string_view request_id) {
  std::vector<RecordedResource> resources;
  PURSER_RETURN_IF_ERROR(
      connection.ForEach("SELECT step_id, resource_id FROM provisioning_resource WHERE request_id "
                         "= $1 "
                         "ORDER BY step_id, resource_id",
                         {Text(request_id)}, [&](const Row& row) {
                           resources.push_back({row.Text(0), row.Text(1), Text(request_id)});
                           return absl::OkStatus();
                         }));
  return resources;
}

absl::StatusOr<std::vector<RecordedResource>> ResourcesOfHolding(Connection& connection,
                                                                 absl::string_view holding_id) {
  std::vector<RecordedResource> resources;
  PURSER_RETURN_IF_ERROR(
      connection.ForEach("SELECT r.step_id, r.resource_id, r.request_id FROM "
                         "provisioning_resource r "
                         "JOIN provisioning_request q ON q.id = r.request_id WHERE q.holding_id = "
                         "$1 "
                         "ORDER BY r.request_id, r.step_id, r.resource_id",
                         {Text(holding_id)}, [&](const Row& row) {
                           resources.push_back({row.Text(0), row.Text(1), row.Text(2)});
                           return absl::OkStatus();
                         }));
  return resources;
}

absl::StatusOr<std::optional<RequestRow>> FindUnfinishedOfHolding(Connection& connection,
                                                                  absl::string_view holding_id) {
  return FindOne(connection,
                 "holding_id = $1 AND state NOT IN ('succeeded', 'failed', 'cancelled') "
                 "ORDER BY id DESC LIMIT 1",
                 {Text(holding_id)});
}

absl::Status InsertApproval(Connection& connection, const ApprovalRow& row) {
  return connection
      .Execute(
          "INSERT INTO provisioning_approval "
          "(run_id, step_id, actor, plan_hash, approved, reason, at) "
          "VALUES ($1,$2,$3,$4,$5,$6,$7)",
          {row.run_id, row.step_id, row.actor, row.plan_hash, int64_t{row.approved}, row.reason,
           row.at})
      .status();
}

absl::StatusOr<std::vector<ApprovalRow>> Approvals(Connection& connection,
                                                   absl::string_view run_id) {
  std::vector<ApprovalRow> rows;
  PURSER_RETURN_IF_ERROR(
      connection.ForEach("SELECT run_id, step_id, actor, plan_hash, approved, reason, at FROM "
                         "provisioning_approval "
                         "WHERE run_id = $1 ORDER BY at, actor",
                         {Text(run_id)}, [&](const Row& row) {
                           rows.push_back({row.Text(0), row.Text(1), row.Text(2), row.Text(3),
                                           row.Int(4) != 0, row.Text(5), row.Int(6)});
                           return absl::OkStatus();
                         }));
  return rows;
}

absl::Status ForgetStepApprovals(Connection& connection, absl::string_view run_id) {
  return connection
      .Execute("DELETE FROM provisioning_approval WHERE run_id = $1 AND step_id <> ''",
               {Text(run_id)})
      .status();
}

absl::StatusOr<bool> InsertSignal(Connection& connection, const SignalRow& row) {
  PURSER_ASSIGN_OR_RETURN(
      const int64_t inserted,
      connection.Execute("INSERT INTO provisioning_signal (run_id, step_id, delivery_id, "
                         "body, at) "
                         "VALUES ($1,$2,$3,$4,$5) "
                         "ON CONFLICT (run_id, step_id, delivery_id) DO NOTHING",
                         {row.run_id, row.step_id, row.delivery_id, row.body, row.at}));
  return inserted == 1;
}

absl::StatusOr<int64_t> CountSignals(Connection& connection, absl::string_view run_id,
                                     absl::string_view step_id) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(
          "SELECT COUNT(*) FROM provisioning_signal WHERE run_id = $1 AND step_id = $2",
          {Text(run_id), Text(step_id)}));
  return rows[0].Int(0);
}

absl::StatusOr<std::optional<SignalRow>> FirstSignal(Connection& connection,
                                                     absl::string_view run_id,
                                                     absl::string_view step_id) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT run_id, step_id, delivery_id, body, at FROM "
                       "provisioning_signal "
                       "WHERE run_id = $1 AND step_id = $2 ORDER BY at, delivery_id LIMIT 1",
                       {Text(run_id), Text(step_id)}));
  if (rows.empty()) return std::nullopt;
  return SignalRow{rows[0].Text(0), rows[0].Text(1), rows[0].Text(2), rows[0].Text(3),
                   rows[0].Int(4)};
}

absl::Status InsertDecision(Connection& connection, const DecisionRow& row) {
  // Ids of requests and these sort by time.
  return connection
      .Execute(
          "INSERT INTO provisioning_decision "
          "(id, request_id, requester, blueprint, kind, verdict, detail, at) "
          "VALUES ($1,$2,$3,$4,$5,$6,$7,$8)",
          {row.id, row.request_id, row.requester, row.blueprint, row.kind, row.verdict, row.detail,
           row.at})
      .status();
}

absl::StatusOr<std::vector<DecisionRow>> ListDecisions(Connection& connection, int limit) {
  std::vector<DecisionRow> rows;
  PURSER_RETURN_IF_ERROR(
      connection.ForEach("SELECT id, request_id, requester, blueprint, kind, verdict, detail, at "
                         "FROM provisioning_decision ORDER BY id DESC LIMIT $1",
                         {int64_t{limit}}, [&](const Row& row) {
                           rows.push_back({row.Text(0), row.Text(1), row.Text(2), row.Text(3),
                                           row.Text(4), row.Text(5), row.Text(6), row.Int(7)});
                           return absl::OkStatus();
                         }));
  return rows;
}

absl::Status InsertUsage(Connection& connection, const RequestRow& request,
                         const std::vector<UsageRow>& rows) {
  for (const UsageRow& row : rows) {
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("INSERT INTO provisioning_usage "
                     "(request_id, holding_id, quota, usage_key, amount) "
                     "VALUES ($1,$2,$3,$4,$5) "
                     "ON CONFLICT (request_id, quota, usage_key) DO NOTHING",
                     {request.id, request.holding_id, row.quota, row.key, row.amount})
            .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<int64_t> UsageOfOthers(Connection& connection, absl::string_view quota,
                                      absl::string_view key, absl::string_view holding_id) {
  PURSER_ASSIGN_OR_RETURN(const Rows rows,
                          connection.Query("SELECT CAST(COALESCE(SUM(most), 0) AS BIGINT) FROM "
                                           "(SELECT MAX(amount) AS most "
                                           "FROM provisioning_usage "
                                           "WHERE quota = $1 AND usage_key = $2 AND holding_id <> "
                                           "$3 GROUP BY holding_id) AS used",
                                           {Text(quota), Text(key), Text(holding_id)}));
  return rows[0].Int(0);
}

absl::Status SettleUsage(Connection& connection, const RequestRow& request, bool kept, bool gone) {
  if (gone) {
    return connection
        .Execute("DELETE FROM provisioning_usage WHERE holding_id = $1", {request.holding_id})
        .status();
  }
  return connection
      .Execute(kept ? "DELETE FROM provisioning_usage WHERE holding_id = $1 "
                      "AND request_id <> $2"
                    : "DELETE FROM provisioning_usage WHERE holding_id = $1 "
                      "AND request_id = $2",
               {request.holding_id, request.id})
      .status();
}

}  // namespace purser::provisioning

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
       "  blueprint_hash TEXT NOT NULL, request_key TEXT NOT NULL, input_hash TEXT NOT NULL,"
       "  requester TEXT NOT NULL, owner TEXT NOT NULL, entity_ref TEXT NOT NULL,"
       "  parameters TEXT NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL,"
       "  outputs TEXT NOT NULL, created_at BIGINT NOT NULL);"
       "CREATE UNIQUE INDEX provisioning_request_key ON provisioning_request (request_key);"
       "CREATE INDEX provisioning_request_owner ON provisioning_request (owner, id);"
       "CREATE INDEX provisioning_request_requester ON provisioning_request (requester, id);"
       "CREATE INDEX provisioning_request_entity ON provisioning_request (entity_ref, id);"
       "CREATE INDEX provisioning_request_state ON provisioning_request (state, id);"
       "CREATE TABLE provisioning_resource ("
       "  request_id TEXT NOT NULL, step_id TEXT NOT NULL, resource_id TEXT NOT NULL,"
       "  PRIMARY KEY (request_id, step_id, resource_id))"},
  };
  return steps;
}

constexpr char kColumns[] =
    "id, run_id, blueprint, blueprint_hash, request_key, input_hash, requester, owner, entity_ref, "
    "parameters, state, message, outputs, created_at";

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
                            ") VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14)"),
               {row.id, row.run_id, row.blueprint, row.blueprint_hash, row.key, row.input_hash,
                row.requester, row.owner, row.entity_ref, row.parameters, Text(ToString(row.state)),
                row.message, row.outputs, row.created_at})
      .status();
}

absl::Status UpdateRequestState(Connection& connection, const RequestRow& row) {
  return connection
      .Execute(
          "UPDATE provisioning_request SET state = $1, message = $2, outputs = $3 "
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

absl::StatusOr<std::vector<RequestRow>> ListRequestRows(Connection& connection,
                                                        const ListOptions& options) {
  std::vector<std::string> conditions;
  std::vector<Value> parameters;
  const auto add = [&](absl::string_view column, const std::string& value) {
    if (value.empty()) return;
    parameters.emplace_back(value);
    conditions.push_back(absl::StrCat(column, " = $", parameters.size()));
  };
  add("owner", options.owner);
  add("requester", options.requester);
  add("blueprint", options.blueprint);
  add("entity_ref", options.entity_ref);
  if (!options.states.empty()) {
    std::vector<std::string> places;
    for (const RequestState state : options.states) {
      parameters.emplace_back(Text(ToString(state)));
      places.push_back(absl::StrCat("$", parameters.size()));
    }
    conditions.push_back(absl::StrCat("state IN (", absl::StrJoin(places, ", "), ")"));
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
                 "entity_ref = $1 AND state = 'succeeded' AND id <> $2 ORDER BY id DESC LIMIT 1",
                 {Text(entity_ref), Text(except_id)});
}

absl::Status RecordResource(Connection& connection, absl::string_view request_id,
                            const RecordedResource& resource) {
  return connection
      .Execute(
          "INSERT INTO provisioning_resource (request_id, step_id, resource_id) "
          "VALUES ($1,$2,$3) ON CONFLICT (request_id, step_id, resource_id) DO NOTHING",
          {Text(request_id), resource.step_id, resource.resource_id})
      .status();
}

absl::Status ForgetResource(Connection& connection, absl::string_view request_id,
                            const RecordedResource& resource) {
  return connection
      .Execute(
          "DELETE FROM provisioning_resource WHERE request_id = $1 AND step_id = $2 "
          "AND resource_id = $3",
          {Text(request_id), resource.step_id, resource.resource_id})
      .status();
}

absl::StatusOr<std::vector<RecordedResource>> RecordedResources(Connection& connection,
                                                                absl::string_view request_id) {
  std::vector<RecordedResource> resources;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT step_id, resource_id FROM provisioning_resource WHERE request_id = $1 "
      "ORDER BY step_id, resource_id",
      {Text(request_id)}, [&](const Row& row) {
        resources.push_back({row.Text(0), row.Text(1)});
        return absl::OkStatus();
      }));
  return resources;
}

}  // namespace purser::provisioning

#include "inventory/derived_entities.h"

#include <cstdint>

#include "base/status.h"
#include "catalog/entity.h"
#include "inventory/derived.h"

namespace purser::inventory {

using nlohmann::json;
using store::Connection;
using store::Row;
using store::Rows;

absl::Status DerivedEntities::ShowResource(Connection& connection,
                                           const std::optional<json>& entity,
                                           const Resource& resource) {
  if (!entity.has_value() || resource.state == kDeletedState || StandsFor(*entity, resource)) {
    return HideResource(connection, resource.id);
  }
  PURSER_ASSIGN_OR_RETURN(
      const Rows known,
      connection.Query("SELECT ref FROM inventory_shown WHERE resource = $1", {resource.id}));
  PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> depends_on,
                          DependenciesOf(connection, resource));
  const std::string before = known.empty() ? "" : known[0].Text(0);
  json made = ResourceEntity(*entity, resource, /*distinct=*/false, depends_on);
  std::string ref = catalog::RefOf(made).ToString();
  if (ref != before) {
    // Who had to take a distinct name keeps it, whether the plain one is free by now or not.
    json distinct = ResourceEntity(*entity, resource, /*distinct=*/true, depends_on);
    const std::string distinct_ref = catalog::RefOf(distinct).ToString();
    PURSER_ASSIGN_OR_RETURN(const bool taken, IsTaken(connection, ref, resource.id));
    if (taken || before == distinct_ref) {
      ref = distinct_ref;
      made = std::move(distinct);
    }
    if (!before.empty() && before != ref) {
      PURSER_RETURN_IF_ERROR(HideResource(connection, resource.id));
    }
  }
  PURSER_RETURN_IF_ERROR(
      connection
          .Execute("INSERT INTO inventory_shown (ref, resource, parent, step) "
                   "VALUES ($1,$2,$3,$4) ON CONFLICT (ref) DO UPDATE SET "
                   "resource = excluded.resource, parent = excluded.parent, step = excluded.step",
                   {ref, resource.id, resource.entity_ref, resource.step_id})
          .status());
  return Put(connection, ref, made);
}

absl::Status DerivedEntities::HideResource(Connection& connection, const std::string& resource_id) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows known,
      connection.Query("SELECT ref FROM inventory_shown WHERE resource = $1", {resource_id}));
  for (const Row& row : known) {
    PURSER_RETURN_IF_ERROR(
        connection.Execute("DELETE FROM inventory_shown WHERE ref = $1", {row.Text(0)}).status());
    PURSER_RETURN_IF_ERROR(shown_.Remove(connection, row.Text(0)));
  }
  return absl::OkStatus();
}

absl::Status DerivedEntities::HideResourcesOf(Connection& connection, const std::string& parent) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows children,
      connection.Query("SELECT resource FROM inventory_shown WHERE parent = $1", {parent}));
  for (const Row& row : children) {
    PURSER_RETURN_IF_ERROR(HideResource(connection, row.Text(0)));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> DerivedEntities::MakeRoom(Connection& connection,
                                                                   const std::string& ref) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT resource FROM inventory_shown WHERE ref = $1", {ref}));
  std::vector<std::string> resources;
  for (const Row& row : rows) {
    resources.push_back(row.Text(0));
    PURSER_RETURN_IF_ERROR(HideResource(connection, row.Text(0)));
  }
  return resources;
}

absl::Status DerivedEntities::Enter(Connection& connection, const std::string& ref,
                                    const std::string& environment, const std::string& owner) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT environment FROM inventory_environment WHERE ref = $1", {ref}));
  const std::string before = rows.empty() ? "" : rows[0].Text(0);
  const std::string after = IsForeignEnvironment(environment) ? "" : environment;
  if (before == after) return absl::OkStatus();
  if (!before.empty()) {
    PURSER_RETURN_IF_ERROR(
        connection.Execute("DELETE FROM inventory_environment WHERE ref = $1", {ref}).status());
    PURSER_ASSIGN_OR_RETURN(const bool used, IsUsed(connection, before));
    if (!used) PURSER_RETURN_IF_ERROR(shown_.Remove(connection, EnvironmentRef(before)));
  }
  if (after.empty()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const bool used, IsUsed(connection, after));
  PURSER_RETURN_IF_ERROR(
      connection
          .Execute("INSERT INTO inventory_environment (ref, environment) VALUES ($1,$2)",
                   {ref, after})
          .status());
  if (used) return absl::OkStatus();
  return Put(connection, EnvironmentRef(after), EnvironmentEntity(after, owner));
}

// What cannot be shown is not: a resource lives whether or not the catalog can describe it.
absl::Status DerivedEntities::Put(Connection& connection, const std::string& ref,
                                  const json& entity) {
  const absl::Status written = shown_.Put(connection, entity);
  return absl::IsInvalidArgument(written) ? shown_.Remove(connection, ref) : written;
}

absl::StatusOr<std::vector<std::string>> DerivedEntities::DependenciesOf(Connection& connection,
                                                                         const Resource& resource) {
  std::vector<std::string> depends_on;
  for (const std::string& step : resource.needs) {
    PURSER_ASSIGN_OR_RETURN(
        const Rows refs,
        connection.Query("SELECT ref FROM inventory_shown WHERE parent = $1 AND "
                         "step = $2 ORDER BY ref LIMIT $3",
                         {resource.entity_ref, step, static_cast<int64_t>(kMaxDependsOn)}));
    for (const Row& row : refs) depends_on.push_back(row.Text(0));
  }
  return depends_on;
}

absl::StatusOr<bool> DerivedEntities::IsTaken(Connection& connection, const std::string& ref,
                                              const std::string& resource_id) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows ours,
      connection.Query("SELECT resource FROM inventory_shown WHERE ref = $1", {ref}));
  if (!ours.empty()) return ours[0].Text(0) != resource_id;
  PURSER_ASSIGN_OR_RETURN(const std::optional<json> other, shown_.Find(connection, ref));
  return other.has_value();
}

absl::StatusOr<bool> DerivedEntities::IsUsed(Connection& connection,
                                             const std::string& environment) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT ref FROM inventory_environment WHERE environment = $1 LIMIT 1",
                       {environment}));
  return !rows.empty();
}

}  // namespace purser::inventory

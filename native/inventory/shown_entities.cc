#include "inventory/shown_entities.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "inventory/derived.h"

namespace purser::inventory {
namespace {

using nlohmann::json;
using store::Connection;
using store::Row;
using store::Rows;

}  // namespace

absl::Status ShownEntities::Check(const json& entity) {
  const std::vector<catalog::Problem> problems = catalog::Validate(entity);
  if (problems.empty()) return absl::OkStatus();
  std::string text = "entity is not valid:";
  for (const catalog::Problem& problem : problems) {
    absl::StrAppend(&text, " ", problem.pointer.empty() ? "it" : problem.pointer, " ",
                    problem.message, ";");
  }
  text.pop_back();
  return absl::InvalidArgumentError(text);
}

absl::Status ShownEntities::Put(Connection& connection, const json& entity) {
  PURSER_RETURN_IF_ERROR(Check(entity));
  return Write(connection, catalog::RefOf(entity).ToString(), entity);
}

absl::Status ShownEntities::Remove(Connection& connection, const std::string& ref) {
  PURSER_RETURN_IF_ERROR(
      connection.Execute("DELETE FROM inventory_own WHERE ref = $1", {ref}).status());
  PURSER_ASSIGN_OR_RETURN(const std::string known, KnownHash(connection, ref));
  if (known.empty()) return absl::OkStatus();
  provider::LogWrite write;
  write.ref = ref;
  return log_.Append(connection, source_, "", {write});
}

absl::Status ShownEntities::PutOverlay(Connection& connection, const std::string& ref,
                                       absl::string_view source, const json& overlay) {
  if (!overlay.is_object()) {
    return absl::InvalidArgumentError(absl::StrCat("overlay of ", ref, ": must be an object"));
  }
  if (overlay.empty()) {
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("DELETE FROM inventory_overlay WHERE ref = $1 AND source = $2",
                     {ref, std::string(source)})
            .status());
  } else {
    PURSER_RETURN_IF_ERROR(
        connection
            .Execute("INSERT INTO inventory_overlay (ref, source, overlay) VALUES ($1,$2,$3) "
                     "ON CONFLICT (ref, source) DO UPDATE SET overlay = excluded.overlay",
                     {ref, std::string(source), catalog::Canonical(overlay)})
            .status());
  }
  PURSER_ASSIGN_OR_RETURN(const std::optional<json> own, Find(connection, ref));
  return own.has_value() ? Write(connection, ref, *own) : absl::OkStatus();
}

absl::StatusOr<std::optional<json>> ShownEntities::Find(Connection& connection,
                                                        const std::string& ref) {
  PURSER_ASSIGN_OR_RETURN(const Rows rows,
                          connection.Query("SELECT own FROM inventory_own WHERE ref = $1", {ref}));
  std::optional<json> own;
  if (!rows.empty()) own = json::parse(rows[0].Text(0), nullptr, /*allow_exceptions=*/false);
  return own;
}

absl::Status ShownEntities::Write(Connection& connection, const std::string& ref, const json& own) {
  json merged = own;
  AddEnvironment(&merged);
  PURSER_ASSIGN_OR_RETURN(
      const Rows overlays,
      connection.Query("SELECT overlay FROM inventory_overlay WHERE ref = $1 ORDER BY source",
                       {ref}));
  for (const Row& row : overlays) {
    const json overlay = json::parse(row.Text(0), nullptr, /*allow_exceptions=*/false);
    if (overlay.contains("annotations")) {
      merged["metadata"]["annotations"].update(overlay["annotations"]);
    }
    if (overlay.contains("links")) {
      json& links = merged["metadata"]["links"];
      for (const json& link : overlay["links"]) links.push_back(link);
    }
  }
  PURSER_RETURN_IF_ERROR(Check(merged));
  provider::LogWrite write;
  write.ref = ref;
  write.body = catalog::Canonical(merged);
  write.hash = catalog::ContentHash(*write.body);
  PURSER_RETURN_IF_ERROR(
      connection
          .Execute("INSERT INTO inventory_own (ref, own) VALUES ($1,$2) ON CONFLICT (ref) DO "
                   "UPDATE SET own = excluded.own",
                   {ref, catalog::Canonical(own)})
          .status());
  PURSER_ASSIGN_OR_RETURN(const std::string known, KnownHash(connection, ref));
  if (known == write.hash) return absl::OkStatus();
  // What Purser itself made is shown whoever else tells of it.
  write.yields = false;
  return log_.Append(connection, source_, "", {write});
}

// Of what followers see; "" when they see nothing.
absl::StatusOr<std::string> ShownEntities::KnownHash(Connection& connection,
                                                     const std::string& ref) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows known,
      connection.Query("SELECT hash FROM catalog_entity WHERE source = $1 AND ref = $2 AND body "
                       "<> ''",
                       {source_, ref}));
  return known.empty() ? std::string() : known[0].Text(0);
}

}  // namespace purser::inventory

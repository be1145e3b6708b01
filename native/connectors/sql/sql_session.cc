#include "connectors/sql/sql_session.h"

#include <algorithm>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/hash.h"
#include "base/status.h"

namespace purser::connectors {
namespace {

using store::QuoteIdentifier;
using store::QuoteLiteral;

// In a comment; of CockroachDB's roles, which have none, in a setting of theirs that nobody reads.
constexpr char kMark[] = "purser-effect: ";
constexpr char kMarkSetting[] = "purser.effect";
constexpr char kConcurrentUpdate[] = "XX000";
// Of the name that a database has until it bears its mark; 63 bytes is the longest there may be.
constexpr char kHiddenPrefix[] = "purser_";
constexpr size_t kHiddenDigits = 32;

// Of rights: two sessions that grant on one object at the same moment.
bool IsRace(const absl::Status& status) {
  return absl::IsAborted(status) || (store::SqlStateOf(status) == kConcurrentUpdate &&
                                     absl::StrContains(status.message(), "concurrently"));
}

bool IsFine(const absl::Status& status, std::initializer_list<absl::string_view> fine) {
  const std::string state = store::SqlStateOf(status);
  return std::find(fine.begin(), fine.end(), state) != fine.end();
}

std::string MarkIn(absl::string_view comment) {
  return absl::ConsumePrefix(&comment, kMark) ? std::string(comment) : std::string();
}

}  // namespace

absl::StatusOr<SqlSession::Rows> SqlSession::Run(const std::string& sql,
                                                 std::initializer_list<absl::string_view> fine) {
  absl::StatusOr<Rows> rows = Rows{};
  for (int attempt = 0; attempt < kMaxSqlAttempts; ++attempt) {
    rows = admin->Run(sql);
    if (rows.ok() || !IsRace(rows.status())) break;
  }
  if (rows.ok()) return rows;
  if (IsFine(rows.status(), fine)) return Rows{};
  return base::Annotate(rows.status(), where);
}

absl::Status SqlSession::RunTogether(const std::vector<std::string>& statements,
                                     std::initializer_list<absl::string_view> fine) {
  const std::string all = absl::StrCat("BEGIN; ", absl::StrJoin(statements, "; "), "; COMMIT");
  absl::Status status;
  for (int attempt = 0; attempt < kMaxSqlAttempts; ++attempt) {
    status = admin->Run(all).status();
    if (status.ok()) return status;
    // What failed has begun a transaction; without one this says so and does no harm.
    admin->Run("ROLLBACK").status().IgnoreError();
    if (!IsRace(status)) break;
  }
  if (IsFine(status, fine)) return absl::OkStatus();
  return base::Annotate(status, where);
}

absl::StatusOr<std::optional<std::string>> SqlSession::Value(const std::string& sql) {
  PURSER_ASSIGN_OR_RETURN(Rows rows, Run(sql));
  if (rows.empty() || rows[0].empty()) return std::optional<std::string>();
  return rows[0][0].value_or("");
}

absl::StatusOr<bool> SqlSession::DatabaseExists(const std::string& name) {
  PURSER_ASSIGN_OR_RETURN(
      const std::optional<std::string> one,
      Value(absl::StrCat("SELECT 1 FROM pg_database WHERE datname = ", QuoteLiteral(name))));
  return one.has_value();
}

absl::StatusOr<bool> SqlSession::RoleExists(const std::string& name) {
  PURSER_ASSIGN_OR_RETURN(
      const std::optional<std::string> one,
      Value(absl::StrCat("SELECT 1 FROM pg_roles WHERE rolname = ", QuoteLiteral(name))));
  return one.has_value();
}

absl::StatusOr<std::string> SqlSession::MarkOfDatabase(const std::string& name) {
  PURSER_ASSIGN_OR_RETURN(
      const std::optional<std::string> comment,
      Value(absl::StrCat("SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE "
                         "datname = ",
                         QuoteLiteral(name))));
  return MarkIn(comment.value_or(""));
}

absl::StatusOr<std::string> SqlSession::MarkOfRole(const std::string& name) {
  if (!is_cockroach()) {
    // pg_authid itself is for superusers only.
    PURSER_ASSIGN_OR_RETURN(
        const std::optional<std::string> comment,
        Value(absl::StrCat("SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE "
                           "rolname = ",
                           QuoteLiteral(name))));
    return MarkIn(comment.value_or(""));
  }
  PURSER_ASSIGN_OR_RETURN(
      const std::optional<std::string> settings,
      Value(absl::StrCat("SELECT array_to_string(s.setconfig, chr(10)) FROM pg_db_role_setting s "
                         "JOIN pg_roles r ON r.oid = s.setrole WHERE s.setdatabase = 0 AND "
                         "r.rolname = ",
                         QuoteLiteral(name))));
  for (absl::string_view setting : absl::StrSplit(settings.value_or(""), '\n')) {
    if (!absl::ConsumePrefix(&setting, absl::StrCat(kMarkSetting, "="))) continue;
    if (absl::ConsumePrefix(&setting, "'")) absl::ConsumeSuffix(&setting, "'");
    return MarkIn(setting);
  }
  return std::string();
}

absl::Status SqlSession::CreateDatabase(const std::string& name, const std::string& options,
                                        const std::string& key) {
  const std::string hidden =
      absl::StrCat(kHiddenPrefix, base::Sha256Hex(key).substr(0, kHiddenDigits));
  const std::string quoted = QuoteIdentifier(hidden);
  PURSER_ASSIGN_OR_RETURN(const bool begun, DatabaseExists(hidden));
  if (!begun) {
    PURSER_RETURN_IF_ERROR(Run(absl::StrCat("CREATE DATABASE ", quoted, options),
                               {kDuplicateDatabase, kUniqueViolation})
                               .status());
  }
  // Another call under the same key may have renamed it meanwhile.
  PURSER_RETURN_IF_ERROR(Run(absl::StrCat("COMMENT ON DATABASE ", quoted, " IS ",
                                          QuoteLiteral(absl::StrCat(kMark, key))),
                             {kNoSuchDatabase})
                             .status());
  PURSER_RETURN_IF_ERROR(
      Run(absl::StrCat("ALTER DATABASE ", quoted, " RENAME TO ", QuoteIdentifier(name)),
          {kDuplicateDatabase, kUniqueViolation, kNoSuchDatabase})
          .status());
  PURSER_ASSIGN_OR_RETURN(const bool left, DatabaseExists(hidden));
  if (!left) return absl::OkStatus();
  // Somebody else was first with the name.
  return Run(absl::StrCat("DROP DATABASE ", quoted), {kNoSuchDatabase}).status();
}

absl::Status SqlSession::CreateRole(const std::string& name, const std::string& key) {
  const std::string quoted = QuoteIdentifier(name);
  const std::string mark = QuoteLiteral(absl::StrCat(kMark, key));
  return RunTogether(
      {absl::StrCat("CREATE ROLE ", quoted),
       is_cockroach() ? absl::StrCat("ALTER ROLE ", quoted, " SET ", kMarkSetting, " = ", mark)
                      : absl::StrCat("COMMENT ON ROLE ", quoted, " IS ", mark)},
      {kDuplicateObject, kUniqueViolation});
}

nlohmann::json SqlSession::Outputs() const {
  return {{"server", server_name}, {"host", server->host}, {"port", server->port}};
}

}  // namespace purser::connectors

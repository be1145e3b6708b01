#include "store/postgres_admin.h"

#include <algorithm>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/libpq.h"
#include "store/postgres_status.h"

namespace purser::store {
namespace {

constexpr char kSqlStateUrl[] = "purser.dev/sqlstate";

}  // namespace

std::string SqlStateOf(const absl::Status& status) {
  const auto state = status.GetPayload(kSqlStateUrl);
  return state.has_value() ? std::string(*state) : "";
}

std::string QuoteIdentifier(absl::string_view name) {
  return absl::StrCat("\"", absl::StrReplaceAll(name, {{"\"", "\"\""}}), "\"");
}

std::string QuoteLiteral(absl::string_view text) {
  // E'' reads backslashes in the same way whatever the server's settings are.
  return absl::StrCat("E'", absl::StrReplaceAll(text, {{"'", "''"}, {"\\", "\\\\"}}), "'");
}

absl::StatusOr<std::unique_ptr<PostgresAdmin>> PostgresAdmin::Open(const AdminOptions& options) {
  PURSER_ASSIGN_OR_RETURN(const Libpq* pq, Libpq::Load());
  const std::string timeout =
      absl::StrCat(std::max<int64_t>(2, absl::ToInt64Seconds(options.connect_timeout)));
  std::vector<const char*> keys = {"connect_timeout", "application_name", "dbname"};
  std::vector<const char*> values = {timeout.c_str(), "purserd", options.url.c_str()};
  // Behind the URL: what is said last holds.
  if (!options.password.empty()) {
    keys.push_back("password");
    values.push_back(options.password.c_str());
  }
  if (!options.database.empty()) {
    keys.push_back("dbname");
    values.push_back(options.database.c_str());
  }
  keys.push_back(nullptr);
  values.push_back(nullptr);
  // Only the first dbname is read as a URL.
  pg_conn* const handle = pq->PQconnectdbParams(keys.data(), values.data(), /*expand_dbname=*/1);
  auto admin = std::unique_ptr<PostgresAdmin>(new PostgresAdmin(*pq, handle));
  if (handle == nullptr || pq->PQstatus(handle) != CONNECTION_OK) {
    const std::string why =
        handle == nullptr
            ? "out of memory"
            : base::EscapeForDisplay(absl::StripAsciiWhitespace(pq->PQerrorMessage(handle)), 400);
    const std::string message = absl::StrCat("cannot connect: ", why);
    const bool refused = absl::StrContains(why, "authentication failed") ||
                         absl::StrContains(why, "no password supplied");
    return refused ? absl::UnauthenticatedError(message) : absl::UnavailableError(message);
  }
  pq->PQsetNoticeProcessor(handle, [](void*, const char*) {}, nullptr);
  PURSER_RETURN_IF_ERROR(
      admin
          ->Run(absl::StrCat("SET statement_timeout = ",
                             absl::ToInt64Milliseconds(options.statement_timeout)))
          .status());
  PURSER_ASSIGN_OR_RETURN(const Rows version, admin->Run("SELECT version()"));
  admin->is_cockroach_ = !version.empty() && !version[0].empty() &&
                         absl::StrContains(version[0][0].value_or(""), "CockroachDB");
  return admin;
}

PostgresAdmin::~PostgresAdmin() {
  if (handle_ != nullptr) pq_.PQfinish(handle_);
}

absl::StatusOr<PostgresAdmin::Rows> PostgresAdmin::Run(const std::string& sql) {
  PGresult* const result = pq_.PQexec(handle_, sql.c_str());
  const absl::Cleanup clear = [&] { pq_.PQclear(result); };
  const ExecStatusType kind = pq_.PQresultStatus(result);
  if (kind != PGRES_COMMAND_OK && kind != PGRES_TUPLES_OK) {
    const char* const state =
        result == nullptr ? nullptr : pq_.PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char* const text =
        result == nullptr ? nullptr : pq_.PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (state == nullptr) {
      // The connection went: whether the statement was done is not known.
      absl::Status lost = absl::UnavailableError(absl::StrCat(
          "the connection was lost: ",
          base::EscapeForDisplay(absl::StripAsciiWhitespace(pq_.PQerrorMessage(handle_)), 400)));
      base::SetOutcomeUnknown(lost);
      return lost;
    }
    absl::Status status = PostgresStatus(
        state, absl::StrCat(base::EscapeForDisplay(text == nullptr ? "" : text, 1000),
                            " (SQLSTATE ", state, ")"));
    status.SetPayload(kSqlStateUrl, absl::Cord(state));
    return status;
  }
  Rows rows;
  const int count = kind == PGRES_TUPLES_OK ? pq_.PQntuples(result) : 0;
  for (int row = 0; row < count; ++row) {
    std::vector<std::optional<std::string>> values;
    for (int field = 0; field < pq_.PQnfields(result); ++field) {
      if (pq_.PQgetisnull(result, row, field) != 0) {
        values.emplace_back();
      } else {
        values.emplace_back(std::string(pq_.PQgetvalue(result, row, field),
                                        static_cast<size_t>(pq_.PQgetlength(result, row, field))));
      }
    }
    rows.push_back(std::move(values));
  }
  return rows;
}

absl::StatusOr<std::string> PostgresAdmin::EncryptPassword(const std::string& role,
                                                           const std::string& password) {
  char* const text =
      pq_.PQencryptPasswordConn(handle_, password.c_str(), role.c_str(), "scram-sha-256");
  if (text == nullptr) return absl::InternalError("the password could not be encrypted");
  std::string verifier(text);
  pq_.PQfreemem(text);
  return verifier;
}

}  // namespace purser::store

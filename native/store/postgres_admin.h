// A plain connection to a PostgreSQL (or CockroachDB) server for its administration: databases,
// roles and rights of others, statement by statement. The store's own connections are
// PostgresConnection.
#ifndef PURSER_STORE_POSTGRES_ADMIN_H_
#define PURSER_STORE_POSTGRES_ADMIN_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct pg_conn;

namespace purser::store {

struct Libpq;

struct AdminOptions {
  std::string url;       // postgresql://user@host:port/database
  std::string password;  // "" = as the URL or the environment says
  std::string database;  // another one than the URL's; "" = the URL's
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration statement_timeout = absl::Seconds(60);
};

// The SQLSTATE behind a status of Run, "" when there is none.
std::string SqlStateOf(const absl::Status& status);

// Text as a quoted identifier or literal.
std::string QuoteIdentifier(absl::string_view name);
std::string QuoteLiteral(absl::string_view text);

// Used by one thread at a time.
class PostgresAdmin {
 public:
  using Rows = std::vector<std::vector<std::optional<std::string>>>;

  // UNAVAILABLE when the server cannot be reached, UNAUTHENTICATED when it refuses us; errors hold
  // neither URL nor password.
  static absl::StatusOr<std::unique_ptr<PostgresAdmin>> Open(const AdminOptions& options);
  ~PostgresAdmin();
  PostgresAdmin(const PostgresAdmin&) = delete;
  PostgresAdmin& operator=(const PostgresAdmin&) = delete;

  // One statement, in a transaction of its own; its rows as text. Errors carry the SQLSTATE.
  absl::StatusOr<Rows> Run(const std::string& sql);
  // What the server keeps in place of a password (SCRAM): the password itself then stands neither
  // in the statement nor in the server's log.
  absl::StatusOr<std::string> EncryptPassword(const std::string& role, const std::string& password);
  bool is_cockroach() const { return is_cockroach_; }

 private:
  PostgresAdmin(const Libpq& pq, pg_conn* handle) : pq_(pq), handle_(handle) {}
  const Libpq& pq_;
  pg_conn* const handle_;
  bool is_cockroach_ = false;
};

}  // namespace purser::store

#endif  // PURSER_STORE_POSTGRES_ADMIN_H_

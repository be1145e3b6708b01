// One connection of the sql connector to a server, and what all of its operations do there: look
// what is there, and make things that bear a mark of whose they are.
#ifndef PURSER_CONNECTORS_SQL_SQL_SESSION_H_
#define PURSER_CONNECTORS_SQL_SQL_SESSION_H_

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"
#include "store/postgres_admin.h"

namespace purser::connectors {

// Statements that lost a race are tried again this often (SQLSTATE 40001, a concurrent update).
inline constexpr int kMaxSqlAttempts = 5;

inline constexpr char kDuplicateDatabase[] = "42P04";
inline constexpr char kDuplicateObject[] = "42710";
inline constexpr char kDuplicateSchema[] = "42P06";
inline constexpr char kUniqueViolation[] = "23505";  // two CREATEs at the same moment
inline constexpr char kNoSuchDatabase[] = "3D000";
inline constexpr char kNoSuchObject[] = "42704";
inline constexpr char kNoSuchSchema[] = "3F000";
inline constexpr char kDependents[] = "2BP01";

// A server as the config names it.
struct SqlServer {
  std::string url;
  std::string password;  // reference; "" = none
  std::vector<std::string> names;
  std::string host;
  std::string port;
};

// A connection for one call. Used by one thread at a time.
struct SqlSession {
  using Rows = store::PostgresAdmin::Rows;

  std::unique_ptr<store::PostgresAdmin> admin;
  const SqlServer* server = nullptr;
  std::string server_name;
  std::string where;  // for errors

  bool is_cockroach() const { return admin->is_cockroach(); }
  // Runs it; `fine` are SQLSTATEs that say somebody else did it.
  absl::StatusOr<Rows> Run(const std::string& sql,
                           std::initializer_list<absl::string_view> fine = {});
  // All of them or none.
  absl::Status RunTogether(const std::vector<std::string>& statements,
                           std::initializer_list<absl::string_view> fine);
  // The first value of the first row; nullopt without rows.
  absl::StatusOr<std::optional<std::string>> Value(const std::string& sql);

  absl::StatusOr<bool> DatabaseExists(const std::string& name);
  absl::StatusOr<bool> RoleExists(const std::string& name);
  // By which effect key it was made; "" for what bears no mark.
  absl::StatusOr<std::string> MarkOfDatabase(const std::string& name);
  absl::StatusOr<std::string> MarkOfRole(const std::string& name);
  // A database never bears `name` without the mark: it is made under a name that follows from the
  // key, marked, then renamed, so that after a crash in between the next call goes on with it.
  absl::Status CreateDatabase(const std::string& name, const std::string& options,
                              const std::string& key);
  // The role and its mark at one stroke.
  absl::Status CreateRole(const std::string& name, const std::string& key);

  // What every operation's outputs say of the server.
  nlohmann::json Outputs() const;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_SQL_SQL_SESSION_H_

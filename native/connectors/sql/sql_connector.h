// Databases, roles and rights on PostgreSQL servers and on CockroachDB.
//
//   - id: database
//     uses: sql/database
//     with: {server: main, name: shop, owner: shop}
//   - id: role
//     uses: sql/role
//     with: {server: main, name: shop_app, password: "file:/run/secrets/shop"}
//
// All operations look first and then do what is missing, so a repeat changes nothing; CREATE
// DATABASE knows neither IF NOT EXISTS nor transactions, and another caller's being quicker is no
// error. Who made a database or a role stands in its comment (of a role of CockroachDB's, in a
// setting): only what a step made is dropped by its compensation.
#ifndef PURSER_CONNECTORS_SQL_SQL_CONNECTOR_H_
#define PURSER_CONNECTORS_SQL_SQL_CONNECTOR_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/input_check.h"
#include "connectors/sql/sql_session.h"

namespace purser::connectors {

// Thread-safe.
class SqlConnector final : public Connector {
 public:
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override;
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;

  // Databases and roles that are there.
  absl::StatusOr<CallResult> Import(absl::string_view operation, const nlohmann::json& input,
                                    const nlohmann::json& told, CallContext& context) override;
  // Of databases (their owner) and roles (whether they may log in).
  absl::StatusOr<Comparison> Compare(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& applied, CallContext& context) override;

 private:
  SqlConnector(std::string name, std::map<std::string, SqlServer> servers,
               std::string default_server, base::Clock& clock);
  absl::StatusOr<SqlSession> Open(const nlohmann::json& input, const std::string& database,
                                  CallContext& context) const;
  // What a step says of a database or role.
  static CallResult ResultOf(const SqlSession& session, const char* kind, const std::string& name,
                             bool created);
  absl::StatusOr<CallResult> MakeDatabase(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> MakeRole(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> Grant(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> DropDatabase(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> DropRole(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> Revoke(const nlohmann::json& input, CallContext& context) const;

  const std::string name_;
  const std::map<std::string, SqlServer> servers_;
  const std::string default_server_;
  base::Clock& clock_;
  const InputCheck inputs_;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_SQL_SQL_CONNECTOR_H_

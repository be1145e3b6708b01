#include "connectors/sql/sql_connector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/name_patterns.h"
#include "connectors/sql/sql_schemas.h"
#include "connectors/sql/sql_session.h"
#include "json/fields.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;
using json::TextAt;
using store::PostgresAdmin;
using store::QuoteIdentifier;
using store::QuoteLiteral;

std::string Listed(const Json& words) {
  return absl::StrJoin(words, ", ", [](std::string* out, const Json& word) {
    out->append(word.get_ref<const std::string&>());
  });
}

}  // namespace

SqlConnector::SqlConnector(std::string name, std::map<std::string, SqlServer> servers,
                           std::string default_server, base::Clock& clock)
    : name_(std::move(name)),
      servers_(std::move(servers)),
      default_server_(std::move(default_server)),
      clock_(clock),
      inputs_(SqlOperations()) {}

const Json& SqlConnector::ConfigSchema() { return SqlConfigSchema(); }
const std::vector<Operation>& SqlConnector::operations() const { return SqlOperations(); }

absl::StatusOr<std::unique_ptr<Connector>> SqlConnector::FromConfig(
    absl::string_view name, const Json& raw_config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(const Json config, CheckConfig(name, ConfigSchema(), raw_config));
  std::vector<json::Violation> faults;
  std::map<std::string, SqlServer> servers;
  for (const auto& [server_name, block] : config["servers"].items()) {
    SqlServer server{block["url"].get<std::string>(), TextAt(block, "password"),
                     block["names"].get<std::vector<std::string>>(), "", "5432"};
    // host[:port] for outputs; libpq reads the rest.
    absl::string_view rest = server.url;
    rest.remove_prefix(rest.find("://") + 3);
    rest = rest.substr(0, rest.find_first_of("/?"));
    if (const size_t at = rest.rfind('@'); at != absl::string_view::npos) {
      if (absl::StrContains(rest.substr(0, at), ':')) {
        faults.push_back({absl::StrCat("/servers/", server_name, "/url"),
                          "must hold no password; give `password` a reference"});
      }
      rest.remove_prefix(at + 1);
    }
    const size_t colon = rest.rfind(':');
    server.host = std::string(rest.substr(0, colon));
    if (colon != absl::string_view::npos) server.port = std::string(rest.substr(colon + 1));
    servers.emplace(server_name, std::move(server));
  }
  std::string default_server = TextAt(config, "defaultServer");
  if (!default_server.empty() && !servers.contains(default_server)) {
    faults.push_back({"/defaultServer", "is none of the servers"});
  }
  PURSER_RETURN_IF_ERROR(json::ToStatus(faults, absl::StrCat("connector ", name)));
  if (default_server.empty() && servers.size() == 1) default_server = servers.begin()->first;
  return std::unique_ptr<Connector>(new SqlConnector(
      std::string(name), std::move(servers), std::move(default_server), dependencies.clock));
}

absl::StatusOr<SqlSession> SqlConnector::Open(const Json& input, const std::string& database,
                                              CallContext& context) const {
  SqlSession session;
  session.server_name = TextAt(input, "server");
  if (session.server_name.empty()) session.server_name = default_server_;
  const auto found = servers_.find(session.server_name);
  if (found == servers_.end()) {
    return absl::NotFoundError(absl::StrCat(
        "there is no server \"", base::EscapeForDisplay(session.server_name),
        "\"; there are: ", absl::StrJoin(servers_, ", ", [](std::string* out, const auto& entry) {
          out->append(entry.first);
        })));
  }
  session.server = &found->second;
  for (const char* member : {"name", "database", "role", "owner"}) {
    const std::string name = TextAt(input, member);
    if (!name.empty() && !MatchesAny(session.server->names, name)) {
      return absl::PermissionDeniedError(absl::StrCat(
          "/", member, ": ", name, " is not among connectors.", name_, ".servers.",
          session.server_name, ".names (", absl::StrJoin(session.server->names, ", "), ")"));
    }
  }
  session.where =
      absl::StrCat("server ", session.server_name, database.empty() ? "" : ", database ", database);
  store::AdminOptions options;
  options.url = session.server->url;
  options.database = database;
  if (!session.server->password.empty()) {
    PURSER_ASSIGN_OR_RETURN(options.password, context.ResolveSecret(session.server->password));
  }
  const absl::Duration left = context.deadline() - clock_.Now();
  options.connect_timeout = std::min(options.connect_timeout, left);
  options.statement_timeout = std::min(options.statement_timeout, left);
  absl::StatusOr<std::unique_ptr<PostgresAdmin>> admin = PostgresAdmin::Open(options);
  if (!admin.ok()) return base::Annotate(admin.status(), session.where);
  session.admin = *std::move(admin);
  return session;
}

absl::StatusOr<CallResult> SqlConnector::Call(absl::string_view operation, const Json& raw_input,
                                              CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "database") return MakeDatabase(input, context);
  if (operation == "role") return MakeRole(input, context);
  if (operation == "grants") return Grant(input, context);
  if (operation == "drop-database") return DropDatabase(input, context);
  if (operation == "drop-role") return DropRole(input, context);
  return Revoke(input, context);
}

CallResult SqlConnector::ResultOf(const SqlSession& session, const char* kind,
                                  const std::string& name, bool created) {
  CallResult result;
  result.outputs = session.Outputs();
  result.outputs["name"] = name;
  result.outputs[kind] = name;
  result.outputs["created"] = created;
  result.resources.push_back({absl::StrCat(session.server_name, "/", kind, "/", name),
                              absl::string_view(kind) == "role" ? "database-role" : kind,
                              name,
                              {{"server", session.server_name}}});
  return result;
}

absl::StatusOr<CallResult> SqlConnector::Import(absl::string_view operation, const Json& raw_input,
                                                const Json& told, CallContext& context) {
  const bool database = operation == "database";
  if (!database && operation != "role") {
    return Connector::Import(operation, raw_input, told, context);
  }
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  PURSER_ASSIGN_OR_RETURN(SqlSession session, Open(input, "", context));
  const std::string name = TextAt(input, "name");
  PURSER_ASSIGN_OR_RETURN(const bool there,
                          database ? session.DatabaseExists(name) : session.RoleExists(name));
  if (!there) {
    return absl::NotFoundError(absl::StrCat(session.where, ": there is no ", operation, " ", name));
  }
  return ResultOf(session, database ? "database" : "role", name, /*created=*/true);
}

absl::StatusOr<Comparison> SqlConnector::Compare(absl::string_view operation, const Json& raw_input,
                                                 const CallResult& applied, CallContext& context) {
  if (operation != "database" && operation != "role") {
    return Connector::Compare(operation, raw_input, applied, context);
  }
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  PURSER_ASSIGN_OR_RETURN(SqlSession session, Open(input, "", context));
  const std::string name = TextAt(input, "name");
  const std::string what = absl::StrCat(operation, " ", name);
  // The one value that is compared, as text; no row: it is gone.
  const std::string sql =
      operation == "database"
          ? absl::StrCat(
                "SELECT r.rolname FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba "
                "WHERE d.datname = ",
                QuoteLiteral(name))
          : absl::StrCat(
                "SELECT CASE WHEN rolcanlogin THEN 'yes' ELSE 'no' END FROM pg_roles "
                "WHERE rolname = ",
                QuoteLiteral(name));
  PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> is, session.Value(sql));
  if (!is.has_value()) return Comparison{Comparison::State::kGone, what + " is gone"};
  if (operation == "database") {
    const std::string owner = TextAt(input, "owner");
    if (owner.empty() || *is == owner) return Comparison{};
    return Comparison{Comparison::State::kDiffers,
                      absl::StrCat(what, " is owned by ", base::EscapeForDisplay(*is))};
  }
  const bool login = input["login"].get<bool>();
  if ((*is == "yes") == login) return Comparison{};
  return Comparison{Comparison::State::kDiffers,
                    absl::StrCat(what, login ? " may not log in" : " may log in")};
}

absl::StatusOr<CallResult> SqlConnector::MakeDatabase(const Json& input,
                                                      CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(SqlSession session, Open(input, "", context));
  const std::string name = TextAt(input, "name");
  const std::string quoted = QuoteIdentifier(name);
  PURSER_ASSIGN_OR_RETURN(const bool there, session.DatabaseExists(name));
  if (!there) {
    std::string options;
    if (input.contains("encoding")) {
      absl::StrAppend(&options, " ENCODING ", QuoteLiteral(TextAt(input, "encoding")));
    }
    if (input.contains("template")) {
      absl::StrAppend(&options, " TEMPLATE ", QuoteIdentifier(TextAt(input, "template")));
    }
    PURSER_RETURN_IF_ERROR(session.CreateDatabase(name, options, context.effect_key()));
  }
  if (input.contains("owner")) {
    PURSER_RETURN_IF_ERROR(session
                               .Run(absl::StrCat("ALTER DATABASE ", quoted, " OWNER TO ",
                                                 QuoteIdentifier(TextAt(input, "owner"))))
                               .status());
  }
  if (input.contains("connectionLimit") && !session.is_cockroach()) {
    PURSER_RETURN_IF_ERROR(session
                               .Run(absl::StrCat("ALTER DATABASE ", quoted, " CONNECTION LIMIT ",
                                                 input["connectionLimit"].get<int64_t>()))
                               .status());
  }
  if (!input["extensions"].empty()) {
    PURSER_ASSIGN_OR_RETURN(SqlSession inside, Open(input, name, context));
    for (const Json& extension : input["extensions"]) {
      PURSER_RETURN_IF_ERROR(inside
                                 .Run(absl::StrCat("CREATE EXTENSION IF NOT EXISTS ",
                                                   QuoteIdentifier(extension.get<std::string>())),
                                      {kUniqueViolation})
                                 .status());
    }
  }
  PURSER_ASSIGN_OR_RETURN(const std::string mark, session.MarkOfDatabase(name));
  CallResult result = ResultOf(session, "database", name, mark == context.effect_key());
  context.Log(action::LogLevel::kInfo,
              absl::StrCat(session.where, ": database ", name, there ? " is there" : " made"));
  return result;
}

absl::StatusOr<CallResult> SqlConnector::MakeRole(const Json& input, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(SqlSession session, Open(input, "", context));
  const std::string name = TextAt(input, "name");
  const std::string quoted = QuoteIdentifier(name);
  PURSER_ASSIGN_OR_RETURN(const bool there, session.RoleExists(name));
  if (!there) PURSER_RETURN_IF_ERROR(session.CreateRole(name, context.effect_key()));
  std::string sql =
      absl::StrCat("ALTER ROLE ", quoted, input["login"].get<bool>() ? " LOGIN" : " NOLOGIN");
  if (input.contains("connectionLimit") && !session.is_cockroach()) {
    absl::StrAppend(&sql, " CONNECTION LIMIT ", input["connectionLimit"].get<int64_t>());
  }
  if (input.contains("validUntil")) {
    absl::StrAppend(&sql, " VALID UNTIL ", QuoteLiteral(TextAt(input, "validUntil")));
  }
  if (input.contains("password")) {
    PURSER_ASSIGN_OR_RETURN(const std::string password,
                            context.ResolveSecret(TextAt(input, "password")));
    PURSER_ASSIGN_OR_RETURN(const std::string verifier,
                            session.admin->EncryptPassword(name, password));
    absl::StrAppend(&sql, " PASSWORD ", QuoteLiteral(verifier));
  }
  PURSER_RETURN_IF_ERROR(session.Run(sql).status());
  for (const Json& group : input["memberOf"]) {
    PURSER_RETURN_IF_ERROR(
        session
            .Run(absl::StrCat("GRANT ", QuoteIdentifier(group.get<std::string>()), " TO ", quoted))
            .status());
  }
  PURSER_ASSIGN_OR_RETURN(const std::string mark, session.MarkOfRole(name));
  return ResultOf(session, "role", name, mark == context.effect_key());
}

absl::StatusOr<CallResult> SqlConnector::Grant(const Json& input, CallContext& context) const {
  const std::string database = TextAt(input, "database");
  PURSER_ASSIGN_OR_RETURN(SqlSession session, Open(input, database, context));
  const std::string role = QuoteIdentifier(TextAt(input, "role"));
  const auto grant = [&](const Json& privileges, const std::string& on) -> absl::Status {
    if (privileges.empty()) return absl::OkStatus();
    return session.Run(absl::StrCat("GRANT ", Listed(privileges), " ON ", on, " TO ", role))
        .status();
  };
  PURSER_RETURN_IF_ERROR(
      grant(input["privileges"], absl::StrCat("DATABASE ", QuoteIdentifier(database))));
  const std::string schema = TextAt(input, "schema");
  if (!schema.empty()) {
    const std::string quoted = QuoteIdentifier(schema);
    if (input["makeSchema"].get<bool>()) {
      PURSER_RETURN_IF_ERROR(session
                                 .Run(absl::StrCat("CREATE SCHEMA IF NOT EXISTS ", quoted),
                                      {kDuplicateSchema, kUniqueViolation})
                                 .status());
    }
    PURSER_RETURN_IF_ERROR(grant(input["schemaPrivileges"], absl::StrCat("SCHEMA ", quoted)));
    for (const auto& [what, privileges] :
         {std::make_pair("TABLES", input["tablePrivileges"]),
          std::make_pair("SEQUENCES", input["sequencePrivileges"])}) {
      PURSER_RETURN_IF_ERROR(grant(privileges, absl::StrCat("ALL ", what, " IN SCHEMA ", quoted)));
      if (privileges.empty()) continue;
      PURSER_RETURN_IF_ERROR(
          session
              .Run(absl::StrCat("ALTER DEFAULT PRIVILEGES IN SCHEMA ", quoted, " GRANT ",
                                Listed(privileges), " ON ", what, " TO ", role))
              .status());
    }
  }
  CallResult result;
  result.outputs = session.Outputs();
  result.outputs["database"] = database;
  result.outputs["role"] = input["role"];
  if (!schema.empty()) result.outputs["schema"] = schema;
  return result;
}

absl::StatusOr<CallResult> SqlConnector::DropDatabase(const Json& input,
                                                      CallContext& context) const {
  CallResult result;
  const std::string name = TextAt(input, "name");
  if (!input.value("created", true)) {
    context.Log(action::LogLevel::kInfo,
                absl::StrCat("database ", name, " was there before the step; it stays"));
    return result;
  }
  PURSER_ASSIGN_OR_RETURN(SqlSession session, Open(input, "", context));
  const bool force = input["force"].get<bool>() && !session.is_cockroach();
  PURSER_RETURN_IF_ERROR(
      session
          .Run(absl::StrCat("DROP DATABASE ", QuoteIdentifier(name), force ? " WITH (FORCE)" : "",
                            session.is_cockroach() ? " CASCADE" : ""),
               {kNoSuchDatabase})
          .status());
  result.outputs = session.Outputs();
  result.outputs["name"] = name;
  return result;
}

absl::StatusOr<CallResult> SqlConnector::DropRole(const Json& input, CallContext& context) const {
  CallResult result;
  const std::string name = TextAt(input, "name");
  if (!input.value("created", true)) {
    context.Log(action::LogLevel::kInfo,
                absl::StrCat("role ", name, " was there before the step; it stays"));
    return result;
  }
  PURSER_ASSIGN_OR_RETURN(SqlSession session, Open(input, "", context));
  const std::string quoted = QuoteIdentifier(name);
  for (const Json& database : input["databases"]) {
    PURSER_ASSIGN_OR_RETURN(SqlSession inside, Open(input, database.get<std::string>(), context));
    // Its objects stay, with us; then only rights are left to drop.
    PURSER_RETURN_IF_ERROR(
        inside.Run(absl::StrCat("REASSIGN OWNED BY ", quoted, " TO CURRENT_USER"), {kNoSuchObject})
            .status());
    PURSER_RETURN_IF_ERROR(
        inside.Run(absl::StrCat("DROP OWNED BY ", quoted), {kNoSuchObject}).status());
  }
  const absl::Status dropped =
      session.Run(absl::StrCat("DROP ROLE ", quoted), {kNoSuchObject}).status();
  if (store::SqlStateOf(dropped) == kDependents) {
    return absl::FailedPreconditionError(absl::StrCat(
        dropped.message(), "; name the databases where it owns something in `databases`"));
  }
  PURSER_RETURN_IF_ERROR(dropped);
  result.outputs = session.Outputs();
  result.outputs["name"] = name;
  return result;
}

absl::StatusOr<CallResult> SqlConnector::Revoke(const Json& input, CallContext& context) const {
  const std::string database = TextAt(input, "database");
  CallResult result;
  absl::StatusOr<SqlSession> session = Open(input, database, context);
  if (!session.ok()) {
    // A database that is gone has taken its rights along.
    PURSER_ASSIGN_OR_RETURN(SqlSession outside, Open(input, "", context));
    PURSER_ASSIGN_OR_RETURN(const bool there, outside.DatabaseExists(database));
    if (!there) return result;
    return session.status();
  }
  const std::string role = QuoteIdentifier(TextAt(input, "role"));
  const std::string schema = TextAt(input, "schema");
  if (!schema.empty()) {
    const std::string quoted = QuoteIdentifier(schema);
    for (const char* what : {"TABLES", "SEQUENCES"}) {
      PURSER_RETURN_IF_ERROR(session
                                 ->Run(absl::StrCat("ALTER DEFAULT PRIVILEGES IN SCHEMA ", quoted,
                                                    " REVOKE ALL ON ", what, " FROM ", role),
                                       {kNoSuchObject, kNoSuchSchema})
                                 .status());
      PURSER_RETURN_IF_ERROR(
          session
              ->Run(absl::StrCat("REVOKE ALL ON ALL ", what, " IN SCHEMA ", quoted, " FROM ", role),
                    {kNoSuchObject, kNoSuchSchema})
              .status());
    }
    PURSER_RETURN_IF_ERROR(session
                               ->Run(absl::StrCat("REVOKE ALL ON SCHEMA ", quoted, " FROM ", role),
                                     {kNoSuchObject, kNoSuchSchema})
                               .status());
  }
  PURSER_RETURN_IF_ERROR(
      session
          ->Run(absl::StrCat("REVOKE ALL ON DATABASE ", QuoteIdentifier(database), " FROM ", role),
                {kNoSuchObject})
          .status());
  result.outputs = session->Outputs();
  return result;
}

}  // namespace purser::connectors

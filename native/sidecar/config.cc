#include "sidecar/config.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::sidecar {
namespace {

constexpr int64_t kMaxConfigBytes = 1 << 20;
constexpr int kMaxWorkers = 256;

nlohmann::json StringSchema(absl::string_view description) {
  return {{"type", "string"}, {"minLength", 1}, {"description", std::string(description)}};
}

nlohmann::json StringsSchema(absl::string_view description) {
  return {{"type", "array"},
          {"items", {{"type", "string"}, {"minLength", 1}}},
          {"description", std::string(description)}};
}

// Paths in the file are written relative to it, so that a folder can be moved as a whole.
std::string Resolve(const std::string& base, const std::string& path) {
  const std::filesystem::path given(path);
  if (given.is_absolute()) return given.lexically_normal().string();
  return (std::filesystem::path(base) / given).lexically_normal().string();
}

std::vector<std::string> Strings(const nlohmann::json& object, const char* name) {
  if (!object.contains(name)) return {};
  return object.at(name).get<std::vector<std::string>>();
}

bool IsLoopback(absl::string_view address) {
  return absl::StartsWith(address, "127.") || absl::StartsWith(address, "[::1]:") ||
         absl::StartsWith(address, "localhost:");
}

}  // namespace

nlohmann::json ConfigSchema() {
  nlohmann::json listen = {
      {"type", "object"},
      {"additionalProperties", false},
      {"minProperties", 1},
      {"description", "Where the portal reaches purserd. At least one."},
      {"properties",
       {{"unix",
         {{"type", "object"},
          {"additionalProperties", false},
          {"required", {"path"}},
          {"description", "A socket of mode 0600 in a folder of mode 0700."},
          {"properties",
           {{"path", StringSchema("Path of the socket, at most 107 bytes.")},
            {"allowedUids",
             {{"type", "array"},
              {"items", {{"type", "integer"}, {"minimum", 0}, {"maximum", 4294967294}}},
              {"description", "User ids that may connect besides purserd's own."}}}}}}},
        {"tcp",
         {{"type", "object"},
          {"additionalProperties", false},
          {"required", {"address", "certificate", "key", "clientCa"}},
          {"description", "TCP with mutual TLS."},
          {"properties",
           {{"address", StringSchema("host:port to listen on.")},
            {"certificate", StringSchema("PEM file with the server's certificate chain.")},
            {"key", StringSchema("PEM file with its key.")},
            {"clientCa", StringSchema("PEM file; clients need a certificate signed by it.")},
            {"allowedClients",
             StringsSchema("Names in client certificates that may connect; empty: all signed by "
                           "clientCa.")}}}}}}}};
  return {
      {"$schema", "http://json-schema.org/draft-07/schema#"},
      {"title", "purserd configuration"},
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"state", "listen"}},
      {"properties",
       {{"state", StringSchema("Folder for all state; made with mode 0700 when absent.")},
        {"store",
         {{"type", "string"},
          {"pattern", "^postgres(ql)?://"},
          {"description",
           "URL of a PostgreSQL 15 or newer (CockroachDB, Aurora) that several purserd share, with "
           "libpq's parameters; a password comes from PGPASSFILE or passfile. Without it: SQLite "
           "in "
           "the state folder."}}},
        {"listen", listen},
        {"http",
         {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"address",
             {{"type", "string"},
              {"minLength", 1},
              {"default", "127.0.0.1:9464"},
              {"description",
               "Loopback host:port of /metrics, /healthz and /readyz; port 0 takes a free "
               "one."}}}}}}},
        {"log",
         {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"level",
             {{"type", "string"},
              {"enum", {"debug", "info", "warn", "error"}},
              {"default", "info"}}}}}}},
        {"workers",
         {{"type", "integer"},
          {"minimum", 1},
          {"maximum", kMaxWorkers},
          {"default", 4},
          {"description", "Connector calls at the same time."}}},
        {"keepRequestsDays",
         {{"type", "integer"},
          {"minimum", 0},
          {"maximum", 36500},
          {"default", 400},
          {"description",
           "How long requests that ended are kept, with their events; 0: for ever. What is there, "
           "and what was left outside, keeps the requests it came from."}}},
        {"blueprints", StringsSchema("Folders with blueprint files (*.yaml).")},
        {"policies", StringsSchema("Folders with policy files (*.yaml).")},
        {"environment",
         {{"type", "object"},
          {"description",
           "Values that expressions of blueprints see as `environment`; no secrets."}}},
        {"secretNames",
         {{"type", "object"},
          {"description",
           "What expressions see as `secrets`: names for references like env:NAME or file:/path."},
          {"additionalProperties", {{"type", "string"}, {"pattern", "^(env|file):"}}}}},
        {"portal",
         {{"type", "object"},
          {"additionalProperties", false},
          {"required", {"url"}},
          {"description", "Where people change what they have; entities link to it."},
          {"properties",
           {{"url",
             {{"type", "string"},
              {"pattern", "^https?://[^?#]+[^/?#]$"},
              {"description", "The portal's base URL."}}},
            {"forms",
             {{"type", "object"},
              {"additionalProperties", {{"type", "string"}, {"minLength", 1}}},
              {"description",
               "Templates by verb: change, renew, transfer, suspend, resume, repair, delete; "
               "\"{blueprint}\" stands for the blueprint's name. They get the entity's ref as "
               "`entity`."}}}}}}},
        {"connectors",
         {{"type", "object"},
          {"description",
           "Connectors by name; a step's `uses` starts with the name. `type` is files, git, http, "
           "kubernetes or core, and may be left out when the name says it; `concurrency` is how "
           "many "
           "of its calls this purserd makes at the same time."},
          {"propertyNames", {{"pattern", "^[a-z][a-z0-9-]{0,62}$"}}},
          {"additionalProperties",
           {{"type", "object"},
            {"properties",
             {{"concurrency",
               {{"type", "integer"}, {"minimum", 1}, {"maximum", kMaxWorkers}}}}}}}}},
        {"costs",
         {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"folders", StringsSchema("Folders whose billing files may be read.")},
            {"allocation", StringSchema("YAML file with allocation rules.")},
            {"entities", StringSchema("YAML file with what costs roll up along; without it the "
                                      "portal hands in its catalog.")},
            {"budgets", StringSchema("YAML file with budgets.")},
            {"suppress", StringSchema("YAML file with anomalies not to be told.")},
            {"prices", StringSchema("YAML file with the price book.")},
            {"metrics", StringSchema("CSV file with metrics: day,metric,entity,value.")},
            {"rates", StringSchema("CSV file with exchange rates: day,from,to,rate.")},
            {"sources",
             {{"type", "object"},
              {"description", "Where bills are read from on their own, by the bill's name."},
              {"propertyNames", {{"pattern", "^[a-z0-9-]{1,63}$"}}},
              {"additionalProperties", {{"type", "object"}}}}},
            {"engine",
             {{"type", "object"},
              {"description",
               "ClickHouse servers that keep the charges; without it the store itself does."},
              {"required", nlohmann::json::array({"type", "servers"})},
              {"additionalProperties", false},
              {"properties",
               {{"type", {{"enum", nlohmann::json::array({"clickhouse"})}}},
                {"servers", StringsSchema("URLs of the HTTP interface, one per shard.")},
                {"cluster", StringSchema("The servers' own name for all of them.")},
                {"database", StringSchema("Made when it is not there; purser when absent.")},
                {"user", StringSchema("default when absent.")},
                {"password",
                 {{"type", "string"},
                  {"pattern", "^(env|file):"},
                  {"description", "A secret reference."}}}}}}},
            {"parquet",
             {{"type", "object"},
              {"additionalProperties", false},
              {"properties",
               {{"duckdb", StringSchema("A libduckdb.so for Parquet that is not read "
                                        "otherwise; by itself none is looked for.")}}}}},
            {"keepDeliveries",
             {{"type", "integer"},
              {"minimum", 0},
              {"maximum", 1000},
              {"description", "Of each period, how many can be compared with the one before."}}},
            {"keepMonths",
             {{"type", "integer"},
              {"minimum", 0},
              {"maximum", 1200},
              {"description", "Older months are forgotten; 0: none."}}}}}}},
        {"network",
         {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"allow", StringsSchema(
                          "Private addresses connectors may reach: CIDR, host or host:port. Public "
                          "addresses need no entry.")}}}}},
        {"catalog",
         {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"folders",
             StringsSchema("Folders below which catalog providers may read, e.g. checkouts "
                           "and states of Terraform; none when empty.")}}}}},
        {"secrets",
         {{"type", "object"},
          {"additionalProperties", false},
          {"properties",
           {{"folders", StringsSchema("Folders that \"file:\" secret references may name.")}}}}}}}};
}

absl::StatusOr<Config> LoadConfig(absl::string_view file) {
  PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file, kMaxConfigBytes));
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(text, file));
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema, json::Schema::Compile(ConfigSchema()));
  std::vector<std::string> problems;
  for (const json::Violation& violation : schema.Validate(document.value)) {
    problems.push_back(absl::StrCat(document.Where(file, violation.pointer), ": ",
                                    violation.pointer.empty() ? "the file" : violation.pointer,
                                    ": ", violation.message));
  }
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));

  const nlohmann::json value = schema.WithDefaults(document.value);
  const std::string folder = std::filesystem::absolute(std::string(file)).parent_path().string();
  Config config;
  config.file = std::string(file);
  config.state_folder = Resolve(folder, value.at("state"));
  if (value.contains("store")) config.store = value["store"].get<std::string>();
  const nlohmann::json& listen = value.at("listen");
  if (listen.contains("unix")) {
    UnixConfig& unix_socket = config.unix_socket.emplace();
    unix_socket.path = Resolve(folder, listen["unix"]["path"]);
    if (listen["unix"].contains("allowedUids")) {
      unix_socket.allowed_uids = listen["unix"]["allowedUids"].get<std::vector<uint32_t>>();
    }
  }
  if (listen.contains("tcp")) {
    const nlohmann::json& tcp = listen["tcp"];
    config.tcp =
        TcpConfig{tcp["address"], Resolve(folder, tcp["certificate"]), Resolve(folder, tcp["key"]),
                  Resolve(folder, tcp["clientCa"]), Strings(tcp, "allowedClients")};
  }
  if (value.contains("http")) config.http_address = value["http"]["address"];
  if (!IsLoopback(config.http_address)) {
    problems.push_back(absl::StrCat(document.Where(file, "/http/address"),
                                    ": /http/address: ", config.http_address,
                                    " is not a loopback address; metrics and health have no "
                                    "authentication, so only 127.0.0.0/8, [::1] or localhost"));
  }
  if (value.contains("log")) config.log_level = value["log"]["level"];
  config.workers = value["workers"];
  config.keep_requests = absl::Hours(24) * value["keepRequestsDays"].get<int>();
  for (const std::string& path : Strings(value, "blueprints")) {
    config.blueprint_folders.push_back(Resolve(folder, path));
  }
  for (const std::string& path : Strings(value, "policies")) {
    config.policy_folders.push_back(Resolve(folder, path));
  }
  config.blueprint_environment = value.value("environment", nlohmann::json::object());
  config.blueprint_secrets = value.value("secretNames", nlohmann::json::object());
  if (value.contains("portal")) {
    config.portal_forms.url = value["portal"]["url"];
    config.portal_forms.templates =
        value["portal"].value("forms", std::map<std::string, std::string>());
    const absl::Status forms = provisioning::CheckForms(config.portal_forms);
    if (!forms.ok()) {
      problems.push_back(
          absl::StrCat(document.Where(file, "/portal"), ": /portal/", forms.message()));
    }
  }
  if (value.contains("connectors")) {
    for (const auto& [name, block] : value["connectors"].items()) {
      const std::string pointer = absl::StrCat("/connectors/", json::PointerToken(name));
      ConnectorConfig connector;
      connector.config = block;
      connector.type = name;
      if (block.contains("type") && block["type"].is_string()) {
        connector.type = block["type"].get<std::string>();
        connector.config.erase("type");
      }
      if (block.contains("concurrency")) {
        config.connector_concurrency[name] = block["concurrency"].get<int>();
        connector.config.erase("concurrency");
      }
      connector.where = document.Where(file, pointer);
      config.connectors.emplace(name, std::move(connector));
    }
  }
  if (value.contains("costs")) {
    for (const std::string& path : Strings(value["costs"], "folders")) {
      config.billing_folders.push_back(Resolve(folder, path));
    }
    if (value["costs"].contains("allocation")) {
      config.allocation_file = Resolve(folder, value["costs"]["allocation"]);
    }
    const std::pair<const char*, std::string*> files[] = {
        {"entities", &config.cost_entities_file}, {"budgets", &config.cost_budgets_file},
        {"suppress", &config.cost_suppress_file}, {"prices", &config.cost_prices_file},
        {"metrics", &config.cost_metrics_file},   {"rates", &config.cost_rates_file}};
    for (const auto& [name, out] : files) {
      if (value["costs"].contains(name)) *out = Resolve(folder, value["costs"][name]);
    }
    config.cost_sources = value["costs"].value("sources", nlohmann::json());
    config.cost_engine = value["costs"].value("engine", nlohmann::json());
    if (const auto parquet = value["costs"].find("parquet");
        parquet != value["costs"].end() && parquet->contains("duckdb")) {
      config.cost_duckdb_library = Resolve(folder, (*parquet)["duckdb"]);
    }
    config.cost_keep_deliveries =
        value["costs"].value("keepDeliveries", config.cost_keep_deliveries);
    config.cost_keep_months = value["costs"].value("keepMonths", 0);
  }
  if (value.contains("network")) config.network_allow = Strings(value["network"], "allow");
  if (value.contains("catalog")) {
    for (const std::string& path : Strings(value["catalog"], "folders")) {
      config.catalog_folders.push_back(Resolve(folder, path));
    }
  }
  if (value.contains("secrets")) {
    for (const std::string& path : Strings(value["secrets"], "folders")) {
      config.secret_folders.push_back(Resolve(folder, path));
    }
  }
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  return config;
}

}  // namespace purser::sidecar

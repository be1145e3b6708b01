// purserd's configuration: a YAML file with a documented schema.
//
// Every problem is reported as "file:line:column: field: what is wrong and what is allowed", all at
// once. Relative paths are relative to the file's folder; those inside a connector's block are the
// connector's own matter.
#ifndef PURSER_SIDECAR_CONFIG_H_
#define PURSER_SIDECAR_CONFIG_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "provisioning/holding_links.h"

namespace purser::sidecar {

struct UnixConfig {
  std::string path;
  std::vector<uint32_t> allowed_uids;
};

struct TcpConfig {
  std::string address;      // host:port
  std::string certificate;  // files
  std::string key;
  std::string client_ca;
  std::vector<std::string> allowed_clients;
};

struct ConnectorConfig {
  std::string type;       // "files", "git", …
  nlohmann::json config;  // checked by the connector itself
  std::string where;      // "file:line:column" of the block, for its errors
};

struct Config {
  std::string file;
  std::string state_folder;  // all state lives below it
  std::string store;         // "" = SQLite in the state folder; else a PostgreSQL URL
  std::optional<UnixConfig> unix_socket;
  std::optional<TcpConfig> tcp;
  std::string http_address = "127.0.0.1:9464";  // metrics and health; loopback only
  std::string log_level = "info";
  int workers = 4;
  absl::Duration keep_requests = absl::ZeroDuration();  // zero: for ever
  std::vector<std::string> blueprint_folders;
  std::vector<std::string> policy_folders;
  // What blueprints see: plain values, and names for secret references.
  nlohmann::json blueprint_environment = nlohmann::json::object();
  nlohmann::json blueprint_secrets = nlohmann::json::object();
  provisioning::PortalForms portal_forms;
  std::map<std::string, ConnectorConfig> connectors;  // by name
  std::map<std::string, int> connector_concurrency;   // calls at once; those not named: no limit
  std::vector<std::string> billing_folders;           // where IngestCosts may read
  std::string allocation_file;                        // "" = resource ids only
  // Files of costs, "" when not named: what costs roll up along (beside what the portal hands in),
  // budgets, anomalies not to be told, prices, metrics, exchange rates.
  std::string cost_entities_file;
  std::string cost_budgets_file;
  std::string cost_suppress_file;
  std::string cost_prices_file;
  std::string cost_metrics_file;
  std::string cost_rates_file;
  nlohmann::json cost_engine;       // read by costs::ReadClickHouseOptions; null: the store itself
  nlohmann::json cost_sources;      // by name, read by costs::BillSources; null: none
  std::string cost_duckdb_library;  // "": none
  int cost_keep_deliveries = 10;    // see costs::Options
  int cost_keep_months = 0;
  std::vector<std::string>
      network_allow;  // addresses the SSRF guard lets pass, CIDR or host[:port]
  std::vector<std::string> catalog_folders;  // below which providers may read folders
  std::vector<std::string> secret_folders;   // where "file:" references may point
};

// The JSON Schema of the file, as `purserd --print-config-schema` shows it.
nlohmann::json ConfigSchema();

absl::StatusOr<Config> LoadConfig(absl::string_view file);

}  // namespace purser::sidecar

#endif  // PURSER_SIDECAR_CONFIG_H_

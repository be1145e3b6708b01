#include "sidecar/app.h"

#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "action/action.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/registry.h"
#include "costs/clickhouse/clickhouse_engine.h"
#include "costs/service.h"
#include "costs/sources/bill_sources.h"
#include "costs/sources/source_config.h"
#include "http/address.h"
#include "http/beast_transport.h"
#include "http/retry.h"
#include "http/server.h"
#include "inventory/inventory.h"
#include "provider/provider.h"
#include "provider/source_host.h"
#include "provisioning/engine.h"
#include "rpc/call.h"
#include "rpc/catalog_service.h"
#include "rpc/cost_service.h"
#include "rpc/hosting_service.h"
#include "rpc/inventory_service.h"
#include "rpc/provisioning_service.h"
#include "rpc/server.h"
#include "scaffolder-actions/registry.h"
#include "sidecar/connector_factory.h"
#include "sidecar/cost_advisor.h"
#include "sidecar/cost_files.h"
#include "sidecar/cost_overlay.h"
#include "sidecar/secrets.h"
#include "store/store.h"

namespace purser::sidecar {
namespace {

constexpr int64_t kMaxPemBytes = 1 << 20;
constexpr mode_t kStateMode = 0700;

double ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  int64_t total = 0;
  int64_t resident = 0;
  statm >> total >> resident;
  return static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
}

absl::StatusOr<http::ServerOptions> HttpOptions(const std::string& address) {
  http::ServerOptions options;
  const size_t colon = address.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(address.substr(colon + 1), &port) ||
      port < 0 || port > 65535) {
    return absl::InvalidArgumentError(
        absl::StrCat("http.address: ", address, ": must be host:port"));
  }
  options.address = address.substr(0, colon);
  if (options.address == "localhost") options.address = "127.0.0.1";
  if (absl::StartsWith(options.address, "[")) {
    options.address = options.address.substr(1, options.address.size() - 2);
  }
  options.port = static_cast<uint16_t>(port);
  return options;
}

// The file behind a path that a caller names: it must lie below one of the open folders, links
// resolved.
absl::StatusOr<std::string> ResolveBill(absl::string_view path,
                                        const std::vector<std::string>& folders) {
  if (folders.empty()) {
    return absl::FailedPreconditionError(
        "no billing folder is open: set costs.folders in purserd's configuration");
  }
  bool found = false;
  for (const std::string& folder : folders) {
    std::error_code error;
    const std::filesystem::path root = std::filesystem::canonical(folder, error);
    if (error) continue;
    const std::filesystem::path file =
        std::filesystem::canonical(root / std::filesystem::path(std::string(path)), error);
    if (error) continue;
    found = true;
    if (absl::StartsWith(file.string(), root.string() + "/")) return file.string();
  }
  if (found) {
    return absl::PermissionDeniedError(absl::StrCat("path: ", base::EscapeForDisplay(path),
                                                    " is not below a folder of costs.folders"));
  }
  return absl::NotFoundError(
      absl::StrCat("path: ", base::EscapeForDisplay(path), ": no such file"));
}

struct Network {
  std::unique_ptr<http::Transport> direct;
  std::unique_ptr<http::Transport> retrying;
};

absl::StatusOr<Network> MakeNetwork(const Config& config) {
  Network network;
  http::BeastTransportOptions options;
  PURSER_ASSIGN_OR_RETURN(options.policy, http::AddressPolicy::Create(config.network_allow));
  PURSER_ASSIGN_OR_RETURN(network.direct, http::NewBeastTransport(std::move(options)));
  network.retrying = std::make_unique<http::RetryingTransport>(
      *network.direct, base::Clock::System(), base::Rng::System());
  return network;
}

connectors::ConnectorDependencies Dependencies(const Config& config, http::Transport& transport) {
  return {transport, base::Clock::System(), base::Rng::System(),
          [folders = config.secret_folders](absl::string_view reference) {
            return ResolveSecret(reference, folders);
          }};
}

absl::StatusOr<rpc::ServerOptions> ListenOptions(const Config& config) {
  rpc::ServerOptions options;
  if (config.unix_socket.has_value()) {
    options.unix_socket =
        rpc::UnixListener{config.unix_socket->path, config.unix_socket->allowed_uids};
  }
  if (config.tcp.has_value()) {
    rpc::TcpListener& tcp = options.tcp.emplace();
    tcp.address = config.tcp->address;
    PURSER_ASSIGN_OR_RETURN(tcp.certificate_pem,
                            base::ReadFile(config.tcp->certificate, kMaxPemBytes));
    PURSER_ASSIGN_OR_RETURN(tcp.key_pem, base::ReadFile(config.tcp->key, kMaxPemBytes));
    PURSER_ASSIGN_OR_RETURN(tcp.client_ca_pem, base::ReadFile(config.tcp->client_ca, kMaxPemBytes));
  }
  return options;
}

}  // namespace

// In the order they are made; the destructor runs in reverse, so nothing outlives what it uses.
struct App::Parts {
  Config config;
  base::Metrics metrics;
  std::unique_ptr<store::Database> database;
  Network network;
  connectors::Connectors connectors;
  std::unique_ptr<inventory::Inventory> inventory;
  std::unique_ptr<CostAdvisor> cost_advisor;
  std::unique_ptr<provisioning::ProvisioningService> provisioning;
  std::unique_ptr<costs::InventoryResourceIndex> resource_index;
  std::unique_ptr<costs::CostService> costs;
  costs::CostPolicy cost_policy;
  std::unique_ptr<CostOverlay> cost_overlay;
  std::unique_ptr<costs::BillSources> bill_sources;
  action::Registry actions;
  provider::Registry providers;
  std::unique_ptr<provider::SourceHost> sources;
  std::unique_ptr<rpc::CallGuard> guard;
  std::unique_ptr<rpc::StreamThreads> threads;
  std::unique_ptr<rpc::ProvisioningService> provisioning_rpc;
  std::unique_ptr<rpc::InventoryService> inventory_rpc;
  std::unique_ptr<rpc::CostService> cost_rpc;
  std::unique_ptr<rpc::ActionService> action_rpc;
  std::unique_ptr<rpc::ProviderService> provider_rpc;
  std::unique_ptr<rpc::CatalogService> catalog_rpc;
  std::atomic<bool> draining{false};
  std::unique_ptr<rpc::Server> server;
  std::unique_ptr<http::Server> http;
  bool stopped = false;

  absl::Status OpenState();
  absl::Status OpenDomains();
  absl::Status OpenBillSources();
  absl::Status OpenSources();
  absl::Status Listen();
  absl::Status Ready() const;
};

absl::Status App::Parts::OpenState() {
  PURSER_RETURN_IF_ERROR(
      base::Annotate(base::Directory::Create(config.state_folder, kStateMode).status(), "state"));
  struct stat info{};
  if (stat(config.state_folder.c_str(), &info) == 0 && (info.st_mode & 0077) != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("state: folder ", config.state_folder, " is open to others; chmod 700 it"));
  }
  if (!config.store.empty()) {
    store::PostgresOptions options;
    options.url = config.store;
    absl::StatusOr<std::unique_ptr<store::Database>> opened = store::OpenPostgres(options);
    if (!opened.ok()) return base::Annotate(opened.status(), "store");
    database = *std::move(opened);
    return absl::OkStatus();
  }
  store::SqliteOptions options;
  options.path = config.state_folder + "/purser.db";
  PURSER_ASSIGN_OR_RETURN(database, store::OpenSqlite(options));
  return absl::OkStatus();
}

absl::Status App::Parts::OpenDomains() {
  PURSER_ASSIGN_OR_RETURN(network, MakeNetwork(config));
  PURSER_ASSIGN_OR_RETURN(connectors,
                          MakeConnectors(config, Dependencies(config, *network.retrying)));
  PURSER_ASSIGN_OR_RETURN(inventory, inventory::Inventory::Open(*database, base::Clock::System()));

  provisioning::Options options;
  options.database = database.get();
  options.inventory = inventory.get();
  options.connectors = &connectors;
  options.clock = &base::Clock::System();
  options.rng = &base::Rng::System();
  options.blueprint_folders = config.blueprint_folders;
  options.resolve_secret = [folders = config.secret_folders](absl::string_view reference) {
    return ResolveSecret(reference, folders);
  };
  options.workers = config.workers;
  options.concurrency = config.connector_concurrency;
  options.policy_folders = config.policy_folders;
  options.environment = config.blueprint_environment;
  options.secrets = config.blueprint_secrets;
  options.forms = config.portal_forms;
  options.keep = config.keep_requests;
  options.metrics = &metrics;
  cost_advisor = std::make_unique<CostAdvisor>(costs, cost_policy, base::Clock::System());
  options.costs = cost_advisor.get();
  PURSER_ASSIGN_OR_RETURN(provisioning, provisioning::OpenService(options));

  resource_index = std::make_unique<costs::InventoryResourceIndex>(*inventory);
  costs::Options cost_options;
  cost_options.database = database.get();
  cost_options.resources = resource_index.get();
  cost_options.clock = &base::Clock::System();
  PURSER_ASSIGN_OR_RETURN(CostFiles cost_files, LoadCostFiles(config));
  cost_policy = std::move(cost_files.policy);
  cost_options.allocation = std::move(cost_files.allocation);
  cost_options.graph = std::move(cost_files.graph);
  cost_options.rates = std::move(cost_files.rates);
  cost_options.policy_fingerprint = cost_files.fingerprint;
  cost_options.quarantine_folder = config.state_folder + "/quarantine";
  cost_options.keep_deliveries = config.cost_keep_deliveries;
  cost_options.keep_months = config.cost_keep_months;
  cost_options.duckdb_library = config.cost_duckdb_library;
  if (!config.cost_engine.is_null()) {
    PURSER_ASSIGN_OR_RETURN(
        const costs::ClickHouseOptions clickhouse,
        costs::ReadClickHouseOptions(
            config.cost_engine, [folders = config.secret_folders](absl::string_view reference) {
              return ResolveSecret(reference, folders);
            }));
    cost_options.engine = [this, clickhouse](const costs::Options& service_options) {
      return costs::OpenClickHouseEngine(service_options, clickhouse, *network.retrying);
    };
  }
  PURSER_ASSIGN_OR_RETURN(costs, costs::CostService::Open(std::move(cost_options)));
  if (cost_files.has_metrics) PURSER_RETURN_IF_ERROR(costs->PutMetrics(cost_files.metrics));
  cost_overlay = std::make_unique<CostOverlay>(*costs, cost_policy, *inventory, *database);
  PURSER_RETURN_IF_ERROR(OpenBillSources());

  PURSER_RETURN_IF_ERROR(actions::AddSidecarActions(actions, provisioning.get(), &connectors));
  PURSER_ASSIGN_OR_RETURN(http::AddressPolicy policy,
                          http::AddressPolicy::Create(config.network_allow));
  PURSER_RETURN_IF_ERROR(catalog_providers::AddSidecarProviders(
      providers, {config.catalog_folders, std::move(policy), provisioning.get()}));
  return OpenSources();
}

absl::Status App::Parts::OpenBillSources() {
  costs::SourceDeps deps;
  deps.costs = costs.get();
  deps.database = database.get();
  deps.transport = network.retrying.get();
  deps.clock = &base::Clock::System();
  deps.resolve_secret = [folders = config.secret_folders](absl::string_view reference) {
    return ResolveSecret(reference, folders);
  };
  deps.resolve_folder = [folders = config.billing_folders](absl::string_view path) {
    return ResolveBill(path, folders);
  };
  deps.spool_folder = config.state_folder + "/bills";
  deps.on_stored = [this] { cost_overlay->Ingested(); };
  deps.on_failure = [](absl::string_view source, const absl::Status& status) {
    spdlog::warn(absl::StrCat("bills of ", source, ": ", status.message()));
  };
  PURSER_ASSIGN_OR_RETURN(bill_sources,
                          costs::BillSources::Open(config.cost_sources, std::move(deps)));
  return absl::OkStatus();
}

absl::Status App::Parts::OpenSources() {
  provider::SourceServices services;
  services.log = &inventory->log();
  services.transport = network.retrying.get();
  services.clock = &base::Clock::System();
  services.rng = &base::Rng::System();
  services.resolve_secret = [folders = config.secret_folders](absl::string_view reference) {
    return ResolveSecret(reference, folders);
  };
  services.write_log = [](absl::string_view source, action::LogLevel level,
                          absl::string_view line) {
    const std::string text = absl::StrCat("source ", source, ": ", line);
    switch (level) {
      case action::LogLevel::kDebug:
        return spdlog::debug(text);
      case action::LogLevel::kInfo:
        return spdlog::info(text);
      case action::LogLevel::kWarning:
        return spdlog::warn(text);
      case action::LogLevel::kError:
        return spdlog::error(text);
    }
  };
  sources = std::make_unique<provider::SourceHost>(providers, std::move(services));
  return absl::OkStatus();
}

absl::Status App::Parts::Ready() const {
  if (draining) return absl::UnavailableError("shutting down");
  return provisioning->Health();
}

absl::Status App::Parts::Listen() {
  std::vector<std::string> clients;
  if (config.tcp.has_value()) clients = config.tcp->allowed_clients;
  guard = std::make_unique<rpc::CallGuard>(metrics, clients);
  threads = std::make_unique<rpc::StreamThreads>();
  provisioning_rpc = std::make_unique<rpc::ProvisioningService>(*provisioning, *guard, *threads);
  inventory_rpc = std::make_unique<rpc::InventoryService>(*inventory, *guard, *threads);
  PURSER_ASSIGN_OR_RETURN(costs::ClusterDays cluster_days, costs::ClusterDays::Open(*database));
  cost_rpc = std::make_unique<rpc::CostService>(
      *costs, cost_policy, *bill_sources, std::move(cluster_days), *guard,
      [folders = config.billing_folders](absl::string_view path) {
        return ResolveBill(path, folders);
      },
      [this] { cost_overlay->Ingested(); });
  action_rpc = std::make_unique<rpc::ActionService>(actions, *network.retrying, *guard, *threads);
  provider_rpc = std::make_unique<rpc::ProviderService>(providers, *sources, *guard, *threads);
  catalog_rpc = std::make_unique<rpc::CatalogService>(*sources, *guard);

  metrics.Callback("process_resident_memory_bytes", "Resident memory.", ResidentBytes);
  metrics.Callback("purser_ready", "1 when new work is taken, 0 otherwise.",
                   [this] { return Ready().ok() ? 1.0 : 0.0; });
  metrics.Callback("purser_connector_calls", "Connector calls since the start.",
                   [this] { return static_cast<double>(provisioning->GetStats().calls); });
  metrics.Callback(
      "purser_results_refused", "Results of workers that had lost their lease.",
      [this] { return static_cast<double>(provisioning->GetStats().refused_results); });
  const auto gauge = [this](absl::string_view name, absl::string_view help, auto read) {
    metrics.Callback(name, help,
                     [this, read] { return static_cast<double>(read(provisioning->GetStats())); });
  };
  gauge("purser_step_retries", "Calls of steps made again after an error.",
        [](const provisioning::Stats& stats) { return stats.retries; });
  gauge("purser_leases_lost", "Runs that other purserds took over from this one.",
        [](const provisioning::Stats& stats) { return stats.lost_leases; });
  gauge("purser_requests_open", "Requests that have not ended.",
        [](const provisioning::Stats& stats) { return stats.open_runs; });
  gauge("purser_requests_parked", "Requests that need an operator.",
        [](const provisioning::Stats& stats) { return stats.parked_runs; });
  gauge("purser_queue_age_seconds", "How long the oldest due run has been due.",
        [](const provisioning::Stats& stats) { return absl::ToDoubleSeconds(stats.queue_age); });
  gauge("purser_oldest_request_seconds", "Age of the oldest request that has not ended.",
        [](const provisioning::Stats& stats) { return absl::ToDoubleSeconds(stats.oldest_run); });
  metrics.Callback("purser_store_errors", "Writes that the store refused.",
                   [this] { return static_cast<double>(provisioning->GetStats().store_errors); });

  PURSER_ASSIGN_OR_RETURN(const http::ServerOptions http_options, HttpOptions(config.http_address));
  const auto text = [](int status, std::string body) {
    http::ServerResponse response;
    response.status = status;
    response.headers = {{"Content-Type", "text/plain; version=0.0.4; charset=utf-8"}};
    response.body = std::move(body);
    return response;
  };
  PURSER_ASSIGN_OR_RETURN(
      http, http::Server::Start(
                http_options,
                http::Route(
                    {{"/metrics",
                      [this, text](const http::ServerRequest&) {
                        sources->Report(metrics);
                        bill_sources->Report(metrics);
                        return text(200, metrics.Text());
                      }},
                     {"/healthz", [text](const http::ServerRequest&) { return text(200, "ok\n"); }},
                     {"/readyz", [this, text](const http::ServerRequest&) {
                        const absl::Status ready = Ready();
                        // A source that fails makes purserd no less ready; its line says so.
                        return ready.ok() ? text(200, absl::StrCat("ok\n", sources->Summary()))
                                          : text(503, absl::StrCat(ready.message(), "\n"));
                      }}})));

  PURSER_ASSIGN_OR_RETURN(const rpc::ServerOptions listen, ListenOptions(config));
  PURSER_ASSIGN_OR_RETURN(
      server, rpc::Server::Start(listen,
                                 {provisioning_rpc.get(), inventory_rpc.get(), cost_rpc.get(),
                                  action_rpc.get(), provider_rpc.get(), catalog_rpc.get()},
                                 metrics));
  server->SetServing(true);
  return absl::OkStatus();
}

App::App(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

App::~App() { Stop(absl::ZeroDuration()); }

absl::Status App::Check(const Config& config) {
  PURSER_ASSIGN_OR_RETURN(const Network network, MakeNetwork(config));
  PURSER_ASSIGN_OR_RETURN(const connectors::Connectors connectors,
                          MakeConnectors(config, Dependencies(config, *network.retrying)));
  PURSER_RETURN_IF_ERROR(provisioning::CheckBlueprints(config.blueprint_folders, connectors));
  PURSER_RETURN_IF_ERROR(provisioning::CheckPolicies(config.policy_folders));
  PURSER_RETURN_IF_ERROR(HttpOptions(config.http_address).status());
  if (!config.cost_engine.is_null()) {
    // The password is asked for when the servers are.
    PURSER_RETURN_IF_ERROR(costs::ReadClickHouseOptions(config.cost_engine, nullptr).status());
  }
  if (!config.cost_sources.is_null()) {
    for (const auto& [name, source] : config.cost_sources.items()) {
      PURSER_RETURN_IF_ERROR(costs::CheckSource(name, source).status());
    }
  }
  return LoadCostFiles(config).status();
}

absl::StatusOr<std::unique_ptr<App>> App::Start(Config config) {
  const absl::Duration began = base::Clock::System().Monotonic();
  auto parts = std::make_unique<Parts>();
  parts->config = std::move(config);
  PURSER_RETURN_IF_ERROR(parts->OpenState());
  PURSER_RETURN_IF_ERROR(parts->OpenDomains());
  PURSER_RETURN_IF_ERROR(parts->provisioning->Start());
  PURSER_RETURN_IF_ERROR(parts->Listen());
  parts->bill_sources->Start();
  spdlog::info("purserd is ready after {} ms: metrics on port {}, {} blueprints, {} connectors",
               absl::ToInt64Milliseconds(base::Clock::System().Monotonic() - began),
               parts->http->port(), parts->provisioning->ListBlueprints().size(),
               parts->connectors.size());
  return std::unique_ptr<App>(new App(std::move(parts)));
}

uint16_t App::http_port() const { return parts_->http->port(); }

void App::Stop(absl::Duration grace) {
  if (std::exchange(parts_->stopped, true)) return;
  spdlog::info("purserd stops");
  parts_->draining = true;
  parts_->server->SetServing(false);
  // Streams end first, so that clients look for purserd again while runs come to rest.
  parts_->threads->BeginDrain();
  parts_->sources->Stop();
  parts_->provisioning->Drain(grace);
  parts_->provisioning->Stop();
  parts_->server->Shutdown(grace);
  parts_->http->Stop();
  parts_->bill_sources.reset();
  parts_->cost_overlay.reset();
}

}  // namespace purser::sidecar

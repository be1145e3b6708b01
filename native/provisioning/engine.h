// Opens the provisioning service: blueprints, requests and the workflow engine
// behind them.
//
//   PURSER_ASSIGN_OR_RETURN(auto service, provisioning::OpenService(options));
//   PURSER_RETURN_IF_ERROR(service->Start());
//   …
//   service->Drain(absl::Seconds(10));
//   service->Stop();
#ifndef PURSER_PROVISIONING_ENGINE_H_
#define PURSER_PROVISIONING_ENGINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/rng.h"
#include "connectors/connector.h"
#include "inventory/inventory.h"
#include "nlohmann/json.hpp"
#include "provisioning/cost_advisor.h"
#include "provisioning/holding_links.h"
#include "provisioning/service.h"
#include "store/store.h"

namespace purser::provisioning {

// The value behind a secret reference such as "env:NAME". Thread-safe.
using SecretResolver = std::function<absl::StatusOr<std::string>(absl::string_view reference)>;

struct Options {
  store::Database* database = nullptr;  // all pointers are required and must outlive the service
  inventory::Inventory* inventory = nullptr;
  const connectors::Connectors* connectors = nullptr;
  base::Clock* clock = nullptr;
  base::Rng* rng = nullptr;
  std::vector<std::string> blueprint_folders;  // every *.yaml and *.yml in them, not below
  SecretResolver resolve_secret;               // empty: every reference is refused
  int workers = 4;
  // Calls at the same time by connector; those that are not named share the workers only.
  std::map<std::string, int> concurrency = {};
  std::vector<std::string> policy_folders = {};  // every *.yaml and *.yml in them, not below
  CostAdvisor* costs = nullptr;                  // null: no quotes, no budgets
  base::Metrics* metrics = nullptr;              // null: none are kept
  // What expressions see as `environment` and `secrets`: plain values, and
  // names for references.
  nlohmann::json environment = nlohmann::json::object();
  nlohmann::json secrets = nlohmann::json::object();
  PortalForms forms = {};  // what entities link to
  // Requests that ended longer ago are forgotten, see retention.h; zero: never.
  absl::Duration keep = absl::ZeroDuration();
  // A run that nobody takes up so long after it is due makes the service not
  // ready.
  absl::Duration stuck_after = absl::Minutes(5);
};

struct Stats {
  int64_t calls = 0;            // of connectors, since the start
  int64_t refused_results = 0;  // of workers that had lost their lease
  int64_t store_errors = 0;
  int64_t retries = 0;                               // calls made again after an error
  int64_t lost_leases = 0;                           // runs that other purserds took over
  int64_t open_runs = 0;                             // that have not ended
  int64_t parked_runs = 0;                           // that need an operator
  absl::Duration queue_age = absl::ZeroDuration();   // of what has been due longest
  absl::Duration oldest_run = absl::ZeroDuration();  // of those that have not ended
};

// The service with its lifetime. Create, Get, List and Watch work before Start;
// runs move after it.
class ProvisioningService : public Service {
 public:
  virtual absl::Status Start() = 0;
  // No new call starts; waits for running ones, at most `patience`.
  virtual void Drain(absl::Duration patience) = 0;
  // Ends watches, stops running calls, gives their work back, joins all
  // threads. Idempotent.
  virtual void Stop() = 0;
  // OK, or why nothing new starts (the store's last error).
  virtual absl::Status Health() const = 0;
  virtual Stats GetStats() const = 0;
};

// INVALID_ARGUMENT lists every fault of every blueprint, one a line, each with
// file:line:column.
absl::StatusOr<std::unique_ptr<ProvisioningService>> OpenService(const Options& options);

// The same check without a store; for `purserd --check-config`.
absl::Status CheckBlueprints(const std::vector<std::string>& folders,
                             const connectors::Connectors& connectors);
absl::Status CheckPolicies(const std::vector<std::string>& folders);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_ENGINE_H_

// The process that the crash test kills: a provisioning service on a real SQLite file. It asks for
// the same requests under the same keys at every start, waits until all have settled, says how each
// ended, and leaves.
//
//   fault_worker <folder> <requests> [blueprint]
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/rng.h"
#include "inventory/inventory.h"
#include "provisioning/engine.h"
#include "store/store.h"
#include "tests/faults/ledger_connector.h"
#include "workflow/events.h"

namespace {

namespace provisioning = purser::provisioning;

int Fail(const absl::Status& status) {
  std::cerr << status << std::endl;
  return 1;
}

bool IsSettled(provisioning::RequestState state) {
  return provisioning::IsFinal(state) || state == provisioning::RequestState::kNeedsOperator;
}

absl::Status Ask(provisioning::ProvisioningService& service, const std::string& blueprint,
                 int number, std::vector<std::string>* ids) {
  provisioning::CreateOptions options;
  options.blueprint = blueprint;
  options.owner = "group:default/testers";
  options.requester = "user:default/tester";
  options.parameters = {{"name", absl::StrCat(blueprint, "-", number)}};
  options.idempotency_key = absl::StrCat(blueprint, "/", number);
  absl::StatusOr<provisioning::Request> request = service.Create(options);
  if (!request.ok()) return request.status();
  ids->push_back(request->id);
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  int requests = 0;
  if (argc < 3 || argc > 4 || !absl::SimpleAtoi(argv[2], &requests)) {
    std::cerr << "usage: fault_worker <folder> <requests> [blueprint]" << std::endl;
    return 2;
  }
  const std::string folder = argv[1];
  std::vector<std::string> blueprints = {"good", "bad", "risky"};
  if (argc == 4) blueprints = {argv[3]};
  auto database = purser::store::OpenSqlite({folder + "/store.db"});
  if (!database.ok()) return Fail(database.status());
  auto inventory = purser::inventory::Inventory::Open(**database, purser::base::Clock::System());
  if (!inventory.ok()) return Fail(inventory.status());
  purser::connectors::Connectors connectors;
  connectors.emplace("ledger",
                     std::make_unique<purser::faults::LedgerConnector>(folder + "/ledger"));

  provisioning::Options options;
  options.database = database->get();
  options.inventory = inventory->get();
  options.connectors = &connectors;
  options.clock = &purser::base::Clock::System();
  options.rng = &purser::base::Rng::System();
  options.blueprint_folders = {std::string(PURSER_SOURCE_DIR) + "/tests/faults/blueprints"};
  options.workers = 2;
  auto service = provisioning::OpenService(options);
  if (!service.ok()) return Fail(service.status());
  if (const absl::Status started = (*service)->Start(); !started.ok()) return Fail(started);

  std::vector<std::string> ids;
  for (int i = 0; i < requests; ++i) {
    for (const std::string& blueprint : blueprints) {
      const absl::Status asked = Ask(**service, blueprint, i, &ids);
      if (!asked.ok()) return Fail(asked);
    }
  }
  // One request is cancelled while it runs, or after: either is fine, both must be remembered.
  if (argc == 3) {
    (*service)->Cancel(ids.back(), {"user:default/tester", "changed my mind"}).IgnoreError();
  }

  for (const std::string& id : ids) {
    absl::StatusOr<provisioning::Request> request = (*service)->Get(id);
    while (request.ok() && !IsSettled(request->state)) {
      purser::base::Clock::System().SleepFor(absl::Milliseconds(1), {});
      request = (*service)->Get(id);
    }
    if (!request.ok()) return Fail(request.status());
    std::cout << request->run_id << " " << request->blueprint << " "
              << provisioning::ToString(request->state) << std::endl;
  }
  (*service)->Stop();
  const absl::Status trail = (*database)->Read([](purser::store::Connection& connection) {
    return purser::workflow::VerifyEvents(connection);
  });
  return trail.ok() ? 0 : Fail(trail);
}

// Kills the process at every fault point, at every pass, while a holding is made, changed, renewed,
// expires and is deleted, starts it again with the same keys, and counts what happened outside.
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/rng.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "inventory/inventory.h"
#include "provisioning/engine.h"
#include "store/store.h"
#include "tests/faults/ledger_connector.h"
#include "workflow/fault.h"

namespace purser::faults {
namespace {

namespace fs = std::filesystem;
using provisioning::CreateOptions;
using provisioning::HoldingState;
using provisioning::Request;
using provisioning::RequestKind;
using provisioning::RequestState;

constexpr int kMaxPasses = 40;  // more than any point has in one life
constexpr absl::Duration kLifetime = absl::Hours(240);
constexpr absl::Duration kRenewal = absl::Hours(24);
constexpr absl::Duration kPatience = absl::Minutes(2);
constexpr int kPassesOfExpiry = 1;  // each waits a second for the expiry
constexpr char kThingRef[] = "resource:default/a";
const provisioning::Actor kAda = {"user:default/ada", ""};

constexpr char kThing[] = R"(apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: thing}
spec:
  parameters:
    type: object
    properties: {name: {type: string}, size: {type: integer, default: 1}}
  life: {expiresAfter: 240h, renewBy: 24h}
  steps:
    - {id: make, uses: ledger/keyed, with: {size: '${{ parameters.size }}'}}
    - {id: more, uses: ledger/probe, needs: [make]}
  entity: {metadata: {name: '${{ parameters.name }}'}, spec: {type: thing}}
)";
constexpr char kBrief[] = R"(apiVersion: purser.dev/v1
kind: Blueprint
metadata: {name: brief}
spec:
  parameters: {type: object, properties: {name: {type: string}}}
  life: {expiresAfter: 1h, then: delete}
  steps:
    - {id: make, uses: ledger/keyed}
  entity: {metadata: {name: '${{ parameters.name }}'}, spec: {type: thing}}
)";

// purserd's part of one process.
class Life {
 public:
  explicit Life(const std::string& folder) {
    database_ = *store::OpenSqlite({folder + "/store.db"});
    inventory_ = *inventory::Inventory::Open(*database_, base::Clock::System());
    connectors_.emplace("ledger", std::make_unique<LedgerConnector>(folder + "/ledger"));
    provisioning::Options options;
    options.database = database_.get();
    options.inventory = inventory_.get();
    options.connectors = &connectors_;
    options.clock = &base::Clock::System();
    options.rng = &base::Rng::System();
    options.blueprint_folders = {folder + "/blueprints"};
    options.workers = 2;
    service_ = *provisioning::OpenService(options);
  }
  ~Life() { service_->Stop(); }
  provisioning::ProvisioningService& service() { return *service_; }

  // Every wish has a key, so that a repeat finds what it has led to.
  absl::Status MakeChangeRenewDelete() {
    CreateOptions make;
    make.blueprint = "thing";
    make.parameters = {{"name", "a"}};
    PURSER_RETURN_IF_ERROR(Ask(make, "make"));
    CreateOptions change;
    change.kind = RequestKind::kChange;
    change.holding = kThingRef;
    change.parameters = {{"size", 2}};
    PURSER_RETURN_IF_ERROR(Ask(change, "change"));
    PURSER_RETURN_IF_ERROR(service_->Renew(kThingRef, std::nullopt, "renew", kAda).status());
    CreateOptions remove;
    remove.kind = RequestKind::kDelete;
    remove.holding = kThingRef;
    return Ask(remove, "remove");
  }
  absl::Status MakeAndExpire() {
    CreateOptions brief;
    brief.blueprint = "brief";
    brief.parameters = {{"name", "b"}};
    PURSER_RETURN_IF_ERROR(Ask(brief, "brief"));
    const absl::Time late = absl::Now() + kPatience;
    while (absl::Now() < late) {
      PURSER_ASSIGN_OR_RETURN(const provisioning::Holding holding,
                              service_->GetHolding("resource:default/b"));
      if (holding.state == HoldingState::kDeleted) return absl::OkStatus();
      const absl::Status ends =
          service_->Renew(holding.id, absl::Now() + absl::Seconds(1), "end", kAda).status();
      // On its way out already.
      if (!ends.ok() && !absl::IsFailedPrecondition(ends)) return ends;
      base::Clock::System().SleepFor(absl::Milliseconds(5), {});
    }
    return absl::DeadlineExceededError("b does not expire");
  }
  absl::Status CheckTrail() {
    PURSER_ASSIGN_OR_RETURN(const provisioning::AuditReport audit, service_->VerifyAudit());
    return audit.fault.empty() ? absl::OkStatus() : absl::DataLossError(audit.fault);
  }

 private:
  absl::Status Ask(CreateOptions options, const std::string& key) {
    options.owner = "group:default/testers";
    if (options.kind != RequestKind::kCreate) options.owner = "";
    options.requester = "user:default/ada";
    options.idempotency_key = key;
    PURSER_ASSIGN_OR_RETURN(Request request, service_->Create(options));
    const absl::Time late = absl::Now() + kPatience;
    while (!provisioning::IsFinal(request.state) && absl::Now() < late) {
      base::Clock::System().SleepFor(absl::Milliseconds(1), {});
      PURSER_ASSIGN_OR_RETURN(request, service_->Get(request.id));
    }
    if (request.state == RequestState::kSucceeded) return absl::OkStatus();
    return absl::InternalError(
        absl::StrCat(key, " is ", provisioning::ToString(request.state), ": ", request.message));
  }

  std::unique_ptr<store::Database> database_;
  std::unique_ptr<inventory::Inventory> inventory_;
  connectors::Connectors connectors_;
  std::unique_ptr<provisioning::ProvisioningService> service_;
};

using Story = absl::Status (Life::*)();

// One process: true when it was killed; fails unless it ended well otherwise.
bool Live(const std::string& folder, const std::string& fault, Story story) {
  const pid_t child = fork();
  if (child == 0) {
    if (!fault.empty()) workflow::ArmFaultPoint(fault);
    absl::Status told;
    {
      Life life(folder);
      told = life.service().Start();
      if (told.ok()) told = (life.*story)();
      if (told.ok()) told = life.CheckTrail();
    }
    if (!told.ok()) std::ofstream(folder + "/why") << told << "\n";
    _exit(told.ok() ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) return true;
  std::ifstream why(folder + "/why");
  const std::string text{std::istreambuf_iterator<char>(why), {}};
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << text;
  return false;
}

// Effects by operation, requests of the store.
struct Counts {
  int made = 0, probed = 0, undone = 0, requests = 0;
  friend bool operator==(const Counts&, const Counts&) = default;
  friend void PrintTo(const Counts& counts, std::ostream* out) {
    *out << counts.made << " made, " << counts.probed << " probed, " << counts.undone << " undone, "
         << counts.requests << " requests";
  }
};

// Tells the story, killed at `fault` first; true when that came to pass. `check` looks at the end.
bool RunCase(const std::string& fault, Story story, const Counts& wanted,
             const std::function<void(provisioning::Service&)>& check) {
  SCOPED_TRACE(fault);
  std::string pattern = (fs::temp_directory_path() / "purser-holdings-XXXXXX").string();
  const std::string folder = mkdtemp(pattern.data());
  fs::create_directories(folder + "/blueprints");
  std::ofstream(folder + "/blueprints/thing.yaml") << kThing;
  std::ofstream(folder + "/blueprints/brief.yaml") << kBrief;
  const bool killed = Live(folder, fault, story);
  if (killed) {
    EXPECT_FALSE(Live(folder, "", story));
  }

  Counts counts;
  for (const std::string& line : ReadLedger(folder + "/ledger")) {
    if (absl::StartsWith(line, "keyed ")) ++counts.made;
    if (absl::StartsWith(line, "probe ")) ++counts.probed;
    if (absl::StartsWith(line, "undo ")) ++counts.undone;
  }
  {
    Life after(folder);
    const auto requests = after.service().List({});
    counts.requests = requests.ok() ? static_cast<int>(requests->requests.size()) : -1;
    const auto orphans = after.service().ListOrphans(10, "");
    EXPECT_TRUE(orphans.ok() && orphans->orphans.empty());
    check(after.service());
  }
  EXPECT_EQ(counts, wanted);
  fs::remove_all(folder);
  return killed;
}

// All fault points, each at its passes; how many kills that were.
int KillEverywhere(int passes, Story story, const Counts& wanted,
                   const std::function<void(provisioning::Service&)>& check) {
  int kills = 0;
  for (const absl::string_view point : workflow::FaultPoints()) {
    for (int pass = 1; pass <= passes; ++pass) {
      if (!RunCase(absl::StrCat(point, ":", pass), story, wanted, check)) break;
      ++kills;
      if (testing::Test::HasFailure()) return kills;
    }
  }
  return kills;
}

TEST(HoldingCrash, MadeChangedRenewedAndDeletedOnce) {
  // Made and changed: two calls of each step; both of its steps taken away once.
  const int kills = KillEverywhere(
      kMaxPasses, &Life::MakeChangeRenewDelete, {2, 2, 2, 3}, [](provisioning::Service& service) {
        const auto a = service.GetHolding(kThingRef);
        ASSERT_TRUE(a.ok()) << a.status();
        EXPECT_EQ(a->state, HoldingState::kDeleted);
        // Renewed once: by a day, never by two.
        EXPECT_LT(absl::AbsDuration(*a->expires_at - a->created_at - kLifetime - kRenewal),
                  2 * kPatience);
      });
  EXPECT_GE(kills, 25);  // fewer where changes share a round
  std::cout << "holdings: " << kills << " kills\n";
}

TEST(HoldingCrash, EndsOnceWhenItExpires) {
  const int kills = KillEverywhere(
      kPassesOfExpiry, &Life::MakeAndExpire, {1, 0, 1, 2}, [](provisioning::Service& service) {
        EXPECT_EQ(service.GetHolding("resource:default/b")->state, HoldingState::kDeleted);
      });
  EXPECT_GE(kills, 8);
  std::cout << "expiry: " << kills << " kills\n";
}

}  // namespace
}  // namespace purser::faults

#include "costs/service.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/rng.h"
#include "base/strings.h"
#include "base/transient.h"
#include "costs/delivery.h"
#include "costs/quarantine.h"
#include "costs/readers/duckdb/duckdb_library.h"
#include "costs/readers/tags.h"
#include "costs/rollups.h"
#include "costs/state.h"
#include "costs/stored_service.h"

namespace purser::costs {
namespace {

// Of what allocation writes: what was written in another form is allocated anew.
constexpr char kForm[] = "3";

bool IsScopeCharacter(char c) { return absl::ascii_isalnum(c) || absl::StrContains("._=/-", c); }

absl::Status CheckSource(absl::string_view source) {
  const absl::string_view name = SourceName(source);
  bool good = !name.empty() && name.size() <= kMaxSourceBytes;
  for (const char c : name) {
    good = good && (absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-');
  }
  if (!good) {
    return absl::InvalidArgumentError(absl::StrCat("source \"", base::EscapeForDisplay(source, 80),
                                                   "\" is not 1 to ", kMaxSourceBytes,
                                                   " of the characters a-z, 0-9 and -"));
  }
  if (name.size() == source.size()) return absl::OkStatus();
  const absl::string_view scope = source.substr(name.size() + 1);
  if (!scope.empty() && scope.size() <= kMaxScopeBytes &&
      std::all_of(scope.begin(), scope.end(), IsScopeCharacter)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "source \"", base::EscapeForDisplay(source, 80), "\": the scope behind the / is not 1 to ",
      kMaxScopeBytes, " of the characters a-z, A-Z, 0-9, ., _, =, / and -"));
}

// What was read is within its limits: what is beyond one now is what rules make of it, or the room
// in the store, and may be another with the same delivery.
absl::Status NotOfContent(absl::Status status) {
  if (absl::IsResourceExhausted(status)) base::SetTransient(status);
  return status;
}

}  // namespace

std::string SourceOf(absl::string_view name, absl::string_view scope) {
  if (scope.empty()) return std::string(name);
  std::string text(scope.substr(0, kMaxScopeBytes));
  for (char& c : text) c = IsScopeCharacter(c) ? c : '-';
  if (text != scope) {
    constexpr size_t kHashDigits = 16;
    text.resize(std::min(text.size(), kMaxScopeBytes - kHashDigits - 1));
    absl::StrAppend(&text, "-", base::Sha256Hex(scope).substr(0, kHashDigits));
  }
  return absl::StrCat(name, "/", text);
}

absl::string_view SourceName(absl::string_view source) {
  return source.substr(0, source.find('/'));
}

absl::StatusOr<std::string> AllocationFingerprint(store::Connection& connection,
                                                  const Allocation& allocation,
                                                  const EntityGraph& graph) {
  PURSER_ASSIGN_OR_RETURN(const std::string metrics, GetState(connection, "metrics"));
  return absl::StrCat(kForm, "/", allocation.pools_fingerprint(), "/", graph.fingerprint(), "/",
                      metrics);
}

absl::CivilDay Today(const Options& options) {
  return absl::ToCivilDay(options.clock->Now(), absl::UTCTimeZone());
}

absl::Status StoredCostService::OpenEngine() {
  PURSER_RETURN_IF_ERROR(MigrateTables(*options_.database));
  if (options_.engine) {
    PURSER_ASSIGN_OR_RETURN(engine_, options_.engine(options_));
  } else {
    engine_ = MakeEmbeddedEngine(options_);
  }
  // The charges of stored deliveries are where they were written.
  return options_.database->Transact([&](store::Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(std::string known, GetState(connection, "engine"));
    PURSER_ASSIGN_OR_RETURN(const store::Rows periods,
                            connection.Query("SELECT 1 FROM cost_periods LIMIT 1", {}));
    if (known.empty() && !periods.empty()) known = "embedded";
    PURSER_ASSIGN_OR_RETURN(const std::string policy, GetState(connection, "policy"));
    if (policy != options_.policy_fingerprint) {
      PURSER_RETURN_IF_ERROR(SetState(connection, "policy", options_.policy_fingerprint));
      PURSER_RETURN_IF_ERROR(BumpDataVersion(connection));
    }
    if (known == engine_->name()) return absl::OkStatus();
    if (!periods.empty()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "the costs of this store are kept by the ", known, " engine, not by ", engine_->name(),
          ": set costs.engine back, or begin with a new store and read the bills again"));
    }
    return SetState(connection, "engine", std::string(engine_->name()));
  });
}

absl::Status StoredCostService::Start() {
  PURSER_RETURN_IF_ERROR(OpenEngine());
  base::MutexLock allocation_lock(allocation_mutex_);
  std::vector<GraphEntity> entities;
  std::string decided_by;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(entities, LoadGraph(connection));
        PURSER_ASSIGN_OR_RETURN(decided_by, GetState(connection, "allocation"));
        return absl::OkStatus();
      }));
  std::shared_ptr<const EntityGraph> known = options_.graph;
  if (known == nullptr) {
    PURSER_ASSIGN_OR_RETURN(known, EntityGraph::Create(std::move(entities)));
  }
  {
    base::MutexLock lock(mutex_);
    graph_ = std::move(known);
  }
  if (decided_by != options_.allocation->fingerprint()) {
    return engine_->Reallocate(*graph()).status();
  }
  return engine_->AllocateMonths(*graph());
}

// Outside of any transaction: looking up resources reads.
absl::StatusOr<DecidedSubjects> StoredCostService::Decide(const DeliveredSums& sums,
                                                          IngestReport& report) {
  struct Total {
    Measures all;
    Measures allocated;
  };
  std::map<std::pair<absl::CivilDay, std::string>, Total> totals;
  Numbering<ChargeItem> numbers;
  for (const ChargeItem& item : sums.items()) numbers.NumberOf(item);
  DecidedSubjects decisions;
  PURSER_RETURN_IF_ERROR(
      sums.ForEachSubject([&](uint32_t /*number*/, const auto& subject) -> absl::Status {
        std::set<uint32_t> items;
        if (options_.allocation->by_item()) {
          for (const DeliveredMonth& month : subject.months) {
            for (const Fact& fact : month.facts) items.insert(fact.item);
          }
        }
        PURSER_ASSIGN_OR_RETURN(const Tags tags, ParseTags(subject.tags));
        PURSER_ASSIGN_OR_RETURN(const Tags columns, ParseTags(subject.columns));
        PURSER_ASSIGN_OR_RETURN(
            Decisions decided,
            Decisions::Make(*options_.allocation, *options_.resources,
                            {subject.resource_id, subject.sub_account, &tags, &columns}, items,
                            numbers));
        for (const DeliveredMonth& month : subject.months) {
          // Neighbours are mostly of one item.
          const Fact* last = nullptr;
          Total* total = nullptr;
          bool allocated = false;
          for (const Fact& fact : month.facts) {
            if (last == nullptr || fact.item != last->item) {
              total = &totals[{month.billing_period, sums.items()[fact.item].currency}];
              allocated = decided.Of(fact.item).entity_ref != kUnallocated;
            }
            last = &fact;
            PURSER_RETURN_IF_ERROR(total->all.Add(fact.sums));
            if (allocated) PURSER_RETURN_IF_ERROR(total->allocated.Add(fact.sums));
          }
        }
        return decisions.Add(decided);
      }));
  for (const auto& [key, total] : totals) {
    report.totals.push_back({key.first, key.second, total.all.billed, total.all.effective,
                             total.allocated.billed, total.all.charges});
  }
  return decisions;
}

absl::StatusOr<IngestReport> StoredCostService::Ingest(const IngestRequest& request) {
  PURSER_RETURN_IF_ERROR(CheckSource(request.source));
  if (request.paths.empty() || request.paths.size() > kMaxDeliveryFiles) {
    return absl::InvalidArgumentError(absl::StrCat("a delivery has 1 to ", kMaxDeliveryFiles,
                                                   " files, not ", request.paths.size()));
  }
  IngestReport report;
  Quarantine quarantine(options_.quarantine_folder,
                        SideFileName(SourceName(request.source),
                                     base::NewId("", *options_.clock, base::Rng::System())));
  Delivery delivery(request, options_.allocation->extra_columns(), Today(options_),
                    options_.duckdb_library);
  PURSER_RETURN_IF_ERROR(delivery.Read(quarantine, report));

  base::MutexLock lock(allocation_mutex_);
  const absl::StatusOr<DecidedSubjects> decisions = Decide(delivery.sums(), report);
  if (!decisions.ok()) return NotOfContent(decisions.status());
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(report.unchanged, IsStored(connection, request.source, report));
        return absl::OkStatus();
      }));
  // The side file of a delivery that is stored already is there already.
  if (report.unchanged) return report;
  if (request.stop.stop_requested()) {
    return absl::CancelledError("the ingest was cancelled; nothing was stored");
  }
  PURSER_ASSIGN_OR_RETURN(report.quarantine_path, quarantine.Keep());
  const absl::Status stored =
      engine_->Store(*graph(), {request, report, delivery.sums(), *decisions});
  if (!stored.ok()) {
    if (!report.quarantine_path.empty()) unlink(report.quarantine_path.c_str());
    return base::Annotate(NotOfContent(stored),
                          absl::StrCat("store the delivery of ", request.source));
  }
  RemoveForgottenSideFiles();
  return report;
}

void StoredCostService::RemoveForgottenSideFiles() {
  std::vector<std::string> known;
  const absl::Status listed = options_.database->Read([&](store::Connection& connection) {
    known.clear();
    return connection.ForEach(
        "SELECT quarantine_path FROM cost_ingests WHERE quarantine_path <> ''", {},
        [&](const store::Row& row) {
          known.push_back(row.Text(0));
          return absl::OkStatus();
        });
  });
  // Otherwise the next delivery does it.
  if (listed.ok()) RemoveForgotten(options_.quarantine_folder, known);
}

absl::StatusOr<Explanation> ExplainCharge(const Allocation& allocation, ResourceIndex& resources,
                                          const ExplainRequest& request) {
  const auto column = [&](const char* name) {
    const auto found = request.columns.find(name);
    return found == request.columns.end() ? std::string() : found->second;
  };
  PURSER_ASSIGN_OR_RETURN(const Tags tags, ParseTags(column("Tags")));
  const ChargeItem item{column("ServiceName"),
                        column("RegionId"),
                        column("SkuId"),
                        column("ChargeCategory"),
                        "",
                        column("BillingCurrency"),
                        ""};
  const std::string resource_id = column("ResourceId");
  const std::string sub_account = column("SubAccountId");
  Explanation explanation;
  PURSER_ASSIGN_OR_RETURN(explanation.decision, allocation.Decide({resource_id, sub_account, &tags,
                                                                   &request.columns, &item},
                                                                  resources, &explanation.rules));
  return explanation;
}

absl::StatusOr<std::unique_ptr<CostService>> CostService::Open(Options options) {
  if (options.allocation == nullptr) options.allocation = Allocation::Default();
  if (options.keep_deliveries < 0 || options.keep_months < 0) {
    return absl::InvalidArgumentError("keepDeliveries and keepMonths cannot be below 0");
  }
  if (!options.duckdb_library.empty()) {
    // Told at the start, not when the first file needs it.
    PURSER_RETURN_IF_ERROR(DuckDb::Load(options.duckdb_library).status());
  }
  auto service = std::make_unique<StoredCostService>(std::move(options));
  PURSER_RETURN_IF_ERROR(service->Start());
  return service;
}

}  // namespace purser::costs

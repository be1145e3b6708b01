#include "costs/service.h"

#include <unistd.h>

#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/delivery.h"
#include "costs/quarantine.h"
#include "costs/query.h"
#include "costs/readers/tags.h"
#include "costs/rollups.h"

namespace purser::costs {
namespace {

absl::Status CheckSource(absl::string_view source) {
  bool good = !source.empty() && source.size() <= kMaxSourceBytes;
  for (const char c : source) {
    good = good && (absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-');
  }
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("source \"", base::EscapeForDisplay(source, 80),
                                                 "\" is not 1 to ", kMaxSourceBytes,
                                                 " of the characters a-z, 0-9 and -"));
}

class StoredCostService final : public CostService {
 public:
  explicit StoredCostService(Options options) : options_(std::move(options)) {}

  absl::Status Start();
  absl::StatusOr<IngestReport> Ingest(const IngestRequest& request) override;
  absl::StatusOr<QueryPage> Query(const QueryRequest& request) override;
  absl::StatusOr<EntityCostSummary> EntitySummary(const EntitySummaryRequest& request) override;
  absl::StatusOr<int64_t> Reallocate() override;

 private:
  // One per subject of the delivery.
  absl::StatusOr<std::vector<Decision>> Decide(const Delivery& delivery);
  static absl::Status FillTotals(const Delivery& delivery, const std::vector<Decision>& decisions,
                                 IngestReport& report);

  const Options options_;
  // Held from the decisions to the end of their transaction, so that decisions made on older
  // resources never overwrite newer ones.
  base::Mutex allocation_mutex_;
};

absl::Status StoredCostService::Start() {
  PURSER_RETURN_IF_ERROR(MigrateTables(*options_.database));
  std::string stored;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(stored, AllocationFingerprint(connection));
        return absl::OkStatus();
      }));
  if (stored == options_.allocation->fingerprint()) return absl::OkStatus();
  return Reallocate().status();
}

absl::StatusOr<std::vector<Decision>> StoredCostService::Decide(const Delivery& delivery) {
  std::vector<Decision> decisions;
  decisions.reserve(delivery.subjects().size());
  for (const StoredSubject& subject : delivery.subjects()) {
    PURSER_ASSIGN_OR_RETURN(Decision decision,
                            options_.allocation->Decide({subject.resource_id, subject.sub_account,
                                                         &delivery.tags()[subject.tags].first},
                                                        *options_.resources));
    decisions.push_back(std::move(decision));
  }
  return decisions;
}

absl::Status StoredCostService::FillTotals(const Delivery& delivery,
                                           const std::vector<Decision>& decisions,
                                           IngestReport& report) {
  struct Total {
    Sums all;
    Sums allocated;
  };
  std::map<std::pair<absl::CivilDay, std::string>, Total> totals;
  for (const auto& [key, sums] : delivery.rollups()) {
    Total& total = totals[{key.billing_period, delivery.texts().TextOf(key.currency)}];
    PURSER_RETURN_IF_ERROR(total.all.Add(sums.billed, sums.effective, sums.charges));
    if (decisions[key.subject].entity_ref == kUnallocated) continue;
    PURSER_RETURN_IF_ERROR(total.allocated.Add(sums.billed, sums.effective, sums.charges));
  }
  for (const auto& [key, total] : totals) {
    report.totals.push_back({key.first, key.second, total.all.billed, total.all.effective,
                             total.allocated.billed, total.all.charges});
  }
  return absl::OkStatus();
}

absl::StatusOr<IngestReport> StoredCostService::Ingest(const IngestRequest& request) {
  PURSER_RETURN_IF_ERROR(CheckSource(request.source));
  if (request.paths.empty() || request.paths.size() > kMaxDeliveryFiles) {
    return absl::InvalidArgumentError(absl::StrCat("a delivery has 1 to ", kMaxDeliveryFiles,
                                                   " files, not ", request.paths.size()));
  }
  IngestReport report;
  Quarantine quarantine(
      options_.quarantine_folder,
      absl::StrCat(request.source, "-", base::NewId("", *options_.clock, base::Rng::System()),
                   ".csv"));
  Delivery delivery(request);
  PURSER_RETURN_IF_ERROR(delivery.Read(quarantine, report));

  base::MutexLock lock(allocation_mutex_);
  PURSER_ASSIGN_OR_RETURN(const std::vector<Decision> decisions, Decide(delivery));
  PURSER_RETURN_IF_ERROR(FillTotals(delivery, decisions, report));
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(report.unchanged, IsStored(connection, request.source, report));
        return absl::OkStatus();
      }));
  // The side file of a delivery that is stored already is there already.
  if (report.unchanged) return report;
  PURSER_ASSIGN_OR_RETURN(report.quarantine_path, quarantine.Keep());
  if (request.stop.stop_requested()) {
    return absl::CancelledError("the ingest was cancelled; nothing was stored");
  }
  const absl::Status stored = options_.database->Transact([&](store::Connection& connection) {
    return StoreDelivery(connection, request, report, delivery, decisions, options_.clock->Now());
  });
  if (!stored.ok()) {
    if (!report.quarantine_path.empty()) unlink(report.quarantine_path.c_str());
    return base::Annotate(stored, absl::StrCat("store the delivery of ", request.source));
  }
  return report;
}

absl::StatusOr<int64_t> StoredCostService::Reallocate() {
  base::MutexLock lock(allocation_mutex_);
  std::vector<KnownSubject> subjects;
  PURSER_RETURN_IF_ERROR(options_.database->Read([&](store::Connection& connection) {
    return ForEachSubject(connection, [&](const KnownSubject& subject) {
      subjects.push_back(subject);
      return absl::OkStatus();
    });
  }));
  std::vector<std::pair<int64_t, Decision>> changed;
  for (const KnownSubject& subject : subjects) {
    PURSER_ASSIGN_OR_RETURN(const Tags tags, ParseTags(subject.tags));
    PURSER_ASSIGN_OR_RETURN(
        Decision decision,
        options_.allocation->Decide({subject.resource_id, subject.sub_account, &tags},
                                    *options_.resources));
    if (decision.entity_ref != subject.decision.entity_ref ||
        decision.rule != subject.decision.rule) {
      changed.emplace_back(subject.id, std::move(decision));
    }
  }
  PURSER_RETURN_IF_ERROR(options_.database->Transact([&](store::Connection& connection) {
    absl::Status status = StoreDecisions(connection, changed);
    status.Update(SetAllocationFingerprint(connection, options_.allocation->fingerprint()));
    return status;
  }));
  return static_cast<int64_t>(changed.size());
}

absl::StatusOr<QueryPage> StoredCostService::Query(const QueryRequest& request) {
  QueryPage page;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(page, RunQuery(connection, request));
        return absl::OkStatus();
      }));
  return page;
}

absl::StatusOr<EntityCostSummary> StoredCostService::EntitySummary(
    const EntitySummaryRequest& request) {
  EntityCostSummary summary;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(summary, Summarise(connection, request));
        return absl::OkStatus();
      }));
  return summary;
}

}  // namespace

absl::StatusOr<std::unique_ptr<CostService>> CostService::Open(Options options) {
  if (options.allocation == nullptr) options.allocation = Allocation::Default();
  auto service = std::make_unique<StoredCostService>(std::move(options));
  PURSER_RETURN_IF_ERROR(service->Start());
  return service;
}

}  // namespace purser::costs

#include "costs/service.h"

#include <unistd.h>

#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/id.h"
#include "base/rng.h"
#include "base/strings.h"
#include "costs/quarantine.h"
#include "costs/readers/tags.h"
#include "costs/rollups.h"
#include "costs/stored_service.h"

namespace purser::costs {
namespace {

// Of what allocation writes: what was written in another form is allocated anew.
constexpr char kForm[] = "2";

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

}  // namespace

absl::StatusOr<std::shared_ptr<const Numbers>> StoredCostService::NumbersIn(
    store::Connection& connection) {
  PURSER_ASSIGN_OR_RETURN(const int64_t version, costs::DataVersion(connection));
  std::shared_ptr<const Numbers> known;
  {
    base::MutexLock lock(mutex_);
    // Numbers are only added: newer ones serve older snapshots.
    if (numbers_version_ >= version) return numbers_;
    known = numbers_;
  }
  auto fresh = std::make_shared<Numbers>(*known);
  PURSER_RETURN_IF_ERROR(fresh->Refresh(connection));
  base::MutexLock lock(mutex_);
  if (numbers_version_ < version) {
    numbers_ = fresh;
    numbers_version_ = version;
  }
  return std::shared_ptr<const Numbers>(fresh);
}

absl::StatusOr<Numbers> StoredCostService::OwnNumbers(store::Connection& connection) {
  std::shared_ptr<const Numbers> known;
  {
    base::MutexLock lock(mutex_);
    known = numbers_;
  }
  Numbers own = *known;
  PURSER_RETURN_IF_ERROR(own.Refresh(connection));
  return own;
}

absl::StatusOr<std::string> StoredCostService::Fingerprint(store::Connection& connection) {
  PURSER_ASSIGN_OR_RETURN(const std::string metrics, GetState(connection, "metrics"));
  return absl::StrCat(kForm, "/", options_.allocation->fingerprint(), "/", graph()->fingerprint(),
                      "/", metrics);
}

absl::Status StoredCostService::Start() {
  PURSER_RETURN_IF_ERROR(MigrateTables(*options_.database));
  base::MutexLock allocation_lock(allocation_mutex_);
  std::vector<GraphEntity> entities;
  std::string decided_by;
  std::string fingerprint;
  bool months_differ = false;
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
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(fingerprint, Fingerprint(connection));
        PURSER_ASSIGN_OR_RETURN(const auto months, MonthFingerprints(connection));
        for (const auto& [month, by] : months) months_differ = months_differ || by != fingerprint;
        return absl::OkStatus();
      }));
  if (decided_by != options_.allocation->fingerprint()) return ReallocateLocked().status();
  return months_differ ? AllocateMonths() : absl::OkStatus();
}

// By the delivery's own numbers of items. Outside of any transaction: looking up resources reads.
absl::StatusOr<std::vector<Decisions>> StoredCostService::Decide(const Delivery& delivery) {
  std::vector<std::set<uint32_t>> items(delivery.subjects().size());
  Numbering<ChargeItem> numbers;
  for (const ChargeItem& item : delivery.items()) numbers.NumberOf(item);
  if (options_.allocation->by_item()) {
    for (const auto& [key, sums] : delivery.rollups()) items[key.subject].insert(key.item);
  }
  std::vector<Decisions> decisions;
  decisions.reserve(delivery.subjects().size());
  for (size_t i = 0; i < delivery.subjects().size(); ++i) {
    const StoredSubject& subject = delivery.subjects()[i];
    PURSER_ASSIGN_OR_RETURN(const Tags columns,
                            ParseTags(delivery.texts().TextOf(subject.columns)));
    PURSER_ASSIGN_OR_RETURN(Decisions decided,
                            Decisions::Make(*options_.allocation, *options_.resources,
                                            {subject.resource_id, subject.sub_account,
                                             &delivery.tags()[subject.tags].first, &columns},
                                            items[i], numbers));
    decisions.push_back(std::move(decided));
  }
  return decisions;
}

absl::Status StoredCostService::FillTotals(const Delivery& delivery,
                                           const std::vector<Decisions>& decisions,
                                           IngestReport& report) {
  struct Total {
    Measures all;
    Measures allocated;
  };
  std::map<std::pair<absl::CivilDay, std::string>, Total> totals;
  for (const auto& [key, sums] : delivery.rollups()) {
    const ChargeItem& item = delivery.items()[key.item];
    Total& total = totals[{key.billing_period, item.currency}];
    PURSER_RETURN_IF_ERROR(total.all.Add(sums));
    if (decisions[key.subject].Of(key.item).entity_ref == kUnallocated) continue;
    PURSER_RETURN_IF_ERROR(total.allocated.Add(sums));
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
  Delivery delivery(request, options_.allocation->extra_columns());
  PURSER_RETURN_IF_ERROR(delivery.Read(quarantine, report));

  base::MutexLock lock(allocation_mutex_);
  PURSER_ASSIGN_OR_RETURN(const std::vector<Decisions> decisions, Decide(delivery));
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
  const std::shared_ptr<const EntityGraph> entities = graph();
  const absl::Status stored =
      options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(Numbers numbers, OwnNumbers(connection));
        PURSER_ASSIGN_OR_RETURN(
            const std::set<int64_t> months,
            StoreDelivery(connection, request, report, delivery, decisions,
                          options_.keep_deliveries, numbers, options_.clock->Now()));
        PURSER_ASSIGN_OR_RETURN(const std::string fingerprint, Fingerprint(connection));
        for (const int64_t month : months) {
          PURSER_RETURN_IF_ERROR(
              AllocateMonth(connection, *options_.allocation, *entities, month, numbers));
          PURSER_RETURN_IF_ERROR(SetMonthFingerprint(connection, month, fingerprint));
        }
        PURSER_RETURN_IF_ERROR(ForgetOldMonths(connection, request.source));
        return BumpDataVersion(connection);
      });
  if (!stored.ok()) {
    if (!report.quarantine_path.empty()) unlink(report.quarantine_path.c_str());
    return base::Annotate(stored, absl::StrCat("store the delivery of ", request.source));
  }
  return report;
}

absl::Status StoredCostService::ForgetOldMonths(store::Connection& connection,
                                                const std::string& source) const {
  if (options_.keep_months == 0) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                          connection.Query("SELECT max(month) FROM cost_facts", {}));
  if (rows[0].IsNull(0)) return absl::OkStatus();
  const absl::CivilMonth newest(FirstDay(rows[0].Int(0)));
  const absl::CivilDay first(newest - (options_.keep_months - 1));
  PURSER_ASSIGN_OR_RETURN(const int64_t gone, ForgetMonths(connection, MonthOf(first)));
  return gone == 0 ? absl::OkStatus() : ForgetSubjects(connection, source);
}

absl::StatusOr<int64_t> StoredCostService::ReallocateLocked() {
  std::vector<KnownSubject> subjects;
  std::shared_ptr<const Numbers> numbers;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(numbers, NumbersIn(connection));
        return ForEachSubject(connection, [&](const KnownSubject& subject) {
          subjects.push_back(subject);
          return absl::OkStatus();
        });
      }));
  std::vector<std::pair<int64_t, std::string>> changed;
  for (const KnownSubject& subject : subjects) {
    PURSER_ASSIGN_OR_RETURN(const Tags tags, ParseTags(subject.tags));
    PURSER_ASSIGN_OR_RETURN(const Tags columns, ParseTags(subject.columns));
    PURSER_ASSIGN_OR_RETURN(
        const Decisions decisions,
        Decisions::Make(*options_.allocation, *options_.resources,
                        {subject.resource_id, subject.sub_account, &tags, &columns}, subject.items,
                        numbers->items));
    std::string text = decisions.ToText();
    if (text != subject.decisions) changed.emplace_back(subject.id, std::move(text));
  }
  std::set<int64_t> months;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(months, MonthsOf(connection, changed));
        return absl::OkStatus();
      }));
  PURSER_RETURN_IF_ERROR(
      options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        PURSER_RETURN_IF_ERROR(StoreDecisions(connection, changed));
        for (const int64_t month : months) {
          PURSER_RETURN_IF_ERROR(SetMonthFingerprint(connection, month, ""));
        }
        return SetState(connection, "allocation", options_.allocation->fingerprint());
      }));
  PURSER_RETURN_IF_ERROR(AllocateMonths());
  return static_cast<int64_t>(changed.size());
}

absl::Status StoredCostService::AllocateMonths() {
  std::string fingerprint;
  std::vector<int64_t> months;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(fingerprint, Fingerprint(connection));
        PURSER_ASSIGN_OR_RETURN(const auto known, MonthFingerprints(connection));
        for (const auto& [month, by] : known) {
          if (by != fingerprint) months.push_back(month);
        }
        return absl::OkStatus();
      }));
  const std::shared_ptr<const EntityGraph> entities = graph();
  // Month by month: other writers have their turn, and a stop in between is taken up at the start.
  for (const int64_t month : months) {
    PURSER_RETURN_IF_ERROR(
        options_.database->Transact([&](store::Connection& connection) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(Numbers numbers, OwnNumbers(connection));
          PURSER_RETURN_IF_ERROR(
              AllocateMonth(connection, *options_.allocation, *entities, month, numbers));
          PURSER_RETURN_IF_ERROR(SetMonthFingerprint(connection, month, fingerprint));
          return BumpDataVersion(connection);
        }));
  }
  return absl::OkStatus();
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
  auto service = std::make_unique<StoredCostService>(std::move(options));
  PURSER_RETURN_IF_ERROR(service->Start());
  return service;
}

}  // namespace purser::costs

#include "costs/service.h"

#include <unistd.h>

#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "costs/delivery.h"
#include "costs/quarantine.h"
#include "costs/query.h"
#include "costs/readers/days.h"
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
  absl::StatusOr<QueryPage> Query(const QueryRequest& request) override {
    return Answer<QueryPage>(
        [&](const QueryContext& context) { return RunQuery(context, request); });
  }
  absl::StatusOr<EntityCostSummary> EntitySummary(const EntitySummaryRequest& request) override {
    return Answer<EntityCostSummary>(
        [&](const QueryContext& context) { return Summarise(context, request); });
  }
  absl::StatusOr<std::vector<CostRow>> Sums(const QueryRequest& request) override {
    return Answer<std::vector<CostRow>>(
        [&](const QueryContext& context) { return RunSums(context, request); });
  }
  absl::StatusOr<TopResult> Top(const TopRequest& request) override {
    return Answer<TopResult>([&](const QueryContext& context) { return RunTop(context, request); });
  }
  absl::StatusOr<std::vector<ComparedRow>> Compare(const CompareRequest& request) override {
    return Answer<std::vector<ComparedRow>>(
        [&](const QueryContext& context) { return RunCompare(context, request); });
  }
  absl::StatusOr<std::vector<ReconciledInvoice>> Reconcile(absl::CivilDay from,
                                                           absl::CivilDay to) override {
    return Answer<std::vector<ReconciledInvoice>>(
        [&](const QueryContext& context) { return RunReconcile(context, from, to); });
  }
  absl::StatusOr<Explanation> Explain(const ExplainRequest& request) override {
    return ExplainCharge(*options_.allocation, *options_.resources, request);
  }
  absl::StatusOr<std::vector<AllocatedPart>> ExplainEntity(absl::string_view entity_ref,
                                                           int64_t month) override;
  absl::Status PutGraph(std::shared_ptr<const EntityGraph> graph) override;
  std::shared_ptr<const EntityGraph> graph() override {
    base::MutexLock lock(mutex_);
    return graph_;
  }
  absl::Status PutMetrics(const std::vector<MetricValue>& values) override;
  absl::StatusOr<std::vector<MetricValue>> Metrics(absl::string_view metric,
                                                   absl::string_view entity, absl::CivilDay from,
                                                   absl::CivilDay to) override;
  absl::StatusOr<int64_t> DataVersion() override;
  absl::StatusOr<std::optional<std::pair<absl::CivilDay, absl::CivilDay>>> DataDays() override;
  absl::StatusOr<bool> RecordAlert(const CostAlert& alert) override;
  absl::StatusOr<std::vector<CostAlert>> Alerts(int64_t after, int limit) override;
  absl::StatusOr<std::vector<std::string>> NamesOf(Dimension dimension) override;
  absl::StatusOr<int64_t> Reallocate() override {
    base::MutexLock lock(allocation_mutex_);
    return ReallocateLocked();
  }

 private:
  // Runs `work` on a snapshot.
  template <typename T, typename Work>
  absl::StatusOr<T> Answer(const Work& work) {
    T answer;
    const std::shared_ptr<const EntityGraph> entities = graph();
    PURSER_RETURN_IF_ERROR(
        options_.database->Read([&](store::Connection& connection) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const Numbers> numbers,
                                  NumbersIn(connection));
          PURSER_ASSIGN_OR_RETURN(
              answer, work(QueryContext{connection, *numbers, *entities, options_.rates.get()}));
          return absl::OkStatus();
        }));
    return answer;
  }
  // At least what the snapshot refers to.
  absl::StatusOr<std::shared_ptr<const Numbers>> NumbersIn(store::Connection& connection);
  // A copy to add to inside a transaction.
  absl::StatusOr<Numbers> OwnNumbers(store::Connection& connection);
  absl::StatusOr<std::string> Fingerprint(store::Connection& connection);
  absl::StatusOr<int64_t> ReallocateLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(allocation_mutex_);
  // Allocates all months anew that were not by the rules of now.
  absl::Status AllocateMonths() ABSL_EXCLUSIVE_LOCKS_REQUIRED(allocation_mutex_);
  // One per subject of the delivery.
  absl::StatusOr<std::vector<Decisions>> Decide(const Delivery& delivery);
  static absl::Status FillTotals(const Delivery& delivery, const std::vector<Decisions>& decisions,
                                 IngestReport& report);

  const Options options_;
  // Held from the decisions to the end of their transaction, so that decisions made on older
  // resources never overwrite newer ones.
  base::Mutex allocation_mutex_;
  base::Mutex mutex_;
  std::shared_ptr<const EntityGraph> graph_ ABSL_GUARDED_BY(mutex_) = EntityGraph::Empty();
  std::shared_ptr<const Numbers> numbers_ ABSL_GUARDED_BY(mutex_) = std::make_shared<Numbers>();
  int64_t numbers_version_ ABSL_GUARDED_BY(mutex_) = -1;  // the data's when they were read
};

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
  return absl::StrCat(options_.allocation->fingerprint(), "/", graph()->fingerprint(), "/",
                      metrics);
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
        PURSER_ASSIGN_OR_RETURN(const std::set<int64_t> months,
                                StoreDelivery(connection, request, report, delivery, decisions,
                                              numbers, options_.clock->Now()));
        PURSER_ASSIGN_OR_RETURN(const std::string fingerprint, Fingerprint(connection));
        for (const int64_t month : months) {
          PURSER_RETURN_IF_ERROR(
              AllocateMonth(connection, *options_.allocation, *entities, month, numbers));
          PURSER_RETURN_IF_ERROR(SetMonthFingerprint(connection, month, fingerprint));
        }
        return BumpDataVersion(connection);
      });
  if (!stored.ok()) {
    if (!report.quarantine_path.empty()) unlink(report.quarantine_path.c_str());
    return base::Annotate(stored, absl::StrCat("store the delivery of ", request.source));
  }
  return report;
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

absl::StatusOr<std::vector<AllocatedPart>> StoredCostService::ExplainEntity(
    absl::string_view entity_ref, int64_t month) {
  std::string name(entity_ref);
  if (absl::StrContains(entity_ref, '/')) {
    PURSER_ASSIGN_OR_RETURN(const catalog::EntityRef ref, catalog::EntityRef::Parse(entity_ref));
    name = ref.ToString();
  }
  if (month < 199001 || month > 219912 || month % 100 < 1 || month % 100 > 12) {
    return absl::InvalidArgumentError("the month is not one like 2026-11");
  }
  return Answer<std::vector<AllocatedPart>>(
      [&](const QueryContext& context) { return RunExplainEntity(context, name, month); });
}

absl::Status StoredCostService::PutGraph(std::shared_ptr<const EntityGraph> graph) {
  base::MutexLock allocation_lock(allocation_mutex_);
  {
    base::MutexLock lock(mutex_);
    if (graph_->fingerprint() == graph->fingerprint()) return absl::OkStatus();
  }
  PURSER_RETURN_IF_ERROR(options_.database->Transact(
      [&](store::Connection& connection) { return StoreGraph(connection, *graph); }));
  {
    base::MutexLock lock(mutex_);
    graph_ = std::move(graph);
  }
  return AllocateMonths();
}

absl::Status StoredCostService::PutMetrics(const std::vector<MetricValue>& values) {
  base::MutexLock allocation_lock(allocation_mutex_);
  base::Hasher hasher(base::HashKind::kSha256);
  for (const MetricValue& value : values) {
    hasher.Update(absl::StrCat(value.metric, "\x1f", value.entity, "\x1f", DayText(value.day),
                               "\x1f", value.value.ToString(), "\x1e"));
  }
  const std::string hash = base::ToHex(hasher.Finish());
  bool splits = false;
  for (const Pool& pool : options_.allocation->pools()) {
    splits = splits || pool.split == Split::kMetric;
  }
  PURSER_RETURN_IF_ERROR(
      options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(const std::string stored, GetState(connection, "metric values"));
        if (stored == hash) return absl::OkStatus();
        PURSER_RETURN_IF_ERROR(connection.ExecuteLater("DELETE FROM cost_metrics", {}));
        for (const MetricValue& value : values) {
          PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
              "INSERT INTO cost_metrics (metric, entity, day, value) VALUES ($1, $2, $3, $4)",
              {value.metric, value.entity, DayText(value.day), value.value.ToString()}));
        }
        PURSER_RETURN_IF_ERROR(SetState(connection, "metric values", hash));
        // Only splits make them a part of what is allocated.
        return SetState(connection, "metrics", splits ? hash : "");
      }));
  return AllocateMonths();
}

absl::StatusOr<std::vector<MetricValue>> StoredCostService::Metrics(absl::string_view metric,
                                                                    absl::string_view entity,
                                                                    absl::CivilDay from,
                                                                    absl::CivilDay to) {
  std::vector<MetricValue> values;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        return connection.ForEach(
            "SELECT day, value FROM cost_metrics WHERE metric = $1 AND entity = $2 AND day >= $3 "
            "AND day <= $4 ORDER BY day",
            {std::string(metric), std::string(entity), DayText(from), DayText(to)},
            [&](const store::Row& row) -> absl::Status {
              PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.Text(0)));
              PURSER_ASSIGN_OR_RETURN(const base::Decimal value, base::Decimal::Parse(row.Text(1)));
              values.push_back({std::string(metric), std::string(entity), day, value});
              return absl::OkStatus();
            });
      }));
  return values;
}

absl::StatusOr<int64_t> StoredCostService::DataVersion() {
  int64_t version = 0;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        PURSER_ASSIGN_OR_RETURN(version, costs::DataVersion(connection));
        return absl::OkStatus();
      }));
  return version;
}

absl::StatusOr<std::optional<std::pair<absl::CivilDay, absl::CivilDay>>>
StoredCostService::DataDays() {
  std::optional<std::pair<absl::CivilDay, absl::CivilDay>> days;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        return connection.ForEach(
            "SELECT min(first_day), max(last_day) FROM cost_periods", {},
            [&](const store::Row& row) -> absl::Status {
              if (row.IsNull(0)) return absl::OkStatus();
              PURSER_ASSIGN_OR_RETURN(const absl::CivilDay first, ParseDay(row.Text(0)));
              PURSER_ASSIGN_OR_RETURN(const absl::CivilDay last, ParseDay(row.Text(1)));
              days.emplace(first, last);
              return absl::OkStatus();
            });
      }));
  return days;
}

absl::StatusOr<bool> StoredCostService::RecordAlert(const CostAlert& alert) {
  bool first = false;
  PURSER_RETURN_IF_ERROR(
      options_.database->Transact([&](store::Connection& connection) -> absl::Status {
        first = false;
        PURSER_ASSIGN_OR_RETURN(const store::Rows rows,
                                connection.Query("SELECT max(id) FROM cost_alerts", {}));
        PURSER_ASSIGN_OR_RETURN(
            const int64_t stored,
            connection.Execute(
                "INSERT INTO cost_alerts (id, kind, subject, scope, detail, at) "
                "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (kind, subject, scope) DO NOTHING",
                {rows[0].Int(0) + 1, alert.kind, alert.subject, alert.scope, alert.detail,
                 absl::ToUnixMicros(options_.clock->Now())}));
        first = stored > 0;
        return absl::OkStatus();
      }));
  return first;
}

absl::StatusOr<std::vector<CostAlert>> StoredCostService::Alerts(int64_t after, int limit) {
  if (limit < 1 || limit > kMaxPageSize) {
    return absl::InvalidArgumentError(absl::StrCat("limit ", limit, " is not 1 to ", kMaxPageSize));
  }
  std::vector<CostAlert> alerts;
  PURSER_RETURN_IF_ERROR(
      options_.database->Read([&](store::Connection& connection) -> absl::Status {
        return connection.ForEach(
            "SELECT id, kind, subject, scope, detail, at FROM cost_alerts WHERE id > $1 "
            "ORDER BY id LIMIT $2",
            {after, int64_t{limit}}, [&](const store::Row& row) {
              alerts.push_back({row.Int(0), row.Text(1), row.Text(2), row.Text(3), row.Text(4),
                                absl::FromUnixMicros(row.Int(5))});
              return absl::OkStatus();
            });
      }));
  return alerts;
}

absl::StatusOr<std::vector<std::string>> StoredCostService::NamesOf(Dimension dimension) {
  const std::optional<NodeKind> kind = NodeKindOf(dimension);
  if (!kind.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(DimensionName(dimension), " is no dimension of the catalog"));
  }
  return Answer<std::vector<std::string>>(
      [&](const QueryContext& context) -> absl::StatusOr<std::vector<std::string>> {
        std::vector<std::string> names;
        PURSER_RETURN_IF_ERROR(
            context.connection.ForEach("SELECT name FROM cost_nodes WHERE kind = $1 ORDER BY name",
                                       {static_cast<int64_t>(*kind)}, [&](const store::Row& row) {
                                         names.push_back(row.Text(0));
                                         return absl::OkStatus();
                                       }));
        return names;
      });
}

}  // namespace

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
  auto service = std::make_unique<StoredCostService>(std::move(options));
  PURSER_RETURN_IF_ERROR(service->Start());
  return service;
}

}  // namespace purser::costs

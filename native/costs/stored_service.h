// CostService over a store and an engine.
#ifndef PURSER_COSTS_STORED_SERVICE_H_
#define PURSER_COSTS_STORED_SERVICE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/mutex.h"
#include "base/status.h"
#include "costs/decisions.h"
#include "costs/delivered_sums.h"
#include "costs/engine.h"
#include "costs/query.h"
#include "costs/service.h"

namespace purser::costs {

class StoredCostService final : public CostService {
 public:
  explicit StoredCostService(Options options) : options_(std::move(options)) {}

  absl::Status Start();
  absl::StatusOr<IngestReport> Ingest(const IngestRequest& request) override;
  absl::StatusOr<QueryPage> Query(const QueryRequest& request) override {
    return Answer<QueryPage>([&](const CostReader& reader) { return RunQuery(reader, request); });
  }
  absl::StatusOr<EntityCostSummary> EntitySummary(const EntitySummaryRequest& request) override {
    return Answer<EntityCostSummary>(
        [&](const CostReader& reader) { return Summarise(reader, request); });
  }
  absl::StatusOr<std::vector<CostRow>> Sums(const QueryRequest& request) override {
    return Answer<std::vector<CostRow>>(
        [&](const CostReader& reader) { return RunSums(reader, request); });
  }
  absl::StatusOr<TopResult> Top(const TopRequest& request) override {
    return Answer<TopResult>([&](const CostReader& reader) { return RunTop(reader, request); });
  }
  absl::StatusOr<std::vector<ComparedRow>> Compare(const CompareRequest& request) override {
    return Answer<std::vector<ComparedRow>>(
        [&](const CostReader& reader) { return RunCompare(reader, request); });
  }
  absl::StatusOr<std::vector<ReconciledInvoice>> Reconcile(absl::CivilDay from,
                                                           absl::CivilDay to) override {
    return Answer<std::vector<ReconciledInvoice>>(
        [&](const CostReader& reader) { return reader.Reconcile(from, to); });
  }
  absl::StatusOr<std::vector<StoredDelivery>> Deliveries(const std::string& source,
                                                         int limit) override {
    return Answer<std::vector<StoredDelivery>>(
        [&](const CostReader& reader) { return reader.Deliveries(source, limit); });
  }
  absl::StatusOr<DeliveryDiff> Diff(const DiffRequest& request) override {
    return Answer<DeliveryDiff>([&](const CostReader& reader) { return reader.Diff(request); });
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
  absl::Status AddMetrics(const std::vector<MetricValue>& values) override;
  absl::StatusOr<std::vector<MetricValue>> Metrics(absl::string_view metric,
                                                   absl::string_view entity, absl::CivilDay from,
                                                   absl::CivilDay to) override;
  absl::StatusOr<int64_t> DataVersion() override;
  absl::StatusOr<std::optional<std::pair<absl::CivilDay, absl::CivilDay>>> DataDays() override;
  absl::StatusOr<std::vector<SourceFreshness>> Freshness() override;
  absl::StatusOr<bool> RecordAlert(const CostAlert& alert) override;
  absl::StatusOr<std::optional<CostAlert>> FindAlert(const std::string& kind,
                                                     const std::string& subject,
                                                     const std::string& scope) override;
  absl::StatusOr<std::vector<CostAlert>> Alerts(int64_t after, int limit) override;
  absl::StatusOr<int64_t> Reallocate() override {
    base::MutexLock lock(allocation_mutex_);
    return engine_->Reallocate(*graph());
  }

 private:
  absl::Status OpenEngine();
  // Runs `work` on one state of the data.
  template <typename T, typename Work>
  absl::StatusOr<T> Answer(const Work& work) {
    T answer;
    const std::shared_ptr<const EntityGraph> entities = graph();
    PURSER_RETURN_IF_ERROR(engine_->Read(*entities, [&](const CostReader& reader) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(answer, work(reader));
      return absl::OkStatus();
    }));
    return answer;
  }
  // `graph` with those of `known` that it lacks and that costs still roll up along.
  absl::StatusOr<std::shared_ptr<const EntityGraph>> WithGone(
      const std::shared_ptr<const EntityGraph>& graph, const EntityGraph& known);
  // Whether allocation looks at metrics.
  bool SplitsByMetric() const;
  // Of each subject of the delivery, by the delivery's own numbers of items; fills report.totals.
  absl::StatusOr<DecidedSubjects> Decide(const DeliveredSums& sums, IngestReport& report);
  // What deliveries set aside that are not known any more.
  void RemoveForgottenSideFiles();

  const Options options_;
  std::unique_ptr<Engine> engine_;  // set by Start
  // Held from the decisions to the end of their transaction, so that decisions made on older
  // resources never overwrite newer ones.
  base::Mutex allocation_mutex_;
  base::Mutex mutex_;
  std::shared_ptr<const EntityGraph> graph_ ABSL_GUARDED_BY(mutex_) = EntityGraph::Empty();
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_STORED_SERVICE_H_

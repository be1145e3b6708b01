// CostService over a store.
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
#include "costs/delivery.h"
#include "costs/history.h"
#include "costs/numbers.h"
#include "costs/query.h"
#include "costs/service.h"

namespace purser::costs {

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
  absl::StatusOr<std::vector<StoredDelivery>> Deliveries(const std::string& source,
                                                         int limit) override {
    return Answer<std::vector<StoredDelivery>>(
        [&](const QueryContext& context) { return RunDeliveries(context, source, limit); });
  }
  absl::StatusOr<DeliveryDiff> Diff(const DiffRequest& request) override {
    return Answer<DeliveryDiff>(
        [&](const QueryContext& context) { return RunDiff(context, request); });
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
  // Whether allocation looks at metrics.
  bool SplitsByMetric() const;
  absl::StatusOr<std::string> Fingerprint(store::Connection& connection);
  absl::StatusOr<int64_t> ReallocateLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(allocation_mutex_);
  // Allocates all months anew that were not by the rules of now.
  absl::Status AllocateMonths() ABSL_EXCLUSIVE_LOCKS_REQUIRED(allocation_mutex_);
  // Forgets what Options::keep_months says, as far as the source named its subjects.
  absl::Status ForgetOldMonths(store::Connection& connection, const std::string& source) const;
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

}  // namespace purser::costs

#endif  // PURSER_COSTS_STORED_SERVICE_H_

// Answers from the tables of the store.
#ifndef PURSER_COSTS_EMBEDDED_READER_H_
#define PURSER_COSTS_EMBEDDED_READER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/history.h"
#include "costs/query.h"

namespace purser::costs {

class EmbeddedReader final : public CostReader {
 public:
  explicit EmbeddedReader(const QueryContext& context) : context_(context) {}
  absl::StatusOr<std::vector<Group>> SumGroups(absl::CivilDay from, absl::CivilDay to,
                                               const std::vector<Dimension>& group_by,
                                               const std::vector<Filter>& filters,
                                               const std::string& currency) const override {
    return costs::SumGroups(context_, from, to, group_by, filters, currency);
  }
  absl::StatusOr<TopResult> TopNodes(NodeKind kind, const TopRequest& request) const override;
  absl::StatusOr<std::vector<SourceFreshness>> SourcesOf(const std::string& entity) const override;
  absl::StatusOr<std::optional<absl::CivilDay>> LastDay() const override {
    return LastKnownDay(context_.connection, "");
  }
  absl::StatusOr<std::vector<ReconciledInvoice>> Reconcile(absl::CivilDay from,
                                                           absl::CivilDay to) const override;
  absl::StatusOr<std::vector<AllocatedPart>> ExplainEntity(const std::string& entity,
                                                           int64_t month) const override;
  absl::StatusOr<std::vector<StoredDelivery>> Deliveries(const std::string& source,
                                                         int limit) const override {
    return ListDeliveries(context_.connection, source, limit);
  }
  absl::StatusOr<DeliveryDiff> Diff(const DiffRequest& request) const override {
    return RunDiff(context_, request);
  }

 private:
  const QueryContext context_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_EMBEDDED_READER_H_

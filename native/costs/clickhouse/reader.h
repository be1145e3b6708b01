// Answers from the tables on ClickHouse servers.
#ifndef PURSER_COSTS_CLICKHOUSE_READER_H_
#define PURSER_COSTS_CLICKHOUSE_READER_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/clickhouse/client.h"
#include "costs/clickhouse/tables.h"
#include "costs/query.h"

namespace purser::costs {

class ClickHouseReader final : public CostReader {
 public:
  // All outlive it. `rates` may be null.
  ClickHouseReader(const ClickHouseClient& client, store::Database& database,
                   const ClickHouseState& state, const EntityGraph& graph, const Rates* rates)
      : client_(client), database_(database), state_(state), graph_(graph), rates_(rates) {}

  absl::StatusOr<std::vector<Group>> SumGroups(absl::CivilDay from, absl::CivilDay to,
                                               const std::vector<Dimension>& group_by,
                                               const std::vector<Filter>& filters,
                                               const std::string& currency) const override;
  absl::StatusOr<TopResult> TopNodes(NodeKind kind, const TopRequest& request) const override;
  absl::StatusOr<std::vector<SourceFreshness>> SourcesOf(const std::string& entity) const override;
  absl::StatusOr<std::optional<absl::CivilDay>> LastDay() const override;
  absl::StatusOr<std::vector<ReconciledInvoice>> Reconcile(absl::CivilDay from,
                                                           absl::CivilDay to) const override;
  absl::StatusOr<std::vector<AllocatedPart>> ExplainEntity(const std::string& entity,
                                                           int64_t month) const override;
  absl::StatusOr<std::vector<StoredDelivery>> Deliveries(const std::string& source,
                                                         int limit) const override;
  absl::StatusOr<DeliveryDiff> Diff(const DiffRequest& request) const override;

 private:
  const ClickHouseClient& client_;
  store::Database& database_;
  const ClickHouseState& state_;
  const EntityGraph& graph_;
  const Rates* const rates_;
};

// "day >= … AND day <= …", of days ClickHouse knows.
std::string BetweenDays(absl::CivilDay from, absl::CivilDay to);
// The column that holds a dimension of charges, as text. "" for dimensions of the catalog.
std::string ColumnOf(Dimension dimension);

}  // namespace purser::costs

#endif  // PURSER_COSTS_CLICKHOUSE_READER_H_

// Answers from what allocation made of the bills.
#ifndef PURSER_COSTS_QUERY_H_
#define PURSER_COSTS_QUERY_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "costs/entity_graph.h"
#include "costs/numbers.h"
#include "costs/service.h"
#include "store/store.h"

namespace purser::costs {

// What answers are made from: a snapshot of the store, the numbers in it, and how entities roll up.
struct QueryContext {
  store::Connection& connection;
  const Numbers& numbers;
  const EntityGraph& graph;
  const Rates* rates;  // may be null
};

// A group of a query: its values and sums.
struct Group {
  std::vector<std::string> keys;
  std::string currency;
  Measures sums;
};
// In the order of keys, then currency. `currency` as in QueryRequest.
absl::StatusOr<std::vector<Group>> SumGroups(const QueryContext& context, absl::CivilDay from,
                                             absl::CivilDay to,
                                             const std::vector<Dimension>& group_by,
                                             const std::vector<Filter>& filters,
                                             const std::string& currency);

absl::StatusOr<QueryPage> RunQuery(const QueryContext& context, const QueryRequest& request);
absl::StatusOr<std::vector<CostRow>> RunSums(const QueryContext& context,
                                             const QueryRequest& request);
absl::StatusOr<TopResult> RunTop(const QueryContext& context, const TopRequest& request);
absl::StatusOr<std::vector<ComparedRow>> RunCompare(const QueryContext& context,
                                                    const CompareRequest& request);
absl::StatusOr<std::vector<ReconciledInvoice>> RunReconcile(const QueryContext& context,
                                                            absl::CivilDay from, absl::CivilDay to);
absl::StatusOr<EntityCostSummary> Summarise(const QueryContext& context,
                                            const EntitySummaryRequest& request);
absl::StatusOr<std::vector<AllocatedPart>> RunExplainEntity(const QueryContext& context,
                                                            const std::string& entity,
                                                            int64_t month);

CostRow ToRow(Group group);
// The kind of node a dimension of the catalog is; nothing for other dimensions.
std::optional<NodeKind> NodeKindOf(Dimension dimension);
// Whether a dimension is a part of what was bought, or of the bill; and its value there.
bool IsOfItem(Dimension dimension);
bool IsOfBill(Dimension dimension);
const std::string& ValueOf(const ChargeItem& item, Dimension dimension);
std::string ValueOf(const Bill& bill, Dimension dimension);

}  // namespace purser::costs

#endif  // PURSER_COSTS_QUERY_H_

// Answers from what allocation made of the bills.
#ifndef PURSER_COSTS_QUERY_H_
#define PURSER_COSTS_QUERY_H_

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
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

// What the data of a service answers, whichever engine keeps it. A consistent state of it, valid
// inside the callback it was given to; one thread.
class CostReader {
 public:
  virtual ~CostReader() = default;
  // In the order of keys, then currency. `currency` as in QueryRequest.
  virtual absl::StatusOr<std::vector<Group>> SumGroups(absl::CivilDay from, absl::CivilDay to,
                                                       const std::vector<Dimension>& group_by,
                                                       const std::vector<Filter>& filters,
                                                       const std::string& currency) const = 0;
  // The answer to a question without filters and conversion, by billed or effective cost. Nodes
  // whose both costs are 0 are left out; other sums of the rows are not filled.
  virtual absl::StatusOr<TopResult> TopNodes(NodeKind kind, const TopRequest& request) const = 0;
  // How far the data of each source that charges the entity reaches for anybody.
  virtual absl::StatusOr<std::vector<SourceFreshness>> SourcesOf(
      const std::string& entity) const = 0;
  virtual absl::StatusOr<std::optional<absl::CivilDay>> LastDay() const = 0;
  virtual absl::StatusOr<std::vector<ReconciledInvoice>> Reconcile(absl::CivilDay from,
                                                                   absl::CivilDay to) const = 0;
  virtual absl::StatusOr<std::vector<AllocatedPart>> ExplainEntity(const std::string& entity,
                                                                   int64_t month) const = 0;
  virtual absl::StatusOr<std::vector<StoredDelivery>> Deliveries(const std::string& source,
                                                                 int limit) const = 0;
  virtual absl::StatusOr<DeliveryDiff> Diff(const DiffRequest& request) const = 0;
};

// Of the embedded engine, as CostReader::SumGroups.
absl::StatusOr<std::vector<Group>> SumGroups(const QueryContext& context, absl::CivilDay from,
                                             absl::CivilDay to,
                                             const std::vector<Dimension>& group_by,
                                             const std::vector<Filter>& filters,
                                             const std::string& currency);

// Of any engine.
absl::StatusOr<QueryPage> RunQuery(const CostReader& reader, const QueryRequest& request);
absl::StatusOr<std::vector<CostRow>> RunSums(const CostReader& reader, const QueryRequest& request);
absl::StatusOr<TopResult> RunTop(const CostReader& reader, const TopRequest& request);
absl::StatusOr<std::vector<ComparedRow>> RunCompare(const CostReader& reader,
                                                    const CompareRequest& request);
absl::StatusOr<EntityCostSummary> Summarise(const CostReader& reader,
                                            const EntitySummaryRequest& request);

// What a rule, or a pool's shares, gave in a currency.
struct PartSums {
  Measures sums;
  std::map<std::string, base::Decimal> resources;  // billed, by resource id
};
// By rule and currency to parts, largest first.
std::vector<AllocatedPart> ToParts(
    const std::map<std::pair<std::string, std::string>, PartSums>& parts);
// Fills `difference` and `coverage`. OUT_OF_RANGE when a sum does not fit.
absl::Status Balance(ReconciledInvoice& invoice);
// At the rate of the day.
absl::StatusOr<Measures> ConvertMeasures(const Rates& rates, const Measures& sums,
                                         const std::string& from, const std::string& to,
                                         absl::CivilDay day);
// Of what cannot be converted: the first day is told, in whatever order they are met.
class Unconverted {
 public:
  void Note(absl::CivilDay day, const std::string& from, const absl::Status& status) {
    if (!status_.ok() && std::tie(first_, from_) <= std::tie(day, from)) return;
    first_ = day;
    from_ = from;
    status_ = status;
  }
  const absl::Status& status() const { return status_; }

 private:
  absl::CivilDay first_;
  std::string from_;
  absl::Status status_;
};
// FAILED_PRECONDITION without rates to convert with, INVALID_ARGUMENT beyond kMaxGroupBy.
absl::Status CheckSums(const std::vector<Dimension>& group_by, const std::string& currency,
                       const Rates* rates);

CostRow ToRow(Group group);
// OUT_OF_RANGE when a sum no longer fits.
absl::Status AddTo(CostRow& row, const CostRow& more);
// The kind of node a dimension of the catalog is; nothing for other dimensions.
std::optional<NodeKind> NodeKindOf(Dimension dimension);
// An entity counts for several of its values.
bool Overlaps(Dimension dimension);
// The values of a dimension of the catalog that an entity counts for; one unless it overlaps.
std::vector<std::string> ValuesOf(const Ancestry& ancestry, const std::string& ref,
                                  Dimension dimension);
// INVALID_ARGUMENT when costs cannot be grouped so together with other dimensions of the catalog.
absl::Status CheckTogether(const std::vector<Dimension>& group_by);
// Whether the entity has one of the values of each filter on a dimension of the catalog.
bool PassesCatalog(const std::vector<Filter>& filters, const Ancestry& ancestry,
                   const std::string& ref);
// Whether a dimension is a part of what was bought, or of the bill; and its value there.
bool IsOfItem(Dimension dimension);
bool IsOfBill(Dimension dimension);
const std::string& ValueOf(const ChargeItem& item, Dimension dimension);
std::string ValueOf(const Bill& bill, Dimension dimension);

}  // namespace purser::costs

#endif  // PURSER_COSTS_QUERY_H_

// What keeps the sums of charges and adds them up: the store itself (embedded), or servers beside
// it (ClickHouse). Deliveries, billing periods, relations, metrics and alerts are in the store with
// either.
#ifndef PURSER_COSTS_ENGINE_H_
#define PURSER_COSTS_ENGINE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/decisions.h"
#include "costs/delivered_sums.h"
#include "costs/entity_graph.h"
#include "costs/query.h"
#include "costs/service.h"

namespace purser::costs {

// A delivery that was read, with its decisions: one per subject, by the delivery's items.
struct ReadDelivery {
  const IngestRequest& request;
  const IngestReport& report;
  const DeliveredSums& sums;
  const DecidedSubjects& decisions;
};

// Calls that write are made by one thread at a time; Read by any.
class Engine {
 public:
  virtual ~Engine() = default;
  // A store belongs to the engine of this name.
  virtual absl::string_view name() const = 0;
  // Runs `work` on one state of the data; may run it again when that state went away meanwhile.
  virtual absl::Status Read(const EntityGraph& graph,
                            const std::function<absl::Status(const CostReader&)>& work) = 0;
  // Puts the delivery's billing periods in the place of what its source had there and allocates
  // what that changes: all or nothing, for readers and after a crash. Forgets what
  // Options::keep_deliveries and keep_months say.
  virtual absl::Status Store(const EntityGraph& graph, const ReadDelivery& read) = 0;
  // Decides of all subjects anew and allocates the months of those that went elsewhere; how many.
  virtual absl::StatusOr<int64_t> Reallocate(const EntityGraph& graph) = 0;
  // Allocates all months anew that were not by AllocationFingerprint.
  virtual absl::Status AllocateMonths(const EntityGraph& graph) = 0;
};

// Of everything a month's allocation depends on, but for its charges and what was decided of them.
absl::StatusOr<std::string> AllocationFingerprint(store::Connection& connection,
                                                  const Allocation& allocation,
                                                  const EntityGraph& graph);

// By the clock, in UTC. Options::keep_months counts back from the newest month until then: charges
// dated ahead push no month out.
absl::CivilDay Today(const Options& options);

// Keeps everything in the store. `options` outlives it.
std::unique_ptr<Engine> MakeEmbeddedEngine(const Options& options);

}  // namespace purser::costs

#endif  // PURSER_COSTS_ENGINE_H_

// Keeps requests, holdings, resources and catalog entities true to their runs, in the runs' own
// transactions.
#ifndef PURSER_PROVISIONING_RUN_RECORDER_H_
#define PURSER_PROVISIONING_RUN_RECORDER_H_

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "inventory/inventory.h"
#include "provisioning/blueprint.h"
#include "provisioning/connector_executor.h"
#include "provisioning/holding_links.h"
#include "provisioning/holding_store.h"
#include "provisioning/request_store.h"
#include "provisioning/service.h"
#include "workflow/definition_cache.h"
#include "workflow/observer.h"

namespace purser::provisioning {

RequestState ToRequestState(workflow::RunState state);

// When the keeper must look at a holding next; kNever: it need not.
int64_t DueOf(const HoldingRow& holding, const Life& life);

// A set's outputs list its `members`, each with `uid` and whether the step made it (`created`).
// Those of `outputs` that were made by the step that gave `before` count as made.
void CountMembersAsMade(const nlohmann::json& before, nlohmann::json& outputs);

// Thread-safe.
class RunRecorder final : public workflow::RunObserver {
 public:
  // `now` is the engine's time; the rest must outlive it.
  RunRecorder(inventory::Inventory& inventory, workflow::DefinitionCache& definitions,
              ConnectorExecutor& executor, const PortalForms& forms,
              std::function<absl::Time()> now)
      : inventory_(inventory),
        definitions_(definitions),
        executor_(executor),
        forms_(forms),
        now_(std::move(now)) {}

  absl::Status OnRunState(store::Connection& connection, const workflow::RunRecord& run,
                          const workflow::RunView& view) override;
  absl::Status OnStepResult(store::Connection& connection, const workflow::RunRecord& run,
                            const workflow::StepDefinition& step, workflow::Direction direction,
                            const workflow::CallResult& result) override;
  void OnCommitted() override { inventory_.Committed(); }
  // The entity of a holding as its current request left it; it goes when there is none.
  absl::Status ShowHolding(store::Connection& connection, const HoldingRow& holding);

 private:
  // The holding after its request ended. `forget`: nothing more is known of the request's usage.
  absl::Status SettleHolding(store::Connection& connection, const RequestRow& row,
                             const Blueprint& definition, HoldingRow& holding);
  absl::Status UpdateEntity(store::Connection& connection, RequestRow& row,
                            const workflow::RunView& view,
                            const std::optional<HoldingRow>& holding);
  // Shows `row` in the catalog; says in the row's message when that is not possible.
  absl::Status ShowEntity(store::Connection& connection, RequestRow& row,
                          const Blueprint& blueprint, const nlohmann::json& context,
                          const std::optional<HoldingRow>& holding);
  // What undoes a step is given: its outputs, with what an earlier request of the holding made
  // counted as made.
  absl::StatusOr<nlohmann::json> OutputsToUndo(store::Connection& connection, const RequestRow& row,
                                               const std::string& step_id,
                                               const workflow::CallResult& result);
  // Resources that a step recorded are gone.
  absl::Status DropResources(store::Connection& connection, const RequestRow& row,
                             absl::string_view step_id);

  inventory::Inventory& inventory_;
  workflow::DefinitionCache& definitions_;
  ConnectorExecutor& executor_;
  const PortalForms& forms_;
  const std::function<absl::Time()> now_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_RUN_RECORDER_H_

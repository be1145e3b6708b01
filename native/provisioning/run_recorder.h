// Keeps requests, resources and catalog entities true to their runs, in the runs' own transactions.
#ifndef PURSER_PROVISIONING_RUN_RECORDER_H_
#define PURSER_PROVISIONING_RUN_RECORDER_H_

#include <optional>
#include <string>

#include "inventory/inventory.h"
#include "provisioning/blueprint.h"
#include "provisioning/request_store.h"
#include "provisioning/service.h"
#include "workflow/definition_cache.h"
#include "workflow/observer.h"

namespace purser::provisioning {

RequestState ToRequestState(workflow::RunState state);

// Thread-safe.
class RunRecorder final : public workflow::RunObserver {
 public:
  RunRecorder(inventory::Inventory& inventory, workflow::DefinitionCache& definitions)
      : inventory_(inventory), definitions_(definitions) {}

  absl::Status OnRunState(store::Connection& connection, const workflow::RunRecord& run,
                          const workflow::RunView& view) override;
  absl::Status OnStepResult(store::Connection& connection, const workflow::RunRecord& run,
                            const workflow::StepDefinition& step, workflow::Direction direction,
                            const workflow::CallResult& result) override;
  void OnCommitted() override { inventory_.Committed(); }

 private:
  // Shows `row` in the catalog; says in the row's message when that is not possible.
  absl::Status ShowEntity(store::Connection& connection, RequestRow& row,
                          const Blueprint& blueprint, const nlohmann::json& context);
  // After a cancelled request left nothing: the entity goes, or shows the request before again.
  absl::Status HideEntity(store::Connection& connection, const RequestRow& row);

  inventory::Inventory& inventory_;
  workflow::DefinitionCache& definitions_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_RUN_RECORDER_H_

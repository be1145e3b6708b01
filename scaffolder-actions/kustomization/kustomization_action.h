// purser:files:kustomization:add-resource: adds resources to a kustomization of the workspace.
#ifndef PURSER_SCAFFOLDER_ACTIONS_KUSTOMIZATION_KUSTOMIZATION_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_KUSTOMIZATION_KUSTOMIZATION_ACTION_H_

#include "action/action.h"

namespace purser::actions {

inline constexpr size_t kMaxAddedResources = 100;

// With a tenant, its resources stand in a kustomization of its own, <path>/<tenant>/, so that two
// pull requests for two tenants touch one shared line each at most, in sorted places, and none at
// all where the folder above has no kustomization (Flux then takes all folders below).
class KustomizationAction final : public action::Action {
 public:
  KustomizationAction();
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_KUSTOMIZATION_KUSTOMIZATION_ACTION_H_

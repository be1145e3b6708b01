// purser:manifest:crd: reads the definition of a kind from a cluster. Runs in the sidecar.
#ifndef PURSER_SCAFFOLDER_ACTIONS_MANIFEST_MANIFEST_CRD_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_MANIFEST_MANIFEST_CRD_ACTION_H_

#include "action/action.h"
#include "connectors/connector.h"

namespace purser::actions {

inline constexpr size_t kMaxCrdOutputBytes = 1 << 20;  // of the trimmed definition

// The output is what purser:manifest takes as `crd`: the schemas without descriptions.
class ManifestCrdAction final : public action::Action {
 public:
  // `connectors` must outlive it; nullptr is allowed where only the description is wanted.
  explicit ManifestCrdAction(const connectors::Connectors* connectors);
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const connectors::Connectors* const connectors_;
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_MANIFEST_MANIFEST_CRD_ACTION_H_

// purser:manifest: writes a Kubernetes object from parameters, judged by the definition of its
// kind.
#ifndef PURSER_SCAFFOLDER_ACTIONS_MANIFEST_MANIFEST_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_MANIFEST_MANIFEST_ACTION_H_

#include "action/action.h"

namespace purser::actions {

inline constexpr size_t kMaxCrdFiles = 200;
inline constexpr int64_t kMaxCrdFileBytes = 16 << 20;

class ManifestAction final : public action::Action {
 public:
  ManifestAction();
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_MANIFEST_MANIFEST_ACTION_H_

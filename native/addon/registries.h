// What this addon holds. Two implementations: the shipped one (registries.cc) and that of the
// addon which tests/addon loads.
#ifndef PURSER_ADDON_REGISTRIES_H_
#define PURSER_ADDON_REGISTRIES_H_

#include "absl/status/status.h"
#include "action/action.h"
#include "provider/provider.h"

namespace purser::addon {

absl::Status AddActions(action::Registry& registry);
absl::Status AddProviders(provider::Registry& registry);

}  // namespace purser::addon

#endif  // PURSER_ADDON_REGISTRIES_H_

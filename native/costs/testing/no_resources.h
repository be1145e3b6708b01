// Provisioning that recorded no resource. Test only.
#ifndef PURSER_COSTS_TESTING_NO_RESOURCES_H_
#define PURSER_COSTS_TESTING_NO_RESOURCES_H_

#include <optional>
#include <string>

#include "costs/resource_index.h"

namespace purser::costs::testing {

class NoResources final : public ResourceIndex {
 public:
  absl::StatusOr<std::optional<std::string>> EntityOf(absl::string_view) override {
    return std::nullopt;
  }
};

}  // namespace purser::costs::testing

#endif  // PURSER_COSTS_TESTING_NO_RESOURCES_H_

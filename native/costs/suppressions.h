// Anomalies that are known and not to be told.
#ifndef PURSER_COSTS_SUPPRESSIONS_H_
#define PURSER_COSTS_SUPPRESSIONS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"

namespace purser::costs {

inline constexpr size_t kMaxSuppressions = 10'000;

// An entity, a service of it or all of both in some days.
//   suppress:
//     - { of: component:default/shop, service: "Amazon EC2", from: 2026-11-20, to: 2026-11-30,
//         reason: sale }
struct Suppression {
  std::string of;       // "" any; in any case
  std::string service;  // "" any
  absl::CivilDay from;
  absl::CivilDay to;  // inclusive
  std::string reason;
};

// INVALID_ARGUMENT names file and place.
absl::StatusOr<std::vector<Suppression>> ParseSuppressions(absl::string_view yaml,
                                                           absl::string_view file);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SUPPRESSIONS_H_

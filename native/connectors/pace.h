// When to look again at something that is not ready yet.
#ifndef PURSER_CONNECTORS_PACE_H_
#define PURSER_CONNECTORS_PACE_H_

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace purser::connectors {

struct Pace {
  absl::Duration shortest;
  absl::Duration longest;
};

// After a tenth of the time that it has been waited for, within the limits: what comes soon is seen
// soon, and what takes days costs little. Up to a quarter more, by `who` waits (any text that tells
// waits apart), so that many that began together do not look together.
absl::Duration NextLook(absl::Duration waited, const Pace& pace, absl::string_view who);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_PACE_H_

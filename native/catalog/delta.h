// How much changes the catalog at once, and when a removal waits for an operator.
#ifndef PURSER_CATALOG_DELTA_H_
#define PURSER_CATALOG_DELTA_H_

#include <cstddef>

namespace purser::catalog {

// Of one chunk handed to the portal, which reads it on its event loop in a few milliseconds. A
// chunk may have more bytes by one entity.
inline constexpr int kMaxDeltaEntities = 250;
inline constexpr size_t kMaxDeltaBytes = 512 << 10;

struct GuardOptions {
  double max_removed_fraction = 0.2;  // a larger drop is held …
  int min_removed = 10;               // … unless fewer than this many go
  bool allow_empty = false;           // an empty snapshot never removes unless an operator said so
};

}  // namespace purser::catalog

#endif  // PURSER_CATALOG_DELTA_H_

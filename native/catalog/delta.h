// How much changes the catalog at once, and when a removal waits for an operator.
#ifndef PURSER_CATALOG_DELTA_H_
#define PURSER_CATALOG_DELTA_H_

namespace purser::catalog {

// Changes of one chunk handed to the portal.
inline constexpr int kMaxDeltaEntities = 1000;

struct GuardOptions {
  double max_removed_fraction = 0.2;  // a larger drop is held …
  int min_removed = 10;               // … unless fewer than this many go
  bool allow_empty = false;           // an empty snapshot never removes unless an operator said so
};

}  // namespace purser::catalog

#endif  // PURSER_CATALOG_DELTA_H_

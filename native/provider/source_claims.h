// Which of several sources shows an entity that all of them tell of.
//
// The source with the higher priority; among equals the one that shows it already, and if none does
// the one that was registered first. A portal holds an entity for one of its providers at a time
// and refuses it to others, so that the loser must have been removed there before the winner is
// shown: the winner waits until the loser's reader has applied the removal.
#ifndef PURSER_PROVIDER_SOURCE_CLAIMS_H_
#define PURSER_PROVIDER_SOURCE_CLAIMS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "provider/source_log_tables.h"
#include "store/store.h"

namespace purser::provider {

// What another source has of a ref.
struct Claim {
  int64_t source = 0;
  std::string name;
  int64_t priority = 0;
  State state = kShown;
  bool removed = false;    // a tombstone: it claims nothing any more
  bool unread = false;     // its reader has not applied yet that it is removed
  absl::Time followed_at;  // when a portal asked for it last
};

// What follows from the claims of others.
struct Ruling {
  bool may_show = true;
  // Who goes before, or has not been removed yet; nullptr: nobody.
  const Claim* obstacle = nullptr;
  // Those who show it although they come behind.
  std::vector<const Claim*> to_yield;
};

// For `source` with `priority`. Claims of sources that no portal has followed since
// `abandoned_before` do not count.
Ruling Judge(int64_t source, int64_t priority, absl::Span<const Claim> others,
             absl::Time abandoned_before);

// By ref; refs that no other source ever told of are missing.
using Claims = absl::flat_hash_map<std::string, std::vector<Claim>>;
absl::StatusOr<Claims> ClaimsOfOthers(store::Connection& connection, int64_t source,
                                      absl::Span<const std::string> refs);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_SOURCE_CLAIMS_H_

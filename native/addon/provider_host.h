// Runs portal providers: takes a snapshot, compares it with what the catalog has, guards removals,
// hands the differences over in chunks and remembers what was taken.
#ifndef PURSER_ADDON_PROVIDER_HOST_H_
#define PURSER_ADDON_PROVIDER_HOST_H_

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "addon/caller.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "provider/provider.h"

namespace purser::addon {

inline constexpr size_t kMaxSnapshotEntities = 500'000;
// Held refs and unreadable partitions that a summary names.
inline constexpr size_t kMaxShown = 1000;

// Thread-safe; two rounds on one state file at once are refused with ABORTED.
class ProviderHost {
 public:
  ProviderHost(std::unique_ptr<provider::Registry> registry, base::Clock& clock)
      : registry_(std::move(registry)), clock_(clock) {}

  // JSON array of provider::ToJson.
  std::string List() const;

  // `request_json`: {"config": {…}, "instance", "statePath", "options": see
  // provider::SourceOptions, "forceFull", "adopt": […], "confirm", "secrets"}. `forceFull` says
  // that the catalog holds nothing of this instance: everything is sent again. `adopt` names
  // entities that the catalog holds beyond what the state knows: gone unless the source has them.
  // `confirm` lets go of what the guard held before. Blocks until the round is over; the result is
  // {"read","emitted","dropped","added","changed","removed","heldRemovals","kept","duplicates",
  // "chunks","entities","full","heldRefs","degraded"}; `kept` entities belong to partitions the
  // source could not read, `degraded` says why; `full` is true when the state was empty, lost or
  // not to be used.
  //
  // Changes are sent while the source is still read, so that memory holds hashes and a few chunks
  // of texts (chunk_sender.h); what has gone is removed at the end, if the source did not fail. A
  // crash at any point is repaired by the next round: what may have reached the catalog is in the
  // file before it is sent.
  absl::StatusOr<std::string> Refresh(absl::string_view id, absl::string_view request_json,
                                      Caller& caller);

 private:
  const std::unique_ptr<provider::Registry> registry_;
  base::Clock& clock_;
  base::Mutex mutex_;
  std::set<std::string, std::less<>> busy_ ABSL_GUARDED_BY(mutex_);  // state paths
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_PROVIDER_HOST_H_

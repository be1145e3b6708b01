// The change logs of all sources, in the store: whatever a source is, to the portal it looks like a
// log with positions.
//
// A log holds each entity once, at the position of its last change; removed ones stay as tombstones
// for a while. A position is "<epoch>/<number>"; the epoch tells this log from one that was lost.
// Who comes with an empty or foreign position, or one from before the oldest tombstones, gets
// everything anew ("<epoch>/<number>/full" until it has all of it) and then compares what it holds.
// A reader that lost what it counted of everything starts again from "".
#ifndef PURSER_PROVIDER_SOURCE_LOG_H_
#define PURSER_PROVIDER_SOURCE_LOG_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "store/store.h"

namespace purser::provider {

inline constexpr size_t kMaxEntityBytes = 512 << 10;
// A page must fit a gRPC message of 4 MiB with room for its envelope.
inline constexpr size_t kMaxPageBytes = 5 << 19;  // 2.5 MiB
inline constexpr int kMaxPageEntities = 1000;
// Tombstones kept before the oldest half goes; readers that are behind it begin anew.
inline constexpr int64_t kMaxTombstones = 50'000;

// One change to write.
struct LogWrite {
  std::string ref;
  std::optional<std::string> body;  // canonical JSON; nullopt: removed
  std::string hash = "";
  std::string partition = "";
  // Waits, not shown, while another source shows the same ref.
  bool yields = true;
};

// A piece of a log.
struct LogPage {
  bool full = false;                 // a part of everything; false: changes
  bool full_end = false;             // everything was read: what else a reader holds has gone
  std::vector<std::string> upserts;  // canonical JSON texts
  std::vector<std::string> removed;
  std::string position;
  bool more = false;
};

// What is known of a source besides its entities.
struct SourceRecord {
  int64_t id = 0;
  std::string name;  // "kubernetes/prod"
  std::string epoch;
  int64_t position = 0;
  // Everything was there once in this epoch. Before that a reader must not conclude from an
  // entity's absence.
  bool complete = false;
  bool paused = false;
  bool resync = false;  // an operator wants everything read and sent anew
  absl::Time fresh_at;  // when the source last answered well; absl::Time() = never
  absl::Time failed_at;
  std::string error;     // of the last failure; "" when the source is well
  int64_t entities = 0;  // shown, also those that are held
  int64_t held = 0;
  int64_t waiting = 0;  // not shown: another source had the ref first
};

// Thread-safe. Methods that take a connection run inside the caller's transaction.
class SourceLog {
 public:
  // Brings the tables up to date. All must outlive it.
  static absl::StatusOr<std::unique_ptr<SourceLog>> Open(store::Database& database,
                                                         base::Clock& clock, base::Rng& rng);

  // Whether other processes may write the same store.
  bool is_shared() const { return database_.IsShared(); }

  // The record of `name`, made when it is new.
  absl::StatusOr<SourceRecord> Register(absl::string_view name);
  absl::StatusOr<std::optional<SourceRecord>> Find(absl::string_view name);
  // All, by name, with counts.
  absl::StatusOr<std::vector<SourceRecord>> List();

  // Only the holder of a source's lease writes it, so that of several purserd on one store one runs
  // the source. Takes or renews; false when somebody else holds it.
  absl::StatusOr<bool> Lease(int64_t source, absl::string_view owner, absl::Duration duration);
  absl::Status Release(int64_t source, absl::string_view owner);

  // Writes changes in their order. With an owner: ABORTED when that no longer holds the lease.
  absl::Status Append(store::Connection& connection, int64_t source, absl::string_view owner,
                      absl::Span<const LogWrite> writes);
  absl::Status Append(int64_t source, absl::string_view owner, absl::Span<const LogWrite> writes);
  // Marks entities as gone from the source but kept.
  absl::Status Hold(int64_t source, absl::string_view owner, absl::Span<const std::string> refs);
  // What a reader holds although this log does not know it: taken up as held entities without text.
  absl::Status Adopt(int64_t source, absl::Span<const std::string> refs);
  // Each entity's ref, hash, partition and whether it is held.
  absl::Status ForEach(int64_t source,
                       const std::function<void(absl::string_view ref, absl::string_view hash,
                                                absl::string_view partition, bool held)>& visit);
  // Refs of held entities, in order, at most `limit`.
  absl::StatusOr<std::vector<std::string>> Held(int64_t source, int64_t limit);

  // An entity that another source shows already waits until that lets go of it: the first owner
  // keeps a ref. Append hides such entities from readers; this shows those whose owner has gone.
  // Returns how many are shown now.
  absl::StatusOr<int64_t> ShowWaiting(int64_t source, absl::string_view owner);
  struct Collision {
    std::string ref;
    std::string owner;  // name of the source that shows it
  };
  // In order of refs, at most `limit`.
  absl::StatusOr<std::vector<Collision>> Collisions(int64_t source, int64_t limit);

  // How the last look at the source ended, and what it is to remember for the next one.
  struct RoundEnd {
    bool complete = false;  // everything was seen
    absl::Status status;
    std::map<std::string, std::string> memory;  // changes only; "" forgets
  };
  absl::Status EndRound(int64_t source, absl::string_view owner, const RoundEnd& end);
  absl::StatusOr<std::map<std::string, std::string>> Memory(int64_t source);
  absl::Status ForgetMemory(int64_t source);

  absl::Status SetPaused(int64_t source, bool paused);
  absl::Status SetResync(int64_t source, bool resync);
  // A new epoch: every reader begins anew. For a source that must be read as if never seen.
  absl::Status NewEpoch(int64_t source);

  // At most `max_entities` (1..kMaxPageEntities) behind `position`.
  absl::StatusOr<LogPage> Changes(int64_t source, absl::string_view position, int max_entities);
  // Wakes those that wait; after a commit that wrote to `source`.
  void Committed(int64_t source);
  // Returns when there may be changes behind `position`, after `timeout`, or on stop.
  void Wait(int64_t source, absl::string_view position, absl::Duration timeout,
            std::stop_token stop);

 private:
  SourceLog(store::Database& database, base::Clock& clock, base::Rng& rng)
      : database_(database), clock_(clock), rng_(rng) {}
  absl::Status Set(int64_t source, absl::string_view assignment,
                   std::vector<store::Value> parameters);
  absl::Status Prune(store::Connection& connection, int64_t source);

  store::Database& database_;
  base::Clock& clock_;
  base::Rng& rng_;
  base::Mutex mutex_;
  base::CondVar changed_;
  absl::flat_hash_map<int64_t, uint64_t> generations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_SOURCE_LOG_H_

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
#include "catalog/delta.h"
#include "store/store.h"

namespace purser::provider {

inline constexpr size_t kMaxEntityBytes = 512 << 10;
// One entity more than this still fits a gRPC message of 4 MiB.
inline constexpr size_t kMaxPageBytes = catalog::kMaxDeltaBytes;
inline constexpr int kMaxPageEntities = 1000;
// Refs that ShowWaiting looks at in one call.
inline constexpr int64_t kMaxSettledRefs = 1000;
// Of sources that are written as things happen in purserd itself: before those of any provider.
inline constexpr int64_t kOwnPriority = 1'000'000;
// Tombstones kept before the oldest half goes; readers that are behind it begin anew.
inline constexpr int64_t kMaxTombstones = 50'000;
// Of entities shown to operators.
inline constexpr int64_t kMaxShownRefs = 1000;

// One change to write.
struct LogWrite {
  std::string ref;
  std::optional<std::string> body;  // canonical JSON; nullopt: removed
  std::string hash = "";
  std::string partition = "";
  // False: goes before every source's.
  bool yields = true;
};

// "<epoch>/<number>[/full]".
struct LogPosition {
  std::string epoch;
  int64_t number = 0;
  bool full = false;
  // What is no position of ours is as good as none: the reader gets everything.
  static LogPosition Parse(absl::string_view text);
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

// What a portal tells of a source that it runs itself.
struct PortalReport {
  int64_t entities = 0;
  int64_t held = 0;
  std::vector<std::string> held_refs;  // at most kMaxShownRefs
  // Since the portal's process began; dropped: of the last round.
  int64_t rounds = 0;
  int64_t failures = 0;
  int64_t added = 0;
  int64_t changed = 0;
  int64_t removed = 0;
  int64_t dropped = 0;
  std::map<std::string, std::string> degraded;  // partition → why it could not be read
  std::string error;                            // of the last round; "": it ended well
  bool resynced = false;                        // the round did what "resync" wants
};

// What operators want of a source that a portal runs.
struct PortalOrders {
  bool paused = false;
  bool resync = false;
  bool confirm = false;
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
  int64_t waiting = 0;  // not shown: another source shows the ref
  int64_t priority = 0;
  absl::Time followed_at;  // when a portal asked for it last
  // Of a source that a portal runs; nullopt: purserd does.
  std::optional<PortalReport> portal;
  bool confirm = false;  // an operator wants the portal to let go of what is held
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

  // Of several sources that tell of one entity one shows it (source_claims.h says which). Append
  // hides the others' from readers; this shows those whose turn has come, and makes sources that
  // come behind yield theirs. Looks at kMaxSettledRefs behind `*after`, which it moves on, "" at
  // the end. Returns how many are shown now.
  absl::StatusOr<int64_t> ShowWaiting(int64_t source, absl::string_view owner,
                                      absl::Time abandoned_before, std::string* after);
  struct Collision {
    std::string ref;
    std::string owner;  // name of the source that shows it; "": its turn has come
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

  absl::Status SetPriority(int64_t source, int64_t priority);
  // A reader begins, `position` being what it has applied.
  absl::Status Followed(int64_t source, absl::string_view position);

  // A portal tells of a source that it runs, made when it is new. Without a report it only asks.
  // "confirm" is told once, to who asks; "resync" until a round did it.
  absl::StatusOr<PortalOrders> ReportPortal(absl::string_view name,
                                            const std::optional<PortalReport>& report);
  absl::Status SetConfirm(int64_t source);

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
  absl::Status Set(int64_t source, absl::string_view assignment, std::vector<store::Value> values);
  absl::Status Prune(store::Connection& connection, int64_t source);
  // Hides them from readers, who are told that they are gone.
  absl::Status Yield(int64_t source, absl::Span<const std::string> refs);

  store::Database& database_;
  base::Clock& clock_;
  base::Rng& rng_;
  base::Mutex mutex_;
  base::CondVar changed_;
  absl::flat_hash_map<int64_t, uint64_t> generations_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_SOURCE_LOG_H_

// Follows the objects of one kind for ever: a list, then a watch from there, a new list when the
// server no longer knows where the watch stood.
#ifndef PURSER_CONNECTORS_KUBERNETES_KIND_FOLLOWER_H_
#define PURSER_CONNECTORS_KUBERNETES_KIND_FOLLOWER_H_

#include <stop_token>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "connectors/kubernetes/kubernetes_reader.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

inline constexpr absl::Duration kFollowFirstPause = absl::Milliseconds(500);
inline constexpr absl::Duration kFollowLongestPause = absl::Minutes(1);
// A watch that broke this often in a row is a failure; before, it just goes on where it stood.
inline constexpr int kMaxWatchBreaks = 3;
// A kind that the cluster does not serve is looked for again after this.
inline constexpr absl::Duration kAbsentKindPause = absl::Seconds(20);
// Lists at the same time, so that a start does not press a cluster.
inline constexpr int kMaxListsAtATime = 3;

// What a follower tells, from its own thread. A status that is not OK ends the follower with it.
class KindObserver {
 public:
  virtual ~KindObserver() = default;
  // From here to OnListEnd every object there is comes by OnObject. May begin again before its end.
  virtual absl::Status OnListBegin() = 0;
  virtual absl::Status OnObject(nlohmann::json object) = 0;
  virtual absl::Status OnListEnd() = 0;
  virtual absl::Status OnPut(nlohmann::json object) = 0;     // added or modified
  virtual absl::Status OnDelete(nlohmann::json object) = 0;  // its last state
  // The connection stands and nothing else happened.
  virtual void OnAlive() = 0;
  // The cluster could not be read; the follower goes on, and begins with a list.
  virtual void OnFailure(const absl::Status& why, absl::Duration pause) = 0;
};

// Lets a few lists of one cluster run at a time. Thread-safe.
class ListGate {
 public:
  // CANCELLED on stop.
  absl::Status Enter(base::Clock& clock, std::stop_token stop);
  void Leave();

 private:
  base::Mutex mutex_;
  int inside_ ABSL_GUARDED_BY(mutex_) = 0;
};

struct FollowOptions {
  base::Clock& clock;
  base::Rng& rng;
  ListGate& gate;
  std::stop_token stop;
  int64_t max_objects = kDefaultMaxListObjects;
  absl::Duration watch_duration = absl::Seconds(90);
};

// Blocks until stop (CANCELLED) or a status of the observer. Pauses grow and have jitter; an answer
// that names its own (Retry-After) is obeyed. A kind that the cluster does not serve has no
// objects.
absl::Status FollowKind(KubernetesReader& reader, const KindQuery& query,
                        const FieldSelection& fields, KindObserver& observer,
                        const FollowOptions& options);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_KIND_FOLLOWER_H_

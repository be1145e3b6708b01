// Tells waiting steps at once that an object they wait for has become what it should be: one list
// and watch for all that wait for objects of one kind in one namespace of one cluster.
//
// A hint on top of polling, never instead of it: what cannot be watched (too many places, no right
// to, a cluster in trouble, another process's watch) is looked at now and then as well.
#ifndef PURSER_CONNECTORS_KUBERNETES_OBJECT_WATCHER_H_
#define PURSER_CONNECTORS_KUBERNETES_OBJECT_WATCHER_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "connectors/kubernetes/kind_follower.h"
#include "connectors/kubernetes/kubernetes_client.h"
#include "connectors/kubernetes/kubernetes_reader.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

// Each costs a thread and a connection; what waits in further places is polled only.
inline constexpr size_t kMaxWatchedPlaces = 64;
// A place with more objects is polled only: to list it costs more than to ask for one.
inline constexpr int64_t kMaxWatchedObjects = 10'000;
inline constexpr size_t kMaxExpectations = 20'000;  // of a place
// A wait that nobody looked at for so long is over, or another process has it.
inline constexpr absl::Duration kExpectationLifetime = absl::Minutes(2);
// A watch that nobody needs goes on for so long: the next step may come.
inline constexpr absl::Duration kIdleWatch = absl::Seconds(30);
// A place that may not be read, or is too large, is tried again after this.
inline constexpr absl::Duration kUnwatchablePause = absl::Minutes(5);

// Thread-safe. The destructor ends all watches and waits for their threads.
class ObjectWatcher {
 public:
  // Whether a wait is over with the object as it is now; nullptr: there is none. Called from the
  // watch's thread.
  using Settled = std::function<bool(const nlohmann::json* object)>;
  using Wake = std::function<void()>;

  enum class Answer {
    kPolled,   // nobody will call: look again soon
    kWatched,  // `wake` is called once the object settles
    kMissed,   // watched, too, but what happened since the object was read may have gone by unseen:
               // read it once more
  };

  // Both outlive the watcher.
  ObjectWatcher(base::Clock& clock, base::Rng& rng, size_t max_places = kMaxWatchedPlaces);
  ~ObjectWatcher();

  // Calls `wake` once when `settled` holds. `who` names the wait: expecting again renews it, and
  // must happen at least every kExpectationLifetime. `reader` outlives the watcher.
  Answer Expect(KubernetesReader& reader, const ObjectRef& ref, const std::string& who,
                Settled settled, Wake wake);

  // For tests: watches that stand or are being made.
  size_t places() const;

 private:
  class Place;
  using Key = std::pair<KubernetesReader*, std::string>;  // of a cluster: "version kind namespace"

  base::Clock& clock_;
  base::Rng& rng_;
  const size_t max_places_;
  mutable base::Mutex mutex_;
  std::map<KubernetesReader*, std::unique_ptr<ListGate>> gates_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, std::unique_ptr<Place>> places_ ABSL_GUARDED_BY(mutex_);
  std::map<Key, absl::Duration> unwatchable_ ABSL_GUARDED_BY(mutex_);  // until when
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_OBJECT_WATCHER_H_

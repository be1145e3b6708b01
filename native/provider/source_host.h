// The sidecar's host of providers: runs each configured instance and lets portals follow its change
// log.
//
// Who follows an instance brings its config; it runs from then on, also between the portal's
// streams, and ends some minutes after the last one. All state lives in the SourceLog, so a restart
// goes on where it was.
#ifndef PURSER_PROVIDER_SOURCE_HOST_H_
#define PURSER_PROVIDER_SOURCE_HOST_H_

#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "provider/provider.h"
#include "provider/source_log.h"
#include "provider/source_runner.h"

namespace purser::provider {

// How long an instance goes on when no portal follows it.
inline constexpr absl::Duration kLinger = absl::Minutes(10);
// Instances of all providers together.
inline constexpr size_t kMaxSources = 500;
// Refs of one AdoptEntities call.
inline constexpr size_t kMaxAdopted = 10'000;

struct FollowRequest {
  std::string id;        // provider
  std::string instance;  // [a-z0-9-], at most 63 bytes
  nlohmann::json config = nlohmann::json::object();
  nlohmann::json options = nlohmann::json::object();  // see SourceOptions
  std::string position;                               // of the last page applied; "": everything
  // Goes on with coming changes until stop; otherwise one round of the source, then its changes.
  bool follow = true;
};

// What a follower gets, from one thread. A status that is not OK ends the call.
struct FollowSink {
  std::function<absl::Status(const LogPage&)> on_page;
  std::function<absl::Status(action::LogLevel, absl::string_view)> on_log;
};

// A source as operators see it.
struct SourceStatus {
  SourceRecord record;
  SourceStats stats;
  bool active = false;  // runs in this process, or would if it were not paused
  int followers = 0;    // streams of portals to this process
  Feed feed = Feed::kSnapshot;
};

// Thread-safe.
class SourceHost {
 public:
  // `registry` and what `services` names must outlive it; `services.owner` is made when empty.
  SourceHost(const Registry& registry, SourceServices services, absl::Duration linger = kLinger);
  ~SourceHost();

  // Checks the config, starts the instance if need be (again if the config differs from before) and
  // hands over pages until stop. CANCELLED on stop, else what ended it.
  absl::Status Follow(const FollowRequest& request, std::stop_token stop, const FollowSink& sink);

  // Every source that was ever followed, by name.
  absl::StatusOr<std::vector<SourceStatus>> List();
  absl::StatusOr<SourceStatus> Get(absl::string_view name);
  // At most kMaxShownRefs each, in order.
  absl::StatusOr<std::vector<std::string>> Held(absl::string_view name);
  absl::StatusOr<std::vector<SourceLog::Collision>> Collisions(absl::string_view name);

  // Operators' verbs on "<provider id>/<instance>"; NOT_FOUND for unknown ones.
  absl::Status Pause(absl::string_view name);
  absl::Status Resume(absl::string_view name);
  // Forgets what was remembered, reads the source at once, and sends everything to the portals
  // again.
  absl::Status Resync(absl::string_view name);
  // Lets go of held removals; how many (a portal's source does it in its next round).
  // FAILED_PRECONDITION when the source does not run here.
  absl::StatusOr<int64_t> Confirm(absl::string_view name);
  // A portal tells of a source that it runs itself (see SourceLog::ReportPortal). What operators
  // want of it waits until it asks.
  absl::StatusOr<PortalOrders> ReportPortal(absl::string_view name,
                                            const std::optional<PortalReport>& report);
  // See SourceRunner::Adopt.
  absl::Status Adopt(absl::string_view name, const std::vector<std::string>& refs, bool last);

  // Brings the gauges purser_source_* up to date.
  void Report(base::Metrics& metrics);
  // One line per source, for people.
  std::string Summary();

  // Ends all instances; calls in flight end with CANCELLED by their own stop tokens.
  void Stop();

 private:
  struct Entry {
    std::shared_ptr<SourceRunner> runner;
    Provider* provider = nullptr;
    nlohmann::json options;
    int followers = 0;
    absl::Duration idle_since;
  };

  absl::StatusOr<std::shared_ptr<SourceRunner>> Attach(Provider& provider,
                                                       const FollowRequest& request,
                                                       nlohmann::json config);
  void Detach(const std::string& name);
  std::shared_ptr<SourceRunner> FindRunner(absl::string_view name);
  absl::StatusOr<SourceRecord> Known(absl::string_view name);
  // FAILED_PRECONDITION for sources that no runner runs (Feed::kLog).
  absl::Status MustRun(absl::string_view name);
  absl::StatusOr<int64_t> RemoveHeld(int64_t source);
  // Ends what runs and begins anew with the same config.
  absl::Status Restart(absl::string_view name);
  absl::Status Rank(const SourceRecord& record, int64_t priority);
  // What waits in logs that no runner writes.
  void SettleLogs();
  void ReapLoop(std::stop_token stop);

  const Registry& registry_;
  const SourceServices services_;
  const absl::Duration linger_;
  base::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, Entry, std::less<>> entries_ ABSL_GUARDED_BY(mutex_);
  // Serialises the ends and beginnings of instances.
  base::Mutex starting_;
  std::map<std::string, std::string> settled_;  // of the reaper
  std::jthread reaper_;
};

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_SOURCE_HOST_H_

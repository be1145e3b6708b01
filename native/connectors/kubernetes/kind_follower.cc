#include "connectors/kubernetes/kind_follower.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "base/status.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {
namespace {

constexpr absl::Duration kGatePause = absl::Milliseconds(50);
// A watch that lived this long worked, however it ended.
constexpr absl::Duration kGoodWatch = absl::Seconds(5);

class Follower final : public ListSink, public WatchSink {
 public:
  Follower(KubernetesReader& reader, const KindQuery& query, const FieldSelection& fields,
           KindObserver& observer, const FollowOptions& options)
      : reader_(reader), query_(query), fields_(fields), observer_(observer), options_(options) {}

  absl::Status Run() {
    int failures = 0;
    while (!options_.stop.stop_requested()) {
      const absl::StatusOr<bool> listed = List();
      if (!observed_.ok()) return observed_;
      if (!listed.ok()) {
        if (options_.stop.stop_requested()) break;
        PURSER_RETURN_IF_ERROR(Fail(listed.status(), failures++));
        continue;
      }
      if (!*listed) {
        failures = 0;
        PURSER_RETURN_IF_ERROR(Pause(kAbsentKindPause));
        observer_.OnAlive();
        continue;
      }
      const absl::Status status = Watch();
      if (!observed_.ok()) return observed_;
      if (options_.stop.stop_requested()) break;
      if (status.ok()) {
        failures = 0;  // the place was lost, which is nobody's fault
        PURSER_RETURN_IF_ERROR(Pause(Jitter(kFollowFirstPause)));
      } else {
        PURSER_RETURN_IF_ERROR(Fail(status, failures++));
      }
    }
    return absl::CancelledError("stopped");
  }

  absl::Status OnObject(nlohmann::json object) override {
    PURSER_RETURN_IF_ERROR(observed_);
    observed_ = observer_.OnObject(std::move(object));
    return observed_;
  }
  void OnRestart() override { observed_ = observer_.OnListBegin(); }

  absl::Status OnEvent(WatchEventType type, nlohmann::json object) override {
    ++events_;
    if (type == WatchEventType::kBookmark) {
      observer_.OnAlive();
      return absl::OkStatus();
    }
    observed_ = type == WatchEventType::kDeleted ? observer_.OnDelete(std::move(object))
                                                 : observer_.OnPut(std::move(object));
    return observed_;
  }

 private:
  // False when the cluster does not serve the kind.
  absl::StatusOr<bool> List() {
    PURSER_RETURN_IF_ERROR(options_.gate.Enter(options_.clock, options_.stop));
    observed_ = observer_.OnListBegin();
    absl::StatusOr<ListResult> result = ListResult();
    if (observed_.ok()) {
      result = reader_.List(query_, fields_, *this,
                            {.max_objects = options_.max_objects, .stop = options_.stop});
    }
    options_.gate.Leave();
    if (!observed_.ok()) return observed_;
    const bool absent = result.status().code() == absl::StatusCode::kNotFound;
    if (absent) {
      // Something in between may answer 404 to everything. An API server knows its groups.
      PURSER_RETURN_IF_ERROR(
          reader_.Groups({.timeout = absl::Seconds(30), .stop = options_.stop}).status());
    } else {
      PURSER_RETURN_IF_ERROR(result.status());
    }
    observed_ = observer_.OnListEnd();
    if (!absent) version_ = result->resource_version;
    return !absent;
  }

  // OK: a new list is due.
  absl::Status Watch() {
    int breaks = 0;
    while (!options_.stop.stop_requested()) {
      const absl::Duration begin = options_.clock.Monotonic();
      events_ = 0;
      const absl::Status status =
          reader_.Watch(query_, fields_, &version_, *this,
                        {.duration = options_.watch_duration + Jitter(options_.watch_duration / 3),
                         .stop = options_.stop});
      if (!observed_.ok() || options_.stop.stop_requested()) return observed_;
      if (status.code() == absl::StatusCode::kOutOfRange ||
          status.code() == absl::StatusCode::kNotFound) {
        return absl::OkStatus();
      }
      const bool good = events_ > 0 || options_.clock.Monotonic() - begin > kGoodWatch;
      if (good) breaks = 0;
      if (status.ok()) {
        observer_.OnAlive();
        if (!good) PURSER_RETURN_IF_ERROR(Pause(kFollowFirstPause));
        continue;
      }
      if (++breaks > kMaxWatchBreaks) return status;
      PURSER_RETURN_IF_ERROR(Pause(PauseAfter(status, breaks - 1)));
    }
    return absl::OkStatus();
  }

  absl::Duration Jitter(absl::Duration most) {
    const auto bound = static_cast<uint64_t>(std::max<int64_t>(1, most / absl::Microseconds(1)));
    return absl::Microseconds(static_cast<int64_t>(options_.rng.Below(bound)));
  }

  absl::Duration PauseAfter(const absl::Status& status, int failures) {
    const absl::Duration ceiling =
        std::min(kFollowLongestPause, kFollowFirstPause * std::pow(2.0, std::min(failures, 20)));
    // Half of it for sure: a peer in trouble gets the time.
    absl::Duration pause = ceiling / 2 + Jitter(ceiling / 2);
    if (const std::optional<int64_t> asked = base::RetryAfterMillis(status); asked.has_value()) {
      pause = std::max(pause, absl::Milliseconds(*asked));
    }
    return pause;
  }

  absl::Status Fail(const absl::Status& status, int failures) {
    const absl::Duration pause = PauseAfter(status, failures);
    observer_.OnFailure(status, pause);
    return Pause(pause);
  }

  absl::Status Pause(absl::Duration pause) {
    return options_.clock.SleepFor(pause, options_.stop) ? absl::OkStatus()
                                                         : absl::CancelledError("stopped");
  }

  KubernetesReader& reader_;
  const KindQuery& query_;
  const FieldSelection& fields_;
  KindObserver& observer_;
  const FollowOptions& options_;
  absl::Status observed_;  // what the observer said last
  std::string version_;
  int64_t events_ = 0;
};

}  // namespace

absl::Status ListGate::Enter(base::Clock& clock, std::stop_token stop) {
  for (;;) {
    {
      base::MutexLock lock(mutex_);
      if (inside_ < kMaxListsAtATime) {
        ++inside_;
        return absl::OkStatus();
      }
    }
    if (!clock.SleepFor(kGatePause, stop)) return absl::CancelledError("stopped");
  }
}

void ListGate::Leave() {
  base::MutexLock lock(mutex_);
  --inside_;
}

absl::Status FollowKind(KubernetesReader& reader, const KindQuery& query,
                        const FieldSelection& fields, KindObserver& observer,
                        const FollowOptions& options) {
  return Follower(reader, query, fields, observer, options).Run();
}

}  // namespace purser::connectors

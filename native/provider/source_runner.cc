#include "provider/source_runner.h"

#include <algorithm>
#include <exception>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "provider/source_run.h"

namespace purser::provider {
namespace {

constexpr absl::Duration kLease = absl::Seconds(30);
constexpr absl::Duration kRenewEvery = absl::Seconds(10);
constexpr absl::Duration kTryLeaseEvery = absl::Seconds(2);
constexpr absl::Duration kLookWhilePaused = absl::Seconds(2);
// What happens within it is written at once: one sync of the store for many changes.
constexpr absl::Duration kGather = absl::Milliseconds(50);
constexpr absl::Duration kFirstPause = absl::Seconds(1);
// The catalog is to be true within a minute of a source's return.
constexpr absl::Duration kLongestPause = absl::Seconds(30);
constexpr absl::Duration kPauseAfterWatch = absl::Milliseconds(500);
constexpr int kMaxDoublings = 6;
// A source that no portal has followed for so long has lost its entities there. Those who followed
// them all meanwhile know it: after a long absence all begin together.
constexpr absl::Duration kAbandonedAfter = absl::Hours(1);
constexpr absl::Duration kKnowsOthersAfter = absl::Minutes(10);
// Beside the provider's own keys in the memory.
constexpr char kConfigKey[] =
    "\x01"
    "config";

}  // namespace

absl::Status SourceRunner::Stopped() const {
  return absl::CancelledError(absl::StrCat(name_, ": stopped"));
}

SourceRunner::SourceRunner(Provider& provider, std::string name, nlohmann::json config,
                           SourceOptions options, SourceRecord record,
                           const SourceServices& services)
    : provider_(provider),
      name_(std::move(name)),
      config_(std::move(config)),
      options_(std::move(options)),
      record_(std::move(record)),
      services_(services) {
  writer_ = std::jthread([this] { WriteLoop(); });
  thread_ = std::jthread([this] { Loop(); });
}

SourceRunner::~SourceRunner() { Join(); }

void SourceRunner::Join() {
  RequestStop();
  if (thread_.joinable()) thread_.join();
  if (writer_.joinable()) writer_.join();
}

void SourceRunner::RequestStop() {
  stop_.request_stop();
  base::MutexLock lock(mutex_);
  changed_.NotifyAll();
}

void SourceRunner::Wake() {
  base::MutexLock lock(mutex_);
  woken_ = true;
  changed_.NotifyAll();
}

bool SourceRunner::Sleep(absl::Duration duration) {
  const absl::Duration until = base::Clock::System().Monotonic() + duration;
  base::MutexLock lock(mutex_);
  while (!stop_.stop_requested() && !woken_) {
    const absl::Duration left = until - base::Clock::System().Monotonic();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitFor(mutex_, std::min(left, absl::Minutes(1)));
  }
  woken_ = false;
  return !stop_.stop_requested();
}

std::string SourceRunner::Hide(absl::string_view text) const {
  std::string hidden(text);
  for (const std::string& secret : secrets_) {
    hidden = absl::StrReplaceAll(hidden, {{secret, "***"}});
  }
  return hidden;
}

void SourceRunner::WriteLine(action::LogLevel level, absl::string_view text) {
  std::string line;
  {
    base::MutexLock lock(mutex_);
    line = Hide(text.substr(0, kMaxLogLineBytes));
    if (lines_.size() < kMaxLogLines) lines_.push_back({level, line});
  }
  if (services_.write_log) services_.write_log(name_, level, line);
}

std::vector<LogLine> SourceRunner::TakeLines() {
  base::MutexLock lock(mutex_);
  return std::exchange(lines_, {});
}

SourceStats SourceRunner::stats() {
  base::MutexLock lock(mutex_);
  SourceStats stats = stats_;
  stats.entities = static_cast<int64_t>(tracker_.size());
  stats.held = tracker_.held();
  stats.loaded = loaded_;
  return stats;
}

absl::Status SourceRunner::AwaitRound(std::stop_token stop) {
  const std::stop_callback wake(stop, [this] {
    base::MutexLock lock(mutex_);
    changed_.NotifyAll();
  });
  base::MutexLock lock(mutex_);
  // A watch that has given everything is up to date.
  if (stats_.running && rounds_begun_ == rounds_ended_) return last_status_;
  const uint64_t wanted = rounds_begun_ > rounds_ended_ ? rounds_begun_ : rounds_begun_ + 1;
  while (rounds_ended_ < wanted) {
    if (stop.stop_requested() || stop_.stop_requested()) return Stopped();
    changed_.Wait(mutex_);
  }
  return last_status_;
}

absl::Status SourceRunner::Enqueue(LogWrite write) {
  base::MutexLock lock(mutex_);
  while (write_error_.ok() && !stop_.stop_requested() &&
         (pending_.size() >= kMaxBatchEntities || pending_bytes_ >= kMaxBatchBytes)) {
    changed_.Wait(mutex_);
  }
  PURSER_RETURN_IF_ERROR(write_error_);
  if (stop_.stop_requested()) return Stopped();
  pending_bytes_ += write.ref.size() + (write.body.has_value() ? write.body->size() : 0);
  pending_.push_back(std::move(write));
  if (pending_.size() == 1 || pending_.size() >= kMaxBatchEntities ||
      pending_bytes_ >= kMaxBatchBytes) {
    changed_.NotifyAll();
  }
  return absl::OkStatus();
}

absl::Status SourceRunner::Drain() {
  base::MutexLock lock(mutex_);
  draining_ = true;
  changed_.NotifyAll();
  while (write_error_.ok() && !stop_.stop_requested() && (!pending_.empty() || writing_)) {
    changed_.Wait(mutex_);
  }
  draining_ = false;
  PURSER_RETURN_IF_ERROR(write_error_);
  return stop_.stop_requested() ? Stopped() : absl::OkStatus();
}

void SourceRunner::WriteLoop() {
  const absl::Duration began = base::Clock::System().Monotonic();
  absl::Duration renewed = began;
  absl::Duration shown = began;
  std::string settled;
  while (!stop_.stop_requested()) {
    std::vector<LogWrite> batch;
    bool leased = false;
    {
      base::MutexLock lock(mutex_);
      if (pending_.empty()) changed_.WaitFor(mutex_, absl::Seconds(1));
      const absl::Duration until = base::Clock::System().Monotonic() + kGather;
      while (!pending_.empty() && !draining_ && !stop_.stop_requested() &&
             pending_.size() < kMaxBatchEntities && pending_bytes_ < kMaxBatchBytes) {
        const absl::Duration left = until - base::Clock::System().Monotonic();
        if (left <= absl::ZeroDuration()) break;
        changed_.WaitFor(mutex_, left);
      }
      batch.swap(pending_);
      pending_bytes_ = 0;
      writing_ = !batch.empty();
      leased = leased_;
      if (writing_) changed_.NotifyAll();
    }
    absl::Status status = services_.log->Append(source(), services_.owner, batch);
    const absl::Duration now = base::Clock::System().Monotonic();
    if (status.ok() && leased && now - renewed >= kRenewEvery) {
      const absl::StatusOr<bool> held = services_.log->Lease(source(), services_.owner, kLease);
      if (held.ok() && !*held) status = absl::AbortedError("another purserd has taken over");
      renewed = now;
    }
    if (status.ok() && leased && now - shown >= services_.settle_every) {
      const absl::Time abandoned_before = now - began < kKnowsOthersAfter
                                              ? absl::InfinitePast()
                                              : services_.clock->Now() - kAbandonedAfter;
      // Tried again soon: nothing is lost by a failure.
      services_.log->ShowWaiting(source(), services_.owner, abandoned_before, &settled)
          .status()
          .IgnoreError();
      shown = now;
    }
    base::MutexLock lock(mutex_);
    writing_ = false;
    if (!status.ok() && write_error_.ok()) {
      write_error_ = base::Annotate(status, "the store");
      pending_.clear();
      pending_bytes_ = 0;
    }
    changed_.NotifyAll();
  }
}

std::string SourceRunner::ConfigHash() const {
  return catalog::ContentHash(
      catalog::Canonical({{"config", config_}, {"options", options_.source}}));
}

absl::Status SourceRunner::LoadTracker() {
  catalog::Tracker loaded(kMaxSourceEntities);
  PURSER_RETURN_IF_ERROR(services_.log->ForEach(
      source(),
      [&](absl::string_view ref, absl::string_view hash, absl::string_view partition, bool held) {
        loaded.Load(ref, partition, catalog::Fingerprint::FromHex(hash), held);
      }));
  base::MutexLock lock(mutex_);
  tracker_ = std::move(loaded);
  loaded_ = true;
  return absl::OkStatus();
}

absl::Status SourceRunner::RunOnce(bool& complete) {
  PURSER_ASSIGN_OR_RETURN(auto memory, services_.log->Memory(source()));
  // What was remembered under another config may be wrong under this one.
  const std::string config_hash = ConfigHash();
  if (const auto known = memory.find(std::string(kConfigKey));
      known == memory.end() || known->second != config_hash) {
    if (!memory.empty()) PURSER_RETURN_IF_ERROR(services_.log->ForgetMemory(source()));
    memory.clear();
  }
  Run run(*this, std::move(memory));
  PURSER_RETURN_IF_ERROR(run.Remember(kConfigKey, config_hash));
  const bool is_watch = run.is_watch();
  {
    base::MutexLock lock(mutex_);
    stats_.dropped = 0;
    stats_.duplicates = 0;
    stats_.collisions = 0;
    if (!is_watch) tracker_.Begin("");
  }
  absl::Status status;
  try {
    status = is_watch ? provider_.Watch(run) : provider_.Snapshot(run);
  } catch (const std::exception& error) {
    status = absl::InternalError(absl::StrCat("failed unexpectedly: ", error.what()));
  } catch (...) {
    status = absl::InternalError("failed unexpectedly");
  }
  // A provider that returned OK although it was told to stop may have seen a part only.
  if (stop_.stop_requested()) return Stopped();
  // What was emitted is true whatever came after it.
  const absl::Status drained = Drain();
  if (status.ok()) status = drained;
  if (is_watch) {
    if (status.ok()) status = absl::UnavailableError("the watch ended");
    run.End(false, status).IgnoreError();
    return status;
  }
  if (status.ok() && !run.unchanged()) status = run.Finish("");
  std::map<std::string, std::string> degraded = run.degraded();
  {
    base::MutexLock lock(mutex_);
    status = HideStatus(status);
    stats_.degraded = std::move(degraded);
  }
  const absl::Status shown = status.ok() ? run.DegradedStatus() : status;
  complete = shown.ok();
  const absl::Status ended = run.End(complete, shown);
  return status.ok() ? ended : status;
}

absl::Duration SourceRunner::DelayAfter(const absl::Status& status) {
  const double jitter = 0.9 + 0.2 * static_cast<double>(services_.rng->Below(1000)) / 1000;
  if (status.ok()) return options_.refresh_every * jitter;
  int64_t failures = 0;
  bool was_watch = provider_.description().feed == Feed::kWatch;
  {
    base::MutexLock lock(mutex_);
    failures = stats_.consecutive_failures;
  }
  absl::Duration delay = kFirstPause * (int64_t{1} << std::min<int64_t>(
                                            std::max<int64_t>(failures - 1, 0), kMaxDoublings));
  // A watch that had worked has only lost its connection.
  if (was_watch && failures <= 1) delay = kPauseAfterWatch;
  delay = std::min(delay, kLongestPause) * jitter;
  if (const std::optional<int64_t> asked = base::RetryAfterMillis(status)) {
    delay = std::max(delay, absl::Milliseconds(*asked));
  }
  return delay;
}

void SourceRunner::Loop() {
  bool was_paused = false;
  while (!stop_.stop_requested()) {
    const absl::StatusOr<std::optional<SourceRecord>> record = services_.log->Find(name_);
    if (record.ok() && record->has_value() && (*record)->paused) {
      if (!was_paused) WriteLine(action::LogLevel::kInfo, "paused");
      was_paused = true;
      Sleep(kLookWhilePaused);
      continue;
    }
    was_paused = false;
    const absl::StatusOr<bool> leased = services_.log->Lease(source(), services_.owner, kLease);
    {
      base::MutexLock lock(mutex_);
      leased_ = leased.ok() && *leased;
      if (!write_error_.ok() || !leased_) loaded_ = false;
      write_error_ = absl::OkStatus();
    }
    if (!leased.ok() || !*leased) {
      Sleep(kTryLeaseEvery);
      continue;
    }
    absl::Status status;
    bool must_load = false;
    bool resync = record.ok() && record->has_value() && (*record)->resync;
    {
      base::MutexLock lock(mutex_);
      must_load = !loaded_;
    }
    if (resync) status = services_.log->ForgetMemory(source());
    if (status.ok() && must_load) status = LoadTracker();
    {
      base::MutexLock lock(mutex_);
      ++rounds_begun_;
      stats_.running = true;
    }
    bool complete = false;
    if (status.ok()) status = RunOnce(complete);
    {
      base::MutexLock lock(mutex_);
      status = HideStatus(status);
      stats_.running = false;
      ++stats_.rounds;
      rounds_ended_ = rounds_begun_;
      last_status_ = status;
      if (status.ok()) {
        stats_.consecutive_failures = 0;
      } else if (!stop_.stop_requested()) {
        ++stats_.failures;
        ++stats_.consecutive_failures;
      }
      changed_.NotifyAll();
    }
    if (stop_.stop_requested()) break;
    if (!status.ok()) {
      WriteLine(action::LogLevel::kWarning,
                absl::StrCat("failed, the catalog keeps what it has: ", status.message()));
    }
    const absl::Duration delay = DelayAfter(status);
    {
      base::MutexLock lock(mutex_);
      stats_.next_round = services_.clock->Now() + delay;
    }
    Sleep(delay);
  }
  services_.log->Release(source(), services_.owner).IgnoreError();
}

absl::Status SourceRunner::HideStatus(const absl::Status& status) const {
  if (status.ok() || secrets_.empty()) return status;
  absl::Status hidden(status.code(), Hide(status.message()));
  status.ForEachPayload(
      [&](absl::string_view type, const absl::Cord& payload) { hidden.SetPayload(type, payload); });
  return hidden;
}

absl::StatusOr<int64_t> SourceRunner::ReleaseHeld() {
  std::vector<std::string> refs;
  {
    base::MutexLock lock(mutex_);
    if (!loaded_) {
      return absl::UnavailableError(
          absl::StrCat(name_, ": its state is not loaded yet, or another purserd runs it"));
    }
    refs = tracker_.ReleaseHeld();
    stats_.removed += static_cast<int64_t>(refs.size());
  }
  for (const std::string& ref : refs) {
    LogWrite write;
    write.ref = ref;
    PURSER_RETURN_IF_ERROR(Enqueue(std::move(write)));
  }
  PURSER_RETURN_IF_ERROR(Drain());
  return static_cast<int64_t>(refs.size());
}

absl::Status SourceRunner::Adopt(const std::vector<std::string>& refs, bool last) {
  std::vector<std::string> unknown;
  {
    base::MutexLock lock(mutex_);
    if (!loaded_) {
      return absl::UnavailableError(
          absl::StrCat(name_, ": its state is not loaded yet, or another purserd runs it"));
    }
    for (const std::string& ref : refs) {
      if (!tracker_.Has(ref)) unknown.push_back(ref);
    }
  }
  PURSER_RETURN_IF_ERROR(services_.log->Adopt(source(), unknown));
  bool release = false;
  {
    base::MutexLock lock(mutex_);
    for (const std::string& ref : unknown) {
      if (!tracker_.Has(ref)) tracker_.Load(ref, "", {}, /*held=*/true);
    }
    adopted_.insert(adopted_.end(), unknown.begin(), unknown.end());
    if (!last) return absl::OkStatus();
    const auto gone = static_cast<int64_t>(adopted_.size());
    const auto known = static_cast<int64_t>(tracker_.size());
    release = !catalog::MustHold(known, known - tracker_.held(), gone, options_.guard);
    unknown = std::exchange(adopted_, {});
    if (release) {
      // Those that came back meanwhile stay.
      std::erase_if(unknown, [&](const std::string& ref)
                                 ABSL_NO_THREAD_SAFETY_ANALYSIS { return !tracker_.IsHeld(ref); });
      for (const std::string& ref : unknown) tracker_.Remove(ref);
      stats_.removed += static_cast<int64_t>(unknown.size());
    }
  }
  if (!release) {
    if (!unknown.empty()) {
      WriteLine(action::LogLevel::kWarning,
                absl::StrCat(unknown.size(),
                             " entities that the catalog holds are not in the source; more than "
                             "the guard lets go at once, so they stay until an operator confirms"));
    }
    return absl::OkStatus();
  }
  for (const std::string& ref : unknown) {
    LogWrite write;
    write.ref = ref;
    PURSER_RETURN_IF_ERROR(Enqueue(std::move(write)));
  }
  return Drain();
}

}  // namespace purser::provider

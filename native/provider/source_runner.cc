#include "provider/source_runner.h"

#include <algorithm>
#include <exception>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"

namespace purser::provider {
namespace {

constexpr absl::Duration kLease = absl::Seconds(30);
constexpr absl::Duration kRenewEvery = absl::Seconds(10);
constexpr absl::Duration kTryLeaseEvery = absl::Seconds(2);
constexpr absl::Duration kLookWhilePaused = absl::Seconds(2);
constexpr absl::Duration kShowWaitingEvery = absl::Seconds(15);
// What happens within it is written at once: one sync of the store for many changes.
constexpr absl::Duration kGather = absl::Milliseconds(50);
constexpr absl::Duration kFirstPause = absl::Seconds(1);
// The catalog is to be true within a minute of a source's return.
constexpr absl::Duration kLongestPause = absl::Seconds(30);
constexpr absl::Duration kPauseAfterWatch = absl::Milliseconds(500);
constexpr int kMaxDoublings = 6;
constexpr absl::Duration kAliveEvery = absl::Seconds(10);
constexpr size_t kMaxSecretsHidden = 100;
constexpr size_t kMinSecretBytes = 4;
// Beside the provider's own keys in the memory.
constexpr char kConfigKey[] =
    "\x01"
    "config";
constexpr char kLocationAnnotation[] = "backstage.io/managed-by-location";

std::string LocationOf(const nlohmann::json& entity) {
  const nlohmann::json& metadata = entity["metadata"];
  const auto annotations = metadata.find("annotations");
  if (annotations == metadata.end()) return "";
  const auto location = annotations->find(kLocationAnnotation);
  return location == annotations->end() ? "" : location->get<std::string>();
}

absl::Status Stopped(absl::string_view name) {
  return absl::CancelledError(absl::StrCat(name, ": stopped"));
}

}  // namespace

// What one run of the provider sees.
class SourceRunner::Run final : public Context {
 public:
  Run(SourceRunner& runner, std::map<std::string, std::string> memory)
      : runner_(runner), memory_(std::move(memory)) {
    for (const auto& [key, value] : memory_) memory_bytes_ += key.size() + value.size();
  }

  const nlohmann::json& config() const override { return runner_.config_; }
  std::stop_token stop() const override { return runner_.stop_.get_token(); }
  http::Transport& transport() override { return *runner_.services_.transport; }
  base::Clock& clock() override { return *runner_.services_.clock; }
  base::Rng& rng() override { return *runner_.services_.rng; }
  void Log(action::LogLevel level, absl::string_view line) override {
    runner_.WriteLine(level, line);
  }

  absl::StatusOr<std::string> Secret(absl::string_view reference) override {
    if (!runner_.services_.resolve_secret) return Context::Secret(reference);
    PURSER_ASSIGN_OR_RETURN(std::string value, runner_.services_.resolve_secret(reference));
    base::MutexLock lock(runner_.mutex_);
    std::vector<std::string>& secrets = runner_.secrets_;
    if (value.size() >= kMinSecretBytes && secrets.size() < kMaxSecretsHidden &&
        std::find(secrets.begin(), secrets.end(), value) == secrets.end()) {
      secrets.push_back(value);
    }
    return value;
  }

  absl::Status EmitIn(absl::string_view partition, const nlohmann::json& entity) override {
    if (stop().stop_requested()) return Stopped(runner_.name_);
    const std::vector<catalog::Problem> problems = catalog::Validate(entity);
    if (!problems.empty()) {
      AddDropped(1);
      std::string text = "the entity is not valid:";
      for (const catalog::Problem& problem : problems) {
        absl::StrAppend(&text, " ", problem.pointer.empty() ? "it" : problem.pointer, " ",
                        problem.message, ";");
      }
      text.pop_back();
      return absl::InvalidArgumentError(text);
    }
    return EmitPrepared(partition.empty() ? LocationOf(entity) : std::string(partition),
                        catalog::RefOf(entity), catalog::Canonical(entity));
  }

  absl::Status EmitPrepared(absl::string_view partition, const catalog::EntityRef& ref,
                            std::string canonical) override {
    if (stop().stop_requested()) return Stopped(runner_.name_);
    const std::string refusal = runner_.options_.Refusal(ref);
    if (!refusal.empty()) {
      AddDropped(1);
      EntityLine(refusal);
      return absl::OkStatus();
    }
    LogWrite write;
    write.ref = ref.ToString();
    write.partition = std::string(partition);
    write.body = std::move(canonical);
    if (write.body->size() > kMaxEntityBytes) {
      AddDropped(1);
      EntityLine(absl::StrCat(write.ref, " has ", write.body->size(), " bytes; at most ",
                              kMaxEntityBytes, " are allowed"));
      return absl::OkStatus();
    }
    const catalog::Fingerprint hash = catalog::Fingerprint::Of(*write.body);
    catalog::Verdict verdict = catalog::Verdict::kSame;
    {
      base::MutexLock lock(runner_.mutex_);
      PURSER_RETURN_IF_ERROR(runner_.write_error_);
      PURSER_ASSIGN_OR_RETURN(
          verdict, runner_.tracker_.Offer(write.ref, write.partition, hash, !is_watch()));
      SourceStats& stats = runner_.stats_;
      stats.added += verdict == catalog::Verdict::kAdded;
      stats.changed += verdict == catalog::Verdict::kChanged;
      stats.duplicates += verdict == catalog::Verdict::kDuplicate;
      stats.collisions += verdict == catalog::Verdict::kCollision;
    }
    switch (verdict) {
      case catalog::Verdict::kSame:
        return absl::OkStatus();
      case catalog::Verdict::kDuplicate:
        EntityLine(absl::StrCat(write.ref, " was given twice; the first stays"));
        return absl::OkStatus();
      case catalog::Verdict::kCollision:
        EntityLine(absl::StrCat(write.ref, " of ", base::EscapeForDisplay(write.partition),
                                " is held by another partition, which keeps it"));
        return absl::OkStatus();
      case catalog::Verdict::kAdded:
      case catalog::Verdict::kChanged:
        write.hash = hash.ToHex();
        return runner_.Enqueue(std::move(write));
    }
    return absl::OkStatus();
  }

  void AddDropped(int64_t items) override {
    base::MutexLock lock(runner_.mutex_);
    runner_.stats_.dropped += items;
  }

  void KeepPartition(absl::string_view partition, const absl::Status& why) override {
    {
      base::MutexLock lock(runner_.mutex_);
      runner_.tracker_.Keep(partition);
      if (why.ok()) return;
      if (degraded_.size() < kMaxPartitions) {
        degraded_[std::string(partition)] = runner_.Hide(why.message());
      }
      incomplete_.insert(std::string(partition));
      if (is_watch()) runner_.stats_.degraded = degraded_;
    }
    EntityLine(
        absl::StrCat(base::EscapeForDisplay(partition),
                     " cannot be read, the catalog keeps what it has from there: ", why.message()));
  }

  void Unchanged() override { unchanged_ = true; }

  absl::Status Remember(absl::string_view key, absl::string_view value) override {
    if (key.empty() || key.size() > kMaxMemoryKeyBytes || value.size() > kMaxMemoryValueBytes) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "to be remembered: a key of 1 to ", kMaxMemoryKeyBytes, " bytes and at most ",
          kMaxMemoryValueBytes, " bytes of value, not ", key.size(), " and ", value.size()));
    }
    base::MutexLock lock(memory_mutex_);
    const auto known = memory_.find(std::string(key));
    const size_t before = known == memory_.end() ? 0 : key.size() + known->second.size();
    const size_t after = value.empty() ? 0 : key.size() + value.size();
    if (memory_bytes_ - before + after > kMaxMemoryBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("more than ", kMaxMemoryBytes, " bytes to be remembered"));
    }
    if (known != memory_.end() && known->second == value) return absl::OkStatus();
    memory_bytes_ = memory_bytes_ - before + after;
    memory_[std::string(key)] = std::string(value);
    memory_changes_[std::string(key)] = std::string(value);
    return absl::OkStatus();
  }

  std::optional<std::string> Recall(absl::string_view key) override {
    base::MutexLock lock(memory_mutex_);
    const auto known = memory_.find(std::string(key));
    if (known == memory_.end() || known->second.empty()) return std::nullopt;
    return known->second;
  }

  absl::Status BeginSnapshot(absl::string_view partition) override {
    if (!is_watch()) return Context::BeginSnapshot(partition);
    base::MutexLock lock(runner_.mutex_);
    PURSER_RETURN_IF_ERROR(runner_.write_error_);
    runner_.tracker_.Begin(partition);
    incomplete_.insert(std::string(partition));
    return absl::OkStatus();
  }

  absl::Status CompleteSnapshot(absl::string_view partition) override {
    if (!is_watch()) return Context::CompleteSnapshot(partition);
    if (stop().stop_requested()) return Stopped(runner_.name_);
    PURSER_RETURN_IF_ERROR(Finish(partition));
    bool complete = false;
    {
      base::MutexLock lock(runner_.mutex_);
      incomplete_.erase(std::string(partition));
      degraded_.erase(std::string(partition));
      runner_.stats_.degraded = degraded_;
      complete = incomplete_.empty();
      runner_.stats_.consecutive_failures = 0;
      // Who waits for a round waits for this.
      if (complete) {
        runner_.rounds_ended_ = runner_.rounds_begun_;
        runner_.last_status_ = absl::OkStatus();
        runner_.changed_.NotifyAll();
      }
    }
    return End(complete, DegradedStatus());
  }

  absl::Status Remove(absl::string_view ref) override {
    if (!is_watch()) return Context::Remove(ref);
    {
      base::MutexLock lock(runner_.mutex_);
      PURSER_RETURN_IF_ERROR(runner_.write_error_);
      if (!runner_.tracker_.Remove(ref)) return absl::OkStatus();
      ++runner_.stats_.removed;
    }
    LogWrite write;
    write.ref = std::string(ref);
    return runner_.Enqueue(std::move(write));
  }

  void Alive() override {
    const absl::Duration now = base::Clock::System().Monotonic();
    {
      base::MutexLock lock(runner_.mutex_);
      if (!is_watch() || !incomplete_.empty() || now - alive_at_ < kAliveEvery) return;
      alive_at_ = now;
    }
    // What is remembered must not be ahead of what is stored. A failure ends the run elsewhere.
    if (runner_.Drain().ok()) End(true, DegradedStatus()).IgnoreError();
  }

  // Removes or holds what the finished snapshot did not show.
  absl::Status Finish(absl::string_view partition) {
    catalog::Tracker::Outcome outcome;
    {
      base::MutexLock lock(runner_.mutex_);
      outcome = runner_.tracker_.Finish(partition, runner_.options_.guard);
      runner_.stats_.removed += static_cast<int64_t>(outcome.removed.size());
    }
    for (std::string& ref : outcome.removed) {
      LogWrite write;
      write.ref = std::move(ref);
      PURSER_RETURN_IF_ERROR(runner_.Enqueue(std::move(write)));
    }
    PURSER_RETURN_IF_ERROR(runner_.Drain());
    if (!outcome.newly_held.empty()) {
      runner_.WriteLine(
          action::LogLevel::kWarning,
          absl::StrCat(outcome.held, " entities", partition.empty() ? "" : " of ",
                       base::EscapeForDisplay(partition),
                       " have gone from the source; more than the guard lets go at once, so they "
                       "stay in the catalog until an operator confirms"));
      PURSER_RETURN_IF_ERROR(runner_.services_.log->Hold(runner_.source(), runner_.services_.owner,
                                                         outcome.newly_held));
    }
    return absl::OkStatus();
  }

  absl::Status End(bool complete, const absl::Status& status) {
    SourceLog::RoundEnd end;
    end.complete = complete;
    end.status = status;
    if (status.ok() || is_watch()) {
      base::MutexLock lock(memory_mutex_);
      end.memory.swap(memory_changes_);
    }
    return runner_.services_.log->EndRound(runner_.source(), runner_.services_.owner, end);
  }

  bool is_watch() const { return runner_.provider_.description().feed == Feed::kWatch; }
  bool unchanged() const { return unchanged_; }
  // Not OK when a partition could not be read.
  absl::Status DegradedStatus() {
    base::MutexLock lock(runner_.mutex_);
    if (degraded_.empty()) return absl::OkStatus();
    const auto& [partition, why] = *degraded_.begin();
    return absl::UnavailableError(absl::StrCat(degraded_.size(), " of its parts cannot be read; ",
                                               base::EscapeForDisplay(partition), ": ", why));
  }
  std::map<std::string, std::string> degraded() {
    base::MutexLock lock(runner_.mutex_);
    return degraded_;
  }

 private:
  void EntityLine(absl::string_view line) {
    {
      base::MutexLock lock(memory_mutex_);
      if (++entity_lines_ > kMaxEntityLinesPerRound) return;
    }
    runner_.WriteLine(action::LogLevel::kWarning, line);
  }

  SourceRunner& runner_;
  base::Mutex memory_mutex_;
  std::map<std::string, std::string> memory_ ABSL_GUARDED_BY(memory_mutex_);
  std::map<std::string, std::string> memory_changes_ ABSL_GUARDED_BY(memory_mutex_);
  size_t memory_bytes_ ABSL_GUARDED_BY(memory_mutex_) = 0;
  int entity_lines_ ABSL_GUARDED_BY(memory_mutex_) = 0;
  // Guarded by the runner's mutex.
  std::map<std::string, std::string> degraded_;
  std::set<std::string> incomplete_;
  absl::Duration alive_at_;
  std::atomic<bool> unchanged_{false};
};

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
    lines_.push_back({next_line_++, level, line});
    if (lines_.size() > kMaxLogLines) lines_.pop_front();
  }
  if (services_.write_log) services_.write_log(name_, level, line);
}

std::vector<LogLine> SourceRunner::LinesAfter(uint64_t number) {
  base::MutexLock lock(mutex_);
  std::vector<LogLine> lines;
  for (const LogLine& line : lines_) {
    if (line.number > number) lines.push_back(line);
  }
  return lines;
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
    if (stop.stop_requested() || stop_.stop_requested()) return Stopped(name_);
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
  if (stop_.stop_requested()) return Stopped(name_);
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
  return stop_.stop_requested() ? Stopped(name_) : absl::OkStatus();
}

void SourceRunner::WriteLoop() {
  absl::Duration renewed = base::Clock::System().Monotonic();
  absl::Duration shown = renewed;
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
    if (status.ok() && leased && now - shown >= kShowWaitingEvery) {
      // Tried again soon: nothing is lost by a failure.
      services_.log->ShowWaiting(source(), services_.owner).status().IgnoreError();
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
  if (stop_.stop_requested()) return Stopped(name_);
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

#include "provider/source_run.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"

namespace purser::provider {
namespace {

constexpr absl::Duration kAliveEvery = absl::Seconds(10);
constexpr size_t kMaxSecretsHidden = 100;
constexpr size_t kMinSecretBytes = 4;

}  // namespace

SourceRunner::Run::Run(SourceRunner& runner, std::map<std::string, std::string> memory)
    : runner_(runner), memory_(std::move(memory)) {
  for (const auto& [key, value] : memory_) memory_bytes_ += key.size() + value.size();
}

void SourceRunner::Run::Log(action::LogLevel level, absl::string_view line) {
  runner_.WriteLine(level, line);
}

absl::StatusOr<std::string> SourceRunner::Run::Secret(absl::string_view reference) {
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

absl::Status SourceRunner::Run::EmitIn(absl::string_view partition, const nlohmann::json& entity) {
  if (stop().stop_requested()) return runner_.Stopped();
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
  return EmitPrepared(partition.empty() ? catalog::LocationOf(entity) : std::string(partition),
                      catalog::RefOf(entity), catalog::Canonical(entity));
}

absl::Status SourceRunner::Run::EmitPrepared(absl::string_view partition,
                                             const catalog::EntityRef& ref, std::string canonical) {
  if (stop().stop_requested()) return runner_.Stopped();
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
    PURSER_ASSIGN_OR_RETURN(verdict,
                            runner_.tracker_.Offer(write.ref, write.partition, hash, !is_watch()));
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

void SourceRunner::Run::AddDropped(int64_t items) {
  base::MutexLock lock(runner_.mutex_);
  runner_.stats_.dropped += items;
}

void SourceRunner::Run::KeepPartition(absl::string_view partition, const absl::Status& why) {
  {
    base::MutexLock lock(runner_.mutex_);
    runner_.tracker_.Keep(partition, why.ok());
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

absl::Status SourceRunner::Run::Remember(absl::string_view key, absl::string_view value) {
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

std::optional<std::string> SourceRunner::Run::Recall(absl::string_view key) {
  base::MutexLock lock(memory_mutex_);
  const auto known = memory_.find(std::string(key));
  if (known == memory_.end() || known->second.empty()) return std::nullopt;
  return known->second;
}

absl::Status SourceRunner::Run::BeginSnapshot(absl::string_view partition) {
  if (!is_watch()) return Context::BeginSnapshot(partition);
  base::MutexLock lock(runner_.mutex_);
  PURSER_RETURN_IF_ERROR(runner_.write_error_);
  runner_.tracker_.Begin(partition);
  incomplete_.insert(std::string(partition));
  return absl::OkStatus();
}

absl::Status SourceRunner::Run::CompleteSnapshot(absl::string_view partition) {
  if (!is_watch()) return Context::CompleteSnapshot(partition);
  if (stop().stop_requested()) return runner_.Stopped();
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

absl::Status SourceRunner::Run::Remove(absl::string_view ref) {
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

void SourceRunner::Run::Alive() {
  const absl::Duration now = base::Clock::System().Monotonic();
  {
    base::MutexLock lock(runner_.mutex_);
    if (!is_watch() || !incomplete_.empty() || now - alive_at_ < kAliveEvery) return;
    alive_at_ = now;
  }
  // What is remembered must not be ahead of what is stored. A failure ends the run elsewhere.
  if (runner_.Drain().ok()) End(true, DegradedStatus()).IgnoreError();
}

absl::Status SourceRunner::Run::Finish(absl::string_view partition) {
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
    PURSER_RETURN_IF_ERROR(
        runner_.services_.log->Hold(runner_.source(), runner_.services_.owner, outcome.newly_held));
  }
  return absl::OkStatus();
}

absl::Status SourceRunner::Run::End(bool complete, const absl::Status& status) {
  SourceLog::RoundEnd end;
  end.complete = complete;
  end.status = status;
  if (status.ok() || is_watch()) {
    base::MutexLock lock(memory_mutex_);
    end.memory.swap(memory_changes_);
  }
  return runner_.services_.log->EndRound(runner_.source(), runner_.services_.owner, end);
}

absl::Status SourceRunner::Run::DegradedStatus() {
  base::MutexLock lock(runner_.mutex_);
  if (degraded_.empty()) return absl::OkStatus();
  const auto& [partition, why] = *degraded_.begin();
  return absl::UnavailableError(absl::StrCat(degraded_.size(), " of its parts cannot be read; ",
                                             base::EscapeForDisplay(partition), ": ", why));
}

std::map<std::string, std::string> SourceRunner::Run::degraded() {
  base::MutexLock lock(runner_.mutex_);
  return degraded_;
}

void SourceRunner::Run::EntityLine(absl::string_view line) {
  {
    base::MutexLock lock(memory_mutex_);
    if (++entity_lines_ > kMaxEntityLinesPerRound) return;
  }
  runner_.WriteLine(action::LogLevel::kWarning, line);
}

}  // namespace purser::provider

#include "provider/source_host.h"

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/id.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/names.h"
#include "json/json.h"

namespace purser::provider {
namespace {

// Log lines reach the portal at least this soon.
constexpr absl::Duration kLongestSilence = absl::Seconds(2);
constexpr absl::Duration kReapEvery = absl::Seconds(5);
// A portal that runs sources itself tells of them this often at least, unless it is gone.
constexpr absl::Duration kPortalSilence = absl::Minutes(10);

std::string KnownIds(const Registry& registry) {
  return absl::StrJoin(registry.List(), ", ", [](std::string* out, const Description* description) {
    out->append(description->id);
  });
}

absl::string_view WithoutFull(absl::string_view position) {
  return absl::StripSuffix(position, "/full");
}

}  // namespace

SourceHost::SourceHost(const Registry& registry, SourceServices services, absl::Duration linger)
    : registry_(registry),
      services_([&] {
        if (services.owner.empty()) {
          // Nobody else can be at work on a store of this process alone: after a crash the lease is
          // taken up at once.
          services.owner = services.log->is_shared()
                               ? base::NewId("", *services.clock, *services.rng)
                               : std::string("purserd");
        }
        return std::move(services);
      }()),
      linger_(linger),
      reaper_([this](std::stop_token stop) { ReapLoop(std::move(stop)); }) {}

SourceHost::~SourceHost() { Stop(); }

void SourceHost::Stop() {
  reaper_.request_stop();
  if (reaper_.joinable()) reaper_.join();
  base::MutexLock starting(starting_);
  std::map<std::string, Entry, std::less<>> entries;
  {
    base::MutexLock lock(mutex_);
    stopped_ = true;
    entries.swap(entries_);
  }
  for (auto& [name, entry] : entries) entry.runner->RequestStop();
}

void SourceHost::ReapLoop(std::stop_token stop) {
  while (base::Clock::System().SleepFor(std::min(kReapEvery, linger_), stop)) {
    SettleLogs();
    const absl::Duration now = base::Clock::System().Monotonic();
    std::vector<std::shared_ptr<SourceRunner>> ended;
    base::MutexLock starting(starting_);
    {
      base::MutexLock lock(mutex_);
      for (auto entry = entries_.begin(); entry != entries_.end();) {
        if (entry->second.followers == 0 && now - entry->second.idle_since >= linger_) {
          ended.push_back(std::move(entry->second.runner));
          entry = entries_.erase(entry);
        } else {
          ++entry;
        }
      }
    }
    for (const auto& runner : ended) runner->RequestStop();
  }
}

void SourceHost::SettleLogs() {
  for (const Description* description : registry_.List()) {
    if (description->feed != Feed::kLog) continue;
    // Tried again soon: nothing is lost by a failure.
    const auto record = services_.log->Find(description->log_name);
    if (!record.ok() || !record->has_value() || (*record)->waiting == 0) continue;
    services_.log
        ->ShowWaiting((*record)->id, "", absl::InfinitePast(), &settled_[description->log_name])
        .status()
        .IgnoreError();
  }
}

absl::Status SourceHost::Rank(const SourceRecord& record, int64_t priority) {
  if (record.priority == priority) return absl::OkStatus();
  return services_.log->SetPriority(record.id, priority);
}

absl::StatusOr<std::shared_ptr<SourceRunner>> SourceHost::Attach(Provider& provider,
                                                                 const FollowRequest& request,
                                                                 nlohmann::json config) {
  const std::string name = absl::StrCat(request.id, "/", request.instance);
  PURSER_ASSIGN_OR_RETURN(SourceOptions options,
                          ReadSourceOptions(request.options, provider.description()));
  base::MutexLock starting(starting_);
  std::shared_ptr<SourceRunner> old;
  {
    base::MutexLock lock(mutex_);
    if (stopped_) return absl::UnavailableError("purserd is shutting down");
    const auto found = entries_.find(name);
    if (found != entries_.end()) {
      Entry& entry = found->second;
      if (entry.runner->config() == config && entry.options == request.options) {
        ++entry.followers;
        return entry.runner;
      }
      old = entry.runner;
    } else if (entries_.size() >= kMaxSources) {
      return absl::ResourceExhaustedError(
          absl::StrCat("there are ", kMaxSources, " sources already"));
    }
  }
  // Two runs of one source would fight for its lease: the old one ends first.
  if (old != nullptr) old->Join();
  PURSER_ASSIGN_OR_RETURN(SourceRecord record, services_.log->Register(name));
  PURSER_RETURN_IF_ERROR(Rank(record, options.priority));
  auto runner = std::make_shared<SourceRunner>(provider, name, std::move(config),
                                               std::move(options), std::move(record), services_);
  base::MutexLock lock(mutex_);
  Entry& entry = entries_[name];
  entry.runner = runner;
  entry.provider = &provider;
  entry.options = request.options;
  ++entry.followers;
  return runner;
}

void SourceHost::Detach(const std::string& name) {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(name);
  if (found == entries_.end()) return;
  --found->second.followers;
  found->second.idle_since = base::Clock::System().Monotonic();
}

absl::Status SourceHost::Follow(const FollowRequest& request, std::stop_token stop,
                                const FollowSink& sink) {
  Provider* const provider = registry_.Find(request.id);
  if (provider == nullptr) {
    return absl::NotFoundError(absl::StrCat("provider ", base::EscapeForDisplay(request.id),
                                            ": not hosted here; there are ", KnownIds(registry_)));
  }
  if (!catalog::IsDnsLabel(request.instance)) {
    return absl::InvalidArgumentError(absl::StrCat("instance '",
                                                   base::EscapeForDisplay(request.instance),
                                                   "': must be 1 to 63 of a-z, 0-9 and inner -"));
  }
  const std::string name = absl::StrCat(request.id, "/", request.instance);
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema,
                          json::Schema::Compile(provider->description().config_schema));
  nlohmann::json config = schema.WithDefaults(request.config);
  PURSER_RETURN_IF_ERROR(json::ToStatus(schema.Validate(config), absl::StrCat("config of ", name)));
  std::shared_ptr<SourceRunner> runner;
  int64_t source = 0;
  absl::Cleanup detach = [&] { Detach(name); };
  if (provider->description().feed == Feed::kLog) {
    std::move(detach).Cancel();
    PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Known(name));
    PURSER_RETURN_IF_ERROR(Rank(record, kOwnPriority));
    source = record.id;
  } else {
    absl::StatusOr<std::shared_ptr<SourceRunner>> attached =
        Attach(*provider, request, std::move(config));
    if (!attached.ok()) {
      std::move(detach).Cancel();
      return attached.status();
    }
    runner = *std::move(attached);
    source = runner->source();
  }
  PURSER_RETURN_IF_ERROR(services_.log->Followed(source, request.position));
  const auto send_lines = [&]() -> absl::Status {
    if (runner == nullptr) return absl::OkStatus();
    // A restart by an operator has brought another one.
    if (std::shared_ptr<SourceRunner> now = FindRunner(name); now != nullptr && now != runner) {
      runner = std::move(now);
    }
    for (const LogLine& line : runner->TakeLines()) {
      PURSER_RETURN_IF_ERROR(sink.on_log(line.level, line.text));
    }
    return absl::OkStatus();
  };
  absl::Status round;
  if (!request.follow && runner != nullptr) {
    runner->Wake();
    round = runner->AwaitRound(stop);
  }
  std::string at = request.position;
  while (true) {
    if (stop.stop_requested()) return absl::CancelledError("the refresh was stopped");
    PURSER_ASSIGN_OR_RETURN(const LogPage page,
                            services_.log->Changes(source, at, catalog::kMaxDeltaEntities));
    // The position is handed over even when nothing changed, so that the portal moves to this log's
    // positions at its first look.
    if (page.position != at || page.full_end) {
      PURSER_RETURN_IF_ERROR(sink.on_page(page));
      at = page.position;
    }
    PURSER_RETURN_IF_ERROR(send_lines());
    if (page.more) continue;
    if (!request.follow) return round;
    services_.log->Wait(source, WithoutFull(at), kLongestSilence, stop);
  }
}

std::shared_ptr<SourceRunner> SourceHost::FindRunner(absl::string_view name) {
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(base::ToStd(name));
  return found == entries_.end() ? nullptr : found->second.runner;
}

absl::StatusOr<SourceRecord> SourceHost::Known(absl::string_view name) {
  // All instances of such a provider follow one log.
  const Provider* const provider = registry_.Find(name.substr(0, name.find('/')));
  const bool is_log = provider != nullptr && provider->description().feed == Feed::kLog;
  PURSER_ASSIGN_OR_RETURN(
      std::optional<SourceRecord> record,
      services_.log->Find(is_log ? provider->description().log_name : std::string(name)));
  if (!record.has_value()) {
    return absl::NotFoundError(
        absl::StrCat("source ", base::EscapeForDisplay(name),
                     ": not known; write <provider>/<instance> of one that a portal has followed"));
  }
  return *std::move(record);
}

absl::Status SourceHost::MustRun(absl::string_view name) {
  const Provider* const provider = registry_.Find(name.substr(0, name.find('/')));
  if (provider == nullptr || provider->description().feed != Feed::kLog) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(base::EscapeForDisplay(name),
                   " is written as things happen in purserd itself; it cannot be paused"));
}

absl::StatusOr<SourceStatus> SourceHost::Get(absl::string_view name) {
  SourceStatus status;
  PURSER_ASSIGN_OR_RETURN(status.record, Known(name));
  const absl::string_view id = name.substr(0, name.find('/'));
  if (status.record.portal.has_value()) {
    const PortalReport& report = *status.record.portal;
    status.active = services_.clock->Now() - status.record.followed_at < kPortalSilence;
    status.followers = status.active ? 1 : 0;
    status.stats.rounds = report.rounds;
    status.stats.failures = report.failures;
    status.stats.added = report.added;
    status.stats.changed = report.changed;
    status.stats.removed = report.removed;
    status.stats.dropped = report.dropped;
    status.stats.degraded = report.degraded;
    return status;
  }
  if (const Provider* provider = registry_.Find(id)) status.feed = provider->description().feed;
  status.active = status.feed == Feed::kLog;
  std::shared_ptr<SourceRunner> runner;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(base::ToStd(name));
    if (found != entries_.end()) {
      runner = found->second.runner;
      status.followers = found->second.followers;
    }
  }
  if (runner != nullptr) {
    status.active = true;
    status.stats = runner->stats();
  }
  return status;
}

absl::StatusOr<std::vector<SourceStatus>> SourceHost::List() {
  PURSER_ASSIGN_OR_RETURN(const std::vector<SourceRecord> records, services_.log->List());
  std::vector<SourceStatus> statuses;
  statuses.reserve(records.size());
  for (const SourceRecord& record : records) {
    PURSER_ASSIGN_OR_RETURN(SourceStatus status, Get(record.name));
    statuses.push_back(std::move(status));
  }
  return statuses;
}

absl::StatusOr<std::vector<std::string>> SourceHost::Held(absl::string_view name) {
  PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Known(name));
  if (record.portal.has_value()) return record.portal->held_refs;
  return services_.log->Held(record.id, kMaxShownRefs);
}

absl::StatusOr<std::vector<SourceLog::Collision>> SourceHost::Collisions(absl::string_view name) {
  PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Known(name));
  return services_.log->Collisions(record.id, kMaxShownRefs);
}

absl::Status SourceHost::Restart(absl::string_view name) {
  base::MutexLock starting(starting_);
  std::shared_ptr<SourceRunner> old;
  Provider* provider = nullptr;
  {
    base::MutexLock lock(mutex_);
    const auto found = entries_.find(base::ToStd(name));
    // One that does not run begins with what was set when a portal follows it.
    if (found == entries_.end() || stopped_) return absl::OkStatus();
    old = found->second.runner;
    provider = found->second.provider;
  }
  old->Join();
  PURSER_ASSIGN_OR_RETURN(SourceRecord record, services_.log->Register(name));
  auto runner = std::make_shared<SourceRunner>(*provider, std::string(name), old->config(),
                                               old->options(), std::move(record), services_);
  base::MutexLock lock(mutex_);
  const auto found = entries_.find(base::ToStd(name));
  if (found != entries_.end()) found->second.runner = std::move(runner);
  return absl::OkStatus();
}

absl::Status SourceHost::Pause(absl::string_view name) {
  PURSER_RETURN_IF_ERROR(MustRun(name));
  PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Known(name));
  PURSER_RETURN_IF_ERROR(services_.log->SetPaused(record.id, true));
  return Restart(name);
}

absl::Status SourceHost::Resume(absl::string_view name) {
  PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Known(name));
  PURSER_RETURN_IF_ERROR(services_.log->SetPaused(record.id, false));
  return Restart(name);
}

absl::Status SourceHost::Resync(absl::string_view name) {
  PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Known(name));
  if (record.portal.has_value()) return services_.log->SetResync(record.id, true);
  if (MustRun(name).ok()) PURSER_RETURN_IF_ERROR(services_.log->SetResync(record.id, true));
  PURSER_RETURN_IF_ERROR(services_.log->NewEpoch(record.id));
  return Restart(name);
}

absl::StatusOr<int64_t> SourceHost::Confirm(absl::string_view name) {
  PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Known(name));
  if (record.portal.has_value()) {
    if (record.held == 0) return 0;
    PURSER_RETURN_IF_ERROR(services_.log->SetConfirm(record.id));
    return record.held;
  }
  if (!MustRun(name).ok()) return RemoveHeld(record.id);
  const std::shared_ptr<SourceRunner> runner = FindRunner(name);
  if (runner == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(record.name, ": no portal follows it now, so it does not run here"));
  }
  return runner->ReleaseHeld();
}

absl::StatusOr<int64_t> SourceHost::RemoveHeld(int64_t source) {
  int64_t removed = 0;
  while (true) {
    PURSER_ASSIGN_OR_RETURN(std::vector<std::string> refs,
                            services_.log->Held(source, kMaxShownRefs));
    if (refs.empty()) return removed;
    std::vector<LogWrite> writes(refs.size());
    for (size_t i = 0; i < refs.size(); ++i) writes[i].ref = std::move(refs[i]);
    PURSER_RETURN_IF_ERROR(services_.log->Append(source, "", writes));
    removed += static_cast<int64_t>(writes.size());
  }
}

absl::Status SourceHost::Adopt(absl::string_view name, const std::vector<std::string>& refs,
                               bool last) {
  if (refs.size() > kMaxAdopted) {
    return absl::InvalidArgumentError(
        absl::StrCat("at most ", kMaxAdopted, " refs at a time, not ", refs.size()));
  }
  for (const std::string& ref : refs) {
    PURSER_RETURN_IF_ERROR(catalog::EntityRef::Parse(ref).status());
  }
  PURSER_ASSIGN_OR_RETURN(const SourceRecord record, Known(name));
  if (!MustRun(name).ok()) {
    PURSER_RETURN_IF_ERROR(services_.log->Adopt(record.id, refs));
    if (!last) return absl::OkStatus();
    PURSER_ASSIGN_OR_RETURN(const SourceRecord now, Known(name));
    const bool hold = catalog::MustHold(now.entities, now.entities - now.held, now.held, {});
    return hold ? absl::OkStatus() : RemoveHeld(record.id).status();
  }
  const std::shared_ptr<SourceRunner> runner = FindRunner(name);
  if (runner == nullptr) {
    return absl::FailedPreconditionError(
        absl::StrCat(record.name, ": no portal follows it now, so it does not run here"));
  }
  return runner->Adopt(refs, last);
}

absl::StatusOr<PortalOrders> SourceHost::ReportPortal(absl::string_view name,
                                                      const std::optional<PortalReport>& report) {
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '/');
  if (parts.size() != 2 || !catalog::IsDnsLabel(parts[0]) || !catalog::IsDnsLabel(parts[1])) {
    return absl::InvalidArgumentError(
        absl::StrCat("source '", base::EscapeForDisplay(name), "': must be <provider>/<instance>"));
  }
  if (registry_.Find(parts[0]) != nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("source ", name, ": purserd runs it, no portal does"));
  }
  if (report.has_value() &&
      (report->held_refs.size() > kMaxShownRefs || report->degraded.size() > kMaxShownRefs)) {
    return absl::InvalidArgumentError(
        absl::StrCat("at most ", kMaxShownRefs, " refs and parts of ", name, " are told"));
  }
  PURSER_ASSIGN_OR_RETURN(const std::optional<SourceRecord> record, services_.log->Find(name));
  if (!record.has_value()) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<SourceRecord> all, services_.log->List());
    if (all.size() >= kMaxSources) {
      return absl::ResourceExhaustedError(
          absl::StrCat("there are ", kMaxSources, " sources already"));
    }
  }
  return services_.log->ReportPortal(name, report);
}

}  // namespace purser::provider

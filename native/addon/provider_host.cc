#include "addon/provider_host.h"

#include <exception>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "addon/chunk_sender.h"
#include "addon/request.h"
#include "addon/state_file.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "catalog/tracker.h"
#include "json/json.h"
#include "provider/source_options.h"

namespace purser::addon {
namespace {

struct Request {
  nlohmann::json config;
  nlohmann::json options;
  std::string instance;
  std::string state_path;
  bool force_full = false;
  bool confirm = false;
  std::vector<std::string> adopt;
  std::map<std::string, std::string> secrets;
};

absl::StatusOr<Request> ReadRequest(absl::string_view text) {
  PURSER_ASSIGN_OR_RETURN(nlohmann::json fields, ParseRequest(text));
  Request request;
  PURSER_ASSIGN_OR_RETURN(request.config,
                          TakeField(fields, "config", nlohmann::json::value_t::object));
  PURSER_ASSIGN_OR_RETURN(request.options,
                          TakeField(fields, "options", nlohmann::json::value_t::object));
  PURSER_ASSIGN_OR_RETURN(request.instance, TakeString(fields, "instance"));
  PURSER_ASSIGN_OR_RETURN(request.state_path, TakeString(fields, "statePath"));
  PURSER_ASSIGN_OR_RETURN(request.force_full, TakeBool(fields, "forceFull"));
  PURSER_ASSIGN_OR_RETURN(request.confirm, TakeBool(fields, "confirm"));
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json adopt,
                          TakeField(fields, "adopt", nlohmann::json::value_t::array));
  for (const nlohmann::json& ref : adopt) {
    if (!ref.is_string()) return absl::InvalidArgumentError("request: adopt must hold entity refs");
    PURSER_ASSIGN_OR_RETURN(const catalog::EntityRef parsed,
                            catalog::EntityRef::Parse(ref.get_ref<const std::string&>()));
    request.adopt.push_back(parsed.ToString());
  }
  PURSER_ASSIGN_OR_RETURN(request.secrets, TakeSecrets(fields));
  PURSER_RETURN_IF_ERROR(NoMoreFields(fields));
  return request;
}

// Beside the provider's own keys in the memory.
constexpr char kConfigKey[] =
    "\x01"
    "config";

// One round: what the provider sees, and what it makes of the state.
class RefreshContext final : public provider::Context {
 public:
  RefreshContext(nlohmann::json config, provider::SourceOptions options, const Redactor& redactor,
                 StateFile file, Caller& caller)
      : config_(std::move(config)),
        options_(std::move(options)),
        redactor_(redactor),
        caller_(caller),
        log_(caller.OpenLog(redactor)),
        transport_(caller.FetchHooks(), caller.stop()),
        file_(std::move(file)) {}

  const nlohmann::json& config() const override { return config_; }
  std::stop_token stop() const override { return caller_.stop(); }
  http::Transport& transport() override { return transport_; }
  void Log(action::LogLevel level, absl::string_view line) override { log_->Log(level, line); }

  absl::Status EmitIn(absl::string_view partition, const nlohmann::json& entity) override {
    const std::vector<catalog::Problem> problems = catalog::Validate(entity);
    if (!problems.empty()) {
      std::vector<json::Violation> violations;
      for (const catalog::Problem& problem : problems) {
        violations.push_back({problem.pointer, problem.message});
      }
      AddDropped(1);
      return json::ToStatus(violations, "entity");
    }
    return EmitPrepared(partition.empty() ? catalog::LocationOf(entity) : std::string(partition),
                        catalog::RefOf(entity), catalog::Canonical(entity));
  }

  absl::Status EmitPrepared(absl::string_view partition, const catalog::EntityRef& ref,
                            std::string text) override {
    const std::string refusal = options_.Refusal(ref);
    if (!refusal.empty()) {
      AddDropped(1);
      Log(action::LogLevel::kWarning, refusal);
      return absl::OkStatus();
    }
    std::string name = ref.ToString();
    const catalog::Fingerprint hash = catalog::Fingerprint::Of(text);
    base::MutexLock lock(mutex_);
    PURSER_RETURN_IF_ERROR(failure_);
    ++counts_.read;
    ++counts_.emitted;
    const absl::StatusOr<catalog::Verdict> verdict =
        tracker_.Offer(name, partition, hash, /*whole=*/true);
    if (!verdict.ok()) return failure_ = verdict.status();
    switch (*verdict) {
      case catalog::Verdict::kSame:
        return absl::OkStatus();
      case catalog::Verdict::kDuplicate:
      case catalog::Verdict::kCollision:
        ++duplicates_;
        return absl::OkStatus();
      case catalog::Verdict::kAdded:
        ++added_;
        break;
      case catalog::Verdict::kChanged:
        ++changed_;
        break;
    }
    return failure_ =
               sender_.Upsert(std::move(name), std::string(partition), hash, std::move(text));
  }

  void AddDropped(int64_t items) override {
    base::MutexLock lock(mutex_);
    counts_.read += items;
    counts_.dropped += items;
  }

  void KeepPartition(absl::string_view partition, const absl::Status& why) override {
    base::MutexLock lock(mutex_);
    tracker_.Keep(partition, why.ok());
    if (!why.ok() && degraded_.size() < kMaxShown) {
      degraded_[std::string(partition)] = std::string(redactor_.Redact(why).message());
    }
  }

  void Unchanged() override {
    base::MutexLock lock(mutex_);
    unchanged_ = true;
  }

  absl::Status Remember(absl::string_view key, absl::string_view value) override {
    if (key.empty() || key.size() > provider::kMaxMemoryKeyBytes ||
        value.size() > provider::kMaxMemoryValueBytes) {
      return absl::ResourceExhaustedError("to be remembered: the key or the value is too long");
    }
    base::MutexLock lock(mutex_);
    std::string& remembered = memory_[std::string(key)];
    if (remembered == value) return absl::OkStatus();
    memory_bytes_ += value.size();
    memory_bytes_ -= remembered.size();
    if (memory_bytes_ > provider::kMaxMemoryBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("more than ", provider::kMaxMemoryBytes, " bytes to be remembered"));
    }
    remembered = std::string(value);
    memory_lines_.Memory(key, value);
    return absl::OkStatus();
  }

  std::optional<std::string> Recall(absl::string_view key) override {
    base::MutexLock lock(mutex_);
    const auto found = memory_.find(std::string(key));
    if (found == memory_.end() || found->second.empty()) return std::nullopt;
    return found->second;
  }

  // Before the provider runs: what is known from earlier rounds.
  absl::Status Begin(const Request& request) {
    base::MutexLock lock(mutex_);
    bool known = false;
    if (!request.force_full) {
      const absl::StatusOr<bool> read = file_.Read(tracker_, memory_);
      if (absl::IsDataLoss(read.status())) {
        Log(action::LogLevel::kWarning,
            absl::StrCat(read.status().message(), "; everything is sent again"));
        tracker_ = catalog::Tracker(kMaxSnapshotEntities);
        memory_.clear();
      } else {
        PURSER_RETURN_IF_ERROR(read.status());
        known = *read;
      }
    }
    full_ = tracker_.size() == 0;
    // What was remembered under another config may be wrong under this one.
    const std::string config_hash = catalog::ContentHash(
        catalog::Canonical({{"config", config_}, {"options", options_.source}}));
    if (const auto found = memory_.find(kConfigKey);
        full_ || found == memory_.end() || found->second != config_hash) {
      for (const auto& [key, value] : memory_) memory_lines_.Memory(key, "");
      memory_.clear();
      memory_[kConfigKey] = config_hash;
      memory_lines_.Memory(kConfigKey, config_hash);
    }
    if (!known) PURSER_RETURN_IF_ERROR(file_.Replace(StateLines()));
    for (const auto& [key, value] : memory_) memory_bytes_ += value.size();
    StateLines adopted;
    for (const std::string& ref : request.adopt) {
      if (tracker_.Has(ref)) continue;
      tracker_.Load(ref, "", {}, /*held=*/false);
      adopted.Entity(ref, "", {});
    }
    PURSER_RETURN_IF_ERROR(file_.Append(adopted));
    if (request.confirm) {
      for (std::string& ref : tracker_.ReleaseHeld())
        PURSER_RETURN_IF_ERROR(sender_.Remove(std::move(ref)));
      // The source may have some of them again.
      PURSER_RETURN_IF_ERROR(sender_.Finish());
    }
    tracker_.Begin("");
    return absl::OkStatus();
  }

  // When the provider failed: what it gave before counts.
  void Stop() {
    base::MutexLock lock(mutex_);
    sender_.Settle().IgnoreError();
  }

  // When the provider has given everything.
  absl::StatusOr<nlohmann::json> End() {
    base::MutexLock lock(mutex_);
    PURSER_RETURN_IF_ERROR(failure_);
    catalog::Tracker::Outcome outcome;
    if (unchanged_) {
      outcome.kept = static_cast<int64_t>(tracker_.size());
    } else {
      const size_t known = tracker_.size();
      outcome = tracker_.Finish("", options_.guard);
      if (outcome.held > 0) {
        Log(action::LogLevel::kWarning,
            absl::StrCat(outcome.held, " of ", known,
                         " entities have gone from the source; more than the guard lets go at "
                         "once, so they stay in the catalog until an operator confirms"));
      }
    }
    for (std::string& ref : outcome.removed) PURSER_RETURN_IF_ERROR(sender_.Remove(std::move(ref)));
    PURSER_RETURN_IF_ERROR(sender_.Finish());
    StateLines held;
    for (const std::string& ref : outcome.newly_held) held.Held(ref);
    PURSER_RETURN_IF_ERROR(file_.Append(held));
    // Last: what is remembered must not be ahead of what was taken.
    PURSER_RETURN_IF_ERROR(file_.Append(memory_lines_));
    if (file_.IsWasteful(static_cast<int64_t>(tracker_.size() + memory_.size()))) {
      PURSER_RETURN_IF_ERROR(Compact());
    }
    return nlohmann::json{{"read", counts_.read},         {"emitted", counts_.emitted},
                          {"dropped", counts_.dropped},   {"added", added_},
                          {"changed", changed_},          {"removed", sender_.removed()},
                          {"heldRemovals", outcome.held}, {"kept", outcome.kept},
                          {"duplicates", duplicates_},    {"chunks", sender_.sent()},
                          {"entities", tracker_.size()},  {"full", full_},
                          {"heldRefs", HeldRefs()},       {"degraded", degraded_}};
  }

 private:
  std::vector<std::string> HeldRefs() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<std::string> refs;
    if (tracker_.held() == 0) return refs;
    tracker_.ForEach(
        [&](absl::string_view ref, absl::string_view, catalog::Fingerprint, bool held) {
          if (held && refs.size() < kMaxShown) refs.emplace_back(ref);
        });
    return refs;
  }

  absl::Status Compact() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    StateLines lines;
    tracker_.ForEach([&](absl::string_view ref, absl::string_view partition,
                         catalog::Fingerprint hash, bool held) {
      lines.Entity(ref, partition, hash);
      if (held) lines.Held(ref);
    });
    for (const auto& [key, value] : memory_) {
      if (!value.empty()) lines.Memory(key, value);
    }
    return file_.Replace(lines);
  }

  const nlohmann::json config_;
  const provider::SourceOptions options_;
  const Redactor& redactor_;
  Caller& caller_;
  const std::shared_ptr<LogBatcher> log_;
  FetchTransport transport_;
  base::Mutex mutex_;
  StateFile file_ ABSL_GUARDED_BY(mutex_);
  catalog::Tracker tracker_ ABSL_GUARDED_BY(mutex_){kMaxSnapshotEntities};
  std::map<std::string, std::string> memory_ ABSL_GUARDED_BY(mutex_);
  StateLines memory_lines_ ABSL_GUARDED_BY(mutex_);
  size_t memory_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  ChunkSender sender_ ABSL_GUARDED_BY(mutex_){file_, caller_};
  provider::Counts counts_ ABSL_GUARDED_BY(mutex_);
  int64_t added_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t changed_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t duplicates_ ABSL_GUARDED_BY(mutex_) = 0;
  bool unchanged_ ABSL_GUARDED_BY(mutex_) = false;
  bool full_ ABSL_GUARDED_BY(mutex_) = false;
  std::map<std::string, std::string> degraded_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

absl::Status TakeSnapshot(provider::Provider& provider, RefreshContext& context) {
  const std::string& id = provider.description().id;
  try {
    PURSER_RETURN_IF_ERROR(provider.Snapshot(context));
  } catch (const std::exception& error) {
    return absl::InternalError(absl::StrCat(id, " failed unexpectedly: ", error.what()));
  } catch (...) {
    return absl::InternalError(absl::StrCat(id, " failed unexpectedly"));
  }
  // A provider that returned OK although it was told to stop may have seen a part only.
  if (context.stop().stop_requested()) return absl::CancelledError(absl::StrCat(id, ": cancelled"));
  return absl::OkStatus();
}

}  // namespace

std::string ProviderHost::List() const {
  nlohmann::json list = nlohmann::json::array();
  for (const provider::Description* description : registry_->List()) {
    list.push_back(provider::ToJson(*description));
  }
  return json::Dump(list);
}

absl::StatusOr<std::string> ProviderHost::Refresh(absl::string_view id,
                                                  absl::string_view request_json, Caller& caller) {
  provider::Provider* provider = registry_->Find(id);
  if (provider == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("there is no portal provider '", base::EscapeForDisplay(id), "'"));
  }
  PURSER_ASSIGN_OR_RETURN(Request request, ReadRequest(request_json));
  PURSER_ASSIGN_OR_RETURN(const Redactor redactor, Redactor::Create(request.secrets));
  absl::StatusOr<json::Schema> schema =
      json::Schema::Compile(provider->description().config_schema);
  if (!schema.ok()) {
    return absl::InternalError(
        absl::StrCat(id, ": its config schema is wrong: ", schema.status().message()));
  }
  request.config = schema->WithDefaults(std::move(request.config));
  PURSER_RETURN_IF_ERROR(
      redactor.Redact(json::ToStatus(schema->Validate(request.config), "config")));
  PURSER_ASSIGN_OR_RETURN(provider::SourceOptions options,
                          provider::ReadSourceOptions(request.options, provider->description()));
  PURSER_ASSIGN_OR_RETURN(StateFile file, StateFile::Open(request.state_path));

  {
    base::MutexLock lock(mutex_);
    if (!busy_.insert(request.state_path).second) {
      return absl::AbortedError(
          absl::StrCat(id, ":", request.instance, " is being refreshed already; try again later"));
    }
  }
  // Given back on every way out.
  const auto release = absl::MakeCleanup([this, &request] {
    base::MutexLock lock(mutex_);
    busy_.erase(request.state_path);
  });

  RefreshContext context(std::move(request.config), std::move(options), redactor, std::move(file),
                         caller);
  PURSER_RETURN_IF_ERROR(redactor.Redact(context.Begin(request)));
  if (const absl::Status taken = TakeSnapshot(*provider, context); !taken.ok()) {
    context.Stop();
    return redactor.Redact(taken);
  }
  absl::StatusOr<nlohmann::json> summary = context.End();
  if (!summary.ok()) return redactor.Redact(summary.status());
  return json::Dump(*summary);
}

}  // namespace purser::addon

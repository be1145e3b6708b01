#include "addon/provider_host.h"

#include <exception>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "addon/request.h"
#include "addon/state_file.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/diff.h"
#include "catalog/entity.h"
#include "json/json.h"

namespace purser::addon {
namespace {

struct Request {
  nlohmann::json config;
  std::string instance;
  std::string state_path;
  catalog::GuardOptions guard;
  bool force_full = false;
  std::map<std::string, std::string> secrets;
};

absl::StatusOr<catalog::GuardOptions> ReadGuard(nlohmann::json& fields) {
  catalog::GuardOptions guard;
  PURSER_ASSIGN_OR_RETURN(nlohmann::json object,
                          TakeField(fields, "guard", nlohmann::json::value_t::object));
  if (const auto found = object.find("maxRemovedFraction"); found != object.end()) {
    if (!found->is_number() || found->get<double>() < 0 || found->get<double>() > 1) {
      return absl::InvalidArgumentError("request: guard.maxRemovedFraction must be 0 to 1");
    }
    guard.max_removed_fraction = found->get<double>();
    object.erase(found);
  }
  if (const auto found = object.find("minRemoved"); found != object.end()) {
    if (!found->is_number_integer() || found->get<int64_t>() < 0 ||
        found->get<int64_t>() > 1'000'000) {
      return absl::InvalidArgumentError("request: guard.minRemoved must be 0 to 1000000");
    }
    guard.min_removed = found->get<int>();
    object.erase(found);
  }
  PURSER_ASSIGN_OR_RETURN(guard.allow_empty, TakeBool(object, "allowEmpty"));
  PURSER_RETURN_IF_ERROR(base::Annotate(NoMoreFields(object), "guard"));
  return guard;
}

absl::StatusOr<Request> ReadRequest(absl::string_view text) {
  PURSER_ASSIGN_OR_RETURN(nlohmann::json fields, ParseRequest(text));
  Request request;
  PURSER_ASSIGN_OR_RETURN(request.config,
                          TakeField(fields, "config", nlohmann::json::value_t::object));
  PURSER_ASSIGN_OR_RETURN(request.instance, TakeString(fields, "instance"));
  PURSER_ASSIGN_OR_RETURN(request.state_path, TakeString(fields, "statePath"));
  PURSER_ASSIGN_OR_RETURN(request.guard, ReadGuard(fields));
  PURSER_ASSIGN_OR_RETURN(request.force_full, TakeBool(fields, "forceFull"));
  PURSER_ASSIGN_OR_RETURN(request.secrets, TakeSecrets(fields));
  PURSER_RETURN_IF_ERROR(NoMoreFields(fields));
  return request;
}

struct SourceEntity {
  catalog::SnapshotEntity entity;
  std::string location;  // "" when it has none
};

std::string LocationOf(const nlohmann::json& entity) {
  const nlohmann::json& metadata = entity["metadata"];
  const auto annotations = metadata.find("annotations");
  if (annotations == metadata.end()) return "";
  const auto location = annotations->find("backstage.io/managed-by-location");
  return location == annotations->end() ? "" : location->get<std::string>();
}

class RefreshContext final : public provider::Context {
 public:
  RefreshContext(nlohmann::json config, const Redactor& redactor, Caller& caller)
      : config_(std::move(config)),
        caller_(caller),
        log_(caller.OpenLog(redactor)),
        transport_(caller.FetchHooks(), caller.stop()) {}

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
      base::MutexLock lock(mutex_);
      ++counts_.read;
      ++counts_.dropped;
      return json::ToStatus(violations, "entity");
    }
    SourceEntity item{{catalog::RefOf(entity).ToString(), catalog::Canonical(entity)},
                      partition.empty() ? LocationOf(entity) : std::string(partition)};
    base::MutexLock lock(mutex_);
    ++counts_.read;
    bytes_ += item.entity.ref.size() + item.entity.canonical.size() + item.location.size();
    if (snapshot_.size() >= kMaxSnapshotEntities || bytes_ > kMaxSnapshotBytes) {
      overflow_ = absl::ResourceExhaustedError(absl::StrCat("more than ", kMaxSnapshotEntities,
                                                            " entities or ", kMaxSnapshotBytes,
                                                            " bytes of them; split the instance"));
      return overflow_;
    }
    ++counts_.emitted;
    snapshot_.push_back(std::move(item));
    return absl::OkStatus();
  }

  void AddDropped(int64_t items) override {
    base::MutexLock lock(mutex_);
    counts_.read += items;
    counts_.dropped += items;
  }

  void KeepPartition(absl::string_view partition, const absl::Status&) override {
    base::MutexLock lock(mutex_);
    kept_.emplace(partition);
  }

  // For the host, once the provider has returned.
  absl::Status overflow() {
    base::MutexLock lock(mutex_);
    return overflow_;
  }
  std::vector<SourceEntity> TakeSnapshot() {
    base::MutexLock lock(mutex_);
    return std::move(snapshot_);
  }
  std::set<std::string, std::less<>> TakeKept() {
    base::MutexLock lock(mutex_);
    return std::move(kept_);
  }
  provider::Counts counts() {
    base::MutexLock lock(mutex_);
    return counts_;
  }

 private:
  const nlohmann::json config_;
  Caller& caller_;
  const std::shared_ptr<LogBatcher> log_;
  FetchTransport transport_;
  base::Mutex mutex_;
  std::vector<SourceEntity> snapshot_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> kept_ ABSL_GUARDED_BY(mutex_);  // locations
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  provider::Counts counts_ ABSL_GUARDED_BY(mutex_);
  absl::Status overflow_ ABSL_GUARDED_BY(mutex_);
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
  PURSER_RETURN_IF_ERROR(context.overflow());
  // A provider that returned OK although it was told to stop may have seen a part only.
  if (context.stop().stop_requested()) return absl::CancelledError(absl::StrCat(id, ": cancelled"));
  return absl::OkStatus();
}

std::string JsonArray(const std::vector<std::string>& texts) {
  return absl::StrCat("[", absl::StrJoin(texts, ","), "]");
}

// Sends the chunks and keeps `state` as what the catalog holds, in memory and in the file.
absl::Status SendChunks(const catalog::DiffResult& diff,
                        const absl::flat_hash_map<std::string, std::string>& ref_of_hash,
                        const StateFile& file, ProviderState& state, base::Clock& clock,
                        Caller& caller) {
  if (diff.chunks.empty()) return absl::OkStatus();
  // Before anything is sent: were the process to die between a chunk and its record, the entities
  // of that chunk would never be removed again.
  for (const auto& [ref, hash] : diff.next) state.hashes.emplace(ref, kUnconfirmedHash);
  PURSER_RETURN_IF_ERROR(file.Write(state));
  absl::Duration written_at = clock.Monotonic();
  absl::Status status;
  for (const catalog::Delta& delta : diff.chunks) {
    status = caller.Chunk(JsonArray(delta.upserts), json::Dump(delta.removed));
    if (!status.ok()) break;
    for (const std::string& text : delta.upserts) {
      std::string hash = catalog::ContentHash(text);
      if (const auto ref = ref_of_hash.find(hash); ref != ref_of_hash.end()) {
        state.hashes[ref->second] = std::move(hash);
      }
    }
    for (const std::string& ref : delta.removed) {
      state.hashes.erase(ref);
      state.locations.erase(ref);
    }
    if (clock.Monotonic() - written_at >= kStateWriteInterval) {
      PURSER_RETURN_IF_ERROR(file.Write(state));
      written_at = clock.Monotonic();
    }
  }
  // What was taken is kept also when a later chunk was not.
  const absl::Status written = file.Write(state);
  return status.ok() ? written : status;
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
  PURSER_ASSIGN_OR_RETURN(const StateFile file, StateFile::Open(request.state_path));

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

  RefreshContext context(std::move(request.config), redactor, caller);
  ProviderState state;
  if (!request.force_full) {
    absl::StatusOr<ProviderState> read = file.Read();
    if (absl::IsDataLoss(read.status())) {
      context.Log(action::LogLevel::kWarning,
                  absl::StrCat(read.status().message(), "; everything is sent again"));
    } else {
      PURSER_RETURN_IF_ERROR(read.status());
      state = *std::move(read);
    }
  }
  const bool full = state.hashes.empty();

  PURSER_RETURN_IF_ERROR(redactor.Redact(TakeSnapshot(*provider, context)));
  std::vector<catalog::SnapshotEntity> snapshot;
  absl::flat_hash_map<std::string, std::string> ref_of_hash;
  absl::flat_hash_set<std::string> seen;
  for (SourceEntity& item : context.TakeSnapshot()) {
    ref_of_hash.emplace(catalog::ContentHash(item.entity.canonical), item.entity.ref);
    if (seen.insert(item.entity.ref).second && !item.location.empty()) {
      state.locations[item.entity.ref] = std::move(item.location);
    }
    snapshot.push_back(std::move(item.entity));
  }
  // What stays as it is takes no part in the comparison.
  const std::set<std::string, std::less<>> kept_locations = context.TakeKept();
  catalog::State compared = state.hashes;
  if (!kept_locations.empty()) {
    std::erase_if(compared, [&](const auto& known) {
      const auto location = state.locations.find(known.first);
      return location != state.locations.end() && kept_locations.contains(location->second) &&
             !seen.contains(known.first);
    });
  }
  const int64_t kept = static_cast<int64_t>(state.hashes.size() - compared.size());
  const catalog::DiffResult diff = catalog::Diff(compared, std::move(snapshot), request.guard);
  if (diff.held_removals > 0) {
    context.Log(action::LogLevel::kWarning,
                absl::StrCat(diff.held_removals, " of ", state.hashes.size(),
                             " entities have gone from the source; more than the guard lets go at "
                             "once, so they stay in the catalog until the guard is widened"));
  }
  PURSER_RETURN_IF_ERROR(
      redactor.Redact(SendChunks(diff, ref_of_hash, file, state, clock_, caller)));

  const provider::Counts counts = context.counts();
  return json::Dump({{"read", counts.read},
                     {"emitted", counts.emitted},
                     {"dropped", counts.dropped},
                     {"added", diff.added},
                     {"changed", diff.changed},
                     {"removed", diff.removed},
                     {"heldRemovals", diff.held_removals},
                     {"kept", kept},
                     {"duplicates", diff.duplicates},
                     {"chunks", diff.chunks.size()},
                     {"full", full}});
}

}  // namespace purser::addon

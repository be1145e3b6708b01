// Catalog entity providers: one C++ interface, two hosts (see action/action.h).
//
// A provider tells what a source holds; it never diffs, deletes, remembers or retries by itself.
// Its host validates, compares with what it told the catalog before, guards removals, keeps the
// state over restarts and calls again by schedule, after failures with growing pauses.
//
//   absl::Status Snapshot(Context& context) override {
//     PURSER_ASSIGN_OR_RETURN(const std::string token, context.Secret(config["tokenSecret"]));
//     for (each item) PURSER_RETURN_IF_ERROR(context.Emit(EntityOf(item)));
//     return absl::OkStatus();
//   }
#ifndef PURSER_PROVIDER_PROVIDER_H_
#define PURSER_PROVIDER_PROVIDER_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "action/action.h"
#include "base/clock.h"
#include "base/rng.h"
#include "catalog/delta.h"
#include "catalog/entity.h"
#include "nlohmann/json.hpp"

namespace purser::provider {

// What Remember keeps of one instance at most.
inline constexpr size_t kMaxMemoryKeyBytes = 1024;
inline constexpr size_t kMaxMemoryValueBytes = 64 << 10;
inline constexpr size_t kMaxMemoryBytes = 16 << 20;
// Parts a source may be divided into.
inline constexpr size_t kMaxPartitions = 200'000;

// How a provider gives what its source holds.
enum class Feed {
  kSnapshot,  // Snapshot: everything, each round anew
  kWatch,     // Watch: everything once, then each change as it happens; sidecar only
  kLog,       // nothing: another domain writes the log `log_name` (SourceLog); sidecar only
};

struct Description {
  std::string id;  // "source-tree"; the catalog's provider name is "purser-<id>:<instance>"
  std::string description;
  action::Host host;
  nlohmann::json config_schema;  // of one instance below catalog.providers.purser.<id>.<instance>
  Feed feed = Feed::kSnapshot;
  std::string log_name = {};  // of Feed::kLog; all instances follow the same one
  // Kinds an instance may emit unless its option `allowedKinds` says otherwise; empty: any. Others
  // are dropped and counted.
  std::vector<std::string> kinds = {};
  // What a pause between two rounds should be unless the option `refreshEvery` says otherwise.
  absl::Duration refresh_every = absl::Minutes(5);
};

struct Counts {
  int64_t read = 0;     // items seen in the source
  int64_t emitted = 0;  // entities given
  int64_t dropped = 0;  // items that could not become entities; each is logged
};

// What a host gives to one run of a provider. All methods may be called from several threads at a
// time until Snapshot or Watch has returned.
//
// A source may consist of partitions (a cluster, a file, a repository), each of which can fail or
// stay unchanged on its own. An entity belongs to the partition it was emitted in; Emit without one
// takes the annotation backstage.io/managed-by-location, "" when there is none.
class Context {
 public:
  virtual ~Context() = default;
  virtual const nlohmann::json& config() const = 0;  // checked against config_schema, with defaults
  virtual std::stop_token stop() const = 0;
  // Retries by itself what may be repeated.
  virtual http::Transport& transport() = 0;
  virtual base::Clock& clock() { return base::Clock::System(); }
  virtual base::Rng& rng() { return base::Rng::System(); }
  virtual void Log(action::LogLevel level, absl::string_view line) = 0;
  // The value behind a reference such as "env:PURSER_SECRET_OKTA" or "file:/run/secrets/x"; never
  // to be logged, remembered or emitted. UNIMPLEMENTED in a host without secrets (the portal).
  virtual absl::StatusOr<std::string> Secret(absl::string_view reference);

  // Adds or changes one entity. INVALID_ARGUMENT lists all problems of an invalid one, which the
  // host counted as dropped: log it and go on. Entities of kinds or namespaces that are not allowed
  // here are dropped, counted and logged by the host: OK. Any other error ends the run: return it.
  absl::Status Emit(const nlohmann::json& entity) { return EmitIn("", entity); }
  virtual absl::Status EmitIn(absl::string_view partition, const nlohmann::json& entity) = 0;
  // The same for one that is known to be valid (catalog::Validate) and is canonical text already:
  // for providers that make many on threads of their own.
  virtual absl::Status EmitPrepared(absl::string_view partition, const catalog::EntityRef& ref,
                                    std::string canonical);
  // Items of the source that never became an entity to emit (an unreadable file); the provider has
  // logged why.
  virtual void AddDropped(int64_t) {}
  // In this round the catalog keeps what it has from this partition, but for entities emitted anew.
  // OK: the source said that nothing changed there. Otherwise why it could not be read: the source
  // is shown as degraded until the partition is read again.
  virtual void KeepPartition(absl::string_view partition, const absl::Status& why) = 0;
  // Snapshot only: the source said that nothing changed at all (304, same revision). Return OK
  // then; what the catalog has stays, and counts as fresh.
  virtual void Unchanged() {}

  // What a conditional request needs next time (ETag, revision, cursor). Kept with the state of the
  // instance: what one round remembers is there in the next if the round ended well (Watch: at
  // once), over restarts too, and gone when everything must be read anew, as after a change of the
  // config. "" forgets.
  // RESOURCE_EXHAUSTED beyond the limits above.
  virtual absl::Status Remember(absl::string_view, absl::string_view) { return absl::OkStatus(); }
  virtual std::optional<std::string> Recall(absl::string_view) { return std::nullopt; }

  // Watch only. BeginSnapshot: from here to CompleteSnapshot every entity of the partition is
  // emitted ("" = of the whole source); what was not is gone and removed, behind the guard. May
  // begin again (relist) at any time; two partitions may do so side by side, but at first all of
  // them are begun (or kept, with the reason why they fail) before one is completed. Emit and
  // Remove between are changes that happened meanwhile. Entities are shown as they come.
  virtual absl::Status BeginSnapshot(absl::string_view partition);
  virtual absl::Status CompleteSnapshot(absl::string_view partition);
  // Watch only: the source told that this entity ("kind:namespace/name") is gone. Unknown ones are
  // no error.
  virtual absl::Status Remove(absl::string_view ref);
  // Watch only: still connected, nothing changed (a bookmark): the source is fresh.
  virtual void Alive() {}
};

// A source. One object for the life of the host; runs of different instances at the same time.
// UNAVAILABLE, RESOURCE_EXHAUSTED … with base::SetRetryAfterMillis are obeyed.
class Provider {
 public:
  virtual ~Provider() = default;
  virtual const Description& description() const = 0;
  // Feed::kSnapshot: everything the source holds now. A failure means "nothing is known": what the
  // catalog has stays. An empty answer removes nothing either until an operator confirms it.
  virtual absl::Status Snapshot(Context& context);
  // Feed::kWatch: runs until stop or failure; the host calls again. Begins with BeginSnapshot.
  virtual absl::Status Watch(Context& context);
};

class Registry {
 public:
  absl::Status Add(std::unique_ptr<Provider> provider);
  Provider* Find(absl::string_view id) const;
  std::vector<const Description*> List() const;

 private:
  std::map<std::string, std::unique_ptr<Provider>, std::less<>> providers_;
};

nlohmann::json ToJson(const Description& description);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_PROVIDER_H_

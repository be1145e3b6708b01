#include "catalog-providers/cluster_source.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "connectors/kubernetes/kind_follower.h"
#include "json/json.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;
using connectors::KindObserver;
using connectors::KindQuery;

constexpr absl::Duration kFirstClusterPause = absl::Seconds(1);
constexpr absl::Duration kLongestClusterPause = absl::Minutes(1);

// "apps/v1/Deployment", with namespace and selectors where there are any.
std::string IdOf(const KindQuery& query) {
  std::string id = absl::StrCat(query.api_version, "/", query.kind);
  if (!query.namespace_name.empty()) absl::StrAppend(&id, "@", query.namespace_name);
  if (!query.label_selector.empty()) absl::StrAppend(&id, "?", query.label_selector);
  return id;
}

// What the catalog was told, object by object, and which object stands for a ref that several give.
// Not thread-safe.
class Ledger {
 public:
  enum class Action { kEmit, kRemove, kMove };  // kMove: removed here, to be emitted elsewhere
  struct Change {
    Action action;
    std::string ref;
    std::string partition;
    std::shared_ptr<const Json> entity;
  };

  // The object `key` of `partition` now stands for just these entities.
  void Put(const std::string& partition, const std::string& key, uint64_t generation,
           std::vector<MappedEntity> entities, std::vector<Change>* changes) {
    Object& object = objects_[key];
    object.partition = partition;
    object.generation = generation;
    std::vector<std::string> refs;
    for (MappedEntity& mapped : entities) {
      std::string ref = catalog::RefOf(mapped.entity).ToString();
      if (std::find(refs.begin(), refs.end(), ref) != refs.end()) continue;
      Entry& entry = refs_[ref];
      Claimant claimant{key, partition, mapped.rank,
                        std::make_shared<const Json>(std::move(mapped.entity)), mapped.shared};
      const auto known = Find(entry, key);
      if (known != entry.claimants.end()) {
        *known = std::move(claimant);
      } else {
        entry.claimants.push_back(std::move(claimant));
      }
      Settle(ref, entry, key, changes);
      refs.push_back(std::move(ref));
    }
    for (const std::string& ref : object.refs) {
      if (std::find(refs.begin(), refs.end(), ref) == refs.end()) Disclaim(ref, key, changes);
    }
    object.refs = std::move(refs);
  }

  // It is still there, as it was.
  void Touch(const std::string& key, uint64_t generation) {
    const auto found = objects_.find(key);
    if (found != objects_.end()) found->second.generation = generation;
  }

  void Delete(const std::string& key, std::vector<Change>* changes) {
    const auto found = objects_.find(key);
    if (found == objects_.end()) return;
    for (const std::string& ref : found->second.refs) Disclaim(ref, key, changes);
    objects_.erase(found);
  }

  // The objects of the partition that the list of this generation did not show.
  std::vector<std::string> Missing(const std::string& partition, uint64_t generation) const {
    std::vector<std::string> missing;
    for (const auto& [key, object] : objects_) {
      if (object.partition == partition && object.generation != generation) missing.push_back(key);
    }
    return missing;
  }

 private:
  struct Object {
    std::string partition;
    uint64_t generation = 0;
    std::vector<std::string> refs;
  };
  struct Claimant {
    std::string key;
    std::string partition;
    int64_t rank = 0;
    // Kept where several claim a ref; most are alone, and their entity is in the catalog only.
    std::shared_ptr<const Json> entity;
    bool shared = false;

    // The highest rank, then the first key: the same whatever came first.
    bool Beats(const Claimant& other) const {
      return rank != other.rank ? rank > other.rank : key < other.key;
    }
  };
  struct Entry {
    std::vector<Claimant> claimants;
    std::string shown;  // key of the one in the catalog
    std::string partition;
  };

  static std::vector<Claimant>::iterator Find(Entry& entry, const std::string& key) {
    return std::find_if(entry.claimants.begin(), entry.claimants.end(),
                        [&key](const Claimant& claimant) { return claimant.key == key; });
  }

  // Shows the best claimant, of which `changed` is new.
  static void Settle(const std::string& ref, Entry& entry, const std::string& changed,
                     std::vector<Change>* changes) {
    Claimant* best = nullptr;
    for (Claimant& claimant : entry.claimants) {
      // One that was alone when it came is known by the catalog only.
      if (claimant.entity == nullptr && claimant.key != entry.shown) continue;
      if (best == nullptr || claimant.Beats(*best)) best = &claimant;
    }
    if (best == nullptr) {
      changes->push_back({Action::kRemove, ref, entry.partition, nullptr});
      entry.shown.clear();
      return;
    }
    if (best->key == entry.shown && best->key != changed) return;
    // A ref belongs to one partition at a time.
    if (!entry.shown.empty() && entry.partition != best->partition) {
      changes->push_back({Action::kMove, ref, entry.partition, nullptr});
    }
    changes->push_back({Action::kEmit, ref, best->partition, best->entity});
    entry.shown = best->key;
    entry.partition = best->partition;
    if (entry.claimants.size() == 1 && !best->shared) best->entity = nullptr;
  }

  void Disclaim(const std::string& ref, const std::string& key, std::vector<Change>* changes) {
    const auto found = refs_.find(ref);
    if (found == refs_.end()) return;
    Entry& entry = found->second;
    const auto claimant = Find(entry, key);
    if (claimant == entry.claimants.end()) return;
    const bool shown = entry.shown == key;
    entry.claimants.erase(claimant);
    if (shown) Settle(ref, entry, "", changes);
    if (entry.claimants.empty()) refs_.erase(found);
  }

  absl::flat_hash_map<std::string, Object> objects_;
  absl::flat_hash_map<std::string, Entry> refs_;
};

class Run {
 public:
  Run(provider::Context& context, const ClusterOptions& options, ClusterMapper& mapper)
      : context_(context),
        options_(options),
        mapper_(mapper),
        on_stop_(context.stop(), [this] { Stop(absl::CancelledError("stopped")); }) {}

  absl::Status Follow() {
    PURSER_RETURN_IF_ERROR(context_.BeginSnapshot(""));
    {
      base::MutexLock lock(mutex_);
      pending_ = static_cast<int>(options_.clusters.size());
      for (const auto& [name, config] : options_.clusters) {
        auto cluster = std::make_unique<Cluster>();
        cluster->name = name;
        cluster->config = &config;
        const absl::StatusOr<Json> names =
            json::Parse(context_.Recall(MemoryKey(name)).value_or("[]"));
        if (names.ok() && names->is_array()) {
          for (const Json& partition : *names) {
            if (partition.is_string()) cluster->remembered.insert(partition.get<std::string>());
          }
        }
        Cluster* const known = cluster.get();
        clusters_[name] = std::move(cluster);
        known->thread = std::jthread([this, known] { Connect(*known); });
      }
    }
    Wait();
    stop_.request_stop();
    // No thread starts another one once stopping is set, so these are all.
    for (auto& [name, cluster] : clusters_) cluster->thread.join();
    for (auto& [partition, task] : tasks_) task->Join();
    for (auto& task : ended_) task->Join();
    base::MutexLock lock(mutex_);
    return end_;
  }

 private:
  struct Cluster {
    std::string name;
    const Json* config = nullptr;
    std::unique_ptr<connectors::HttpKubernetesClient> client;
    connectors::ListGate gate;
    std::set<std::string> remembered;  // its partitions in the run before
    bool failed = false;  // a part of it could not be read at first; guarded by the run's mutex
    std::jthread thread;
  };

  // Follows one kind of one cluster in a thread of its own.
  class Task final : public KindObserver {
   public:
    Task(Run& run, Cluster& cluster, FollowedKind kind, std::string partition, bool in_whole)
        : run_(run),
          cluster_(cluster),
          kind_(std::move(kind)),
          partition_(std::move(partition)),
          in_whole_(in_whole) {}

    void Start() {
      thread_ = std::jthread([this] {
        const std::stop_callback whole(run_.stop_.get_token(), [this] { stop_.request_stop(); });
        const absl::Status status =
            connectors::FollowKind(*cluster_.client, kind_.query, kind_.fields, *this,
                                   {.clock = run_.context_.clock(),
                                    .rng = run_.context_.rng(),
                                    .gate = cluster_.gate,
                                    .stop = stop_.get_token(),
                                    .max_objects = run_.options_.max_objects});
        if (status.code() != absl::StatusCode::kCancelled) run_.Stop(status);
      });
    }
    void RequestStop() { stop_.request_stop(); }
    void Join() {
      stop_.request_stop();
      if (thread_.joinable()) thread_.join();
    }

    absl::Status OnListBegin() override {
      ++generation_;
      listing_ = true;
      if (in_whole_) return absl::OkStatus();
      return run_.context_.BeginSnapshot(partition_);
    }
    absl::Status OnObject(Json object) override { return Take(std::move(object)); }
    absl::Status OnPut(Json object) override { return Take(std::move(object)); }
    absl::Status OnDelete(Json object) override {
      const ClusterObject gone(cluster_.name, std::move(object));
      std::vector<Ledger::Change> changes;
      absl::Status status;
      {
        base::MutexLock lock(run_.mutex_);
        run_.ledger_.Delete(gone.Id(), &changes);
        status = run_.Tell(changes, /*whole_list=*/false);
      }
      if (status.ok()) Define(gone.Id(), {});
      return status;
    }
    absl::Status OnListEnd() override {
      absl::Status status;
      std::vector<std::string> missing;
      {
        base::MutexLock lock(run_.mutex_);
        missing = run_.ledger_.Missing(partition_, generation_);
        std::vector<Ledger::Change> changes;
        for (const std::string& key : missing) run_.ledger_.Delete(key, &changes);
        status = run_.Tell(changes, /*whole_list=*/true);
      }
      for (const std::string& key : missing) Define(key, {});
      listing_ = false;
      for (auto& [key, kinds] : defined_) run_.Define(cluster_, key, std::move(kinds));
      defined_.clear();
      PURSER_RETURN_IF_ERROR(status);
      if (!in_whole_) return run_.context_.CompleteSnapshot(partition_);
      in_whole_ = false;
      return run_.FirstDone();
    }
    void OnAlive() override { run_.context_.Alive(); }
    void OnFailure(const absl::Status& why, absl::Duration pause) override {
      run_.context_.Log(
          action::LogLevel::kWarning,
          absl::StrCat(why.message(), "; again in ",
                       absl::FormatDuration(absl::Trunc(pause, absl::Milliseconds(1)))));
      run_.context_.KeepPartition(partition_, why);
      if (!in_whole_) return;
      in_whole_ = false;
      {
        base::MutexLock lock(run_.mutex_);
        cluster_.failed = true;
      }
      if (const absl::Status status = run_.FirstDone(); !status.ok()) run_.Stop(status);
    }

   private:
    absl::Status Take(Json value) {
      const ClusterObject object(cluster_.name, std::move(value));
      const std::string key = object.Id();
      std::vector<MappedEntity> entities;
      absl::Status mapped;
      const bool wanted =
          !object.name.empty() &&
          (object.namespace_name.empty() || run_.options_.TakesNamespace(object.namespace_name)) &&
          !provider::AsksToBeIgnored(object.labels(), object.annotations());
      if (wanted) mapped = run_.mapper_.Map(object, &entities);
      if (entities.size() > kMaxEntitiesOfObject) {
        mapped = absl::InvalidArgumentError(
            absl::StrCat("stands for more than ", kMaxEntitiesOfObject, " entities"));
      }
      if (!mapped.ok()) {
        if (mapped.code() != absl::StatusCode::kInvalidArgument &&
            mapped.code() != absl::StatusCode::kResourceExhausted) {
          return mapped;
        }
        run_.context_.AddDropped(1);
        run_.Problem(absl::StrCat(key, ": ", mapped.message()));
        base::MutexLock lock(run_.mutex_);
        run_.ledger_.Touch(key, generation_);
        return absl::OkStatus();
      }
      {
        base::MutexLock lock(run_.mutex_);
        std::vector<Ledger::Change> changes;
        run_.ledger_.Put(partition_, key, generation_, std::move(entities), &changes);
        PURSER_RETURN_IF_ERROR(run_.Tell(changes, /*whole_list=*/false));
      }
      if (wanted) Define(key, run_.mapper_.KindsOf(object));
      return absl::OkStatus();
    }

    // What a list defines is followed when the list is through: so that a mapper knows all
    // definitions before it sees the first object of any.
    void Define(const std::string& key, std::vector<FollowedKind> kinds) {
      if (kinds.empty() && !definers_.contains(key)) return;
      if (kinds.empty()) {
        definers_.erase(key);
      } else {
        definers_.insert(key);
      }
      if (listing_) {
        defined_[key] = std::move(kinds);
      } else {
        run_.Define(cluster_, key, std::move(kinds));
      }
    }

    Run& run_;
    Cluster& cluster_;
    const FollowedKind kind_;
    const std::string partition_;
    uint64_t generation_ = 0;  // of the lists; used by the follower's thread only
    // The list that comes is part of the snapshot of the whole source; likewise.
    bool in_whole_;
    bool listing_ = false;
    std::set<std::string> definers_;                            // objects that define kinds
    std::map<std::string, std::vector<FollowedKind>> defined_;  // in the list that goes on
    std::stop_source stop_;
    std::jthread thread_;
  };

  // Reads the cluster's access and kinds until that works, and starts to follow.
  void Connect(Cluster& cluster) {
    absl::Duration pause = kFirstClusterPause;
    bool first = true;
    for (;;) {
      const absl::Status status = Open(cluster);
      if (status.ok()) break;
      context_.KeepPartition(cluster.name, status);
      if (std::exchange(first, false)) {
        {
          base::MutexLock lock(mutex_);
          cluster.failed = true;
        }
        if (const absl::Status done = FirstDone(); !done.ok()) return Stop(done);
      }
      if (!context_.clock().SleepFor(pause, stop_.get_token())) return;
      pause = std::min(pause * 2, kLongestClusterPause);
    }
    if (first) {
      if (const absl::Status done = FirstDone(); !done.ok()) Stop(done);
      return;
    }
    // What failed is all right again.
    absl::Status status = context_.BeginSnapshot(cluster.name);
    if (status.ok()) status = context_.CompleteSnapshot(cluster.name);
    if (!status.ok()) Stop(status);
  }

  absl::Status Open(Cluster& cluster) {
    if (cluster.client == nullptr) {
      provider::Context& context = context_;
      absl::StatusOr<connectors::ClusterAccess> access = connectors::AccessFromConfig(
          *cluster.config,
          [&context](absl::string_view reference) { return context.Secret(reference); });
      if (!access.ok())
        return base::Annotate(access.status(), absl::StrCat("cluster ", cluster.name));
      cluster.client = std::make_unique<connectors::HttpKubernetesClient>(
          cluster.name, *std::move(access), context_.transport(), context_.clock());
    }
    PURSER_ASSIGN_OR_RETURN(std::vector<FollowedKind> kinds,
                            mapper_.Kinds(cluster.name, *cluster.client, stop_.get_token()));
    Define(cluster, "", std::move(kinds));
    return absl::OkStatus();
  }

  // The object `key` ("" = the config) asks for these kinds of the cluster, and for no others.
  void Define(Cluster& cluster, const std::string& key, std::vector<FollowedKind> kinds) {
    base::MutexLock lock(mutex_);
    if (stopping_) return;
    if (kinds.empty() && !defined_.contains({cluster.name, key})) return;
    std::set<std::string> partitions;
    for (FollowedKind& kind : kinds) {
      std::string partition = absl::StrCat(cluster.name, "/", IdOf(kind.query));
      auto& askers = askers_[partition];
      askers.insert(key);
      if (!tasks_.contains(partition)) Start(cluster, std::move(kind), partition);
      partitions.insert(std::move(partition));
    }
    std::set<std::string>& before = defined_[{cluster.name, key}];
    for (const std::string& partition : before) {
      if (partitions.contains(partition)) continue;
      auto& askers = askers_[partition];
      askers.erase(key);
      if (!askers.empty()) continue;
      askers_.erase(partition);
      const auto task = tasks_.find(partition);
      if (task == tasks_.end()) continue;
      task->second->RequestStop();
      ended_.push_back(std::move(task->second));
      ended_partitions_.push_back(partition);
      tasks_.erase(task);
      changed_.NotifyAll();
    }
    before = std::move(partitions);
    if (before.empty()) defined_.erase({cluster.name, key});
    if (whole_done_) RememberPartitions(cluster);
  }

  void Start(Cluster& cluster, FollowedKind kind, const std::string& partition)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (tasks_.size() == kMaxFollowedKinds) {
      context_.KeepPartition(partition, absl::ResourceExhaustedError(absl::StrCat(
                                            "more than ", kMaxFollowedKinds,
                                            " kinds are to be followed (kMaxFollowedKinds)")));
      return;
    }
    auto task = std::make_unique<Task>(*this, cluster, std::move(kind), partition, !whole_done_);
    if (!whole_done_) ++pending_;
    Task* const started = task.get();
    tasks_[partition] = std::move(task);
    started->Start();
  }

  // Which parts the cluster has, for a start at which it cannot be asked.
  void RememberPartitions(const Cluster& cluster) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::set<std::string> names;
    // It may still have those of before.
    if (cluster.failed) names = cluster.remembered;
    const std::string prefix = cluster.name + "/";
    for (const auto& [partition, task] : tasks_) {
      if (partition.compare(0, prefix.size(), prefix) == 0) names.insert(partition);
    }
    const absl::Status kept = context_.Remember(MemoryKey(cluster.name), Json(names).dump());
    if (!kept.ok()) context_.Log(action::LogLevel::kWarning, kept.message());
  }

  static std::string MemoryKey(const std::string& cluster) {
    return absl::StrCat("partitions/", cluster);
  }

  // One part of the first snapshot was read, or failed and is kept.
  absl::Status FirstDone() {
    base::MutexLock lock(mutex_);
    if (--pending_ > 0 || whole_done_) return absl::OkStatus();
    for (const auto& [name, cluster] : clusters_) {
      if (!cluster->failed) continue;
      for (const std::string& partition : cluster->remembered) {
        if (!tasks_.contains(partition)) context_.KeepPartition(partition, absl::OkStatus());
      }
    }
    whole_done_ = true;
    for (const auto& [name, cluster] : clusters_) RememberPartitions(*cluster);
    return context_.CompleteSnapshot("");
  }

  absl::Status Tell(const std::vector<Ledger::Change>& changes, bool whole_list)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const Ledger::Change& change : changes) {
      if (change.action == Ledger::Action::kEmit) {
        const absl::Status status = context_.EmitIn(change.partition, *change.entity);
        if (status.code() == absl::StatusCode::kInvalidArgument) {
          Problem(absl::StrCat(change.ref, ": ", status.message()));
        } else if (!status.ok()) {
          return status;
        }
      } else if (change.action == Ledger::Action::kMove || !whole_list) {
        PURSER_RETURN_IF_ERROR(context_.Remove(change.ref));
      }
      // What a list no longer shows is removed by the host, behind its guard.
    }
    return absl::OkStatus();
  }

  void Problem(absl::string_view line) {
    const int count = ++problems_;
    if (count <= kMaxLoggedObjectProblems) {
      context_.Log(action::LogLevel::kWarning, line);
    } else if (count == kMaxLoggedObjectProblems + 1) {
      context_.Log(action::LogLevel::kWarning, "further problems of objects are counted only");
    }
  }

  void Stop(const absl::Status& why) {
    base::MutexLock lock(mutex_);
    if (!stopping_) end_ = why;
    stopping_ = true;
    changed_.NotifyAll();
  }

  // Until stop; meanwhile ends the tasks that nobody asks for any more.
  void Wait() {
    for (;;) {
      std::vector<std::unique_ptr<Task>> ended;
      std::vector<std::string> partitions;
      {
        base::MutexLock lock(mutex_);
        while (!stopping_ && ended_.empty()) changed_.Wait(mutex_);
        if (stopping_) return;
        ended.swap(ended_);
        partitions.swap(ended_partitions_);
      }
      for (auto& task : ended) task->Join();
      for (const std::string& partition : partitions) {
        const absl::Status status = Clear(partition);
        if (!status.ok()) Stop(status);
      }
    }
  }

  // Nothing of the partition is there any more.
  absl::Status Clear(const std::string& partition) {
    base::MutexLock lock(mutex_);
    if (tasks_.contains(partition)) return absl::OkStatus();  // asked for again meanwhile
    PURSER_RETURN_IF_ERROR(context_.BeginSnapshot(partition));
    std::vector<Ledger::Change> changes;
    for (const std::string& key : ledger_.Missing(partition, 0)) ledger_.Delete(key, &changes);
    PURSER_RETURN_IF_ERROR(Tell(changes, /*whole_list=*/true));
    return context_.CompleteSnapshot(partition);
  }

  provider::Context& context_;
  const ClusterOptions& options_;
  ClusterMapper& mapper_;
  std::stop_source stop_;
  std::atomic<int> problems_{0};
  base::Mutex mutex_;
  base::CondVar changed_;
  std::map<std::string, std::unique_ptr<Cluster>> clusters_;
  Ledger ledger_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::unique_ptr<Task>> tasks_;  // by partition
  std::vector<std::unique_ptr<Task>> ended_;
  std::vector<std::string> ended_partitions_ ABSL_GUARDED_BY(mutex_);
  // (cluster, object) → the partitions it asks for; and the other way round.
  std::map<std::pair<std::string, std::string>, std::set<std::string>> defined_
      ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::set<std::string>> askers_ ABSL_GUARDED_BY(mutex_);
  int pending_ ABSL_GUARDED_BY(mutex_) = 0;  // parts of the first snapshot that are not done
  bool whole_done_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  std::stop_callback<std::function<void()>> on_stop_;  // last: it may run at once
};

constexpr char kConfig[] = R"json({
  "clusters": {
    "type": "object", "minProperties": 1, "maxProperties": 100,
    "propertyNames": {"pattern": "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "maxLength": 40},
    "description": "The clusters to read, by the name they have in entities.",
    "additionalProperties": {"type": "object", "additionalProperties": false}
  },
  "namespaces": {
    "type": "array", "maxItems": 200, "default": [], "items": {"type": "string", "minLength": 1},
    "description": "Namespaces to read, * for any characters; all when empty. Without any * each is read for itself, so that rights in just these do."
  },
  "excludeNamespaces": {
    "type": "array", "maxItems": 200, "items": {"type": "string", "minLength": 1},
    "default": ["kube-system", "kube-public", "kube-node-lease"],
    "description": "Namespaces to leave out."
  },
  "labelSelector": {
    "type": "string", "maxLength": 2000, "default": "",
    "description": "Of objects to read, as kubectl takes it."
  },
  "defaults": {
    "type": "object", "additionalProperties": false, "default": {},
    "description": "For entities whose object does not say.",
    "properties": {
      "owner": {"type": "string", "minLength": 1, "default": "unknown"},
      "system": {"type": "string", "minLength": 1},
      "lifecycle": {"type": "string", "minLength": 1, "default": "production"}
    }
  },
  "onlyMatched": {
    "type": "boolean", "default": false,
    "description": "Objects that no rule takes become no entity."
  },
  "maxObjects": {
    "type": "integer", "minimum": 1, "maximum": 1000000, "default": 200000,
    "description": "More objects of one kind in a cluster fail the kind: what the catalog has of it stays."
  }
})json";

}  // namespace

const Json* JsonAt(const Json& value, std::initializer_list<absl::string_view> path) {
  const Json* at = &value;
  for (const absl::string_view key : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(base::ToStd(key));
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

std::string JsonText(const Json& value, std::initializer_list<absl::string_view> path) {
  const Json* const found = JsonAt(value, path);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

ClusterObject::ClusterObject(std::string cluster_name, Json value)
    : cluster(std::move(cluster_name)), object(std::move(value)) {
  api_version = TextAt({"apiVersion"});
  kind = TextAt({"kind"});
  namespace_name = TextAt({"metadata", "namespace"});
  name = TextAt({"metadata", "name"});
}

const Json* ClusterObject::labels() const { return At({"metadata", "labels"}); }
const Json* ClusterObject::annotations() const { return At({"metadata", "annotations"}); }
const Json* ClusterObject::At(std::initializer_list<absl::string_view> path) const {
  return JsonAt(object, path);
}
std::string ClusterObject::TextAt(std::initializer_list<absl::string_view> path) const {
  return JsonText(object, path);
}

std::string ClusterObject::Id() const {
  const size_t slash = api_version.find('/');
  return absl::StrCat(cluster, "/",
                      slash == std::string::npos ? "core" : api_version.substr(0, slash), "/", kind,
                      "/", namespace_name.empty() ? "-" : namespace_name, "/", name);
}

bool ClusterOptions::TakesNamespace(absl::string_view name) const {
  const auto any = [name](const std::vector<std::string>& patterns) {
    return std::any_of(patterns.begin(), patterns.end(), [name](const std::string& pattern) {
      return provider::WildcardMatches(pattern, name);
    });
  };
  return (namespaces.empty() || any(namespaces)) && !any(excluded_namespaces);
}

Json ClusterConfigSchema(Json properties, const Json& defaults) {
  Json all = Json::parse(kConfig);
  connectors::AddAccessSchema(&all["clusters"]["additionalProperties"]);
  all["rules"] = provider::Mapping::Schema();
  for (const auto& [name, value] : defaults.items()) all[name]["default"] = value;
  all.update(properties);
  return {{"$schema", "http://json-schema.org/draft-07/schema#"},
          {"type", "object"},
          {"required", {"clusters"}},
          {"additionalProperties", false},
          {"properties", std::move(all)}};
}

absl::StatusOr<ClusterOptions> ReadClusterOptions(provider::Context& context) {
  const Json& config = context.config();
  ClusterOptions options;
  for (const auto& [name, block] : config["clusters"].items()) options.clusters[name] = block;
  options.namespaces = config.value("namespaces", std::vector<std::string>());
  options.excluded_namespaces = config.value("excludeNamespaces", std::vector<std::string>());
  options.label_selector = config.value("labelSelector", "");
  options.max_objects = config.value("maxObjects", connectors::kDefaultMaxListObjects);
  options.only_matched = config.value("onlyMatched", false);
  options.defaults = config.value("defaults", Json::object());
  if (!options.defaults.contains("owner")) options.defaults["owner"] = "unknown";
  if (!options.defaults.contains("lifecycle")) options.defaults["lifecycle"] = "production";
  PURSER_ASSIGN_OR_RETURN(options.rules,
                          provider::Mapping::Compile(config.value("rules", Json::array())));
  return options;
}

connectors::FieldSelection CommonFields(const ClusterOptions& options) {
  connectors::FieldSelection fields;
  for (const char* field : {"name", "namespace", "labels", "annotations", "creationTimestamp",
                            "deletionTimestamp", "generation", "ownerReferences"}) {
    fields.Add({"metadata", field});
  }
  for (const provider::FieldPath& path : options.rules.FieldsOf("object")) fields.Add(path);
  fields.Drop({"metadata", "managedFields"});
  // The whole object once more, and at times what was meant to be secret.
  fields.Drop({"metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"});
  return fields;
}

std::vector<FollowedKind> FollowedKinds(const ClusterOptions& options, const KindQuery& query,
                                        const connectors::FieldSelection& fields, bool namespaced) {
  FollowedKind kind{query, fields};
  if (kind.query.label_selector.empty()) kind.query.label_selector = options.label_selector;
  const bool each = namespaced && !options.namespaces.empty() &&
                    std::none_of(options.namespaces.begin(), options.namespaces.end(),
                                 [](const std::string& pattern) {
                                   return pattern.find_first_of("*?") != std::string::npos;
                                 });
  if (!each) return {std::move(kind)};
  std::vector<FollowedKind> kinds;
  for (const std::string& name : options.namespaces) {
    kind.query.namespace_name = name;
    kinds.push_back(kind);
  }
  return kinds;
}

absl::Status FollowClusters(provider::Context& context, const ClusterOptions& options,
                            ClusterMapper& mapper) {
  Run run(context, options, mapper);
  return run.Follow();
}

}  // namespace purser::catalog_providers

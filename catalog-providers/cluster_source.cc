#include "catalog-providers/cluster_source.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "catalog-providers/cluster_ledger.h"
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
      std::vector<ClusterLedger::Change> changes;
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
        std::vector<ClusterLedger::Change> changes;
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
        std::vector<ClusterLedger::Change> changes;
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

  absl::Status Tell(const std::vector<ClusterLedger::Change>& changes, bool whole_list)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (const ClusterLedger::Change& change : changes) {
      if (change.action == ClusterLedger::Action::kEmit) {
        const absl::Status status = context_.EmitIn(change.partition, *change.entity);
        if (status.code() == absl::StatusCode::kInvalidArgument) {
          Problem(absl::StrCat(change.ref, ": ", status.message()));
        } else if (!status.ok()) {
          return status;
        }
      } else if (change.action == ClusterLedger::Action::kMove || !whole_list) {
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
    std::vector<ClusterLedger::Change> changes;
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
  ClusterLedger ledger_ ABSL_GUARDED_BY(mutex_);
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

}  // namespace

absl::Status FollowClusters(provider::Context& context, const ClusterOptions& options,
                            ClusterMapper& mapper) {
  Run run(context, options, mapper);
  return run.Follow();
}

}  // namespace purser::catalog_providers

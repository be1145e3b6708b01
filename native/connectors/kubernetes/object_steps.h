// What all steps on objects of clusters have in common: which clusters and namespaces they may
// touch, how an object is checked, applied, waited for and deleted. The kubernetes connector and
// the typed ones above it are made of this.
#ifndef PURSER_CONNECTORS_KUBERNETES_OBJECT_STEPS_H_
#define PURSER_CONNECTORS_KUBERNETES_OBJECT_STEPS_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "connectors/connector.h"
#include "connectors/kubernetes/kind_schemas.h"
#include "connectors/kubernetes/kubernetes_client.h"
#include "connectors/kubernetes/object_readiness.h"
#include "connectors/kubernetes/object_watcher.h"
#include "connectors/pace.h"
#include "json/fields.h"

namespace purser::connectors {

inline constexpr char kEffectAnnotation[] = "purser.dev/effect-key";
// Which apply set an object belongs to (apply_set.h).
inline constexpr char kSetLabel[] = "applyset.kubernetes.io/part-of";
inline constexpr size_t kMaxKubernetesOutputBytes = 64 << 10;  // of a step's mapped outputs
// How long an answer of the cluster's authorizer is believed.
inline constexpr absl::Duration kAccessLifetime = absl::Minutes(5);

// One cluster as the connector sees it.
struct Cluster {
  std::unique_ptr<KubernetesClient> client;
  std::string default_namespace = "default";
  // Allowed namespaces, "*" at the end matches any rest; empty: all of them.
  std::vector<std::string> namespaces;
  bool cluster_scoped = true;  // objects without namespace are allowed
  // Namespaces that nothing may touch, as objects either; the same form.
  std::vector<std::string> forbidden = {"kube-system", "kube-public", "kube-node-lease"};
  // The client's other face, to be told of changes; null: what is waited for is only polled.
  KubernetesReader* reader = nullptr;
};

// An object in a cluster.
struct Target {
  const Cluster* cluster = nullptr;
  std::string cluster_name;
  ObjectRef ref;

  // "cluster a: Deployment team/b", for messages.
  std::string ToString() const;
  // What outputs say to find it again: cluster, apiVersion, kind, namespace, name.
  nlohmann::json Outputs() const;
  // With the id "<cluster>/<group>/<kind>/<namespace>/<name>".
  OutsideResource Resource(const std::string& uid) const;
};

struct ObjectWish {
  nlohmann::json object;          // with apiVersion, kind, metadata.name; namespace when in one
  std::string cluster;            // "" = the default one
  std::string default_namespace;  // for an object that names none; "" = the cluster's
  ObjectCheck check = ObjectCheck::kFields;
  bool force = false;
  std::string what;    // in front of faults: "input of kubernetes/apply"
  std::string prefix;  // in front of the faults' pointers: "/object"
};

struct AppliedObject {
  Target target;
  nlohmann::json object;  // as the server keeps it now
  std::string uid;
  bool created = false;  // by this step, perhaps at an earlier try
};

// May be called after the call it was made for, by the thread of a watch.
using Judgement = std::function<ObjectReadiness(const nlohmann::json& object)>;

// How long to wait for an object, and what to tell of it.
struct SettleRule {
  bool wait = true;
  Judgement judge;
  nlohmann::json outputs = nlohmann::json::object();  // name → JSON pointer
  bool outputs_may_be_missing = false;
  double timeout_seconds = 900;
};

// Thread-safe.
class ObjectSteps {
 public:
  // `clock` and `rng` outlive this; without `rng` nothing is watched. `definitions` are of files
  // (KindSchemas).
  ObjectSteps(std::map<std::string, Cluster> clusters, std::string default_cluster,
              std::string field_manager, std::vector<nlohmann::json> definitions,
              base::Clock& clock, base::Rng* rng);

  // NOT_FOUND names the clusters there are.
  absl::StatusOr<const Cluster*> FindCluster(const std::string& cluster, std::string* name) const;
  // Settles cluster and namespace. PERMISSION_DENIED when the config does not allow the place,
  // FAILED_PRECONDITION when the cluster does not serve the kind.
  absl::StatusOr<Target> TargetOf(const std::string& cluster, const ObjectRef& ref,
                                  CallContext& context) const;
  // As outputs of an earlier call name it.
  absl::StatusOr<Target> TargetOf(const nlohmann::json& outputs, CallContext& context) const;

  // The object of the wish, fit to be sent: faults of its form, of its schema, its place.
  absl::StatusOr<Target> Check(ObjectWish& wish, CallContext& context) const;
  // Asks the cluster whether we may, so that a set is not begun that cannot be ended.
  // PERMISSION_DENIED says what is missing. A server that gives no answer is taken for a yes.
  absl::Status CheckAccess(absl::string_view verb, const Target& target,
                           CallContext& context) const;
  // Check, then server-side apply. An object that is there already keeps the mark of its maker.
  absl::StatusOr<AppliedObject> Apply(ObjectWish wish, CallContext& context) const;
  // Check, then what is there under that name; NOT_FOUND when nothing is. It counts as ours from
  // now on, though it bears no mark.
  absl::StatusOr<AppliedObject> Import(ObjectWish wish, CallContext& context) const;
  // Whether the object is gone now; with `uid`, another one under its name counts as gone.
  absl::StatusOr<bool> Delete(const Target& target, const std::string& uid,
                              CallContext& context) const;
  absl::StatusOr<nlohmann::json> Read(const Target& target, CallContext& context) const;
  // What apply would change, one entry for each leaf: {pointer, from?, to?}; at most kMaxChanges.
  absl::StatusOr<nlohmann::json> Preview(ObjectWish wish, CallContext& context) const;

  // Whether the object is still as an apply of the wish made it.
  absl::StatusOr<Comparison> Compare(ObjectWish wish, CallContext& context) const;

  // --- Waiting (object_waits.cc).
  // What a step says of an object that it has just applied, before it is settled.
  CallResult Begun(const AppliedObject& applied) const;
  using Answer = ObjectWatcher::Answer;
  // How the object is, a null one does not exist yet; FAILED_PRECONDITION when it failed. When it
  // is to be waited for and `watch` is given, the step is woken once it has settled, where that can
  // be watched: `*watch` says so, and `*object` may be a newer one then.
  absl::StatusOr<ObjectReadiness> Judge(const Judgement& judge, const Target& target,
                                        nlohmann::json* object, Answer* watch,
                                        CallContext& context) const;
  // Judges the object and completes `result`, whose outputs hold sinceSeconds while it waits.
  absl::Status Settle(const SettleRule& rule, const Target& target, nlohmann::json* object,
                      CallResult* result, CallContext& context) const;
  // Whether there is no such object, with `uid` not this very one. What is to go is watched as by
  // Judge when `watch` is given.
  absl::StatusOr<bool> IsGone(const Target& target, const std::string& uid, Answer* watch,
                              CallContext& context) const;
  // FAILED_PRECONDITION once the patience with something that is not ready is over; before, when to
  // look at it again: soon at first, seldom later, and more seldom where it is watched.
  absl::Status KeepWaiting(double timeout_seconds, Answer watch, CallResult* result) const;
  // A step that deletes an object, as outputs of the step that applied it name it; and what
  // follows.
  absl::StatusOr<CallResult> DeleteStep(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<CallResult> ObserveDeleted(const nlohmann::json& input, const CallResult& previous,
                                            CallContext& context) const;

  ClientLimits LimitsOf(CallContext& context) const;
  const std::string& field_manager() const { return field_manager_; }
  base::Clock& clock() const { return clock_; }

 private:
  Answer Expect(const Target& target, ObjectWatcher::Settled settled, CallContext& context) const;

  const std::map<std::string, Cluster> clusters_;
  const std::string default_cluster_;
  const std::string field_manager_;
  base::Clock& clock_;
  // After the clusters: its threads read them.
  const std::unique_ptr<ObjectWatcher> watcher_;
  mutable KindSchemas schemas_;
  mutable base::Mutex mutex_;
  // (client, "verb group kind namespace") → until when it is allowed.
  mutable std::map<std::pair<const KubernetesClient*, std::string>, absl::Duration> allowed_
      ABSL_GUARDED_BY(mutex_);
};

inline constexpr size_t kMaxChanges = 100;
inline constexpr Pace kObjectPace = {absl::Seconds(2), absl::Seconds(30)};
// Of what is watched: for what the watch may miss.
inline constexpr Pace kWatchedPace = {absl::Seconds(10), absl::Seconds(30)};

using json::TextAt;

// Values of a Secret must not reach the journal, under whatever name.
absl::Status CheckSecretOutputs(const nlohmann::json& outputs, absl::string_view kind);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_OBJECT_STEPS_H_

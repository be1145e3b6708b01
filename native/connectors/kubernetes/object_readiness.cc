#include "connectors/kubernetes/object_readiness.h"

#include <algorithm>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"
#include "json/json.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

ObjectReadiness Ready() { return {ObjectState::kReady, ""}; }
ObjectReadiness Waiting(std::string reason) { return {ObjectState::kWaiting, std::move(reason)}; }
ObjectReadiness Failed(std::string reason) { return {ObjectState::kFailed, std::move(reason)}; }

// A member chain, or null; never throws on other people's objects.
const Json& At(const Json& object, std::initializer_list<const char*> path) {
  static const Json& nothing = *new Json(nullptr);
  const Json* at = &object;
  for (const char* key : path) {
    if (!at->is_object()) return nothing;
    const auto found = at->find(key);
    if (found == at->end()) return nothing;
    at = &*found;
  }
  return *at;
}

int64_t Number(const Json& object, std::initializer_list<const char*> path, int64_t otherwise = 0) {
  const Json& value = At(object, path);
  return value.is_number_integer() ? value.get<int64_t>() : otherwise;
}

std::string Text(const Json& object, std::initializer_list<const char*> path) {
  const Json& value = At(object, path);
  return value.is_string() ? value.get<std::string>() : "";
}

struct Condition {
  std::string status;
  std::string detail;  // "Reason: message"
};

std::optional<Condition> FindCondition(const Json& object, absl::string_view type) {
  const Json& conditions = At(object, {"status", "conditions"});
  if (!conditions.is_array()) return std::nullopt;
  for (const Json& entry : conditions) {
    if (Text(entry, {"type"}) != type) continue;
    const std::string reason = Text(entry, {"reason"});
    const std::string message = Text(entry, {"message"});
    return Condition{Text(entry, {"status"}),
                     absl::StrCat(reason, reason.empty() || message.empty() ? "" : ": ",
                                  base::EscapeForDisplay(message, 300))};
  }
  return std::nullopt;
}

bool IsTrue(const std::optional<Condition>& condition) {
  return condition.has_value() && condition->status == "True";
}

std::string Describe(absl::string_view type, const Condition& condition) {
  return absl::StrCat("condition ", type, " is ", condition.status,
                      condition.detail.empty() ? "" : " (", condition.detail,
                      condition.detail.empty() ? "" : ")");
}

std::string Of(absl::string_view what, int64_t have, int64_t want) {
  return absl::StrCat(have, " of ", want, " ", what);
}

// Nothing when the object may be judged by its kind.
std::optional<ObjectReadiness> Generic(const Json& object) {
  if (At(object, {"metadata", "deletionTimestamp"}).is_string()) {
    return Waiting("the object is being deleted");
  }
  const Json& observed = At(object, {"status", "observedGeneration"});
  if (observed.is_number_integer() &&
      observed.get<int64_t>() < Number(object, {"metadata", "generation"})) {
    return Waiting("its controller has not seen the newest version yet");
  }
  if (const auto stalled = FindCondition(object, "Stalled"); IsTrue(stalled)) {
    return Failed(Describe("Stalled", *stalled));
  }
  if (const auto reconciling = FindCondition(object, "Reconciling"); IsTrue(reconciling)) {
    return Waiting(Describe("Reconciling", *reconciling));
  }
  return std::nullopt;
}

// Built-in controllers write observedGeneration; before they did, their numbers mean nothing.
bool Observed(const Json& object) {
  return Number(object, {"status", "observedGeneration"}) >=
         Number(object, {"metadata", "generation"}, 1);
}

ObjectReadiness Deployment(const Json& object) {
  if (!Observed(object)) return Waiting("its controller has not seen it yet");
  const int64_t wanted = Number(object, {"spec", "replicas"}, 1);
  const int64_t updated = Number(object, {"status", "updatedReplicas"});
  const int64_t total = Number(object, {"status", "replicas"});
  const int64_t available = Number(object, {"status", "availableReplicas"});
  if (const auto progressing = FindCondition(object, "Progressing");
      progressing.has_value() &&
      absl::StartsWith(progressing->detail, "ProgressDeadlineExceeded")) {
    return Failed(Describe("Progressing", *progressing));
  }
  if (updated < wanted) return Waiting(Of("replicas updated", updated, wanted));
  if (total > updated) return Waiting(absl::StrCat(total - updated, " old replicas still there"));
  if (available < wanted) return Waiting(Of("replicas available", available, wanted));
  return Ready();
}

ObjectReadiness StatefulSet(const Json& object) {
  if (!Observed(object)) return Waiting("its controller has not seen it yet");
  const int64_t wanted = Number(object, {"spec", "replicas"}, 1);
  const int64_t ready = Number(object, {"status", "readyReplicas"});
  if (ready < wanted) return Waiting(Of("replicas ready", ready, wanted));
  if (Text(object, {"spec", "updateStrategy", "type"}) == "OnDelete") return Ready();
  const int64_t kept = Number(object, {"spec", "updateStrategy", "rollingUpdate", "partition"});
  const int64_t updated = Number(object, {"status", "updatedReplicas"});
  if (kept > 0) {
    return updated < wanted - kept ? Waiting(Of("replicas updated", updated, wanted - kept))
                                   : Ready();
  }
  if (Text(object, {"status", "currentRevision"}) != Text(object, {"status", "updateRevision"})) {
    return Waiting(Of("replicas updated", updated, wanted));
  }
  return Ready();
}

ObjectReadiness DaemonSet(const Json& object) {
  if (!Observed(object)) return Waiting("its controller has not seen it yet");
  const int64_t wanted = Number(object, {"status", "desiredNumberScheduled"});
  const int64_t updated = Number(object, {"status", "updatedNumberScheduled"});
  const int64_t available = Number(object, {"status", "numberAvailable"});
  if (updated < wanted) return Waiting(Of("pods updated", updated, wanted));
  if (available < wanted) return Waiting(Of("pods available", available, wanted));
  return Ready();
}

ObjectReadiness ReplicaSet(const Json& object) {
  if (!Observed(object)) return Waiting("its controller has not seen it yet");
  const int64_t wanted = Number(object, {"spec", "replicas"}, 1);
  const int64_t available = Number(object, {"status", "availableReplicas"});
  return available < wanted ? Waiting(Of("replicas available", available, wanted)) : Ready();
}

ObjectReadiness Job(const Json& object) {
  if (const auto failed = FindCondition(object, "Failed"); IsTrue(failed)) {
    return Failed(Describe("Failed", *failed));
  }
  if (IsTrue(FindCondition(object, "Complete"))) return Ready();
  return Waiting(Of("completions", Number(object, {"status", "succeeded"}),
                    Number(object, {"spec", "completions"}, 1)));
}

ObjectReadiness Pod(const Json& object) {
  const std::string phase = Text(object, {"status", "phase"});
  if (phase == "Succeeded") return Ready();
  if (phase == "Failed") return Failed("the pod failed: " + Text(object, {"status", "reason"}));
  if (IsTrue(FindCondition(object, "Ready"))) return Ready();
  if (const auto scheduled = FindCondition(object, "PodScheduled");
      scheduled.has_value() && scheduled->status != "True") {
    return Waiting(Describe("PodScheduled", *scheduled));
  }
  return Waiting(absl::StrCat("phase ", phase.empty() ? "not set" : phase));
}

ObjectReadiness Phase(const Json& object, absl::string_view wanted) {
  const std::string phase = Text(object, {"status", "phase"});
  if (phase == wanted) return Ready();
  return Waiting(absl::StrCat("phase ", phase.empty() ? "not set" : phase));
}

ObjectReadiness Definition(const Json& object) {
  if (const auto names = FindCondition(object, "NamesAccepted");
      names.has_value() && names->status == "False") {
    return Failed(Describe("NamesAccepted", *names));
  }
  if (IsTrue(FindCondition(object, "Established"))) return Ready();
  return Waiting("not established yet");
}

ObjectReadiness Service(const Json& object) {
  if (Text(object, {"spec", "type"}) != "LoadBalancer") return Ready();
  const Json& ingress = At(object, {"status", "loadBalancer", "ingress"});
  if (ingress.is_array() && !ingress.empty()) return Ready();
  return Waiting("the load balancer has no address yet");
}

ObjectReadiness ByCondition(const Json& object, absl::string_view type) {
  const auto condition = FindCondition(object, type);
  if (!condition.has_value()) return Waiting(absl::StrCat("no condition ", type, " yet"));
  return condition->status == "True" ? Ready() : Waiting(Describe(type, *condition));
}

// Kubernetes' own groups have no dot, or end in k8s.io; those of add-ons live there too, but then
// speak by conditions as well.
bool IsBuiltIn(const std::string& group) {
  static constexpr const char* kGroups[] = {"",
                                            "apps",
                                            "batch",
                                            "autoscaling",
                                            "policy",
                                            "extensions",
                                            "networking.k8s.io",
                                            "rbac.authorization.k8s.io",
                                            "storage.k8s.io",
                                            "scheduling.k8s.io",
                                            "admissionregistration.k8s.io",
                                            "coordination.k8s.io",
                                            "discovery.k8s.io",
                                            "node.k8s.io",
                                            "events.k8s.io",
                                            "flowcontrol.apiserver.k8s.io",
                                            "certificates.k8s.io"};
  return std::any_of(std::begin(kGroups), std::end(kGroups),
                     [&group](const char* known) { return group == known; });
}

ObjectReadiness BuiltIn(const std::string& group, const std::string& kind, const Json& object) {
  if (group == "apps" || group == "extensions") {
    if (kind == "Deployment") return Deployment(object);
    if (kind == "StatefulSet") return StatefulSet(object);
    if (kind == "DaemonSet") return DaemonSet(object);
    if (kind == "ReplicaSet") return ReplicaSet(object);
  }
  if (group == "batch" && kind == "Job") return Job(object);
  if (group.empty()) {
    if (kind == "Pod") return Pod(object);
    if (kind == "PersistentVolumeClaim") return Phase(object, "Bound");
    if (kind == "Namespace") return Phase(object, "Active");
    if (kind == "Service") return Service(object);
    if (kind == "ReplicationController") return ReplicaSet(object);
  }
  if (group == "certificates.k8s.io" && kind == "CertificateSigningRequest") {
    return ByCondition(object, "Approved");
  }
  if (group == "policy" && kind == "PodDisruptionBudget" && !Observed(object)) {
    return Waiting("its controller has not seen it yet");
  }
  return Ready();
}

}  // namespace

ObjectReadiness AssessObject(const Json& object) {
  if (const auto answer = Generic(object); answer.has_value()) return *answer;
  const std::string version = Text(object, {"apiVersion"});
  const size_t slash = version.find('/');
  const std::string group = slash == std::string::npos ? "" : version.substr(0, slash);
  const std::string kind = Text(object, {"kind"});
  if (group == "apiextensions.k8s.io" && kind == "CustomResourceDefinition") {
    return Definition(object);
  }
  if (group == "apiregistration.k8s.io" && kind == "APIService") {
    return ByCondition(object, "Available");
  }
  if (IsBuiltIn(group)) return BuiltIn(group, kind, object);
  for (const char* type : {"Ready", "Available", "Healthy"}) {
    const auto condition = FindCondition(object, type);
    if (!condition.has_value()) continue;
    return condition->status == "True" ? Ready() : Waiting(Describe(type, *condition));
  }
  return Waiting(
      "no condition Ready, Available or Healthy yet (a kind that never has one needs the step's "
      "`ready` rule)");
}

void AddReadinessFields(FieldSelection* fields) {
  fields->Add({"metadata", "generation"});
  fields->Add({"metadata", "deletionTimestamp"});
  for (const char* field : {"replicas", "completions", "type"}) fields->Add({"spec", field});
  fields->Add({"spec", "updateStrategy"});
  for (const char* field : {"type", "status", "reason", "message", "observedGeneration"}) {
    fields->Add({"status", "conditions", field});
  }
  for (const char* field :
       {"availableReplicas", "currentRevision", "desiredNumberScheduled", "loadBalancer",
        "numberAvailable", "observedGeneration", "phase", "readyReplicas", "reason", "replicas",
        "succeeded", "updateRevision", "updatedNumberScheduled", "updatedReplicas"}) {
    fields->Add({"status", field});
  }
}

ObjectReadiness AssessByRule(const Json& object, const Json& rule) {
  if (rule.is_string()) return Ready();  // "exists"
  if (const auto answer = Generic(object); answer.has_value()) return *answer;
  if (rule.contains("condition")) {
    const std::string type = rule["condition"].get<std::string>();
    const auto condition = FindCondition(object, type);
    if (!condition.has_value()) return Waiting(absl::StrCat("no condition ", type, " yet"));
    return condition->status == rule.value("status", "True") ? Ready()
                                                             : Waiting(Describe(type, *condition));
  }
  const std::string pointer = rule["pointer"].get<std::string>();
  const Json* value = nullptr;
  try {
    const Json::json_pointer parsed(pointer);
    if (object.contains(parsed)) value = &object.at(parsed);
  } catch (const Json::exception&) {
    // A pointer through a scalar names nothing.
  }
  if (value == nullptr) return Waiting(absl::StrCat("nothing at ", pointer, " yet"));
  const bool good = rule.contains("equals") ? *value == rule["equals"]
                    : rule.contains("in")   ? std::find(rule["in"].begin(), rule["in"].end(),
                                                        *value) != rule["in"].end()
                                            : !value->is_null();
  if (good) return Ready();
  return Waiting(absl::StrCat(pointer, " is ", base::EscapeForDisplay(json::Dump(*value), 100)));
}

}  // namespace purser::connectors

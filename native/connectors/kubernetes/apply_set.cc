#include "connectors/kubernetes/apply_set.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/hash.h"
#include "base/status.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kSetIdLabel[] = "applyset.kubernetes.io/id";
constexpr char kTooling[] = "applyset.kubernetes.io/tooling";
constexpr char kGroupKinds[] = "applyset.kubernetes.io/contains-group-kinds";
constexpr char kNamespaces[] = "applyset.kubernetes.io/additional-namespaces";
// Versions and kinds, since a prune must list them: "apps/v1 Deployment,v1 ConfigMap".
constexpr char kVersionKinds[] = "purser.dev/apply-set-kinds";

// Kinds that others live in or on: a prune would take more along than was ever applied.
bool IsPrunable(const ObjectRef& ref) {
  return ref.kind != "Namespace" && ref.kind != "CustomResourceDefinition" &&
         ref.kind != "PersistentVolumeClaim";
}

// The earlier, the more others need it.
int RankOf(const Json& object) {
  static constexpr const char* kOrder[] = {"CustomResourceDefinition",
                                           "Namespace",
                                           "ResourceQuota",
                                           "LimitRange",
                                           "ServiceAccount",
                                           "ClusterRole",
                                           "Role",
                                           "ClusterRoleBinding",
                                           "RoleBinding",
                                           "NetworkPolicy",
                                           "Secret",
                                           "ConfigMap"};
  const std::string kind = TextAt(object, "kind");
  int rank = 0;
  for (const char* known : kOrder) {
    if (kind == known) return rank;
    ++rank;
  }
  return rank;
}

// As Kubernetes' enhancement 3659 makes it of the parent's name.
std::string IdOf(const ObjectRef& parent) {
  const std::string text =
      absl::StrCat(parent.name, ".", parent.namespace_name, ".", parent.kind, ".", parent.group());
  return absl::StrCat("applyset-", absl::WebSafeBase64Escape(base::Sha256(text)), "-v1");
}

struct Contents {
  std::set<std::string> kinds;       // "apps/v1 Deployment"
  std::set<std::string> namespaces;  // "" for objects in none

  void Add(const ObjectRef& ref) {
    kinds.insert(absl::StrCat(ref.api_version, " ", ref.kind));
    namespaces.insert(ref.namespace_name);
  }
  void AddFrom(const Json& parent) {
    const Json annotations =
        parent.value("metadata", Json::object()).value("annotations", Json::object());
    for (const absl::string_view kind :
         absl::StrSplit(TextAt(annotations, kVersionKinds), ',', absl::SkipEmpty())) {
      kinds.emplace(kind);
    }
    for (const absl::string_view name :
         absl::StrSplit(TextAt(annotations, kNamespaces), ',', absl::SkipEmpty())) {
      namespaces.emplace(name);
    }
  }
};

Json ParentObject(const ObjectRef& parent, const Contents& contents) {
  std::set<std::string> group_kinds;
  for (const std::string& entry : contents.kinds) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(entry, ' ');
    const std::string group = ObjectRef{pair.first, "", "", ""}.group();
    group_kinds.insert(absl::StrCat(pair.second, group.empty() ? "" : ".", group));
  }
  std::set<std::string> others = contents.namespaces;
  others.erase("");
  others.erase(parent.namespace_name);
  return {{"apiVersion", parent.api_version},
          {"kind", parent.kind},
          {"metadata",
           {{"name", parent.name},
            {"namespace", parent.namespace_name},
            {"labels", {{kSetIdLabel, IdOf(parent)}}},
            {"annotations",
             {{kTooling, "purser/v1"},
              {kGroupKinds, absl::StrJoin(group_kinds, ",")},
              {kNamespaces, absl::StrJoin(others, ",")},
              {kVersionKinds, absl::StrJoin(contents.kinds, ",")}}}}}};
}

Json MemberOf(const AppliedObject& applied) {
  Json member = applied.target.Outputs();
  member.erase("cluster");
  member["uid"] = applied.uid;
  member["created"] = applied.created;
  return member;
}

absl::StatusOr<Target> TargetOfMember(const ObjectSteps& steps, const Json& outputs,
                                      const Json& member, CallContext& context) {
  Json place = member;
  place["cluster"] = TextAt(outputs, "cluster");
  return steps.TargetOf(place, context);
}

ObjectWish MemberWish(const SetWish& wish, size_t i) {
  return {.object = wish.objects[i],
          .cluster = wish.cluster,
          .default_namespace = wish.namespace_name,
          .check = wish.check,
          .force = wish.force,
          .what = wish.what,
          .prefix = absl::StrCat("/objects/", i)};
}

// Deletes what bears the set's label and is not among `kept`.
absl::StatusOr<Json> Prune(const ObjectSteps& steps, const Target& parent, const Contents& contents,
                           const std::set<std::string>& kept, CallContext& context) {
  Json pruned = Json::array();
  const std::string selector = absl::StrCat(kSetLabel, "=", IdOf(parent.ref));
  KubernetesClient& client = *parent.cluster->client;
  for (const std::string& entry : contents.kinds) {
    const std::pair<std::string, std::string> kind = absl::StrSplit(entry, ' ');
    const absl::StatusOr<bool> namespaced =
        client.IsNamespaced(kind.first, kind.second, steps.LimitsOf(context));
    // The definition was removed meanwhile, and its objects with it.
    if (absl::IsFailedPrecondition(namespaced.status())) continue;
    if (!namespaced.ok()) return namespaced.status();
    for (const std::string& namespace_name : contents.namespaces) {
      if (*namespaced == namespace_name.empty()) continue;
      PURSER_ASSIGN_OR_RETURN(
          const std::vector<FoundObject> found,
          client.Find(kind.first, kind.second, namespace_name, selector, steps.LimitsOf(context)));
      for (const FoundObject& one : found) {
        if (kept.contains(one.uid)) continue;
        if (!IsPrunable(one.ref)) {
          context.Log(action::LogLevel::kWarning,
                      absl::StrCat(one.ref.ToString(), " is no longer in the set, but objects of ",
                                   "its kind are not pruned; delete it by a step of its own"));
          continue;
        }
        PURSER_ASSIGN_OR_RETURN(const Target target,
                                steps.TargetOf(parent.cluster_name, one.ref, context));
        PURSER_RETURN_IF_ERROR(steps.Delete(target, one.uid, context).status());
        pruned.push_back(target.Outputs());
      }
    }
  }
  return pruned;
}

}  // namespace

absl::StatusOr<CallResult> ApplySet(const ObjectSteps& steps, const SetWish& wish,
                                    CallContext& context) {
  if (wish.objects.size() > kMaxSetObjects) {
    return absl::InvalidArgumentError(absl::StrCat(wish.what, ": a set has at most ",
                                                   kMaxSetObjects, " objects (kMaxSetObjects)"));
  }
  const std::string home = wish.home_namespace.empty() ? wish.namespace_name : wish.home_namespace;
  PURSER_ASSIGN_OR_RETURN(
      const Target parent,
      steps.TargetOf(wish.cluster, {"v1", "ConfigMap", home, wish.name}, context));
  const std::string id = IdOf(parent.ref);

  // Nothing is changed before all of it was looked at.
  std::vector<ObjectWish> wishes;
  std::vector<std::string> faults;
  Contents contents;
  for (size_t i = 0; i < wish.objects.size(); ++i) {
    ObjectWish one = MemberWish(wish, i);
    const absl::StatusOr<Target> target = steps.Check(one, context);
    if (!target.ok()) {
      // Only what the caller can mend is gathered.
      if (!absl::IsInvalidArgument(target.status())) return target.status();
      faults.emplace_back(target.status().message());
      continue;
    }
    PURSER_RETURN_IF_ERROR(steps.CheckAccess("patch", *target, context));
    contents.Add(target->ref);
    Json& labels = one.object["metadata"]["labels"];
    if (!labels.is_object()) labels = Json::object();
    labels[kSetLabel] = id;
    wishes.push_back(std::move(one));
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  std::stable_sort(wishes.begin(), wishes.end(), [](const ObjectWish& a, const ObjectWish& b) {
    return RankOf(a.object) < RankOf(b.object);
  });

  // The set names the kinds of old and new members as long as both may be there, so that a crash
  // between the two leaves nothing that no prune would find.
  Contents all = contents;
  const absl::StatusOr<Json> known = steps.Read(parent, context);
  if (known.ok()) {
    all.AddFrom(*known);
  } else if (!absl::IsNotFound(known.status())) {
    return known.status();
  }
  const auto write_parent = [&](const Contents& state) {
    return steps
        .Apply({.object = ParentObject(parent.ref, state),
                .cluster = wish.cluster,
                .default_namespace = "",
                .what = wish.what,
                .prefix = ""},
               context)
        .status();
  };
  PURSER_RETURN_IF_ERROR(write_parent(all));

  CallResult result;
  result.outputs = {{"cluster", parent.cluster_name},
                    {"namespace", parent.ref.namespace_name},
                    {"name", parent.ref.name},
                    {"members", Json::array()},
                    {"pruned", Json::array()}};
  Json pending = Json::array();
  std::set<std::string> kept;
  for (ObjectWish& one : wishes) {
    PURSER_ASSIGN_OR_RETURN(const AppliedObject applied, steps.Apply(std::move(one), context));
    Json member = MemberOf(applied);
    kept.insert(applied.uid);
    result.resources.push_back(applied.target.Resource(applied.uid));
    if (wish.wait) pending.push_back(member);
    result.outputs["members"].push_back(std::move(member));
  }
  if (wish.prune) {
    PURSER_ASSIGN_OR_RETURN(result.outputs["pruned"], Prune(steps, parent, all, kept, context));
    PURSER_RETURN_IF_ERROR(write_parent(contents));
  }
  if (pending.empty()) return result;
  result.outputs["pending"] = std::move(pending);
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(steps.clock().Now());
  result.ready = false;
  return ObserveSet(steps, result, wish.timeout_seconds, context);
}

absl::StatusOr<CallResult> ObserveSet(const ObjectSteps& steps, const CallResult& previous,
                                      double timeout_seconds, CallContext& context) {
  CallResult result = previous;
  Json waiting = Json::array();
  ObjectWatcher::Answer watch = ObjectWatcher::Answer::kPolled;
  result.progress.clear();
  for (const Json& member : previous.outputs.value("pending", Json::array())) {
    PURSER_ASSIGN_OR_RETURN(const Target target,
                            TargetOfMember(steps, previous.outputs, member, context));
    absl::StatusOr<Json> object = steps.Read(target, context);
    if (absl::IsNotFound(object.status())) {
      return absl::FailedPreconditionError(
          absl::StrCat(target.ToString(), " was deleted while we waited for it"));
    }
    if (!object.ok()) return object.status();
    // The first that is not ready is watched: when it is, all are looked at.
    PURSER_ASSIGN_OR_RETURN(
        const ObjectReadiness readiness,
        steps.Judge(AssessObject, target, &*object, waiting.empty() ? &watch : nullptr, context));
    if (readiness.state == ObjectState::kReady) continue;
    if (result.progress.empty()) {
      result.progress = absl::StrCat(target.ref.ToString(), ": ", readiness.reason);
    }
    waiting.push_back(member);
  }
  result.ready = waiting.empty();
  result.poll_after = kObjectPace.shortest;
  if (result.ready) {
    result.outputs.erase("pending");
    result.outputs.erase("sinceSeconds");
    return result;
  }
  if (waiting.size() > 1) {
    absl::StrAppend(&result.progress, " (and ", waiting.size() - 1, " more)");
  }
  result.outputs["pending"] = std::move(waiting);
  PURSER_RETURN_IF_ERROR(steps.KeepWaiting(timeout_seconds, watch, &result));
  return result;
}

absl::StatusOr<CallResult> ImportSet(const ObjectSteps& steps, const SetWish& wish,
                                     CallContext& context) {
  const std::string home = wish.home_namespace.empty() ? wish.namespace_name : wish.home_namespace;
  PURSER_ASSIGN_OR_RETURN(
      const Target parent,
      steps.TargetOf(wish.cluster, {"v1", "ConfigMap", home, wish.name}, context));
  CallResult result;
  result.outputs = {{"cluster", parent.cluster_name},
                    {"namespace", parent.ref.namespace_name},
                    {"name", parent.ref.name},
                    {"members", Json::array()},
                    {"pruned", Json::array()}};
  for (size_t i = 0; i < wish.objects.size(); ++i) {
    PURSER_ASSIGN_OR_RETURN(const AppliedObject found, steps.Import(MemberWish(wish, i), context));
    result.resources.push_back(found.target.Resource(found.uid));
    result.outputs["members"].push_back(MemberOf(found));
  }
  return result;
}

absl::StatusOr<Comparison> CompareSet(const ObjectSteps& steps, const SetWish& wish,
                                      CallContext& context) {
  for (size_t i = 0; i < wish.objects.size(); ++i) {
    PURSER_ASSIGN_OR_RETURN(Comparison one, steps.Compare(MemberWish(wish, i), context));
    if (one.state != Comparison::State::kSame) return one;
  }
  return Comparison{};
}

absl::StatusOr<CallResult> DeleteSet(const ObjectSteps& steps, const Json& outputs,
                                     CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(
      const Target parent,
      steps.TargetOf(TextAt(outputs, "cluster"),
                     {"v1", "ConfigMap", TextAt(outputs, "namespace"), TextAt(outputs, "name")},
                     context));
  CallResult result;
  result.outputs = {{"cluster", parent.cluster_name},
                    {"namespace", parent.ref.namespace_name},
                    {"name", parent.ref.name}};
  // What an interrupted call applied stands in no outputs, but bears the label.
  Json members = outputs.value("members", Json::array());
  const absl::StatusOr<Json> set = steps.Read(parent, context);
  if (!set.ok() && !absl::IsNotFound(set.status())) return set.status();
  Json pending = Json::array();
  std::set<std::string> spared;
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (!member->value("created", true)) {
      spared.insert(TextAt(*member, "uid"));
      context.Log(action::LogLevel::kInfo,
                  absl::StrCat(TextAt(*member, "kind"), " ", TextAt(*member, "name"),
                               " was there before the step; it stays"));
      continue;
    }
    PURSER_ASSIGN_OR_RETURN(const Target target,
                            TargetOfMember(steps, result.outputs, *member, context));
    PURSER_ASSIGN_OR_RETURN(const bool gone, steps.Delete(target, TextAt(*member, "uid"), context));
    spared.insert(TextAt(*member, "uid"));
    if (!gone) pending.push_back(*member);
  }
  if (set.ok()) {
    Contents contents;
    contents.AddFrom(*set);
    contents.namespaces.insert(parent.ref.namespace_name);
    contents.namespaces.insert("");
    PURSER_RETURN_IF_ERROR(Prune(steps, parent, contents, spared, context).status());
  }
  result.outputs["pending"] = std::move(pending);
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(steps.clock().Now());
  result.ready = false;
  result.poll_after = kObjectPace.shortest;
  result.progress = absl::StrCat("set ", parent.ref.name, ": waiting until its objects are gone");
  return result;
}

absl::StatusOr<CallResult> ObserveDeletedSet(const ObjectSteps& steps, const CallResult& previous,
                                             double timeout_seconds, CallContext& context) {
  CallResult result = previous;
  Json waiting = Json::array();
  ObjectWatcher::Answer watch = ObjectWatcher::Answer::kPolled;
  for (const Json& member : previous.outputs.value("pending", Json::array())) {
    PURSER_ASSIGN_OR_RETURN(const Target target,
                            TargetOfMember(steps, previous.outputs, member, context));
    PURSER_ASSIGN_OR_RETURN(
        const bool gone,
        steps.IsGone(target, TextAt(member, "uid"), waiting.empty() ? &watch : nullptr, context));
    if (gone) continue;
    if (waiting.empty()) {
      result.progress = absl::StrCat(target.ref.ToString(), ": waiting until it is gone");
    }
    waiting.push_back(member);
  }
  result.outputs["pending"] = waiting;
  if (!waiting.empty()) {
    PURSER_RETURN_IF_ERROR(steps.KeepWaiting(timeout_seconds, watch, &result));
    return result;
  }
  PURSER_ASSIGN_OR_RETURN(const Target parent,
                          steps.TargetOf(TextAt(result.outputs, "cluster"),
                                         {"v1", "ConfigMap", TextAt(result.outputs, "namespace"),
                                          TextAt(result.outputs, "name")},
                                         context));
  PURSER_RETURN_IF_ERROR(steps.Delete(parent, "", context).status());
  result.outputs.erase("pending");
  result.outputs.erase("sinceSeconds");
  result.progress.clear();
  result.ready = true;
  return result;
}

}  // namespace purser::connectors

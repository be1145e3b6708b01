#include "connectors/kubernetes/object_steps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kCallTimeout = absl::Seconds(30);

bool Matches(absl::string_view pattern, absl::string_view name) {
  if (absl::ConsumeSuffix(&pattern, "*")) return absl::StartsWith(name, pattern);
  return pattern == name;
}

bool MatchesAny(const std::vector<std::string>& patterns, absl::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [name](const std::string& one) { return Matches(one, name); });
}

// What makes an object fit for apply.
std::vector<json::Violation> FaultsOf(const Json& object, const std::string& prefix) {
  std::vector<json::Violation> faults;
  if (!object.is_object()) return {{prefix, "must be one object"}};
  for (const char* key : {"apiVersion", "kind"}) {
    if (TextAt(object, key).empty()) {
      faults.push_back({absl::StrCat(prefix, "/", key), "must be a text"});
    }
  }
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object() || TextAt(*metadata, "name").empty()) {
    faults.push_back({absl::StrCat(prefix, "/metadata/name"),
                      "must be a text (generateName cannot be applied)"});
  } else {
    for (const char* key : {"managedFields", "resourceVersion", "uid"}) {
      if (metadata->contains(key)) {
        faults.push_back({absl::StrCat(prefix, "/metadata/", key), "must not be given"});
      }
    }
  }
  if (object.contains("status")) {
    faults.push_back({absl::StrCat(prefix, "/status"), "must not be given"});
  }
  if (absl::EndsWith(TextAt(object, "kind"), "List") && object.contains("items")) {
    faults.push_back({prefix, "must be one object, no list; give each its own step"});
  }
  return faults;
}

// A member of the metadata's labels or annotations, "" when it is not there.
std::string WordOf(const Json& object, const char* words, const char* name) {
  return TextAt(object, {"metadata", words, name});
}

void SetWord(Json* object, const char* words, const char* name, const std::string& value) {
  Json& metadata = (*object)["metadata"];
  if (!metadata.contains(words) || !metadata[words].is_object()) metadata[words] = Json::object();
  metadata[words][name] = value;
}

// What an apply of ours wrote beside the wish: without it a trial would show it as taken away.
void KeepOurMarks(const Json& before, Json* object) {
  const std::string mark = WordOf(before, "annotations", kEffectAnnotation);
  if (!mark.empty()) SetWord(object, "annotations", kEffectAnnotation, mark);
  const std::string set = WordOf(before, "labels", kSetLabel);
  if (!set.empty()) SetWord(object, "labels", kSetLabel, set);
}

// Leaves that differ, but for what every write changes.
void Differences(const Json& before, const Json& after, const std::string& pointer, Json* out) {
  static constexpr const char* kPassing[] = {"/metadata/managedFields",
                                             "/metadata/resourceVersion",
                                             "/metadata/generation",
                                             "/metadata/uid",
                                             "/metadata/creationTimestamp",
                                             "/status",
                                             "/metadata/annotations/purser.dev~1effect-key"};
  if (before == after || out->size() >= kMaxChanges) return;
  for (const char* passing : kPassing) {
    if (pointer == passing) return;
  }
  if (before.is_object() && after.is_object()) {
    Json keys = before;
    keys.update(after);
    static const Json& nothing = *new Json(Json::value_t::discarded);
    for (const auto& [key, unused] : keys.items()) {
      Differences(before.contains(key) ? before[key] : nothing,
                  after.contains(key) ? after[key] : nothing,
                  absl::StrCat(pointer, "/", json::PointerToken(key)), out);
    }
    return;
  }
  Json change = {{"pointer", pointer}};
  if (!before.is_discarded()) change["from"] = before;
  if (!after.is_discarded()) change["to"] = after;
  out->push_back(std::move(change));
}

}  // namespace

absl::Status CheckSecretOutputs(const Json& outputs, absl::string_view kind) {
  if (kind != "Secret") return absl::OkStatus();
  for (const auto& [name, pointer] : outputs.items()) {
    const std::string& text = pointer.get_ref<const std::string&>();
    if (!absl::StartsWith(text, "/metadata/") || absl::StartsWith(text, "/metadata/annotations") ||
        absl::StartsWith(text, "/metadata/managedFields")) {
      return absl::InvalidArgumentError(
          absl::StrCat("outputs.", name, ": a Secret's content cannot be an output"));
    }
  }
  return absl::OkStatus();
}

std::string Target::ToString() const {
  return absl::StrCat("cluster ", cluster_name, ": ", ref.ToString());
}

Json Target::Outputs() const {
  Json outputs = {{"cluster", cluster_name},
                  {"apiVersion", ref.api_version},
                  {"kind", ref.kind},
                  {"name", ref.name}};
  if (!ref.namespace_name.empty()) outputs["namespace"] = ref.namespace_name;
  return outputs;
}

OutsideResource Target::Resource(const std::string& uid) const {
  const std::string group = ref.group();
  OutsideResource made;
  made.id = absl::StrCat(cluster_name, "/", group.empty() ? "core" : group, "/", ref.kind, "/",
                         ref.namespace_name.empty() ? "-" : ref.namespace_name, "/", ref.name);
  made.type = ref.kind;
  made.name = ref.name;
  made.attributes = Outputs();
  made.attributes["uid"] = uid;
  return made;
}

ObjectSteps::ObjectSteps(std::map<std::string, Cluster> clusters, std::string default_cluster,
                         std::string field_manager, std::vector<Json> definitions,
                         base::Clock& clock, base::Rng* rng)
    : clusters_(std::move(clusters)),
      default_cluster_(std::move(default_cluster)),
      field_manager_(std::move(field_manager)),
      clock_(clock),
      watcher_(rng == nullptr ? nullptr : std::make_unique<ObjectWatcher>(clock, *rng)),
      schemas_(std::move(definitions), clock) {}

ClientLimits ObjectSteps::LimitsOf(CallContext& context) const {
  return {std::min(kCallTimeout, context.deadline() - clock_.Now()), context.stop()};
}

absl::StatusOr<const Cluster*> ObjectSteps::FindCluster(const std::string& cluster,
                                                        std::string* name) const {
  *name = cluster.empty() ? default_cluster_ : cluster;
  const auto found = clusters_.find(*name);
  if (found != clusters_.end()) return &found->second;
  const std::string known = absl::StrJoin(
      clusters_, ", ", [](std::string* out, const auto& entry) { out->append(entry.first); });
  if (name->empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cluster must be named; there are: ", known));
  }
  return absl::NotFoundError(absl::StrCat("there is no cluster \"", base::EscapeForDisplay(*name),
                                          "\"; there are: ", known));
}

absl::StatusOr<Target> ObjectSteps::TargetOf(const Json& outputs, CallContext& context) const {
  return TargetOf(TextAt(outputs, "cluster"),
                  {TextAt(outputs, "apiVersion"), TextAt(outputs, "kind"),
                   TextAt(outputs, "namespace"), TextAt(outputs, "name")},
                  context);
}

absl::StatusOr<Target> ObjectSteps::TargetOf(const std::string& cluster, const ObjectRef& ref,
                                             CallContext& context) const {
  Target target;
  PURSER_ASSIGN_OR_RETURN(target.cluster, FindCluster(cluster, &target.cluster_name));
  target.ref = ref;
  PURSER_ASSIGN_OR_RETURN(const bool namespaced, target.cluster->client->IsNamespaced(
                                                     ref.api_version, ref.kind, LimitsOf(context)));
  std::string judged;  // the namespace that the rules are about
  if (namespaced) {
    if (target.ref.namespace_name.empty()) {
      target.ref.namespace_name = target.cluster->default_namespace;
    }
    judged = target.ref.namespace_name;
  } else {
    target.ref.namespace_name.clear();
    if (!target.cluster->cluster_scoped) {
      return absl::PermissionDeniedError(
          absl::StrCat(ref.ToString(), ": the connector's config for cluster ", target.cluster_name,
                       " allows no objects outside namespaces"));
    }
    if (ref.api_version != "v1" || ref.kind != "Namespace") return target;
    judged = ref.name;
  }
  if (MatchesAny(target.cluster->forbidden, judged)) {
    return absl::PermissionDeniedError(
        absl::StrCat(target.ref.ToString(), ": the connector's config for cluster ",
                     target.cluster_name, " forbids the namespace ", judged));
  }
  const std::vector<std::string>& allowed = target.cluster->namespaces;
  if (!allowed.empty() && !MatchesAny(allowed, judged)) {
    return absl::PermissionDeniedError(absl::StrCat(
        target.ref.ToString(), ": the connector's config for cluster ", target.cluster_name,
        " allows only these namespaces: ", absl::StrJoin(allowed, ", ")));
  }
  return target;
}

absl::StatusOr<Target> ObjectSteps::Check(ObjectWish& wish, CallContext& context) const {
  Json& object = wish.object;
  PURSER_RETURN_IF_ERROR(json::ToStatus(FaultsOf(object, wish.prefix), wish.what));
  Json& metadata = object["metadata"];
  std::string namespace_name = TextAt(metadata, "namespace");
  if (namespace_name.empty()) namespace_name = wish.default_namespace;
  PURSER_ASSIGN_OR_RETURN(const Target target,
                          TargetOf(wish.cluster,
                                   {TextAt(object, "apiVersion"), TextAt(object, "kind"),
                                    namespace_name, TextAt(metadata, "name")},
                                   context));
  if (target.ref.namespace_name.empty()) {
    metadata.erase("namespace");
  } else {
    metadata["namespace"] = target.ref.namespace_name;
  }
  PURSER_RETURN_IF_ERROR(schemas_.Check(*target.cluster->client, target.ref, object, wish.check,
                                        wish.what, wish.prefix, LimitsOf(context)));
  return target;
}

absl::Status ObjectSteps::CheckAccess(absl::string_view verb, const Target& target,
                                      CallContext& context) const {
  const auto key =
      std::make_pair(static_cast<const KubernetesClient*>(target.cluster->client.get()),
                     absl::StrCat(verb, " ", target.ref.group(), " ", target.ref.kind, " ",
                                  target.ref.namespace_name));
  {
    base::MutexLock lock(mutex_);
    const auto found = allowed_.find(key);
    if (found != allowed_.end() && clock_.Monotonic() < found->second) return absl::OkStatus();
  }
  const absl::StatusOr<AccessAnswer> answer =
      target.cluster->client->MayI(verb, target.ref, LimitsOf(context));
  if (absl::IsCancelled(answer.status())) return answer.status();
  if (answer.ok() && !answer->allowed) {
    return absl::PermissionDeniedError(
        absl::StrCat(target.ToString(), ": our account may not ", verb, " objects of ",
                     target.ref.kind, target.ref.namespace_name.empty() ? "" : " in namespace ",
                     target.ref.namespace_name, answer->reason.empty() ? "" : " (",
                     base::EscapeForDisplay(answer->reason), answer->reason.empty() ? "" : ")",
                     "; a Role with this verb, bound to the account, allows it"));
  }
  if (answer.ok()) {
    base::MutexLock lock(mutex_);
    allowed_[key] = clock_.Monotonic() + kAccessLifetime;
  }
  return absl::OkStatus();
}

absl::StatusOr<AppliedObject> ObjectSteps::Apply(ObjectWish wish, CallContext& context) const {
  AppliedObject applied;
  PURSER_ASSIGN_OR_RETURN(applied.target, Check(wish, context));
  PURSER_RETURN_IF_ERROR(CheckAccess("patch", applied.target, context));
  KubernetesClient& client = *applied.target.cluster->client;
  const absl::StatusOr<Json> before = client.Get(applied.target.ref, LimitsOf(context));
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  std::string mark = context.effect_key();
  applied.created = true;
  if (before.ok()) {
    const std::string old = WordOf(*before, "annotations", kEffectAnnotation);
    applied.created = old == mark;
    mark = old;  // whoever made it stays its maker
  } else {
    PURSER_RETURN_IF_ERROR(CheckAccess("create", applied.target, context));
  }
  if (!mark.empty()) SetWord(&wish.object, "annotations", kEffectAnnotation, mark);
  PURSER_ASSIGN_OR_RETURN(
      applied.object,
      client.Apply(applied.target.ref, wish.object,
                   {.field_manager = field_manager_, .force = wish.force}, LimitsOf(context)));
  applied.uid = TextAt(applied.object, {"metadata", "uid"});
  context.Log(action::LogLevel::kInfo,
              absl::StrCat(applied.target.ToString(), applied.created ? " created" : " applied"));
  return applied;
}

absl::StatusOr<AppliedObject> ObjectSteps::Import(ObjectWish wish, CallContext& context) const {
  AppliedObject found;
  PURSER_ASSIGN_OR_RETURN(found.target, Check(wish, context));
  PURSER_ASSIGN_OR_RETURN(found.object, Read(found.target, context));
  found.uid = TextAt(found.object, {"metadata", "uid"});
  found.created = true;
  return found;
}

absl::StatusOr<Json> ObjectSteps::Preview(ObjectWish wish, CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const Target target, Check(wish, context));
  PURSER_RETURN_IF_ERROR(CheckAccess("patch", target, context));
  KubernetesClient& client = *target.cluster->client;
  const absl::StatusOr<Json> before = client.Get(target.ref, LimitsOf(context));
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  Json outcome = target.Outputs();
  if (before.ok()) KeepOurMarks(*before, &wish.object);
  // A new object in a namespace that is not there yet cannot be tried.
  PURSER_ASSIGN_OR_RETURN(
      const Json after,
      client.Apply(target.ref, wish.object,
                   {.field_manager = field_manager_, .force = wish.force, .dry_run = true},
                   LimitsOf(context)));
  Json changes = Json::array();
  const bool secret = target.ref.api_version == "v1" && target.ref.kind == "Secret";
  if (before.ok() && !secret) Differences(*before, after, "", &changes);
  // What a Secret holds is not shown, only whether it would change.
  const bool same =
      before.ok() &&
      (secret ? before->value("data", Json()) == after.value("data", Json()) : changes.empty());
  outcome["action"] = !before.ok() ? "create" : same ? "none" : "update";
  outcome["changes"] = std::move(changes);
  return outcome;
}

absl::StatusOr<Comparison> ObjectSteps::Compare(ObjectWish wish, CallContext& context) const {
  wish.force = true;  // nothing is changed: what others took over is just what is asked for
  const absl::StatusOr<Json> trial = Preview(std::move(wish), context);
  // Its namespace or its kind is gone.
  if (absl::IsNotFound(trial.status())) {
    return Comparison{Comparison::State::kGone, std::string(trial.status().message())};
  }
  if (!trial.ok()) return trial.status();
  const std::string action = TextAt(*trial, "action");
  if (action == "none") return Comparison{};
  const std::string name = absl::StrCat(TextAt(*trial, "kind"), " ", TextAt(*trial, "name"));
  if (action == "create") return Comparison{Comparison::State::kGone, name + " is gone"};
  std::string detail = name + " differs";
  const char* separator = " at ";
  // Places only: values may be anything.
  for (const Json& change : (*trial)["changes"]) {
    absl::StrAppend(&detail, separator, TextAt(change, "pointer"));
    separator = ", ";
  }
  return Comparison{Comparison::State::kDiffers, base::EscapeForDisplay(detail, 1000)};
}

absl::StatusOr<Json> ObjectSteps::Read(const Target& target, CallContext& context) const {
  return target.cluster->client->Get(target.ref, LimitsOf(context));
}

}  // namespace purser::connectors

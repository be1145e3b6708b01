#include "connectors/kubernetes/kubernetes_connector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "connectors/kubernetes/kubeconfig.h"
#include "connectors/kubernetes/kubernetes_schemas.h"
#include "connectors/kubernetes/object_readiness.h"
#include "document/yaml.h"
#include "http/url.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::Duration kPollAfter = absl::Seconds(2);

ClientLimits LimitsOf(CallContext& context, base::Clock& clock) {
  return {std::min(kCallTimeout, context.deadline() - clock.Now()), context.stop()};
}

bool Matches(absl::string_view pattern, absl::string_view name) {
  if (absl::ConsumeSuffix(&pattern, "*")) return absl::StartsWith(name, pattern);
  return pattern == name;
}

std::string TextAt(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// The object of an apply step, from JSON or YAML text, with what makes it fit for apply checked.
absl::StatusOr<Json> ObjectOf(const Json& input) {
  Json object = input["object"];
  if (object.is_string()) {
    PURSER_ASSIGN_OR_RETURN(
        document::Document document,
        document::ParseYamlDocument(object.get_ref<const std::string&>(), "object"));
    object = std::move(document.value);
  }
  std::vector<json::Violation> faults;
  if (!object.is_object()) return absl::InvalidArgumentError("object must be one object");
  for (const char* key : {"apiVersion", "kind"}) {
    if (TextAt(object, key).empty()) {
      faults.push_back({absl::StrCat("/object/", key), "must be a text"});
    }
  }
  const auto metadata = object.find("metadata");
  if (metadata == object.end() || !metadata->is_object() || TextAt(*metadata, "name").empty()) {
    faults.push_back({"/object/metadata/name", "must be a text (generateName cannot be applied)"});
  } else {
    for (const char* key : {"managedFields", "resourceVersion", "uid"}) {
      if (metadata->contains(key)) {
        faults.push_back({absl::StrCat("/object/metadata/", key), "must not be given"});
      }
    }
  }
  if (object.contains("status")) faults.push_back({"/object/status", "must not be given"});
  if (absl::EndsWith(TextAt(object, "kind"), "List") && object.contains("items")) {
    faults.push_back({"/object", "must be one object, no list; give each its own step"});
  }
  PURSER_RETURN_IF_ERROR(json::ToStatus(faults, "input of kubernetes/apply"));
  return object;
}

// Values of a Secret must not reach the journal, under whatever name.
absl::Status CheckOutputs(const Json& input, absl::string_view kind) {
  if (kind != "Secret") return absl::OkStatus();
  for (const auto& [name, pointer] : input["outputs"].items()) {
    const std::string& text = pointer.get_ref<const std::string&>();
    if (!absl::StartsWith(text, "/metadata/") || absl::StartsWith(text, "/metadata/annotations") ||
        absl::StartsWith(text, "/metadata/managedFields")) {
      return absl::InvalidArgumentError(
          absl::StrCat("outputs.", name, ": a Secret's content cannot be an output"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Cluster> ClusterFromConfig(const std::string& name, const Json& config,
                                          const ConnectorDependencies& dependencies) {
  absl::StatusOr<ClusterAccess> access = AccessFromConfig(config, dependencies.resolve_secret);
  if (!access.ok()) return access.status();
  Cluster cluster;
  cluster.default_namespace = access->default_namespace;
  cluster.namespaces = config["namespaces"].get<std::vector<std::string>>();
  cluster.cluster_scoped = config.value("clusterScoped", cluster.namespaces.empty());
  cluster.client = std::make_unique<HttpKubernetesClient>(
      name, *std::move(access), dependencies.transport, dependencies.clock);
  return cluster;
}

}  // namespace

struct KubernetesConnector::Target {
  const Cluster* cluster;
  std::string cluster_name;
  ObjectRef ref;

  Json Outputs() const {
    Json outputs = {{"cluster", cluster_name},
                    {"apiVersion", ref.api_version},
                    {"kind", ref.kind},
                    {"name", ref.name}};
    if (!ref.namespace_name.empty()) outputs["namespace"] = ref.namespace_name;
    return outputs;
  }
  OutsideResource Resource(const std::string& uid) const {
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
};

KubernetesConnector::KubernetesConnector(std::string name, std::map<std::string, Cluster> clusters,
                                         std::string default_cluster, std::string field_manager,
                                         base::Clock& clock)
    : name_(std::move(name)),
      clusters_(std::move(clusters)),
      default_cluster_(std::move(default_cluster)),
      field_manager_(std::move(field_manager)),
      clock_(clock),
      inputs_(KubernetesOperations()) {}

absl::StatusOr<std::unique_ptr<Connector>> KubernetesConnector::FromConfig(
    absl::string_view name, const Json& raw_config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema, json::Schema::Compile(ConfigSchema()));
  const Json config = schema.WithDefaults(raw_config);
  std::vector<json::Violation> faults = schema.Validate(config);
  PURSER_RETURN_IF_ERROR(json::ToStatus(faults, absl::StrCat("connector ", name)));
  std::map<std::string, Cluster> clusters;
  for (const auto& [cluster_name, block] : config["clusters"].items()) {
    absl::StatusOr<Cluster> cluster = ClusterFromConfig(cluster_name, block, dependencies);
    if (!cluster.ok()) {
      faults.push_back({absl::StrCat("/clusters/", json::PointerToken(cluster_name)),
                        std::string(cluster.status().message())});
      continue;
    }
    clusters.emplace(cluster_name, *std::move(cluster));
  }
  std::string default_cluster = TextAt(config, "defaultCluster");
  if (!default_cluster.empty() && !config["clusters"].contains(default_cluster)) {
    faults.push_back({"/defaultCluster", "is none of the clusters"});
  }
  PURSER_RETURN_IF_ERROR(json::ToStatus(faults, absl::StrCat("connector ", name)));
  if (default_cluster.empty() && clusters.size() == 1) default_cluster = clusters.begin()->first;
  return std::make_unique<KubernetesConnector>(std::string(name), std::move(clusters),
                                               std::move(default_cluster),
                                               TextAt(config, "fieldManager"), dependencies.clock);
}

const Json& KubernetesConnector::ConfigSchema() { return KubernetesConfigSchema(); }
const std::vector<Operation>& KubernetesConnector::operations() const {
  return KubernetesOperations();
}

absl::StatusOr<const Cluster*> KubernetesConnector::FindCluster(const Json& input,
                                                                std::string* name) const {
  *name = TextAt(input, "cluster");
  if (name->empty()) *name = default_cluster_;
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

absl::StatusOr<KubernetesClient*> KubernetesConnector::ClientOf(const std::string& cluster) const {
  std::string name;
  PURSER_ASSIGN_OR_RETURN(const Cluster* found, FindCluster({{"cluster", cluster}}, &name));
  if (!found->cluster_scoped) {
    return absl::PermissionDeniedError(absl::StrCat("the connector's config for cluster ", name,
                                                    " allows no objects outside namespaces"));
  }
  return found->client.get();
}

absl::StatusOr<KubernetesConnector::Target> KubernetesConnector::TargetOf(
    const Json& where, const std::string& api_version, const std::string& kind,
    const std::string& namespace_name, const std::string& name, CallContext& context) const {
  Target target;
  PURSER_ASSIGN_OR_RETURN(target.cluster, FindCluster(where, &target.cluster_name));
  target.ref = {api_version, kind, namespace_name, name};
  PURSER_ASSIGN_OR_RETURN(const bool namespaced, target.cluster->client->IsNamespaced(
                                                     api_version, kind, LimitsOf(context, clock_)));
  if (!namespaced) {
    target.ref.namespace_name.clear();
    if (!target.cluster->cluster_scoped) {
      return absl::PermissionDeniedError(
          absl::StrCat(target.ref.ToString(), ": the connector's config for cluster ",
                       target.cluster_name, " allows no objects outside namespaces"));
    }
    return target;
  }
  if (target.ref.namespace_name.empty()) {
    target.ref.namespace_name = target.cluster->default_namespace;
  }
  const std::vector<std::string>& allowed = target.cluster->namespaces;
  const bool good = allowed.empty() ||
                    std::any_of(allowed.begin(), allowed.end(), [&target](const std::string& one) {
                      return Matches(one, target.ref.namespace_name);
                    });
  if (!good) {
    return absl::PermissionDeniedError(absl::StrCat(
        target.ref.ToString(), ": the connector's config for cluster ", target.cluster_name,
        " allows only these namespaces: ", absl::StrJoin(allowed, ", ")));
  }
  return target;
}

absl::Status KubernetesConnector::Settle(const Json& input, const Target& target,
                                         const Json& object, CallResult* result) const {
  if (!input.value("wait", true)) {
    result->ready = true;
  } else {
    const ObjectReadiness readiness =
        input.contains("ready") ? AssessByRule(object, input["ready"]) : AssessObject(object);
    if (readiness.state == ObjectState::kFailed) {
      return absl::FailedPreconditionError(absl::StrCat("cluster ", target.cluster_name, ": ",
                                                        target.ref.ToString(),
                                                        " failed: ", readiness.reason));
    }
    result->ready = readiness.state == ObjectState::kReady;
    result->progress =
        result->ready ? "" : absl::StrCat(target.ref.ToString(), ": ", readiness.reason);
    result->poll_after = kPollAfter;
  }
  if (!result->ready) return CheckPatience(input, *result);
  result->outputs.erase("sinceSeconds");
  for (const auto& [name, pointer] : input["outputs"].items()) {
    const Json::json_pointer place(pointer.get<std::string>());
    if (!object.contains(place)) {
      return absl::FailedPreconditionError(absl::StrCat("outputs.", name, ": ",
                                                        target.ref.ToString(), " has nothing at ",
                                                        pointer.get<std::string>()));
    }
    result->outputs[name] = object.at(place);
  }
  if (json::Dump(result->outputs).size() > kMaxKubernetesOutputBytes) {
    return absl::FailedPreconditionError(
        absl::StrCat("outputs are larger than ", kMaxKubernetesOutputBytes,
                     " bytes (kMaxKubernetesOutputBytes); choose smaller parts of the object"));
  }
  return absl::OkStatus();
}

absl::Status KubernetesConnector::CheckPatience(const Json& input, const CallResult& result) const {
  const int64_t since = result.outputs["sinceSeconds"].get<int64_t>();
  const int64_t waited = absl::ToUnixSeconds(clock_.Now()) - since;
  if (static_cast<double>(waited) <= input["timeoutSeconds"].get<double>()) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("not ready after ", waited, " s (timeoutSeconds): ", result.progress));
}

absl::StatusOr<CallResult> KubernetesConnector::Call(absl::string_view operation,
                                                     const Json& raw_input, CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "apply") return Apply(input, context);
  if (operation == "wait") return Wait(input, context);
  return Delete(input, context);
}

absl::StatusOr<CallResult> KubernetesConnector::Apply(const Json& input,
                                                      CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(Json object, ObjectOf(input));
  const std::string kind = TextAt(object, "kind");
  PURSER_RETURN_IF_ERROR(CheckOutputs(input, kind));
  std::string namespace_name = TextAt(object["metadata"], "namespace");
  if (namespace_name.empty()) namespace_name = TextAt(input, "namespace");
  PURSER_ASSIGN_OR_RETURN(const Target target,
                          TargetOf(input, TextAt(object, "apiVersion"), kind, namespace_name,
                                   TextAt(object["metadata"], "name"), context));
  if (target.ref.namespace_name.empty()) {
    object["metadata"].erase("namespace");
  } else {
    object["metadata"]["namespace"] = target.ref.namespace_name;
  }
  KubernetesClient& client = *target.cluster->client;
  const absl::StatusOr<Json> before = client.Get(target.ref, LimitsOf(context, clock_));
  if (!before.ok() && !absl::IsNotFound(before.status())) return before.status();
  std::string mark = context.effect_key();
  bool created = true;
  if (before.ok()) {
    const Json::json_pointer place(
        absl::StrCat("/metadata/annotations/", json::PointerToken(kEffectAnnotation)));
    const std::string old = before->contains(place) && before->at(place).is_string()
                                ? before->at(place).get<std::string>()
                                : "";
    created = old == mark;
    mark = old;  // whoever made it stays its maker
  }
  if (!mark.empty()) {
    if (!object["metadata"].contains("annotations") ||
        !object["metadata"]["annotations"].is_object()) {
      object["metadata"]["annotations"] = Json::object();
    }
    object["metadata"]["annotations"][kEffectAnnotation] = mark;
  }
  PURSER_ASSIGN_OR_RETURN(const Json applied, client.Apply(target.ref, object,
                                                           {.field_manager = field_manager_,
                                                            .force = input["force"].get<bool>()},
                                                           LimitsOf(context, clock_)));
  CallResult result;
  result.outputs = target.Outputs();
  const std::string uid = TextAt(applied.value("metadata", Json::object()), "uid");
  result.outputs["uid"] = uid;
  result.outputs["created"] = created;
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(clock_.Now());
  result.resources.push_back(target.Resource(uid));
  context.Log(action::LogLevel::kInfo,
              absl::StrCat("cluster ", target.cluster_name, ": ", target.ref.ToString(),
                           created ? " created" : " applied"));
  PURSER_RETURN_IF_ERROR(Settle(input, target, applied, &result));
  return result;
}

absl::StatusOr<CallResult> KubernetesConnector::Wait(const Json& input,
                                                     CallContext& context) const {
  PURSER_RETURN_IF_ERROR(CheckOutputs(input, TextAt(input, "kind")));
  PURSER_ASSIGN_OR_RETURN(const Target target,
                          TargetOf(input, TextAt(input, "apiVersion"), TextAt(input, "kind"),
                                   TextAt(input, "namespace"), TextAt(input, "name"), context));
  CallResult result;
  result.outputs = target.Outputs();
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(clock_.Now());
  const absl::StatusOr<Json> object =
      target.cluster->client->Get(target.ref, LimitsOf(context, clock_));
  if (absl::IsNotFound(object.status())) {
    result.ready = false;
    result.poll_after = kPollAfter;
    result.progress = absl::StrCat(target.ref.ToString(), ": does not exist yet");
    return result;
  }
  if (!object.ok()) return object.status();
  PURSER_RETURN_IF_ERROR(Settle(input, target, *object, &result));
  return result;
}

absl::StatusOr<CallResult> KubernetesConnector::Delete(const Json& input,
                                                       CallContext& context) const {
  CallResult result;
  if (!input.value("created", true)) {
    context.Log(action::LogLevel::kInfo,
                absl::StrCat(TextAt(input, "kind"), " ", TextAt(input, "name"),
                             " was there before the step; it stays"));
    return result;
  }
  PURSER_ASSIGN_OR_RETURN(const Target target,
                          TargetOf(input, TextAt(input, "apiVersion"), TextAt(input, "kind"),
                                   TextAt(input, "namespace"), TextAt(input, "name"), context));
  const std::string uid = TextAt(input, "uid");
  KubernetesClient& client = *target.cluster->client;
  result.outputs = target.Outputs();
  const absl::Status deleted = client.Delete(target.ref, uid, LimitsOf(context, clock_));
  if (absl::IsNotFound(deleted)) return result;  // gone already
  if (!deleted.ok()) {
    // Our object is gone when another one bears its name.
    if (!uid.empty() && absl::IsFailedPrecondition(deleted)) {
      const absl::StatusOr<Json> other = client.Get(target.ref, LimitsOf(context, clock_));
      if (other.ok() && TextAt(other->value("metadata", Json::object()), "uid") != uid) {
        return result;
      }
    }
    return deleted;
  }
  context.Log(action::LogLevel::kInfo, absl::StrCat("cluster ", target.cluster_name, ": ",
                                                    target.ref.ToString(), " deleted"));
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(clock_.Now());
  result.ready = false;
  result.poll_after = kPollAfter;
  result.progress = absl::StrCat(target.ref.ToString(), ": waiting until it is gone");
  return result;
}

absl::StatusOr<CallResult> KubernetesConnector::Observe(absl::string_view operation,
                                                        const Json& raw_input,
                                                        const CallResult& previous,
                                                        CallContext& context) {
  if (previous.ready) return previous;
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const Json& kept = previous.outputs;
  PURSER_ASSIGN_OR_RETURN(const Target target,
                          TargetOf(kept, TextAt(kept, "apiVersion"), TextAt(kept, "kind"),
                                   TextAt(kept, "namespace"), TextAt(kept, "name"), context));
  CallResult result = previous;
  const absl::StatusOr<Json> object =
      target.cluster->client->Get(target.ref, LimitsOf(context, clock_));
  if (operation == "delete") {
    const std::string uid = TextAt(input, "uid");
    const bool gone = absl::IsNotFound(object.status()) ||
                      (object.ok() && !uid.empty() &&
                       TextAt(object->value("metadata", Json::object()), "uid") != uid);
    if (!gone && !object.ok()) return object.status();
    result.ready = gone;
    if (!gone) {
      PURSER_RETURN_IF_ERROR(CheckPatience(input, result));
      return result;
    }
    result.outputs.erase("sinceSeconds");
    result.progress.clear();
    return result;
  }
  if (absl::IsNotFound(object.status())) {
    if (operation == "apply") {
      return absl::FailedPreconditionError(absl::StrCat("cluster ", target.cluster_name, ": ",
                                                        target.ref.ToString(),
                                                        " was deleted while we waited for it"));
    }
    PURSER_RETURN_IF_ERROR(CheckPatience(input, result));
    return result;
  }
  if (!object.ok()) return object.status();
  PURSER_RETURN_IF_ERROR(Settle(input, target, *object, &result));
  return result;
}

}  // namespace purser::connectors

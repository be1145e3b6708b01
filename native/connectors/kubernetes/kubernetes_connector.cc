#include "connectors/kubernetes/kubernetes_connector.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/kubernetes/apply_set.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "connectors/kubernetes/kubeconfig.h"
#include "connectors/kubernetes/kubernetes_schemas.h"
#include "connectors/kubernetes/object_readiness.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

// The object of an apply step, from JSON or YAML text.
absl::StatusOr<Json> ObjectOf(const Json& input) {
  if (!input["object"].is_string()) return input["object"];
  PURSER_ASSIGN_OR_RETURN(
      document::Document document,
      document::ParseYamlDocument(input["object"].get_ref<const std::string&>(), "object"));
  return std::move(document.value);
}

// The objects of a set: a list, or YAML text of several documents.
absl::StatusOr<std::vector<Json>> ObjectsOf(const Json& input) {
  std::vector<Json> objects;
  if (!input["objects"].is_string()) {
    for (const Json& object : input["objects"]) objects.push_back(object);
    return objects;
  }
  PURSER_ASSIGN_OR_RETURN(
      std::vector<document::Document> documents,
      document::ParseYaml(input["objects"].get_ref<const std::string&>(), "objects"));
  for (document::Document& one : documents) {
    if (!one.value.is_null()) objects.push_back(std::move(one.value));
  }
  return objects;
}

SettleRule RuleOf(const Json& input) {
  SettleRule rule;
  rule.wait = input.value("wait", true);
  rule.outputs = input["outputs"];
  rule.timeout_seconds = input["timeoutSeconds"].get<double>();
  rule.judge = [input](const Json& object) {
    return input.contains("ready") ? AssessByRule(object, input["ready"]) : AssessObject(object);
  };
  return rule;
}

ObjectWish WishOf(const Json& input, Json object, std::string what, std::string prefix) {
  return {.object = std::move(object),
          .cluster = TextAt(input, "cluster"),
          .default_namespace = TextAt(input, "namespace"),
          .force = input.value("force", false),
          .what = std::move(what),
          .prefix = std::move(prefix)};
}

absl::StatusOr<SetWish> SetOf(const Json& input) {
  PURSER_ASSIGN_OR_RETURN(std::vector<Json> objects, ObjectsOf(input));
  return SetWish{.cluster = TextAt(input, "cluster"),
                 .namespace_name = TextAt(input, "namespace"),
                 .name = input["name"].get<std::string>(),
                 .objects = std::move(objects),
                 .prune = input["prune"].get<bool>(),
                 .force = input["force"].get<bool>(),
                 .wait = input["wait"].get<bool>(),
                 .timeout_seconds = input["timeoutSeconds"].get<double>(),
                 .what = "input of kubernetes/apply-set"};
}

absl::StatusOr<Cluster> ClusterFromConfig(const std::string& name, const Json& config,
                                          const ConnectorDependencies& dependencies) {
  absl::StatusOr<ClusterAccess> access = AccessFromConfig(config, dependencies.resolve_secret);
  if (!access.ok()) return access.status();
  Cluster cluster;
  cluster.default_namespace = access->default_namespace;
  cluster.namespaces = config["namespaces"].get<std::vector<std::string>>();
  cluster.forbidden = config["forbiddenNamespaces"].get<std::vector<std::string>>();
  cluster.cluster_scoped = config.value("clusterScoped", cluster.namespaces.empty());
  auto client = std::make_unique<HttpKubernetesClient>(name, *std::move(access),
                                                       dependencies.transport, dependencies.clock);
  cluster.reader = client.get();
  cluster.client = std::move(client);
  return cluster;
}

}  // namespace

KubernetesConnector::KubernetesConnector(std::string name, std::map<std::string, Cluster> clusters,
                                         std::string default_cluster, std::string field_manager,
                                         base::Clock& clock)
    : KubernetesConnector(std::move(name), std::move(clusters), std::move(default_cluster),
                          std::move(field_manager), {}, clock, nullptr) {}

KubernetesConnector::KubernetesConnector(std::string name, std::map<std::string, Cluster> clusters,
                                         std::string default_cluster, std::string field_manager,
                                         std::vector<Json> definitions, base::Clock& clock,
                                         base::Rng* rng)
    : name_(std::move(name)),
      steps_(std::move(clusters), std::move(default_cluster), std::move(field_manager),
             std::move(definitions), clock, rng),
      inputs_(KubernetesOperations()) {}

absl::StatusOr<std::unique_ptr<Connector>> KubernetesConnector::FromConfig(
    absl::string_view name, const Json& raw_config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(const Json config, CheckConfig(name, ConfigSchema(), raw_config));
  std::vector<json::Violation> faults;
  std::map<std::string, Cluster> clusters;
  absl::StatusOr<std::vector<Json>> definitions =
      KindSchemas::ReadFiles(config["definitions"].get<std::vector<std::string>>());
  if (!definitions.ok()) {
    faults.push_back({"/definitions", std::string(definitions.status().message())});
  }
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
  return std::unique_ptr<Connector>(
      new KubernetesConnector(std::string(name), std::move(clusters), std::move(default_cluster),
                              TextAt(config, "fieldManager"), *std::move(definitions),
                              dependencies.clock, &dependencies.rng));
}

const Json& KubernetesConnector::ConfigSchema() { return KubernetesConfigSchema(); }
const std::vector<Operation>& KubernetesConnector::operations() const {
  return KubernetesOperations();
}

absl::StatusOr<KubernetesClient*> KubernetesConnector::ClientOf(const std::string& cluster) const {
  std::string name;
  PURSER_ASSIGN_OR_RETURN(const Cluster* found, steps_.FindCluster(cluster, &name));
  if (!found->cluster_scoped) {
    return absl::PermissionDeniedError(absl::StrCat("the connector's config for cluster ", name,
                                                    " allows no objects outside namespaces"));
  }
  return found->client.get();
}

absl::StatusOr<CallResult> KubernetesConnector::Call(absl::string_view operation,
                                                     const Json& raw_input, CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "apply") return Apply(input, context);
  if (operation == "apply-set") return ApplyAll(input, context);
  if (operation == "preview") return Preview(input, context);
  if (operation == "wait") return Wait(input, context);
  if (operation == "delete-set") return DeleteSet(steps_, input, context);
  return steps_.DeleteStep(input, context);
}

absl::StatusOr<CallResult> KubernetesConnector::Apply(const Json& input,
                                                      CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(Json object, ObjectOf(input));
  PURSER_RETURN_IF_ERROR(CheckSecretOutputs(input["outputs"], TextAt(object, "kind")));
  PURSER_ASSIGN_OR_RETURN(
      AppliedObject applied,
      steps_.Apply(WishOf(input, std::move(object), "input of kubernetes/apply", "/object"),
                   context));
  CallResult result = steps_.Begun(applied);
  PURSER_RETURN_IF_ERROR(
      steps_.Settle(RuleOf(input), applied.target, &applied.object, &result, context));
  return result;
}

absl::StatusOr<CallResult> KubernetesConnector::Import(absl::string_view operation,
                                                       const Json& raw_input, const Json& told,
                                                       CallContext& context) {
  if (operation != "apply" && operation != "apply-set") {
    return Connector::Import(operation, raw_input, told, context);
  }
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "apply-set") {
    PURSER_ASSIGN_OR_RETURN(const SetWish wish, SetOf(input));
    return ImportSet(steps_, wish, context);
  }
  PURSER_ASSIGN_OR_RETURN(Json object, ObjectOf(input));
  PURSER_ASSIGN_OR_RETURN(
      AppliedObject found,
      steps_.Import(WishOf(input, std::move(object), "input of kubernetes/apply", "/object"),
                    context));
  CallResult result = steps_.Begun(found);
  PURSER_RETURN_IF_ERROR(
      steps_.Settle(RuleOf(input), found.target, &found.object, &result, context));
  return result;
}

absl::StatusOr<CallResult> KubernetesConnector::ApplyAll(const Json& input,
                                                         CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(const SetWish wish, SetOf(input));
  return ApplySet(steps_, wish, context);
}

absl::StatusOr<CallResult> KubernetesConnector::Preview(const Json& input,
                                                        CallContext& context) const {
  CallResult result;
  result.outputs = {{"objects", Json::array()}, {"changed", false}};
  PURSER_ASSIGN_OR_RETURN(std::vector<Json> objects, ObjectsOf(input));
  if (objects.size() > kMaxSetObjects) {
    return absl::InvalidArgumentError(absl::StrCat("input of kubernetes/preview: at most ",
                                                   kMaxSetObjects, " objects (kMaxSetObjects)"));
  }
  for (size_t i = 0; i < objects.size(); ++i) {
    PURSER_ASSIGN_OR_RETURN(
        Json one, steps_.Preview(WishOf(input, std::move(objects[i]), "input of kubernetes/preview",
                                        absl::StrCat("/objects/", i)),
                                 context));
    if (one["action"] != "none") result.outputs["changed"] = true;
    result.outputs["objects"].push_back(std::move(one));
  }
  return result;
}

absl::StatusOr<CallResult> KubernetesConnector::Wait(const Json& input,
                                                     CallContext& context) const {
  PURSER_RETURN_IF_ERROR(CheckSecretOutputs(input["outputs"], TextAt(input, "kind")));
  PURSER_ASSIGN_OR_RETURN(const Target target, steps_.TargetOf(input, context));
  CallResult result;
  result.outputs = target.Outputs();
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(steps_.clock().Now());
  absl::StatusOr<Json> object = steps_.Read(target, context);
  if (absl::IsNotFound(object.status())) object = Json();
  if (!object.ok()) return object.status();
  PURSER_RETURN_IF_ERROR(steps_.Settle(RuleOf(input), target, &*object, &result, context));
  return result;
}

absl::StatusOr<CallResult> KubernetesConnector::Observe(absl::string_view operation,
                                                        const Json& raw_input,
                                                        const CallResult& previous,
                                                        CallContext& context) {
  if (previous.ready) return previous;
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const double patience = input.value("timeoutSeconds", 900.0);
  if (operation == "apply-set") return ObserveSet(steps_, previous, patience, context);
  if (operation == "delete-set") return ObserveDeletedSet(steps_, previous, patience, context);
  if (operation == "delete") return steps_.ObserveDeleted(input, previous, context);
  PURSER_ASSIGN_OR_RETURN(const Target target, steps_.TargetOf(previous.outputs, context));
  CallResult result = previous;
  absl::StatusOr<Json> object = steps_.Read(target, context);
  if (absl::IsNotFound(object.status())) {
    if (operation == "apply") {
      return absl::FailedPreconditionError(
          absl::StrCat(target.ToString(), " was deleted while we waited for it"));
    }
    object = Json();
  }
  if (!object.ok()) return object.status();
  PURSER_RETURN_IF_ERROR(steps_.Settle(RuleOf(input), target, &*object, &result, context));
  return result;
}

absl::StatusOr<Comparison> KubernetesConnector::Compare(absl::string_view operation,
                                                        const Json& raw_input,
                                                        const CallResult& applied,
                                                        CallContext& context) {
  if (operation != "apply" && operation != "apply-set") {
    return Connector::Compare(operation, raw_input, applied, context);
  }
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "apply-set") {
    PURSER_ASSIGN_OR_RETURN(const SetWish wish, SetOf(input));
    return CompareSet(steps_, wish, context);
  }
  PURSER_ASSIGN_OR_RETURN(Json object, ObjectOf(input));
  return steps_.Compare(WishOf(input, std::move(object), "input of kubernetes/apply", "/object"),
                        context);
}

}  // namespace purser::connectors

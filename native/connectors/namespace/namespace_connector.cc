#include "connectors/namespace/namespace_connector.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "connectors/kubernetes/apply_set.h"
#include "connectors/kubernetes/typed_connector.h"
#include "json/json.h"
#include "json/literal.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kSetPrefix[] = "purser-namespace-";
constexpr char kRbac[] = "rbac.authorization.k8s.io";

constexpr char kMake[] = R"json({
  "type": "object", "additionalProperties": false, "required": ["name"],
  "properties": {
    "cluster": {"type": "string", "description": "Name in the kubernetes connector's config."},
    "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 46,
      "description": "Of the namespace."},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
    "costLabels": {"type": "object", "additionalProperties": {"type": "string", "maxLength": 63,
        "pattern": "^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$"},
      "description": "Labels by which costs are told apart, on the namespace and its accounts."},
    "podSecurity": {"enum": ["privileged", "baseline", "restricted"],
      "description": "What pods may do at most (Pod Security Admission)."},
    "mesh": {"type": "boolean", "default": false,
      "description": "Pods get Istio's proxy."},
    "quota": {"type": "object", "additionalProperties": {"type": ["string", "integer"]},
      "description": "What all pods together may use: requests.cpu, limits.memory, pods, …"},
    "limits": {"type": "object", "additionalProperties": false,
      "description": "Of each container.",
      "properties": {"default": {"type": "object"}, "defaultRequest": {"type": "object"},
                     "max": {"type": "object"}, "min": {"type": "object"}}},
    "serviceAccounts": {"type": "array", "maxItems": 50,
      "items": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$"}},
    "bindings": {"type": "array", "maxItems": 50, "description": "Who may do what in it.",
      "items": {"type": "object", "additionalProperties": false, "required": ["subjects"],
        "properties": {
          "name": {"type": "string", "minLength": 1},
          "role": {"type": "string", "minLength": 1, "description": "A Role of the namespace."},
          "clusterRole": {"type": "string", "minLength": 1, "description": "view, edit, admin, …"},
          "subjects": {"type": "array", "minItems": 1, "items": {"type": "object",
            "additionalProperties": false, "required": ["kind", "name"],
            "properties": {"kind": {"enum": ["User", "Group", "ServiceAccount"]},
                           "name": {"type": "string", "minLength": 1},
                           "namespace": {"type": "string"}}}}}}},
    "isolate": {"type": "boolean", "default": false,
      "description": "Only pods of the namespace, and those of allowFromNamespaces, may come in."},
    "allowFromNamespaces": {"type": "array", "items": {"type": "string", "minLength": 1},
      "default": []},
    "force": {"type": "boolean", "default": false,
      "description": "Take over fields that another manager owns."},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 300}
  }
})json";

constexpr char kDelete[] = R"json({
  "type": "object", "required": ["name"],
  "properties": {
    "cluster": {"type": "string"},
    "namespace": {"type": "string"},
    "name": {"type": "string", "minLength": 1},
    "members": {"type": "array"},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 900}
  }
})json";

constexpr char kOutput[] = R"json({
  "type": "object",
  "properties": {
    "cluster": {"type": "string", "examples": ["analytics"]},
    "made": {"type": "string", "description": "The namespace.", "examples": ["team-a"]},
    "namespace": {"type": "string", "description": "Where the record of the set stands."},
    "name": {"type": "string", "description": "Of the set.", "examples": ["purser-namespace-team-a"]},
    "members": {"type": "array", "description": "The objects, with uid and created."},
    "pruned": {"type": "array"}
  }
})json";

Json Object(const char* version, const char* kind, const std::string& name,
            const std::string& namespace_name) {
  Json object = {{"apiVersion", version}, {"kind", kind}, {"metadata", {{"name", name}}}};
  if (!namespace_name.empty()) object["metadata"]["namespace"] = namespace_name;
  return object;
}

Json NamespaceObject(const Json& input) {
  Json object = Object("v1", "Namespace", input["name"].get<std::string>(), "");
  Json& metadata = object["metadata"];
  Json labels = input.value("labels", Json::object());
  labels.update(input.value("costLabels", Json::object()));
  if (input["mesh"].get<bool>()) labels["istio-injection"] = "enabled";
  if (input.contains("podSecurity")) {
    labels["pod-security.kubernetes.io/enforce"] = input["podSecurity"];
  }
  if (!labels.empty()) metadata["labels"] = std::move(labels);
  if (input.contains("annotations")) metadata["annotations"] = input["annotations"];
  return object;
}

Json Binding(const Json& binding, const std::string& namespace_name) {
  const bool cluster_role = binding.contains("clusterRole");
  const std::string role =
      (cluster_role ? binding["clusterRole"] : binding["role"]).get<std::string>();
  Json object = Object("rbac.authorization.k8s.io/v1", "RoleBinding", binding.value("name", role),
                       namespace_name);
  object["roleRef"] = {
      {"apiGroup", kRbac}, {"kind", cluster_role ? "ClusterRole" : "Role"}, {"name", role}};
  object["subjects"] = Json::array();
  for (Json subject : binding["subjects"]) {
    if (subject["kind"] == "ServiceAccount") {
      if (!subject.contains("namespace")) subject["namespace"] = namespace_name;
    } else {
      subject.erase("namespace");
      subject["apiGroup"] = kRbac;
    }
    object["subjects"].push_back(std::move(subject));
  }
  return object;
}

Json Isolation(const Json& input, const std::string& namespace_name) {
  Json from = Json::array({{{"podSelector", Json::object()}}});
  for (const Json& other : input["allowFromNamespaces"]) {
    from.push_back(
        {{"namespaceSelector", {{"matchLabels", {{"kubernetes.io/metadata.name", other}}}}}});
  }
  Json object = Object("networking.k8s.io/v1", "NetworkPolicy", "purser-isolation", namespace_name);
  object["spec"] = {{"podSelector", Json::object()},
                    {"policyTypes", {"Ingress"}},
                    {"ingress", Json::array({{{"from", std::move(from)}}})}};
  return object;
}

absl::StatusOr<std::vector<Json>> ObjectsOf(const Json& input) {
  const std::string name = input["name"].get<std::string>();
  std::vector<Json> objects = {NamespaceObject(input)};
  if (input.contains("quota")) {
    Json quota = Object("v1", "ResourceQuota", "purser-quota", name);
    for (const auto& [resource, amount] : input["quota"].items()) {
      // The server keeps amounts as texts; others would differ for ever.
      quota["spec"]["hard"][resource] =
          amount.is_string() ? amount : Json(absl::StrCat(amount.get<int64_t>()));
    }
    objects.push_back(std::move(quota));
  }
  if (input.contains("limits")) {
    Json range = Object("v1", "LimitRange", "purser-limits", name);
    Json limits = input["limits"];
    limits["type"] = "Container";
    range["spec"]["limits"] = Json::array({std::move(limits)});
    objects.push_back(std::move(range));
  }
  for (const Json& account : input.value("serviceAccounts", Json::array())) {
    Json object = Object("v1", "ServiceAccount", account.get<std::string>(), name);
    if (input.contains("costLabels")) object["metadata"]["labels"] = input["costLabels"];
    objects.push_back(std::move(object));
  }
  const Json bindings = input.value("bindings", Json::array());
  for (size_t i = 0; i < bindings.size(); ++i) {
    if (bindings[i].contains("role") == bindings[i].contains("clusterRole")) {
      return absl::InvalidArgumentError(absl::StrCat("input of namespace/make: /bindings/", i,
                                                     " must have either role or clusterRole"));
    }
    objects.push_back(Binding(bindings[i], name));
  }
  if (input["isolate"].get<bool>()) objects.push_back(Isolation(input, name));
  return objects;
}

}  // namespace

NamespaceConnector::NamespaceConnector(std::string name, const ObjectSteps& steps, std::string home)
    : name_(std::move(name)), steps_(steps), home_(std::move(home)), inputs_(operations()) {}

const Json& NamespaceConnector::ConfigSchema() {
  static const Json& schema = *[] {
    auto* const made = new Json(TypedConnector::ConfigSchema());
    (*made)["properties"]["home"] = {
        {"type", "string"},
        {"minLength", 1},
        {"default", "default"},
        {"description", "Namespace in which the records of what was made stand."}};
    return made;
  }();
  return schema;
}

absl::StatusOr<std::unique_ptr<Connector>> NamespaceConnector::FromConfig(
    absl::string_view name, const Json& config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(Json completed, CheckConfig(name, ConfigSchema(), config));
  const std::string home = completed["home"].get<std::string>();
  completed.erase("home");
  PURSER_ASSIGN_OR_RETURN(const ObjectSteps* steps, StepsOf(name, completed, dependencies));
  return std::make_unique<NamespaceConnector>(std::string(name), *steps, home);
}

const std::vector<Operation>& NamespaceConnector::operations() const {
  static const auto& operations = *new std::vector<Operation>{
      {"make",
       "A namespace with labels, quota, limits, rights and accounts; what an earlier call made and "
       "this one does not name goes away.",
       CallClass::kPut, json::Literal(kMake), json::Literal(kOutput), "delete"},
      {"delete", "Deletes the namespace with all that is in it, if `make` made it.",
       CallClass::kPut, json::Literal(kDelete), json::Literal(kOutput), ""}};
  return operations;
}

absl::StatusOr<SetWish> NamespaceConnector::WishOf(const Json& input) const {
  PURSER_ASSIGN_OR_RETURN(std::vector<Json> objects, ObjectsOf(input));
  const std::string made = input["name"].get<std::string>();
  return SetWish{.cluster = TextAt(input, "cluster"),
                 .namespace_name = made,
                 .name = absl::StrCat(kSetPrefix, made),
                 .objects = std::move(objects),
                 .force = input["force"].get<bool>(),
                 .timeout_seconds = input["timeoutSeconds"].get<double>(),
                 .what = absl::StrCat("input of ", name_, "/make"),
                 .home_namespace = home_};
}

absl::StatusOr<CallResult> NamespaceConnector::Call(absl::string_view operation,
                                                    const Json& raw_input, CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  if (operation == "delete") return DeleteSet(steps_, input, context);
  PURSER_ASSIGN_OR_RETURN(const SetWish wish, WishOf(input));
  PURSER_ASSIGN_OR_RETURN(CallResult result, ApplySet(steps_, wish, context));
  result.outputs["made"] = wish.namespace_name;
  return result;
}

absl::StatusOr<CallResult> NamespaceConnector::Observe(absl::string_view operation,
                                                       const Json& raw_input,
                                                       const CallResult& previous,
                                                       CallContext& context) {
  if (previous.ready) return previous;
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const double patience = input["timeoutSeconds"].get<double>();
  if (operation == "delete") return ObserveDeletedSet(steps_, previous, patience, context);
  return ObserveSet(steps_, previous, patience, context);
}

absl::StatusOr<CallResult> NamespaceConnector::Import(absl::string_view operation,
                                                      const Json& raw_input, const Json& told,
                                                      CallContext& context) {
  if (operation != "make") return Connector::Import(operation, raw_input, told, context);
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  PURSER_ASSIGN_OR_RETURN(const SetWish wish, WishOf(input));
  PURSER_ASSIGN_OR_RETURN(CallResult result, ImportSet(steps_, wish, context));
  result.outputs["made"] = wish.namespace_name;
  return result;
}

absl::StatusOr<Comparison> NamespaceConnector::Compare(absl::string_view operation,
                                                       const Json& raw_input,
                                                       const CallResult& applied,
                                                       CallContext& context) {
  if (operation != "make") return Connector::Compare(operation, raw_input, applied, context);
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  PURSER_ASSIGN_OR_RETURN(const SetWish wish, WishOf(input));
  return CompareSet(steps_, wish, context);
}

}  // namespace purser::connectors

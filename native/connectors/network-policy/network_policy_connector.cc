#include "connectors/network-policy/network_policy_connector.h"

#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "connectors/kubernetes/typed_connector.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kKubernetes[] = "networking.k8s.io/v1";
// Set by the API server on every namespace, so that it can be trusted.
constexpr char kNamespaceName[] = "kubernetes.io/metadata.name";

Json NamespacePeer(const Json& name) {
  return {{"namespaceSelector", {{"matchLabels", {{kNamespaceName, name}}}}}};
}

absl::StatusOr<Json> Policy(const Json& input) {
  Json types = Json::array();
  if (input.contains("ingress")) types.push_back("Ingress");
  if (input.contains("egress")) types.push_back("Egress");
  Json selector = Json::object();
  if (input.contains("selector")) selector["matchLabels"] = input["selector"];
  return Compose(input, kKubernetes, "NetworkPolicy",
                 {{"podSelector", std::move(selector)},
                  {"policyTypes", input.contains("types") ? input["types"] : std::move(types)},
                  {"ingress", Maybe(input, "ingress")},
                  {"egress", Maybe(input, "egress")}});
}

// Pods of the namespace reach each other, DNS, and what is named; nothing else.
absl::StatusOr<Json> Isolate(const Json& input) {
  Json from = Json::array({{{"podSelector", Json::object()}}});
  for (const Json& name : input["allowFromNamespaces"]) from.push_back(NamespacePeer(name));
  Json egress = Json::array();
  egress.push_back({{"to", Json::array({{{"podSelector", Json::object()}}})}});
  Json dns = NamespacePeer("kube-system");
  dns["podSelector"] = {{"matchLabels", {{"k8s-app", "kube-dns"}}}};
  egress.push_back({{"to", Json::array({dns})},
                    {"ports", Json::array({{{"protocol", "UDP"}, {"port", 53}},
                                           {{"protocol", "TCP"}, {"port", 53}}})}});
  Json to = Json::array();
  for (const Json& name : input["allowToNamespaces"]) to.push_back(NamespacePeer(name));
  for (const Json& network : input["allowToNetworks"]) {
    to.push_back({{"ipBlock", {{"cidr", network}}}});
  }
  if (!to.empty()) egress.push_back({{"to", std::move(to)}});
  return Compose(input, kKubernetes, "NetworkPolicy",
                 {{"podSelector", Json::object()},
                  {"policyTypes", {"Ingress", "Egress"}},
                  {"ingress", Json::array({{{"from", std::move(from)}}})},
                  {"egress", std::move(egress)}});
}

Json CalicoSpec(const Json& input) {
  Json spec = Json::object();
  for (const char* member :
       {"order", "selector", "types", "ingress", "egress", "serviceAccountSelector",
        "namespaceSelector", "preDNAT", "applyOnForward", "doNotTrack", "tier"}) {
    spec[member] = Maybe(input, member);
  }
  return spec;
}

// Where Calico's own API server is missing, its definitions hold the objects, under a name with the
// tier in front.
std::string CalicoVersion(const Json& input) { return input["apiVersion"].get<std::string>(); }

absl::StatusOr<Json> MakeCalico(const Json& input, const char* kind) {
  Json object = Compose(input, CalicoVersion(input), kind, CalicoSpec(input));
  const std::string tier = input.value("tier", "default");
  const std::string prefix = absl::StrCat(tier, ".");
  const std::string name = input["name"].get<std::string>();
  if (absl::StartsWith(CalicoVersion(input), "crd.") && !absl::StartsWith(name, prefix)) {
    object["metadata"]["name"] = absl::StrCat(prefix, name);
  }
  return object;
}

absl::StatusOr<Json> CalicoPolicy(const Json& input) { return MakeCalico(input, "NetworkPolicy"); }
absl::StatusOr<Json> CalicoGlobalPolicy(const Json& input) {
  return MakeCalico(input, "GlobalNetworkPolicy");
}

ObjectReadiness JudgeThere(const Json&, const Json&) { return {ObjectState::kReady, ""}; }

constexpr char kPolicyFields[] = R"json({
  "selector": {"type": "object", "additionalProperties": {"type": "string"},
    "description": "Labels of the pods it is about; all of the namespace when absent."},
  "types": {"type": "array", "items": {"enum": ["Ingress", "Egress"]},
    "description": "Directions it limits; those of ingress and egress when absent."},
  "ingress": {"type": "array", "items": {"type": "object"},
    "description": "Who may come in; an empty list lets nobody in."},
  "egress": {"type": "array", "items": {"type": "object"}}
})json";

constexpr char kIsolateFields[] = R"json({
  "allowFromNamespaces": {"type": "array", "items": {"type": "string", "minLength": 1},
    "default": [], "description": "Whose pods may come in, beside the namespace's own."},
  "allowToNamespaces": {"type": "array", "items": {"type": "string", "minLength": 1},
    "default": []},
  "allowToNetworks": {"type": "array", "default": [],
    "items": {"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]{1,3}$"},
    "description": "Networks outside, 203.0.113.0/24."}
})json";

constexpr char kCalicoFields[] = R"json({
  "apiVersion": {"enum": ["projectcalico.org/v3", "crd.projectcalico.org/v1"],
    "default": "projectcalico.org/v3",
    "description": "The second where Calico's API server is not installed."},
  "tier": {"type": "string"},
  "order": {"type": "number", "description": "The lower, the earlier."},
  "selector": {"type": "string", "description": "In Calico's language: app == 'shop'."},
  "namespaceSelector": {"type": "string"},
  "serviceAccountSelector": {"type": "string"},
  "types": {"type": "array", "items": {"enum": ["Ingress", "Egress"]}},
  "ingress": {"type": "array", "items": {"type": "object"}},
  "egress": {"type": "array", "items": {"type": "object"}},
  "preDNAT": {"type": "boolean"}, "applyOnForward": {"type": "boolean"},
  "doNotTrack": {"type": "boolean"}
})json";

std::vector<TypedOperation> MakeOperations() {
  std::vector<TypedOperation> all(4);
  all[0].operation = BuildOperation("policy", "Kubernetes' own NetworkPolicy.", kPolicyFields, {});
  all[0].build = Policy;
  all[1].operation = BuildOperation(
      "isolate",
      "Shuts a namespace off: its pods reach each other, DNS and what is named, nothing else.",
      kIsolateFields, {});
  all[1].build = Isolate;
  all[2].operation =
      BuildOperation("calico-policy", "Calico's policy for a namespace.", kCalicoFields, {});
  all[2].build = CalicoPolicy;
  all[3].operation =
      BuildOperation("calico-global-policy", "Calico's policy for the whole cluster.",
                     kCalicoFields, {}, /*namespaced=*/false);
  all[3].build = CalicoGlobalPolicy;
  // Policies are enforced by nodes, which report nothing.
  for (TypedOperation& one : all) one.judge = JudgeThere;
  return all;
}

}  // namespace

const Json& NetworkPolicyConnector::ConfigSchema() { return TypedConnector::ConfigSchema(); }

absl::StatusOr<std::unique_ptr<Connector>> NetworkPolicyConnector::FromConfig(
    absl::string_view name, const Json& config, const ConnectorDependencies& dependencies) {
  static const auto& operations = *new std::vector<TypedOperation>(MakeOperations());
  return TypedConnector::FromConfig(name, config, dependencies, operations);
}

}  // namespace purser::connectors

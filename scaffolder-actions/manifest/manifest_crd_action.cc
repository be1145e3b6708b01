#include "scaffolder-actions/manifest/manifest_crd_action.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "json/crd_schema.h"
#include "json/json.h"

namespace purser::actions {
namespace {

constexpr char kCrdVersion[] = "apiextensions.k8s.io/v1";
constexpr char kCrdKind[] = "CustomResourceDefinition";

action::Description Describe() {
  action::Description description;
  description.id = "purser:manifest:crd";
  description.description =
      "Reads a CustomResourceDefinition from a cluster that purserd is configured for, so that "
      "purser:manifest can judge an object by it. Descriptions are left out.";
  description.host = action::Host::kSidecar;
  description.supports_dry_run = true;
  const auto text = [](const char* title, const char* what, int limit) -> nlohmann::json {
    return {{"type", "string"},
            {"title", title},
            {"description", what},
            {"minLength", 1},
            {"maxLength", limit}};
  };
  nlohmann::json name =
      text("Name", "Of the definition: its plural and group, certificates.cert-manager.io.", 253);
  name["pattern"] = "^[a-z0-9-]+(\\.[a-z0-9-]+)+$";
  description.input_schema = {
      {"type", "object"},
      {"required", {"name"}},
      {"additionalProperties", false},
      {"properties",
       {{"name", std::move(name)},
        {"cluster", text("Cluster", "As purserd's configuration names it; its default one.", 253)},
        {"connector",
         text("Connector", "Which one, when there are several for Kubernetes.", 100)}}}};
  description.output_schema = {
      {"type", "object"},
      {"required", {"crd"}},
      {"properties",
       {{"crd",
         {{"type", "object"},
          {"title", "Definition"},
          {"examples",
           {{{"kind", kCrdKind},
             {"spec", {{"group", "example.com"}, {"versions", nlohmann::json::array()}}}}}}}}}}};
  description.examples = {{"The definition of certificates.",
                           R"(steps:
  - id: crd
    name: Read the definition
    action: purser:manifest:crd
    input:
      name: certificates.cert-manager.io
)"},
                          {"From a cluster that is named.",
                           R"(steps:
  - id: crd
    name: Read the definition
    action: purser:manifest:crd
    input:
      cluster: ${{ parameters.cluster }}
      name: kustomizations.kustomize.toolkit.fluxcd.io
)"},
                          {"Of a Crossplane claim, which is used in the next step.",
                           R"(steps:
  - id: crd
    name: Read the definition
    action: purser:manifest:crd
    input:
      name: databaseclaims.platform.example
  - id: claim
    name: Write the claim
    action: purser:manifest
    input:
      path: claims/${{ parameters.name }}.yaml
      apiVersion: platform.example/v1alpha1
      kind: DatabaseClaim
      name: ${{ parameters.name }}
      spec:
        size: 3
      crd: ${{ steps.crd.output.crd }}
)"}};
  return description;
}

absl::StatusOr<const connectors::KubernetesConnector*> FindConnector(
    const connectors::Connectors& connectors, const std::string& wanted) {
  const connectors::KubernetesConnector* found = nullptr;
  for (const auto& [name, connector] : connectors) {
    const auto* kubernetes = dynamic_cast<const connectors::KubernetesConnector*>(connector.get());
    if (kubernetes == nullptr || (!wanted.empty() && name != wanted)) continue;
    if (found != nullptr) {
      return absl::InvalidArgumentError(
          "/connector: purserd has several connectors for Kubernetes; name one");
    }
    found = kubernetes;
  }
  if (found != nullptr) return found;
  return absl::NotFoundError(wanted.empty()
                                 ? "purserd is configured for no Kubernetes cluster"
                                 : absl::StrCat("/connector: there is no Kubernetes connector \"",
                                                base::EscapeForDisplay(wanted), "\""));
}

}  // namespace

ManifestCrdAction::ManifestCrdAction(const connectors::Connectors* connectors)
    : connectors_(connectors), description_(Describe()) {}

absl::Status ManifestCrdAction::Run(action::Context& context) {
  if (connectors_ == nullptr) return absl::FailedPreconditionError("purserd has no connectors");
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const connectors::KubernetesConnector* connector,
                          FindConnector(*connectors_, input.value("connector", "")));
  PURSER_ASSIGN_OR_RETURN(connectors::KubernetesClient * client,
                          connector->ClientOf(input.value("cluster", "")));
  connectors::ClientLimits limits;
  limits.stop = context.stop();
  const std::string name = input["name"].get<std::string>();
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json definition,
                          client->Get({kCrdVersion, kCrdKind, "", name}, limits));
  nlohmann::json trimmed = json::TrimDefinition(definition);
  trimmed["kind"] = kCrdKind;
  const size_t bytes = json::Dump(trimmed).size();
  if (bytes > kMaxCrdOutputBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the definition ", name, " has ", bytes,
                                                     " bytes, more than ", kMaxCrdOutputBytes,
                                                     " (kMaxCrdOutputBytes)"));
  }
  context.Log(action::LogLevel::kInfo,
              absl::StrCat("read the definition ", name, " (", bytes, " bytes)"));
  context.Output("crd", std::move(trimmed));
  return absl::OkStatus();
}

}  // namespace purser::actions

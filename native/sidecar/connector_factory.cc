#include "sidecar/connector_factory.h"

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "connectors/cert-manager/cert_manager_connector.h"
#include "connectors/core/core_connector.h"
#include "connectors/crossplane/crossplane_connector.h"
#include "connectors/files/files_connector.h"
#include "connectors/flux/flux_connector.h"
#include "connectors/git/git_connector.h"
#include "connectors/github/github_connector.h"
#include "connectors/gitlab/gitlab_connector.h"
#include "connectors/http/http_connector.h"
#include "connectors/istio/istio_connector.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "connectors/namespace/namespace_connector.h"
#include "connectors/network-policy/network_policy_connector.h"
#include "connectors/sql/sql_connector.h"
#include "connectors/terraform/terraform_connector.h"

namespace purser::sidecar {
namespace {

using Make = absl::StatusOr<std::unique_ptr<connectors::Connector>> (*)(
    absl::string_view name, const nlohmann::json& config,
    const connectors::ConnectorDependencies& dependencies);

const std::map<std::string, Make>& Types() {
  static const auto& types = *new std::map<std::string, Make>{
      {"cert-manager", connectors::CertManagerConnector::FromConfig},
      {"core", connectors::CoreConnector::FromConfig},
      {"crossplane", connectors::CrossplaneConnector::FromConfig},
      {"files", connectors::FilesConnector::FromConfig},
      {"flux", connectors::FluxConnector::FromConfig},
      {"git", connectors::GitConnector::FromConfig},
      {"github", connectors::GithubConnector::FromConfig},
      {"gitlab", connectors::GitlabConnector::FromConfig},
      {"http", connectors::HttpConnector::FromConfig},
      {"istio", connectors::IstioConnector::FromConfig},
      {"kubernetes", connectors::KubernetesConnector::FromConfig},
      {"namespace", connectors::NamespaceConnector::FromConfig},
      {"network-policy", connectors::NetworkPolicyConnector::FromConfig},
      {"sql", connectors::SqlConnector::FromConfig},
      {"terraform", connectors::TerraformConnector::FromConfig},
  };
  return types;
}

}  // namespace

absl::StatusOr<connectors::Connectors> MakeConnectors(
    const Config& config, const connectors::ConnectorDependencies& given) {
  connectors::Connectors made;
  std::vector<std::string> problems;
  connectors::ConnectorDependencies dependencies = given;
  dependencies.find = [&made](absl::string_view name) {
    const auto found = made.find(base::ToStd(name));
    return found == made.end() ? nullptr : found->second.get();
  };
  // Those that others stand on come first.
  std::vector<std::pair<std::string, const ConnectorConfig*>> ordered;
  for (const bool foundation : {true, false}) {
    for (const auto& [name, connector] : config.connectors) {
      if ((connector.type == "kubernetes") == foundation) ordered.emplace_back(name, &connector);
    }
  }
  for (const auto& [name, entry] : ordered) {
    const ConnectorConfig& connector = *entry;
    const auto type = Types().find(connector.type);
    if (type == Types().end()) {
      std::vector<std::string> known;
      for (const auto& entry : Types()) known.push_back(entry.first);
      problems.push_back(absl::StrCat(
          connector.where, ": connectors/", name, ": \"", base::EscapeForDisplay(connector.type),
          "\" is not a connector type; there are ", absl::StrJoin(known, ", ")));
      continue;
    }
    absl::StatusOr<std::unique_ptr<connectors::Connector>> one =
        type->second(name, connector.config, dependencies);
    if (one.ok()) {
      made.emplace(name, *std::move(one));
    } else {
      problems.push_back(
          absl::StrCat(connector.where, ": connectors/", name, ": ", one.status().message()));
    }
  }
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  return made;
}

}  // namespace purser::sidecar

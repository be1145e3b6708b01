#include "sidecar/connector_factory.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/strings.h"
#include "connectors/core/core_connector.h"
#include "connectors/files/files_connector.h"
#include "connectors/git/git_connector.h"
#include "connectors/http/http_connector.h"
#include "connectors/kubernetes/kubernetes_connector.h"

namespace purser::sidecar {
namespace {

using Make = absl::StatusOr<std::unique_ptr<connectors::Connector>> (*)(
    absl::string_view name, const nlohmann::json& config,
    const connectors::ConnectorDependencies& dependencies);

const std::map<std::string, Make>& Types() {
  static const auto& types = *new std::map<std::string, Make>{
      {"core", connectors::CoreConnector::FromConfig},
      {"files", connectors::FilesConnector::FromConfig},
      {"git", connectors::GitConnector::FromConfig},
      {"http", connectors::HttpConnector::FromConfig},
      {"kubernetes", connectors::KubernetesConnector::FromConfig},
  };
  return types;
}

}  // namespace

absl::StatusOr<connectors::Connectors> MakeConnectors(
    const Config& config, const connectors::ConnectorDependencies& dependencies) {
  connectors::Connectors made;
  std::vector<std::string> problems;
  for (const auto& [name, connector] : config.connectors) {
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

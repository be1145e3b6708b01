// Steps for Crossplane: claims (v1), composites (v2: in namespaces), managed resources, usages;
// pause and resume.
//
//   - id: bucket
//     uses: crossplane/claim
//     with: {apiVersion: platform.example.com/v1, kind: Bucket, namespace: team-a, name: data,
//            spec: {parameters: {region: eu}}, connectionSecret: data-bucket,
//            outputs: {url: /status/url}}
//
// Ready means Synced and Ready. What a connection secret holds never leaves the cluster: the output
// `connection` says where it is.
#ifndef PURSER_CONNECTORS_CROSSPLANE_CROSSPLANE_CONNECTOR_H_
#define PURSER_CONNECTORS_CROSSPLANE_CROSSPLANE_CONNECTOR_H_

#include <memory>

#include "connectors/connector.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

struct CrossplaneConnector {
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_CROSSPLANE_CROSSPLANE_CONNECTOR_H_

// How to reach a cluster and who we are there: kubeconfig files, pods' own accounts, plain
// settings.
#ifndef PURSER_CONNECTORS_KUBERNETES_KUBECONFIG_H_
#define PURSER_CONNECTORS_KUBERNETES_KUBECONFIG_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "http/transport.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

inline constexpr int64_t kMaxKubeconfigBytes = 1 << 20;
inline constexpr int64_t kMaxCredentialBytes = 256 << 10;  // of one certificate, key or token file

struct ClusterAccess {
  std::string server;  // "https://host:6443", no '/' at the end
  std::shared_ptr<const http::TlsOptions> tls;
  // The current bearer token; empty when a client certificate speaks for us. Reads a token file
  // anew each time, since accounts' tokens are rotated.
  std::function<absl::StatusOr<std::string>()> token;
  std::string default_namespace = "default";
};

// The named context ("" = current-context) of a kubeconfig file. Token, token file, credential
// program (exec, for tokens) and client certificate, as data or files relative to the kubeconfig.
// What cannot be honoured safely is refused by name: auth-provider plugins, basic auth,
// insecure-skip-tls-verify, proxy-url.
absl::StatusOr<ClusterAccess> ReadKubeconfig(absl::string_view path, absl::string_view context);

// The account of the pod we run in: KUBERNETES_SERVICE_HOST/PORT and the mounted account folder.
absl::StatusOr<ClusterAccess> InClusterAccess(
    absl::string_view account_folder = "/var/run/secrets/kubernetes.io/serviceaccount");

// How a cluster is named in a config: `kubeconfig` (and `context`), `inCluster: true`, or `server`
// with `caFile` and `token` (a secret reference, resolved by `resolve_secret` for each call).
absl::StatusOr<ClusterAccess> AccessFromConfig(
    const nlohmann::json& config,
    std::function<absl::StatusOr<std::string>(absl::string_view reference)> resolve_secret);
// Adds what AccessFromConfig reads to the JSON Schema of an object.
void AddAccessSchema(nlohmann::json* schema);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_KUBECONFIG_H_

// Kubernetes' REST interface over an http::Transport.
#ifndef PURSER_CONNECTORS_KUBERNETES_HTTP_KUBERNETES_CLIENT_H_
#define PURSER_CONNECTORS_KUBERNETES_HTTP_KUBERNETES_CLIENT_H_

#include <map>
#include <string>

#include "base/clock.h"
#include "base/mutex.h"
#include "connectors/kubernetes/kubeconfig.h"
#include "connectors/kubernetes/kubernetes_client.h"
#include "http/transport.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

inline constexpr int64_t kMaxObjectBytes = 8 << 20;  // of one answer; etcd keeps at most 1.5 MB
inline constexpr absl::Duration kDiscoveryLifetime = absl::Minutes(10);
// A kind that is not there is looked for again after this: its definition may just have come.
inline constexpr absl::Duration kDiscoveryRefresh = absl::Seconds(2);

class HttpKubernetesClient final : public KubernetesClient {
 public:
  // `transport` and `clock` outlive the client. `cluster` is the name in errors.
  HttpKubernetesClient(std::string cluster, ClusterAccess access, http::Transport& transport,
                       base::Clock& clock);

  absl::StatusOr<bool> IsNamespaced(absl::string_view api_version, absl::string_view kind,
                                    const ClientLimits& limits) override;
  absl::StatusOr<nlohmann::json> Get(const ObjectRef& ref, const ClientLimits& limits) override;
  absl::StatusOr<nlohmann::json> Apply(const ObjectRef& ref, const nlohmann::json& object,
                                       const ApplyOptions& options,
                                       const ClientLimits& limits) override;
  absl::Status Delete(const ObjectRef& ref, absl::string_view uid,
                      const ClientLimits& limits) override;

 private:
  struct Resource {
    std::string plural;
    bool namespaced = false;
  };
  struct Discovered {
    absl::Duration at;                        // monotonic
    std::map<std::string, Resource> by_kind;  // empty: the cluster does not serve the version
  };

  absl::StatusOr<http::Response> Send(http::Request request, const ClientLimits& limits);
  absl::StatusOr<Discovered> Discover(const std::string& api_version, const ClientLimits& limits);
  absl::StatusOr<Resource> Find(const std::string& api_version, const std::string& kind,
                                const ClientLimits& limits);
  absl::StatusOr<std::string> PathOf(const ObjectRef& ref, const ClientLimits& limits);
  // OK for 2xx; otherwise the server's Status object as ours.
  absl::Status Explain(const http::Response& response, const std::string& what);

  const std::string cluster_;
  const ClusterAccess access_;
  http::Transport& transport_;
  base::Clock& clock_;
  base::Mutex mutex_;
  std::map<std::string, Discovered, std::less<>> discovered_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_HTTP_KUBERNETES_CLIENT_H_

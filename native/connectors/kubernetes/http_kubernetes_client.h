// Kubernetes' REST interface over an http::Transport.
#ifndef PURSER_CONNECTORS_KUBERNETES_HTTP_KUBERNETES_CLIENT_H_
#define PURSER_CONNECTORS_KUBERNETES_HTTP_KUBERNETES_CLIENT_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "connectors/kubernetes/kubeconfig.h"
#include "connectors/kubernetes/kubernetes_client.h"
#include "connectors/kubernetes/kubernetes_reader.h"
#include "http/transport.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

inline constexpr int64_t kMaxObjectBytes = 8 << 20;  // of one answer; etcd keeps at most 1.5 MB
inline constexpr absl::Duration kDiscoveryLifetime = absl::Minutes(10);
// A kind that is not there is looked for again after this: its definition may just have come.
inline constexpr absl::Duration kDiscoveryRefresh = absl::Seconds(2);

class HttpKubernetesClient final : public KubernetesClient, public KubernetesReader {
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
  absl::StatusOr<nlohmann::json> Merge(const ObjectRef& ref, const nlohmann::json& patch,
                                       absl::string_view subresource, const ApplyOptions& options,
                                       const ClientLimits& limits) override;
  absl::StatusOr<nlohmann::json> Definition(absl::string_view api_version, absl::string_view kind,
                                            const ClientLimits& limits) override;
  absl::StatusOr<AccessAnswer> MayI(absl::string_view verb, const ObjectRef& ref,
                                    const ClientLimits& limits) override;
  absl::StatusOr<std::vector<FoundObject>> Find(absl::string_view api_version,
                                                absl::string_view kind,
                                                absl::string_view namespace_name,
                                                absl::string_view label_selector,
                                                const ClientLimits& limits) override;

  absl::StatusOr<ListResult> List(const KindQuery& query, const FieldSelection& fields,
                                  ListSink& sink, const ListLimits& limits) override;
  absl::Status Watch(const KindQuery& query, const FieldSelection& fields,
                     std::string* resource_version, WatchSink& sink,
                     const WatchLimits& limits) override;
  absl::StatusOr<std::vector<ServedKind>> Kinds(absl::string_view group,
                                                const ClientLimits& limits) override;
  absl::StatusOr<std::vector<std::string>> Groups(const ClientLimits& limits) override;

 private:
  struct Resource {
    std::string plural;
    bool namespaced = false;
    bool watchable = false;
  };
  struct Discovered {
    absl::Duration at;                        // monotonic
    std::map<std::string, Resource> by_kind;  // empty: the cluster does not serve the version
  };

  absl::StatusOr<http::Response> Send(http::Request request, const ClientLimits& limits);
  // Sends, explains what is no 2xx, and reads the answer as JSON.
  absl::StatusOr<nlohmann::json> SendForObject(http::Request request, const std::string& what,
                                               const ClientLimits& limits);
  absl::StatusOr<Discovered> Discover(const std::string& api_version, const ClientLimits& limits);
  absl::StatusOr<Resource> FindKind(const std::string& api_version, const std::string& kind,
                                    const ClientLimits& limits);
  absl::StatusOr<std::string> PathOf(const ObjectRef& ref, const ClientLimits& limits);
  static std::string RootOf(const std::string& api_version);
  // Path and selectors of all objects of a kind; NOT_FOUND when the cluster does not serve it.
  // Settles an api_version that ends in "/*".
  absl::StatusOr<std::string> CollectionUrl(KindQuery* query, const ClientLimits& limits);
  // The group's versions, the preferred one first; none when there is no such group.
  absl::StatusOr<std::vector<std::string>> Versions(absl::string_view group,
                                                    const ClientLimits& limits);
  absl::StatusOr<http::Response> Stream(
      const std::string& url, absl::Duration timeout, std::stop_token stop,
      const std::function<absl::Status(const http::Response& head, absl::string_view piece)>&
          on_data);
  absl::StatusOr<nlohmann::json> Page(const KindQuery& query, const std::string& url,
                                      const FieldSelection& fields, ListSink& sink,
                                      int64_t* objects, const ListLimits& limits);
  absl::Status Gone(const http::Response& response, const std::string& what);
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

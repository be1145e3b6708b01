// What Purser asks of a Kubernetes API server; one object per cluster.
#ifndef PURSER_CONNECTORS_KUBERNETES_KUBERNETES_CLIENT_H_
#define PURSER_CONNECTORS_KUBERNETES_KUBERNETES_CLIENT_H_

#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

// Names one object. `namespace_name` is empty for kinds that live in none.
struct ObjectRef {
  std::string api_version;  // "v1", "apps/v1", "cert-manager.io/v1"
  std::string kind;
  std::string namespace_name;
  std::string name;

  // "apps"; "" for the core group.
  std::string group() const;
  // "Deployment analytics/notebook" for people.
  std::string ToString() const;
};

struct ApplyOptions {
  std::string field_manager = "purser";
  bool force = false;    // take fields over that another manager owns
  bool dry_run = false;  // everything but the change: what the object would be
};

// One object as a label selection finds it.
struct FoundObject {
  ObjectRef ref;
  std::string uid;
};
inline constexpr size_t kMaxFoundObjects = 5000;

// What the API server's authorizer says.
struct AccessAnswer {
  bool allowed = false;
  std::string reason;  // may be empty
};

struct ClientLimits {
  absl::Duration timeout = absl::Seconds(30);
  std::stop_token stop = {};
};

// Thread-safe. Errors: NOT_FOUND (no such object or namespace), FAILED_PRECONDITION (the cluster
// does not serve the kind; a field conflict, explained field by field; another object under that
// name), INVALID_ARGUMENT (refused by the schema or an admission webhook, with all causes),
// UNAUTHENTICATED, PERMISSION_DENIED, ABORTED (changed meanwhile), UNAVAILABLE.
class KubernetesClient {
 public:
  virtual ~KubernetesClient() = default;
  virtual absl::StatusOr<bool> IsNamespaced(absl::string_view api_version, absl::string_view kind,
                                            const ClientLimits& limits) = 0;
  virtual absl::StatusOr<nlohmann::json> Get(const ObjectRef& ref, const ClientLimits& limits) = 0;
  // Server-side apply: creates or changes just the fields given. Returns the object as it is now.
  virtual absl::StatusOr<nlohmann::json> Apply(const ObjectRef& ref, const nlohmann::json& object,
                                               const ApplyOptions& options,
                                               const ClientLimits& limits) = 0;
  // Asks for deletion (dependents in the background); with `uid`, only of that very object. The
  // object may stay until its finalizers ran.
  virtual absl::Status Delete(const ObjectRef& ref, absl::string_view uid,
                              const ClientLimits& limits) = 0;
  // Changes just the members given, null removes one (a JSON merge patch). NOT_FOUND when there is
  // no such object: it is never made. `subresource` is "" or "status".
  virtual absl::StatusOr<nlohmann::json> Merge(const ObjectRef& ref, const nlohmann::json& patch,
                                               absl::string_view subresource,
                                               const ApplyOptions& options,
                                               const ClientLimits& limits) = 0;
  // The CustomResourceDefinition behind a kind. NOT_FOUND for kinds that have none (built in, or of
  // an aggregated API), PERMISSION_DENIED when our account may not read it.
  virtual absl::StatusOr<nlohmann::json> Definition(absl::string_view api_version,
                                                    absl::string_view kind,
                                                    const ClientLimits& limits) = 0;
  // Whether our account may do this ("patch", "create", "delete") to objects of the kind in the
  // ref's namespace; the name is not looked at.
  virtual absl::StatusOr<AccessAnswer> MayI(absl::string_view verb, const ObjectRef& ref,
                                            const ClientLimits& limits) = 0;
  // The objects of a kind with these labels; only metadata is read, so Secrets may be among them.
  // RESOURCE_EXHAUSTED beyond kMaxFoundObjects.
  virtual absl::StatusOr<std::vector<FoundObject>> Find(absl::string_view api_version,
                                                        absl::string_view kind,
                                                        absl::string_view namespace_name,
                                                        absl::string_view label_selector,
                                                        const ClientLimits& limits) = 0;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_KUBERNETES_CLIENT_H_

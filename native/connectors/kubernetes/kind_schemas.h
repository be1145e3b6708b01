// The schemas by which a cluster judges objects of custom kinds, so that a field nobody knows is
// refused before anything is changed, with the name that was probably meant.
#ifndef PURSER_CONNECTORS_KUBERNETES_KIND_SCHEMAS_H_
#define PURSER_CONNECTORS_KUBERNETES_KIND_SCHEMAS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "connectors/kubernetes/kubernetes_client.h"
#include "json/crd_schema.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

inline constexpr absl::Duration kKindSchemaLifetime = absl::Minutes(10);
// A schema that refuses an object is read again when it is older: the definition may be newer.
inline constexpr absl::Duration kKindSchemaDoubt = absl::Seconds(2);
inline constexpr int64_t kMaxDefinitionFileBytes = 16 << 20;

// How much of an object is judged.
enum class ObjectCheck {
  kFields,  // fields that the kind does not know; others may own what is required
  kWhole,   // all that the schema says
};

// Thread-safe. Kinds without a definition (built in) or with one that we may not read are left to
// the server's own judgement.
class KindSchemas {
 public:
  // `definitions` (of files) come before the cluster's. `clock` outlives this.
  KindSchemas(std::vector<nlohmann::json> definitions, base::Clock& clock)
      : files_(std::move(definitions)), clock_(clock) {}

  // INVALID_ARGUMENT lists all faults: "<what>: <prefix>/spec/x …".
  absl::Status Check(KubernetesClient& client, const ObjectRef& ref, const nlohmann::json& object,
                     ObjectCheck check, absl::string_view what, absl::string_view prefix,
                     const ClientLimits& limits);

  // The definitions in YAML files that an operator names.
  static absl::StatusOr<std::vector<nlohmann::json>> ReadFiles(
      const std::vector<std::string>& paths);

 private:
  struct Known {
    std::shared_ptr<const json::CrdSchema> schema;  // null: none to be had
    absl::Duration at;                              // monotonic
    bool from_file = false;
  };
  absl::StatusOr<Known> Of(KubernetesClient& client, const ObjectRef& ref, absl::Duration max_age,
                           const ClientLimits& limits);

  const std::vector<nlohmann::json> files_;
  base::Clock& clock_;
  base::Mutex mutex_;
  std::map<std::pair<const KubernetesClient*, std::string>, Known> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_KIND_SCHEMAS_H_

// Reading a cluster as a whole: lists page by page, and watches; for catalog providers and whoever
// follows what a cluster holds.
#ifndef PURSER_CONNECTORS_KUBERNETES_KUBERNETES_READER_H_
#define PURSER_CONNECTORS_KUBERNETES_KUBERNETES_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "connectors/kubernetes/field_selection.h"
#include "connectors/kubernetes/kubernetes_client.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

inline constexpr int kListPageObjects = 500;
inline constexpr int64_t kMaxListPageBytes = 256
                                             << 20;  // 500 objects at etcd's limit would be more
inline constexpr int kMaxListRestarts = 5;           // after continue tokens that expired
inline constexpr int kMaxEmptyListPages = 10;        // one behind the other
inline constexpr int64_t kDefaultMaxListObjects = 200'000;
inline constexpr int64_t kMaxListObjects = 1'000'000;
inline constexpr size_t kMaxContinueBytes = 16 << 10;

// Objects of one kind. An api_version "group/*" is the most preferred one of the cluster that has
// the kind; objects then come with the one it was.
struct KindQuery {
  std::string api_version = {};
  std::string kind = {};
  std::string namespace_name = {};  // "" = all namespaces, and kinds that live in none
  std::string label_selector = {};
  std::string field_selector = {};

  // "apps/v1 Deployment in shop" for people.
  std::string ToString() const;
};

// Secrets can only be read with this field selector: Helm keeps its releases in them.
inline constexpr char kHelmSecretSelector[] = "type=helm.sh/release.v1";

struct ListLimits {
  absl::Duration page_timeout = absl::Seconds(60);
  int64_t max_objects = kDefaultMaxListObjects;
  std::stop_token stop = {};
};

struct ListResult {
  std::string resource_version;  // to watch from
  int64_t objects = 0;
  int restarts = 0;
};

class ListSink {
 public:
  virtual ~ListSink() = default;
  // With apiVersion and kind, also where the server leaves them out. A status ends the list.
  virtual absl::Status OnObject(nlohmann::json object) = 0;
  // The server lost the place: the list begins anew, objects come again.
  virtual void OnRestart() = 0;
};

enum class WatchEventType { kAdded, kModified, kDeleted, kBookmark };

class WatchSink {
 public:
  virtual ~WatchSink() = default;
  // A bookmark's object holds its resourceVersion only. A status ends the watch.
  virtual absl::Status OnEvent(WatchEventType type, nlohmann::json object) = 0;
};

struct WatchLimits {
  // The server ends a watch after this; a connection that died unseen is noticed a little later.
  absl::Duration duration = absl::Seconds(90);
  std::stop_token stop = {};
};

// A kind that can be listed and watched.
struct ServedKind {
  std::string api_version;
  std::string kind;
  bool namespaced = false;
};

// Thread-safe. Errors as KubernetesClient's, and:
//   List: NOT_FOUND (the cluster serves no such kind), RESOURCE_EXHAUSTED (more objects or bytes
//   than allowed), UNAVAILABLE (the answer is cut, no list, or its pages go round in circles).
//   Watch: OUT_OF_RANGE (the server no longer has the changes behind resource_version: list anew).
class KubernetesReader {
 public:
  virtual ~KubernetesReader() = default;
  // `fields` of each object; metadata.resourceVersion always comes along.
  virtual absl::StatusOr<ListResult> List(const KindQuery& query, const FieldSelection& fields,
                                          ListSink& sink, const ListLimits& limits) = 0;
  // Changes behind `*resource_version`, which moves along. OK when the server ended the watch in
  // good order: watch again from there.
  virtual absl::Status Watch(const KindQuery& query, const FieldSelection& fields,
                             std::string* resource_version, WatchSink& sink,
                             const WatchLimits& limits) = 0;
  // What the group ("" is the core group) serves, each kind in its most preferred version; none
  // when there is no such group.
  virtual absl::StatusOr<std::vector<ServedKind>> Kinds(absl::string_view group,
                                                        const ClientLimits& limits) = 0;
  // Names of all groups but the core group.
  virtual absl::StatusOr<std::vector<std::string>> Groups(const ClientLimits& limits) = 0;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_KUBERNETES_READER_H_

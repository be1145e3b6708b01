// A cluster in memory: keeps objects, knows field managers, and can be made to behave badly. For
// tests of whatever uses a KubernetesClient.
#ifndef PURSER_CONNECTORS_KUBERNETES_FAKE_KUBERNETES_CLIENT_H_
#define PURSER_CONNECTORS_KUBERNETES_FAKE_KUBERNETES_CLIENT_H_

#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "connectors/kubernetes/kubernetes_client.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// Thread-safe. Ownership is kept leaf by leaf; lists count as leaves (the real server merges some).
class FakeKubernetesClient final : public KubernetesClient {
 public:
  FakeKubernetesClient();

  // Makes a kind known; ConfigMap, Secret, Namespace, Service and Deployment are.
  void AddKind(absl::string_view api_version, absl::string_view kind, bool namespaced);
  // A CustomResourceDefinition: its kinds become known, and Definition gives it. An applied one
  // does the same.
  void AddDefinition(const nlohmann::json& definition);
  // Our account may no longer do `verb` to objects of the kind ("" = of any).
  void Forbid(absl::string_view verb, absl::string_view kind);
  // What a controller would do: merges into the object's status (null removes).
  absl::Status PatchStatus(const ObjectRef& ref, const nlohmann::json& status);
  // The next call fails with this; several queue up.
  void FailNext(absl::Status status);
  // Deleted objects stay with a deletionTimestamp until Finalize.
  void KeepDeleted(bool keep);
  void Finalize(const ObjectRef& ref);
  int applies() const;
  size_t size() const;

  absl::StatusOr<bool> IsNamespaced(absl::string_view api_version, absl::string_view kind,
                                    const ClientLimits& limits) override;
  absl::StatusOr<nlohmann::json> Get(const ObjectRef& ref, const ClientLimits& limits) override;
  // A conflict is FAILED_PRECONDITION; `conflicts()` then holds the fields.
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
  // Of the last Apply: pointer and owner of each field in conflict.
  std::vector<std::pair<std::string, std::string>> conflicts() const;

 private:
  struct Kept {
    nlohmann::json object;
    std::map<std::string, std::set<std::string>> owners;  // leaf pointer → managers
  };
  static std::string KeyOf(const ObjectRef& ref);
  void Learn(const nlohmann::json& definition) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status TakeFailure() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable base::Mutex mutex_;
  std::map<std::string, bool> kinds_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Kept> objects_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, nlohmann::json> definitions_ ABSL_GUARDED_BY(mutex_);  // "group kind"
  std::set<std::string> forbidden_ ABSL_GUARDED_BY(mutex_);                    // "verb kind"
  std::vector<absl::Status> failures_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::pair<std::string, std::string>> conflicts_ ABSL_GUARDED_BY(mutex_);
  bool keep_deleted_ ABSL_GUARDED_BY(mutex_) = false;
  int applies_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_FAKE_KUBERNETES_CLIENT_H_

// Several objects that are applied and pruned as one, in the way that kubectl's apply sets are
// written down: a ConfigMap stands for the set, names the kinds of its members, and each member
// bears the set's label. What an earlier call applied and this one does not name is deleted.
#ifndef PURSER_CONNECTORS_KUBERNETES_APPLY_SET_H_
#define PURSER_CONNECTORS_KUBERNETES_APPLY_SET_H_

#include <string>
#include <vector>

#include "connectors/kubernetes/object_steps.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

inline constexpr size_t kMaxSetObjects = 200;

struct SetWish {
  std::string cluster;  // "" = the default one
  std::string
      namespace_name;  // of the set itself and of objects that name none; "" = the cluster's
  std::string name;
  std::vector<nlohmann::json> objects;
  bool prune = true;
  bool force = false;
  bool wait = true;
  double timeout_seconds = 900;
  ObjectCheck check = ObjectCheck::kFields;
  std::string what;
  // In which the set's ConfigMap stands when it is not `namespace_name`: for sets that make a
  // namespace of their own and must outlive it.
  std::string home_namespace = {};
};

// Applies all objects, in an order in which they need each other; nothing is changed while one of
// them has a fault or we lack a right. Outputs: cluster, namespace, name, members (with uid and
// created), pruned. Not ready: outputs.pending lists the members waited for.
absl::StatusOr<CallResult> ApplySet(const ObjectSteps& steps, const SetWish& wish,
                                    CallContext& context);
// Looks again at what `previous` waited for.
absl::StatusOr<CallResult> ObserveSet(const ObjectSteps& steps, const CallResult& previous,
                                      double timeout_seconds, CallContext& context);
// Takes on the members that are there, as ApplySet would have left them; NOT_FOUND names the first
// that is not. The set itself is made by the next apply.
absl::StatusOr<CallResult> ImportSet(const ObjectSteps& steps, const SetWish& wish,
                                     CallContext& context);
// Whether all members are still as an apply of the wish made them; the first that is not is told.
absl::StatusOr<Comparison> CompareSet(const ObjectSteps& steps, const SetWish& wish,
                                      CallContext& context);
// Deletes the members that the set made, in reverse order, then the set; `outputs` are those of
// ApplySet. ObserveDeletedSet looks until all are gone.
absl::StatusOr<CallResult> DeleteSet(const ObjectSteps& steps, const nlohmann::json& outputs,
                                     CallContext& context);
absl::StatusOr<CallResult> ObserveDeletedSet(const ObjectSteps& steps, const CallResult& previous,
                                             double timeout_seconds, CallContext& context);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_APPLY_SET_H_

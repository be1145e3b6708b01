// When an object of a cluster has become what it should be.
#ifndef PURSER_CONNECTORS_KUBERNETES_OBJECT_READINESS_H_
#define PURSER_CONNECTORS_KUBERNETES_OBJECT_READINESS_H_

#include <string>

#include "connectors/kubernetes/field_selection.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::connectors {

enum class ObjectState { kWaiting, kReady, kFailed };

struct ObjectReadiness {
  ObjectState state = ObjectState::kWaiting;
  std::string reason;  // one line for people, what is waited for or what failed
};

// By the rules that the well-known kinds' controllers follow (rollouts complete, claims bound, jobs
// finished, definitions established, load balancers addressed); kinds without a controller
// (ConfigMap, Secret, roles …) are ready at once. Kinds of others must have observed the newest
// generation and have a condition Ready, Available or Healthy that is True; as long as they have
// none of these the answer is "waiting" — a controller that has not come by yet looks the same.
ObjectReadiness AssessObject(const nlohmann::json& object);

// What AssessObject looks at; for those who read no more of objects than they need.
void AddReadinessFields(FieldSelection* fields);

// By a step's own rule: "exists", {condition, status}, or {pointer, equals | in}. The newest
// generation must have been observed where the object says so.
ObjectReadiness AssessByRule(const nlohmann::json& object, const nlohmann::json& rule);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_OBJECT_READINESS_H_

// Connectors above a kubernetes connector: steps for the kinds of one system (Flux, Istio, …) whose
// inputs are checked against the definition that the cluster has of the kind.
//
//   connectors:
//     kubernetes: {clusters: {…}}
//     flux: {on: kubernetes}      # the connector whose clusters it uses; "kubernetes" when absent
//
// An operation either builds an object, which is applied and waited for, or changes one that is
// there. A folder of such a connector holds a table of TypedOperations, and FromConfig which makes
// a TypedConnector of it.
#ifndef PURSER_CONNECTORS_KUBERNETES_TYPED_CONNECTOR_H_
#define PURSER_CONNECTORS_KUBERNETES_TYPED_CONNECTOR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "connectors/connector.h"
#include "connectors/input_check.h"
#include "connectors/kubernetes/object_readiness.h"
#include "connectors/kubernetes/object_steps.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

// A change of an object that is there.
struct ObjectChange {
  nlohmann::json patch;  // a JSON merge patch; null: there is nothing to do
  std::string subresource = {};
  nlohmann::json remember = nlohmann::json::object();  // goes into the outputs, for `judge`
};

struct TypedOperation {
  Operation operation;
  // One of both.
  std::function<absl::StatusOr<nlohmann::json>(const nlohmann::json& input)> build = {};
  // `nonce` is the same at a repeat of the call, and no other call's.
  std::function<absl::StatusOr<ObjectChange>(const nlohmann::json& object,
                                             const nlohmann::json& input, const std::string& nonce)>
      change = {};
  // The version of what is changed, when the input's `kind` tells it and its `apiVersion` does not.
  std::function<std::string(const nlohmann::json& input)> api_version = {};
  // `outputs` are those of the call, with what a change remembered. AssessObject when absent.
  std::function<ObjectReadiness(const nlohmann::json& object, const nlohmann::json& outputs)>
      judge = {};
  nlohmann::json outputs = nlohmann::json::object();  // name → JSON pointer, where it is there
  // Adds outputs that are no plain pointer.
  std::function<void(const Target& target, const nlohmann::json& object, nlohmann::json* outputs)>
      derive = {};
};

// Thread-safe.
class TypedConnector final : public Connector {
 public:
  // `operations` lives for ever; the connector that `config.on` names outlives this one.
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies, const std::vector<TypedOperation>& operations);
  static const nlohmann::json& ConfigSchema();

  // For tests. `steps` outlives the connector.
  TypedConnector(std::string name, const ObjectSteps& steps,
                 const std::vector<TypedOperation>& operations);

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override { return operations_; }
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;
  absl::StatusOr<CallResult> Observe(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& previous, CallContext& context) override;
  // Of an operation that builds: what is there under the object's name.
  absl::StatusOr<CallResult> Import(absl::string_view operation, const nlohmann::json& input,
                                    const nlohmann::json& told, CallContext& context) override;
  // Of what an operation built: by a trial of the same apply.
  absl::StatusOr<Comparison> Compare(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& applied, CallContext& context) override;

 private:
  const TypedOperation* Find(absl::string_view operation) const;
  absl::StatusOr<ObjectWish> WishOf(const TypedOperation& typed, const nlohmann::json& input) const;
  absl::StatusOr<CallResult> Build(const TypedOperation& typed, const nlohmann::json& input,
                                   CallContext& context) const;
  absl::StatusOr<CallResult> Change(const TypedOperation& typed, const nlohmann::json& input,
                                    CallContext& context) const;
  absl::Status Settle(const TypedOperation& typed, const nlohmann::json& input,
                      const Target& target, nlohmann::json* object, CallResult* result,
                      CallContext& context) const;

  const std::string name_;
  const ObjectSteps& steps_;
  const std::vector<TypedOperation>& typed_;
  const std::vector<Operation> operations_;
  const InputCheck inputs_;
};

// The steps of the kubernetes connector that a connector's config names (`on`).
absl::StatusOr<const ObjectSteps*> StepsOf(absl::string_view name, const nlohmann::json& config,
                                           const ConnectorDependencies& dependencies);

// The schema of an operation that builds an object: `properties` (as JSON text) beside what all
// have (cluster, namespace, name, labels, annotations, spec, outputs, force, wait, timeoutSeconds).
Operation BuildOperation(const char* name, const char* description, const char* properties,
                         std::vector<std::string> required, bool namespaced = true);
// The schema of one that changes an object: beside cluster, namespace, name, timeoutSeconds.
Operation ChangeOperation(const char* name, const char* description, const char* properties,
                          std::vector<std::string> required, const char* compensation);

// An object with the input's name, namespace, labels and annotations, and `spec` under what
// input.spec says in addition; members of `spec` itself that are null are left out.
nlohmann::json Compose(const nlohmann::json& input, absl::string_view api_version,
                       absl::string_view kind, nlohmann::json spec);

// The object without its members that are null, or null when none is left: for parts of a spec.
nlohmann::json Some(nlohmann::json object);
// The member, or null: for Compose and Some.
nlohmann::json Maybe(const nlohmann::json& input, const char* member);

// The entry of status.conditions, or nullptr.
const nlohmann::json* ConditionOf(const nlohmann::json& object, absl::string_view type);

// How a Secret of a cluster is named where its values must not be:
// "kubernetes:<cluster>/<namespace>/<name>".
std::string SecretReference(const Target& target, absl::string_view name);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_KUBERNETES_TYPED_CONNECTOR_H_

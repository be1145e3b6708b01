#include "connectors/kubernetes/typed_connector.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "json/json.h"
#include "json/literal.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kDelete[] = "delete";

constexpr char kCommon[] = R"json({
  "cluster": {"type": "string", "description": "Name in the kubernetes connector's config."},
  "name": {"type": "string", "minLength": 1, "maxLength": 253, "description": "Of the object."},
  "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 900,
    "description": "Patience with the object's becoming ready."}
})json";

constexpr char kNamespace[] = R"json({
  "type": "string", "minLength": 1, "maxLength": 63,
  "description": "Of the object; the cluster's default one when absent."})json";

constexpr char kBuild[] = R"json({
  "labels": {"type": "object", "additionalProperties": {"type": "string"}},
  "annotations": {"type": "object", "additionalProperties": {"type": "string"}},
  "spec": {"type": "object",
    "description": "Further members of the object's spec, over those that the other inputs make."},
  "outputs": {"type": "object", "default": {},
    "additionalProperties": {"type": "string", "pattern": "^/"},
    "description": "Name to JSON pointer into the object once it is ready."},
  "force": {"type": "boolean", "default": false,
    "description": "Take over fields that another manager owns."},
  "wait": {"type": "boolean", "default": true, "description": "Until the object is ready."}
})json";

constexpr char kOutput[] = R"json({
  "type": "object",
  "properties": {
    "cluster": {"type": "string", "examples": ["analytics"]},
    "apiVersion": {"type": "string"},
    "kind": {"type": "string"},
    "namespace": {"type": "string", "examples": ["team-a"]},
    "name": {"type": "string", "examples": ["shop"]},
    "uid": {"type": "string"},
    "created": {"type": "boolean", "description": "Whether the step made the object."}
  }
})json";

constexpr char kDeleteInput[] = R"json({
  "type": "object", "required": ["apiVersion", "kind", "name"],
  "properties": {
    "cluster": {"type": "string"},
    "apiVersion": {"type": "string", "minLength": 1},
    "kind": {"type": "string", "minLength": 1},
    "namespace": {"type": "string"},
    "name": {"type": "string", "minLength": 1},
    "uid": {"type": "string", "description": "Only this very object."},
    "created": {"type": "boolean",
      "description": "false: the object was there before the step and stays."},
    "timeoutSeconds": {"type": "number", "minimum": 1, "maximum": 604800, "default": 900}
  }
})json";

std::vector<Operation> OperationsOf(const std::vector<TypedOperation>& typed) {
  std::vector<Operation> operations;
  for (const TypedOperation& one : typed) {
    operations.push_back(one.operation);
    for (const auto& [name, pointer] : one.outputs.items()) {
      operations.back().output_schema["properties"][name] = {
          {"description", absl::StrCat("The object's ", pointer.get<std::string>())}};
    }
  }
  operations.push_back({kDelete, "Deletes an object and waits until it is gone.", CallClass::kPut,
                        json::Literal(kDeleteInput), json::Literal(kOutput), ""});
  return operations;
}

Operation MakeOperation(const char* name, const char* description, Json properties,
                        std::vector<std::string> required, const char* compensation) {
  Json schema = {{"type", "object"}, {"additionalProperties", false}};
  required.push_back("name");
  schema["required"] = std::move(required);
  schema["properties"] = std::move(properties);
  return {name,        description, CallClass::kPut, std::move(schema), json::Literal(kOutput),
          compensation};
}

}  // namespace

Operation BuildOperation(const char* name, const char* description, const char* properties,
                         std::vector<std::string> required, bool namespaced) {
  Json all = json::Literal(kCommon);
  all.update(json::Literal(kBuild));
  if (namespaced) all["namespace"] = json::Literal(kNamespace);
  all.update(json::Literal(properties));
  return MakeOperation(name, description, std::move(all), std::move(required), kDelete);
}

Operation ChangeOperation(const char* name, const char* description, const char* properties,
                          std::vector<std::string> required, const char* compensation) {
  Json all = json::Literal(kCommon);
  all["namespace"] = json::Literal(kNamespace);
  all.update(json::Literal(properties));
  return MakeOperation(name, description, std::move(all), std::move(required), compensation);
}

Json Some(Json object) {
  for (auto member = object.begin(); member != object.end();) {
    member = member->is_null() ? object.erase(member) : std::next(member);
  }
  return object.empty() ? Json() : object;
}

Json Maybe(const Json& input, const char* member) {
  const auto found = input.find(member);
  return found == input.end() ? Json() : *found;
}

Json Compose(const Json& input, absl::string_view api_version, absl::string_view kind, Json spec) {
  Json object = {{"apiVersion", std::string(api_version)},
                 {"kind", std::string(kind)},
                 {"metadata", {{"name", input["name"]}}}};
  for (const char* member : {"namespace", "labels", "annotations"}) {
    if (input.contains(member)) object["metadata"][member] = input[member];
  }
  if (spec.is_object()) spec = Some(std::move(spec));
  if (input.contains("spec")) spec.merge_patch(input["spec"]);
  if (!spec.is_null()) object["spec"] = std::move(spec);
  return object;
}

const Json* ConditionOf(const Json& object, absl::string_view type) {
  const auto status = object.find("status");
  if (status == object.end() || !status->is_object()) return nullptr;
  const auto conditions = status->find("conditions");
  if (conditions == status->end() || !conditions->is_array()) return nullptr;
  for (const Json& one : *conditions) {
    if (one.is_object() && one.value("type", "") == type) return &one;
  }
  return nullptr;
}

std::string SecretReference(const Target& target, absl::string_view name) {
  return absl::StrCat("kubernetes:", target.cluster_name, "/", target.ref.namespace_name, "/",
                      name);
}

absl::StatusOr<const ObjectSteps*> StepsOf(absl::string_view name, const Json& config,
                                           const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(const Json completed,
                          CheckConfig(name, TypedConnector::ConfigSchema(), config));
  const std::string on = completed["on"].get<std::string>();
  Connector* const found = dependencies.find ? dependencies.find(on) : nullptr;
  const auto* const kubernetes = dynamic_cast<const KubernetesConnector*>(found);
  if (kubernetes == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("connector ", name,
                                                   ": /on: there is no kubernetes connector \"",
                                                   base::EscapeForDisplay(on), "\""));
  }
  return &kubernetes->steps();
}

const Json& TypedConnector::ConfigSchema() {
  static const Json& schema = *new Json(json::Literal(R"json({
    "type": "object", "additionalProperties": false,
    "properties": {"on": {"type": "string", "minLength": 1, "default": "kubernetes",
      "description": "The kubernetes connector whose clusters are used."}}
  })json"));
  return schema;
}

absl::StatusOr<std::unique_ptr<Connector>> TypedConnector::FromConfig(
    absl::string_view name, const Json& config, const ConnectorDependencies& dependencies,
    const std::vector<TypedOperation>& operations) {
  PURSER_ASSIGN_OR_RETURN(const ObjectSteps* steps, StepsOf(name, config, dependencies));
  return std::make_unique<TypedConnector>(std::string(name), *steps, operations);
}

TypedConnector::TypedConnector(std::string name, const ObjectSteps& steps,
                               const std::vector<TypedOperation>& operations)
    : name_(std::move(name)),
      steps_(steps),
      typed_(operations),
      operations_(OperationsOf(operations)),
      inputs_(operations_) {}

const TypedOperation* TypedConnector::Find(absl::string_view operation) const {
  for (const TypedOperation& one : typed_) {
    if (one.operation.name == operation) return &one;
  }
  return nullptr;
}

absl::Status TypedConnector::Settle(const TypedOperation& typed, const Json& input,
                                    const Target& target, Json* object, CallResult* result,
                                    CallContext& context) const {
  SettleRule rule;
  rule.wait = input.value("wait", true);
  rule.timeout_seconds = input["timeoutSeconds"].get<double>();
  rule.outputs = typed.outputs;
  rule.outputs_may_be_missing = true;
  rule.judge = [&typed, kept = result->outputs](const Json& one) {
    return typed.judge ? typed.judge(one, kept) : AssessObject(one);
  };
  PURSER_RETURN_IF_ERROR(steps_.Settle(rule, target, object, result, context));
  if (!result->ready) return absl::OkStatus();
  if (typed.derive) typed.derive(target, *object, &result->outputs);
  // What the step itself asks for must be there.
  rule.outputs = Maybe(input, "outputs");
  if (rule.outputs.is_null()) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(CheckSecretOutputs(rule.outputs, target.ref.kind));
  rule.outputs_may_be_missing = false;
  return steps_.Settle(rule, target, object, result, context);
}

absl::StatusOr<ObjectWish> TypedConnector::WishOf(const TypedOperation& typed,
                                                  const Json& input) const {
  ObjectWish wish;
  PURSER_ASSIGN_OR_RETURN(wish.object, typed.build(input));
  wish.cluster = TextAt(input, "cluster");
  wish.check = ObjectCheck::kWhole;
  wish.force = input["force"].get<bool>();
  wish.what = absl::StrCat("input of ", name_, "/", typed.operation.name);
  return wish;
}

absl::StatusOr<CallResult> TypedConnector::Build(const TypedOperation& typed, const Json& input,
                                                 CallContext& context) const {
  PURSER_ASSIGN_OR_RETURN(ObjectWish wish, WishOf(typed, input));
  PURSER_ASSIGN_OR_RETURN(AppliedObject applied, steps_.Apply(std::move(wish), context));
  CallResult result = steps_.Begun(applied);
  PURSER_RETURN_IF_ERROR(Settle(typed, input, applied.target, &applied.object, &result, context));
  return result;
}

absl::StatusOr<CallResult> TypedConnector::Import(absl::string_view operation,
                                                  const Json& raw_input, const Json& told,
                                                  CallContext& context) {
  const TypedOperation* const typed = Find(operation);
  if (typed == nullptr || !typed->build) {
    return Connector::Import(operation, raw_input, told, context);
  }
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  PURSER_ASSIGN_OR_RETURN(ObjectWish wish, WishOf(*typed, input));
  PURSER_ASSIGN_OR_RETURN(AppliedObject found, steps_.Import(std::move(wish), context));
  CallResult result = steps_.Begun(found);
  PURSER_RETURN_IF_ERROR(Settle(*typed, input, found.target, &found.object, &result, context));
  return result;
}

absl::StatusOr<CallResult> TypedConnector::Change(const TypedOperation& typed, const Json& input,
                                                  CallContext& context) const {
  ObjectRef ref{TextAt(input, "apiVersion"), TextAt(input, "kind"), TextAt(input, "namespace"),
                TextAt(input, "name")};
  if (ref.api_version.empty() && typed.api_version) ref.api_version = typed.api_version(input);
  PURSER_ASSIGN_OR_RETURN(const Target target,
                          steps_.TargetOf(TextAt(input, "cluster"), ref, context));
  PURSER_RETURN_IF_ERROR(steps_.CheckAccess("patch", target, context));
  PURSER_ASSIGN_OR_RETURN(Json object, steps_.Read(target, context));
  PURSER_ASSIGN_OR_RETURN(ObjectChange change, typed.change(object, input, context.effect_key()));
  if (!change.patch.is_null()) {
    PURSER_ASSIGN_OR_RETURN(
        object, target.cluster->client->Merge(target.ref, change.patch, change.subresource,
                                              {.field_manager = steps_.field_manager()},
                                              steps_.LimitsOf(context)));
    context.Log(action::LogLevel::kInfo,
                absl::StrCat(target.ToString(), ": ", typed.operation.name));
  }
  CallResult result;
  result.outputs = target.Outputs();
  result.outputs.update(change.remember);
  result.outputs["sinceSeconds"] = absl::ToUnixSeconds(steps_.clock().Now());
  PURSER_RETURN_IF_ERROR(Settle(typed, input, target, &object, &result, context));
  return result;
}

absl::StatusOr<CallResult> TypedConnector::Call(absl::string_view operation, const Json& raw_input,
                                                CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const TypedOperation* const typed = Find(operation);
  if (typed == nullptr) return steps_.DeleteStep(input, context);
  return typed->build ? Build(*typed, input, context) : Change(*typed, input, context);
}

absl::StatusOr<CallResult> TypedConnector::Observe(absl::string_view operation,
                                                   const Json& raw_input,
                                                   const CallResult& previous,
                                                   CallContext& context) {
  if (previous.ready) return previous;
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  const TypedOperation* const typed = Find(operation);
  if (typed == nullptr) return steps_.ObserveDeleted(input, previous, context);
  PURSER_ASSIGN_OR_RETURN(const Target target, steps_.TargetOf(previous.outputs, context));
  CallResult result = previous;
  absl::StatusOr<Json> object = steps_.Read(target, context);
  if (absl::IsNotFound(object.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(target.ToString(), " was deleted while we waited for it"));
  }
  if (!object.ok()) return object.status();
  PURSER_RETURN_IF_ERROR(Settle(*typed, input, target, &*object, &result, context));
  return result;
}

absl::StatusOr<Comparison> TypedConnector::Compare(absl::string_view operation,
                                                   const Json& raw_input, const CallResult& applied,
                                                   CallContext& context) {
  const TypedOperation* const typed = Find(operation);
  if (typed == nullptr || !typed->build) {
    return Connector::Compare(operation, raw_input, applied, context);
  }
  PURSER_ASSIGN_OR_RETURN(const Json input, inputs_.Check(name_, operation, raw_input));
  PURSER_ASSIGN_OR_RETURN(ObjectWish wish, WishOf(*typed, input));
  return steps_.Compare(std::move(wish), context);
}

}  // namespace purser::connectors

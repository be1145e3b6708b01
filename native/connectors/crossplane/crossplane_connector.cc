#include "connectors/crossplane/crossplane_connector.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "connectors/kubernetes/typed_connector.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kPaused[] = "crossplane.io/paused";

std::string Describe(const Json& condition) {
  return absl::StrCat(condition.value("type", ""), " is ", condition.value("status", ""), " (",
                      condition.value("reason", ""),
                      condition.value("message", "").empty() ? "" : ": ",
                      condition.value("message", ""), ")");
}

bool IsPaused(const Json& object) {
  const Json annotations =
      object.value("metadata", Json::object()).value("annotations", Json::object());
  return annotations.value(kPaused, "") == "true";
}

// Both conditions count: Synced says that our wish was taken over, Ready that it was fulfilled.
ObjectReadiness Judge(const Json& object, const Json&) {
  if (IsPaused(object)) {
    return {ObjectState::kWaiting, "is paused, nothing happens until it is resumed"};
  }
  const Json* const synced = ConditionOf(object, "Synced");
  if (synced == nullptr) return {ObjectState::kWaiting, "Crossplane has not seen it yet"};
  if (synced->value("status", "") != "True") return {ObjectState::kWaiting, Describe(*synced)};
  ObjectReadiness readiness = AssessObject(object);
  const Json* const ready = ConditionOf(object, "Ready");
  if (readiness.state == ObjectState::kReady &&
      (ready == nullptr || ready->value("status", "") != "True")) {
    return {ObjectState::kWaiting, "no condition Ready yet"};
  }
  // Of a managed resource whose provider works in the background.
  if (const Json* const last = ConditionOf(object, "LastAsyncOperation");
      readiness.state == ObjectState::kWaiting && last != nullptr &&
      last->value("status", "") == "False") {
    absl::StrAppend(&readiness.reason, "; ", Describe(*last));
  }
  return readiness;
}

Json CompositionRef(const Json& input) {
  return input.contains("composition") ? Json{{"name", input["composition"]}} : Json();
}

Json CompositionSelector(const Json& input) {
  return input.contains("compositionLabels") ? Json{{"matchLabels", input["compositionLabels"]}}
                                             : Json();
}

absl::StatusOr<Json> Claim(const Json& input) {
  Json secret;
  if (input.contains("connectionSecret")) secret = {{"name", input["connectionSecret"]}};
  return Compose(input, input["apiVersion"].get<std::string>(), input["kind"].get<std::string>(),
                 {{"compositionRef", CompositionRef(input)},
                  {"compositionSelector", CompositionSelector(input)},
                  {"compositionUpdatePolicy", Maybe(input, "updatePolicy")},
                  {"compositeDeletePolicy", Maybe(input, "deletePolicy")},
                  {"writeConnectionSecretToRef", std::move(secret)}});
}

absl::StatusOr<Json> Composite(const Json& input) {
  Json crossplane = Some({{"compositionRef", CompositionRef(input)},
                          {"compositionSelector", CompositionSelector(input)},
                          {"compositionUpdatePolicy", Maybe(input, "updatePolicy")}});
  return Compose(input, input["apiVersion"].get<std::string>(), input["kind"].get<std::string>(),
                 {{"crossplane", std::move(crossplane)}});
}

absl::StatusOr<Json> Managed(const Json& input) {
  Json provider;
  if (input.contains("providerConfig")) {
    provider = {{"name", input["providerConfig"]}, {"kind", Maybe(input, "providerConfigKind")}};
    provider = Some(std::move(provider));
  }
  Json secret;
  if (input.contains("connectionSecret")) {
    secret = {{"name", input["connectionSecret"]}};
    // Only managed resources outside namespaces say where.
    if (input.contains("connectionSecretNamespace")) {
      secret["namespace"] = input["connectionSecretNamespace"];
    }
  }
  return Compose(input, input["apiVersion"].get<std::string>(), input["kind"].get<std::string>(),
                 {{"forProvider", input["forProvider"]},
                  {"providerConfigRef", std::move(provider)},
                  {"managementPolicies", Maybe(input, "managementPolicies")},
                  {"deletionPolicy", Maybe(input, "deletionPolicy")},
                  {"writeConnectionSecretToRef", std::move(secret)}});
}

absl::StatusOr<Json> Usage(const Json& input) {
  const std::string version = input["apiVersion"].get<std::string>();
  const bool cluster_wide =
      !input.contains("namespace") && version == "protection.crossplane.io/v1beta1";
  return Compose(input, version, cluster_wide ? "ClusterUsage" : "Usage",
                 {{"of", input["of"]},
                  {"by", Maybe(input, "by")},
                  {"reason", Maybe(input, "reason")},
                  {"replayDeletion", Maybe(input, "replayDeletion")}});
}

// Where the connection details are; their values stay there.
void AddConnection(const Target& target, const Json& object, Json* outputs) {
  const Json where = object.value(Json::json_pointer("/spec/writeConnectionSecretToRef"), Json());
  if (!where.is_object()) return;
  Target secret = target;
  secret.ref.namespace_name = where.value("namespace", target.ref.namespace_name);
  const std::string name = where.value("name", "");
  (*outputs)["connection"] = {{"cluster", target.cluster_name},
                              {"namespace", secret.ref.namespace_name},
                              {"name", name},
                              {"reference", SecretReference(secret, name)}};
}

ObjectChange Pause(bool wanted) {
  ObjectChange change;
  change.patch = {
      {"metadata", {{"annotations", {{kPaused, wanted ? Json("true") : Json(nullptr)}}}}}};
  return change;
}

constexpr char kKindFields[] = R"json("apiVersion": {"type": "string", "minLength": 1,
    "description": "Of the kind, platform.example.com/v1."},
  "kind": {"type": "string", "minLength": 1})json";

constexpr char kCompositionFields[] = R"json("composition": {"type": "string",
    "description": "Name of the Composition; the platform's default when absent."},
  "compositionLabels": {"type": "object", "additionalProperties": {"type": "string"},
    "description": "Labels that choose the Composition."},
  "updatePolicy": {"enum": ["Automatic", "Manual"]})json";

constexpr char kSecretField[] = R"json("connectionSecret": {"type": "string", "minLength": 1,
    "description": "Name of the Secret that gets the connection details."})json";

constexpr char kManagedFields[] = R"json("forProvider": {"type": "object",
    "description": "The resource's own settings."},
  "providerConfig": {"type": "string"},
  "providerConfigKind": {"enum": ["ProviderConfig", "ClusterProviderConfig"]},
  "managementPolicies": {"type": "array", "items": {"enum": ["Observe", "Create", "Update",
    "Delete", "LateInitialize", "*"]}},
  "deletionPolicy": {"enum": ["Delete", "Orphan"], "description": "Of Crossplane v1."},
  "connectionSecretNamespace": {"type": "string"})json";

constexpr char kUsageFields[] = R"json({
  "apiVersion": {"enum": ["protection.crossplane.io/v1beta1", "apiextensions.crossplane.io/v1beta1"],
    "default": "protection.crossplane.io/v1beta1", "description": "The second for Crossplane v1."},
  "of": {"type": "object", "required": ["apiVersion", "kind"],
    "description": "What must not be deleted: apiVersion, kind, resourceRef.name."},
  "by": {"type": "object", "required": ["apiVersion", "kind"],
    "description": "What needs it; without it nothing deletes it while the usage stands."},
  "reason": {"type": "string", "minLength": 1},
  "replayDeletion": {"type": "boolean",
    "description": "Delete it again once the usage is gone, if somebody tried."}
})json";

std::string Fields(std::initializer_list<absl::string_view> parts) {
  std::string text = "{";
  for (const absl::string_view part : parts) {
    absl::StrAppend(&text, text.size() == 1 ? "" : ",", part);
  }
  return text + "}";
}

std::vector<TypedOperation> MakeOperations() {
  std::vector<TypedOperation> all(6);
  all[0].operation =
      BuildOperation("claim", "A claim of Crossplane v1; ready when Synced and Ready.",
                     Fields({kKindFields, kCompositionFields, kSecretField,
                             R"json("deletePolicy": {"enum": ["Background", "Foreground"],
                "description": "Foreground: the claim stays until all that it made is gone."})json"})
                         .c_str(),
                     {"apiVersion", "kind"});
  all[0].build = Claim;
  all[1].operation = BuildOperation(
      "composite", "A composite resource of Crossplane v2, in a namespace or outside.",
      Fields({kKindFields, kCompositionFields}).c_str(), {"apiVersion", "kind"});
  all[1].build = Composite;
  all[2].operation = BuildOperation("managed", "A managed resource of a provider.",
                                    Fields({kKindFields, kManagedFields, kSecretField}).c_str(),
                                    {"apiVersion", "kind", "forProvider"});
  all[2].build = Managed;
  for (int i = 0; i < 3; ++i) {
    all[i].judge = Judge;
    all[i].derive = AddConnection;
  }
  all[3].operation =
      BuildOperation("usage", "Keeps a resource from being deleted while another one needs it.",
                     kUsageFields, {"of"});
  all[3].build = Usage;
  const std::string fields = Fields({kKindFields});
  all[4].operation = ChangeOperation("pause", "Crossplane leaves the object as it is.",
                                     fields.c_str(), {"apiVersion", "kind"}, "resume");
  all[4].change = [](const Json&, const Json&, const std::string&) -> absl::StatusOr<ObjectChange> {
    return Pause(true);
  };
  all[4].judge = [](const Json&, const Json&) { return ObjectReadiness{ObjectState::kReady, ""}; };
  all[5].operation = ChangeOperation("resume", "Crossplane takes care of the object again.",
                                     fields.c_str(), {"apiVersion", "kind"}, "");
  all[5].change = [](const Json&, const Json&, const std::string&) -> absl::StatusOr<ObjectChange> {
    return Pause(false);
  };
  all[5].judge = Judge;
  return all;
}

}  // namespace

const Json& CrossplaneConnector::ConfigSchema() { return TypedConnector::ConfigSchema(); }

absl::StatusOr<std::unique_ptr<Connector>> CrossplaneConnector::FromConfig(
    absl::string_view name, const Json& config, const ConnectorDependencies& dependencies) {
  static const auto& operations = *new std::vector<TypedOperation>(MakeOperations());
  return TypedConnector::FromConfig(name, config, dependencies, operations);
}

}  // namespace purser::connectors

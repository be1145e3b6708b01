#include "connectors/flux/flux_connector.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "connectors/kubernetes/typed_connector.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

constexpr char kSourceGroup[] = "source.toolkit.fluxcd.io/v1";
constexpr char kKustomizeGroup[] = "kustomize.toolkit.fluxcd.io/v1";
constexpr char kHelmGroup[] = "helm.toolkit.fluxcd.io/v2";
constexpr char kRequestedAt[] = "reconcile.fluxcd.io/requestedAt";

// The group of each kind that can be reconciled, suspended and resumed.
const char* GroupOf(const std::string& kind) {
  if (kind == "Kustomization") return kKustomizeGroup;
  if (kind == "HelmRelease") return kHelmGroup;
  return kSourceGroup;
}

Json NameRef(const Json& input, const char* member) {
  return input.contains(member) ? Json{{"name", input[member]}} : Json();
}

absl::StatusOr<Json> GitRepository(const Json& input) {
  Json ref = Json::object();
  for (const char* member : {"branch", "tag", "semver", "commit"}) {
    ref[member] = Maybe(input, member);
  }
  return Compose(input, kSourceGroup, "GitRepository",
                 {{"url", input["url"]},
                  {"interval", input["interval"]},
                  {"ref", Some(std::move(ref))},
                  {"ignore", Maybe(input, "ignore")},
                  {"secretRef", NameRef(input, "secret")}});
}

absl::StatusOr<Json> OciRepository(const Json& input) {
  Json ref = Json::object();
  for (const char* member : {"tag", "semver", "digest"}) ref[member] = Maybe(input, member);
  return Compose(input, kSourceGroup, "OCIRepository",
                 {{"url", input["url"]},
                  {"interval", input["interval"]},
                  {"ref", Some(std::move(ref))},
                  {"provider", Maybe(input, "provider")},
                  {"secretRef", NameRef(input, "secret")}});
}

absl::StatusOr<Json> HelmRepository(const Json& input) {
  return Compose(input, kSourceGroup, "HelmRepository",
                 {{"url", input["url"]},
                  {"interval", input["interval"]},
                  {"type", Maybe(input, "type")},
                  {"secretRef", NameRef(input, "secret")}});
}

absl::StatusOr<Json> Kustomization(const Json& input) {
  Json spec = {{"sourceRef", input["source"]},
               {"interval", input["interval"]},
               {"path", input["path"]},
               {"prune", input["prune"]}};
  for (const char* member : {"targetNamespace", "timeout", "dependsOn", "healthChecks",
                             "retryInterval", "serviceAccountName"}) {
    spec[member] = Maybe(input, member);
  }
  spec["wait"] = Maybe(input, "waitForObjects");
  if (input.contains("substitute")) spec["postBuild"]["substitute"] = input["substitute"];
  return Compose(input, kKustomizeGroup, "Kustomization", std::move(spec));
}

absl::StatusOr<Json> HelmRelease(const Json& input) {
  if (input.contains("chart") == input.contains("chartRef")) {
    return absl::InvalidArgumentError(
        "input of flux/helm-release: either /chart (with /repository) or /chartRef must be given");
  }
  Json spec = {{"interval", input["interval"]}, {"chartRef", Maybe(input, "chartRef")}};
  if (input.contains("chart")) {
    if (!input.contains("repository")) {
      return absl::InvalidArgumentError(
          "input of flux/helm-release: /repository is required beside /chart");
    }
    spec["chart"]["spec"] = Some({{"chart", input["chart"]},
                                  {"version", Maybe(input, "version")},
                                  {"sourceRef", input["repository"]}});
  }
  for (const char* member : {"releaseName", "targetNamespace", "timeout", "values", "valuesFrom",
                             "dependsOn", "serviceAccountName"}) {
    spec[member] = Maybe(input, member);
  }
  return Compose(input, kHelmGroup, "HelmRelease", std::move(spec));
}

bool IsSuspended(const Json& object) {
  return object.value(Json::json_pointer("/spec/suspend"), false);
}

ObjectReadiness Judge(const Json& object, const Json&) {
  ObjectReadiness readiness = AssessObject(object);
  if (readiness.state == ObjectState::kWaiting && IsSuspended(object)) {
    readiness.reason =
        absl::StrCat("is suspended, nothing happens until it is resumed; ", readiness.reason);
  }
  return readiness;
}

absl::StatusOr<ObjectChange> Reconcile(const Json& object, const Json& input,
                                       const std::string& nonce) {
  if (IsSuspended(object)) {
    return absl::FailedPreconditionError(absl::StrCat(input["kind"].get<std::string>(), " ",
                                                      input["name"].get<std::string>(),
                                                      " is suspended: resume it first"));
  }
  ObjectChange change;
  Json annotations = {{kRequestedAt, nonce}};
  if (input["forced"].get<bool>()) annotations["reconcile.fluxcd.io/forceAt"] = nonce;
  change.patch = {{"metadata", {{"annotations", std::move(annotations)}}}};
  change.remember = {{"requestedAt", nonce}};
  return change;
}

ObjectReadiness JudgeReconciled(const Json& object, const Json& outputs) {
  const std::string handled =
      object.value(Json::json_pointer("/status/lastHandledReconcileAt"), "");
  if (handled != outputs.value("requestedAt", "")) {
    return {ObjectState::kWaiting, "its controller has not taken up the request yet"};
  }
  return AssessObject(object);
}

ObjectChange Suspension(bool wanted) {
  ObjectChange change;
  change.patch = {{"spec", {{"suspend", wanted}}}};
  return change;
}

constexpr char kSourceFields[] = R"json({
  "url": {"type": "string", "minLength": 1, "description": "Of the repository."},
  "interval": {"type": "string", "default": "5m", "description": "How often it is looked at."},
  "secret": {"type": "string", "description": "Name of the Secret with the credential."},
  "type": {"enum": ["default", "oci"]},
  "provider": {"enum": ["generic", "aws", "azure", "gcp"]},
  "branch": {"type": "string"}, "tag": {"type": "string"}, "semver": {"type": "string"},
  "commit": {"type": "string"}, "digest": {"type": "string"},
  "ignore": {"type": "string", "description": "Paths to leave out, as in .gitignore."}
})json";

constexpr char kKustomizationFields[] = R"json({
  "source": {"type": "object", "additionalProperties": false, "required": ["kind", "name"],
    "description": "Where the manifests are.",
    "properties": {"kind": {"enum": ["GitRepository", "OCIRepository", "Bucket"]},
                   "name": {"type": "string"}, "namespace": {"type": "string"}}},
  "path": {"type": "string", "default": "./", "description": "In the source."},
  "prune": {"type": "boolean", "default": true,
    "description": "Delete what the source no longer holds."},
  "interval": {"type": "string", "default": "10m"},
  "retryInterval": {"type": "string"},
  "timeout": {"type": "string"},
  "targetNamespace": {"type": "string"},
  "serviceAccountName": {"type": "string"},
  "waitForObjects": {"type": "boolean", "description": "Ready only when all applied objects are."},
  "dependsOn": {"type": "array", "items": {"type": "object"}},
  "healthChecks": {"type": "array", "items": {"type": "object"}},
  "substitute": {"type": "object", "additionalProperties": {"type": "string"},
    "description": "Values for ${name} in the manifests."}
})json";

constexpr char kHelmFields[] = R"json({
  "chart": {"type": "string", "description": "Name of the chart in the repository."},
  "version": {"type": "string", "description": "Of the chart; a range is possible."},
  "repository": {"type": "object", "additionalProperties": false, "required": ["kind", "name"],
    "properties": {"kind": {"enum": ["HelmRepository", "GitRepository", "Bucket"]},
                   "name": {"type": "string"}, "namespace": {"type": "string"}}},
  "chartRef": {"type": "object", "additionalProperties": false, "required": ["kind", "name"],
    "description": "A chart that a source of its own fetches, instead of chart and repository.",
    "properties": {"kind": {"enum": ["OCIRepository", "HelmChart", "ExternalArtifact"]},
                   "name": {"type": "string"}, "namespace": {"type": "string"}}},
  "releaseName": {"type": "string", "maxLength": 53},
  "targetNamespace": {"type": "string"},
  "serviceAccountName": {"type": "string"},
  "interval": {"type": "string", "default": "10m"},
  "timeout": {"type": "string"},
  "values": {"type": "object"},
  "valuesFrom": {"type": "array", "items": {"type": "object"}},
  "dependsOn": {"type": "array", "items": {"type": "object"}}
})json";

constexpr char kKindField[] = R"json({
  "kind": {"enum": ["GitRepository", "OCIRepository", "HelmRepository", "Bucket", "Kustomization",
                    "HelmRelease"]},
  "apiVersion": {"type": "string", "description": "When it is not the usual one of the kind."},
  "forced": {"type": "boolean", "default": false,
    "description": "A Helm release is upgraded even if nothing changed."}
})json";

// The schema has no defaults that depend on another member.
TypedOperation Verb(const char* name, const char* description, const char* undo) {
  TypedOperation verb;
  verb.operation = ChangeOperation(name, description, kKindField, {"kind"}, undo);
  verb.api_version = [](const Json& input) {
    return std::string(GroupOf(input["kind"].get<std::string>()));
  };
  return verb;
}

std::vector<TypedOperation> MakeOperations() {
  const auto source = [](const char* name, const char* description, auto build) {
    TypedOperation made;
    made.operation = BuildOperation(name, description, kSourceFields, {"url"});
    made.build = build;
    made.judge = Judge;
    made.outputs = {{"revision", "/status/artifact/revision"}};
    return made;
  };
  std::vector<TypedOperation> all;
  all.push_back(source("git-repository", "A git repository that Flux reads.", GitRepository));
  all.push_back(source("oci-repository", "An OCI artifact that Flux reads.", OciRepository));
  all.push_back(source("helm-repository", "A repository of Helm charts.", HelmRepository));
  TypedOperation kustomization;
  kustomization.operation =
      BuildOperation("kustomization", "Applies a folder of a source; ready when Flux applied it.",
                     kKustomizationFields, {"source"});
  kustomization.build = Kustomization;
  kustomization.judge = Judge;
  kustomization.outputs = {{"revision", "/status/lastAppliedRevision"}};
  all.push_back(std::move(kustomization));
  TypedOperation release;
  release.operation = BuildOperation(
      "helm-release", "A Helm release by Flux; ready when it is installed or upgraded.",
      kHelmFields, {});
  release.build = HelmRelease;
  release.judge = Judge;
  release.outputs = {{"chartVersion", "/status/history/0/chartVersion"},
                     {"releaseVersion", "/status/history/0/version"},
                     {"revision", "/status/lastAttemptedRevision"}};
  all.push_back(std::move(release));

  TypedOperation reconcile =
      Verb("reconcile", "Has Flux look at an object now, and waits until it did.", "");
  reconcile.change = Reconcile;
  reconcile.judge = JudgeReconciled;
  reconcile.outputs = {{"revision", "/status/lastAppliedRevision"},
                       {"artifact", "/status/artifact/revision"}};
  all.push_back(std::move(reconcile));
  TypedOperation suspend = Verb("suspend", "Stops reconciliation of an object.", "resume");
  suspend.change = [](const Json&, const Json&,
                      const std::string&) -> absl::StatusOr<ObjectChange> {
    return Suspension(true);
  };
  suspend.judge = [](const Json&, const Json&) { return ObjectReadiness{ObjectState::kReady, ""}; };
  all.push_back(std::move(suspend));
  TypedOperation resume =
      Verb("resume", "Lets reconciliation go on, and waits until the object is ready.", "");
  resume.change = [](const Json&, const Json&, const std::string&) -> absl::StatusOr<ObjectChange> {
    return Suspension(false);
  };
  all.push_back(std::move(resume));
  return all;
}

}  // namespace

const Json& FluxConnector::ConfigSchema() { return TypedConnector::ConfigSchema(); }

absl::StatusOr<std::unique_ptr<Connector>> FluxConnector::FromConfig(
    absl::string_view name, const Json& config, const ConnectorDependencies& dependencies) {
  static const auto& operations = *new std::vector<TypedOperation>(MakeOperations());
  return TypedConnector::FromConfig(name, config, dependencies, operations);
}

}  // namespace purser::connectors

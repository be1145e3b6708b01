#include "scaffolder-actions/manifest/manifest_action.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "document/yaml.h"
#include "edit/edit.h"
#include "json/crd_schema.h"
#include "json/json.h"
#include "scaffolder-actions/file_support.h"

namespace purser::actions {
namespace {

using edit::Model;

nlohmann::json Words(const char* title, const char* description) {
  nlohmann::json property = FileProperty("object", title, description);
  property["additionalProperties"] = {{"type", "string"}};
  return property;
}

nlohmann::json Text(const char* title, const char* description, int limit) {
  nlohmann::json property = FileProperty("string", title, description);
  property["minLength"] = 1;
  property["maxLength"] = limit;
  return property;
}

nlohmann::json InputSchema() {
  nlohmann::json crds = FileProperty(
      "array", "Definitions",
      "Files and folders of the workspace with CustomResourceDefinitions, or Crossplane's "
      "CompositeResourceDefinitions, by which the object is judged.");
  crds["items"] = {{"type", "string"}, {"minLength", 1}, {"maxLength", base::kMaxPathBytes}};
  crds["minItems"] = 1;
  crds["maxItems"] = kMaxCrdFiles;
  return OrderedInputSchema(
      {{"path", FilePathProperty("File of the workspace to write.")},
       {"apiVersion", Text("API version", "Group and version, cert-manager.io/v1.", 320)},
       {"kind", Text("Kind", "Certificate, Kustomization, VirtualService, a claim's kind.", 63)},
       {"name", Text("Name", "Of the object.", 253)},
       {"namespace", Text("Namespace", "For kinds that stand in one.", 63)},
       {"labels", Words("Labels", "Of the object.")},
       {"annotations", Words("Annotations", "Of the object.")},
       {"spec", FileProperty("object", "Spec", "What is wanted.")},
       {"fields", FileProperty("object", "Other fields", "Beside spec: data, rules, …")},
       {"crds", std::move(crds)},
       {"crd", FileProperty("object", "Definition",
                            "The definition itself, as purser:manifest:crd reads it from a "
                            "cluster.")},
       {"append",
        SwitchProperty("Append", "Keep other objects of the file, as documents of it.", false)}},
      {"path", "apiVersion", "kind", "name"});
}

action::Description Describe() {
  action::Description description;
  description.id = "purser:manifest";
  description.description =
      "Writes a Kubernetes object from parameters (Crossplane claims and composites, Flux, Istio, "
      "cert-manager, any other kind), judged by the definition of its kind: all errors at once "
      "with "
      "JSON pointers, unknown fields with the nearest name.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = InputSchema();
  description.output_schema =
      ChangeOutputSchema({{"validated",
                           {{"type", "boolean"},
                            {"title", "Validated"},
                            {"description", "False when no definition was given."},
                            {"examples", {true}}}}});
  description.examples = {{"A Crossplane claim, judged by the definition beside it.",
                           R"(steps:
  - id: claim
    name: Write the claim
    action: purser:manifest
    input:
      path: claims/${{ parameters.name }}.yaml
      apiVersion: platform.example/v1alpha1
      kind: DatabaseClaim
      name: ${{ parameters.name }}
      namespace: ${{ parameters.team }}
      labels:
        cost-centre: ${{ parameters.costCentre }}
      spec:
        size: ${{ parameters.size }}
      crds:
        - definitions/database.yaml
)"},
                          {"A Flux Kustomization with the definition of the cluster it is for.",
                           R"(steps:
  - id: crd
    name: Read the definition
    action: purser:manifest:crd
    input:
      cluster: production
      name: kustomizations.kustomize.toolkit.fluxcd.io
  - id: flux
    name: Write the Kustomization
    action: purser:manifest
    input:
      path: clusters/production/${{ parameters.name }}.yaml
      apiVersion: kustomize.toolkit.fluxcd.io/v1
      kind: Kustomization
      name: ${{ parameters.name }}
      namespace: flux-system
      spec:
        interval: 10m
        path: ./tenants/${{ parameters.name }}
        prune: true
        sourceRef:
          kind: GitRepository
          name: flux-system
      crd: ${{ steps.crd.output.crd }}
)"},
                          {"A certificate and a route in one file.",
                           R"(steps:
  - id: certificate
    name: Write the certificate
    action: purser:manifest
    input:
      path: deploy/ingress.yaml
      apiVersion: cert-manager.io/v1
      kind: Certificate
      name: web
      spec:
        secretName: web-tls
        dnsNames:
          - ${{ parameters.host }}
        issuerRef:
          name: letsencrypt
      crds:
        - crds
  - id: route
    name: Write the route
    action: purser:manifest
    input:
      path: deploy/ingress.yaml
      append: true
      apiVersion: networking.istio.io/v1
      kind: VirtualService
      name: web
      spec:
        hosts:
          - ${{ parameters.host }}
      crds:
        - crds
)"}};
  return description;
}

bool IsYaml(absl::string_view path) {
  return absl::EndsWith(path, ".yaml") || absl::EndsWith(path, ".yml") ||
         absl::EndsWith(path, ".json");
}

// All objects of the files that `crds` names; a folder means the YAML files below it.
absl::StatusOr<std::vector<nlohmann::json>> Definitions(action::Context& context) {
  const nlohmann::json& input = context.input();
  std::vector<nlohmann::json> definitions;
  if (const auto crd = input.find("crd"); crd != input.end()) definitions.push_back(*crd);
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  std::vector<std::string> files;
  for (const nlohmann::json& item : input.value("crds", nlohmann::json::array())) {
    PURSER_ASSIGN_OR_RETURN(const std::string path,
                            WorkspacePath(item.get_ref<const std::string&>()));
    std::string prefix;
    absl::StatusOr<base::Directory> folder = absl::NotFoundError("");
    if (path.empty()) {
      folder = base::Directory::Open(context.workspace());
    } else {
      const absl::StatusOr<base::DirectoryEntry> entry = workspace.Stat(path);
      if (!entry.ok()) return base::Annotate(entry.status(), "/crds");
      if (entry->kind != base::FileKind::kDirectory) {
        files.push_back(path);
        continue;
      }
      folder = workspace.OpenAt(path);
      prefix = absl::StrCat(path, "/");
    }
    PURSER_RETURN_IF_ERROR(folder.status());
    PURSER_ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries, folder->List());
    for (const base::DirectoryEntry& entry : entries) {
      if (entry.kind == base::FileKind::kFile && IsYaml(entry.path)) {
        files.push_back(absl::StrCat(prefix, entry.path));
      }
    }
  }
  if (files.size() > kMaxCrdFiles) {
    return absl::ResourceExhaustedError(absl::StrCat("/crds: ", files.size(), " files, more than ",
                                                     kMaxCrdFiles, " (kMaxCrdFiles)"));
  }
  for (const std::string& path : files) {
    if (context.stop().stop_requested()) return absl::CancelledError("the task was cancelled");
    PURSER_ASSIGN_OR_RETURN(const std::string text, workspace.ReadFile(path, kMaxCrdFileBytes));
    PURSER_ASSIGN_OR_RETURN(std::vector<document::Document> documents,
                            document::ParseYaml(text, base::EscapeForDisplay(path)));
    for (document::Document& one : documents) definitions.push_back(std::move(one.value));
  }
  return definitions;
}

Model ObjectOf(const Model& input) {
  Model object = Model::object();
  object["apiVersion"] = input["apiVersion"].get<std::string>();
  object["kind"] = input["kind"].get<std::string>();
  Model metadata = Model::object();
  metadata["name"] = input["name"].get<std::string>();
  for (const char* name : {"namespace", "labels", "annotations"}) {
    if (input.contains(name)) metadata[name] = input[name];
  }
  object["metadata"] = std::move(metadata);
  const Model fields = input.value("fields", Model::object());
  for (auto field = fields.begin(); field != fields.end(); ++field) object[field.key()] = *field;
  if (input.contains("spec")) object["spec"] = input["spec"];
  return object;
}

// True when both are the same object of a cluster, whatever else they say.
bool SameObject(const Model& a, const Model& b) {
  const auto id = [](const Model& object) {
    const Model metadata = object.value("metadata", Model::object());
    return std::vector<Model>{
        object.value("apiVersion", Model()), object.value("kind", Model()),
        metadata.is_object() ? metadata.value("name", Model()) : Model(),
        metadata.is_object() ? metadata.value("namespace", Model()) : Model()};
  };
  return a.is_object() && b.is_object() && id(a) == id(b);
}

// The text of the file with the object in it.
absl::StatusOr<std::string> Place(const std::string& text, const std::string& path,
                                  const Model& object, bool append, std::stop_token stop) {
  edit::StopLook look(stop);
  PURSER_ASSIGN_OR_RETURN(const edit::Tree tree, edit::ParseYamlTree(text, path, look));
  edit::Selection selection;
  selection.kind = edit::Selection::Kind::kIndex;
  selection.index = tree.documents.size();
  for (size_t i = 0; i < tree.documents.size(); ++i) {
    const Model there = edit::ToModel(tree, tree.documents[i].root, look);
    PURSER_RETURN_IF_ERROR(look.status());
    if (SameObject(there, object) || (there.is_null() && tree.documents.size() == 1)) {
      selection.index = i;
    } else if (!append && !there.is_null()) {
      return absl::AlreadyExistsError(absl::StrCat(
          path, ": holds another object; with \"append\" this one would stand beside it"));
    }
  }
  const auto set = [&](Model& value) {
    value = object;
    return absl::OkStatus();
  };
  if (selection.index < tree.documents.size()) {
    PURSER_ASSIGN_OR_RETURN(edit::Edited edited, edit::Edit(edit::Syntax::kYaml, text, path,
                                                            selection, set, std::move(stop)));
    return std::move(edited.text);
  }
  PURSER_ASSIGN_OR_RETURN(const edit::Edited own,
                          edit::Edit(edit::Syntax::kYaml, "", path, {}, set, std::move(stop)));
  return absl::StrCat(text, absl::EndsWith(text, "\n") ? "" : "\n", "---\n", own.text);
}

}  // namespace

ManifestAction::ManifestAction() : description_(Describe()) {}

absl::Status ManifestAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const std::string path,
                          WorkspacePath(input["path"].get_ref<const std::string&>()));
  for (const char* name : {"apiVersion", "kind", "metadata", "spec", "status"}) {
    if (input.value("fields", nlohmann::json::object()).contains(name)) {
      return absl::InvalidArgumentError(
          absl::StrCat("/fields/", name, ": has a place of its own, or none"));
    }
  }
  const Model object = ObjectOf(OrderedInput(context));
  PURSER_RETURN_IF_ERROR(edit::CheckValue(object));
  const nlohmann::json plain = object;
  const bool judged = input.contains("crds") || input.contains("crd");
  std::vector<json::Violation> violations;
  std::string note = "not judged, since no definition was given";
  if (judged) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<nlohmann::json> definitions, Definitions(context));
    PURSER_ASSIGN_OR_RETURN(
        const json::CrdSchema schema,
        json::CrdSchema::Find(definitions, input["apiVersion"].get_ref<const std::string&>(),
                              input["kind"].get_ref<const std::string&>()));
    violations = schema.Validate(plain);
    note = "fits its definition";
    if (schema.unchecked_rules() > 0) {
      absl::StrAppend(&note, "; ", schema.unchecked_rules(),
                      " rules of it can only be judged by the cluster");
    }
  } else {
    violations = json::CheckMetadata(plain["metadata"]);
  }
  const std::string shown =
      absl::StrCat(base::EscapeForDisplay(input["kind"].get_ref<const std::string&>(), 63), " ",
                   base::EscapeForDisplay(input["name"].get_ref<const std::string&>(), 253));
  PURSER_RETURN_IF_ERROR(json::ToStatus(violations, shown));
  PURSER_ASSIGN_OR_RETURN(WorkspaceFiles files, WorkspaceFiles::Open(context));
  PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                          files.Read(path, edit::kMaxFileBytes));
  PURSER_ASSIGN_OR_RETURN(std::string placed,
                          Place(text.value_or(""), base::EscapeForDisplay(path), object,
                                input.value("append", false), context.stop()));
  PURSER_RETURN_IF_ERROR(files.Put(path, std::move(placed)));
  return files.Commit(context, absl::StrCat(shown, " ", note), {{"validated", judged}});
}

}  // namespace purser::actions

#include "scaffolder-actions/kustomization/kustomization_action.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/edit.h"
#include "scaffolder-actions/file_support.h"

namespace purser::actions {
namespace {

using edit::Model;

// In the order in which kustomize looks for them.
constexpr const char* kFileNames[] = {"kustomization.yaml", "kustomization.yml", "Kustomization"};

nlohmann::json InputSchema() {
  nlohmann::json path = FilePathProperty("Folder of the kustomization, or the file itself.");
  path["default"] = ".";
  nlohmann::json tenant = FileProperty(
      "string", "Tenant",
      "Keep the resources in a kustomization of their own, in this folder below the path.");
  tenant["pattern"] = "^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$";
  nlohmann::json resources = FileProperty(
      "array", "Resources", "Files and folders relative to the kustomization, or URLs.");
  resources["items"] = {{"type", "string"}, {"minLength", 1}, {"maxLength", 2048}};
  resources["minItems"] = 1;
  resources["maxItems"] = kMaxAddedResources;
  nlohmann::json name_space =
      FileProperty("string", "Namespace", "What a new kustomization says as its namespace.");
  name_space["pattern"] = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";
  return ObjectSchema(
      {{"path", std::move(path)},
       {"tenant", std::move(tenant)},
       {"resources", std::move(resources)},
       {"field",
        ChoiceProperty("Field", "Which list of the kustomization.",
                       {"resources", "components", "configurations", "crds"}, "resources")},
       {"namespace", std::move(name_space)},
       {"sort", SwitchProperty("Sort", "Insert in order where the list is in order.", true)}},
      {"resources"});
}

action::Description Describe() {
  action::Description description;
  description.id = "purser:files:kustomization:add-resource";
  description.description =
      "Adds resources to a kustomization of the workspace, which is made when missing: in sorted "
      "places, never twice, comments kept; with a tenant in a file of its own.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = InputSchema();
  description.output_schema = ChangeOutputSchema(
      {{"kustomization",
        {{"type", "string"},
         {"title", "File"},
         {"description", "The kustomization that holds the resources."},
         {"examples", {"tenants/orders/kustomization.yaml"}}}},
       {"added",
        {{"type", "array"},
         {"items", {{"type", "string"}}},
         {"title", "Resources that were not there"},
         {"examples", nlohmann::json::array({nlohmann::json::array({"claim.yaml"})})}}}});
  description.examples = {{"Add a file to a kustomization.",
                           R"(steps:
  - id: kustomization
    name: Add the claim
    action: purser:files:kustomization:add-resource
    input:
      path: k8s/claims
      resources:
        - ${{ parameters.name }}.yaml
)"},
                          {"One kustomization for each tenant, so that requests do not collide.",
                           R"(steps:
  - id: tenant
    name: Add the tenant's resources
    action: purser:files:kustomization:add-resource
    input:
      path: tenants
      tenant: ${{ parameters.name }}
      namespace: ${{ parameters.name }}
      resources:
        - namespace.yaml
        - claim.yaml
)"},
                          {"Add a component.",
                           R"(steps:
  - id: component
    name: Switch monitoring on
    action: purser:files:kustomization:add-resource
    input:
      path: overlays/production/kustomization.yaml
      field: components
      resources:
        - ../../components/monitoring
)"}};
  return description;
}

bool IsKustomization(absl::string_view path) {
  const size_t slash = path.rfind('/');
  const absl::string_view name = slash == absl::string_view::npos ? path : path.substr(slash + 1);
  return std::any_of(std::begin(kFileNames), std::end(kFileNames),
                     [&](const char* known) { return name == known; });
}

// The kustomization of a folder; the first name when there is none.
absl::StatusOr<std::string> FileOf(WorkspaceFiles& files, const std::string& folder, bool* there) {
  const auto path_of = [&](const char* name) {
    return folder.empty() ? std::string(name) : absl::StrCat(folder, "/", name);
  };
  for (const char* name : kFileNames) {
    PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                            files.Read(path_of(name), edit::kMaxFileBytes));
    if (text.has_value()) {
      *there = true;
      return path_of(name);
    }
  }
  *there = false;
  return path_of(kFileNames[0]);
}

// "./a.yaml/" and "a.yaml" are one resource.
absl::string_view Plain(absl::string_view resource) {
  while (absl::StartsWith(resource, "./")) resource.remove_prefix(2);
  while (resource.size() > 1 && resource.back() == '/') resource.remove_suffix(1);
  return resource;
}

struct Addition {
  std::string field;
  std::vector<std::string> resources;
  bool sort = true;
  std::string new_namespace;  // of a kustomization that is made
};

absl::Status AddTo(Model& kustomization, const Addition& addition, edit::StopLook& look,
                   std::vector<std::string>* added) {
  if (kustomization.is_null()) {
    kustomization = {{"apiVersion", "kustomize.config.k8s.io/v1beta1"}, {"kind", "Kustomization"}};
    if (!addition.new_namespace.empty()) kustomization["namespace"] = addition.new_namespace;
  }
  if (!kustomization.is_object() || edit::IsOpaque(kustomization)) {
    return absl::FailedPreconditionError("is no kustomization: its top is not a mapping");
  }
  const std::string kind = kustomization.value("kind", "Kustomization");
  if (kind != "Kustomization" && kind != "Component") {
    return absl::FailedPreconditionError(
        absl::StrCat("is no kustomization but of kind ", base::EscapeForDisplay(kind, 60)));
  }
  Model& list = kustomization[addition.field];
  if (list.is_null()) list = Model::array();
  if (!list.is_array()) {
    return absl::FailedPreconditionError(absl::StrCat(addition.field, ": is not a list"));
  }
  const auto less = [](const Model& a, const Model& b) {
    return a.is_string() && b.is_string() &&
           Plain(a.get_ref<const std::string&>()) < Plain(b.get_ref<const std::string&>());
  };
  const bool sorted = addition.sort && std::is_sorted(list.begin(), list.end(), less);
  absl::flat_hash_set<std::string> known;
  for (const Model& item : list) {
    if (look()) return look.status();
    if (item.is_string()) known.emplace(Plain(item.get_ref<const std::string&>()));
  }
  auto& items = list.get_ref<Model::array_t&>();
  const auto old_size = static_cast<ptrdiff_t>(items.size());
  for (const std::string& resource : addition.resources) {
    if (!known.emplace(Plain(resource)).second) continue;
    added->push_back(resource);
    items.emplace_back(resource);
  }
  if (sorted) {
    std::stable_sort(items.begin() + old_size, items.end(), less);
    std::inplace_merge(items.begin(), items.begin() + old_size, items.end(), less);
  }
  return absl::OkStatus();
}

absl::Status EditFile(WorkspaceFiles& files, const std::string& path, const Addition& addition,
                      std::stop_token stop, std::vector<std::string>* added) {
  PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                          files.Read(path, edit::kMaxFileBytes));
  edit::StopLook look(stop);
  PURSER_ASSIGN_OR_RETURN(
      edit::Edited edited,
      edit::Edit(
          edit::Syntax::kYaml, text.value_or(""), base::EscapeForDisplay(path), {},
          [&](Model& value) { return AddTo(value, addition, look, added); }, std::move(stop)));
  return files.Put(path, std::move(edited.text));
}

}  // namespace

KustomizationAction::KustomizationAction() : description_(Describe()) {}

absl::Status KustomizationAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const std::string path, WorkspacePath(input.value("path", ".")));
  Addition addition;
  addition.field = input.value("field", "resources");
  addition.resources = input["resources"].get<std::vector<std::string>>();
  addition.sort = input.value("sort", true);
  addition.new_namespace = input.value("namespace", "");
  for (size_t i = 0; i < addition.resources.size(); ++i) {
    const std::string& resource = addition.resources[i];
    if (resource[0] == '/' || std::any_of(resource.begin(), resource.end(), [](char c) {
          return c == '\n' || c == '\r' || c == '\0';
        })) {
      return absl::InvalidArgumentError(absl::StrCat(
          "/resources/", i, ": must be a path relative to the kustomization, or a URL"));
    }
  }
  PURSER_ASSIGN_OR_RETURN(WorkspaceFiles files, WorkspaceFiles::Open(context));
  const std::string tenant = input.value("tenant", "");
  bool there = true;
  std::string file = path;
  std::string folder = path;
  if (IsKustomization(path)) {
    const size_t slash = path.rfind('/');
    folder = slash == std::string::npos ? "" : path.substr(0, slash);
  } else {
    PURSER_ASSIGN_OR_RETURN(file, FileOf(files, path, &there));
  }
  std::vector<std::string> added;
  if (!tenant.empty()) {
    const std::string own = folder.empty() ? tenant : absl::StrCat(folder, "/", tenant);
    bool own_there = false;
    PURSER_ASSIGN_OR_RETURN(const std::string own_file, FileOf(files, own, &own_there));
    PURSER_RETURN_IF_ERROR(EditFile(files, own_file, addition, context.stop(), &added));
    // Without a kustomization above there is no list that would have to know of the tenant.
    if (there || IsKustomization(path)) {
      std::vector<std::string> known;
      PURSER_RETURN_IF_ERROR(EditFile(files, file, {"resources", {tenant}, addition.sort, ""},
                                      context.stop(), &known));
    }
    file = own_file;
  } else {
    PURSER_RETURN_IF_ERROR(EditFile(files, file, addition, context.stop(), &added));
  }
  return files.Commit(context,
                      absl::StrCat(added.size(), " of ", addition.resources.size(),
                                   " resources added to ", base::EscapeForDisplay(file)),
                      {{"kustomization", file}, {"added", added}});
}

}  // namespace purser::actions

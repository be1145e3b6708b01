#include "scaffolder-actions/terraform-layout/terraform_layout_action.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/tree.h"
#include "scaffolder-actions/file_support.h"
#include "scaffolder-actions/terraform-layout/layout.h"

namespace purser::actions {
namespace {

using edit::Model;

constexpr char kNamePattern[] = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$";

nlohmann::json NameProperty(const char* title, const char* description) {
  nlohmann::json property = FileProperty("string", title, description);
  property["pattern"] = kNamePattern;
  return property;
}

nlohmann::json TextProperty(const char* title, const char* description, const char* fallback) {
  nlohmann::json property = FileProperty("string", title, description);
  property["minLength"] = 1;
  property["maxLength"] = 1024;
  if (fallback != nullptr) property["default"] = fallback;
  return property;
}

nlohmann::json BackendProperty() {
  nlohmann::json type = FileProperty("string", "Type", "Of the backend.");
  type["enum"] = {"azurerm", "s3",  "gcs", "pg",    "kubernetes", "consul",
                  "oss",     "cos", "oci", "local", "http"};
  nlohmann::json backend = ObjectSchema(
      {{"type", std::move(type)},
       {"config", FileProperty("object", "Settings",
                               "All but the key of the state, which is the path of the root.")}},
      {"type"});
  backend["title"] = "Backend";
  backend["description"] = "Where the state is kept; each root has a key of its own.";
  return backend;
}

nlohmann::json ListOf(const char* title, const char* description, nlohmann::json items) {
  nlohmann::json property = FileProperty("array", title, description);
  property["items"] = std::move(items);
  property["maxItems"] = 50;
  return property;
}

nlohmann::json ProvidersProperty() {
  return ListOf("Providers", "Providers that the roots require, and their settings.",
                ObjectSchema({{"name", TextProperty("Name", "Local name.", nullptr)},
                              {"source", TextProperty("Source", "hashicorp/azurerm", nullptr)},
                              {"version", TextProperty("Version", "Constraint.", nullptr)},
                              {"config", FileProperty("object", "Settings", "Of its block.")}},
                             {"name", "source"}));
}

nlohmann::json ModulesProperty() {
  return ListOf(
      "Modules",
      "Modules that the roots use. A source that begins with infra/, apps/, modules/ or / is a "
      "folder of the repository. An app uses apps/<app>/kubernetes when none is named.",
      ObjectSchema({{"name", TextProperty("Name", "Of the module's block.", nullptr)},
                    {"source", TextProperty("Source", "Folder or address.", nullptr)},
                    {"version", TextProperty("Version", "Constraint.", nullptr)},
                    {"inputs", FileProperty("object", "Inputs",
                                            "{\"$expression\": \"var.x\"} is an expression.")}},
                   {"name", "source"}));
}

nlohmann::json WorkflowProperty() {
  nlohmann::json secrets = FileProperty(
      "array", "Secrets", "Names of secrets that Terraform gets as environment variables.");
  secrets["items"] = {{"type", "string"}, {"pattern", "^[A-Za-z_][A-Za-z0-9_]{0,99}$"}};
  secrets["maxItems"] = 50;
  nlohmann::json workflow = ObjectSchema(
      {{"enabled", SwitchProperty("Enabled", "Write a workflow for each root.", true)},
       {"branch", TextProperty("Branch", "Applied when this branch changes.", "main")},
       {"runsOn", TextProperty("Runner", "Label of the runner.", "ubuntu-latest")},
       {"terraformVersion", TextProperty("Terraform", "Version to install.", nullptr)},
       {"checkoutAction",
        TextProperty("Checkout", "Action that checks out.", "actions/checkout@v4")},
       {"terraformAction",
        TextProperty("Setup", "Action that installs Terraform.", "hashicorp/setup-terraform@v3")},
       {"secrets", std::move(secrets)}},
      {});
  workflow["title"] = "Workflow";
  workflow["description"] =
      "GitHub Actions: plan for pull requests, apply on the branch, when the root or a module it "
      "uses has changed.";
  return workflow;
}

nlohmann::json InputSchema() {
  nlohmann::json kind = FileProperty("string", "Kind", "What to make.");
  kind["enum"] = {"environment", "customer", "app"};
  nlohmann::json apps = FileProperty("array", "Apps", "Apps of a new customer, a root for each.");
  apps["items"] = {{"type", "string"}, {"pattern", kNamePattern}};
  apps["maxItems"] = kMaxLayoutApps;
  nlohmann::json tags = FileProperty("object", "Tags",
                                     "Cost tags besides environment, customer, "
                                     "app and managed-by.");
  tags["additionalProperties"] = {{"type", "string"}};
  tags["maxProperties"] = 50;
  nlohmann::json tags_input = FileProperty("string", "Input for tags",
                                           "Input of modules that takes the tags; empty: none.");
  tags_input["default"] = "tags";
  tags_input["pattern"] = "^([A-Za-z_][A-Za-z0-9_-]*)?$";
  nlohmann::json path = FilePathProperty("Folder of the repository in the workspace.");
  path["default"] = ".";
  return OrderedInputSchema(
      {{"kind", std::move(kind)},
       {"environment", NameProperty("Environment", "Its name.")},
       {"customer", NameProperty("Customer", "Its name; of a customer or an app.")},
       {"app", NameProperty("App", "Its name; of an app.")},
       {"apps", std::move(apps)},
       {"path", std::move(path)},
       {"backend", BackendProperty()},
       {"requiredVersion", TextProperty("Terraform", "Constraint of the version.", ">= 1.5")},
       {"providers", ProvidersProperty()},
       {"modules", ModulesProperty()},
       {"tags", std::move(tags)},
       {"tagsInput", std::move(tags_input)},
       {"remoteState",
        SwitchProperty("Remote state",
                       "Read the outputs of the environment (of the customer, for an app).", true)},
       {"workflow", WorkflowProperty()},
       {"existing", ChoiceProperty("Existing files",
                                   "What to do when a file is there that says something else.",
                                   {"fail", "keep", "replace"}, "fail")}},
      {"kind", "environment", "backend"});
}

action::Description Describe() {
  action::Description description;
  description.id = "purser:terraform:layout";
  description.description =
      "Makes the Terraform roots of a new environment, customer or app: backend with a state of "
      "its own, providers, modules, cost tags, and a GitHub Actions workflow that runs when the "
      "root or a module it uses changes.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = InputSchema();
  description.output_schema = ChangeOutputSchema(
      {{"roots",
        {{"type", "array"},
         {"items", {{"type", "string"}}},
         {"title", "Roots"},
         {"description", "Folders in which terraform runs."},
         {"examples",
          nlohmann::json::array({nlohmann::json::array({"environments/production/infra"})})}}}});
  description.examples = {{"A new environment on Azure.",
                           R"(steps:
  - id: environment
    name: Make the environment
    action: purser:terraform:layout
    input:
      kind: environment
      environment: ${{ parameters.environment }}
      backend:
        type: azurerm
        config:
          resource_group_name: terraform
          storage_account_name: examplestate
          container_name: state
      providers:
        - name: azurerm
          source: hashicorp/azurerm
          version: ~> 4.0
      modules:
        - name: cluster
          source: infra/azure/aks
          inputs:
            size: 3
      tags:
        cost-centre: ${{ parameters.costCentre }}
)"},
                          {"A new customer with two apps.",
                           R"(steps:
  - id: customer
    name: Make the customer
    action: purser:terraform:layout
    input:
      kind: customer
      environment: production
      customer: ${{ parameters.customer }}
      apps:
        - superset
        - hive
      backend:
        type: s3
        config:
          bucket: example-state
          region: eu-west-1
      tags:
        cost-centre: ${{ parameters.costCentre }}
)"},
                          {"One more app, whose workflow signs in with secrets.",
                           R"(steps:
  - id: app
    name: Add the app
    action: purser:terraform:layout
    input:
      kind: app
      environment: production
      customer: acme
      app: ${{ parameters.app }}
      backend:
        type: gcs
        config:
          bucket: example-state
      workflow:
        secrets:
          - GOOGLE_CREDENTIALS
      existing: keep
)"}};
  return description;
}

absl::StatusOr<Layout> LayoutOf(const nlohmann::json& input, const Model& ordered) {
  Layout layout;
  PURSER_ASSIGN_OR_RETURN(layout.base, WorkspacePath(input.value("path", ".")));
  layout.environment = input["environment"].get<std::string>();
  const std::string kind = input["kind"].get<std::string>();
  const bool customer = input.contains("customer");
  const bool app = input.contains("app");
  if ((kind != "environment") != customer) {
    return absl::InvalidArgumentError(customer ? "/customer: an environment has none"
                                               : "/customer: is required");
  }
  if ((kind == "app") != app) {
    return absl::InvalidArgumentError(app ? "/app: belongs to kind app" : "/app: is required");
  }
  if (input.contains("apps") && kind != "customer") {
    return absl::InvalidArgumentError("/apps: belong to kind customer");
  }
  layout.customer = input.value("customer", "");
  if (kind == "app") {
    layout.apps = {input["app"].get<std::string>()};
  } else {
    layout.apps = {""};
    for (const nlohmann::json& name : input.value("apps", nlohmann::json::array())) {
      layout.apps.push_back(name.get<std::string>());
    }
  }
  // Their folders are beside one that has this name already.
  if (layout.customer == "infra") return absl::InvalidArgumentError("/customer: infra is taken");
  for (size_t i = 0; i < layout.apps.size(); ++i) {
    if (layout.apps[i] == "infra") return absl::InvalidArgumentError("/app: infra is taken");
  }
  layout.backend = input["backend"]["type"].get<std::string>();
  layout.backend_config = ordered.at("backend").value("config", Model::object());
  layout.required_version = input.value("requiredVersion", "");
  layout.providers = ordered.value("providers", Model::array());
  layout.modules = ordered.value("modules", Model::array());
  layout.tags = ordered.value("tags", Model::object());
  layout.tags_input = input.value("tagsInput", "tags");
  layout.remote_state = input.value("remoteState", true);
  const nlohmann::json workflow = input.value("workflow", nlohmann::json::object());
  layout.workflow = workflow.value("enabled", true);
  layout.branch = workflow.value("branch", layout.branch);
  layout.runs_on = workflow.value("runsOn", layout.runs_on);
  layout.checkout_action = workflow.value("checkoutAction", layout.checkout_action);
  layout.terraform_action = workflow.value("terraformAction", layout.terraform_action);
  layout.terraform_version = workflow.value("terraformVersion", "");
  layout.secrets = workflow.value("secrets", std::vector<std::string>());
  return layout;
}

}  // namespace

TerraformLayoutAction::TerraformLayoutAction() : description_(Describe()) {}

absl::Status TerraformLayoutAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const Layout layout, LayoutOf(input, OrderedInput(context)));
  PURSER_ASSIGN_OR_RETURN(const LayoutFiles made, MakeLayout(layout));
  const std::string existing = input.value("existing", "fail");
  PURSER_ASSIGN_OR_RETURN(WorkspaceFiles files, WorkspaceFiles::Open(context));
  size_t kept = 0;
  for (const auto& [path, text] : made.files) {
    PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> old,
                            files.Read(path, edit::kMaxFileBytes));
    if (old.has_value() && *old != text) {
      if (existing == "fail") {
        return absl::AlreadyExistsError(
            absl::StrCat(base::EscapeForDisplay(path),
                         ": is there and says something else; see the input \"existing\""));
      }
      if (existing == "keep") {
        ++kept;
        continue;
      }
    }
    PURSER_RETURN_IF_ERROR(files.Put(path, text));
  }
  return files.Commit(
      context,
      absl::StrCat(made.roots.size(), " roots",
                   kept == 0 ? "" : absl::StrCat(", ", kept, " files kept as they were")),
      {{"roots", made.roots}});
}

}  // namespace purser::actions

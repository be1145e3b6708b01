#include "scaffolder-actions/hcl-edit/hcl_edit_action.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/hcl.h"
#include "edit/operations.h"
#include "scaffolder-actions/file_support.h"

namespace purser::actions {
namespace {

nlohmann::json OperationSchema() {
  nlohmann::json op = FileProperty(
      "string", "Operation",
      "Set or delete an attribute, add or remove a block. All may be repeated without harm.");
  op["enum"] = {"set", "delete", "addBlock", "removeBlock"};
  nlohmann::json labels =
      FileProperty("array", "Labels", "Labels of the block to add or to remove.");
  labels["items"] = {{"type", "string"}};
  labels["maxItems"] = 10;
  nlohmann::json expression =
      FileProperty("string", "Expression", "An expression as it stands, instead of a value.");
  expression["minLength"] = 1;
  expression["maxLength"] = 64 << 10;
  return ObjectSchema(
      {{"op", std::move(op)},
       {"block",
        {{"title", "Block"},
         {"description",
          "The block to work in: resource.aws_s3_bucket.logs, or terraform/backend.azurerm for a "
          "block in a block, or a list of type and labels; the file itself by default."},
         {"anyOf",
          {{{"type", "string"}, {"maxLength", 2048}}, {{"type", "array"}, {"maxItems", 50}}}}}},
       {"name",
        {{"type", "string"},
         {"title", "Name"},
         {"description", "Of the attribute, or the type of the block."},
         {"minLength", 1},
         {"maxLength", 255}}},
       {"value",
        {{"title", "Value"},
         {"description", "Any value; {\"$expression\": \"var.x\"} in it is an expression."}}},
       {"expression", std::move(expression)},
       {"labels", std::move(labels)},
       {"body",
        FileProperty("object", "Body",
                     "Attributes of the block to add; {\"$block\": {…}} or {\"$block\": [{…}]} are "
                     "blocks in it, whose labels stand in \"$labels\".")},
       {"create", SwitchProperty("Create", "Make the block of \"set\" when it is missing.", false)},
       {"duplicate",
        SwitchProperty("Duplicate",
                       "Add a block though one with the same labels is there, unless it is equal.",
                       false)}},
      {"op", "name"});
}

action::Description Describe() {
  nlohmann::json operations =
      FileProperty("array", "Operations", "Done in order; after an error nothing is written.");
  operations["items"] = OperationSchema();
  operations["minItems"] = 1;
  operations["maxItems"] = edit::kMaxOperations;
  action::Description description;
  description.id = "purser:files:hcl:edit";
  description.description =
      "Edits a Terraform (HCL) file of the workspace in place: attributes and blocks. Comments, "
      "order, form, heredocs and line ends stay; new attributes are aligned as terraform fmt does.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = OrderedInputSchema(
      {{"path", FilePathProperty("File of the workspace.")},
       {"create", SwitchProperty("Create", "Begin with an empty file when there is none.", false)},
       {"operations", std::move(operations)}},
      {"path", "operations"});
  description.output_schema = ChangeOutputSchema();
  description.examples = {{"Set the version of a module, and a tag.",
                           R"(steps:
  - id: version
    name: Update the module
    action: purser:files:hcl:edit
    input:
      path: environments/production/main.tf
      operations:
        - op: set
          block: module.network
          name: source
          value: git::https://git.example/network.git?ref=${{ parameters.version }}
        - op: set
          block: module.network
          name: tags
          value:
            team: ${{ parameters.team }}
)"},
                          {"Add a variable and use it.",
                           R"(steps:
  - id: region
    name: Make the region a variable
    action: purser:files:hcl:edit
    input:
      path: main.tf
      operations:
        - op: addBlock
          name: variable
          labels:
            - region
          body:
            type:
              $expression: string
            default: ${{ parameters.region }}
        - op: set
          block: provider.aws
          create: true
          name: region
          expression: var.region
)"},
                          {"Change the backend, and take a block away.",
                           R"(steps:
  - id: backend
    name: Move the state
    action: purser:files:hcl:edit
    input:
      path: backend.tf
      operations:
        - op: set
          block: terraform/backend.azurerm
          name: key
          value: ${{ parameters.name }}.tfstate
        - op: delete
          block: terraform/backend.azurerm
          name: sas_token
        - op: removeBlock
          name: provider
          labels:
            - "null"
)"}};
  return description;
}

}  // namespace

HclEditAction::HclEditAction() : description_(Describe()) {}

absl::Status HclEditAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  absl::StatusOr<std::vector<edit::HclOperation>> operations =
      edit::ParseHclOperations(OrderedInput(context)["operations"]);
  if (!operations.ok()) {
    return absl::Status(operations.status().code(),
                        absl::StrCat("/operations", operations.status().message()));
  }
  PURSER_ASSIGN_OR_RETURN(const std::string path,
                          WorkspacePath(input["path"].get_ref<const std::string&>()));
  PURSER_ASSIGN_OR_RETURN(WorkspaceFiles files, WorkspaceFiles::Open(context));
  PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> text,
                          files.Read(path, edit::kMaxFileBytes));
  if (!text.has_value() && !input.value("create", false)) {
    return absl::NotFoundError(
        absl::StrCat(base::EscapeForDisplay(path),
                     ": there is no such file in the workspace; with \"create\" it would be made"));
  }
  PURSER_ASSIGN_OR_RETURN(
      std::string edited,
      edit::EditHcl(text.value_or(""), base::EscapeForDisplay(path), *operations, context.stop()));
  PURSER_RETURN_IF_ERROR(files.Put(path, std::move(edited)));
  return files.Commit(context, absl::StrCat(operations->size(), " operations"));
}

}  // namespace purser::actions

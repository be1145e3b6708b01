#include "scaffolder-actions/json-edit/json_edit_action.h"

#include "scaffolder-actions/edit_support.h"
#include "scaffolder-actions/file_support.h"

namespace purser::actions {
namespace {

action::Description DescribeEdit() {
  action::Description description;
  description.id = "purser:files:json:edit";
  description.description =
      "Edits a JSON file of the workspace in place (RFC 6902 and operations by path). Order, "
      "indentation, line ends and comments, as in tsconfig.json, stay.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = EditInputSchema(edit::Syntax::kJson);
  description.output_schema = ChangeOutputSchema();
  description.examples = {{"Set a package's name, and add a script.",
                           R"(steps:
  - id: package
    name: Name the package
    action: purser:files:json:edit
    input:
      path: package.json
      operations:
        - op: set
          path: name
          value: '@example/${{ parameters.name }}'
        - op: set
          path: scripts.build
          value: tsc
)"},
                          {"A patch as RFC 6902 has it.",
                           R"(steps:
  - id: patch
    name: Move the settings
    action: purser:files:json:edit
    input:
      path: config/app.json
      operations:
        - op: test
          path: /version
          value: 1
        - op: move
          from: /options
          path: /settings
        - op: replace
          path: /version
          value: 2
)"},
                          {"Add a reference to tsconfig.json, whose comments stay.",
                           R"(steps:
  - id: reference
    name: Refer to the package
    action: purser:files:json:edit
    input:
      path: tsconfig.json
      operations:
        - op: append
          path: references
          value:
            path: ./packages/${{ parameters.name }}
)"}};
  return description;
}

action::Description DescribeMerge() {
  action::Description description;
  description.id = "purser:files:json:merge";
  description.description =
      "Merges values into a JSON file of the workspace (RFC 7386: null takes away). Order, "
      "indentation, line ends and comments of the file stay.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = MergeInputSchema(edit::Syntax::kJson);
  description.output_schema = ChangeOutputSchema();
  description.examples = {{"Merge values into package.json.",
                           R"(steps:
  - id: merge
    name: Set the engine
    action: purser:files:json:merge
    input:
      path: package.json
      value:
        engines:
          node: '>=22'
        private: null
)"},
                          {"Merge at a place, and unite lists.",
                           R"(steps:
  - id: extensions
    name: Recommend an extension
    action: purser:files:json:merge
    input:
      path: .vscode/extensions.json
      create: true
      at: recommendations
      lists: unite
      value:
        - redhat.vscode-yaml
)"},
                          {"Merge one file into another.",
                           R"(steps:
  - id: defaults
    name: Take over the shared settings
    action: purser:files:json:merge
    input:
      path: renovate.json
      from: shared/renovate.json
)"}};
  return description;
}

}  // namespace

JsonEditAction::JsonEditAction() : description_(DescribeEdit()) {}

absl::Status JsonEditAction::Run(action::Context& context) {
  return RunEdit(edit::Syntax::kJson, context);
}

JsonMergeAction::JsonMergeAction() : description_(DescribeMerge()) {}

absl::Status JsonMergeAction::Run(action::Context& context) {
  return RunMerge(edit::Syntax::kJson, context);
}

}  // namespace purser::actions

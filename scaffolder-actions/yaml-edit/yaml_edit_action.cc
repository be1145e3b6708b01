#include "scaffolder-actions/yaml-edit/yaml_edit_action.h"

#include "scaffolder-actions/edit_support.h"
#include "scaffolder-actions/file_support.h"

namespace purser::actions {
namespace {

action::Description DescribeEdit() {
  action::Description description;
  description.id = "purser:files:yaml:edit";
  description.description =
      "Edits a YAML file of the workspace in place. Comments, order, quotes, anchors, indentation "
      "and line ends stay; files with several documents too. Operations name their place by path.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = EditInputSchema(edit::Syntax::kYaml);
  description.output_schema = ChangeOutputSchema();
  description.examples = {{"Set the image of a chart's values.",
                           R"(steps:
  - id: values
    name: Set the image
    action: purser:files:yaml:edit
    input:
      path: deploy/values.yaml
      operations:
        - op: set
          path: image.tag
          value: ${{ parameters.version }}
        - op: delete
          path: image.digest
)"},
                          {"Change one document of several, and one item of a list by its name.",
                           R"(steps:
  - id: deployment
    name: Give the web container more memory
    action: purser:files:yaml:edit
    input:
      path: manifests.yaml
      document:
        kind: Deployment
        metadata.name: web
      operations:
        - op: set
          path: spec.template.spec.containers[name=web].resources.limits.memory
          value: 512Mi
)"},
                          {"Add to a list unless it is there, in a file that is made when missing.",
                           R"(steps:
  - id: hosts
    name: Allow the host
    action: purser:files:yaml:edit
    input:
      path: config/hosts.yaml
      create: true
      operations:
        - op: append
          path: allowed
          value: ${{ parameters.host }}
)"}};
  return description;
}

action::Description DescribeMerge() {
  action::Description description;
  description.id = "purser:files:yaml:merge";
  description.description =
      "Merges values into a YAML file of the workspace (RFC 7386: null takes away). Comments, "
      "order, quotes, anchors, indentation and line ends of the file stay.";
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = MergeInputSchema(edit::Syntax::kYaml);
  description.output_schema = ChangeOutputSchema();
  description.examples = {{"Merge values into a chart's values.",
                           R"(steps:
  - id: merge
    name: Set the replicas
    action: purser:files:yaml:merge
    input:
      path: deploy/values.yaml
      value:
        replicaCount: ${{ parameters.replicas }}
        autoscaling: null
)"},
                          {"Add labels to every object of a file.",
                           R"(steps:
  - id: labels
    name: Label the objects
    action: purser:files:yaml:merge
    input:
      path: manifests.yaml
      document: all
      at: metadata.labels
      value:
        team: ${{ parameters.team }}
)"},
                          {"Merge one file into another, and unite their lists.",
                           R"(steps:
  - id: unite
    name: Take over the shared settings
    action: purser:files:yaml:merge
    input:
      path: mkdocs.yml
      from: shared/mkdocs.yml
      lists: unite
)"}};
  return description;
}

}  // namespace

YamlEditAction::YamlEditAction() : description_(DescribeEdit()) {}

absl::Status YamlEditAction::Run(action::Context& context) {
  return RunEdit(edit::Syntax::kYaml, context);
}

YamlMergeAction::YamlMergeAction() : description_(DescribeMerge()) {}

absl::Status YamlMergeAction::Run(action::Context& context) {
  return RunMerge(edit::Syntax::kYaml, context);
}

}  // namespace purser::actions

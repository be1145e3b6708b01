// The folders and files of a Terraform repository that keeps environments, customers and apps
// apart:
//
//   environments/<environment>/infra                    what all customers share
//   environments/<environment>/<customer>/infra         what a customer has of its own
//   environments/<environment>/<customer>/<app>         one app of a customer
//   infra/<kind>/<resource>, apps/<app>/kubernetes      modules, which the roots above use
//
// Each root has a state of its own, under a key that is its path, and a workflow that runs when the
// root or a module it uses has changed.
#ifndef PURSER_SCAFFOLDER_ACTIONS_TERRAFORM_LAYOUT_LAYOUT_H_
#define PURSER_SCAFFOLDER_ACTIONS_TERRAFORM_LAYOUT_LAYOUT_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "edit/tree.h"

namespace purser::actions {

struct Layout {
  std::string base;  // folder of the repository in the workspace, "" for the workspace
  std::string environment;
  std::string customer;           // "" for an environment's root
  std::vector<std::string> apps;  // roots to make; "" is the infra root
  std::string required_version;
  std::string backend;  // type, e.g. "azurerm"
  edit::Model backend_config = edit::Model::object();
  edit::Model providers = edit::Model::array();  // {name, source, version, config}
  edit::Model modules = edit::Model::array();    // {name, source, version, inputs}
  edit::Model tags = edit::Model::object();
  std::string tags_input = "tags";  // "" when modules take none
  bool remote_state = true;
  bool workflow = true;
  std::string branch = "main";
  std::string runs_on = "ubuntu-latest";
  std::string checkout_action = "actions/checkout@v4";
  std::string terraform_action = "hashicorp/setup-terraform@v3";
  std::string terraform_version;
  std::vector<std::string> secrets;  // names, given to Terraform as environment variables
};

struct LayoutFiles {
  std::vector<std::string> roots;            // paths below the base
  std::map<std::string, std::string> files;  // path in the workspace → text
};

// INVALID_ARGUMENT with a pointer into the action's input.
absl::StatusOr<LayoutFiles> MakeLayout(const Layout& layout);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_TERRAFORM_LAYOUT_LAYOUT_H_

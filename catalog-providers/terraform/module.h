// One folder of Terraform files, read without running Terraform.
#ifndef PURSER_CATALOG_PROVIDERS_TERRAFORM_MODULE_H_
#define PURSER_CATALOG_PROVIDERS_TERRAFORM_MODULE_H_

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "document/hcl_document.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers::terraform {

inline constexpr int kMaxLocalRounds = 20;  // locals made of locals made of locals …

struct Validation {
  document::HclExpression condition;
  std::string message;  // "" when it is computed
};

struct Variable {
  std::string name;
  std::optional<document::HclExpression> type;
  std::string type_text;  // "list(string)"; "" when not given
  // Absent: required. Of a default that is not known here: present and null.
  std::optional<nlohmann::json> default_value;
  std::string description;
  bool sensitive = false;
  bool nullable = true;
  std::vector<Validation> validations;
};

struct ModuleCall {
  std::string name;
  std::string source;  // "" when it is computed
  std::string version;
  std::string where;  // file:line:column
};

// A data "terraform_remote_state".
struct StateRead {
  std::string name;
  std::string backend;
  nlohmann::json config = nlohmann::json::object();  // what is known of it
  std::string where;
};

struct Output {
  std::string name;
  std::string description;
  bool sensitive = false;
};

struct Module {
  std::string path;  // from the repository's root, "" for the root itself
  std::vector<Variable> variables;
  std::vector<ModuleCall> calls;
  std::vector<StateRead> state_reads;
  std::vector<Output> outputs;
  std::map<std::string, int> resources;          // type → blocks
  std::map<std::string, std::string> providers;  // local name → source ("hashicorp/azurerm")
  std::string required_version;
  std::string backend;  // "azurerm"; "cloud" for HCP Terraform; "" when none is given
  nlohmann::json backend_config = nlohmann::json::object();  // what is known of it
  std::vector<std::string> files_read;  // by file(), templatefile() and the like; from the root
};

// Whether Terraform reads a file of that name: *.tf and *.tf.json, overrides too.
bool IsTerraformFile(absl::string_view name);

// `path` from the repository's root with "." and ".." resolved against `folder`; nullopt when it
// leads out of the repository.
std::optional<std::string> ResolvePath(absl::string_view folder, absl::string_view path);

// `files`: name → text, and "*.auto.tfvars", "terraform.tfvars" and their JSON forms when they are
// there. INVALID_ARGUMENT "path/file:line:column: …" for the first file that is wrong.
absl::StatusOr<Module> ReadModule(absl::string_view path,
                                  const std::map<std::string, std::string>& files);

}  // namespace purser::catalog_providers::terraform

#endif  // PURSER_CATALOG_PROVIDERS_TERRAFORM_MODULE_H_

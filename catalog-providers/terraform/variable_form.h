// The variables of a module as a form: a JSON Schema as Backstage's templates have it.
#ifndef PURSER_CATALOG_PROVIDERS_TERRAFORM_VARIABLE_FORM_H_
#define PURSER_CATALOG_PROVIDERS_TERRAFORM_VARIABLE_FORM_H_

#include <vector>

#include "catalog-providers/terraform/module.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers::terraform {

// The schema of one variable. Types: string, number, bool, list, set, map, object with optional()
// members, tuple, any. From validations, taken apart at &&: contains([…], var.x) → enum;
// length(var.x) and comparisons → lengths and bounds; can(regex("…", var.x)) → pattern, where it
// means the same in JavaScript. The rest is Terraform's to check; its messages go into the
// description.
nlohmann::json VariableSchema(const Variable& variable);

struct VariableForm {
  nlohmann::json properties = nlohmann::json::object();
  nlohmann::json order = nlohmann::json::array();  // names as the files have them
  nlohmann::json required = nlohmann::json::array();
  std::vector<std::string> left_out;  // sensitive variables: a form is no place for secrets
};
VariableForm FormOf(const Module& module);

}  // namespace purser::catalog_providers::terraform

#endif  // PURSER_CATALOG_PROVIDERS_TERRAFORM_VARIABLE_FORM_H_

// The catalog's entities of a Terraform repository. Pure: everything comes in as values.
#ifndef PURSER_CATALOG_PROVIDERS_TERRAFORM_ENTITIES_H_
#define PURSER_CATALOG_PROVIDERS_TERRAFORM_ENTITIES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "catalog-providers/terraform/state.h"
#include "catalog-providers/terraform/tree.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers::terraform {

struct EntityOptions {
  std::string owner;
  std::string lifecycle = "production";
  std::string namespace_name = "default";
  std::string location;    // of the repository's root, "url:…" or "file:…", without "/" at the end
  std::string source_url;  // where people look at the folders, or ""
  // Templates: where forms write to.
  std::string repository;
  std::string backend = "local";
  nlohmann::json backend_config = nlohmann::json::object();
  nlohmann::json publish;  // {"action", "input"}; null: a commit to a new branch
};

// "environments.prod.infra" of "environments/prod/infra": valid as an entity's name; folders whose
// names hold dots get a hash, so that two paths never meet.
std::string NameOfPath(absl::string_view path);

// backstage.io/managed-by-location of a folder.
std::string LocationOf(const EntityOptions& options, absl::string_view path);

// Domains of the environments and Systems of the customers that roots' paths name.
std::vector<nlohmann::json> PlaceEntities(const Tree& tree, const EntityOptions& options);
// A Resource of the root, and a Component of its app when it has one.
std::vector<nlohmann::json> RootEntities(const Tree& tree, const Root& root,
                                         const EntityOptions& options);
// A Component of a module that is no root.
nlohmann::json ModuleEntity(const Tree& tree, const Module& module, const EntityOptions& options);
// A Resource of a thing that the root's state holds.
nlohmann::json StateEntity(const Root& root, const StateResource& resource,
                           const EntityOptions& options);
// A Template that asks for the module's variables, writes a root that calls it, and publishes.
nlohmann::json TemplateEntity(const Tree& tree, const Module& module, const EntityOptions& options);

}  // namespace purser::catalog_providers::terraform

#endif  // PURSER_CATALOG_PROVIDERS_TERRAFORM_ENTITIES_H_

#include "catalog-providers/terraform/entities.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "base/hash.h"
#include "catalog-providers/terraform/variable_form.h"
#include "catalog/entity.h"
#include "provider/mapping.h"

namespace purser::catalog_providers::terraform {
namespace {

using nlohmann::json;

constexpr char kApiVersion[] = "backstage.io/v1alpha1";
constexpr char kTemplateApiVersion[] = "scaffolder.backstage.io/v1beta3";
constexpr size_t kHashDigits = 10;
constexpr size_t kMaxReadableBytes = 40;  // of a state resource's name, before the hash

std::string Ref(absl::string_view kind, const EntityOptions& options, absl::string_view name) {
  return absl::StrCat(kind, ":", options.namespace_name, "/", name);
}

// Names of places are made of folders' names, as those of paths are.
std::string PlaceName(const std::vector<std::string>& names) {
  return NameOfPath(absl::StrJoin(names, "/"));
}
std::string EnvironmentName(const RootPlace& place) {
  const std::string environment = place.Name("environment");
  return environment.empty() ? "" : PlaceName({environment});
}
std::string CustomerName(const RootPlace& place) {
  const std::string customer = place.Name("customer");
  if (customer.empty()) return "";
  const std::string environment = place.Name("environment");
  return environment.empty() ? PlaceName({customer}) : PlaceName({environment, customer});
}

json Base(const EntityOptions& options, const char* kind, const std::string& name,
          const std::string& title, absl::string_view path) {
  const std::string location = LocationOf(options, path);
  json entity = {{"apiVersion", kApiVersion},
                 {"kind", kind},
                 {"metadata",
                  {{"name", name},
                   {"namespace", options.namespace_name},
                   {"title", title},
                   {"annotations",
                    {{"backstage.io/managed-by-location", location},
                     {"backstage.io/managed-by-origin-location", options.location},
                     {"purser.dev/terraform-path", std::string(path)}}}}},
                 {"spec", {{"owner", options.owner}}}};
  if (!options.source_url.empty()) {
    json& annotations = entity["metadata"]["annotations"];
    const std::string page =
        path.empty() ? options.source_url : absl::StrCat(options.source_url, "/", path);
    annotations["backstage.io/source-location"] = absl::StrCat("url:", page, "/");
    annotations["backstage.io/view-url"] = page;
  }
  return entity;
}

void SetIf(json& object, const char* name, const std::string& value) {
  if (!value.empty()) object[name] = value;
}

json ModuleRefs(const Tree& tree, absl::string_view path, const EntityOptions& options) {
  json refs = json::array();
  for (const std::string& called : tree.CallsOf(path)) {
    // What is not there, or is the folder itself, is no entity to depend on.
    if (called == path || !tree.modules().contains(called)) continue;
    const bool is_root = tree.roots().contains(called);
    refs.push_back(Ref(is_root ? "resource" : "component", options, NameOfPath(called)));
  }
  return refs;
}

json ProviderTags(const Module& module) {
  std::set<std::string> tags = {"terraform"};
  for (const auto& [name, source] : module.providers) {
    std::string tag = provider::TagOf(name);
    if (!tag.empty() && tags.size() < provider::kMaxEntityTags) tags.insert(std::move(tag));
  }
  return json(tags);
}

std::string OutsideSources(const Module& module) {
  std::set<std::string> sources;
  for (const ModuleCall& call : module.calls) {
    if (call.source.empty() || absl::StartsWith(call.source, ".")) continue;
    // An address may carry credentials.
    if (absl::StrContains(call.source, "@") && absl::StrContains(call.source, "://")) continue;
    sources.insert(call.version.empty() ? call.source
                                        : absl::StrCat(call.source, " ", call.version));
  }
  return absl::StrJoin(sources, ", ");
}

}  // namespace

std::string NameOfPath(absl::string_view path) {
  if (path.empty()) return "root";
  std::string name = absl::StrReplaceAll(path, {{"/", "."}});
  if (absl::StrContains(path, ".")) {
    absl::StrAppend(&name, "-", base::Sha256Hex(path).substr(0, kHashDigits));
  }
  return catalog::SanitizeName(name);
}

std::string LocationOf(const EntityOptions& options, absl::string_view path) {
  return path.empty() ? options.location : absl::StrCat(options.location, "/", path);
}

std::vector<json> PlaceEntities(const Tree& tree, const EntityOptions& options) {
  std::map<std::string, json> entities;
  for (const auto& [path, root] : tree.roots()) {
    const std::string environment = EnvironmentName(root.place);
    const std::string customer = CustomerName(root.place);
    // The folder that stands for it is above the root's.
    const std::vector<std::string> parts = absl::StrSplit(path, '/');
    const auto folder_of = [&parts](const std::string& name) {
      const auto found = std::find(parts.begin(), parts.end(), name);
      return found == parts.end() ? std::string()
                                  : absl::StrJoin(parts.begin(), std::next(found), "/");
    };
    if (!environment.empty()) {
      const std::string title = root.place.Name("environment");
      json entity = Base(options, "Domain", environment, title, folder_of(title));
      entity["spec"]["type"] = "environment";
      entities.emplace(absl::StrCat("domain:", environment), std::move(entity));
    }
    if (!customer.empty()) {
      const std::string name = root.place.Name("customer");
      const std::string title = environment.empty()
                                    ? name
                                    : absl::StrCat(name, " (", root.place.Name("environment"), ")");
      json entity = Base(options, "System", customer, title, folder_of(name));
      entity["spec"]["type"] = "customer";
      if (!environment.empty()) {
        entity["spec"]["domain"] = Ref("domain", options, environment);
        entity["metadata"]["labels"] = {{"purser.dev/environment", environment}};
      }
      entity["metadata"]["annotations"]["purser.dev/customer"] = name;
      entities.emplace(absl::StrCat("system:", customer), std::move(entity));
    }
  }
  std::vector<json> list;
  for (auto& [key, entity] : entities) list.push_back(std::move(entity));
  return list;
}

std::vector<json> RootEntities(const Tree& tree, const Root& root, const EntityOptions& options) {
  std::vector<json> entities;
  const std::string name = NameOfPath(root.path);
  const std::string system = CustomerName(root.place);
  const auto found = tree.modules().find(root.path);
  json resource = Base(options, "Resource", name, root.path, root.path);
  json& spec = resource["spec"];
  json& annotations = resource["metadata"]["annotations"];
  spec["type"] = "terraform-root";
  if (!system.empty()) spec["system"] = Ref("system", options, system);
  json depends = ModuleRefs(tree, root.path, options);
  for (const std::string& read : root.reads) {
    depends.push_back(Ref("resource", options, NameOfPath(read)));
  }
  if (!depends.empty()) spec["dependsOn"] = std::move(depends);
  annotations["purser.dev/terraform-level"] = std::string(LevelName(root.place.level));
  if (found != tree.modules().end()) {
    const Module& module = found->second;
    resource["metadata"]["tags"] = ProviderTags(module);
    SetIf(annotations, "purser.dev/terraform-backend", module.backend);
    SetIf(annotations, "purser.dev/terraform-state-key",
          StateKey(module.backend, module.backend_config));
    SetIf(annotations, "purser.dev/terraform-version", module.required_version);
    SetIf(annotations, "purser.dev/terraform-sources", OutsideSources(module));
  }
  entities.push_back(std::move(resource));

  const std::string app = root.place.Name("app");
  if (root.place.level == Level::kApp && !app.empty()) {
    std::vector<std::string> names;
    for (const char* key : {"environment", "customer", "app"}) {
      if (std::string part = root.place.Name(key); !part.empty()) names.push_back(std::move(part));
    }
    json component = Base(options, "Component", PlaceName(names), app, root.path);
    component["metadata"]["annotations"]["purser.dev/app"] = app;
    component["spec"]["type"] = "terraform-app";
    component["spec"]["lifecycle"] = options.lifecycle;
    component["spec"]["dependsOn"] = {Ref("resource", options, name)};
    if (!system.empty()) component["spec"]["system"] = Ref("system", options, system);
    entities.push_back(std::move(component));
  }
  return entities;
}

json ModuleEntity(const Tree& tree, const Module& module, const EntityOptions& options) {
  json entity = Base(options, "Component", NameOfPath(module.path),
                     module.path.empty() ? "root" : module.path, module.path);
  entity["metadata"]["tags"] = ProviderTags(module);
  json& annotations = entity["metadata"]["annotations"];
  SetIf(annotations, "purser.dev/terraform-version", module.required_version);
  SetIf(annotations, "purser.dev/terraform-sources", OutsideSources(module));
  entity["spec"]["type"] = "terraform-module";
  entity["spec"]["lifecycle"] = options.lifecycle;
  json depends = ModuleRefs(tree, module.path, options);
  if (!depends.empty()) entity["spec"]["dependsOn"] = std::move(depends);
  return entity;
}

json StateEntity(const Root& root, const StateResource& resource, const EntityOptions& options) {
  const std::string shown = resource.display_name.empty() ? resource.name : resource.display_name;
  // A resource keeps its name as long as its address stays, whatever it is called outside.
  std::string name = catalog::SanitizeName(resource.name);
  if (name.size() > kMaxReadableBytes) name.resize(kMaxReadableBytes);
  while (!name.empty() && !absl::ascii_isalnum(static_cast<unsigned char>(name.back()))) {
    name.pop_back();
  }
  absl::StrAppend(
      &name, name.empty() ? "r" : "-",
      base::Sha256Hex(absl::StrCat(root.path, "\n", resource.address)).substr(0, kHashDigits));
  json entity = Base(options, "Resource", name, shown, root.path);
  json& annotations = entity["metadata"]["annotations"];
  annotations["purser.dev/terraform-address"] = resource.address;
  if (!resource.ids.empty()) annotations["purser.dev/resource-ids"] = json(resource.ids).dump();
  SetIf(annotations, "purser.dev/terraform-provider", resource.provider);
  SetIf(annotations, "purser.dev/location", resource.location);
  json& spec = entity["spec"];
  spec["type"] = resource.type;
  spec["dependencyOf"] = {Ref("resource", options, NameOfPath(root.path))};
  const std::string system = CustomerName(root.place);
  if (!system.empty()) spec["system"] = Ref("system", options, system);
  return entity;
}

json TemplateEntity(const Tree& tree, const Module& module, const EntityOptions& options) {
  const VariableForm form = FormOf(module);
  std::set<std::string> environments;
  for (const auto& [path, root] : tree.roots()) {
    if (std::string name = root.place.Name("environment"); !name.empty()) {
      environments.insert(std::move(name));
    }
  }
  const auto name_field = [](const char* title, const char* description) {
    return json{{"type", "string"},
                {"title", title},
                {"description", description},
                {"pattern", "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"}};
  };
  json environment = name_field("Environment", "Where it runs.");
  if (!environments.empty()) environment["enum"] = environments;
  json where = {{"title", "Where"},
                {"required", {"environment", "customer", "app"}},
                {"properties",
                 {{"environment", std::move(environment)},
                  {"customer", name_field("Customer", "For whom.")},
                  {"app", name_field("Name", "Of the new root: its folder and its state.")}}}};
  json inputs = json::object();
  for (const json& key : form.order) {
    const std::string& variable = key.get_ref<const std::string&>();
    inputs[variable] = absl::StrCat("${{ parameters.inputs['", variable, "'] }}");
  }
  // A page of their own names, so that a variable called "app" is not the root's name.
  json page = {{"title", "Settings"},
               {"properties",
                {{"inputs",
                  {{"type", "object"},
                   {"title", "Settings"},
                   {"ui:order", form.order},
                   {"properties", form.properties}}}}}};
  if (!form.required.empty()) {
    page["properties"]["inputs"]["required"] = form.required;
    page["required"] = {"inputs"};
  }
  json parameters = json::array({std::move(where)});
  if (!form.order.empty()) parameters.push_back(std::move(page));

  json backend = {{"type", options.backend}};
  if (!options.backend_config.empty()) backend["config"] = options.backend_config;
  json step = {
      {"kind", "app"},
      {"environment", "${{ parameters.environment }}"},
      {"customer", "${{ parameters.customer }}"},
      {"app", "${{ parameters.app }}"},
      {"backend", std::move(backend)},
      {"modules", {{{"name", "app"}, {"source", module.path}, {"inputs", std::move(inputs)}}}}};
  const bool takes_tags = std::any_of(module.variables.begin(), module.variables.end(),
                                      [](const Variable& item) { return item.name == "tags"; });
  if (!takes_tags) step["tagsInput"] = "";
  json publish = options.publish;
  if (publish.is_null()) {
    publish = {{"action", "purser:git:commit"},
               {"input",
                {{"remoteUrl", options.repository},
                 {"branch",
                  "add-${{ parameters.environment }}-${{ parameters.customer }}-${{ parameters.app "
                  "}}"},
                 {"gitCommitMessage",
                  "Add ${{ parameters.app }} of ${{ parameters.customer }} in ${{ "
                  "parameters.environment }}"}}}};
  }
  const std::string title = module.path;
  json entity =
      Base(options, "Template", NameOfPath(module.path), absl::StrCat("New ", title), module.path);
  entity["apiVersion"] = kTemplateApiVersion;
  entity["metadata"]["description"] = absl::StrCat(
      "Writes a root that uses the Terraform module ", title, " and publishes it.",
      form.left_out.empty()
          ? ""
          : absl::StrCat(" Secrets are not asked for: ", absl::StrJoin(form.left_out, ", "), "."));
  entity["metadata"]["tags"] = ProviderTags(module);
  entity["spec"]["type"] = "terraform-module";
  entity["spec"]["parameters"] = std::move(parameters);
  entity["spec"]["steps"] = {{{"id", "layout"},
                              {"name", "Write the root"},
                              {"action", "purser:terraform:layout"},
                              {"input", std::move(step)}},
                             {{"id", "publish"},
                              {"name", "Publish"},
                              {"action", publish.at("action")},
                              {"input", publish.value("input", json::object())}}};
  return entity;
}

}  // namespace purser::catalog_providers::terraform

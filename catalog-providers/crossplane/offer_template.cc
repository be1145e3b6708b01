#include "catalog-providers/crossplane/offer_template.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "catalog-providers/crossplane/form_schema.h"
#include "document/yaml.h"
#include "json/json.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

// Names of our own fields, which no definition is likely to have.
constexpr char kName[] = "objectName";
constexpr char kNamespace[] = "objectNamespace";
constexpr char kRepository[] = "repositoryUrl";

std::string Parameter(const std::string& name) {
  return absl::StrCat("${{ parameters[", Json(name).dump(), "] }}");
}

Json DnsName(const char* title, const char* description) {
  return {{"type", "string"}, {"title", title},  {"description", description},
          {"minLength", 1},   {"maxLength", 63}, {"pattern", "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"}};
}

Json NamePage(const OfferedKind& offered) {
  Json properties = {{kName, DnsName("Name", "Name of the object in the cluster.")}};
  Json required = {kName};
  Json order = {kName};
  if (offered.namespaced) {
    properties[kNamespace] = DnsName("Namespace", "Namespace the object lives in.");
    required.push_back(kNamespace);
    order.push_back(kNamespace);
  }
  return {{"title", offered.kind},
          {"required", std::move(required)},
          {"properties", std::move(properties)},
          {"ui:order", std::move(order)}};
}

// One page for the plain fields, and one for each object with several.
std::vector<Json> SpecPages(const Json& form) {
  Json plain = {{"title", "Settings"}, {"properties", Json::object()}};
  std::vector<Json> own;
  const auto properties = form.find("properties");
  if (properties == form.end()) return own;
  const Json required = form.value("required", Json::array());
  const auto is_required = [&required](const std::string& name) {
    return std::find(required.begin(), required.end(), name) != required.end();
  };
  for (const auto& [name, field] : properties->items()) {
    const bool large = field.value("type", "") == "object" && field.contains("properties") &&
                       field["properties"].size() > 2;
    if (!large) {
      plain["properties"][name] = field;
      if (is_required(name)) plain["required"].push_back(name);
      continue;
    }
    Json page = {{"title", field.value("title", name)}, {"properties", {{name, field}}}};
    if (field.contains("description")) page["description"] = field["description"];
    if (is_required(name)) page["required"] = {name};
    own.push_back(std::move(page));
  }
  std::vector<Json> pages;
  if (!plain["properties"].empty()) pages.push_back(std::move(plain));
  for (Json& page : own) pages.push_back(std::move(page));
  return pages;
}

Json SpecInput(const Json& form) {
  Json spec = Json::object();
  const auto properties = form.find("properties");
  if (properties == form.end()) return spec;
  for (const auto& [name, field] : properties->items()) spec[name] = Parameter(name);
  return spec;
}

void AddPullRequest(const CompositeDefinition& definition, const OfferOptions& options,
                    const Json& form, Json* spec) {
  const OfferedKind& offered = definition.offered();
  const std::string kind = absl::AsciiStrToLower(offered.kind);
  std::string repository = options.repo_url;
  if (repository.empty()) {
    repository = Parameter(kRepository);
    (*spec)["parameters"].push_back({{"title", "Repository"},
                                     {"required", {kRepository}},
                                     {"properties",
                                      {{kRepository,
                                        {{"type", "string"},
                                         {"title", "Repository"},
                                         {"description", "Where the platform's manifests live."},
                                         {"ui:field", "RepoUrlPicker"}}}}}});
  }
  const std::string folder = options.path.empty() ? offered.plural : options.path;
  const std::string name = Parameter(kName);
  const std::string branch = absl::StrCat(kind, "-", name);
  Json manifest = {{"path", absl::StrCat("manifests/", name, ".yaml")},
                   {"apiVersion", definition.api_version()},
                   {"kind", offered.kind},
                   {"name", name},
                   {"spec", SpecInput(form)}};
  if (offered.namespaced) manifest["namespace"] = Parameter(kNamespace);
  Json commit = {{"repoUrl", repository},
                 {"branch", branch},
                 {"sourcePath", "manifests"},
                 {"targetPath", folder},
                 {"gitCommitMessage", absl::StrCat("Add ", offered.kind, " ", name)}};
  Json merge = {{"repoUrl", repository},
                {"branchName", branch},
                {"title", absl::StrCat("Add ", offered.kind, " ", name)},
                {"description", absl::StrCat("Asked for by ${{ user.ref }}.")}};
  if (!options.target_branch.empty()) {
    commit["baseBranch"] = options.target_branch;
    merge["targetBranchName"] = options.target_branch;
  }
  const bool gitlab = options.host_kind == "gitlab";
  (*spec)["steps"] = {
      {{"id", "manifest"},
       {"name", "Write the manifest"},
       {"action", "purser:manifest"},
       {"input", std::move(manifest)}},
      {{"id", "commit"},
       {"name", "Commit it to a branch"},
       {"action", "purser:git:commit"},
       {"input", std::move(commit)}},
      {{"id", "review"},
       {"name", "Ask for its review"},
       {"action", gitlab ? "purser:gitlab:merge-request" : "purser:github:pull-request"},
       {"input", std::move(merge)}}};
  (*spec)["output"] = {{"links",
                        {{{"title", gitlab ? "Merge request" : "Pull request"},
                          {"url", "${{ steps.review.output.url }}"}}}}};
}

void AddRequest(const CompositeDefinition& definition, const OfferOptions& options,
                const Json& form, Json* spec) {
  const OfferedKind& offered = definition.offered();
  Json parameters = {{"apiVersion", definition.api_version()},
                     {"kind", offered.kind},
                     {"name", Parameter(kName)},
                     {"spec", SpecInput(form)}};
  if (offered.namespaced) parameters["namespace"] = Parameter(kNamespace);
  (*spec)["steps"] = {
      {{"id", "request"},
       {"name", absl::StrCat("Request the ", offered.kind)},
       {"action", "purser:request"},
       {"input", {{"blueprint", options.blueprint}, {"parameters", std::move(parameters)}}}}};
  (*spec)["output"] = {{"links",
                        {{{"title", "Open in the catalog"},
                          {"entityRef", "${{ steps.request.output.entityRef }}"}}}}};
}

}  // namespace

int64_t AddOffer(const CompositeDefinition& definition, const OfferOptions& options, Json* draft) {
  int64_t left_out = 0;
  const Json form = FormSchema(definition.SpecSchema(), &left_out);
  Json& spec = (*draft)["spec"];
  spec["parameters"] = Json::array({NamePage(definition.offered())});
  for (Json& page : SpecPages(form)) spec["parameters"].push_back(std::move(page));
  if (options.way == OfferOptions::Way::kRequest) {
    AddRequest(definition, options, form, &spec);
  } else {
    AddPullRequest(definition, options, form, &spec);
  }
  return left_out;
}

std::string ApiDefinitionOf(const CompositeDefinition& definition) {
  const OfferedKind& offered = definition.offered();
  const std::string folder =
      absl::StrCat("/apis/", definition.api_version(),
                   offered.namespaced ? "/namespaces/{namespace}" : "", "/", offered.plural);
  Json object = definition.schema.empty() ? Json{{"type", "object"}} : definition.schema;
  const Json reference = {{"$ref", absl::StrCat("#/components/schemas/", offered.kind)}};
  const Json body = {{"application/json", {{"schema", reference}}}};
  Json in_namespace = Json::array();
  if (offered.namespaced) {
    in_namespace.push_back({{"name", "namespace"},
                            {"in", "path"},
                            {"required", true},
                            {"schema", {{"type", "string"}}}});
  }
  Json of_one = in_namespace;
  of_one.push_back(
      {{"name", "name"}, {"in", "path"}, {"required", true}, {"schema", {{"type", "string"}}}});
  const auto answer = [&body](const char* description) {
    return Json{{"200", {{"description", description}, {"content", body}}}};
  };
  Json api = {
      {"openapi", "3.0.3"},
      {"info",
       {{"title", absl::StrCat(offered.kind, " (", definition.group, ")")},
        {"version", definition.version}}},
      {"paths",
       {{folder,
         {{"parameters", in_namespace},
          {"post",
           {{"summary", absl::StrCat("Create a ", offered.kind)},
            {"requestBody", {{"content", body}}},
            {"responses", answer("Created")}}}}},
        {folder + "/{name}",
         {{"parameters", of_one},
          {"get",
           {{"summary", absl::StrCat("Read a ", offered.kind)}, {"responses", answer("As it is")}}},
          {"put",
           {{"summary", absl::StrCat("Change a ", offered.kind)},
            {"requestBody", {{"content", body}}},
            {"responses", answer("Changed")}}},
          {"delete",
           {{"summary", absl::StrCat("Delete a ", offered.kind)},
            {"responses", {{"200", {{"description", "Being deleted"}}}}}}}}}}},
      {"components", {{"schemas", {{offered.kind, std::move(object)}}}}}};
  return document::ToYaml(api);
}

}  // namespace purser::catalog_providers

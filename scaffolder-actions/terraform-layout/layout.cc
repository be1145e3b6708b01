#include "scaffolder-actions/terraform-layout/layout.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "edit/edit.h"
#include "edit/hcl.h"

namespace purser::actions {
namespace {

using edit::Model;

Model Expression(std::string text) { return Model{{edit::kExpressionKey, std::move(text)}}; }

// One root: where it is and what it is called.
struct Root {
  std::string path;     // below the base
  std::string app;      // "" for infra
  std::string name;     // "production-acme-shop"
  std::string depends;  // path of the root whose state it reads, "" for none
};

std::vector<Root> RootsOf(const Layout& layout) {
  const std::string environment = absl::StrCat("environments/", layout.environment);
  std::vector<Root> roots;
  for (const std::string& app : layout.apps) {
    Root root;
    root.app = app;
    root.name = layout.environment;
    root.path = environment;
    if (!layout.customer.empty()) {
      absl::StrAppend(&root.path, "/", layout.customer);
      absl::StrAppend(&root.name, "-", layout.customer);
      root.depends =
          app.empty() ? absl::StrCat(environment, "/infra") : absl::StrCat(root.path, "/infra");
    }
    absl::StrAppend(&root.path, "/", app.empty() ? "infra" : app);
    absl::StrAppend(&root.name, "-", app.empty() ? "infra" : app);
    roots.push_back(std::move(root));
  }
  return roots;
}

// Where a backend keeps a root's state: a key of its own for each root.
Model BackendConfig(const Layout& layout, const std::string& root) {
  Model config = layout.backend_config;
  if (layout.backend == "azurerm" || layout.backend == "oss" || layout.backend == "cos") {
    config["key"] = absl::StrCat(root, ".tfstate");
  } else if (layout.backend == "s3" || layout.backend == "oci") {
    config["key"] = absl::StrCat(root, "/terraform.tfstate");
  } else if (layout.backend == "gcs") {
    config["prefix"] = root;
  } else if (layout.backend == "pg") {
    std::string schema = root;
    std::replace_if(schema.begin(), schema.end(), [](char c) { return c == '/' || c == '-'; }, '_');
    config["schema_name"] = schema;
  } else if (layout.backend == "kubernetes") {
    std::string suffix = root;
    std::replace(suffix.begin(), suffix.end(), '/', '-');
    config["secret_suffix"] = suffix;
  } else if (layout.backend == "consul") {
    config["path"] = root;
  }
  return config;
}

// A path from the repository's root is a module of the repository; all else is an address.
bool IsLocal(const std::string& source) {
  return absl::StartsWith(source, "infra/") || absl::StartsWith(source, "apps/") ||
         absl::StartsWith(source, "modules/") || absl::StartsWith(source, "/");
}
std::string LocalPath(absl::string_view source) {
  while (absl::StartsWith(source, "/")) source.remove_prefix(1);
  while (absl::EndsWith(source, "/")) source.remove_suffix(1);
  return std::string(source);
}

absl::Status AppendBlock(const std::string& type, const std::vector<std::string>& labels,
                         const Model& body, std::string* out) {
  PURSER_ASSIGN_OR_RETURN(const std::string inside, edit::HclBodyText(body, 2));
  if (!out->empty()) *out += "\n";
  *out += type;
  for (const std::string& label : labels) absl::StrAppend(out, " ", edit::HclQuote(label));
  absl::StrAppend(out, inside.empty() ? " {}\n" : absl::StrCat(" {\n", inside, "}\n"));
  return absl::OkStatus();
}

// The modules of one root; an app uses its own module unless others are named.
Model ModulesOf(const Layout& layout, const Root& root) {
  if (!layout.modules.empty() || root.app.empty()) return layout.modules;
  return Model::array(
      {Model{{"name", root.app}, {"source", absl::StrCat("apps/", root.app, "/kubernetes")}}});
}

absl::StatusOr<std::string> BackendFile(const Layout& layout, const Root& root) {
  Model backend = BackendConfig(layout, root.path);
  backend[edit::kLabelsKey] = Model::array({layout.backend});
  std::string text;
  PURSER_RETURN_IF_ERROR(
      AppendBlock("terraform", {}, Model{{"backend", {{edit::kBlockKey, backend}}}}, &text));
  return text;
}

absl::StatusOr<std::string> ProvidersFile(const Layout& layout) {
  Model terraform = Model::object();
  if (!layout.required_version.empty()) terraform["required_version"] = layout.required_version;
  Model required = Model::object();
  for (const Model& provider : layout.providers) {
    Model entry = Model{{"source", provider.at("source")}};
    if (provider.contains("version")) entry["version"] = provider["version"];
    required[provider.at("name").get<std::string>()] = std::move(entry);
  }
  if (!required.empty()) terraform["required_providers"] = Model{{edit::kBlockKey, required}};
  std::string text;
  PURSER_RETURN_IF_ERROR(AppendBlock("terraform", {}, terraform, &text));
  size_t i = 0;
  for (const Model& provider : layout.providers) {
    Model config = provider.value("config", Model::object());
    const std::string name = provider["name"].get<std::string>();
    // It refuses to work without this block, be it empty.
    if (name == "azurerm" && !config.contains("features")) {
      config["features"] = Model{{edit::kBlockKey, Model::object()}};
    }
    if (absl::Status status = AppendBlock("provider", {name}, config, &text); !status.ok()) {
      return base::Annotate(status, absl::StrCat("/providers/", i, "/config"));
    }
    ++i;
  }
  return text;
}

absl::StatusOr<std::string> MainFile(const Layout& layout, const Root& root) {
  Model tags = Model{{"environment", layout.environment}};
  if (!layout.customer.empty()) tags["customer"] = layout.customer;
  tags["app"] = root.app.empty() ? "infra" : root.app;
  tags["managed-by"] = "terraform";
  for (auto tag = layout.tags.begin(); tag != layout.tags.end(); ++tag) tags[tag.key()] = *tag;
  std::string text = "# What the costs of this root are booked to.\n";
  std::string blocks;
  PURSER_RETURN_IF_ERROR(AppendBlock("locals", {}, Model{{"cost_tags", tags}}, &blocks));
  if (layout.remote_state && !root.depends.empty()) {
    PURSER_RETURN_IF_ERROR(AppendBlock(
        "data", {"terraform_remote_state", root.app.empty() ? "environment" : "customer"},
        Model{{"backend", layout.backend}, {"config", BackendConfig(layout, root.depends)}},
        &blocks));
  }
  const std::string up = [&] {
    std::string out;
    for (size_t i = 0;
         i < 1 + static_cast<size_t>(std::count(root.path.begin(), root.path.end(), '/')); ++i) {
      out += "../";
    }
    return out;
  }();
  size_t i = 0;
  for (const Model& module : ModulesOf(layout, root)) {
    const std::string source = module.at("source").get<std::string>();
    Model body = Model{{"source", IsLocal(source) ? absl::StrCat(up, LocalPath(source)) : source}};
    if (module.contains("version")) body["version"] = module["version"];
    const Model inputs = module.value("inputs", Model::object());
    for (auto input = inputs.begin(); input != inputs.end(); ++input) body[input.key()] = *input;
    if (!layout.tags_input.empty() && !body.contains(layout.tags_input)) {
      body[layout.tags_input] = Expression("local.cost_tags");
    }
    if (absl::Status status =
            AppendBlock("module", {module.at("name").get<std::string>()}, body, &blocks);
        !status.ok()) {
      return base::Annotate(status, absl::StrCat("/modules/", i, "/inputs"));
    }
    ++i;
  }
  return text + blocks;
}

std::string WorkflowFile(const Layout& layout, const Root& root, const std::string& workflow_path) {
  const std::string base = layout.base.empty() ? "" : absl::StrCat(layout.base, "/");
  // A change of a module the root uses changes the root.
  Model paths = Model::array({absl::StrCat(base, root.path, "/**")});
  for (const Model& module : ModulesOf(layout, root)) {
    const std::string source = module.at("source").get<std::string>();
    if (IsLocal(source)) paths.push_back(absl::StrCat(base, LocalPath(source), "/**"));
  }
  paths.push_back(workflow_path);
  const std::string only_branch =
      absl::StrCat("github.event_name == 'push' && github.ref == 'refs/heads/", layout.branch, "'");
  Model setup = Model{{"uses", layout.terraform_action}};
  setup["with"] = Model{{"terraform_wrapper", false}};
  if (!layout.terraform_version.empty()) {
    setup["with"]["terraform_version"] = layout.terraform_version;
  }
  Model env = Model{{"TF_IN_AUTOMATION", "true"}, {"TF_INPUT", "false"}};
  for (const std::string& secret : layout.secrets) {
    env[secret] = absl::StrCat("${{ secrets.", secret, " }}");
  }
  Model steps = Model::array();
  steps.push_back(Model{{"uses", layout.checkout_action}});
  steps.push_back(std::move(setup));
  steps.push_back(Model{{"run", "terraform fmt -check"}});
  steps.push_back(Model{{"run", "terraform init -lock-timeout=5m"}});
  steps.push_back(Model{{"run", "terraform validate"}});
  steps.push_back(Model{{"run", "terraform plan -lock-timeout=5m -out=tfplan"}});
  steps.push_back(Model{{"if", only_branch}, {"run", "terraform apply -lock-timeout=5m tfplan"}});
  Model terraform = Model::object();
  terraform["runs-on"] = layout.runs_on;
  terraform["environment"] = layout.environment;
  terraform["defaults"] = Model{{"run", {{"working-directory", absl::StrCat(base, root.path)}}}};
  terraform["env"] = std::move(env);
  terraform["steps"] = std::move(steps);
  Model workflow = Model::object();
  workflow["name"] = absl::StrCat("terraform ", root.name);
  workflow["on"] = Model{{"push", {{"branches", Model::array({layout.branch})}, {"paths", paths}}},
                         {"pull_request", {{"paths", paths}}}};
  workflow["permissions"] = Model{{"contents", "read"}, {"id-token", "write"}};
  // One run at a time for a root, and none is broken off while it applies.
  workflow["concurrency"] =
      Model{{"group", absl::StrCat("terraform-", root.name)}, {"cancel-in-progress", false}};
  workflow["jobs"] = Model{{"terraform", std::move(terraform)}};
  const absl::StatusOr<edit::Edited> text =
      edit::Edit(edit::Syntax::kYaml, "", workflow_path, {}, [&](Model& value) {
        value = workflow;
        return absl::OkStatus();
      });
  // GitHub reads "on" as a word, whatever YAML 1.1 takes it for; people write it bare.
  std::vector<std::string> lines = absl::StrSplit(text.ok() ? text->text : "", '\n');
  std::replace(lines.begin(), lines.end(), std::string("\"on\":"), std::string("on:"));
  return absl::StrJoin(lines, "\n");
}

}  // namespace

absl::StatusOr<LayoutFiles> MakeLayout(const Layout& layout) {
  LayoutFiles result;
  const std::string base = layout.base.empty() ? "" : absl::StrCat(layout.base, "/");
  for (const Root& root : RootsOf(layout)) {
    result.roots.push_back(root.path);
    const std::string folder = absl::StrCat(base, root.path, "/");
    absl::StatusOr<std::string> backend = BackendFile(layout, root);
    if (!backend.ok()) return base::Annotate(backend.status(), "/backend/config");
    result.files[folder + "backend.tf"] = *std::move(backend);
    PURSER_ASSIGN_OR_RETURN(result.files[folder + "providers.tf"], ProvidersFile(layout));
    PURSER_ASSIGN_OR_RETURN(result.files[folder + "main.tf"], MainFile(layout, root));
    if (!layout.workflow) continue;
    // GitHub reads workflows at the top of the repository only, wherever the roots stand.
    const std::string path = absl::StrCat(".github/workflows/terraform-", root.name, ".yaml");
    result.files[path] = WorkflowFile(layout, root, path);
  }
  return result;
}

}  // namespace purser::actions

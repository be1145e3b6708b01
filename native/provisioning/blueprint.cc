#include "provisioning/blueprint.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "document/yaml.h"
#include "provisioning/blueprint_check.h"
#include "provisioning/blueprint_schema.h"
#include "provisioning/expressions.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

workflow::StepDefinition ToStep(const json& text) {
  workflow::StepDefinition step;
  step.id = text.at("id");
  step.uses = text.at("uses");
  step.needs = text.value("needs", std::vector<std::string>());
  const json condition = text.value("if", json(""));
  step.condition = condition.is_boolean() ? (condition.get<bool>() ? "" : "${{ false }}")
                                          : condition.get<std::string>();
  step.with = text.value("with", json::object());
  // Checked before; the defaults stand for what the file leaves out.
  if (text.contains("timeout")) {
    absl::ParseDuration(text.at("timeout").get<std::string>(), &step.timeout);
  }
  const json retries = text.value("retries", json::object());
  step.retry.attempts = retries.value("attempts", step.retry.attempts);
  if (retries.contains("initialDelay")) {
    absl::ParseDuration(retries.at("initialDelay").get<std::string>(), &step.retry.initial);
  }
  if (retries.contains("maxDelay")) {
    absl::ParseDuration(retries.at("maxDelay").get<std::string>(), &step.retry.cap);
  }
  // An expression that reads a step's outputs needs that step, whether the file says so or not.
  const auto add_need = [&step](const std::string&, const Reference& reference) {
    if (reference.root != "steps" || reference.member.empty()) return;
    if (reference.member == step.id) return;
    if (std::find(step.needs.begin(), step.needs.end(), reference.member) == step.needs.end()) {
      step.needs.push_back(reference.member);
    }
  };
  const Visitor visitor{[](const std::string&, const absl::Status&) {}, add_need};
  Visit(step.with, "", visitor);
  Visit(json(step.condition), "", visitor);
  if (text.contains("resources")) Visit(text.at("resources"), "", visitor);
  return step;
}

absl::StatusOr<std::shared_ptr<const Blueprint>> Build(const json& document,
                                                       absl::string_view file) {
  const json& metadata = document.at("metadata");
  const json& spec = document.at("spec");
  PURSER_ASSIGN_OR_RETURN(
      purser::json::Schema parameters,
      purser::json::Schema::Compile(spec.value("parameters", json{{"type", "object"}})));
  const json approval = spec.value("approval", json::object());
  auto blueprint = std::make_shared<Blueprint>();
  blueprint->name = metadata.at("name");
  blueprint->title = metadata.value("title", blueprint->name);
  blueprint->description = metadata.value("description", "");
  blueprint->file = std::string(file);
  blueprint->body = catalog::Canonical(document);
  blueprint->hash = base::Sha256Hex(blueprint->body);
  blueprint->parameters = std::make_shared<const purser::json::Schema>(std::move(parameters));
  blueprint->owner = spec.value("owner", json());
  blueprint->approval_required = approval.value("required", false);
  blueprint->approval_message = approval.value("message", "");
  blueprint->outputs = spec.value("outputs", json::object());
  blueprint->entity = spec.value("entity", json());
  for (const json& step : spec.at("steps")) blueprint->steps.push_back(ToStep(step));
  for (const json& step : spec.at("steps")) {
    if (step.contains("resources")) {
      blueprint->step_resources.emplace(step.at("id").get<std::string>(), step.at("resources"));
    }
  }
  return blueprint;
}

absl::StatusOr<std::vector<std::string>> FilesOf(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end;
       at.increment(error)) {
    const std::string extension = at->path().extension().string();
    if (extension == ".yaml" || extension == ".yml") files.push_back(at->path().string());
  }
  if (error) {
    return base::ErrnoStatus(error.value(), absl::StrCat("blueprint folder ", folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const Blueprint>> ParseBlueprint(
    absl::string_view text, absl::string_view file, const connectors::Connectors& connectors) {
  document::Limits limits;
  limits.max_bytes = kMaxBlueprintBytes;
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(text, file, limits));
  PURSER_RETURN_IF_ERROR(CheckBlueprint(document, file, connectors));
  return Build(document.value, file);
}

absl::StatusOr<std::shared_ptr<const Blueprint>> BlueprintFromBody(absl::string_view body) {
  PURSER_ASSIGN_OR_RETURN(const json document, purser::json::Parse(body));
  // Bodies are written by this program; a newer one may have written fields unknown here.
  PURSER_ASSIGN_OR_RETURN(const purser::json::Schema schema,
                          purser::json::Schema::Compile(BlueprintSchema()));
  PURSER_RETURN_IF_ERROR(purser::json::ToStatus(schema.Validate(document), "stored blueprint"));
  return Build(document, "");
}

absl::StatusOr<Blueprints> LoadBlueprints(const std::vector<std::string>& folders,
                                          const connectors::Connectors& connectors) {
  Blueprints blueprints;
  std::vector<std::string> faults;
  for (const std::string& folder : folders) {
    const absl::StatusOr<std::vector<std::string>> files = FilesOf(folder);
    if (!files.ok()) {
      faults.emplace_back(files.status().message());
      continue;
    }
    for (const std::string& file : *files) {
      const absl::StatusOr<std::string> text = base::ReadFile(file, kMaxBlueprintBytes);
      if (!text.ok()) {
        faults.emplace_back(text.status().message());
        continue;
      }
      absl::StatusOr<std::shared_ptr<const Blueprint>> blueprint =
          ParseBlueprint(*text, file, connectors);
      if (!blueprint.ok()) {
        faults.emplace_back(blueprint.status().message());
        continue;
      }
      const auto [known, added] = blueprints.emplace((*blueprint)->name, *blueprint);
      if (!added) {
        faults.push_back(absl::StrCat(file, ":1:1: blueprint \"", (*blueprint)->name, "\" is in ",
                                      known->second->file, " as well"));
      }
    }
  }
  if (blueprints.size() > kMaxBlueprints) {
    faults.push_back(
        absl::StrCat(blueprints.size(), " blueprints; at most ", kMaxBlueprints, " are allowed"));
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  return blueprints;
}

}  // namespace purser::provisioning

#include "provisioning/blueprint.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "document/yaml.h"
#include "provisioning/blueprint_check.h"
#include "provisioning/blueprint_schema.h"
#include "provisioning/expressions.h"
#include "provisioning/waits.h"
#include "provisioning/yaml_folder.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

// Waits last for days more often than for minutes.
constexpr absl::string_view kWaitPrefix = "wait/";
// A removal is nobody's to give up early.
constexpr int kRemovalAttempts = 20;

absl::Duration DurationOf(const json& object, const char* key) {
  absl::Duration duration = absl::ZeroDuration();
  if (object.contains(key)) {
    // Checked before.
    absl::ParseDuration(object.at(key).get<std::string>(), &duration);
  }
  return duration;
}

Life ToLife(const json& text) {
  Life life;
  life.expires_after = text.value("expiresAfter", json());
  for (const std::string& reminder : text.value("reminders", std::vector<std::string>())) {
    absl::Duration before;
    if (absl::ParseDuration(reminder, &before)) life.reminders.push_back(before);
  }
  std::sort(life.reminders.rbegin(), life.reminders.rend());
  life.grace = DurationOf(text, "grace");
  life.suspend_when_over = text.value("then", "delete") == "suspend";
  life.renew_by = DurationOf(text, "renewBy");
  life.is_protected = text.value("protected", json(false));
  life.suspendable = text.value("suspendable", false);
  const json drift = text.value("drift", json::object());
  life.drift_every = DurationOf(drift, "every");
  life.repair_drift = drift.value("repair", false);
  return life;
}

Approval ToApproval(const json& text) {
  Approval approval;
  approval.count = text.value("required", text.contains("count")) ? text.value("count", 1) : 0;
  approval.four_eyes = text.value("fourEyes", false);
  approval.from = text.value("from", std::vector<std::string>());
  approval.message = text.value("message", "");
  return approval;
}

workflow::StepDefinition ToStep(const json& text) {
  workflow::StepDefinition step;
  step.id = text.at("id");
  step.uses = text.at("uses");
  step.needs = text.value("needs", std::vector<std::string>());
  const json condition = text.value("if", json(""));
  step.condition = condition.is_boolean() ? (condition.get<bool>() ? "" : "${{ false }}")
                                          : condition.get<std::string>();
  step.with = text.value("with", json::object());
  step.undo = !text.value("keep", false);
  if (absl::StartsWith(step.uses, kWaitPrefix)) step.timeout = kMaxStepTimeout;
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
  // An expression that reads a step's outputs needs that step, whether the file
  // says so or not.
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
  if (text.contains("each")) Visit(text.at("each"), "", visitor);
  if (text.contains("resources")) Visit(text.at("resources"), "", visitor);
  return step;
}

// Writes steps with `each` out: as many steps as there are items, and needs of
// all of them.
void WriteOut(const json& each, Blueprint& blueprint) {
  std::map<std::string, std::vector<std::string>> written;
  std::vector<workflow::StepDefinition> steps;
  for (workflow::StepDefinition& step : blueprint.steps) {
    if (!each.contains(step.id)) {
      steps.push_back(std::move(step));
      continue;
    }
    const std::string of = step.id;
    blueprint.groups.push_back(of);
    std::vector<std::string>& ids = written[of];
    const auto resources = blueprint.step_resources.find(of);
    for (const json& item : each.at(of)) {
      workflow::StepDefinition one = step;
      one.id = absl::StrCat(of, ".", ids.size());
      blueprint.items.emplace(one.id, Blueprint::Item{of, item, static_cast<int64_t>(ids.size())});
      if (resources != blueprint.step_resources.end()) {
        blueprint.step_resources.emplace(one.id, resources->second);
      }
      ids.push_back(one.id);
      steps.push_back(std::move(one));
    }
  }
  for (workflow::StepDefinition& step : steps) {
    std::vector<std::string> needs;
    for (const std::string& need : step.needs) {
      const auto group = written.find(need);
      if (group == written.end()) {
        needs.push_back(need);
      } else {
        needs.insert(needs.end(), group->second.begin(), group->second.end());
      }
    }
    step.needs = std::move(needs);
  }
  blueprint.steps = std::move(steps);
}

absl::StatusOr<std::shared_ptr<const Blueprint>> Build(const json& document, absl::string_view file,
                                                       Mode mode = Mode::kMake,
                                                       const json& each = json::object()) {
  const json& metadata = document.at("metadata");
  const json& spec = document.at("spec");
  PURSER_ASSIGN_OR_RETURN(
      purser::json::Schema parameters,
      purser::json::Schema::Compile(spec.value("parameters", json{{"type", "object"}})));
  auto blueprint = std::make_shared<Blueprint>();
  blueprint->name = metadata.at("name");
  blueprint->title = metadata.value("title", blueprint->name);
  blueprint->description = metadata.value("description", "");
  blueprint->file = std::string(file);
  blueprint->body = catalog::Canonical(document);
  blueprint->hash = base::Sha256Hex(blueprint->body);
  blueprint->parameters = std::make_shared<const purser::json::Schema>(std::move(parameters));
  blueprint->owner = spec.value("owner", json());
  blueprint->environment = spec.value("environment", json());
  blueprint->classification = spec.value("classification", json());
  blueprint->product = spec.value("product", blueprint->name);
  blueprint->approval = ToApproval(spec.value("approval", json::object()));
  blueprint->life = ToLife(spec.value("life", json::object()));
  blueprint->parallel = spec.value("parallel", 0);
  blueprint->mode = mode;
  blueprint->outputs = spec.value("outputs", json::object());
  blueprint->entity = spec.value("entity", json());
  for (const json& step : spec.at("steps")) blueprint->steps.push_back(ToStep(step));
  for (const json& step : spec.at("steps")) {
    if (step.contains("resources")) {
      blueprint->step_resources.emplace(step.at("id").get<std::string>(), step.at("resources"));
    }
  }
  WriteOut(each, *blueprint);
  for (const workflow::StepDefinition& step : blueprint->steps) {
    if (!step.undo) blueprint->keeps.insert(step.id);
  }
  if (mode != Mode::kMake) {
    for (workflow::StepDefinition& step : blueprint->steps) step.undo = false;
  }
  return blueprint;
}

// People may have a say in what is taken away: a pull request that deletes it waits for them.
constexpr absl::Duration kRemovalTimeout = absl::Hours(720);

absl::StatusOr<std::shared_ptr<const Blueprint>> BuildRemoval(const json& document) {
  auto blueprint = std::make_shared<Blueprint>();
  blueprint->name = document.value("name", "");
  blueprint->mode = Mode::kRemove;
  blueprint->outputs = json::object();
  for (const json& text : document.value("steps", json::array())) {
    workflow::StepDefinition step;
    step.id = text.at("id");
    step.uses = text.at("uses");
    step.with = json::object();
    step.undo = false;
    step.timeout = kRemovalTimeout;
    step.retry.attempts = kRemovalAttempts;
    if (!blueprint->steps.empty()) step.needs.push_back(blueprint->steps.back().id);
    blueprint->steps.push_back(std::move(step));
  }
  return blueprint;
}

constexpr std::array<absl::string_view, 4> kModes = {"make", "change", "adopt", "remove"};

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
  PURSER_ASSIGN_OR_RETURN(json document, purser::json::Parse(body));
  Mode mode = Mode::kMake;
  json each = json::object();
  if (document.contains("mode")) {
    const auto known = std::find(kModes.begin(), kModes.end(), document.value("mode", ""));
    if (known == kModes.end()) {
      return absl::DataLossError(
          "a stored definition has an unknown mode; is it of a newer purserd?");
    }
    mode = static_cast<Mode>(known - kModes.begin());
    if (mode == Mode::kRemove) {
      PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const Blueprint> removal,
                              BuildRemoval(document));
      auto hashed = std::make_shared<Blueprint>(*removal);
      hashed->body = std::string(body);
      hashed->hash = base::Sha256Hex(body);
      return hashed;
    }
    each = document.value("each", json::object());
    json inner = document.at("blueprint");
    document = std::move(inner);
  }
  // Bodies are written by this program; a newer one may have written fields
  // unknown here.
  PURSER_ASSIGN_OR_RETURN(const purser::json::Schema schema,
                          purser::json::Schema::Compile(BlueprintSchema()));
  PURSER_RETURN_IF_ERROR(purser::json::ToStatus(schema.Validate(document), "stored blueprint"));
  PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const Blueprint> built,
                          Build(document, "", mode, each));
  auto blueprint = std::make_shared<Blueprint>(*built);
  blueprint->body = std::string(body);
  blueprint->hash = base::Sha256Hex(body);
  return blueprint;
}

std::string DerivedBody(const Blueprint& blueprint, Mode mode, const json& each) {
  if (mode == Mode::kMake && each.empty()) return blueprint.body;
  return catalog::Canonical({{"mode", std::string(kModes[static_cast<size_t>(mode)])},
                             {"blueprint", json::parse(blueprint.body)},
                             {"each", each}});
}

std::string RemovalBody(absl::string_view name, const std::vector<RemovalStep>& steps) {
  json body = {{"mode", "remove"}, {"name", std::string(name)}, {"steps", json::array()}};
  for (const RemovalStep& step : steps) {
    body["steps"].push_back({{"id", step.id}, {"uses", step.uses}});
  }
  return catalog::Canonical(body);
}

absl::StatusOr<const connectors::Operation*> FindOperation(const connectors::Connectors& connectors,
                                                           absl::string_view uses) {
  if (absl::StartsWith(uses, kWaitPrefix)) {
    for (const connectors::Operation& operation : WaitOperations()) {
      if (operation.name == uses.substr(kWaitPrefix.size())) return &operation;
    }
    return absl::NotFoundError(absl::StrCat(
        "there is no \"", base::EscapeForDisplay(uses), "\"; there are: ",
        absl::StrJoin(WaitOperations(), ", ", [](std::string* out, const auto& operation) {
          absl::StrAppend(out, "wait/", operation.name);
        })));
  }
  PURSER_ASSIGN_OR_RETURN(const connectors::Resolved found, connectors::Resolve(connectors, uses));
  return found.operation;
}

absl::StatusOr<Blueprints> LoadBlueprints(const std::vector<std::string>& folders,
                                          const connectors::Connectors& connectors) {
  Blueprints blueprints;
  std::vector<std::string> faults;
  ForEachYaml(folders, "blueprint", kMaxBlueprintBytes, &faults,
              [&](const std::string& file, const std::string& text) {
                absl::StatusOr<std::shared_ptr<const Blueprint>> blueprint =
                    ParseBlueprint(text, file, connectors);
                if (!blueprint.ok()) {
                  faults.emplace_back(blueprint.status().message());
                  return;
                }
                const auto [known, added] = blueprints.emplace((*blueprint)->name, *blueprint);
                if (!added) {
                  faults.push_back(absl::StrCat(file, ":1:1: blueprint \"", (*blueprint)->name,
                                                "\" is in ", known->second->file, " as well"));
                }
              });
  if (blueprints.size() > kMaxBlueprints) {
    faults.push_back(
        absl::StrCat(blueprints.size(), " blueprints; at most ", kMaxBlueprints, " are allowed"));
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  return blueprints;
}

}  // namespace purser::provisioning

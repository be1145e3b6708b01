#include "provisioning/change_plan.h"

#include <utility>

#include "absl/status/statusor.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

// The input the step had in the run before; discarded: it was not called.
json InputBefore(ConnectorExecutor& executor, const workflow::RunView& before,
                 const std::string& id) {
  const workflow::StepDefinition* const step = before.definition->Find(id);
  if (step == nullptr || !before.outputs.contains(id)) return json(json::value_t::discarded);
  const absl::StatusOr<workflow::Prepared> prepared = executor.Prepare(before, *step);
  if (!prepared.ok() || prepared->skip) return json(json::value_t::discarded);
  return prepared->input;
}

}  // namespace

json Differences(const json& before, const json& after) {
  json changes = json::array();
  const json patch = json::diff(before, after);
  for (const json& operation : patch) {
    if (changes.size() >= kMaxShownChanges) break;
    const std::string path = operation.at("path");
    json change = {{"path", path}};
    const json::json_pointer at(path);
    if (operation.at("op") != "add" && before.contains(at)) change["from"] = before.at(at);
    if (operation.at("op") != "remove") change["to"] = operation.at("value");
    changes.push_back(std::move(change));
  }
  return changes;
}

json StepEffects(ConnectorExecutor& executor, const workflow::RunView& before,
                 const workflow::RunView& after) {
  json effects = json::array();
  for (const workflow::StepDefinition& step : after.definition->steps) {
    json effect = {{"step", step.id}};
    const absl::StatusOr<workflow::Prepared> prepared = executor.Prepare(after, step);
    const json was = InputBefore(executor, before, step.id);
    if (!prepared.ok()) {
      effect["effect"] = "unknown";
    } else if (prepared->skip) {
      effect["effect"] = "skipped";
    } else if (was.is_discarded()) {
      effect["effect"] = "new";
    } else if (was == prepared->input) {
      effect["effect"] = "same";
    } else {
      effect["effect"] = "changes";
      effect["paths"] = json::array();
      const json differences = Differences(was, prepared->input);
      for (const json& difference : differences) effect["paths"].push_back(difference.at("path"));
    }
    effects.push_back(std::move(effect));
  }
  return effects;
}

}  // namespace purser::provisioning

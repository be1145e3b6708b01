#include "provisioning/scripted_connector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

absl::StatusCode CodeOf(absl::string_view name) {
  for (int code = 1; code <= 16; ++code) {
    if (base::CodeName(static_cast<absl::StatusCode>(code)) == name) {
      return static_cast<absl::StatusCode>(code);
    }
  }
  return absl::StatusCode::kInternal;
}

}  // namespace

absl::StatusOr<connectors::CallResult> Script::Answer(absl::string_view effect_key,
                                                      const json& input) {
  // run/step/incarnation[/undo]
  const std::vector<std::string> key = absl::StrSplit(effect_key, '/');
  const std::string step = key.size() > 1 ? key[1] : "";
  base::MutexLock lock(mutex_);
  if (absl::EndsWith(effect_key, "/undo")) {
    undone_.push_back(step);
    return connectors::CallResult();
  }
  inputs_[step] = input;
  const size_t call = calls_[step]++;
  json answer = answers_.value(step, json::object());
  if (answer.is_array()) {
    json one = answer.empty() ? json::object() : answer[std::min(call, answer.size() - 1)];
    answer = std::move(one);
  }
  if (answer.contains("error")) {
    const json& error = answer["error"];
    return absl::Status(CodeOf(error.value("code", "INTERNAL")),
                        error.value("message", "the script says so"));
  }
  connectors::CallResult result;
  result.outputs = answer.value("outputs", json::object());
  for (const json& resource : answer.value("resources", json::array())) {
    result.resources.push_back({resource.value("id", ""), resource.value("type", ""),
                                resource.value("name", ""),
                                resource.value("attributes", json::object())});
  }
  return result;
}

std::map<std::string, json> Script::Inputs() {
  base::MutexLock lock(mutex_);
  return inputs_;
}

std::vector<std::string> Script::Undone() {
  base::MutexLock lock(mutex_);
  return undone_;
}

ScriptedConnector::ScriptedConnector(absl::string_view name,
                                     const std::map<std::string, std::string>& operations,
                                     Script& script)
    : name_(name), script_(script) {
  for (const auto& [operation_name, undo] : operations) {
    connectors::Operation operation;
    operation.name = operation_name;
    operation.call_class = connectors::CallClass::kPut;
    operation.input_schema = {{"type", "object"}};
    operation.output_schema = {{"type", "object"}};
    operation.compensation = undo;
    operations_.push_back(std::move(operation));
  }
}

absl::StatusOr<connectors::CallResult> ScriptedConnector::Call(absl::string_view, const json& input,
                                                               connectors::CallContext& context) {
  return script_.Answer(context.effect_key(), input);
}

}  // namespace purser::provisioning

#include "connectors/core/core_connector.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using nlohmann::json;

constexpr double kMaxWaitSeconds = 90.0 * 24 * 3600;

std::vector<Operation> Operations() {
  std::vector<Operation> operations(2);
  operations[0].name = "noop";
  operations[0].description = "Does nothing; its outputs are its input.";
  operations[0].call_class = CallClass::kPut;
  operations[0].input_schema = {{"type", "object"}};
  operations[0].output_schema = {{"type", "object"}};
  operations[1].name = "wait";
  operations[1].description = "Is ready after `seconds`, counted from its first call.";
  operations[1].call_class = CallClass::kPut;
  operations[1].input_schema = {{"type", "object"},
                                {"required", {"seconds"}},
                                {"additionalProperties", false},
                                {"properties",
                                 {{"seconds",
                                   {{"type", "number"},
                                    {"minimum", 0},
                                    {"maximum", kMaxWaitSeconds},
                                    {"description", "how long to wait"}}}}}};
  operations[1].output_schema = {
      {"type", "object"},
      {"properties",
       {{"until",
         {{"type", "string"}, {"format", "date-time"}, {"examples", {"2026-01-31T12:00:00Z"}}}}}}};
  return operations;
}

CallResult Look(absl::Time until, absl::Time now) {
  CallResult result;
  const std::string text = absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", until, absl::UTCTimeZone());
  result.outputs = {{"until", text}};
  result.ready = now >= until;
  if (!result.ready) {
    result.poll_after = until - now;
    result.progress = absl::StrCat("waits until ", text);
  }
  return result;
}

}  // namespace

const json& CoreConnector::ConfigSchema() {
  static const auto& schema = *new json{
      {"type", "object"}, {"properties", json::object()}, {"additionalProperties", false}};
  return schema;
}

absl::StatusOr<std::unique_ptr<Connector>> CoreConnector::FromConfig(
    absl::string_view name, const json& config, const ConnectorDependencies& dependencies) {
  PURSER_ASSIGN_OR_RETURN(const purser::json::Schema schema,
                          purser::json::Schema::Compile(ConfigSchema()));
  PURSER_RETURN_IF_ERROR(
      purser::json::ToStatus(schema.Validate(config), absl::StrCat("connector ", name)));
  return std::make_unique<CoreConnector>(name, dependencies.clock);
}

CoreConnector::CoreConnector(absl::string_view name, base::Clock& clock)
    : name_(name), operations_(Operations()), clock_(clock) {}

absl::StatusOr<CallResult> CoreConnector::Call(absl::string_view operation, const json& input,
                                               CallContext&) {
  if (operation == "noop") {
    CallResult result;
    result.outputs = input;
    return result;
  }
  if (operation == "wait") {
    const absl::Time now = clock_.Now();
    return Look(now + absl::Seconds(input.at("seconds").get<double>()), now);
  }
  return absl::NotFoundError(absl::StrCat(name_, " has no operation ", operation));
}

absl::StatusOr<CallResult> CoreConnector::Observe(absl::string_view operation, const json&,
                                                  const CallResult& previous, CallContext&) {
  absl::Time until;
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, previous.outputs.value("until", ""), &until, &error)) {
    return absl::InternalError(absl::StrCat(name_, "/", operation, ": ", error));
  }
  return Look(until, clock_.Now());
}

}  // namespace purser::connectors

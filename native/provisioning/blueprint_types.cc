#include "provisioning/blueprint_types.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "json/fields.h"
#include "provisioning/blueprint.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

constexpr char kIs[] = ", is ";

bool IsWord(const std::string& text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](unsigned char letter) {
    return absl::ascii_isalnum(letter) || letter == '_';
  });
}

// Some value of a type of JSON Schema's; discarded for other names.
json SampleOf(absl::string_view type) {
  if (type == "string") return "";
  if (type == "boolean") return false;
  if (type == "array") return json::array();
  if (type == "object") return json::object();
  // A whole number is a number, and a number may be whole.
  if (type == "integer" || type == "number") return 0;
  return json::value_t::discarded;
}

// The type that `path` (parameters.size, steps.db.outputs.host) is declared with; "" when it is not
// known.
std::string DeclaredType(const std::vector<std::string>& path, const json& spec,
                         bool open_parameters, const connectors::Connectors& connectors) {
  const auto text = [](const json* type) {
    return type != nullptr && type->is_string() ? type->get<std::string>() : std::string();
  };
  if (path.size() == 2 && path[0] == "parameters" && !open_parameters) {
    return text(purser::json::ValueAt(spec, {"parameters", "properties", path[1], "type"}));
  }
  if (path.size() != 4 || path[0] != "steps" || path[2] != "outputs") return "";
  for (const json& giver : spec.at("steps")) {
    if (giver.at("id") != path[1]) continue;
    // A list of outputs; or one that the step itself names.
    if (giver.contains("each") ||
        purser::json::ValueAt(giver, {"with", "outputs", path[3]}) != nullptr) {
      return "";
    }
    const absl::StatusOr<const connectors::Operation*> operation =
        FindOperation(connectors, giver.at("uses").get<std::string>());
    if (!operation.ok()) return "";
    return text(
        purser::json::ValueAt((*operation)->output_schema, {"properties", path[3], "type"}));
  }
  return "";
}

}  // namespace

std::vector<purser::json::Violation> TypeFaults(const json& spec, bool open_parameters,
                                                const connectors::Connectors& connectors,
                                                const json& input,
                                                const purser::json::Schema& schema) {
  std::map<std::string, std::string> sources;  // pointer in the input → what stands there
  json typed = input;
  const json leaves = input.flatten();
  for (const auto& [pointer, leaf] : leaves.items()) {
    if (!leaf.is_string()) continue;
    absl::string_view text = leaf.get_ref<const std::string&>();
    if (!absl::ConsumePrefix(&text, "${{") || !absl::ConsumeSuffix(&text, "}}")) continue;
    const std::string source(absl::StripAsciiWhitespace(text));
    const std::vector<std::string> path = absl::StrSplit(source, '.');
    if (!std::all_of(path.begin(), path.end(), IsWord)) continue;
    json sample = SampleOf(DeclaredType(path, spec, open_parameters, connectors));
    if (sample.is_discarded()) continue;
    typed[json::json_pointer(pointer)] = std::move(sample);
    sources.emplace(pointer, source);
  }
  std::vector<purser::json::Violation> faults;
  if (sources.empty()) return faults;
  for (const purser::json::Violation& violation : schema.Validate(typed)) {
    const auto found = sources.find(violation.pointer);
    // The sample may break rules that the value will not; its type is all that is known.
    const size_t is = violation.message.find(kIs);
    if (found == sources.end() || is == std::string::npos ||
        SampleOf(absl::string_view(violation.message).substr(is + sizeof(kIs) - 1))
            .is_discarded()) {
      continue;
    }
    faults.push_back(
        {violation.pointer, absl::StrCat(violation.message.substr(0, is), ", but ", found->second,
                                         violation.message.substr(is + 1))});
  }
  return faults;
}

}  // namespace purser::provisioning

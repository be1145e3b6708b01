#include "connectors/input_check.h"

#include <cassert>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::connectors {

InputCheck::InputCheck(const std::vector<Operation>& operations) {
  for (const Operation& operation : operations) {
    absl::StatusOr<json::Schema> schema = json::Schema::Compile(operation.input_schema);
    assert(schema.ok() && "an operation's input_schema is wrong");
    if (schema.ok()) schemas_.emplace(operation.name, *std::move(schema));
  }
}

absl::StatusOr<nlohmann::json> InputCheck::Check(absl::string_view connector,
                                                 absl::string_view operation,
                                                 const nlohmann::json& input) const {
  const auto schema = schemas_.find(base::ToStd(operation));
  if (schema == schemas_.end()) {
    return absl::NotFoundError(absl::StrCat("connector ", connector, " has no operation \"",
                                            base::EscapeForDisplay(operation), "\""));
  }
  nlohmann::json completed = schema->second.WithDefaults(input);
  PURSER_RETURN_IF_ERROR(json::ToStatus(schema->second.Validate(completed),
                                        absl::StrCat("input of ", connector, "/", operation)));
  return completed;
}

absl::StatusOr<nlohmann::json> CheckConfig(absl::string_view connector,
                                           const nlohmann::json& schema,
                                           const nlohmann::json& config) {
  PURSER_ASSIGN_OR_RETURN(const json::Schema compiled, json::Schema::Compile(schema));
  nlohmann::json completed = compiled.WithDefaults(config);
  PURSER_RETURN_IF_ERROR(
      json::ToStatus(compiled.Validate(completed), absl::StrCat("connector ", connector)));
  return completed;
}

}  // namespace purser::connectors

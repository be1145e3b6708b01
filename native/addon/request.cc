#include "addon/request.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"

namespace purser::addon {

absl::StatusOr<nlohmann::json> ParseRequest(absl::string_view text) {
  json::Limits limits;
  limits.max_bytes = kMaxRequestBytes;
  absl::StatusOr<nlohmann::json> fields = json::Parse(text, limits);
  if (!fields.ok()) return base::Annotate(fields.status(), "request");
  if (!fields->is_object()) return absl::InvalidArgumentError("request: not a JSON object");
  return fields;
}

absl::StatusOr<nlohmann::json> TakeField(nlohmann::json& fields, absl::string_view name,
                                         nlohmann::json::value_t type) {
  const auto found = fields.find(std::string(name));
  if (found == fields.end() || found->is_null()) {
    if (found != fields.end()) fields.erase(found);
    return nlohmann::json(type);
  }
  if (found->type() != type) {
    return absl::InvalidArgumentError(absl::StrCat("request: ", name, " must be ",
                                                   nlohmann::json(type).type_name(), ", not ",
                                                   found->type_name()));
  }
  nlohmann::json value = std::move(*found);
  fields.erase(found);
  return value;
}

absl::StatusOr<std::string> TakeString(nlohmann::json& fields, absl::string_view name) {
  PURSER_ASSIGN_OR_RETURN(nlohmann::json value,
                          TakeField(fields, name, nlohmann::json::value_t::string));
  return std::move(value.get_ref<std::string&>());
}

absl::StatusOr<bool> TakeBool(nlohmann::json& fields, absl::string_view name) {
  PURSER_ASSIGN_OR_RETURN(nlohmann::json value,
                          TakeField(fields, name, nlohmann::json::value_t::boolean));
  return value.get<bool>();
}

absl::StatusOr<std::map<std::string, std::string>> TakeSecrets(nlohmann::json& fields) {
  PURSER_ASSIGN_OR_RETURN(nlohmann::json values,
                          TakeField(fields, "secrets", nlohmann::json::value_t::object));
  std::map<std::string, std::string> secrets;
  for (auto& [name, value] : values.items()) {
    if (!value.is_string()) {
      return absl::InvalidArgumentError(
          absl::StrCat("request: secrets.", base::EscapeForDisplay(name), " must be a string"));
    }
    secrets.emplace(name, std::move(value.get_ref<std::string&>()));
  }
  return secrets;
}

absl::Status NoMoreFields(const nlohmann::json& fields) {
  if (fields.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "request: unknown field '", base::EscapeForDisplay(fields.items().begin().key()), "'"));
}

}  // namespace purser::addon

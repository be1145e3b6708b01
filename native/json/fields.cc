#include "json/fields.h"

#include "nlohmann/json.hpp"

namespace purser::json {

const nlohmann::json* ValueAt(const nlohmann::json& value,
                              std::initializer_list<absl::string_view> path) {
  const nlohmann::json* at = &value;
  for (const absl::string_view member : path) {
    if (!at->is_object()) return nullptr;
    const auto found = at->find(std::string(member));
    if (found == at->end()) return nullptr;
    at = &*found;
  }
  return at;
}

std::string TextAt(const nlohmann::json& value, std::initializer_list<absl::string_view> path) {
  const nlohmann::json* const found = ValueAt(value, path);
  return found != nullptr && found->is_string() ? found->get<std::string>() : "";
}

std::string TextAt(const nlohmann::json& value, absl::string_view member) {
  if (!value.is_object()) return "";
  const auto found = value.find(std::string(member));
  return found != value.end() && found->is_string() ? found->get<std::string>() : "";
}

}  // namespace purser::json

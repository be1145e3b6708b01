// The requests that JavaScript hands over: one JSON object, its fields taken one by one.
#ifndef PURSER_ADDON_REQUEST_H_
#define PURSER_ADDON_REQUEST_H_

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace purser::addon {

inline constexpr int64_t kMaxRequestBytes = 64 << 20;

// INVALID_ARGUMENT unless `text` is a JSON object; RESOURCE_EXHAUSTED above kMaxRequestBytes.
absl::StatusOr<nlohmann::json> ParseRequest(absl::string_view text);

// Each removes the field. A missing or null one gives the empty value of its type ({} for objects);
// one of another type is INVALID_ARGUMENT.
absl::StatusOr<nlohmann::json> TakeField(nlohmann::json& fields, absl::string_view name,
                                         nlohmann::json::value_t type);
absl::StatusOr<std::string> TakeString(nlohmann::json& fields, absl::string_view name);
absl::StatusOr<bool> TakeBool(nlohmann::json& fields, absl::string_view name);
// Field "secrets": an object whose values are strings. Errors name the key only.
absl::StatusOr<std::map<std::string, std::string>> TakeSecrets(nlohmann::json& fields);

// INVALID_ARGUMENT that names what nobody took: a misspelled field would be silently without
// effect.
absl::Status NoMoreFields(const nlohmann::json& fields);

}  // namespace purser::addon

#endif  // PURSER_ADDON_REQUEST_H_

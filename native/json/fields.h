// Reading members of JSON values that others made, where any of them may be missing or of another
// type.
#ifndef PURSER_JSON_FIELDS_H_
#define PURSER_JSON_FIELDS_H_

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::json {

// What stands at the end of `path`, member after member; nullptr when a member is missing or stands
// in no object.
const nlohmann::json* ValueAt(const nlohmann::json& value,
                              std::initializer_list<absl::string_view> path);

// The text there, "" when there is none.
std::string TextAt(const nlohmann::json& value, std::initializer_list<absl::string_view> path);
std::string TextAt(const nlohmann::json& value, absl::string_view member);

}  // namespace purser::json

#endif  // PURSER_JSON_FIELDS_H_

// JSON that stands in the program's own text: schemas, above all.
#ifndef PURSER_JSON_LITERAL_H_
#define PURSER_JSON_LITERAL_H_

#include "absl/strings/string_view.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::json {

// A text that is no JSON is a programming error and asserts.
nlohmann::json Literal(absl::string_view text);

}  // namespace purser::json

#endif  // PURSER_JSON_LITERAL_H_

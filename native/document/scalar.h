// Plain scalars of YAML's 1.2 core schema; shared by the reader and the writer.
#ifndef PURSER_DOCUMENT_SCALAR_H_
#define PURSER_DOCUMENT_SCALAR_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace purser::document {

// What a plain (unquoted) scalar means: null, a boolean, a number or the string itself.
// INVALID_ARGUMENT for what JSON has no value for (.inf, .nan) and numbers beyond a double.
absl::StatusOr<nlohmann::json> ResolvePlain(absl::string_view text);

// True when some YAML reader, 1.1 or 1.2, could take the plain text for something other than this
// very string, so that a writer must quote it.
bool NeedsQuotes(absl::string_view text);

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_SCALAR_H_

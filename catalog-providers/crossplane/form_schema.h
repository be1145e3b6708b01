// From the schema of a definition (OpenAPI 3 as Kubernetes has it) to that of a form (JSON Schema
// as Backstage's scaffolder shows it).
#ifndef PURSER_CATALOG_PROVIDERS_CROSSPLANE_FORM_SCHEMA_H_
#define PURSER_CATALOG_PROVIDERS_CROSSPLANE_FORM_SCHEMA_H_

#include <string>

#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace purser::catalog_providers {

inline constexpr int kMaxFormDepth = 12;            // of objects inside each other
inline constexpr size_t kMaxFormFields = 500;       // of one form; the rest is left out
inline constexpr size_t kMaxFormTextBytes = 2'000;  // of a description

// Keeps types, titles, descriptions, enums, defaults, limits, patterns, required and nested objects
// and lists. What a form cannot show (free objects) becomes a map of texts; beyond the limits
// fields are left out, and `*left_out` counts them.
nlohmann::json FormSchema(const nlohmann::json& schema, int64_t* left_out);

// "storageGB" → "Storage GB", "max-size" → "Max size".
std::string TitleOf(absl::string_view field);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_CROSSPLANE_FORM_SCHEMA_H_

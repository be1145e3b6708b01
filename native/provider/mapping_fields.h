// Which members of a variable the text of an expression speaks of.
#ifndef PURSER_PROVIDER_MAPPING_FIELDS_H_
#define PURSER_PROVIDER_MAPPING_FIELDS_H_

#include <set>

#include "absl/strings/string_view.h"
#include "provider/mapping.h"

namespace purser::provider {

// Adds the members of the variable `name` that `text` reads; an empty path for the variable as a
// whole. Reads the text, not its syntax tree: what it takes for a use and is none (a word in a
// string) only makes the answer wider.
void AddFields(absl::string_view text, absl::string_view name, std::set<FieldPath>* fields);

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_MAPPING_FIELDS_H_

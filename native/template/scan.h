// Looking through template text at the memory's speed.
#ifndef PURSER_TEMPLATE_SCAN_H_
#define PURSER_TEMPLATE_SCAN_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace purser::tmpl {

// The first place at or behind `from` of "{%", "{#", "{{" or "#}"; npos when there is none.
size_t FindMark(absl::string_view text, size_t from);

// Whether a text holds no tag, nor a "#}" (which alone is an error), so that it renders to itself.
// `variable_start` is what opens an interpolation.
bool HoldsNoTag(absl::string_view text, absl::string_view variable_start);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_SCAN_H_

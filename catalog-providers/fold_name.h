// Names as people read them, so that one that only looks like another is told.
#ifndef PURSER_CATALOG_PROVIDERS_FOLD_NAME_H_
#define PURSER_CATALOG_PROVIDERS_FOLD_NAME_H_

#include <string>

#include "absl/strings/string_view.h"

namespace purser::catalog_providers {

// For comparing: lower case, letters and digits only, look-alikes of letters that are common in
// spoofing (0, 1, and the Cyrillic and Greek twins) folded. '*' stays when `pattern`.
std::string FoldName(absl::string_view name, bool pattern = false);

}  // namespace purser::catalog_providers

#endif  // PURSER_CATALOG_PROVIDERS_FOLD_NAME_H_

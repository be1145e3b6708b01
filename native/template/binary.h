// Telling text from other files, as Backstage's fetch actions do.
#ifndef PURSER_TEMPLATE_BINARY_H_
#define PURSER_TEMPLATE_BINARY_H_

#include "absl/strings/string_view.h"

namespace purser::tmpl {

// All of a file that IsBinary looks at.
inline constexpr size_t kBinaryHeadBytes = 515;

// Looks at the first 512 bytes, and at three more, so that a character at the border is seen whole:
// a byte order mark means text; a NUL, a PDF's mark, more than 10 % bytes that no text has, or what
// reads as protocol buffer fields means binary.
bool IsBinary(absl::string_view bytes);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_BINARY_H_

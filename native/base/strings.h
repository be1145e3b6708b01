// Conversions between absl::string_view and std::string_view.
//
// Debian's Abseil keeps its own string_view, so neither converts to the other. These two functions
// compile against an Abseil that aliases std as well.
#ifndef PURSER_BASE_STRINGS_H_
#define PURSER_BASE_STRINGS_H_

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace purser::base {

inline std::string_view ToStd(absl::string_view text) { return {text.data(), text.size()}; }
inline absl::string_view ToAbsl(std::string_view text) { return {text.data(), text.size()}; }

// True when the bytes are well-formed UTF-8 (no overlong forms, no surrogates, ≤ U+10FFFF).
bool IsValidUtf8(absl::string_view text);

// For messages and logs: control characters, and the bidirectional controls that could reorder a
// line on a screen, become \uXXXX; longer texts are cut at `max_bytes` (on a character border) with
// "…" behind. Invalid bytes become \xXX.
std::string EscapeForDisplay(absl::string_view text, size_t max_bytes = 200);

}  // namespace purser::base

#endif  // PURSER_BASE_STRINGS_H_

// JavaScript's strings over UTF-8 storage.
//
// A string is kept as UTF-8 with one liberty: half of a surrogate pair, which JavaScript code can
// cut off, is kept as its three-byte form ("WTF-8"), never as a pair of two such forms. Index,
// length and order are those of UTF-16 code units. Output turns lone halves into U+FFFD, as Node
// does when it writes a file.
#ifndef PURSER_TEMPLATE_UNICODE_H_
#define PURSER_TEMPLATE_UNICODE_H_

#include <string>
#include <string_view>

#include "absl/strings/string_view.h"

namespace purser::tmpl {

bool IsAscii(absl::string_view text);

// Conversions between storage and code units. Any sequence of units is valid.
std::u16string ToUtf16(absl::string_view text);
std::string FromUtf16(std::u16string_view units);
size_t Utf16Length(absl::string_view text);

// out += tail, joining two surrogate halves that meet at the seam.
void AppendHalf(std::string& out, absl::string_view tail);
inline void AppendJoined(std::string& out, absl::string_view tail) {
  // Only halves, and a few letters, begin with this byte.
  if (!tail.empty() && static_cast<unsigned char>(tail[0]) == 0xed) return AppendHalf(out, tail);
  out.append(tail.data(), tail.size());
}

// Lone halves become U+FFFD.
void ReplaceLoneSurrogates(std::string& text);

// Decodes bytes as Node's 'utf-8' does: each maximal invalid part becomes U+FFFD.
std::string DecodeUtf8(absl::string_view bytes);

// Order by code units: negative, 0, positive.
int CompareUtf16(absl::string_view a, absl::string_view b);

std::string ToLowerCase(absl::string_view text);
std::string ToUpperCase(absl::string_view text);
// One unit, for case-insensitive matching; 0 when it maps to several.
char16_t UpperUnit(char16_t unit);
char16_t LowerUnit(char16_t unit);

// White space and line ends, as String.prototype.trim and \s know them.
bool IsJsSpace(char32_t code_point);
absl::string_view TrimStart(absl::string_view text);
absl::string_view TrimEnd(absl::string_view text);

inline bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsAsciiLetter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
inline bool IsWordByte(char c) { return IsAsciiLetter(c) || IsAsciiDigit(c) || c == '_'; }

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_UNICODE_H_

#include "base/strings.h"

#include <cstdint>
#include <cstring>

#include "absl/strings/str_format.h"

namespace purser::base {
namespace {

struct Decoded {
  uint32_t code_point;
  size_t length;  // 0: the bytes are not UTF-8
};

// Table 3-7 of the Unicode Standard: which second bytes are well-formed.
Decoded DecodeOne(absl::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  const unsigned char first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first >= 0xC2 && first <= 0xDF && tail(1)) {
    return {static_cast<uint32_t>((first & 0x1F) << 6 | (byte(1) & 0x3F)), 2};
  }
  if (first >= 0xE0 && first <= 0xEF && tail(1) && tail(2)) {
    const uint32_t point = (first & 0x0Fu) << 12 | (byte(1) & 0x3Fu) << 6 | (byte(2) & 0x3Fu);
    if (point >= 0x800 && (point < 0xD800 || point > 0xDFFF)) return {point, 3};
  }
  if (first >= 0xF0 && first <= 0xF4 && tail(1) && tail(2) && tail(3)) {
    const uint32_t point = (first & 0x07u) << 18 | (byte(1) & 0x3Fu) << 12 |
                           (byte(2) & 0x3Fu) << 6 | (byte(3) & 0x3Fu);
    if (point >= 0x10000 && point <= 0x10FFFF) return {point, 4};
  }
  return {0, 0};
}

bool MayMisleadAScreen(uint32_t point) {
  return point < 0x20 || (point >= 0x7F && point < 0xA0) || (point >= 0x200E && point <= 0x200F) ||
         (point >= 0x2028 && point <= 0x202E) || (point >= 0x2066 && point <= 0x2069);
}

}  // namespace

bool IsValidUtf8(absl::string_view text) {
  while (!text.empty()) {
    // Most texts are ASCII: eight bytes at a time while they are.
    uint64_t word = 0;
    while (text.size() >= sizeof(word)) {
      std::memcpy(&word, text.data(), sizeof(word));
      if ((word & 0x8080808080808080u) != 0) break;
      text.remove_prefix(sizeof(word));
    }
    if (text.empty()) break;
    const Decoded decoded = DecodeOne(text);
    if (decoded.length == 0) return false;
    text.remove_prefix(decoded.length);
  }
  return true;
}

std::string EscapeForDisplay(absl::string_view text, size_t max_bytes) {
  std::string out;
  while (!text.empty()) {
    const Decoded decoded = DecodeOne(text);
    std::string piece;
    if (decoded.length == 0) {
      piece = absl::StrFormat("\\x%02X", static_cast<unsigned char>(text[0]));
      text.remove_prefix(1);
    } else {
      piece = MayMisleadAScreen(decoded.code_point) ? absl::StrFormat("\\u%04X", decoded.code_point)
                                                    : std::string(text.substr(0, decoded.length));
      text.remove_prefix(decoded.length);
    }
    if (out.size() + piece.size() > max_bytes) return out + "…";
    out += piece;
  }
  return out;
}

}  // namespace purser::base

#include "catalog-providers/fold_name.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace purser::catalog_providers {
namespace {

// Twins of Latin letters, as they look in lower case.
struct Twin {
  const char* bytes;
  char letter;
};
constexpr Twin kTwins[] = {
    {"а", 'a'}, {"А", 'a'}, {"В", 'b'}, {"с", 'c'}, {"С", 'c'}, {"ԁ", 'd'}, {"е", 'e'}, {"Е", 'e'},
    {"ё", 'e'}, {"Н", 'h'}, {"і", 'i'}, {"І", 'i'}, {"ј", 'j'}, {"К", 'k'}, {"к", 'k'}, {"М", 'm'},
    {"м", 'm'}, {"о", 'o'}, {"О", 'o'}, {"р", 'p'}, {"Р", 'p'}, {"ѕ", 's'}, {"Т", 't'}, {"т", 't'},
    {"у", 'y'}, {"У", 'y'}, {"х", 'x'}, {"Х", 'x'}, {"α", 'a'}, {"Α", 'a'}, {"Β", 'b'}, {"ε", 'e'},
    {"Ε", 'e'}, {"Η", 'h'}, {"ι", 'i'}, {"Ι", 'i'}, {"Κ", 'k'}, {"κ", 'k'}, {"Μ", 'm'}, {"Ν", 'n'},
    {"ο", 'o'}, {"Ο", 'o'}, {"ρ", 'p'}, {"Ρ", 'p'}, {"Τ", 't'}, {"τ", 't'}, {"υ", 'u'}, {"Χ", 'x'},
    {"Υ", 'y'}, {"Ζ", 'z'}, {"ı", 'i'}, {"ⅼ", 'i'},
};

}  // namespace

std::string FoldName(absl::string_view name, bool pattern) {
  std::string folded;
  for (size_t at = 0; at < name.size();) {
    const auto byte = static_cast<unsigned char>(name[at]);
    if (byte < 0x80) {
      char c = absl::ascii_tolower(byte);
      // l, I, 1 and | look alike, as O and 0 do.
      if (c == 'l' || c == '1' || c == '|') c = 'i';
      if (c == '0') c = 'o';
      if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || (pattern && c == '*')) {
        folded.push_back(c);
      }
      ++at;
      continue;
    }
    size_t length = 1;
    while (at + length < name.size() &&
           (static_cast<unsigned char>(name[at + length]) & 0xC0) == 0x80) {
      ++length;
    }
    const absl::string_view character = name.substr(at, length);
    // Full-width forms of ASCII, U+FF01 to U+FF5E.
    if (length == 3 && byte == 0xEF) {
      const int code = (static_cast<unsigned char>(name[at + 1]) & 0x3F) << 6 |
                       (static_cast<unsigned char>(name[at + 2]) & 0x3F);
      if (code >= 0xF01 && code <= 0xF5E) {
        const char plain = static_cast<char>(code - 0xF01 + '!');
        absl::StrAppend(&folded, FoldName(absl::string_view(&plain, 1)));
        at += length;
        continue;
      }
    }
    const auto* const twin =
        std::find_if(std::begin(kTwins), std::end(kTwins),
                     [&](const Twin& item) { return character == item.bytes; });
    if (twin != std::end(kTwins)) {
      folded.push_back(twin->letter);
    } else if (!(length == 3 && (byte == 0xE2 || byte == 0xEF)) && character != "\xC2\xAD") {
      // General punctuation holds zero-width and bidirectional characters, which nobody sees.
      absl::StrAppend(&folded, character);
    }
    at += length;
  }
  return folded;
}

}  // namespace purser::catalog_providers

#include "template/unicode.h"

#include <algorithm>
#include <cstring>

#include "template/unicode_tables.h"

namespace purser::tmpl {
namespace {

bool IsHigh(char32_t c) { return c >= 0xd800 && c <= 0xdbff; }
bool IsLow(char32_t c) { return c >= 0xdc00 && c <= 0xdfff; }

void AppendCodePoint(std::string& out, char32_t c) {
  if (c < 0x80) {
    out.push_back(static_cast<char>(c));
  } else if (c < 0x800) {
    out.push_back(static_cast<char>(0xc0 | (c >> 6)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else if (c < 0x10000) {
    out.push_back(static_cast<char>(0xe0 | (c >> 12)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  } else {
    out.push_back(static_cast<char>(0xf0 | (c >> 18)));
    out.push_back(static_cast<char>(0x80 | ((c >> 12) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | ((c >> 6) & 0x3f)));
    out.push_back(static_cast<char>(0x80 | (c & 0x3f)));
  }
}

// Reads one code point of stored text (which is well formed but for lone halves).
char32_t Next(absl::string_view text, size_t& at) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const uint32_t lead = byte(at);
  if (lead < 0x80) {
    ++at;
    return lead;
  }
  if (lead < 0xe0) {
    const char32_t c = ((lead & 0x1f) << 6) | (byte(at + 1) & 0x3f);
    at += 2;
    return c;
  }
  if (lead < 0xf0) {
    const char32_t c = ((lead & 0x0f) << 12) | ((byte(at + 1) & 0x3f) << 6) | (byte(at + 2) & 0x3f);
    at += 3;
    return c;
  }
  const char32_t c = ((lead & 0x07) << 18) | ((byte(at + 1) & 0x3f) << 12) |
                     ((byte(at + 2) & 0x3f) << 6) | (byte(at + 3) & 0x3f);
  at += 4;
  return c;
}

void AppendUnits(std::u16string& out, char32_t c) {
  if (c < 0x10000) {
    out.push_back(static_cast<char16_t>(c));
  } else {
    out.push_back(static_cast<char16_t>(0xd800 + ((c - 0x10000) >> 10)));
    out.push_back(static_cast<char16_t>(0xdc00 + ((c - 0x10000) & 0x3ff)));
  }
}

char32_t MapByRuns(const CaseRun* runs, size_t count, char32_t c) {
  const CaseRun* found = std::upper_bound(
      runs, runs + count, c, [](char32_t value, const CaseRun& run) { return value < run.first; });
  if (found == runs) return c;
  --found;
  if (c > found->last || (c - found->first) % found->step != 0) return c;
  return static_cast<char32_t>(static_cast<int64_t>(c) + found->delta);
}

const CaseSpecial* FindSpecial(const CaseSpecial* specials, size_t count, char32_t c) {
  const CaseSpecial* found =
      std::lower_bound(specials, specials + count, c,
                       [](const CaseSpecial& s, char32_t value) { return s.code_point < value; });
  return found != specials + count && found->code_point == c ? found : nullptr;
}

bool InRanges(const CodePointRange* ranges, size_t count, char32_t c) {
  const CodePointRange* found =
      std::upper_bound(ranges, ranges + count, c,
                       [](char32_t value, const CodePointRange& r) { return value < r.first; });
  return found != ranges && c <= (found - 1)->last;
}

char32_t LowerOf(char32_t c) {
  if (c < 0x80) return c >= 'A' && c <= 'Z' ? c + 32 : c;
  return MapByRuns(kLowerRuns, kLowerRunsCount, c);
}

char32_t UpperOf(char32_t c) {
  if (c < 0x80) return c >= 'a' && c <= 'z' ? c - 32 : c;
  return MapByRuns(kUpperRuns, kUpperRunsCount, c);
}

std::u32string CodePoints(absl::string_view text) {
  std::u32string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) out.push_back(Next(text, at));
  return out;
}

bool IsCased(char32_t c) { return InRanges(kCased, kCasedCount, c); }
bool IsCaseIgnorable(char32_t c) { return InRanges(kCaseIgnorable, kCaseIgnorableCount, c); }

// Unicode's Final_Sigma: a cased letter before, none behind, marks skipped.
bool IsFinalSigma(const std::u32string& text, size_t at) {
  size_t i = at;
  while (i > 0 && IsCaseIgnorable(text[i - 1])) --i;
  if (i == 0 || !IsCased(text[i - 1])) return false;
  i = at + 1;
  while (i < text.size() && IsCaseIgnorable(text[i])) ++i;
  return i == text.size() || !IsCased(text[i]);
}

}  // namespace

bool IsAscii(absl::string_view text) {
  size_t i = 0;
  for (; i + 64 <= text.size(); i += 64) {
    uint64_t words[8];
    std::memcpy(words, text.data() + i, 64);
    uint64_t all = 0;
    for (const uint64_t word : words) all |= word;
    if (all & 0x8080808080808080u) return false;
  }
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    if (word & 0x8080808080808080u) return false;
  }
  for (; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) return false;
  }
  return true;
}

std::u16string ToUtf16(absl::string_view text) {
  std::u16string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) AppendUnits(out, Next(text, at));
  return out;
}

std::string FromUtf16(std::u16string_view units) {
  std::string out;
  out.reserve(units.size());
  for (size_t i = 0; i < units.size(); ++i) {
    char32_t c = units[i];
    if (IsHigh(c) && i + 1 < units.size() && IsLow(units[i + 1])) {
      c = 0x10000 + ((c - 0xd800) << 10) + (units[++i] - 0xdc00);
    }
    AppendCodePoint(out, c);
  }
  return out;
}

size_t Utf16Length(absl::string_view text) {
  size_t units = 0;
  for (const char byte : text) {
    const auto b = static_cast<unsigned char>(byte);
    if ((b & 0xc0) != 0x80) units += b >= 0xf0 ? 2 : 1;
  }
  return units;
}

void AppendHalf(std::string& out, absl::string_view tail) {
  const auto byte = [](absl::string_view s, size_t i) { return static_cast<unsigned char>(s[i]); };
  if (tail.size() >= 3 && out.size() >= 3 && byte(tail, 0) == 0xed && byte(tail, 1) >= 0xb0) {
    const size_t start = out.size() - 3;
    if (byte(out, start) == 0xed && byte(out, start + 1) >= 0xa0 && byte(out, start + 1) < 0xb0) {
      size_t at = start;
      const char32_t high = Next(out, at);
      at = 0;
      const char32_t low = Next(tail, at);
      out.resize(start);
      AppendCodePoint(out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
      out.append(tail.data() + 3, tail.size() - 3);
      return;
    }
  }
  out.append(tail.data(), tail.size());
}

void ReplaceLoneSurrogates(std::string& text) {
  for (size_t i = 0; i + 2 < text.size(); ++i) {
    const void* hit = std::memchr(text.data() + i, 0xed, text.size() - i);
    if (hit == nullptr) return;
    i = static_cast<const char*>(hit) - text.data();
    if (i + 2 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xa0) {
      text.replace(i, 3, "\xef\xbf\xbd");
      i += 2;
    }
  }
}

std::string DecodeUtf8(absl::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  const auto at = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  for (size_t i = 0; i < bytes.size();) {
    const unsigned char lead = at(i);
    if (lead < 0x80) {
      out.push_back(bytes[i++]);
      continue;
    }
    size_t length = 0;
    unsigned char low = 0x80, high = 0xbf;  // bounds of the second byte
    if (lead >= 0xc2 && lead <= 0xdf) {
      length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
      length = 3;
      if (lead == 0xe0) low = 0xa0;
      if (lead == 0xed) high = 0x9f;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
      length = 4;
      if (lead == 0xf0) low = 0x90;
      if (lead == 0xf4) high = 0x8f;
    }
    size_t good = 1;
    while (good < length && i + good < bytes.size() && at(i + good) >= low &&
           at(i + good) <= high) {
      ++good;
      low = 0x80;
      high = 0xbf;
    }
    if (length != 0 && good == length) {
      out.append(bytes.data() + i, length);
    } else {
      out.append("\xef\xbf\xbd");
    }
    i += good;
  }
  return out;
}

int CompareUtf16(absl::string_view a, absl::string_view b) {
  const size_t shared = std::min(a.size(), b.size());
  size_t i = 0;
  while (i < shared && a[i] == b[i]) ++i;
  if (i == a.size() || i == b.size()) {
    return a.size() == b.size() ? 0 : (a.size() < b.size() ? -1 : 1);
  }
  const auto x = static_cast<unsigned char>(a[i]);
  const auto y = static_cast<unsigned char>(b[i]);
  // UTF-8 order is code point order; it differs from unit order only between a pair (lead F0..F4)
  // and U+E000..U+FFFF (lead EE, EF), which pairs precede.
  if (x >= 0xee && y >= 0xee) {
    const bool x_pair = x >= 0xf0, y_pair = y >= 0xf0;
    if (x_pair != y_pair) return x_pair ? -1 : 1;
  }
  return x < y ? -1 : 1;
}

std::string ToLowerCase(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  if (IsAscii(text)) {
    for (const char c : text) out.push_back(static_cast<char>(LowerOf(c)));
    return out;
  }
  const std::u32string code_points = CodePoints(text);
  for (size_t i = 0; i < code_points.size(); ++i) {
    const char32_t c = code_points[i];
    if (c == 0x3a3) {
      AppendCodePoint(out, IsFinalSigma(code_points, i) ? 0x3c2 : 0x3c3);
      continue;
    }
    if (const CaseSpecial* special = FindSpecial(kLowerSpecials, kLowerSpecialsCount, c)) {
      for (const uint32_t mapped : special->mapped) {
        if (mapped != 0) AppendCodePoint(out, mapped);
      }
      continue;
    }
    AppendCodePoint(out, LowerOf(c));
  }
  return out;
}

std::string ToUpperCase(absl::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const char32_t c = Next(text, at);
    const CaseSpecial* special =
        c < 0x80 ? nullptr : FindSpecial(kUpperSpecials, kUpperSpecialsCount, c);
    if (special == nullptr) {
      AppendCodePoint(out, UpperOf(c));
      continue;
    }
    for (const uint32_t mapped : special->mapped) {
      if (mapped != 0) AppendCodePoint(out, mapped);
    }
  }
  return out;
}

char16_t UpperUnit(char16_t unit) {
  if (unit >= 0x80 && FindSpecial(kUpperSpecials, kUpperSpecialsCount, unit) != nullptr) return 0;
  const char32_t upper = UpperOf(unit);
  return upper > 0xffff ? 0 : static_cast<char16_t>(upper);
}

char16_t LowerUnit(char16_t unit) {
  const char32_t lower = LowerOf(unit);
  return lower > 0xffff ? 0 : static_cast<char16_t>(lower);
}

bool IsJsSpace(char32_t c) {
  return (c >= 9 && c <= 13) || c == ' ' || c == 0xa0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
         c == 0x3000 || c == 0xfeff;
}

absl::string_view TrimStart(absl::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t start = at;
    if (!IsJsSpace(Next(text, at))) return text.substr(start);
  }
  return {};
}

absl::string_view TrimEnd(absl::string_view text) {
  size_t end = text.size();
  while (end > 0) {
    size_t start = end - 1;
    while (start > 0 && (static_cast<unsigned char>(text[start]) & 0xc0) == 0x80) --start;
    size_t at = start;
    if (!IsJsSpace(Next(text, at))) break;
    end = start;
  }
  return text.substr(0, end);
}

}  // namespace purser::tmpl

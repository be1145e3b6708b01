// The `format` keyword.
#include <array>

#include "absl/strings/ascii.h"
#include "json/schema_internal.h"

namespace purser::json {
namespace {

bool IsDigit(char c) { return absl::ascii_isdigit(static_cast<unsigned char>(c)); }

bool Digits(absl::string_view text, size_t begin, size_t count, int* value) {
  *value = 0;
  if (begin + count > text.size()) return false;
  for (size_t i = begin; i < begin + count; ++i) {
    if (!IsDigit(text[i])) return false;
    *value = *value * 10 + (text[i] - '0');
  }
  return true;
}

// YYYY-MM-DD that the calendar knows.
bool IsDate(absl::string_view text) {
  int year = 0;
  int month = 0;
  int day = 0;
  if (text.size() != 10 || text[4] != '-' || text[7] != '-' || !Digits(text, 0, 4, &year) ||
      !Digits(text, 5, 2, &month) || !Digits(text, 8, 2, &day) || month < 1 || month > 12) {
    return false;
  }
  static constexpr std::array<int, 12> kDays = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day >= 1 && day <= kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

// HH:MM:SS[.fraction](Z|±HH:MM), RFC 3339.
bool IsTime(absl::string_view text) {
  int hour = 0;
  int minute = 0;
  int second = 0;
  if (text.size() < 9 || text[2] != ':' || text[5] != ':' || !Digits(text, 0, 2, &hour) ||
      !Digits(text, 3, 2, &minute) || !Digits(text, 6, 2, &second) || hour > 23 || minute > 59 ||
      second > 60) {
    return false;
  }
  text.remove_prefix(8);
  if (text[0] == '.') {
    size_t end = 1;
    while (end < text.size() && IsDigit(text[end])) ++end;
    if (end == 1) return false;
    text.remove_prefix(end);
  }
  if (text == "Z" || text == "z") return true;
  return text.size() == 6 && (text[0] == '+' || text[0] == '-') && text[3] == ':' &&
         Digits(text, 1, 2, &hour) && Digits(text, 4, 2, &minute) && hour < 24 && minute < 60;
}

bool IsDateTime(absl::string_view text) {
  return text.size() > 11 && (text[10] == 'T' || text[10] == 't') && IsDate(text.substr(0, 10)) &&
         IsTime(text.substr(11));
}

bool IsHostName(absl::string_view text) {
  if (text.empty() || text.size() > 253) return false;
  size_t label = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (label == 0 || text[i - 1] == '-') return false;
      label = 0;
      continue;
    }
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && !(c == '-' && label > 0)) {
      return false;
    }
    if (++label > 63) return false;
  }
  return label > 0 && text.back() != '-';
}

bool IsEmail(absl::string_view text) {
  const size_t at = text.rfind('@');
  if (at == absl::string_view::npos || at == 0 || at > 64) return false;
  bool dot = true;  // no dot at the start, none after another
  for (const char c : text.substr(0, at)) {
    if (c == '.') {
      if (dot) return false;
      dot = true;
      continue;
    }
    dot = false;
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) &&
        absl::string_view("!#$%&'*+/=?^_`{|}~-").find(c) == absl::string_view::npos) {
      return false;
    }
  }
  return !dot && IsHostName(text.substr(at + 1));
}

bool IsUri(absl::string_view text) {
  const size_t colon = text.find(':');
  if (colon == absl::string_view::npos || colon == 0 ||
      !absl::ascii_isalpha(static_cast<unsigned char>(text[0]))) {
    return false;
  }
  for (const char c : text.substr(0, colon)) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '+' && c != '-' && c != '.') {
      return false;
    }
  }
  for (size_t i = colon + 1; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c <= 0x20 || c >= 0x7F || c == '"' || c == '<' || c == '>' || c == '\\' || c == '^' ||
        c == '`' || c == '{' || c == '|' || c == '}') {
      return false;
    }
    if (c == '%' &&
        !(i + 2 < text.size() && absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 1])) &&
          absl::ascii_isxdigit(static_cast<unsigned char>(text[i + 2])))) {
      return false;
    }
  }
  return colon + 1 < text.size();
}

bool IsUuid(absl::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool MatchesFormat(absl::string_view format, absl::string_view text) {
  if (format == "date") return IsDate(text);
  if (format == "date-time") return IsDateTime(text);
  if (format == "email") return IsEmail(text);
  if (format == "uri") return IsUri(text);
  if (format == "uuid") return IsUuid(text);
  return true;
}

}  // namespace purser::json

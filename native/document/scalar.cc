#include "document/scalar.h"

#include <charconv>
#include <cmath>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::document {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool AllOf(absl::string_view text, absl::string_view allowed) {
  return !text.empty() && text.find_first_not_of(allowed) == absl::string_view::npos;
}

// [-+]? ( \.[0-9]+ | [0-9]+ ( \.[0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
bool IsFloat(absl::string_view text) {
  size_t at = 0;
  const auto digits = [&text, &at] {
    const size_t begin = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at > begin;
  };
  if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (!digits()) return false;
  } else {
    if (!digits()) return false;
    if (at < text.size() && text[at] == '.') {
      ++at;
      digits();
    }
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    if (!digits()) return false;
  }
  return at == text.size();
}

// Decimal digits with a sign in front; numbers beyond 64 bits become doubles, as in JSON.
absl::StatusOr<nlohmann::json> DecimalNumber(absl::string_view text) {
  if (text.front() == '+') text.remove_prefix(1);
  const bool integer = text.find_first_of(".eE") == absl::string_view::npos;
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  if (integer) {
    int64_t value = 0;
    if (std::from_chars(begin, end, value).ec == std::errc()) {
      // JSON's parser keeps numbers ≥ 0 unsigned; equal texts give equal types.
      if (value >= 0) return nlohmann::json(static_cast<uint64_t>(value));
      return nlohmann::json(value);
    }
    uint64_t large = 0;
    if (text.front() != '-' && std::from_chars(begin, end, large).ec == std::errc()) {
      return nlohmann::json(large);
    }
  }
  double number = 0;
  if (!absl::SimpleAtod(text, &number) || !std::isfinite(number)) {
    return absl::InvalidArgumentError(
        absl::StrCat("number ", base::EscapeForDisplay(text, 40), " is out of range"));
  }
  return nlohmann::json(number);
}

absl::StatusOr<nlohmann::json> PrefixedNumber(absl::string_view digits, int radix) {
  uint64_t value = 0;
  const auto result = std::from_chars(digits.data(), digits.data() + digits.size(), value, radix);
  if (result.ec != std::errc()) {
    return absl::InvalidArgumentError("number does not fit into 64 bits");
  }
  return nlohmann::json(value);
}

}  // namespace

absl::StatusOr<nlohmann::json> ResolvePlain(absl::string_view text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") {
    return nlohmann::json(nullptr);
  }
  if (text == "true" || text == "True" || text == "TRUE") return nlohmann::json(true);
  if (text == "false" || text == "False" || text == "FALSE") return nlohmann::json(false);
  const char first = text.front();
  if (!IsDigit(first) && first != '-' && first != '+' && first != '.') {
    return nlohmann::json(std::string(text));
  }
  if (absl::StartsWith(text, "0o") && AllOf(text.substr(2), "01234567")) {
    return PrefixedNumber(text.substr(2), 8);
  }
  if (absl::StartsWith(text, "0x") && AllOf(text.substr(2), "0123456789abcdefABCDEF")) {
    return PrefixedNumber(text.substr(2), 16);
  }
  if (IsFloat(text)) return DecimalNumber(text);
  absl::string_view unsigned_text = text;
  if (first == '-' || first == '+') unsigned_text.remove_prefix(1);
  if (unsigned_text == ".inf" || unsigned_text == ".Inf" || unsigned_text == ".INF" ||
      text == ".nan" || text == ".NaN" || text == ".NAN") {
    return absl::InvalidArgumentError(
        absl::StrCat(text, " has no value in JSON; quote it if the text is meant"));
  }
  return nlohmann::json(std::string(text));
}

bool NeedsQuotes(absl::string_view text) {
  if (text.empty()) return true;
  // Starts like a number, a sign, a time or an indicator: not worth finer rules.
  const auto first = static_cast<unsigned char>(text.front());
  if (!absl::ascii_isalpha(first) && first != '_' && first != '/' && first < 0x80) return true;
  static constexpr const char* kWords[] = {"y",   "n",    "yes",  "no",   "on",
                                           "off", "null", "true", "false"};
  for (const char* word : kWords) {
    if (absl::EqualsIgnoreCase(text, word)) return true;
  }
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    const char next = i + 1 < text.size() ? text[i + 1] : ' ';
    if (c < 0x20 || c == 0x7F) return true;
    if (c == ':' && next == ' ') return true;
    if (c == ' ' && (next == '#' || next == ' ' || i + 1 == text.size())) return true;
    if (c == '"' || c == '\'' || c == '{' || c == '}' || c == '[' || c == ']' || c == ',') {
      return true;
    }
    // C1 controls, line separators and the byte order mark.
    if (c == 0xC2 && static_cast<unsigned char>(next) < 0xA0) return true;
    if (c == 0xE2 && static_cast<unsigned char>(next) == 0x80) return true;
    if (c == 0xEF) return true;
  }
  return false;
}

}  // namespace purser::document

// Filters of plain text.
#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "template/filters.h"
#include "template/number.h"
#include "template/regex.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr double kCenterWidth = 80;
constexpr double kIndentWidth = 4;
constexpr double kTruncateLength = 255;

// The `length` that a text filter compares: of strings, arrays and records that have one.
Value LengthOf(const Value& input) { return Property(input, "length"); }

// Lower case with the first unit in upper case.
std::string Capitalized(absl::string_view text) {
  std::string lower = ToLowerCase(text);
  if (lower.empty()) return lower;
  if (IsAscii(lower)) {
    if (lower[0] >= 'a' && lower[0] <= 'z') lower[0] = static_cast<char>(lower[0] - 32);
    return lower;
  }
  const std::u16string units = ToUtf16(lower);
  std::string out = ToUpperCase(FromUtf16(std::u16string_view(units).substr(0, 1)));
  AppendJoined(out, FromUtf16(std::u16string_view(units).substr(1)));
  return out;
}

Value Or(const Value& value, double otherwise) {
  return Truthy(value) ? value : Value::Number(otherwise);
}

}  // namespace

Value TextInput(const Value& input) {
  if (input.IsNullish() || (input.IsBool() && !input.boolean())) return Value::String("");
  return input;
}

bool RequireText(const FilterCall& call, const Value& input, absl::string_view* out) {
  if (!input.IsText()) return call.run.Fail("the input must be a string");
  *out = input.bytes();
  return true;
}

Value LikeInput(const Value& input, std::string text) {
  return input.IsSafe() ? Value::Safe(std::move(text)) : Value::String(std::move(text));
}

std::string EscapeHtml(absl::string_view text) {
  std::string out;
  out.reserve(text.size() + text.size() / 8);
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '\\':
        out += "&#92;";
        break;
      default:
        out.push_back(c);
    }
  }
  return out;
}

bool Spaces(Run& run, double count, std::string* out) {
  if (std::isnan(count) || count <= 0) return true;
  if (count > kMaxSpaces) return run.FailLimit("spaces of one filter", kMaxSpaces);
  const auto number = static_cast<size_t>(std::ceil(count));
  if (!run.Reserve(static_cast<int64_t>(number))) return false;
  out->append(number, ' ');
  return true;
}

bool CapitalizeFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  absl::string_view text;
  if (!RequireText(call, input, &text)) return false;
  *out = LikeInput(call.input, Capitalized(text));
  return true;
}

bool CenterFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  const Value width = Or(call.Arg(0), kCenterWidth);
  const Value length = LengthOf(input);
  double order, wide, long_;
  if (!Order(call.run, length, width, &order)) return false;
  if (order >= 0) {
    *out = input;
    return true;
  }
  if (!ToNumber(call.run, width, &wide) || !ToNumber(call.run, length, &long_)) return false;
  const double spaces = wide - long_;
  std::string text;
  if (!Spaces(call.run, spaces / 2 - std::fmod(spaces, 2), &text) ||
      !ToText(call.run, input, &text) || !Spaces(call.run, spaces / 2, &text)) {
    return false;
  }
  *out = LikeInput(input, std::move(text));
  return true;
}

bool EscapeFilter(const FilterCall& call, Value* out) {
  if (call.input.IsSafe()) {
    *out = call.input;
    return true;
  }
  return ForceEscapeFilter(call, out);
}

bool ForceEscapeFilter(const FilterCall& call, Value* out) {
  std::string text;
  if (!RenderText(call.run, call.input, &text)) return false;
  if (!call.run.Reserve(static_cast<int64_t>(text.size() * 6))) return false;
  *out = Value::Safe(EscapeHtml(text));
  return true;
}

bool SafeFilter(const FilterCall& call, Value* out) {
  if (call.input.IsSafe()) {
    *out = call.input;
    return true;
  }
  std::string text;
  if (!RenderText(call.run, call.input, &text)) return false;
  *out = Value::Safe(std::move(text));
  return true;
}

bool StringFilter(const FilterCall& call, Value* out) {
  if (call.input.IsNullish()) return call.run.Fail("there is no value");
  if (call.input.IsSafe()) {
    *out = call.input;
    return true;
  }
  std::string text;
  if (!RenderText(call.run, call.input, &text)) return false;
  *out = Value::String(std::move(text));
  return true;
}

bool IndentFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  absl::string_view text;
  if (!RequireText(call, input, &text)) return false;
  if (input.IsString() && text.empty()) {
    *out = Value::String("");
    return true;
  }
  double width;
  if (!ToNumber(call.run, Or(call.Arg(0), kIndentWidth), &width)) return false;
  std::string spaces;
  if (!Spaces(call.run, width, &spaces)) return false;
  const auto lines = std::count(text.begin(), text.end(), '\n') + 1;
  const auto bytes = static_cast<int64_t>(text.size() + lines * spaces.size());
  if (!call.run.Step(bytes / 1024) || !call.run.Reserve(bytes)) return false;
  std::string result;
  result.reserve(static_cast<size_t>(bytes));
  if (Truthy(call.Arg(1))) result += spaces;
  for (const char c : text) {
    result.push_back(c);
    if (c == '\n') result += spaces;
  }
  *out = LikeInput(input, std::move(result));
  return true;
}

bool LowerFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  absl::string_view text;
  if (!RequireText(call, input, &text)) return false;
  *out = Value::String(ToLowerCase(text));
  return true;
}

bool UpperFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  absl::string_view text;
  if (!RequireText(call, input, &text)) return false;
  *out = Value::String(ToUpperCase(text));
  return true;
}

bool Nl2brFilter(const FilterCall& call, Value* out) {
  absl::string_view text;
  if (!call.input.IsNullish() && !RequireText(call, call.input, &text)) return false;
  if (!call.run.Reserve(static_cast<int64_t>(text.size() * 7))) return false;
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    if (text[i] == '\n') result += "<br />";
    result.push_back(text[i]);
  }
  *out = LikeInput(call.input, std::move(result));
  return true;
}

bool ReplaceFilter(const FilterCall& call, Value* out) {
  const Value search = call.Arg(0), replacement = call.Arg(1);
  std::string by;
  if (search.IsRegex()) {
    if (!call.input.IsText()) return call.run.Fail("a regular expression needs a string");
    std::string text;
    double last_index = 0;
    if (!ToText(call.run, replacement, &by) ||
        !RegexReplace(call.run, search.regex(), call.input.bytes(), by, &last_index, &text)) {
      return false;
    }
    *out = Value::String(std::move(text));
    return true;
  }
  Value input = call.input;
  if (!search.IsString() && !search.IsNumber()) {
    *out = input;
    return true;
  }
  if (input.IsNumber()) input = Value::String(NumberToString(input.number()));
  if (!input.IsText()) {
    *out = input;
    return true;
  }
  std::string needle;
  if (!ToText(call.run, search, &needle)) return false;
  const absl::string_view text = input.bytes();
  std::string result;
  if (needle.empty()) {
    // Between all units, and around: a missing replacement joins with commas, as Array.join does.
    if (!ToText(call.run, replacement, &by)) return false;
    const std::string between = replacement.IsUndefined() ? "," : by;
    if (!call.run.Reserve(static_cast<int64_t>((input.text().length + 2) * (by.size() + 3)))) {
      return false;
    }
    result = by;
    bool first = true;
    for (const Value& unit : SplitUnits(input.text())) {
      if (!std::exchange(first, false)) AppendJoined(result, between);
      AppendJoined(result, unit.bytes());
    }
    AppendJoined(result, by);
    *out = LikeInput(input, std::move(result));
    return true;
  }
  const Value limit = call.Arg(2);
  double most = -1;
  if (limit.IsNumber() && limit.number() == 0) {
    *out = input;
    return true;
  }
  size_t at = text.find(needle);
  if (at == absl::string_view::npos) {
    *out = input;
    return true;
  }
  if (!ToText(call.run, replacement, &by)) return false;
  const bool all = limit.IsUndefined() || (limit.IsNumber() && limit.number() == -1);
  if (!all && !ToNumber(call.run, limit, &most)) return false;
  size_t from = 0;
  for (double count = 0; (all || count < most) && at != absl::string_view::npos; ++count) {
    if (!call.run.Step() ||
        !call.run.Reserve(static_cast<int64_t>(result.size() + by.size() + text.size()))) {
      return false;
    }
    AppendJoined(result, text.substr(from, at - from));
    AppendJoined(result, by);
    from = at + needle.size();
    at = text.find(needle, from);
  }
  AppendJoined(result, text.substr(from));
  // Only a safe input makes the result safe; a number's text is plain.
  *out = LikeInput(call.input, std::move(result));
  return true;
}

bool TitleFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  absl::string_view text;
  if (!RequireText(call, input, &text)) return false;
  std::string result;
  while (true) {
    const size_t space = text.find(' ');
    AppendJoined(result, Capitalized(text.substr(0, space)));
    if (space == absl::string_view::npos) break;
    result.push_back(' ');
    text.remove_prefix(space + 1);
  }
  *out = LikeInput(call.input, std::move(result));
  return true;
}

bool TrimFilter(const FilterCall& call, Value* out) {
  absl::string_view text;
  if (!RequireText(call, call.input, &text)) return false;
  *out = LikeInput(call.input, std::string(TrimEnd(TrimStart(text))));
  return true;
}

bool TruncateFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  const Value limit = Or(call.Arg(0), kTruncateLength);
  double order, length;
  if (!Order(call.run, LengthOf(input), limit, &order)) return false;
  if (order <= 0) {
    *out = input;
    return true;
  }
  absl::string_view text;
  if (!RequireText(call, input, &text) || !ToNumber(call.run, limit, &length)) return false;
  const size_t size = input.text().length;
  const auto clamp = [&](double at) {
    return std::isnan(at) || at <= 0 ? 0 : static_cast<size_t>(std::min<double>(at, size));
  };
  size_t end = clamp(length);
  if (!Truthy(call.Arg(1))) {
    // The last blank at or before the limit; a limit that is no number means the end.
    const std::u16string units = ToUtf16(text);
    const size_t from = std::isnan(length) ? units.size() : end;
    const size_t space = units.rfind(u' ', from);
    if (space != std::u16string::npos) end = space;
  }
  std::string result = Units(input.text(), 0, end);
  const Value tail = call.Arg(2);
  if (tail.IsNullish()) {
    result += "...";
  } else if (!ToText(call.run, tail, &result)) {
    return false;
  }
  *out = LikeInput(call.input, std::move(result));
  return true;
}

bool WordcountFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  *out = Value::Null();
  if (!Truthy(input)) return true;
  absl::string_view text;
  if (!RequireText(call, input, &text)) return false;
  int64_t words = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (IsWordByte(text[i]) && (i == 0 || !IsWordByte(text[i - 1]))) ++words;
  }
  if (words > 0) *out = Value::Number(static_cast<double>(words));
  return true;
}

}  // namespace purser::tmpl

// Filters that know HTML and URLs.
#include <cmath>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "template/filters.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr size_t kNpos = absl::string_view::npos;
// Removing a tag may bring another one together; deeper nests than this are refused.
constexpr int kMaxStripPasses = 8;

// End of the tag or comment that begins at `at`; `at` when there is none.
size_t TagEnd(absl::string_view text, size_t at) {
  size_t i = at + 1;
  if (absl::StartsWith(text.substr(at), "<!--")) {
    const size_t end = text.find("-->", at + 4);
    return end == kNpos ? at : end + 3;
  }
  if (i < text.size() && text[i] == '/') ++i;
  if (i >= text.size() || !IsAsciiLetter(text[i])) return at;
  while (i < text.size() && (IsAsciiLetter(text[i]) || IsAsciiDigit(text[i]))) ++i;
  if (i < text.size() && text[i] == '_') return at;  // the name must end at a word's end
  const size_t end = text.find('>', i);
  return end == kNpos ? at : end + 1;
}

bool StripOnce(Run& run, const std::string& text, std::string* out) {
  out->clear();
  // Where no ">" or "-->" follows, none follows later either: keeps unclosed tags linear.
  const size_t last = text.rfind('>');
  for (size_t i = 0; i < text.size();) {
    if (text[i] == '<' && last != kNpos && i < last) {
      if (!run.Step()) return false;
      const size_t end = TagEnd(text, i);
      if (end > i) {
        i = end;
        continue;
      }
    }
    out->push_back(text[i++]);
  }
  return true;
}

// Blanks at line edges go, runs of blanks become one, at most one empty line in a row stays.
std::string KeepLines(absl::string_view text) {
  const auto line_end = [](absl::string_view s, size_t i) {
    const auto c = static_cast<unsigned char>(s[i]);
    if (c == '\n' || c == '\r') return true;
    return c == 0xe2 && (s.substr(i, 3) == "\xe2\x80\xa8" || s.substr(i, 3) == "\xe2\x80\xa9");
  };
  const auto line_start = [&](absl::string_view s, size_t i) {
    return i == 0 || s[i - 1] == '\n' || s[i - 1] == '\r' ||
           (i >= 3 && line_end(s, i - 3) && static_cast<unsigned char>(s[i - 3]) == 0xe2);
  };
  std::string edges;
  for (size_t i = 0; i < text.size();) {
    size_t end = i;
    while (end < text.size() && text[end] == ' ') ++end;
    if (end == i) {
      edges.push_back(text[i++]);
      continue;
    }
    const bool at_edge = line_start(text, i) || end == text.size() || line_end(text, end);
    if (!at_edge) edges.push_back(' ');
    i = end;
  }
  std::string unix_lines;
  for (size_t i = 0; i < edges.size(); ++i) {
    if (edges[i] == '\r' && i + 1 < edges.size() && edges[i + 1] == '\n') continue;
    unix_lines.push_back(edges[i]);
  }
  std::string out;
  int newlines = 0;
  for (const char c : unix_lines) {
    newlines = c == '\n' ? newlines + 1 : 0;
    if (newlines <= 2) out.push_back(c);
  }
  return out;
}

std::string CollapseSpace(absl::string_view text) {
  std::string out;
  while (!text.empty()) {
    const absl::string_view rest = TrimStart(text);
    if (rest.size() < text.size()) out.push_back(' ');
    // Take one character: the trim above told that it is no white space.
    size_t length = rest.empty() ? 0 : 1;
    while (length < rest.size() && (rest[length] & 0xc0) == 0x80) ++length;
    out.append(rest.data(), length);
    text = rest.substr(length);
  }
  return out;
}

bool EncodeUriComponent(Run& run, absl::string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const auto byte = static_cast<unsigned char>(c);
    if (IsAsciiLetter(c) || IsAsciiDigit(c) || absl::StrContains("-_.!~*'()", c)) {
      out->push_back(c);
      continue;
    }
    if (byte == 0xed && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) >= 0xa0) {
      return run.Fail("half of a surrogate pair cannot be written in a URL");
    }
    out->push_back('%');
    out->push_back(kHex[byte >> 4]);
    out->push_back(kHex[byte & 15]);
  }
  return true;
}

bool EncodePair(Run& run, const Value& key, const Value& value, std::string* out) {
  std::string name, text;
  if (!ToText(run, key, &name) || !ToText(run, value, &text)) return false;
  if (!EncodeUriComponent(run, name, out)) return false;
  out->push_back('=');
  return EncodeUriComponent(run, text, out);
}

bool IsEmail(absl::string_view word) {
  const size_t at = word.find('@');
  if (at == kNpos || at == 0) return false;
  for (const char c : word.substr(0, at)) {
    if (!IsWordByte(c) && !absl::StrContains(".!#$%&'*+-/=?^`{|}~", c)) return false;
  }
  absl::string_view domain = word.substr(at + 1);
  int labels = 0;
  while (true) {
    const size_t dot = domain.find('.');
    const absl::string_view label = domain.substr(0, dot);
    if (label.empty()) return false;
    for (const char c : label) {
      if (!IsAsciiLetter(c) && !IsAsciiDigit(c) && c != '-') return false;
    }
    ++labels;
    if (dot == kNpos) return labels >= 2;
    domain.remove_prefix(dot + 1);
  }
}

bool HasCommonDomain(absl::string_view word) {
  for (size_t dot = word.find('.'); dot != kNpos; dot = word.find('.', dot + 1)) {
    const absl::string_view name = word.substr(dot + 1, 3);
    if (name != "org" && name != "net" && name != "com") continue;
    if (dot + 4 == word.size() || word[dot + 4] == ':' || word[dot + 4] == '/') return true;
  }
  return false;
}

// The word without one opening and one closing punctuation mark around it.
absl::string_view WithoutPunctuation(absl::string_view word) {
  absl::string_view inner = word;
  if (!absl::ConsumePrefix(&inner, "(") && !absl::ConsumePrefix(&inner, "<")) {
    absl::ConsumePrefix(&inner, "&lt;");
  }
  if (!absl::ConsumeSuffix(&inner, "&gt;") && !inner.empty() &&
      absl::StrContains(".,)\n", inner.back())) {
    inner.remove_suffix(1);
  }
  return inner;
}

}  // namespace

bool StriptagsFilter(const FilterCall& call, Value* out) {
  const Value input = TextInput(call.input);
  absl::string_view view;
  if (!RequireText(call, input, &view)) return false;
  std::string text(view), next;
  int pass = 0;
  while (true) {
    if (!StripOnce(call.run, text, &next)) return false;
    if (next == text) break;
    if (++pass > kMaxStripPasses) return call.run.Fail("the markup is nested too deep");
    text = next;
  }
  const absl::string_view trimmed = TrimEnd(TrimStart(text));
  *out = LikeInput(call.input, Truthy(call.Arg(0)) ? KeepLines(trimmed) : CollapseSpace(trimmed));
  return true;
}

bool UrlencodeFilter(const FilterCall& call, Value* out) {
  Run& run = call.run;
  std::string text;
  if (!run.Step()) return false;
  if (call.input.IsText()) {
    if (!run.Reserve(static_cast<int64_t>(call.input.bytes().size() * 3))) return false;
    if (!EncodeUriComponent(run, call.input.bytes(), &text)) return false;
  } else if (call.input.IsRecord()) {
    for (const auto& [name, value] : call.input.record().entries()) {
      if (&name != &call.input.record().entries().front().first) text.push_back('&');
      if (!run.Step() || !EncodePair(run, Value::String(name), value, &text)) return false;
    }
  } else if (call.input.IsArray()) {
    bool first = true;
    for (const Value& item : call.input.array().items()) {
      if (!std::exchange(first, false)) text.push_back('&');
      if (!run.Step()) return false;
      if (item.IsHole()) continue;
      if (item.IsNullish()) return run.Fail("an entry has no key and value");
      const bool parts = item.IsArray() || item.IsRecord() || item.IsText();
      if (!EncodePair(run, parts ? Property(item, "0") : Value(),
                      parts ? Property(item, "1") : Value(), &text)) {
        return false;
      }
    }
  }
  *out = Value::String(std::move(text));
  return true;
}

bool UrlizeFilter(const FilterCall& call, Value* out) {
  absl::string_view text;
  if (!RequireText(call, call.input, &text)) return false;
  // The shown part of a link, as String.prototype.substr takes it.
  double shown = INFINITY;
  const Value limit = call.Arg(0);
  if (!limit.IsUndefined() && !(limit.IsNumber() && std::isnan(limit.number()))) {
    if (!ToNumber(call.run, limit, &shown)) return false;
    if (std::isnan(shown) || shown <= 0) shown = 0;
  }
  const Value follow = call.Arg(1);
  const absl::string_view relation = follow.IsBool() && follow.boolean() ? " rel=\"nofollow\"" : "";
  std::string result;
  while (!text.empty()) {
    const absl::string_view rest = TrimStart(text);
    result.append(text.data(), text.size() - rest.size());
    size_t end = 0;
    while (end < rest.size()) {
      size_t next = end + 1;
      while (next < rest.size() && (rest[next] & 0xc0) == 0x80) ++next;
      if (TrimStart(rest.substr(end, next - end)).empty()) break;
      end = next;
    }
    const absl::string_view word = rest.substr(0, end);
    text = rest.substr(end);
    if (word.empty()) continue;
    if (!call.run.Step() ||
        !call.run.Reserve(static_cast<int64_t>(result.size() + word.size() * 2))) {
      return false;
    }
    const absl::string_view link = WithoutPunctuation(word);
    const StringObject measured{std::string(link)};
    const std::string label = shown >= static_cast<double>(measured.length)
                                  ? measured.bytes
                                  : Units(measured, 0, static_cast<size_t>(shown));
    const auto anchor = [&](absl::string_view scheme) {
      absl::StrAppend(&result, "<a href=\"", scheme, link, "\"", relation, ">", label, "</a>");
    };
    if (absl::StartsWith(link, "http://") || absl::StartsWith(link, "https://")) {
      anchor("");
    } else if (absl::StartsWith(link, "www.")) {
      anchor("http://");
    } else if (IsEmail(link)) {
      absl::StrAppend(&result, "<a href=\"mailto:", link, "\">", link, "</a>");
    } else if (HasCommonDomain(link)) {
      anchor("http://");
    } else {
      result.append(word.data(), word.size());
    }
  }
  *out = Value::String(std::move(result));
  return true;
}

}  // namespace purser::tmpl

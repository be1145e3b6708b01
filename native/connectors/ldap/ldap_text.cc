#include "connectors/ldap/ldap_text.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "connectors/ldap/ber.h"

namespace purser::connectors {
namespace {

constexpr uint8_t kAnd = 0xA0;
constexpr uint8_t kOr = 0xA1;
constexpr uint8_t kNot = 0xA2;
constexpr uint8_t kEqual = 0xA3;
constexpr uint8_t kSubstrings = 0xA4;
constexpr uint8_t kGreaterOrEqual = 0xA5;
constexpr uint8_t kLessOrEqual = 0xA6;
constexpr uint8_t kPresent = 0x87;
constexpr uint8_t kApproximate = 0xA8;
constexpr uint8_t kExtensible = 0xA9;
constexpr uint8_t kInitial = 0x80;
constexpr uint8_t kAny = 0x81;
constexpr uint8_t kFinal = 0x82;

bool IsAttributeByte(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == ';' || c == '.' ||
         c == '_';
}

int HexOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  const char lower = absl::ascii_tolower(static_cast<unsigned char>(c));
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

class FilterParser {
 public:
  explicit FilterParser(absl::string_view text) : text_(text) {}

  absl::StatusOr<std::string> Whole() {
    PURSER_ASSIGN_OR_RETURN(std::string filter, Filter(0));
    if (at_ < text_.size()) return Fail("something behind the filter");
    return filter;
  }

 private:
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  absl::Status Fail(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("LDAP filter: ", what, " at byte ", at_ + 1));
  }
  absl::Status Take(char c) {
    if (Peek() != c) return Fail(absl::StrCat("\"", absl::string_view(&c, 1), "\" is missing"));
    ++at_;
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> Filter(int depth) {
    if (depth > kMaxLdapFilterDepth) {
      return Fail(
          absl::StrCat("nested deeper than ", kMaxLdapFilterDepth, " (kMaxLdapFilterDepth)"));
    }
    PURSER_RETURN_IF_ERROR(Take('('));
    std::string filter;
    if (const char c = Peek(); c == '&' || c == '|') {
      ++at_;
      std::string parts;
      while (Peek() == '(') {
        PURSER_ASSIGN_OR_RETURN(const std::string part, Filter(depth + 1));
        parts += part;
      }
      filter = BerElement(c == '&' ? kAnd : kOr, parts);
    } else if (c == '!') {
      ++at_;
      PURSER_ASSIGN_OR_RETURN(const std::string part, Filter(depth + 1));
      filter = BerElement(kNot, part);
    } else {
      PURSER_ASSIGN_OR_RETURN(filter, Item());
    }
    PURSER_RETURN_IF_ERROR(Take(')'));
    return filter;
  }

  std::string Attribute() {
    const size_t begin = at_;
    while (at_ < text_.size() && IsAttributeByte(text_[at_])) ++at_;
    return std::string(text_.substr(begin, at_ - begin));
  }

  absl::StatusOr<std::string> Item() {
    const std::string attribute = Attribute();
    if (Peek() == ':') return Extensible(attribute);
    if (attribute.empty()) return Fail("an attribute is missing");
    uint8_t tag = kEqual;
    if (const char c = Peek(); c == '>' || c == '<' || c == '~') {
      tag = c == '>' ? kGreaterOrEqual : c == '<' ? kLessOrEqual : kApproximate;
      ++at_;
    }
    PURSER_RETURN_IF_ERROR(Take('='));
    PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> parts, Values());
    const std::string name = BerElement(kBerOctets, attribute);
    if (parts.size() == 1) {
      return BerElement(tag, absl::StrCat(name, BerElement(kBerOctets, parts[0])));
    }
    if (tag != kEqual) return Fail("\"*\" where no pattern may stand,");
    if (parts.size() == 2 && parts[0].empty() && parts[1].empty()) {
      return BerElement(kPresent, attribute);
    }
    std::string pieces;
    for (size_t i = 0; i < parts.size(); ++i) {
      if (parts[i].empty()) continue;
      pieces += BerElement(i == 0 ? kInitial : i + 1 == parts.size() ? kFinal : kAny, parts[i]);
    }
    return BerElement(kSubstrings, absl::StrCat(name, BerElement(kBerSequence, pieces)));
  }

  // attribute:dn:rule:=value, all but the value optional.
  absl::StatusOr<std::string> Extensible(const std::string& attribute) {
    ++at_;
    bool with_dn = false;
    std::string rule;
    while (Peek() != '=') {
      const std::string word = Attribute();
      if (word.empty()) return Fail("a matching rule is missing");
      if (word == "dn" && !with_dn && rule.empty()) {
        with_dn = true;
      } else {
        rule = word;
      }
      PURSER_RETURN_IF_ERROR(Take(':'));
    }
    ++at_;
    PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> parts, Values());
    if (parts.size() != 1) return Fail("\"*\" where no pattern may stand,");
    std::string content;
    if (!rule.empty()) content += BerElement(0x81, rule);
    if (!attribute.empty()) content += BerElement(0x82, attribute);
    content += BerElement(0x83, parts[0]);
    if (with_dn) content += BerElement(0x84, absl::string_view("\xFF", 1));
    return BerElement(kExtensible, content);
  }

  // What stands between the '*' of a value.
  absl::StatusOr<std::vector<std::string>> Values() {
    std::vector<std::string> parts(1);
    for (; at_ < text_.size() && text_[at_] != ')'; ++at_) {
      const char c = text_[at_];
      if (c == '(' || c == '\0') return Fail("a character that must be escaped");
      if (c == '*') {
        parts.emplace_back();
      } else if (c == '\\') {
        const int high = at_ + 2 < text_.size() ? HexOf(text_[at_ + 1]) : -1;
        const int low = high < 0 ? -1 : HexOf(text_[at_ + 2]);
        if (low < 0) return Fail("an escape that is not \\XX");
        parts.back().push_back(static_cast<char>(high * 16 + low));
        at_ += 2;
      } else {
        parts.back().push_back(c);
      }
    }
    return parts;
  }

  const absl::string_view text_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<std::string> EncodeLdapFilter(absl::string_view filter) {
  if (filter.size() > kMaxLdapFilterBytes) {
    return absl::InvalidArgumentError(absl::StrCat("LDAP filter: more than ", kMaxLdapFilterBytes,
                                                   " bytes (kMaxLdapFilterBytes)"));
  }
  return FilterParser(absl::StripAsciiWhitespace(filter)).Whole();
}

std::string EscapeLdapFilter(absl::string_view value) {
  std::string out;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '*' || c == '(' || c == ')' || c == '\\' || byte < 0x20 || byte >= 0x7F) {
      absl::StrAppendFormat(&out, "\\%02x", byte);
    } else {
      out.push_back(c);
    }
  }
  return out;
}

absl::StatusOr<std::string> NormalizeDn(absl::string_view dn) {
  const auto fail = [](absl::string_view what) {
    return absl::InvalidArgumentError(absl::StrCat("distinguished name: ", what));
  };
  if (dn.size() > kMaxLdapNameBytes) {
    return fail(absl::StrCat("more than ", kMaxLdapNameBytes, " bytes (kMaxLdapNameBytes)"));
  }
  std::string out;
  size_t at = 0;
  const auto skip = [&] {
    while (at < dn.size() && dn[at] == ' ') ++at;
  };
  for (skip(); at < dn.size();) {
    // Type.
    const size_t begin = at;
    while (at < dn.size() && IsAttributeByte(dn[at])) ++at;
    if (at == begin) return fail("an attribute's type is missing");
    absl::StrAppend(&out, absl::AsciiStrToLower(dn.substr(begin, at - begin)), "=");
    skip();
    if (at >= dn.size() || dn[at] != '=') return fail("\"=\" is missing");
    ++at;
    skip();
    // Value: unescaped, then escaped in one way.
    std::string value;
    size_t kept = 0;  // up to here blanks at the end belong to the value
    bool quoted = at < dn.size() && dn[at] == '"';
    if (quoted) ++at;
    for (; at < dn.size(); ++at) {
      const char c = dn[at];
      if (quoted && c == '"') {
        quoted = false;
        ++at;
        kept = value.size();
        break;
      }
      if (!quoted && (c == ',' || c == ';' || c == '+')) break;
      if (c != '\\') {
        value.push_back(c);
        if (c != ' ') kept = value.size();
        continue;
      }
      if (at + 1 >= dn.size()) return fail("an escape at the end");
      const int high = HexOf(dn[at + 1]);
      const int low = high >= 0 && at + 2 < dn.size() ? HexOf(dn[at + 2]) : -1;
      if (low >= 0) {
        value.push_back(static_cast<char>(high * 16 + low));
        at += 2;
      } else {
        value.push_back(dn[++at]);
      }
      kept = value.size();
    }
    if (quoted) return fail("a quote is not closed");
    value.resize(kept);
    for (size_t i = 0; i < value.size(); ++i) {
      const char c = value[i];
      const bool at_edge = i == 0 || i + 1 == value.size();
      if (absl::string_view(",;+\"\\").find(c) != absl::string_view::npos ||
          static_cast<unsigned char>(c) < 0x20 || (c == ' ' && at_edge)) {
        absl::StrAppendFormat(&out, "\\%02x", static_cast<unsigned char>(c));
      } else {
        out.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
      }
    }
    skip();
    if (at >= dn.size()) break;
    if (dn[at] != ',' && dn[at] != ';' && dn[at] != '+') return fail("\",\" is missing");
    out.push_back(dn[at] == '+' ? '+' : ',');
    ++at;
    skip();
    if (at >= dn.size()) return fail("nothing behind \",\"");
  }
  return out;
}

}  // namespace purser::connectors

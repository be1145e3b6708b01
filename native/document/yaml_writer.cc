// Values to YAML text in block style.
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/strings.h"
#include "document/scalar.h"
#include "document/yaml.h"
#include "json/json.h"
#include "json/writer.h"

namespace purser::document {
namespace {

using Json = nlohmann::json;

// True for texts that a literal block ("|") gives back exactly and shows better than quotes.
bool FitsLiteralBlock(absl::string_view text) {
  if (text.find('\n') == absl::string_view::npos || text.front() == ' ' || text.front() == '\n' ||
      text.front() == '\t' || !base::IsValidUtf8(text)) {
    return false;
  }
  if (text.size() >= 2 && absl::EndsWith(text, "\n\n")) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7F) return false;
    const unsigned next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if ((c == 0xC2 && next < 0xA0) || (c == 0xE2 && next == 0x80) || c == 0xEF) return false;
  }
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!line.empty() && (line.back() == ' ' || line.back() == '\t')) return false;
  }
  return true;
}

// A double-quoted scalar: JSON's form, with what YAML readers treat as line ends or refuse escaped.
void AppendQuoted(absl::string_view text, std::string* out) {
  std::string quoted;
  json::AppendQuoted(text, &quoted);
  for (size_t i = 0; i < quoted.size(); ++i) {
    const auto at = [&quoted](size_t k) {
      return k < quoted.size() ? static_cast<unsigned char>(quoted[k]) : 0U;
    };
    if (at(i) == 0x7F) {
      out->append("\\u007f");
    } else if (at(i) == 0xC2 && at(i + 1) < 0xA0) {
      absl::StrAppendFormat(out, "\\u%04x", at(++i));
    } else if (at(i) == 0xE2 && at(i + 1) == 0x80 && (at(i + 2) == 0xA8 || at(i + 2) == 0xA9)) {
      out->append(at(i + 2) == 0xA8 ? "\\u2028" : "\\u2029");
      i += 2;
    } else if (at(i) == 0xEF && at(i + 1) == 0xBB && at(i + 2) == 0xBF) {
      out->append("\\ufeff");
      i += 2;
    } else if (at(i) == 0xEF && at(i + 1) == 0xBF && at(i + 2) >= 0xBE) {
      out->append(at(i + 2) == 0xBE ? "\\ufffe" : "\\uffff");
      i += 2;
    } else {
      out->push_back(quoted[i]);
    }
  }
}

void AppendString(const std::string& text, int indent, std::string* out) {
  if (!text.empty() && FitsLiteralBlock(text)) {
    const bool newline = text.back() == '\n';
    out->append(newline ? "|\n" : "|-\n");
    absl::string_view body = text;
    if (newline) body.remove_suffix(1);
    bool first = true;
    for (const absl::string_view line : absl::StrSplit(body, '\n')) {
      if (!first) out->push_back('\n');
      first = false;
      if (!line.empty()) {
        out->append(static_cast<size_t>(indent), ' ');
        out->append(line.data(), line.size());
      }
    }
    return;
  }
  if (NeedsQuotes(text)) {
    AppendQuoted(text, out);
  } else {
    out->append(text);
  }
}

void AppendKey(const std::string& key, std::string* out) {
  // "? key" would be needed for keys beyond 1,024 bytes; no reader we know needs such keys.
  if (NeedsQuotes(key)) {
    AppendQuoted(key, out);
  } else {
    out->append(key);
  }
  out->push_back(':');
}

// Recursion is bounded by the depth of the value, which every reader limits (Limits::max_depth).
// `indent` is where the parts of this value start; the cursor stands behind "key:" or "-".
void AppendValue(const Json& value, int indent, bool after_dash, std::string* out) {
  if (value.is_object() && !value.empty()) {
    bool first = true;
    for (const auto& [key, member] : value.items()) {
      if (first && after_dash) {
        out->push_back(' ');
      } else {
        if (!out->empty()) out->push_back('\n');
        out->append(static_cast<size_t>(indent), ' ');
      }
      first = false;
      AppendKey(key, out);
      AppendValue(member, indent + 2, false, out);
    }
    return;
  }
  if (value.is_array() && !value.empty()) {
    bool first = true;
    for (const Json& item : value) {
      if (first && after_dash) {
        out->push_back(' ');
      } else {
        if (!out->empty()) out->push_back('\n');
        out->append(static_cast<size_t>(indent), ' ');
      }
      first = false;
      out->push_back('-');
      AppendValue(item, indent + 2, true, out);
    }
    return;
  }
  if (!out->empty()) out->push_back(' ');
  if (value.is_string()) {
    AppendString(value.get_ref<const std::string&>(), indent == 0 ? 2 : indent, out);
  } else {
    out->append(json::Dump(value));
  }
}

}  // namespace

std::string ToYaml(const nlohmann::json& value) {
  std::string out;
  AppendValue(value, 0, false, &out);
  out.push_back('\n');
  return out;
}

}  // namespace purser::document

#include "edit/render.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "document/scalar.h"

namespace purser::edit {
namespace {

std::string Spaces(int count) { return std::string(static_cast<size_t>(std::max(count, 0)), ' '); }

// Length of the character at `at` when it must be escaped in a double-quoted YAML scalar (controls,
// line separators, the byte order mark and the two non-characters), else 0.
size_t Special(absl::string_view text, size_t at) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned first = byte(at);
  if (first < 0x20 || first == 0x7F) return 1;
  if (first == 0xC2 && byte(at + 1) < 0xA0) return 2;
  if (first == 0xE2 && byte(at + 1) == 0x80 && (byte(at + 2) == 0xA8 || byte(at + 2) == 0xA9)) {
    return 3;
  }
  if (first == 0xEF && byte(at + 1) == 0xBB && byte(at + 2) == 0xBF) return 3;
  return first == 0xEF && byte(at + 1) == 0xBF && byte(at + 2) >= 0xBE ? 3 : 0;
}

bool HasSpecial(absl::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    if (Special(text, i) != 0) return true;
  }
  return false;
}

std::string DoubleQuoted(absl::string_view text) {
  std::string out = "\"";
  for (size_t i = 0; i < text.size(); ++i) {
    const size_t special = Special(text, i);
    if (text[i] == '"' || text[i] == '\\') {
      out.push_back('\\');
      out.push_back(text[i]);
    } else if (text[i] == '\n') {
      out.append("\\n");
    } else if (text[i] == '\t') {
      out.append("\\t");
    } else if (text[i] == '\r') {
      out.append("\\r");
    } else if (special == 0) {
      out.push_back(text[i]);
    } else {
      const auto byte = [&](size_t k) {
        return static_cast<unsigned>(static_cast<unsigned char>(text[i + k]));
      };
      unsigned point = byte(0);
      if (special == 2) point = (point & 0x1F) << 6 | (byte(1) & 0x3F);
      if (special == 3) point = (point & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F);
      absl::StrAppendFormat(&out, "\\u%04X", point);
      i += special - 1;
    }
  }
  out.push_back('"');
  return out;
}

std::string SingleQuoted(absl::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') out.push_back('\'');
    out.push_back(c);
  }
  out.push_back('\'');
  return out;
}

std::string YamlString(absl::string_view text, Style wished, const Manner& manner) {
  const bool special = HasSpecial(text);
  if (wished == Style::kDoubleQuoted || special) return DoubleQuoted(text);
  if (wished == Style::kSingleQuoted) return SingleQuoted(text);
  if (!document::NeedsQuotes(text)) return std::string(text);
  return manner.quote == '\'' ? SingleQuoted(text) : DoubleQuoted(text);
}

// Shortest text that reads back as the same number; 1.0 keeps its point.
std::string NumberText(const Model& value) { return value.dump(); }

// True for texts of several lines that a literal block gives back exactly.
bool FitsLiteral(absl::string_view text) {
  const size_t newline = text.find('\n');
  if (absl::EndsWith(text, "\n\n")) return false;  // would take blank lines that follow
  if (newline == absl::string_view::npos || text[0] == ' ' || text[0] == '\n' || text[0] == '\t') {
    return false;
  }
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!line.empty() && (line.back() == ' ' || line.back() == '\t')) return false;
    if (absl::StrContains(line, '\t') ? HasSpecial(absl::StrReplaceAll(line, {{"\t", ""}}))
                                      : HasSpecial(line)) {
      return false;
    }
  }
  return true;
}

Rendered Literal(absl::string_view text, int column, const Manner& manner) {
  Rendered out;
  const bool newline = absl::EndsWith(text, "\n");
  out.head = newline ? "|" : "|-";
  if (newline) text.remove_suffix(1);
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    out.body += manner.line_end;
    if (!line.empty()) absl::StrAppend(&out.body, Spaces(column), line);
  }
  return out;
}

bool IsBlockScalar(Style style) { return style == Style::kLiteral || style == Style::kFolded; }

// Scalars, empty containers and markers; literal lines stand at `column`.
Rendered Leaf(const Model& value, int column, Style wished, const Manner& manner) {
  if (value.is_string()) {
    const std::string& text = value.get_ref<const std::string&>();
    if (manner.literals && FitsLiteral(text)) return Literal(text, column, manner);
    if (IsBlockScalar(wished)) wished = Style::kPlain;
  }
  return {YamlScalar(value, wished, manner), ""};
}

bool IsLeaf(const Model& value) {
  return !value.is_structured() || value.empty() || IsOpaque(value);
}

// Members of a mapping or items of a list at `column`, each on lines of its own.
std::string Lines(const Model& value, int column, const Manner& manner) {
  std::string out;
  for (auto item = value.begin(); item != value.end(); ++item) {
    absl::StrAppend(&out, manner.line_end, Spaces(column));
    Rendered part;
    if (value.is_object()) {
      absl::StrAppend(&out, YamlKey(item.key(), manner), ":");
      part = YamlMember(*item, column, Style::kPlain, manner);
    } else {
      out += '-';
      part = YamlItem(*item, column + 2, Style::kPlain, manner);
    }
    if (!part.head.empty()) absl::StrAppend(&out, " ", part.head);
    out += part.body;
  }
  return out;
}

}  // namespace

std::string YamlScalar(const Model& value, Style wished, const Manner& manner) {
  if (IsOpaque(value)) return OpaqueSource(value);
  if (value.is_string()) return YamlString(value.get_ref<const std::string&>(), wished, manner);
  if (value.is_number()) return NumberText(value);
  return value.dump();
}

std::string YamlKey(absl::string_view key, const Manner& manner) {
  return YamlString(key, Style::kPlain, manner);
}

std::string YamlFlow(const Model& value, const Manner& manner) {
  if (IsLeaf(value)) return YamlScalar(value, Style::kPlain, manner);
  std::string out = value.is_object() ? "{" : "[";
  const size_t start = out.size();
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (out.size() > start) out += ", ";
    if (value.is_object()) absl::StrAppend(&out, YamlKey(item.key(), manner), ": ");
    out += YamlFlow(*item, manner);
  }
  out += value.is_object() ? '}' : ']';
  return out;
}

Rendered YamlMember(const Model& value, int column, Style wished, const Manner& manner) {
  if (IsLeaf(value)) return Leaf(value, column + manner.indent, wished, manner);
  return {"",
          Lines(value, column + (value.is_array() ? manner.list_indent : manner.indent), manner)};
}

Rendered YamlItem(const Model& value, int column, Style wished, const Manner& manner) {
  if (IsLeaf(value)) return Leaf(value, std::max(column, 2), wished, manner);
  // The first line goes behind the dash: without its line end and indentation.
  std::string lines = Lines(value, column, manner);
  lines.erase(0, manner.line_end.size() + static_cast<size_t>(column));
  const size_t end = lines.find(manner.line_end);
  if (end == std::string::npos) return {std::move(lines), ""};
  return {lines.substr(0, end), lines.substr(end)};
}

std::string JsonText(const Model& value, absl::string_view indent, const Manner& manner) {
  if (IsOpaque(value)) return OpaqueSource(value);
  if (!value.is_structured() || value.empty()) {
    return value.dump(-1, ' ', false, Model::error_handler_t::replace);
  }
  const std::string inner = absl::StrCat(indent, manner.unit);
  std::string out = value.is_object() ? "{" : "[";
  const size_t start = out.size();
  for (auto item = value.begin(); item != value.end(); ++item) {
    if (out.size() > start) absl::StrAppend(&out, ",", !manner.spread && manner.blanks ? " " : "");
    if (manner.spread) absl::StrAppend(&out, manner.line_end, inner);
    if (value.is_object()) {
      absl::StrAppend(&out, Model(item.key()).dump(-1, ' ', false, Model::error_handler_t::replace),
                      manner.blanks ? ": " : ":");
    }
    out += JsonText(*item, inner, manner);
  }
  if (manner.spread) absl::StrAppend(&out, manner.line_end, indent);
  out += value.is_object() ? '}' : ']';
  return out;
}

namespace {

void YamlManner(const Tree& tree, Manner& manner) {
  bool indent = false;
  bool list = false;
  bool quote = false;
  for (const Node& node : tree.nodes) {
    if (!quote && (node.style == Style::kSingleQuoted || node.style == Style::kDoubleQuoted)) {
      manner.quote = node.style == Style::kSingleQuoted ? '\'' : '"';
      quote = true;
    }
    if (node.kind != Kind::kMapping || node.style != Style::kBlock || (indent && list)) continue;
    const int column = tree.Column(node.content);
    for (size_t i = 1; i < node.children.size(); i += 2) {
      const Node& child = tree.at(node.children[i]);
      if (child.style != Style::kBlock) continue;
      const int inner = tree.Column(child.content) - column;
      if (child.kind == Kind::kMapping && !indent && inner > 0) {
        manner.indent = inner;
        indent = true;
      } else if (child.kind == Kind::kSequence && !list && inner >= 0) {
        manner.list_indent = inner;
        list = true;
      }
    }
  }
  if (!list && indent) manner.list_indent = manner.indent;
  if (!indent && list && manner.list_indent > 0) manner.indent = manner.list_indent;
}

void JsonManner(const Tree& tree, Manner& manner) {
  bool container = false;
  manner.spread = tree.text.find('\n') < tree.text.find_last_not_of(" \t\r\n");
  for (const Node& node : tree.nodes) {
    if ((node.kind != Kind::kMapping && node.kind != Kind::kSequence) || node.children.empty()) {
      continue;
    }
    if (node.kind == Kind::kMapping && !container) {
      const size_t colon = tree.SkipSpace(tree.at(node.children[0]).end);
      manner.blanks = colon + 1 < tree.text.size() && tree.text[colon + 1] == ' ';
      container = true;
    }
    const size_t first = tree.at(node.children[0]).begin;
    if (!tree.StartsLine(first)) continue;
    const size_t outer = tree.LineStart(node.begin);
    const size_t inner = tree.LineStart(first);
    const absl::string_view text = tree.text;
    const absl::string_view outer_blanks = text.substr(outer, tree.SkipBlanks(outer) - outer);
    const absl::string_view inner_blanks = text.substr(inner, first - inner);
    if (absl::StartsWith(inner_blanks, outer_blanks) && inner_blanks.size() > outer_blanks.size()) {
      manner.unit = std::string(inner_blanks.substr(outer_blanks.size()));
      return;
    }
  }
  if (tree.nodes.empty() || (tree.nodes.size() == 1 && tree.nodes[0].children.empty())) {
    manner.spread = true;
  }
}

}  // namespace

Manner MannerOf(const Tree& tree) {
  Manner manner;
  const size_t newline = tree.text.find('\n');
  if (newline != std::string::npos && newline > 0 && tree.text[newline - 1] == '\r') {
    manner.line_end = "\r\n";
  }
  manner.literals = tree.text.empty() || tree.text.back() == '\n';
  if (tree.syntax == Syntax::kYaml) {
    YamlManner(tree, manner);
  } else {
    JsonManner(tree, manner);
  }
  return manner;
}

}  // namespace purser::edit

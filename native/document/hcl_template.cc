// Quoted strings, heredocs and the sequences in them.
#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "document/hcl_parser.h"

namespace purser::document {
namespace {

using Kind = HclExpression::Node::Kind;

void AppendUtf8(uint32_t code, std::string* out) {
  if (code < 0x80) {
    out->push_back(static_cast<char>(code));
  } else if (code < 0x800) {
    out->push_back(static_cast<char>(0xC0 | (code >> 6)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else if (code < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | (code >> 12)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  } else {
    out->push_back(static_cast<char>(0xF0 | (code >> 18)));
    out->push_back(static_cast<char>(0x80 | ((code >> 12) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | ((code >> 6) & 0x3F)));
    out->push_back(static_cast<char>(0x80 | (code & 0x3F)));
  }
}

}  // namespace

absl::StatusOr<HclParser::NodePtr> HclParser::Heredoc() {
  const size_t begin = at_;
  at_ += 2;
  const bool indented = Peek() == '-';
  if (indented) ++at_;
  const std::string marker = Identifier();
  if (Peek() == '\r') ++at_;
  if (marker.empty() || Peek() != '\n') return Unexpected("a heredoc's marker and a new line");
  ++at_;
  std::vector<absl::string_view> lines;
  for (;;) {
    if (at_ >= text_.size()) return FailAt(begin, "the heredoc is not closed");
    const size_t end = std::min(text_.find('\n', at_), text_.size());
    const absl::string_view line = text_.substr(at_, end - at_);
    if (absl::StripAsciiWhitespace(line) == marker) {
      at_ = end;
      break;
    }
    lines.push_back(line);
    at_ = std::min(end + 1, text_.size());
  }
  size_t indent = 0;
  if (indented) {
    indent = absl::string_view::npos;
    for (const absl::string_view line : lines) {
      const size_t blanks = line.find_first_not_of(" \t");
      if (blanks != absl::string_view::npos) indent = std::min(indent, blanks);
    }
  }
  std::string body;
  for (absl::string_view line : lines) {
    line.remove_prefix(std::min(indent, line.size()));
    absl::StrAppend(&body, line, "\n");
  }
  const Deeper deeper(depth_);
  if (depth_ > kMaxHclExpressionDepth) return TooDeep();
  // Faults inside are reported at the heredoc's first line.
  Position start = start_;
  start.line += static_cast<int>(
      1 + std::count(text_.begin(), text_.begin() + static_cast<std::ptrdiff_t>(begin), '\n'));
  start.column = 1;
  HclParser inner(body, file_, start);
  inner.depth_ = depth_;
  inner.nodes_ = nodes_;
  absl::StatusOr<NodePtr> node = inner.Template('\0', false);
  nodes_ = inner.nodes_;
  return node;
}

absl::StatusOr<HclParser::NodePtr> HclParser::Template(char close, bool escapes) {
  Node node;
  node.kind = Kind::kTemplate;
  std::string text;
  bool trims_left = false;  // the sequence before this text ended in "~}"
  const auto flush = [&](bool trims_right) -> absl::Status {
    if (trims_left) text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (trims_right) text.erase(text.find_last_not_of(" \t\r\n") + 1);
    if (text.empty()) return absl::OkStatus();
    PURSER_ASSIGN_OR_RETURN(NodePtr literal, MakeLiteral(std::move(text)));
    node.children.push_back(std::move(literal));
    text.clear();
    return absl::OkStatus();
  };
  const size_t begin = at_;
  for (;;) {
    if (at_ >= text_.size()) {
      if (close != '\0') return FailAt(begin, "this string is not closed");
      break;
    }
    const char c = Peek();
    if (close != '\0' && c == close) {
      ++at_;
      break;
    }
    if (Has("$${") || Has("%%{")) {
      absl::StrAppend(&text, std::string(1, c), "{");
      at_ += 3;
    } else if (Has("${") || Has("%{")) {
      PURSER_RETURN_IF_ERROR(flush(Peek(2) == '~'));
      at_ += Peek(2) == '~' ? 3 : 2;
      const bool before = std::exchange(lines_count_, false);
      absl::StatusOr<NodePtr> part = c == '$' ? Expression() : Directive();
      if (!part.ok()) return part.status();
      node.children.push_back(*std::move(part));
      Skip();
      trims_left = Peek() == '~';
      if (trims_left) ++at_;
      PURSER_RETURN_IF_ERROR(Take("}"));
      lines_count_ = before;
    } else if (escapes && c == '\\') {
      PURSER_RETURN_IF_ERROR(Escape(&text));
    } else {
      text.push_back(c);
      ++at_;
    }
  }
  PURSER_RETURN_IF_ERROR(flush(false));
  if (node.children.empty()) return MakeLiteral("");
  if (node.children.size() == 1 && node.children[0]->kind == Kind::kLiteral &&
      node.children[0]->value.is_string()) {
    return node.children[0];
  }
  return Make(std::move(node));
}

absl::Status HclParser::Escape(std::string* out) {
  const size_t begin = at_++;
  const char c = Peek();
  ++at_;
  switch (c) {
    case 'n':
      out->push_back('\n');
      return absl::OkStatus();
    case 'r':
      out->push_back('\r');
      return absl::OkStatus();
    case 't':
      out->push_back('\t');
      return absl::OkStatus();
    case '"':
      out->push_back('"');
      return absl::OkStatus();
    case '\\':
      out->push_back('\\');
      return absl::OkStatus();
    case 'u':
    case 'U': {
      const size_t digits = c == 'u' ? 4 : 8;
      uint32_t code = 0;
      if (at_ + digits > text_.size() || !absl::SimpleHexAtoi(text_.substr(at_, digits), &code) ||
          code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
        return FailAt(begin, "this escape names no character");
      }
      at_ += digits;
      AppendUtf8(code, out);
      return absl::OkStatus();
    }
    default:
      return FailAt(begin, "no such escape; \\n, \\r, \\t, \\\", \\\\, \\uNNNN, \\UNNNNNNNN");
  }
}

absl::StatusOr<HclParser::NodePtr> HclParser::Directive() {
  Skip();
  Node node;
  node.kind = Kind::kDirective;
  if (TakeWord("if")) {
    PURSER_ASSIGN_OR_RETURN(NodePtr condition, Expression());
    node.children.push_back(std::move(condition));
  } else if (TakeWord("for")) {
    do {
      Skip();
      if (Peek() == ',') ++at_;
      Skip();
      node.names.push_back(Identifier());
      Skip();
    } while (Peek() == ',');
    if (!TakeWord("in")) return Unexpected("\"in\"");
    PURSER_ASSIGN_OR_RETURN(NodePtr walked, Expression());
    node.children.push_back(std::move(walked));
  } else if (!TakeWord("else") && !TakeWord("endif") && !TakeWord("endfor")) {
    return Unexpected("if, else, endif, for or endfor");
  }
  return Make(std::move(node));
}

}  // namespace purser::document

// libyaml's events to a tree. Its marks count characters; the tree counts bytes.
#include <yaml.h>

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/tree.h"

namespace purser::edit {
namespace {

class Builder {
 public:
  Builder(absl::string_view text, absl::string_view file, StopLook& look)
      : file_(file), look_(look) {
    tree_.syntax = Syntax::kYaml;
    tree_.text = std::string(text);
    ready_ = yaml_parser_initialize(&parser_) == 1;
    if (!ready_) return;
    yaml_parser_set_encoding(&parser_, YAML_UTF8_ENCODING);
    // libyaml takes the byte order mark for a part of the first word.
    if (absl::StartsWith(text, "\xEF\xBB\xBF")) start_ = 3;
    yaml_parser_set_input_string(&parser_,
                                 reinterpret_cast<const unsigned char*>(tree_.text.data()) + start_,
                                 tree_.text.size() - start_);
    const bool ascii = std::all_of(text.begin(), text.end(),
                                   [](char c) { return static_cast<unsigned char>(c) < 0x80; });
    if (ascii) return;
    for (size_t i = start_; i < text.size(); ++i) {
      if ((static_cast<unsigned char>(text[i]) & 0xC0) != 0x80) {
        offsets_.push_back(static_cast<uint32_t>(i));
      }
    }
    offsets_.push_back(static_cast<uint32_t>(text.size()));
  }
  ~Builder() {
    if (ready_) yaml_parser_delete(&parser_);
  }
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;

  absl::StatusOr<Tree> Build() {
    if (!ready_) return absl::ResourceExhaustedError("no memory for a YAML parser");
    for (bool more = true; more;) {
      if (look_()) return look_.status();
      yaml_event_t event;
      if (yaml_parser_parse(&parser_, &event) == 0) return SyntaxError();
      more = event.type != YAML_STREAM_END_EVENT;
      const absl::Status status = On(event);
      yaml_event_delete(&event);
      PURSER_RETURN_IF_ERROR(status);
    }
    if (tree_.documents.empty()) tree_.documents.push_back({-1, tree_.text.size()});
    return std::move(tree_);
  }

 private:
  static std::string Text(const yaml_char_t* text) {
    return text == nullptr ? std::string() : reinterpret_cast<const char*>(text);
  }
  size_t Offset(const yaml_mark_t& mark) const {
    if (offsets_.empty()) return std::min(mark.index, tree_.text.size());
    return offsets_[std::min(mark.index, offsets_.size() - 1)];
  }
  absl::Status Fail(absl::StatusCode code, const yaml_mark_t& mark, absl::string_view what) const {
    return absl::Status(code,
                        absl::StrCat(file_, ":", mark.line + 1, ":", mark.column + 1, ": ", what));
  }
  absl::Status SyntaxError() const {
    const char* problem = parser_.problem == nullptr ? "unreadable" : parser_.problem;
    const bool reader = parser_.error == YAML_READER_ERROR;
    return Fail(absl::StatusCode::kInvalidArgument, reader ? parser_.mark : parser_.problem_mark,
                reader ? absl::StrCat(problem, " (the text must be UTF-8)") : problem);
  }

  absl::Status On(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_DOCUMENT_START_EVENT:
        if (tree_.documents.size() >= kMaxDocuments) {
          return Fail(absl::StatusCode::kResourceExhausted, event.start_mark,
                      absl::StrCat("more than ", kMaxDocuments, " documents (kMaxDocuments)"));
        }
        anchors_.clear();
        tree_.documents.push_back({-1, Offset(event.end_mark)});
        return absl::OkStatus();
      case YAML_SCALAR_EVENT: {
        Node node;
        node.text.assign(reinterpret_cast<const char*>(event.data.scalar.value),
                         event.data.scalar.length);
        node.style = ScalarStyle(event.data.scalar.style);
        return Add(event, std::move(node), event.data.scalar.anchor, event.data.scalar.tag);
      }
      case YAML_ALIAS_EVENT: {
        Node node;
        node.kind = Kind::kAlias;
        node.text = Text(event.data.alias.anchor);
        if (!anchors_.contains(node.text)) {
          return Fail(absl::StatusCode::kInvalidArgument, event.start_mark,
                      absl::StrCat("alias *", base::EscapeForDisplay(node.text, 80),
                                   " has no anchor before it"));
        }
        return Add(event, std::move(node), nullptr, nullptr);
      }
      case YAML_SEQUENCE_START_EVENT: {
        Node node;
        node.kind = Kind::kSequence;
        node.style = event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE ? Style::kFlow
                                                                                 : Style::kBlock;
        return Add(event, std::move(node), event.data.sequence_start.anchor,
                   event.data.sequence_start.tag);
      }
      case YAML_MAPPING_START_EVENT: {
        Node node;
        node.kind = Kind::kMapping;
        node.style = event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE ? Style::kFlow
                                                                               : Style::kBlock;
        return Add(event, std::move(node), event.data.mapping_start.anchor,
                   event.data.mapping_start.tag);
      }
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT:
        Close(event);
        return absl::OkStatus();
      default:
        return absl::OkStatus();
    }
  }

  static Style ScalarStyle(yaml_scalar_style_t style) {
    switch (style) {
      case YAML_SINGLE_QUOTED_SCALAR_STYLE:
        return Style::kSingleQuoted;
      case YAML_DOUBLE_QUOTED_SCALAR_STYLE:
        return Style::kDoubleQuoted;
      case YAML_LITERAL_SCALAR_STYLE:
        return Style::kLiteral;
      case YAML_FOLDED_SCALAR_STYLE:
        return Style::kFolded;
      default:
        return Style::kPlain;
    }
  }

  absl::Status Add(const yaml_event_t& event, Node node, const yaml_char_t* anchor,
                   const yaml_char_t* tag) {
    if (tree_.nodes.size() >= kMaxValues) {
      return Fail(absl::StatusCode::kResourceExhausted, event.start_mark,
                  absl::StrCat("more than ", kMaxValues, " values (kMaxValues)"));
    }
    if (open_.size() >= kMaxDepth) {
      return Fail(absl::StatusCode::kResourceExhausted, event.start_mark,
                  absl::StrCat("nested deeper than ", kMaxDepth, " (kMaxDepth)"));
    }
    node.anchor = Text(anchor);
    node.tag = Text(tag);
    node.begin = Offset(event.start_mark);
    node.end = std::max(node.begin, Offset(event.end_mark));
    Locate(node);
    if (!node.anchor.empty()) anchors_.insert(node.anchor);
    const int index = static_cast<int>(tree_.nodes.size());
    const bool container = node.kind == Kind::kMapping || node.kind == Kind::kSequence;
    if (open_.empty()) {
      tree_.documents.back().root = index;
    } else {
      Node& parent = tree_.nodes[static_cast<size_t>(open_.back())];
      parent.children.push_back(index);
      if (parent.kind == Kind::kMapping && parent.children.size() > 2 * kMaxMembers) {
        return Fail(absl::StatusCode::kResourceExhausted, event.start_mark,
                    absl::StrCat("more than ", kMaxMembers, " keys in a mapping (kMaxMembers)"));
      }
    }
    tree_.nodes.push_back(std::move(node));
    if (container) open_.push_back(index);
    return absl::OkStatus();
  }

  // Finds where anchor and tag end and the value begins, and where a block scalar really ends.
  void Locate(Node& node) {
    const std::string& text = tree_.text;
    node.properties_end = node.content = node.begin;
    if (!node.anchor.empty() || !node.tag.empty()) {
      size_t at = node.begin;
      while (at < text.size() && (text[at] == '&' || text[at] == '!')) {
        const bool verbatim = text[at] == '!' && at + 1 < text.size() && text[at + 1] == '<';
        const size_t end = verbatim ? text.find('>', at) : text.find_first_of(" \t\r\n,[]{}", at);
        at = end == std::string::npos ? text.size() : end + (verbatim ? 1 : 0);
        node.properties_end = at;
        at = tree_.SkipSpace(at);
      }
      const bool empty =
          node.kind == Kind::kScalar && node.text.empty() && node.style == Style::kPlain;
      node.content = empty ? node.properties_end : at;
      node.end = std::max(node.end, node.content);
      if (empty) node.end = node.properties_end;
    }
    if (node.style == Style::kLiteral || node.style == Style::kFolded) TrimBlockScalar(node);
    node.bare = node.kind == Kind::kMapping && node.style == Style::kFlow &&
                (node.content >= text.size() || text[node.content] != '{');
  }

  // libyaml's end is the start of the line behind the trailing blank ones.
  void TrimBlockScalar(Node& node) const {
    const std::string& text = tree_.text;
    const size_t header_end = tree_.LineEnd(node.content);
    size_t header = node.content + 1;
    bool keep = false;
    int indent = -1;
    for (; header < header_end && text[header] != ' ' && text[header] != '#'; ++header) {
      keep = keep || text[header] == '+';
      // An explicit indentation is relative to the parent's, so the first line tells more.
    }
    size_t end = header_end;
    const size_t limit = std::min(node.end, text.size());
    for (size_t line = header_end; line < limit;) {
      line = text.find('\n', line);
      if (line == std::string::npos || ++line >= limit) break;
      const size_t line_end = tree_.LineEnd(line);
      const size_t first = tree_.SkipBlanks(line);
      if (first < line_end && indent < 0) indent = static_cast<int>(first - line);
      const bool blank =
          first >= line_end && (indent < 0 || line_end - line <= static_cast<size_t>(indent));
      if (!blank || keep) end = line_end;
      line = line_end;
    }
    node.end = end;
  }

  void Close(const yaml_event_t& event) {
    Node& node = tree_.nodes[static_cast<size_t>(open_.back())];
    open_.pop_back();
    if (node.style == Style::kFlow && !node.bare) {
      node.end = Offset(event.end_mark);
    } else if (!node.children.empty()) {
      node.end = std::max(node.content, tree_.at(node.children.back()).end);
      // "key:" without a value: the value's place is behind the colon already.
      if (node.children.size() > 1 && node.kind == Kind::kMapping) {
        node.end = std::max(node.end, tree_.at(node.children[node.children.size() - 2]).end);
      }
    } else {
      node.end = node.content;
    }
  }

  const std::string file_;
  StopLook& look_;
  Tree tree_;
  yaml_parser_t parser_ = {};
  bool ready_ = false;
  size_t start_ = 0;
  std::vector<uint32_t> offsets_;  // of characters; empty for ASCII
  std::vector<int> open_;
  absl::flat_hash_set<std::string> anchors_;
};

}  // namespace

absl::StatusOr<Tree> ParseYamlTree(absl::string_view text, absl::string_view file, StopLook& look) {
  if (static_cast<int64_t>(text.size()) > kMaxFileBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(file, ": ", text.size(), " bytes, more than ",
                                                     kMaxFileBytes, " (kMaxFileBytes)"));
  }
  for (size_t at = text.find('\r'); at != absl::string_view::npos; at = text.find('\r', at + 1)) {
    if (at + 1 >= text.size() || text[at + 1] != '\n') {
      return absl::InvalidArgumentError(absl::StrCat(
          file, ": a carriage return that ends no line; save the file with LF or CRLF line ends"));
    }
  }
  return Builder(text, file, look).Build();
}

}  // namespace purser::edit

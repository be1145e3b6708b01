// JSON to a tree; comments and trailing commas are let through, since files of editors and
// compilers have them.
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "edit/tree.h"
#include "json/json.h"

namespace purser::edit {
namespace {

class Reader {
 public:
  Reader(absl::string_view text, absl::string_view file, StopLook& look)
      : file_(file), look_(look) {
    tree_.syntax = Syntax::kJson;
    tree_.text = std::string(text);
  }

  absl::StatusOr<Tree> Read() {
    if (tree_.text.compare(0, 3, "\xEF\xBB\xBF") == 0) at_ = 3;
    Skip();
    tree_.documents.push_back({-1, at_});
    if (at_ == tree_.text.size()) return std::move(tree_);
    PURSER_ASSIGN_OR_RETURN(tree_.documents[0].root, Value(0));
    Skip();
    if (at_ < tree_.text.size()) return Unexpected("the end of the text");
    return std::move(tree_);
  }

 private:
  void Skip() { at_ = tree_.SkipSpace(at_); }
  char Peek() const { return at_ < tree_.text.size() ? tree_.text[at_] : '\0'; }
  absl::Status Fail(absl::StatusCode code, absl::string_view what) const {
    return absl::Status(code, absl::StrCat(file_, ":", tree_.Where(at_), ": ", what));
  }
  absl::Status Unexpected(absl::string_view wanted) const {
    const std::string found =
        at_ < tree_.text.size()
            ? absl::StrCat("\"", base::EscapeForDisplay(tree_.text.substr(at_, 12)), "\"")
            : "the end of the text";
    return Fail(absl::StatusCode::kInvalidArgument,
                absl::StrCat("expected ", wanted, ", not ", found));
  }

  // Depth is bounded by kMaxDepth.
  absl::StatusOr<int> Value(int depth) {
    if (depth > kMaxDepth) {
      return Fail(absl::StatusCode::kResourceExhausted,
                  absl::StrCat("nested deeper than ", kMaxDepth, " (kMaxDepth)"));
    }
    if (tree_.nodes.size() >= kMaxValues) {
      return Fail(absl::StatusCode::kResourceExhausted,
                  absl::StrCat("more than ", kMaxValues, " values (kMaxValues)"));
    }
    if (look_()) return look_.status();
    const int index = static_cast<int>(tree_.nodes.size());
    tree_.nodes.emplace_back();
    Node node;
    node.begin = node.properties_end = node.content = at_;
    const char first = Peek();
    if (first == '{' || first == '[') {
      PURSER_RETURN_IF_ERROR(Container(first, depth, node));
    } else {
      PURSER_RETURN_IF_ERROR(Scalar(node));
    }
    node.end = at_;
    tree_.nodes[static_cast<size_t>(index)] = std::move(node);
    return index;
  }

  absl::Status Container(char open, int depth, Node& node) {
    const bool object = open == '{';
    node.kind = object ? Kind::kMapping : Kind::kSequence;
    node.style = Style::kFlow;
    const char close = object ? '}' : ']';
    ++at_;
    for (;;) {
      Skip();
      if (Peek() == close) break;
      if (object) {
        if (Peek() != '"') return Unexpected("a key in quotes or }");
        PURSER_ASSIGN_OR_RETURN(const int key, Value(depth + 1));
        node.children.push_back(key);
        if (node.children.size() > 2 * kMaxMembers) {
          return Fail(absl::StatusCode::kResourceExhausted,
                      absl::StrCat("more than ", kMaxMembers, " keys in an object (kMaxMembers)"));
        }
        Skip();
        if (Peek() != ':') return Unexpected("\":\"");
        ++at_;
        Skip();
      }
      PURSER_ASSIGN_OR_RETURN(const int value, Value(depth + 1));
      node.children.push_back(value);
      Skip();
      if (Peek() == ',') {
        ++at_;
      } else if (Peek() != close) {
        return Unexpected(object ? "\",\" or \"}\"" : "\",\" or \"]\"");
      }
    }
    ++at_;
    return absl::OkStatus();
  }

  absl::Status Scalar(Node& node) {
    const std::string& text = tree_.text;
    size_t end = at_;
    if (Peek() == '"') {
      node.style = Style::kDoubleQuoted;
      for (end = at_ + 1; end < text.size() && text[end] != '"' && text[end] != '\n'; ++end) {
        if (text[end] == '\\') ++end;
      }
      if (end >= text.size() || text[end] != '"') {
        return Fail(absl::StatusCode::kInvalidArgument, "the string is not closed on its line");
      }
      ++end;
    } else {
      end = text.find_first_of(" \t\r\n,:[]{}/\"", at_);
      if (end == std::string::npos) end = text.size();
      if (end == at_) return Unexpected("a value");
    }
    const absl::string_view token = absl::string_view(text).substr(at_, end - at_);
    const absl::StatusOr<nlohmann::json> value = json::Parse(token);
    if (!value.ok()) {
      return Fail(absl::StatusCode::kInvalidArgument,
                  absl::StrCat("\"", base::EscapeForDisplay(token, 40), "\" is no JSON value"));
    }
    node.text = value->is_string() ? value->get<std::string>() : std::string(token);
    at_ = end;
    return absl::OkStatus();
  }

  const std::string file_;
  StopLook& look_;
  Tree tree_;
  size_t at_ = 0;
};

}  // namespace

absl::StatusOr<Tree> ParseJsonTree(absl::string_view text, absl::string_view file, StopLook& look) {
  if (static_cast<int64_t>(text.size()) > kMaxFileBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(file, ": ", text.size(), " bytes, more than ",
                                                     kMaxFileBytes, " (kMaxFileBytes)"));
  }
  if (!base::IsValidUtf8(text)) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": the text must be UTF-8"));
  }
  return Reader(text, file, look).Read();
}

}  // namespace purser::edit

// The parser behind HclExpression; nobody outside this folder includes this.
#ifndef PURSER_DOCUMENT_HCL_PARSER_H_
#define PURSER_DOCUMENT_HCL_PARSER_H_

#include <algorithm>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "document/hcl_expression.h"
#include "document/hcl_node.h"
#include "nlohmann/json.hpp"

namespace purser::document {

// A text that is read from its beginning to its end. Not thread-safe.
class HclScanner {
 public:
  // The text begins at `start` of `file`; it must outlive the scanner.
  HclScanner(absl::string_view text, absl::string_view file, Position start)
      : text_(text), file_(file), start_(start) {}

 protected:
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool Has(absl::string_view what) const {
    return absl::StartsWith(text_.substr(std::min(at_, text_.size())), what);
  }
  absl::Status FailAt(size_t at, absl::string_view what,
                      absl::StatusCode code = absl::StatusCode::kInvalidArgument) const;
  absl::Status Unexpected(absl::string_view wanted) const;
  // Over blanks and comments, and over line ends where they mean nothing.
  void Skip();
  void SkipLines();
  std::string Identifier();
  // A word that is one of the language's, not the beginning of a longer name.
  bool TakeWord(absl::string_view word);
  absl::Status Take(absl::string_view token);

  const absl::string_view text_;
  const std::string file_;
  const Position start_;
  size_t at_ = 0;
  bool lines_count_ = false;  // a line's end means something here
};

// One expression or template. Its recursion is bounded by kMaxHclExpressionDepth.
class HclParser : private HclScanner {
 public:
  using Node = HclExpression::Node;
  using NodePtr = std::shared_ptr<const Node>;

  using HclScanner::HclScanner;
  absl::StatusOr<NodePtr> Whole();
  absl::StatusOr<NodePtr> WholeTemplate() { return Template('\0', false); }

 private:
  // Counts how deep the recursion is while it lives.
  class Deeper {
   public:
    explicit Deeper(int& depth) : depth_(depth) { ++depth_; }
    ~Deeper() { --depth_; }
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;

   private:
    int& depth_;
  };

  absl::Status TooDeep() const;
  absl::StatusOr<NodePtr> Make(Node node);
  absl::StatusOr<NodePtr> MakeLiteral(nlohmann::json value);

  absl::StatusOr<NodePtr> Expression();
  absl::StatusOr<NodePtr> Binary(size_t level);
  absl::StatusOr<NodePtr> Unary();
  absl::StatusOr<NodePtr> Postfix();
  absl::StatusOr<NodePtr> Primary();
  absl::StatusOr<NodePtr> Number();
  absl::StatusOr<NodePtr> Call(std::string name);
  absl::StatusOr<NodePtr> Collection(char open);
  // Behind "for".
  absl::StatusOr<NodePtr> For(char close);

  // Texts with sequences in them, hcl_template.cc.
  absl::StatusOr<NodePtr> Heredoc();
  // Text with ${ } and %{ } up to `close` (or the end), behind which it ends. Backslashes escape in
  // quoted strings only.
  absl::StatusOr<NodePtr> Template(char close, bool escapes);
  absl::Status Escape(std::string* out);
  // Behind "%{": what it reads.
  absl::StatusOr<NodePtr> Directive();

  int depth_ = 0;
  int nodes_ = 0;
};

}  // namespace purser::document

#endif  // PURSER_DOCUMENT_HCL_PARSER_H_

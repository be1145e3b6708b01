// Parses the expressions inside tags.
#ifndef PURSER_TEMPLATE_EXPRESSION_PARSER_H_
#define PURSER_TEMPLATE_EXPRESSION_PARSER_H_

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/string_view.h"
#include "template/lexer.h"
#include "template/program_builder.h"

namespace purser::tmpl {

// Parses one piece of code; one at a time, since they share their tokens' storage. Methods return
// false after a failure; then the parser is of no use.
class ExpressionParser {
 public:
  // `code` stands at `offset` of the source.
  ExpressionParser(ProgramBuilder& builder, absl::string_view code, uint32_t offset);

  bool Expression(NodeId* out);
  bool Targets(std::vector<NodeId>* out);  // names, comma-separated
  // A macro's parameters (the text between its parentheses).
  bool Signature(CallableInfo* out);
  // `name(arguments)` of a filter block, applied to `input`.
  bool FilterOf(NodeId input, NodeId* out);

 private:
  bool InlineIf(NodeId* out);
  bool Binary(int lowest, NodeId* out);
  bool Comparison(int level, NodeId left, NodeId* out);
  bool Membership(NodeId left, bool negate, NodeId* out);
  bool Test(NodeId left, NodeId* out);
  bool Not(NodeId* out);
  bool Multiplicative(NodeId* out);
  bool Power(NodeId* out);
  bool Filtered(NodeId* out);
  bool Unary(NodeId* out);
  bool Postfix(NodeId* out);
  bool Primary(NodeId* out);
  bool Dict(uint32_t offset, NodeId* out);
  bool List(Symbol end, std::vector<NodeId>* out);
  bool Subscript(NodeId* out);
  bool Filter(NodeId input, NodeId* out);
  // Arguments up to and with the closing parenthesis; `first` (or kNoNode) is put before them.
  bool Arguments(NodeId first, NodeId* out);

  const Token& Peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  // Operators and keywords.
  bool Is(Symbol symbol, size_t ahead = 0) const { return Peek(ahead).symbol == symbol; }
  bool Take(Symbol symbol);
  bool Expect(char op);
  bool ExpectName(Token* out);
  bool ExpectEnd();
  // Whether what stands `ahead` ends an argument.
  bool IsLastOfArgument(size_t ahead) const { return Is(')', ahead) || Is(',', ahead); }
  bool CheckName(absl::string_view name, uint32_t offset);
  bool Unexpected(absl::string_view wanted);
  std::optional<CompareOp> Comparator(int level) const;
  NodeId MakeBinary(NodeType type, NodeId left, NodeId right);

  ProgramBuilder& builder_;
  const std::vector<Token>& tokens_;
  size_t at_ = 0;
  bool ok_;
};

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_EXPRESSION_PARSER_H_

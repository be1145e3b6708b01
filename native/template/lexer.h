// Splits a template into text and tags, and a tag into tokens.
#ifndef PURSER_TEMPLATE_LEXER_H_
#define PURSER_TEMPLATE_LEXER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "template/growing.h"
#include "template/run.h"
#include "template/template.h"

namespace purser::tmpl {

// Bytes of one regular-expression literal.
inline constexpr size_t kMaxRegexBytes = 16'384;

enum class PieceKind : uint8_t { kText, kVariable, kBlock };

// Small, as a large file has millions.
struct Piece {
  const char* data;
  uint32_t size : 30;  // sources are smaller than 1 GiB
  PieceKind kind : 2;
  uint32_t offset;  // of the text or the tag's opening

  // The text, or the tag's inside without outer white space, which is a part of the source.
  absl::string_view value() const { return {data, size}; }
};
static_assert(sizeof(Piece) == 16);

// `owned` keeps texts that are put together from several parts of the source. Failures go to `run`.
bool SplitTemplate(Run& run, absl::string_view source, const Options& options,
                   std::deque<std::string>& owned, Growing<Piece>* out);

enum class TokenKind : uint8_t { kName, kNumber, kString, kRegex, kOperator, kEnd };

// What an operator or a keyword is: operators of one character are that character.
using Symbol = uint8_t;
enum : Symbol {
  kNoSymbol = 0,
  kStrictEqSymbol = 128,
  kStrictNeSymbol,
  kPowerSymbol,
  kFloorSymbol,
  kEqSymbol,
  kNeSymbol,
  kLeSymbol,
  kGeSymbol,
  // Words that join or begin operands; as names they have no meaning of their own.
  kAndWord,
  kElseWord,
  kIfWord,
  kInWord,
  kIsWord,
  kNotWord,
  kOrWord,
};

struct Token {
  TokenKind kind;
  Symbol symbol;  // of an operator, and of a name that is a keyword
  uint32_t offset;
  absl::string_view value;  // of a string: unescaped; of a regex: its source
  absl::string_view flags;  // of a regex
};

// The tokens of one expression, in storage that serves the next one again.
struct Tokens {
  std::vector<Token> list;
  std::deque<std::string> unescaped;  // strings that are not a part of the source
};

// The tokens of an expression, an end token last. `offset` is where `source` begins; the tokens are
// good as long as it.
bool Tokenize(Run& run, absl::string_view source, uint32_t offset, Tokens* out);

// --- Looking through code without tokenizing it; strings and regex literals are skipped whole.

// First `wanted` outside all brackets; npos when there is none.
size_t FindTopLevel(absl::string_view code, char wanted);
// First standing-alone keyword outside all brackets.
size_t FindTopLevelKeyword(absl::string_view code, absl::string_view keyword);
// The bracket that closes the one at `open`.
size_t FindClosing(absl::string_view code, size_t open);

// Template white space inside tags: blank, tab, line ends, U+00A0.
absl::string_view TrimCode(absl::string_view code);
absl::string_view TrimCodeStart(absl::string_view code);

// The word a block tag begins with, and what follows it.
absl::string_view TagName(absl::string_view tag);
absl::string_view TagRest(absl::string_view tag);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_LEXER_H_

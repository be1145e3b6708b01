// What a regular expression is compiled to; for pattern.cc and pattern_parser.cc.
#ifndef PURSER_JSON_PATTERN_PROGRAM_H_
#define PURSER_JSON_PATTERN_PROGRAM_H_

#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "json/pattern.h"

namespace purser::json {
namespace pattern {

// One instruction of the backtracking machine. Jumps are relative, so that the code of an atom can
// be copied when {n,m} is unrolled.
enum class Op {
  kChar,     // x: code point
  kAny,      // everything but a line end
  kSet,      // x: index of a character set
  kSplit,    // try pc+x first, then pc+y
  kJump,     // x
  kSave,     // x: slot
  kReset,    // forget the slots [x, y)
  kStart,    // ^
  kEnd,      // $
  kWord,     // \b (x=1) or \B (x=0)
  kLook,     // x: length of the body behind it (ends in kMatch), y: 1 when negative
  kBackRef,  // x: group
  kMark,     // x: register := position
  kCheck,    // x: fail when the position did not move since kMark
  kMatch,
};

struct Instruction {
  Op op;
  int x = 0;
  int y = 0;
};
using Code = std::vector<Instruction>;

using Range = std::pair<char32_t, char32_t>;
inline constexpr char32_t kMaxCodePoint = 0x10FFFF;

struct Set {
  bool negated = false;
  std::vector<Range> ranges;

  bool Contains(char32_t c) const {
    for (const auto& [low, high] : ranges) {
      if (c >= low && c <= high) return !negated;
    }
    return negated;
  }
};

inline bool IsWord(char32_t c) {
  return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
inline bool IsLineEnd(char32_t c) { return c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029; }

// Code points; bytes that are no UTF-8 become U+FFFD.
std::vector<char32_t> Decode(absl::string_view text);

}  // namespace pattern

struct Pattern::Program {
  pattern::Code code;
  std::vector<pattern::Set> sets;
  int slots = 0;      // two per group
  int registers = 0;  // for the empty-loop check
};

namespace pattern {

// INVALID_ARGUMENT says what is wrong and at which character.
absl::Status Parse(absl::string_view source, Pattern::Program* program);

}  // namespace pattern
}  // namespace purser::json

#endif  // PURSER_JSON_PATTERN_PROGRAM_H_

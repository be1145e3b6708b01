// The instructions of a compiled regular expression; between its compiler and its matcher.
#ifndef PURSER_TEMPLATE_REGEX_PROGRAM_H_
#define PURSER_TEMPLATE_REGEX_PROGRAM_H_

#include <string>
#include <utility>
#include <vector>

#include "template/regex.h"

namespace purser::tmpl {

enum class RegexOp : uint8_t {
  kMatch,
  kChar,   // x: unit
  kAny,    // all but line ends
  kClass,  // x: class
  kJump,   // x: target
  kSplit,  // first the next instruction, then x; greedy = false: the other way round
  kSave,   // x: register that takes the position
  kClear,  // registers x … y: not taken
  kLineStart,
  kLineEnd,
  kBoundary,       // negative: not a boundary
  kBackReference,  // x: group
  kLook,           // x: behind the part looked for; negative, backward
  kZero,           // x: register set to 0
  kLoop,           // x: counter, y: index of LoopInfo, target: behind the loop
  kLoopEnd,        // x: counter, y: index of LoopInfo, target: the kLoop
};

struct Regex::Instruction {
  RegexOp op;
  bool backward = false;
  bool negative = false;
  bool greedy = true;
  uint32_t x = 0;
  uint32_t y = 0;
  uint32_t target = 0;
  int64_t least = 0;
  int64_t most = -1;  // -1: no bound
};

struct Regex::ClassSet {
  bool negative = false;
  std::vector<std::pair<char16_t, char16_t>> ranges;
};

// Compiles; returns what is wrong, empty when nothing is.
std::string CompileRegex(std::u16string_view source, Regex* out);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_REGEX_PROGRAM_H_

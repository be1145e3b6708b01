#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "json/pattern_program.h"

namespace purser::json::pattern {
namespace {

const std::vector<Range>& ClassRanges(char letter) {
  static const auto& digits = *new std::vector<Range>{{'0', '9'}};
  static const auto& words =
      *new std::vector<Range>{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
  static const auto& spaces = *new std::vector<Range>{
      {0x09, 0x0D},     {0x20, 0x20},     {0xA0, 0xA0},     {0x1680, 0x1680}, {0x2000, 0x200A},
      {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
  if (letter == 'd') return digits;
  return letter == 'w' ? words : spaces;
}

// Adds \d \w \s, or the complement for \D \W \S.
void AddClass(char letter, std::vector<Range>* out) {
  const bool complement = letter >= 'A' && letter <= 'Z';
  const std::vector<Range>& ranges = ClassRanges(static_cast<char>(letter | 0x20));
  if (!complement) {
    out->insert(out->end(), ranges.begin(), ranges.end());
    return;
  }
  char32_t next = 0;
  for (const auto& [low, high] : ranges) {
    if (low > next) out->emplace_back(next, low - 1);
    next = high + 1;
  }
  out->emplace_back(next, kMaxCodePoint);
}

// Recursive descent over groups, at most kMaxPatternNesting deep.
class Parser {
 public:
  Parser(std::vector<char32_t> source, Pattern::Program* program)
      : source_(std::move(source)), program_(program) {}

  absl::Status Parse() {
    PURSER_ASSIGN_OR_RETURN(program_->code, Alternatives(0));
    if (!AtEnd()) return Error("')' without '('");
    program_->code.push_back({Op::kMatch});
    program_->slots = 2 * (groups_ + 1);
    if (max_back_reference_ > groups_)
      return Error("a back-reference to a group that is not there");
    return absl::OkStatus();
  }

 private:
  bool AtEnd() const { return next_ >= source_.size(); }
  char32_t Peek(size_t ahead = 0) const {
    return next_ + ahead < source_.size() ? source_[next_ + ahead] : 0;
  }
  bool Eat(char32_t c) {
    if (AtEnd() || Peek() != c) return false;
    ++next_;
    return true;
  }
  absl::Status Error(absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern is wrong at character ", next_ + 1, ": ", what));
  }

  // Appends `more` if the program stays within its limit.
  absl::Status Append(const Code& more, Code* code) {
    if (code->size() + more.size() > static_cast<size_t>(kMaxPatternInstructions)) {
      return Error(absl::StrCat("it unrolls to more than ", kMaxPatternInstructions,
                                " instructions; use smaller counts in {}"));
    }
    code->insert(code->end(), more.begin(), more.end());
    return absl::OkStatus();
  }

  absl::StatusOr<Code> Alternatives(int depth) {
    if (depth > kMaxPatternNesting) {
      return Error(absl::StrCat("groups are nested deeper than ", kMaxPatternNesting));
    }
    std::vector<Code> branches;
    do {
      PURSER_ASSIGN_OR_RETURN(Code branch, Sequence(depth));
      branches.push_back(std::move(branch));
    } while (Eat('|'));
    Code code = std::move(branches.back());
    for (size_t i = branches.size() - 1; i-- > 0;) {
      Code joined;
      const int length = static_cast<int>(branches[i].size());
      joined.push_back({Op::kSplit, 1, length + 2});
      PURSER_RETURN_IF_ERROR(Append(branches[i], &joined));
      joined.push_back({Op::kJump, static_cast<int>(code.size()) + 1});
      PURSER_RETURN_IF_ERROR(Append(code, &joined));
      code = std::move(joined);
    }
    return code;
  }

  absl::StatusOr<Code> Sequence(int depth) {
    Code code;
    while (!AtEnd() && Peek() != '|' && Peek() != ')') {
      const int first_group = groups_ + 1;
      bool quantifiable = true;
      PURSER_ASSIGN_OR_RETURN(Code atom, Atom(depth, &quantifiable));
      PURSER_ASSIGN_OR_RETURN(Code repeated,
                              Quantified(std::move(atom), first_group, quantifiable));
      PURSER_RETURN_IF_ERROR(Append(repeated, &code));
    }
    return code;
  }

  // Reads "{n}", "{n,}", "{n,m}"; leaves the place alone when it is a literal brace.
  bool Counts(int* least, int* most) {
    size_t at = next_ + 1;
    const auto number = [this, &at](int* out) {
      const size_t begin = at;
      int64_t value = 0;
      while (at < source_.size() && source_[at] >= '0' && source_[at] <= '9') {
        value = std::min<int64_t>(value * 10 + (source_[at] - '0'), kMaxPatternInstructions + 1);
        ++at;
      }
      *out = static_cast<int>(value);
      return at > begin;
    };
    if (!number(least)) return false;
    *most = *least;
    if (at < source_.size() && source_[at] == ',') {
      ++at;
      if (!number(most)) *most = -1;
    }
    if (at >= source_.size() || source_[at] != '}') return false;
    next_ = at + 1;
    return true;
  }

  absl::StatusOr<Code> Quantified(Code atom, int first_group, bool quantifiable) {
    int least = 1;
    int most = 1;
    if (Eat('*')) {
      least = 0;
      most = -1;
    } else if (Eat('+')) {
      most = -1;
    } else if (Eat('?')) {
      least = 0;
    } else if (AtEnd() || Peek() != '{' || !Counts(&least, &most)) {
      return atom;
    }
    if (!quantifiable) return Error("nothing to repeat");
    if (most >= 0 && most < least) return Error("numbers in {} are out of order");
    const bool greedy = !Eat('?');
    if (!AtEnd() && (Peek() == '*' || Peek() == '+' || Peek() == '?')) {
      return Error("nothing to repeat");
    }
    if (groups_ >= first_group) {  // each turn starts with its groups unset
      atom.insert(atom.begin(), {Op::kReset, 2 * first_group, 2 * (groups_ + 1)});
    }
    Code code;
    for (int i = 0; i < least; ++i) PURSER_RETURN_IF_ERROR(Append(atom, &code));
    const int length = static_cast<int>(atom.size());
    const auto split = [greedy](int body, int exit) {
      return greedy ? Instruction{Op::kSplit, body, exit} : Instruction{Op::kSplit, exit, body};
    };
    if (most < 0) {
      // L: split body, out; mark; atom; check; jump L
      const int mark = program_->registers++;
      code.push_back(split(1, length + 4));
      code.push_back({Op::kMark, mark});
      PURSER_RETURN_IF_ERROR(Append(atom, &code));
      code.push_back({Op::kCheck, mark});
      code.push_back({Op::kJump, -(length + 3)});
      return code;
    }
    for (int left = most - least; left > 0; --left) {
      // Every optional turn may leave to the end of all of them.
      code.push_back(split(1, left * (length + 1)));
      PURSER_RETURN_IF_ERROR(Append(atom, &code));
    }
    return code;
  }

  absl::StatusOr<Code> Atom(int depth, bool* quantifiable) {
    const char32_t c = source_[next_++];
    switch (c) {
      case '^':
        *quantifiable = false;
        return Code{{Op::kStart}};
      case '$':
        *quantifiable = false;
        return Code{{Op::kEnd}};
      case '.':
        return Code{{Op::kAny}};
      case '(':
        return Group(depth, quantifiable);
      case '[':
        return CharacterSet();
      case '\\':
        return Escape(quantifiable);
      case '*':
      case '+':
      case '?':
        --next_;
        return Error("nothing to repeat");
      default:
        return Code{{Op::kChar, static_cast<int>(c)}};
    }
  }

  absl::StatusOr<Code> Group(int depth, bool* quantifiable) {
    int group = 0;
    int look = -1;  // 0 positive, 1 negative
    if (Eat('?')) {
      if (Eat(':')) {
        // no capture
      } else if (Eat('=')) {
        look = 0;
      } else if (Eat('!')) {
        look = 1;
      } else if (Eat('<')) {
        if (Peek() == '=' || Peek() == '!') return Error("look-behind is not supported");
        while (!AtEnd() && IsWord(Peek())) ++next_;
        if (!Eat('>')) return Error("a group's name must end with '>'");
        group = ++groups_;
      } else {
        return Error("unknown kind of group behind \"(?\"");
      }
    } else {
      group = ++groups_;
    }
    PURSER_ASSIGN_OR_RETURN(Code body, Alternatives(depth + 1));
    if (!Eat(')')) return Error("missing ')'");
    Code code;
    if (look >= 0) {
      *quantifiable = false;
      body.push_back({Op::kMatch});
      code.push_back({Op::kLook, static_cast<int>(body.size()), look});
      PURSER_RETURN_IF_ERROR(Append(body, &code));
      return code;
    }
    if (group == 0) return body;
    code.push_back({Op::kSave, 2 * group});
    PURSER_RETURN_IF_ERROR(Append(body, &code));
    code.push_back({Op::kSave, 2 * group + 1});
    return code;
  }

  Code AddSet(Set set) {
    program_->sets.push_back(std::move(set));
    return Code{{Op::kSet, static_cast<int>(program_->sets.size()) - 1}};
  }

  static bool IsClassLetter(char32_t c) {
    return c == 'd' || c == 'D' || c == 'w' || c == 'W' || c == 's' || c == 'S';
  }

  absl::StatusOr<Code> Escape(bool* quantifiable) {
    if (AtEnd()) return Error("'\\' at the end");
    const char32_t c = Peek();
    if (c == 'b' || c == 'B') {
      ++next_;
      *quantifiable = false;
      return Code{{Op::kWord, c == 'b' ? 1 : 0}};
    }
    if (IsClassLetter(c)) {
      ++next_;
      Set set;
      AddClass(static_cast<char>(c), &set.ranges);
      return AddSet(std::move(set));
    }
    if (c >= '1' && c <= '9') {
      int group = 0;
      while (!AtEnd() && Peek() >= '0' && Peek() <= '9' && group < 1000) {
        group = group * 10 + static_cast<int>(source_[next_++] - '0');
      }
      max_back_reference_ = std::max(max_back_reference_, group);
      return Code{{Op::kBackRef, group}};
    }
    PURSER_ASSIGN_OR_RETURN(const char32_t literal, EscapedCharacter());
    return Code{{Op::kChar, static_cast<int>(literal)}};
  }

  bool Hex(size_t digits, char32_t* out) {
    if (next_ + digits > source_.size()) return false;
    char32_t value = 0;
    for (size_t i = 0; i < digits; ++i) {
      const char32_t c = source_[next_ + i];
      const char32_t low = c | 0x20;
      if (c >= '0' && c <= '9') {
        value = value * 16 + (c - '0');
      } else if (low >= 'a' && low <= 'f') {
        value = value * 16 + (low - 'a' + 10);
      } else {
        return false;
      }
    }
    next_ += digits;
    *out = value;
    return true;
  }

  // The character behind a '\' that was read already.
  absl::StatusOr<char32_t> EscapedCharacter() {
    if (AtEnd()) return Error("'\\' at the end");
    const char32_t c = source_[next_++];
    char32_t value = 0;
    switch (c) {
      case 'n':
        return U'\n';
      case 'r':
        return U'\r';
      case 't':
        return U'\t';
      case 'v':
        return U'\v';
      case 'f':
        return U'\f';
      case '0':
        return U'\0';
      case 'c':
        if (!AtEnd() && ((Peek() | 0x20) >= 'a' && (Peek() | 0x20) <= 'z')) {
          return source_[next_++] % 32;
        }
        return Error("\\c needs a letter behind it");
      case 'x':
        if (!Hex(2, &value)) return Error("\\x needs two hexadecimal digits");
        return value;
      case 'u': {
        if (Eat('{')) {
          size_t digits = 0;
          while (Peek(digits) != '}' && digits < 7 && next_ + digits < source_.size()) ++digits;
          if (digits == 0 || !Hex(digits, &value) || !Eat('}') || value > kMaxCodePoint) {
            return Error("\\u{…} needs a code point up to 10ffff");
          }
          return value;
        }
        if (!Hex(4, &value)) return Error("\\u needs four hexadecimal digits");
        const size_t behind = next_;
        char32_t low = 0;
        if (value >= 0xD800 && value < 0xDC00 && Eat('\\') && Eat('u') && Hex(4, &low) &&
            low >= 0xDC00 && low < 0xE000) {
          return 0x10000 + ((value - 0xD800) << 10) + (low - 0xDC00);
        }
        next_ = behind;
        return value;
      }
      case 'p':
      case 'P':
        return Error("\\p{…} is not supported; write the characters as a set");
      case 'k':
        return Error("references to named groups are not supported; use \\1");
      default:
        if (IsWord(c) && c != '_') return Error("unknown escape");
        return c;
    }
  }

  // One member of a set: a class (then *ranges grew) or a single character.
  absl::StatusOr<bool> SetMember(std::vector<Range>* ranges, char32_t* single) {
    const char32_t c = source_[next_++];
    if (c != '\\') {
      *single = c;
      return true;
    }
    if (IsClassLetter(Peek())) {
      AddClass(static_cast<char>(source_[next_++]), ranges);
      return false;
    }
    if (Eat('b')) {
      *single = U'\b';
      return true;
    }
    PURSER_ASSIGN_OR_RETURN(*single, EscapedCharacter());
    return true;
  }

  absl::StatusOr<Code> CharacterSet() {
    Set set;
    set.negated = Eat('^');
    while (!AtEnd() && Peek() != ']') {
      char32_t low = 0;
      PURSER_ASSIGN_OR_RETURN(const bool single, SetMember(&set.ranges, &low));
      if (!single) continue;
      char32_t high = low;
      if (Peek() == '-' && Peek(1) != ']' && next_ + 1 < source_.size()) {
        ++next_;
        PURSER_ASSIGN_OR_RETURN(const bool range, SetMember(&set.ranges, &high));
        if (!range) {  // "a-\d": the '-' stands for itself
          set.ranges.emplace_back(low, low);
          low = high = '-';
        }
      }
      if (high < low) return Error("range in [] is out of order");
      set.ranges.emplace_back(low, high);
    }
    if (!Eat(']')) return Error("missing ']'");
    return AddSet(std::move(set));
  }

  const std::vector<char32_t> source_;
  Pattern::Program* const program_;
  size_t next_ = 0;
  int groups_ = 0;
  int max_back_reference_ = 0;
};

}  // namespace

std::vector<char32_t> Decode(absl::string_view text) {
  std::vector<char32_t> out;
  out.reserve(text.size());
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const int length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
    if (length == 0 || i + length > text.size()) {
      out.push_back(0xFFFD);
      ++i;
      continue;
    }
    char32_t c = length == 1 ? lead : lead & (0xFF >> (length + 1));
    for (int k = 1; k < length; ++k)
      c = (c << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3F);
    out.push_back(c);
    i += length;
  }
  return out;
}

absl::Status Parse(absl::string_view source, Pattern::Program* program) {
  return Parser(Decode(source), program).Parse();
}

}  // namespace purser::json::pattern

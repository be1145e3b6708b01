// Patterns to instructions, by the grammar of the standard with its Annex B leniencies.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "template/regex_program.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr size_t kMaxInstructions = 400'000;
constexpr int64_t kMaxRepeat = 1LL << 40;

bool IsDigit(char16_t c) { return c >= '0' && c <= '9'; }
bool IsLetter(char16_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
int HexValue(char16_t c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

using Ranges = std::vector<std::pair<char16_t, char16_t>>;

// \d \s \w and their opposites; false when `letter` is none of them.
bool ClassEscape(char16_t letter, Ranges* out) {
  Ranges ranges;
  switch (letter | 0x20) {
    case 'd':
      ranges = {{'0', '9'}};
      break;
    case 'w':
      ranges = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
      break;
    case 's':
      ranges = {{9, 13},          {32, 32},         {0xa0, 0xa0},     {0x1680, 0x1680},
                {0x2000, 0x200a}, {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f},
                {0x3000, 0x3000}, {0xfeff, 0xfeff}};
      break;
    default:
      return false;
  }
  if (letter >= 'a') {
    out->insert(out->end(), ranges.begin(), ranges.end());
    return true;
  }
  char32_t from = 0;
  for (const auto& [first, last] : ranges) {
    if (first > from) {
      out->emplace_back(static_cast<char16_t>(from), static_cast<char16_t>(first - 1));
    }
    from = last + 1u;
  }
  if (from <= 0xffff) out->emplace_back(static_cast<char16_t>(from), 0xffff);
  return true;
}

}  // namespace

class RegexCompiler {
 public:
  RegexCompiler(std::u16string_view source, Regex* out) : source_(source), out_(out) {}

  std::string Compile() {
    out_->program_.clear();
    out_->classes_.clear();
    out_->names_.clear();
    CountGroups();
    if (!problem_.empty()) return problem_;
    out_->groups_ = group_count_ + 1;
    out_->registers_ = 2 * out_->groups_;
    Emit(RegexOp::kSave).x = 0;
    Alternatives(0, false);
    if (problem_.empty() && at_ < source_.size()) Fail("unmatched )");
    Emit(RegexOp::kSave).x = 1;
    Emit(RegexOp::kMatch);
    return problem_;
  }

 private:
  using Instruction = Regex::Instruction;

  Instruction& Emit(RegexOp op) {
    if (out_->program_.size() >= kMaxInstructions) Fail("too large");
    out_->program_.push_back({.op = op});
    return out_->program_.back();
  }
  uint32_t Here() const { return static_cast<uint32_t>(out_->program_.size()); }
  void Fail(const char* problem) {
    if (problem_.empty()) problem_ = problem;
    at_ = source_.size();
  }
  bool More() const { return at_ < source_.size(); }
  char16_t Peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : u'\0';
  }
  bool Take(char16_t c) {
    if (!More() || source_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool TakeText(std::u16string_view text) {
    if (source_.substr(at_, text.size()) != text) return false;
    at_ += text.size();
    return true;
  }

  // Back references may point forward, so groups are counted before.
  void CountGroups() {
    bool in_class = false;
    for (size_t i = 0; i < source_.size(); ++i) {
      const char16_t c = source_[i];
      if (c == '\\') {
        ++i;
      } else if (c == '[') {
        in_class = true;
      } else if (c == ']') {
        in_class = false;
      } else if (c == '(' && !in_class) {
        if (source_.substr(i + 1, 1) != u"?") {
          ++group_count_;
        } else if (source_.substr(i + 1, 2) == u"?<" && source_.substr(i + 3, 1) != u"=" &&
                   source_.substr(i + 3, 1) != u"!") {
          ++group_count_;
          has_names_ = true;
        }
      }
    }
  }

  // Moves the instructions from `from` on by one place and puts a new one there.
  void Insert(uint32_t from, Instruction made) {
    for (Instruction& i : out_->program_) {
      if ((i.op == RegexOp::kJump || i.op == RegexOp::kSplit || i.op == RegexOp::kLook) &&
          i.x > from) {
        ++i.x;
      }
      if ((i.op == RegexOp::kLoop || i.op == RegexOp::kLoopEnd) && i.target > from) ++i.target;
    }
    out_->program_.insert(out_->program_.begin() + from, made);
  }

  void Alternatives(int depth, bool backward) {
    if (depth > kMaxRegexNesting) return Fail("nested too deep");
    std::vector<uint32_t> ends;
    while (true) {
      const uint32_t start = Here();
      Sequence(depth, backward);
      if (!problem_.empty()) return;
      if (!Take('|')) break;
      Emit(RegexOp::kJump);
      ends.push_back(Here() - 1);
      // The split in front leads to this alternative first, then behind its jump.
      Instruction split{.op = RegexOp::kSplit};
      split.x = Here() + 1;
      for (uint32_t& end : ends) {
        if (end >= start) ++end;
      }
      Insert(start, split);
      out_->program_[start].x = Here();
    }
    for (const uint32_t end : ends) out_->program_[end].x = Here();
  }

  void Sequence(int depth, bool backward) {
    const uint32_t start = Here();
    std::vector<uint32_t> terms;
    while (More() && Peek() != '|' && Peek() != ')' && problem_.empty()) {
      terms.push_back(Here());
      Term(depth, backward);
    }
    if (!backward || terms.size() < 2 || !problem_.empty()) return;
    Reverse(start, terms);
  }

  // Looking backward, the terms are matched last first: their instructions change places.
  void Reverse(uint32_t start, const std::vector<uint32_t>& terms) {
    const std::vector<Instruction> old(out_->program_.begin() + start, out_->program_.end());
    const uint32_t end = Here();
    std::vector<uint32_t> moved(old.size() + 1);
    std::vector<Instruction> made;
    for (size_t t = terms.size(); t-- > 0;) {
      const uint32_t from = terms[t], to = t + 1 < terms.size() ? terms[t + 1] : end;
      const auto base = static_cast<int64_t>(start + made.size()) - from;
      for (uint32_t i = from; i < to; ++i) {
        Instruction copy = old[i - start];
        if (copy.op == RegexOp::kJump || copy.op == RegexOp::kSplit || copy.op == RegexOp::kLook) {
          copy.x = static_cast<uint32_t>(copy.x + base);
        }
        if (copy.op == RegexOp::kLoop || copy.op == RegexOp::kLoopEnd) {
          copy.target = static_cast<uint32_t>(copy.target + base);
        }
        made.push_back(copy);
      }
    }
    std::copy(made.begin(), made.end(), out_->program_.begin() + start);
  }

  void Term(int depth, bool backward) {
    const uint32_t start = Here();
    const size_t groups_before = next_group_;
    bool quantifiable = true;
    if (Take('^')) {
      Emit(RegexOp::kLineStart);
      quantifiable = false;
    } else if (Take('$')) {
      Emit(RegexOp::kLineEnd);
      quantifiable = false;
    } else if (TakeText(u"\\b") || TakeText(u"\\B")) {
      Emit(RegexOp::kBoundary).negative = source_[at_ - 1] == 'B';
      quantifiable = false;
    } else if (TakeText(u"(?=") || TakeText(u"(?!")) {
      Look(depth, source_[at_ - 1] == '!', false);
    } else if (TakeText(u"(?<=") || TakeText(u"(?<!")) {
      Look(depth, source_[at_ - 1] == '!', true);
      quantifiable = false;
    } else if (TakeText(u"(?:")) {
      Alternatives(depth + 1, backward);
      Close();
    } else if (Take('(')) {
      Group(depth, backward);
    } else if (Take('.')) {
      Emit(RegexOp::kAny).backward = backward;
    } else if (Take('[')) {
      Class(backward);
    } else if (Take('\\')) {
      AtomEscape(backward);
    } else if (Peek() == '*' || Peek() == '+' || Peek() == '?') {
      return Fail("nothing to repeat");
    } else if (Peek() == '{' && Braces(false).has_value()) {
      return Fail("nothing to repeat");
    } else {
      Unit(source_[at_++], backward);
    }
    if (problem_.empty()) Quantifier(start, groups_before, quantifiable);
  }

  void Unit(char16_t unit, bool backward) {
    Instruction& made = Emit(RegexOp::kChar);
    made.x = unit;
    made.backward = backward;
  }

  void Close() {
    if (problem_.empty() && !Take(')')) Fail("unterminated group");
  }

  void Look(int depth, bool negative, bool backward) {
    Instruction& made = Emit(RegexOp::kLook);
    made.negative = negative;
    made.backward = backward;
    const uint32_t look = Here() - 1;
    Alternatives(depth + 1, backward);
    Close();
    Emit(RegexOp::kMatch);
    if (problem_.empty()) out_->program_[look].x = Here();
  }

  void Group(int depth, bool backward) {
    if (Take('?')) {
      if (!Take('<')) return Fail("invalid group");
      std::u16string name;
      while (More() && Peek() != '>') name.push_back(source_[at_++]);
      if (!Take('>') || name.empty() || IsDigit(name[0])) return Fail("invalid group name");
      for (const char16_t c : name) {
        if (!IsLetter(c) && !IsDigit(c) && c != '_' && c != '$' && c < 0x80) {
          return Fail("invalid group name");
        }
      }
      if (out_->GroupNamed(name) != 0) return Fail("duplicate group name");
      out_->names_.emplace_back(std::move(name), next_group_ + 1);
    }
    const auto group = static_cast<uint32_t>(++next_group_);
    Emit(RegexOp::kSave).x = 2 * group + (backward ? 1 : 0);
    Alternatives(depth + 1, backward);
    Close();
    Emit(RegexOp::kSave).x = 2 * group + (backward ? 0 : 1);
  }

  // {n}, {n,}, {n,m}; nothing is taken when it is none of them, or unless `take`.
  std::optional<std::pair<int64_t, int64_t>> Braces(bool take) {
    size_t i = at_ + 1;
    const auto number = [&]() -> int64_t {
      int64_t value = 0;
      const size_t first = i;
      for (; i < source_.size() && IsDigit(source_[i]); ++i) {
        value = std::min(kMaxRepeat, value * 10 + (source_[i] - '0'));
      }
      return i == first ? -1 : value;
    };
    const int64_t least = number();
    if (least < 0) return std::nullopt;
    int64_t most = least;
    if (i < source_.size() && source_[i] == ',') {
      ++i;
      most = number();
    }
    if (i >= source_.size() || source_[i] != '}') return std::nullopt;
    if (take) at_ = i + 1;
    return std::make_pair(least, most);
  }

  void Quantifier(uint32_t start, size_t groups_before, bool quantifiable) {
    int64_t least = 0, most = -1;
    if (Take('*')) {
    } else if (Take('+')) {
      least = 1;
    } else if (Take('?')) {
      most = 1;
    } else if (Peek() == '{' && More()) {
      const auto braces = Braces(true);
      if (!braces.has_value()) return;
      least = braces->first;
      most = braces->second;
      if (most >= 0 && least > most) return Fail("numbers out of order in {}");
    } else {
      return;
    }
    if (!quantifiable) return Fail("nothing to repeat");
    const bool greedy = !Take('?');
    const auto counter = static_cast<uint32_t>(out_->registers_);
    out_->registers_ += 2;  // the counter, and where the turn began
    // Zero counter; L: Loop → behind; clear the groups inside; body; LoopEnd → L.
    Insert(start, {.op = RegexOp::kZero, .x = counter});
    Instruction loop{.op = RegexOp::kLoop, .greedy = greedy, .x = counter};
    loop.least = least;
    loop.most = most;
    Insert(start + 1, loop);
    Instruction clear{.op = RegexOp::kClear};
    clear.x = static_cast<uint32_t>(2 * (groups_before + 1));
    clear.y = static_cast<uint32_t>(2 * (next_group_ + 1));
    Insert(start + 2, clear);
    Instruction& end = Emit(RegexOp::kLoopEnd);
    end.x = counter;
    end.target = start + 1;
    end.least = least;
    out_->program_[start + 1].target = Here();
  }

  // What follows a backslash and stands for one unit, in and outside classes.
  char16_t UnitEscape() {
    const char16_t c = source_[at_++];
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'v':
        return '\v';
      case 'f':
        return '\f';
      case 'x':
      case 'u': {
        const int digits = c == 'x' ? 2 : 4;
        int value = 0;
        for (int i = 0; i < digits; ++i) {
          const int digit = HexValue(Peek(i));
          if (digit < 0) return c;
          value = value * 16 + digit;
        }
        at_ += digits;
        return static_cast<char16_t>(value);
      }
      default:
        break;
    }
    if (c >= '0' && c <= '7') {
      int value = c - '0';
      while (Peek() >= '0' && Peek() <= '7' && More() && value * 8 + (Peek() - '0') <= 0xff) {
        value = value * 8 + (source_[at_++] - '0');
      }
      return static_cast<char16_t>(value);
    }
    return c;
  }

  void AtomEscape(bool backward) {
    if (!More()) return Fail("\\ at the end");
    const char16_t c = Peek();
    Ranges ranges;
    if (ClassEscape(c, &ranges) && IsLetter(c)) {
      ++at_;
      return EmitClass({false, std::move(ranges)}, backward);
    }
    if (c == 'c') {
      if (IsLetter(Peek(1))) {
        const char16_t letter = Peek(1);
        at_ += 2;
        return Unit(letter % 32, backward);
      }
      return Unit('\\', backward);  // the c follows as itself
    }
    if (c == 'k' && has_names_) {
      ++at_;
      if (!Take('<')) return Fail("invalid named reference");
      std::u16string name;
      while (More() && Peek() != '>') name.push_back(source_[at_++]);
      if (!Take('>')) return Fail("invalid named reference");
      const size_t group = NamedGroup(name);
      if (group == 0) return Fail("unknown named group");
      return Reference(group, backward);
    }
    if (c >= '1' && c <= '9') {
      size_t value = 0, i = at_;
      for (; i < source_.size() && IsDigit(source_[i]) && value < 100'000; ++i) {
        value = value * 10 + (source_[i] - '0');
      }
      if (value <= group_count_) {
        at_ = i;
        return Reference(value, backward);
      }
      if (c >= '8') {
        ++at_;
        return Unit(c, backward);
      }
    }
    Unit(UnitEscape(), backward);
  }

  // Names may be declared behind their use: look through the source.
  size_t NamedGroup(const std::u16string& name) const {
    size_t group = 0;
    bool in_class = false;
    for (size_t i = 0; i < source_.size(); ++i) {
      const char16_t c = source_[i];
      if (c == '\\') {
        ++i;
      } else if (c == '[') {
        in_class = true;
      } else if (c == ']') {
        in_class = false;
      } else if (c == '(' && !in_class) {
        const bool named = source_.substr(i + 1, 2) == u"?<" && source_.substr(i + 3, 1) != u"=" &&
                           source_.substr(i + 3, 1) != u"!";
        if (named || source_.substr(i + 1, 1) != u"?") ++group;
        if (named && source_.substr(i + 3, name.size() + 1) == name + u">") return group;
      }
    }
    return 0;
  }

  void Reference(size_t group, bool backward) {
    Instruction& made = Emit(RegexOp::kBackReference);
    made.x = static_cast<uint32_t>(group);
    made.backward = backward;
  }

  void EmitClass(Regex::ClassSet set, bool backward) {
    Instruction& made = Emit(RegexOp::kClass);
    made.x = static_cast<uint32_t>(out_->classes_.size());
    made.backward = backward;
    out_->classes_.push_back(std::move(set));
  }

  void Class(bool backward) {
    Regex::ClassSet set;
    set.negative = Take('^');
    while (More() && Peek() != ']') {
      char16_t first, last;
      const bool first_is_class = ClassAtom(&first, &set.ranges);
      if (Peek() == '-' && More() && at_ + 1 < source_.size() && Peek(1) != ']') {
        ++at_;
        const bool last_is_class = ClassAtom(&last, &set.ranges);
        if (first_is_class || last_is_class) {
          if (!first_is_class) set.ranges.emplace_back(first, first);
          if (!last_is_class) set.ranges.emplace_back(last, last);
          set.ranges.emplace_back('-', '-');
        } else if (first > last) {
          return Fail("range out of order in class");
        } else {
          set.ranges.emplace_back(first, last);
        }
      } else if (!first_is_class) {
        set.ranges.emplace_back(first, first);
      }
    }
    if (!Take(']')) return Fail("unterminated class");
    EmitClass(std::move(set), backward);
  }

  // Returns true when it was a whole class (\d …), which is then in `ranges`.
  bool ClassAtom(char16_t* unit, Ranges* ranges) {
    *unit = source_[at_++];
    if (*unit != '\\' || !More()) return false;
    const char16_t c = Peek();
    if (IsLetter(c) && ClassEscape(c, ranges)) {
      ++at_;
      return true;
    }
    if (c == 'b') {
      ++at_;
      *unit = '\b';
    } else if (c == 'c') {
      const char16_t letter = Peek(1);
      if (IsLetter(letter) || IsDigit(letter) || letter == '_') {
        at_ += 2;
        *unit = letter % 32;
      }
    } else {
      *unit = UnitEscape();
    }
    return false;
  }

  const std::u16string_view source_;
  Regex* const out_;
  size_t at_ = 0;
  size_t group_count_ = 0;
  size_t next_group_ = 0;
  bool has_names_ = false;
  std::string problem_;
};

std::string CompileRegex(std::u16string_view source, Regex* out) {
  return RegexCompiler(source, out).Compile();
}

std::string CheckRegex(absl::string_view source) {
  Regex regex("", "");  // compiled anew below
  return CompileRegex(ToUtf16(source), &regex);
}

}  // namespace purser::tmpl

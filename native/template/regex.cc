#include "template/regex.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "template/number.h"
#include "template/regex_program.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

bool IsLineEnd(char16_t c) { return c == '\n' || c == '\r' || c == 0x2028 || c == 0x2029; }
bool IsWord(char16_t c) { return c < 0x80 && IsWordByte(static_cast<char>(c)); }

char16_t Canonical(char16_t c) {
  const char16_t upper = UpperUnit(c);
  if (upper == 0 || (c >= 0x80 && upper < 0x80)) return c;
  return upper;
}

bool InSet(const Regex::ClassSet& set, char16_t c) {
  for (const auto& [first, last] : set.ranges) {
    if (c >= first && c <= last) return true;
  }
  return false;
}

}  // namespace

class Regex::Matcher {
 public:
  Matcher(Run& run, const Regex& regex, std::u16string_view text)
      : run_(run), regex_(regex), text_(text), registers_(regex.registers_, -1) {}

  bool MatchAt(size_t at) {
    std::fill(registers_.begin(), registers_.end(), -1);
    trail_.clear();
    choices_.clear();
    return Execute(0, static_cast<int64_t>(at));
  }
  std::vector<int64_t> Captures() const {
    return {registers_.begin(), registers_.begin() + static_cast<ptrdiff_t>(2 * regex_.groups_)};
  }

 private:
  struct Choice {
    uint32_t pc;
    int64_t position;
    size_t trail;
  };

  void Set(size_t index, int64_t value) {
    trail_.emplace_back(index, registers_[index]);
    registers_[index] = value;
  }
  void Undo(size_t mark) {
    while (trail_.size() > mark) {
      registers_[trail_.back().first] = trail_.back().second;
      trail_.pop_back();
    }
  }
  char16_t UnitAt(int64_t position) const { return text_[static_cast<size_t>(position)]; }
  int64_t size() const { return static_cast<int64_t>(text_.size()); }

  // Takes one unit in the direction of the instruction; false at the end of the text.
  bool Step(const Instruction& i, int64_t* position, char16_t* unit) const {
    if (i.backward) {
      if (*position == 0) return false;
      *unit = UnitAt(--*position);
    } else {
      if (*position >= size()) return false;
      *unit = UnitAt((*position)++);
    }
    return true;
  }

  bool ClassMatches(const ClassSet& set, char16_t unit) const {
    bool in = InSet(set, unit);
    if (!in && regex_.ignore_case_) {
      const char16_t upper = Canonical(unit);
      const char16_t lower = LowerUnit(upper);
      in = InSet(set, upper) || (Canonical(lower) == upper && InSet(set, lower));
    }
    return in != set.negative;
  }

  bool SameUnit(char16_t a, char16_t b) const {
    return a == b || (regex_.ignore_case_ && Canonical(a) == Canonical(b));
  }

  bool Boundary(int64_t position) const {
    const bool before = position > 0 && IsWord(UnitAt(position - 1));
    const bool after = position < size() && IsWord(UnitAt(position));
    return before != after;
  }

  bool BackReference(const Instruction& i, int64_t* position) const {
    const int64_t begin = registers_[2 * i.x], end = registers_[2 * i.x + 1];
    if (begin < 0 || end < 0) return true;
    const int64_t length = end - begin;
    const int64_t from = i.backward ? *position - length : *position;
    if (from < 0 || from + length > size()) return false;
    for (int64_t k = 0; k < length; ++k) {
      if (!run_.RegexStep() || !SameUnit(UnitAt(begin + k), UnitAt(from + k))) return false;
    }
    *position = i.backward ? from : from + length;
    return true;
  }

  // Runs from `pc`; recursion only follows the nesting of look-arounds (kMaxRegexNesting).
  bool Execute(uint32_t pc, int64_t position) {
    const size_t base = choices_.size();
    while (true) {
      if (!run_.RegexStep()) return false;
      const Instruction& i = regex_.program_[pc];
      bool ok = true;
      char16_t unit;
      ++pc;
      switch (i.op) {
        case RegexOp::kMatch:
          choices_.resize(base);
          return true;
        case RegexOp::kChar:
          ok = Step(i, &position, &unit) && SameUnit(unit, static_cast<char16_t>(i.x));
          break;
        case RegexOp::kAny:
          ok = Step(i, &position, &unit) && !IsLineEnd(unit);
          break;
        case RegexOp::kClass:
          ok = Step(i, &position, &unit) && ClassMatches(regex_.classes_[i.x], unit);
          break;
        case RegexOp::kJump:
          pc = i.x;
          break;
        case RegexOp::kSplit:
          choices_.push_back({i.x, position, trail_.size()});
          break;
        case RegexOp::kSave:
          Set(i.x, position);
          break;
        case RegexOp::kClear:
          for (uint32_t r = i.x; r < i.y; ++r) {
            if (registers_[r] != -1) Set(r, -1);
          }
          break;
        case RegexOp::kLineStart:
          ok = position == 0 || (regex_.multiline_ && IsLineEnd(UnitAt(position - 1)));
          break;
        case RegexOp::kLineEnd:
          ok = position == size() || (regex_.multiline_ && IsLineEnd(UnitAt(position)));
          break;
        case RegexOp::kBoundary:
          ok = Boundary(position) != i.negative;
          break;
        case RegexOp::kBackReference:
          ok = BackReference(i, &position);
          break;
        case RegexOp::kLook: {
          const size_t mark = trail_.size();
          const bool found = Execute(pc, position);
          if (run_.failed()) return false;
          if (!found || i.negative) Undo(mark);
          ok = found != i.negative;
          pc = i.x;
          break;
        }
        case RegexOp::kZero:
          Set(i.x, 0);
          break;
        case RegexOp::kLoop: {
          const int64_t count = registers_[i.x];
          if (count < i.least) {
            Set(i.x + 1, position);
          } else if (i.most >= 0 && count >= i.most) {
            pc = i.target;
          } else if (i.greedy) {
            choices_.push_back({i.target, position, trail_.size()});
            Set(i.x + 1, position);
          } else {
            Set(i.x + 1, position);
            choices_.push_back({pc, position, trail_.size()});
            pc = i.target;
          }
          break;
        }
        case RegexOp::kLoopEnd: {
          const int64_t count = registers_[i.x];
          ok = count < i.least || position != registers_[i.x + 1];
          if (ok) Set(i.x, count + 1);
          pc = i.target;
          break;
        }
      }
      if (ok) continue;
      if (run_.failed() || choices_.size() == base) {
        choices_.resize(base);
        return false;
      }
      pc = choices_.back().pc;
      position = choices_.back().position;
      Undo(choices_.back().trail);
      choices_.pop_back();
    }
  }

  Run& run_;
  const Regex& regex_;
  const std::u16string_view text_;
  std::vector<int64_t> registers_;
  std::vector<std::pair<size_t, int64_t>> trail_;
  std::vector<Choice> choices_;
};

Regex::Regex(absl::string_view source, absl::string_view flags) {
  const auto has = [&](char flag) { return flags.find(flag) != absl::string_view::npos; };
  global_ = has('g');
  sticky_ = has('y');
  ignore_case_ = has('i');
  multiline_ = has('m');
  CompileRegex(ToUtf16(source), this);
}

Regex::~Regex() = default;

size_t Regex::GroupNamed(std::u16string_view name) const {
  for (const auto& [known, group] : names_) {
    if (known == name) return group;
  }
  return 0;
}

bool Regex::Find(Run& run, std::u16string_view text, size_t at, bool* found) {
  *found = false;
  Matcher matcher(run, *this, text);
  // A pattern that begins with a letter is only tried where that letter stands.
  const Instruction& first = program_[1];
  const bool jump = first.op == RegexOp::kChar && !ignore_case_ && !sticky_;
  for (; at <= text.size(); ++at) {
    if (jump) {
      at = text.find(static_cast<char16_t>(first.x), at);
      if (at == std::u16string_view::npos) return true;
    }
    if (matcher.MatchAt(at)) {
      captures_ = matcher.Captures();
      *found = true;
      return true;
    }
    if (run.failed()) return false;
    if (sticky_) return true;
  }
  return true;
}

void ExpandReplacement(std::u16string_view replacement, std::u16string_view text,
                       const std::vector<int64_t>& captures, const Regex* regex,
                       std::u16string* out) {
  const auto group = [&](size_t number) {
    const int64_t begin = captures[2 * number], end = captures[2 * number + 1];
    return begin < 0 ? std::u16string_view() : text.substr(begin, end - begin);
  };
  const size_t groups = captures.size() / 2;
  const auto digit = [&](size_t at) {
    return at < replacement.size() && replacement[at] >= '0' && replacement[at] <= '9'
               ? static_cast<int>(replacement[at] - '0')
               : -1;
  };
  for (size_t i = 0; i < replacement.size(); ++i) {
    const char16_t c = replacement[i];
    const char16_t next = i + 1 < replacement.size() ? replacement[i + 1] : u'\0';
    if (c != '$' || next == 0) {
      out->push_back(c);
    } else if (next == '$') {
      out->push_back('$');
      ++i;
    } else if (next == '&') {
      out->append(group(0));
      ++i;
    } else if (next == '`') {
      out->append(text.substr(0, captures[0]));
      ++i;
    } else if (next == '\'') {
      out->append(text.substr(captures[1]));
      ++i;
    } else if (digit(i + 1) >= 0) {
      // Two digits when there are so many groups, else one.
      size_t number = static_cast<size_t>(digit(i + 1)), length = 1;
      if (digit(i + 2) >= 0) {
        const size_t two = number * 10 + static_cast<size_t>(digit(i + 2));
        if (two >= 1 && two < groups) {
          number = two;
          length = 2;
        }
      }
      if (number >= 1 && number < groups) {
        out->append(group(number));
        i += length;
      } else {
        out->push_back(c);
      }
    } else if (next == '<' && regex != nullptr && regex->has_names()) {
      const size_t end = replacement.find(u'>', i + 2);
      if (end == std::u16string_view::npos) {
        out->push_back(c);
        continue;
      }
      const size_t number = regex->GroupNamed(replacement.substr(i + 2, end - i - 2));
      if (number != 0) out->append(group(number));
      i = end;
    } else {
      out->push_back(c);
    }
  }
}

bool RegexReplace(Run& run, const RegexObject& pattern, absl::string_view text,
                  absl::string_view replacement, double* last_index, std::string* out) {
  Regex regex(pattern.source, pattern.flags);
  const std::u16string units = ToUtf16(text), by = ToUtf16(replacement);
  std::u16string result;
  size_t at = 0, copied = 0;
  if (regex.sticky() && !regex.global()) {
    at = *last_index > static_cast<double>(units.size()) ? units.size() + 1
                                                         : static_cast<size_t>(*last_index);
  }
  if (regex.sticky() || regex.global()) *last_index = 0;
  while (at <= units.size()) {
    bool found;
    if (!regex.Find(run, units, at, &found)) return false;
    if (!found) break;
    const auto begin = static_cast<size_t>(regex.captures()[0]);
    const auto end = static_cast<size_t>(regex.captures()[1]);
    result.append(units, copied, begin - copied);
    ExpandReplacement(by, units, regex.captures(), &regex, &result);
    if (!run.Reserve(static_cast<int64_t>(result.size() * 2))) return false;
    copied = end;
    at = end == begin ? end + 1 : end;
    if (!regex.global()) {
      if (regex.sticky()) *last_index = static_cast<double>(end);
      break;
    }
  }
  if (copied < units.size()) result.append(units, copied, std::u16string::npos);
  *out = FromUtf16(result);
  return true;
}

bool RegexSplit(Run& run, const RegexObject& pattern, absl::string_view text, uint32_t limit,
                std::vector<Value>* out) {
  if (limit == 0) return true;
  std::string flags = pattern.flags;
  // Splitting looks at every position by itself, whatever the flags say.
  flags.erase(
      std::remove_if(flags.begin(), flags.end(), [](char c) { return c == 'y' || c == 'g'; }),
      flags.end());
  Regex regex(pattern.source, flags);
  const std::u16string units = ToUtf16(text);
  const std::u16string_view view = units;
  const auto push = [&](std::u16string_view part) {
    out->push_back(Value::String(FromUtf16(part)));
    return out->size() < limit;
  };
  bool found;
  if (units.empty()) {
    if (!regex.Find(run, view, 0, &found)) return false;
    if (!found) push(view);
    return true;
  }
  size_t piece = 0, at = 0;
  while (at < units.size()) {
    if (!regex.Find(run, view, at, &found)) return false;
    if (!found) break;
    const std::vector<int64_t> captures = regex.captures();
    const auto begin = static_cast<size_t>(captures[0]);
    const auto end = static_cast<size_t>(captures[1]);
    if (begin >= units.size()) break;
    if (end == piece) {
      at = begin + 1;
      continue;
    }
    if (!push(view.substr(piece, begin - piece))) return true;
    piece = end;
    for (size_t group = 1; group < captures.size() / 2; ++group) {
      const int64_t from = captures[2 * group];
      if (from < 0) {
        out->push_back(Value());
        if (out->size() >= limit) return true;
      } else if (!push(view.substr(from, captures[2 * group + 1] - from))) {
        return true;
      }
    }
    at = piece;
  }
  push(view.substr(piece));
  return true;
}

bool RegexTest(Run& run, const RegexObject& pattern, absl::string_view text, double* last_index,
               bool* out) {
  Regex regex(pattern.source, pattern.flags);
  const std::u16string units = ToUtf16(text);
  const bool keeps = regex.global() || regex.sticky();
  const double from = keeps ? *last_index : 0;
  *out = false;
  if (from <= static_cast<double>(units.size()) &&
      !regex.Find(run, units, static_cast<size_t>(from), out)) {
    return false;
  }
  if (keeps) *last_index = *out ? static_cast<double>(regex.captures()[1]) : 0;
  return true;
}

}  // namespace purser::tmpl

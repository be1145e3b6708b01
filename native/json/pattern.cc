#include "json/pattern.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "json/pattern_program.h"

namespace purser::json {
namespace pattern {
namespace {

// One search. Choices and undo records share one stack on the heap.
class Machine {
 public:
  Machine(const Pattern::Program& program, std::vector<char32_t> text)
      : program_(program),
        text_(std::move(text)),
        budget_(kMaxPatternSteps + 100 * static_cast<int64_t>(text_.size())),
        memory_(program.slots + program.registers, -1) {}

  // 1 found, 0 not, -1 out of steps.
  int Search() {
    for (size_t start = 0; start <= text_.size(); ++start) {
      std::fill(memory_.begin(), memory_.end(), -1);
      stack_.clear();
      const int result = Run(0, start);
      if (result != 0) return result;
    }
    return 0;
  }

 private:
  struct Entry {
    int pc;         // -1: undo record
    int slot;       // of an undo record
    int64_t value;  // position to go on from, or the old content of the slot
  };

  void Set(int slot, int64_t value) {
    stack_.push_back({-1, slot, memory_[slot]});
    memory_[slot] = value;
  }

  bool Word(size_t position) const { return position < text_.size() && IsWord(text_[position]); }

  int Run(size_t pc, size_t position) {
    const size_t base = stack_.size();
    for (;;) {
      if (--budget_ < 0) return -1;
      const Instruction& at = program_.code[pc];
      bool ok = true;
      switch (at.op) {
        case Op::kChar:
          ok = position < text_.size() && text_[position] == static_cast<char32_t>(at.x);
          ++position;
          break;
        case Op::kAny:
          ok = position < text_.size() && !IsLineEnd(text_[position]);
          ++position;
          break;
        case Op::kSet:
          ok = position < text_.size() && program_.sets[at.x].Contains(text_[position]);
          ++position;
          break;
        case Op::kSplit:
          stack_.push_back({static_cast<int>(pc) + at.y, 0, static_cast<int64_t>(position)});
          pc += at.x;
          continue;
        case Op::kJump:
          pc += at.x;
          continue;
        case Op::kSave:
          Set(at.x, static_cast<int64_t>(position));
          break;
        case Op::kReset:
          for (int slot = at.x; slot < at.y; ++slot) {
            if (memory_[slot] >= 0) Set(slot, -1);
          }
          break;
        case Op::kStart:
          ok = position == 0;
          break;
        case Op::kEnd:
          ok = position == text_.size();
          break;
        case Op::kWord:
          ok = ((position > 0 && Word(position - 1)) != Word(position)) == (at.x == 1);
          break;
        case Op::kLook: {
          const size_t before = stack_.size();
          const int found = Run(pc + 1, position);
          if (found < 0) return found;
          if (found == 1) KeepUndoRecords(before, at.y == 1);
          ok = (found == 1) == (at.y == 0);
          pc += at.x;
          break;
        }
        case Op::kBackRef: {
          const int64_t begin = memory_[2 * at.x];
          const int64_t end = memory_[2 * at.x + 1];
          if (begin < 0 || end < begin) break;  // an unset group matches nothing at all
          const auto length = static_cast<size_t>(end - begin);
          budget_ -= static_cast<int64_t>(length);
          ok = position + length <= text_.size() &&
               std::equal(text_.begin() + begin, text_.begin() + end, text_.begin() + position);
          position += length;
          break;
        }
        case Op::kMark:
          Set(program_.slots + at.x, static_cast<int64_t>(position));
          break;
        case Op::kCheck:
          ok = memory_[program_.slots + at.x] != static_cast<int64_t>(position);
          break;
        case Op::kMatch:
          return 1;
      }
      ++pc;
      if (ok) continue;
      // Back to the last choice of this run, undoing what was set since.
      for (;;) {
        if (stack_.size() == base) return 0;
        const Entry entry = stack_.back();
        stack_.pop_back();
        if (entry.pc >= 0) {
          pc = entry.pc;
          position = static_cast<size_t>(entry.value);
          break;
        }
        memory_[entry.slot] = entry.value;
      }
    }
  }

  // A look-ahead is never entered again: its choices go. `undo` also takes back what it captured.
  void KeepUndoRecords(size_t from, bool undo) {
    if (undo) {
      while (stack_.size() > from) {
        if (stack_.back().pc < 0) memory_[stack_.back().slot] = stack_.back().value;
        stack_.pop_back();
      }
      return;
    }
    stack_.erase(std::remove_if(stack_.begin() + static_cast<int64_t>(from), stack_.end(),
                                [](const Entry& entry) { return entry.pc >= 0; }),
                 stack_.end());
  }

  const Pattern::Program& program_;
  const std::vector<char32_t> text_;
  int64_t budget_;
  std::vector<int64_t> memory_;
  std::vector<Entry> stack_;
};

}  // namespace
}  // namespace pattern

absl::StatusOr<Pattern> Pattern::Compile(absl::string_view source) {
  if (source.size() > kMaxPatternBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("pattern is longer than ", kMaxPatternBytes, " bytes"));
  }
  auto program = std::make_shared<Program>();
  PURSER_RETURN_IF_ERROR(pattern::Parse(source, program.get()));
  return Pattern(std::move(program));
}

absl::StatusOr<bool> Pattern::Search(absl::string_view text) const {
  const int result = pattern::Machine(*program_, pattern::Decode(text)).Search();
  if (result < 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("takes more than ", kMaxPatternSteps, " steps to match"));
  }
  return result == 1;
}

}  // namespace purser::json

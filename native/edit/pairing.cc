#include "edit/pairing.h"

#include <algorithm>
#include <cstdint>
#include <string>

namespace purser::edit {
namespace {

// Longest common subsequences are looked for in gaps of at most this many pairs of items.
constexpr size_t kMaxComparedItems = 250'000;

const Model* MemberNamed(const Model& value, const char* name) {
  if (!value.is_object() || IsOpaque(value)) return nullptr;
  const auto found = value.find(name);
  return found == value.end() || found->is_structured() ? nullptr : &*found;
}

constexpr const char* kNames[] = {"name", "id", "key", "path"};

bool HasName(const Model& value) {
  return std::any_of(std::begin(kNames), std::end(kNames),
                     [&](const char* name) { return MemberNamed(value, name) != nullptr; });
}

// True when two items are about the same thing: a member that names them is equal.
bool SameName(const Model& a, const Model& b) {
  for (const char* name : kNames) {
    const Model* left = MemberNamed(a, name);
    const Model* right = MemberNamed(b, name);
    if (left != nullptr || right != nullptr) {
      return left != nullptr && right != nullptr && *left == *right;
    }
  }
  return false;
}

bool Likely(const Model& a, const Model& b) { return Equal(a, b) || SameName(a, b); }

void PairGap(const Model& old, size_t old_begin, size_t old_end, const Model& wanted,
             size_t new_begin, size_t new_end, StopLook& look, Pairing& out) {
  const size_t rows = old_end - old_begin;
  const size_t columns = new_end - new_begin;
  std::vector<std::pair<size_t, size_t>> fixed;
  if (rows != 0 && columns != 0 && rows * columns <= kMaxComparedItems) {
    std::vector<uint32_t> length((rows + 1) * (columns + 1));
    const auto at = [&](size_t r, size_t c) -> uint32_t& { return length[r * (columns + 1) + c]; };
    std::vector<bool> likely(rows * columns);
    for (size_t r = rows; r-- > 0;) {
      for (size_t c = columns; c-- > 0;) {
        if (look()) return;
        const bool same = Likely(old[old_begin + r], wanted[new_begin + c]);
        likely[r * columns + c] = same;
        at(r, c) = same ? at(r + 1, c + 1) + 1 : std::max(at(r + 1, c), at(r, c + 1));
      }
    }
    for (size_t r = 0, c = 0; r < rows && c < columns;) {
      if (likely[r * columns + c]) {
        fixed.emplace_back(old_begin + r++, new_begin + c++);
      } else if (at(r + 1, c) >= at(r, c + 1)) {
        ++r;
      } else {
        ++c;
      }
    }
  }
  // Between what fits, the rest in order: such an item changes instead of going and coming.
  fixed.emplace_back(old_end, new_end);
  size_t o = old_begin;
  size_t n = new_begin;
  for (const auto& [old_next, new_next] : fixed) {
    const bool as_many = old_next - o == new_next - n;
    while (o < old_next && n < new_next && (as_many || (!HasName(old[o]) && !HasName(wanted[n])))) {
      out.pairs.emplace_back(o++, n++);
    }
    if (old_next < old_end) out.pairs.emplace_back(old_next, new_next);
    o = old_next + 1;
    n = new_next + 1;
  }
}

}  // namespace

Pairing Pair(const Model& old, const Model& wanted, StopLook& look) {
  Pairing out;
  const size_t shorter = std::min(old.size(), wanted.size());
  size_t prefix = 0;
  while (prefix < shorter && !look() && Equal(old[prefix], wanted[prefix])) {
    out.pairs.emplace_back(prefix, prefix);
    ++prefix;
  }
  size_t suffix = 0;
  while (suffix < shorter - prefix && !look() &&
         Equal(old[old.size() - 1 - suffix], wanted[wanted.size() - 1 - suffix])) {
    ++suffix;
  }
  if (!look.status().ok()) return out;
  PairGap(old, prefix, old.size() - suffix, wanted, prefix, wanted.size() - suffix, look, out);
  for (size_t i = suffix; i-- > 0;) {
    out.pairs.emplace_back(old.size() - 1 - i, wanted.size() - 1 - i);
  }
  return out;
}

}  // namespace purser::edit

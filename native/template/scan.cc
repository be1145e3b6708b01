#include "template/scan.h"

#include <cstring>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace purser::tmpl {
namespace {

constexpr size_t kNpos = absl::string_view::npos;

bool IsMark(char first, char second) {
  return first == '{' ? second == '%' || second == '#' || second == '{'
                      : first == '#' && second == '}';
}

}  // namespace

size_t FindMark(absl::string_view text, size_t from) {
  const char* const data = text.data();
  const size_t size = text.size();
  size_t at = from;
#ifdef __SSE2__
  const __m128i brace = _mm_set1_epi8('{'), hash = _mm_set1_epi8('#'), percent = _mm_set1_epi8('%'),
                closing = _mm_set1_epi8('}');
  for (; at + 17 <= size; at += 16) {
    const __m128i first = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + at));
    const __m128i braces = _mm_cmpeq_epi8(first, brace);
    const __m128i hashes = _mm_cmpeq_epi8(first, hash);
    if (_mm_movemask_epi8(_mm_or_si128(braces, hashes)) == 0) continue;
    const __m128i second = _mm_loadu_si128(reinterpret_cast<const __m128i*>(data + at + 1));
    const __m128i opens =
        _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(second, percent), _mm_cmpeq_epi8(second, hash)),
                     _mm_cmpeq_epi8(second, brace));
    const int mask = _mm_movemask_epi8(_mm_or_si128(
        _mm_and_si128(braces, opens), _mm_and_si128(hashes, _mm_cmpeq_epi8(second, closing))));
    if (mask != 0) return at + static_cast<size_t>(__builtin_ctz(static_cast<unsigned>(mask)));
  }
#endif
  for (; at + 2 <= size; ++at) {
    if (IsMark(data[at], data[at + 1])) return at;
  }
  return kNpos;
}

bool HoldsNoTag(absl::string_view text, absl::string_view variable_start) {
  const bool dollar = variable_start == "${{";
  if (!dollar && variable_start != "{{" && text.find(variable_start) != kNpos) return false;
  for (size_t at = FindMark(text, 0); at != kNpos; at = FindMark(text, at + 1)) {
    if (text[at] == '#' || text[at + 1] != '{') return false;
    if (dollar ? at > 0 && text[at - 1] == '$' : variable_start == "{{") return false;
  }
  return true;
}

}  // namespace purser::tmpl

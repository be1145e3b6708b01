#include "connectors/kubernetes/json_scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace purser::connectors {

const char* ScanToEndBytewise(const char* at, const char* end, JsonScan* scan) {
  for (; at < end; ++at) {
    const char c = *at;
    const bool escaped = scan->escaped;
    scan->escaped = c == '\\' && !escaped;
    if (c == '"') {
      if (!escaped) scan->in_string = !scan->in_string;
    } else if (scan->in_string) {
      continue;
    } else if (c == '{' || c == '[') {
      ++scan->depth;
    } else if (c == '}' || c == ']') {
      if (--scan->depth <= 0) return at + 1;
    }
  }
  return nullptr;
}

#if defined(__x86_64__)
namespace {

#define PURSER_AVX2 __attribute__((target("avx2,popcnt,bmi,pclmul")))

// One bit per byte of a block.
struct Masks {
  uint64_t quotes;
  uint64_t backslashes;
  uint64_t opens;
  uint64_t closes;
};

PURSER_AVX2 inline uint64_t Bits(__m256i low, __m256i high) {
  return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
         (static_cast<uint64_t>(static_cast<uint32_t>(_mm256_movemask_epi8(high))) << 32);
}

PURSER_AVX2 inline Masks Load(const char* at) {
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32));
  const __m256i quote = _mm256_set1_epi8('"');
  const __m256i backslash = _mm256_set1_epi8('\\');
  // '[' and ']' differ from '{' and '}' by this bit.
  const __m256i bit = _mm256_set1_epi8(0x20);
  const __m256i open = _mm256_set1_epi8('{');
  const __m256i close = _mm256_set1_epi8('}');
  const __m256i low_brackets = _mm256_or_si256(low, bit);
  const __m256i high_brackets = _mm256_or_si256(high, bit);
  return {Bits(_mm256_cmpeq_epi8(low, quote), _mm256_cmpeq_epi8(high, quote)),
          Bits(_mm256_cmpeq_epi8(low, backslash), _mm256_cmpeq_epi8(high, backslash)),
          Bits(_mm256_cmpeq_epi8(low_brackets, open), _mm256_cmpeq_epi8(high_brackets, open)),
          Bits(_mm256_cmpeq_epi8(low_brackets, close), _mm256_cmpeq_epi8(high_brackets, close))};
}

// Which characters are escaped by a backslash before them: those behind runs of odd length. Runs
// that begin on even and odd places are told apart by adding to their first bit: the carry comes
// out behind the run (the method of simdjson).
inline uint64_t Escaped(uint64_t backslashes, uint64_t* carry) {
  if (backslashes == 0) {
    const uint64_t escaped = *carry;
    *carry = 0;
    return escaped;
  }
  constexpr uint64_t kEven = 0x5555555555555555;
  backslashes &= ~*carry;
  const uint64_t follows = (backslashes << 1) | *carry;
  const uint64_t odd_starts = backslashes & ~kEven & ~follows;
  uint64_t even_ends = 0;
  *carry = __builtin_add_overflow(odd_starts, backslashes, &even_ends) ? 1 : 0;
  return (kEven ^ (even_ends << 1)) & follows;
}

// Every bit becomes the parity of the bits up to it: ones from each quote up to its partner.
PURSER_AVX2 inline uint64_t Inside(uint64_t quotes) {
  const __m128i product =
      _mm_clmulepi64_si128(_mm_set_epi64x(0, static_cast<int64_t>(quotes)), _mm_set1_epi8(-1), 0);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

PURSER_AVX2 const char* ScanToEndByBlocks(const char* at, const char* end, JsonScan* scan) {
  uint64_t escape_carry = scan->escaped ? 1 : 0;
  uint64_t string_carry = scan->in_string ? ~uint64_t{0} : 0;
  int64_t depth = scan->depth;
  for (; end - at >= 64; at += 64) {
    const Masks masks = Load(at);
    const uint64_t quotes = masks.quotes & ~Escaped(masks.backslashes, &escape_carry);
    const uint64_t inside = Inside(quotes) ^ string_carry;
    string_carry = static_cast<uint64_t>(static_cast<int64_t>(inside) >> 63);
    uint64_t opens = masks.opens & ~inside;
    uint64_t closes = masks.closes & ~inside;
    const int64_t closed = __builtin_popcountll(closes);
    if (closed < depth) {
      depth += __builtin_popcountll(opens) - closed;
      continue;
    }
    // The end may be in this block: count from close to close.
    while (closes != 0) {
      const uint64_t bit = closes & -closes;
      const uint64_t before = opens & (bit - 1);
      depth += __builtin_popcountll(before) - 1;
      opens &= ~before;
      closes &= closes - 1;
      if (depth <= 0) {
        *scan = JsonScan();
        return at + __builtin_ctzll(bit) + 1;
      }
    }
    depth += __builtin_popcountll(opens);
  }
  scan->depth = depth;
  scan->in_string = string_carry != 0;
  scan->escaped = escape_carry != 0;
  return ScanToEndBytewise(at, end, scan);
}

}  // namespace

const char* ScanToEnd(const char* at, const char* end, JsonScan* scan) {
  static const bool by_blocks = __builtin_cpu_supports("avx2") &&
                                __builtin_cpu_supports("pclmul") &&
                                __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("bmi");
  return by_blocks ? ScanToEndByBlocks(at, end, scan) : ScanToEndBytewise(at, end, scan);
}

#else

const char* ScanToEnd(const char* at, const char* end, JsonScan* scan) {
  return ScanToEndBytewise(at, end, scan);
}

#endif

}  // namespace purser::connectors

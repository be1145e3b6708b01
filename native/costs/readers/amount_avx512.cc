// ParseAmounts for processors with AVX-512. Compiled with those instructions on x86-64, else empty.
#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VL__)
#include "costs/readers/amount_vectors.h"

namespace purser::costs {
namespace {

struct Avx512Amounts {
  using Lanes [[gnu::vector_size(64)]] = uint32_t;

  static uint32_t Equal(__m256i bytes, char c) {
    return _mm256_cmpeq_epi8_mask(bytes, _mm256_set1_epi8(c));
  }
  static uint32_t UpTo(__m256i bytes, char most) {
    return _mm256_cmple_epu8_mask(bytes, _mm256_set1_epi8(most));
  }
  static Lanes AsFloats(Lanes lanes) {
    return reinterpret_cast<Lanes>(_mm512_cvtepi32_ps(reinterpret_cast<__m512i>(lanes)));
  }
  static uint32_t LastBits(Lanes lanes) {
    return _mm512_movepi32_mask(reinterpret_cast<__m512i>(lanes));
  }
};

}  // namespace

size_t ParseAmountsAvx512(const AmountColumn& column, __int128* units, uint32_t* others) {
  return AmountParser<Avx512Amounts>::Parse(column, units, others);
}

}  // namespace purser::costs
#endif

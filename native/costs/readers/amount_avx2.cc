// ParseAmounts for processors with AVX2. Compiled with those instructions on x86-64, else empty.
#if defined(__AVX2__)
#include "costs/readers/amount_vectors.h"

namespace purser::costs {
namespace {

struct Avx2Amounts {
  using Lanes [[gnu::vector_size(32)]] = uint32_t;

  static uint32_t Equal(__m256i bytes, char c) {
    return Bits(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(c)));
  }
  static uint32_t UpTo(__m256i bytes, char most) {
    return Bits(_mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(most)), bytes));
  }
  static Lanes AsFloats(Lanes lanes) {
    return reinterpret_cast<Lanes>(_mm256_cvtepi32_ps(reinterpret_cast<__m256i>(lanes)));
  }
  static uint32_t LastBits(Lanes lanes) {
    return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(lanes)));
  }

 private:
  static uint32_t Bits(__m256i found) { return static_cast<uint32_t>(_mm256_movemask_epi8(found)); }
};

}  // namespace

size_t ParseAmountsAvx2(const AmountColumn& column, __int128* units, uint32_t* others) {
  return AmountParser<Avx2Amounts>::Parse(column, units, others);
}

}  // namespace purser::costs
#endif

// CsvIndex for processors with AVX2. Compiled with those instructions on x86-64, else empty.
#include "costs/readers/csv_index_scan.h"

#if defined(__AVX2__) && defined(__PCLMUL__)
#include <immintrin.h>

namespace purser::costs {
namespace {

struct Avx2Block {
  static uint64_t Equal(__m256i low, __m256i high, char c) {
    const __m256i wanted = _mm256_set1_epi8(c);
    return Bits(_mm256_cmpeq_epi8(low, wanted), _mm256_cmpeq_epi8(high, wanted));
  }
  static uint64_t Bits(__m256i low, __m256i high) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
           uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(high))} << 32;
  }
  static CsvMasks Find(const char* text) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32));
    CsvMasks masks;
    masks.comma = Equal(low, high, ',');
    masks.feed = Equal(low, high, '\n');
    masks.quote = Equal(low, high, '"');
    return masks;
  }
  static uint64_t Carriages(const char* text) {
    return Equal(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(text)),
                 _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32)), '\r');
  }
  class Watch {
   public:
    void See(const char* text) {
      const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
      const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32));
      any_ = _mm256_or_si256(any_, _mm256_or_si256(low, high));
      least_ = _mm256_min_epu8(least_, _mm256_min_epu8(low, high));
    }
    bool High() const { return _mm256_movemask_epi8(any_) != 0; }
    bool Nul(const char*, size_t) const {
      return _mm256_movemask_epi8(_mm256_cmpeq_epi8(least_, _mm256_setzero_si256())) != 0;
    }

   private:
    __m256i any_ = _mm256_setzero_si256();
    __m256i least_ = _mm256_set1_epi8('\xff');
  };
  static uint64_t PrefixXor(uint64_t bits) {
    return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(
        _mm_cvtsi64_si128(static_cast<int64_t>(bits)), _mm_set1_epi8('\xff'), 0)));
  }
  // In eights, past the end too: hardly any block has more, so that the processor guesses well.
  class Writer {
   public:
    explicit Writer(uint32_t base) : base_(base) {}
    void Write(uint64_t bits, int count, uint32_t* out) {
      WriteEight(bits, out);
      for (; __builtin_expect(count > 8, 0); count -= 8) WriteEight(bits, out += 8);
      base_ += 64;
    }

   private:
    void WriteEight(uint64_t& bits, uint32_t* out) const {
      for (int i = 0; i < 8; ++i) {
        out[i] = base_ + static_cast<uint32_t>(_tzcnt_u64(bits));
        bits = _blsr_u64(bits);
      }
    }
    uint32_t base_;
  };
};

}  // namespace

void ScanCsvAvx2(CsvScanState& state, const char* text, size_t from, size_t to) {
  CsvRun<Avx2Block>(state, text, from, to);
}

}  // namespace purser::costs
#endif

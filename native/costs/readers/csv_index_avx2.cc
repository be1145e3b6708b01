// CsvIndex for processors with AVX2. Compiled with those instructions on x86-64, else empty.
#include "costs/readers/csv_index_scan.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace purser::costs {
namespace {

struct Avx2Bytes {
  using Bytes [[gnu::vector_size(32)]] = int8_t;

  static uint64_t Bits(Bytes found) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(reinterpret_cast<__m256i>(found)));
  }
  static Bytes Least(Bytes a, Bytes b) {
    return reinterpret_cast<Bytes>(
        _mm256_min_epi8(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
  }
};

struct Avx2Block : CsvVectorBlock<Avx2Bytes> {
  using Words [[gnu::vector_size(32)]] = uint64_t;

  static Words Behind(Words bits, Words before) {
    const __m256i low = reinterpret_cast<__m256i>(bits);
    const __m256i across = _mm256_permute2x128_si256(reinterpret_cast<__m256i>(before), low, 0x21);
    return bits << 1 | reinterpret_cast<Words>(_mm256_alignr_epi8(low, across, 8)) >> 63;
  }
  static unsigned LastBits(Words words) {
    return static_cast<unsigned>(_mm256_movemask_pd(reinterpret_cast<__m256d>(words)));
  }
  static Words Spread(unsigned lanes) {
    const __m256i bits = _mm256_set_epi64x(8, 4, 2, 1);
    const __m256i all = _mm256_set1_epi64x(static_cast<int64_t>(lanes));
    return reinterpret_cast<Words>(_mm256_cmpeq_epi64(_mm256_and_si256(all, bits), bits));
  }
  static bool Any(Words words) {
    const __m256i bits = reinterpret_cast<__m256i>(words);
    return _mm256_testz_si256(bits, bits) == 0;
  }
  // In eights, past the end too: hardly any block has more, so that the processor guesses well.
  class Writer {
   public:
    explicit Writer(uint32_t base) : base_(base) {}
    uint32_t* Write(uint64_t bits, uint32_t* out) {
      uint32_t* const end = out + __builtin_popcountll(bits);
      WriteEight(bits, out);
      while (__builtin_expect(bits != 0, 0)) WriteEight(bits, out += 8);
      base_ += 64;
      return end;
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
  ScanCsv<Avx2Block>(state, text, from, to);
}

}  // namespace purser::costs
#endif

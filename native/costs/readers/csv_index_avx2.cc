// CsvIndex for processors with AVX2. Compiled with those instructions on x86-64, else empty.
#include "costs/readers/csv_index_scan.h"

#if defined(__AVX2__)
#include <immintrin.h>

namespace purser::costs {
namespace {

struct Avx2Block {
  using Words [[gnu::vector_size(32)]] = uint64_t;

  // Both halves of a block.
  struct Bytes {
    __m256i low, high;
    explicit Bytes(const char* text)
        : low(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(text))),
          high(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32))) {}
    __m256i Low(char c) const { return _mm256_cmpeq_epi8(low, _mm256_set1_epi8(c)); }
    __m256i High(char c) const { return _mm256_cmpeq_epi8(high, _mm256_set1_epi8(c)); }
  };
  static uint64_t Bits(__m256i low, __m256i high) {
    return static_cast<uint32_t>(_mm256_movemask_epi8(low)) |
           uint64_t{static_cast<uint32_t>(_mm256_movemask_epi8(high))} << 32;
  }
  static uint64_t Equal(const char* text, char c) {
    const Bytes bytes(text);
    return Bits(bytes.Low(c), bytes.High(c));
  }
  static CsvMasks Find(const char* text) {
    const Bytes bytes(text);
    return {Bits(_mm256_or_si256(bytes.Low(','), bytes.Low('\n')),
                 _mm256_or_si256(bytes.High(','), bytes.High('\n'))),
            Bits(bytes.Low('"'), bytes.High('"'))};
  }
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
  class Watch {
   public:
    void See(const char* text) {
      const Bytes bytes(text);
      least_ = _mm256_min_epi8(least_, _mm256_min_epi8(bytes.low, bytes.high));
      run_ = _mm256_sub_epi8(run_, _mm256_add_epi8(bytes.Low('\n'), bytes.High('\n')));
    }
    void EndRun() {
      feeds_ = _mm256_add_epi64(feeds_, _mm256_sad_epu8(run_, _mm256_setzero_si256()));
      run_ = _mm256_setzero_si256();
    }
    size_t Feeds() const {
      const Words feeds = reinterpret_cast<Words>(feeds_);
      return feeds[0] + feeds[1] + feeds[2] + feeds[3];
    }
    bool High() const { return _mm256_movemask_epi8(least_) != 0; }
    bool Nul(const char* text, size_t size) const {
      if (_mm256_movemask_epi8(_mm256_cmpeq_epi8(least_, _mm256_setzero_si256())) != 0) return true;
      // High bytes are less than NUL here and may hide one.
      return High() && std::memchr(text, 0, size) != nullptr;
    }

   private:
    __m256i least_ = _mm256_set1_epi8(0x7f);
    __m256i run_ = _mm256_setzero_si256();  // feeds by place, of at most kCsvRunBlocks blocks
    __m256i feeds_ = _mm256_setzero_si256();
  };
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

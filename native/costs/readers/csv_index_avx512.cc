// CsvIndex for processors with AVX-512. Compiled with those instructions on x86-64, else empty.
#include "costs/readers/csv_index_scan.h"

#if defined(__AVX512BW__) && defined(__AVX512DQ__) && defined(__AVX512VBMI2__)
#include <immintrin.h>

namespace purser::costs {
namespace {

alignas(64) constexpr uint8_t kPlaces[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

struct Avx512Block {
  using Words [[gnu::vector_size(64)]] = uint64_t;

  static uint64_t Equal(const char* text, char c) {
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text), _mm512_set1_epi8(c));
  }
  static CsvMasks Find(const char* text) {
    return {Equal(text, ',') | Equal(text, '\n'), Equal(text, '"')};
  }
  static Words Behind(Words bits, Words before) {
    const __m512i words = reinterpret_cast<__m512i>(bits);
    return reinterpret_cast<Words>(_mm512_shldi_epi64(
        words, _mm512_alignr_epi64(words, reinterpret_cast<__m512i>(before), 7), 1));
  }
  static unsigned LastBits(Words words) {
    return _mm512_movepi64_mask(reinterpret_cast<__m512i>(words));
  }
  static Words Spread(unsigned lanes) {
    return reinterpret_cast<Words>(_mm512_movm_epi64(static_cast<__mmask8>(lanes)));
  }
  static bool Any(Words words) {
    const __m512i bits = reinterpret_cast<__m512i>(words);
    return _mm512_test_epi64_mask(bits, bits) != 0;
  }
  class Watch {
   public:
    void See(const char* text) {
      least_ = _mm512_min_epi8(least_, _mm512_loadu_si512(text));
      feeds_ += static_cast<size_t>(__builtin_popcountll(Equal(text, '\n')));
    }
    void EndRun() {}
    size_t Feeds() const { return feeds_; }
    bool High() const { return _mm512_movepi8_mask(least_) != 0; }
    bool Nul(const char* text, size_t size) const {
      if (_mm512_testn_epi8_mask(least_, least_) != 0) return true;
      // High bytes are less than NUL here and may hide one.
      return High() && std::memchr(text, 0, size) != nullptr;
    }

   private:
    __m512i least_ = _mm512_set1_epi8(0x7f);
    size_t feeds_ = 0;
  };
  // The places of the set bits as bytes, widened sixteen at a time.
  class Writer {
   public:
    explicit Writer(uint32_t base) : bases_(_mm512_set1_epi32(static_cast<int>(base))) {}
    uint32_t* Write(uint64_t bits, uint32_t* out) {
      const int count = __builtin_popcountll(bits);
      const __m512i places = _mm512_maskz_compress_epi8(bits, _mm512_load_si512(kPlaces));
      const auto put = [&](int part, __m128i bytes) {
        _mm512_storeu_si512(out + part * 16, _mm512_add_epi32(bases_, _mm512_cvtepu8_epi32(bytes)));
      };
      put(0, _mm512_castsi512_si128(places));
      if (__builtin_expect(count > 16, 0)) {
        put(1, _mm512_extracti32x4_epi32(places, 1));
        put(2, _mm512_extracti32x4_epi32(places, 2));
        put(3, _mm512_extracti32x4_epi32(places, 3));
      }
      bases_ = _mm512_add_epi32(bases_, _mm512_set1_epi32(64));
      return out + count;
    }

   private:
    __m512i bases_;
  };
};

}  // namespace

void ScanCsvAvx512(CsvScanState& state, const char* text, size_t from, size_t to) {
  ScanCsv<Avx512Block>(state, text, from, to);
}

}  // namespace purser::costs
#endif

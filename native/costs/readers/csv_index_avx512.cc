// CsvIndex for processors with AVX-512. Compiled with those instructions on x86-64, else empty.
#include "costs/readers/csv_index_scan.h"

#if defined(__AVX512VBMI2__) && defined(__AVX512VPOPCNTDQ__) && defined(__AVX512BW__) && \
    defined(__AVX512DQ__) && defined(__PCLMUL__)
#include <immintrin.h>

#include <cstring>

namespace purser::costs {
namespace {

alignas(64) constexpr uint8_t kPlaces[64] = {
    0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
    22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
    44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

struct Avx512Block {
  static CsvMasks Find(const char* text) {
    const __m512i bytes = _mm512_loadu_si512(text);
    CsvMasks masks;
    masks.comma = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(','));
    masks.feed = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('\n'));
    masks.quote = _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8('"'));
    return masks;
  }
  static uint64_t Carriages(const char* text) {
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text), _mm512_set1_epi8('\r'));
  }
  class Watch {
   public:
    void See(const char* text) { least_ = _mm512_min_epi8(least_, _mm512_loadu_si512(text)); }
    bool High() const { return _mm512_movepi8_mask(least_) != 0; }
    bool Nul(const char* text, size_t size) const {
      if (_mm512_testn_epi8_mask(least_, least_) != 0) return true;
      // High bytes are less than NUL here and may hide one.
      return High() && std::memchr(text, 0, size) != nullptr;
    }

   private:
    __m512i least_ = _mm512_set1_epi8(0x7f);
  };
  static uint64_t PrefixXor(uint64_t bits) {
    return static_cast<uint64_t>(_mm_cvtsi128_si64(_mm_clmulepi64_si128(
        _mm_cvtsi64_si128(static_cast<int64_t>(bits)), _mm_set1_epi8('\xff'), 0)));
  }
  // The places of the set bits as bytes, widened sixteen at a time.
  class Writer {
   public:
    explicit Writer(uint32_t base) : bases_(_mm512_set1_epi32(static_cast<int>(base))) {}
    void Write(uint64_t bits, int count, uint32_t* out) {
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
    }

   private:
    __m512i bases_;
  };
};

constexpr size_t kGroupBlocks = 8;
constexpr size_t kGroupBytes = kGroupBlocks * 64;
// Looked at before the next step is done with all of them: a processor waits long for eight masks
// that it has only just written one by one.
constexpr size_t kMostGroups = 8;

struct MasksOfGroups {
  alignas(64) uint64_t comma[kMostGroups * kGroupBlocks];
  alignas(64) uint64_t feed[kMostGroups * kGroupBlocks];
  alignas(64) uint64_t quote[kMostGroups * kGroupBlocks];
  alignas(64) uint64_t border[kMostGroups * kGroupBlocks];
};

// Which commas and feeds are borders, by the masks of eight blocks side by side: what CsvStep finds
// out about one block is found out about all of them with as many instructions.
class BorderFinder {
 public:
  explicit BorderFinder(const CsvScanState& state)
      : inside_(state.inside != 0 ? 0xff : 0),
        returned_(state.after_return),
        structure_(LastBit(state.after_border)),
        close_(LastBit(state.after_close)) {}

  // Of the group whose first block is `first`, with this text.
  void Find(const char* text, size_t first, MasksOfGroups& masks) {
    _mm512_store_si512(masks.border + first, Borders(text, _mm512_load_si512(masks.comma + first),
                                                     _mm512_load_si512(masks.feed + first),
                                                     _mm512_load_si512(masks.quote + first)));
  }
  // What the groups leave to what is behind them.
  void Leave(CsvScanState& state) const {
    state.inside = inside_ != 0 ? ~uint64_t{0} : 0;
    state.after_return = returned_;
    state.after_border = LastBitOf(structure_);
    state.after_close = LastBitOf(close_);
    state.records += static_cast<size_t>(_mm512_reduce_add_epi64(records_));
    state.quoted_feeds |= _mm512_test_epi64_mask(quoted_feeds_, quoted_feeds_);
    state.irregular |= _mm512_test_epi64_mask(irregular_, irregular_);
  }

 private:
  static __m512i LastBit(uint64_t bit) {
    return _mm512_set1_epi64(static_cast<int64_t>(bit << 63));
  }
  static uint64_t LastBitOf(__m512i bits) { return _mm512_movepi64_mask(bits) >> 7; }
  // The bits one place on; the first one is the last one of `before`.
  static __m512i Behind(__m512i bits, __m512i before) {
    return _mm512_shldi_epi64(bits, _mm512_alignr_epi64(bits, before, 7), 1);
  }
  // Set from each opening quote up to the byte before its closing one.
  __m512i Inside(__m512i quotes) {
    __m512i each = quotes;
    each = _mm512_xor_si512(each, _mm512_slli_epi64(each, 1));
    each = _mm512_xor_si512(each, _mm512_slli_epi64(each, 2));
    each = _mm512_xor_si512(each, _mm512_slli_epi64(each, 4));
    each = _mm512_xor_si512(each, _mm512_slli_epi64(each, 8));
    each = _mm512_xor_si512(each, _mm512_slli_epi64(each, 16));
    each = _mm512_xor_si512(each, _mm512_slli_epi64(each, 32));
    // Blocks with an odd number of quotes turn those behind them over.
    unsigned odd = _mm512_movepi64_mask(each);
    odd ^= odd << 1;
    odd ^= odd << 2;
    odd ^= odd << 4;
    const auto turned = static_cast<__mmask8>((odd << 1) ^ inside_);
    inside_ ^= (odd & 0x80) != 0 ? 0xff : 0;
    return _mm512_mask_xor_epi64(each, turned, each, _mm512_set1_epi64(-1));
  }
  // As CsvStep. A byte in front of a quote that opens is outside quotes, and one behind a quote
  // that closes, too: they need not be told from the same ones inside.
  __m512i Borders(const char* text, __m512i commas, __m512i feeds, __m512i quotes) {
    const __m512i inside = Inside(quotes);
    const __m512i outer_feeds = _mm512_andnot_si512(inside, feeds);
    const __m512i borders = _mm512_or_si512(outer_feeds, _mm512_andnot_si512(inside, commas));
    const __m512i structure = _mm512_or_si512(_mm512_or_si512(commas, feeds), quotes);
    const __m512i close = _mm512_andnot_si512(inside, quotes);
    const __m512i behind_structure = Behind(structure, structure_);
    const __m512i loose = _mm512_andnot_si512(structure, Behind(close, close_));
    structure_ = structure;
    close_ = close;
    irregular_ = _mm512_or_si512(
        irregular_, _mm512_andnot_si512(behind_structure, _mm512_and_si512(quotes, inside)));
    records_ = _mm512_add_epi64(records_, _mm512_popcnt_epi64(outer_feeds));
    quoted_feeds_ = _mm512_or_si512(quoted_feeds_, _mm512_and_si512(feeds, inside));
    if (__builtin_expect((_mm512_test_epi64_mask(loose, loose) | returned_) != 0, 0)) {
      SeeReturns(text, loose, outer_feeds);
    }
    return borders;
  }
  [[gnu::noinline]] void SeeReturns(const char* text, __m512i loose, __m512i feeds) {
    alignas(64) uint64_t carriages[kGroupBlocks];
    for (size_t i = 0; i < kGroupBlocks; ++i) carriages[i] = Avx512Block::Carriages(text + i * 64);
    const __m512i returns = _mm512_and_si512(loose, _mm512_load_si512(carriages));
    const __m512i behind = Behind(returns, LastBit(returned_));
    irregular_ = _mm512_or_si512(irregular_, _mm512_andnot_si512(returns, loose));
    irregular_ = _mm512_or_si512(irregular_, _mm512_andnot_si512(feeds, behind));
    returned_ = LastBitOf(returns);
  }

  unsigned inside_;  // all eight bits or none
  uint64_t returned_;
  __m512i structure_, close_;  // of the group before
  __m512i irregular_ = _mm512_setzero_si512();
  __m512i quoted_feeds_ = _mm512_setzero_si512();
  __m512i records_ = _mm512_setzero_si512();
};

}  // namespace

void ScanCsvAvx512(CsvScanState& state, const char* text, size_t from, size_t to) {
  BorderFinder finder(state);
  Avx512Block::Watch watch;
  Avx512Block::Writer writer(static_cast<uint32_t>(from));
  MasksOfGroups masks;
  uint32_t* out = state.ends + state.count;
  const size_t whole = from + (to - from) / kGroupBytes * kGroupBytes;
  for (size_t at = from; at < whole;) {
    const size_t most = kMostGroups * kGroupBytes;
    const size_t bytes = whole - at < most ? whole - at : most;
    const size_t blocks = bytes / 64;
    for (size_t i = 0; i < blocks; ++i) {
      const CsvMasks found = Avx512Block::Find(text + at + i * 64);
      watch.See(text + at + i * 64);
      masks.comma[i] = found.comma;
      masks.feed[i] = found.feed;
      masks.quote[i] = found.quote;
    }
    for (size_t i = 0; i < blocks; i += kGroupBlocks) finder.Find(text + at + i * 64, i, masks);
    for (size_t i = 0; i < blocks; ++i) {
      const int count = __builtin_popcountll(masks.border[i]);
      writer.Write(masks.border[i], count, out);
      out += count;
    }
    at += bytes;
  }
  finder.Leave(state);
  state.count = static_cast<size_t>(out - state.ends);
  state.high |= watch.High();
  state.nul |= watch.Nul(text + from, whole - from);
  CsvRun<Avx512Block>(state, text, whole, to);
}

}  // namespace purser::costs
#endif

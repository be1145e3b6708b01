#include "costs/readers/csv_index.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace purser::costs {
namespace {

// With what every processor has.
struct BaselineBlock {
  using Words = uint64_t;

#if defined(__SSE2__)
  // A block in quarters.
  struct Bytes {
    __m128i parts[4];
    explicit Bytes(const char* text) {
      for (int i = 0; i < 4; ++i) {
        parts[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + 16 * i));
      }
    }
    __m128i Equal(int part, char c) const { return _mm_cmpeq_epi8(parts[part], _mm_set1_epi8(c)); }
  };
  // The bits of what `found` says of each quarter.
  template <typename Found>
  static uint64_t Bits(const Found& found) {
    uint64_t bits = 0;
    for (int i = 0; i < 4; ++i) {
      bits |= uint64_t{static_cast<uint32_t>(_mm_movemask_epi8(found(i)))} << 16 * i;
    }
    return bits;
  }
  static uint64_t Equal(const char* text, char c) {
    const Bytes bytes(text);
    return Bits([&](int i) { return bytes.Equal(i, c); });
  }
  static CsvMasks Find(const char* text) {
    const Bytes bytes(text);
    return {Bits([&](int i) { return _mm_or_si128(bytes.Equal(i, ','), bytes.Equal(i, '\n')); }),
            Bits([&](int i) { return bytes.Equal(i, '"'); })};
  }
#else
  // Eight bytes a time, in a word whose lowest byte is the first one.
  static uint64_t Equal(const char* text, char c) {
    constexpr uint64_t kOnes = 0x0101010101010101u, kLow = 0x7f * kOnes;
    uint64_t bits = 0;
    for (int part = 0; part < 8; ++part) {
      uint64_t word = 0;
      for (int i = 0; i < 8; ++i) {
        word |= uint64_t{static_cast<unsigned char>(text[8 * part + i])} << 8 * i;
      }
      word ^= kOnes * static_cast<unsigned char>(c);
      const uint64_t same = ~(((word & kLow) + kLow) | word | kLow) >> 7;  // a one in each
      bits |= (same * 0x0102040810204080u >> 56) << 8 * part;
    }
    return bits;
  }
  static CsvMasks Find(const char* text) {
    return {Equal(text, ',') | Equal(text, '\n'), Equal(text, '"')};
  }
#endif
  static Words Behind(Words bits, Words before) { return bits << 1 | before >> 63; }
  static unsigned LastBits(Words words) { return static_cast<unsigned>(words >> 63); }
  static Words Spread(unsigned lanes) { return 0 - Words{lanes}; }
  static bool Any(Words words) { return words != 0; }
  class Watch {
   public:
    // The compiler makes vectors of it.
    void See(const char* text) {
      for (int i = 0; i < 64; ++i) {
        any_[i] |= static_cast<uint8_t>(text[i]);
        run_[i] += text[i] == '\n';
      }
    }
    void EndRun() {
      for (int i = 0; i < 64; ++i) {
        feeds_ += run_[i];
        run_[i] = 0;
      }
    }
    size_t Feeds() const { return feeds_; }
    bool High() const {
      return std::any_of(any_, any_ + 64, [](uint8_t bits) { return bits >> 7 != 0; });
    }
    bool Nul(const char* text, size_t size) const { return std::memchr(text, 0, size) != nullptr; }

   private:
    uint8_t any_[64] = {};  // all bits there were, by place
    uint8_t run_[64] = {};  // feeds by place, of at most kCsvRunBlocks blocks
    size_t feeds_ = 0;
  };
  class Writer {
   public:
    explicit Writer(uint32_t base) : base_(base) {}
    uint32_t* Write(uint64_t bits, uint32_t* out) {
      for (; bits != 0; bits &= bits - 1) {
        *out++ = base_ + static_cast<uint32_t>(__builtin_ctzll(bits));
      }
      base_ += 64;
      return out;
    }

   private:
    uint32_t base_;
  };
};

}  // namespace

void ScanCsvBaseline(CsvScanState& state, const char* text, size_t from, size_t to) {
  ScanCsv<BaselineBlock>(state, text, from, to);
}

CsvIndex::CsvIndex(SimdLevel level) : scan_(ScanCsvBaseline) {
  MakeRoom(0);  // ends() has its sentinel's place from the beginning
#if defined(__x86_64__)
  if (level == SimdLevel::kAvx512) scan_ = ScanCsvAvx512;
  if (level == SimdLevel::kAvx2) scan_ = ScanCsvAvx2;
#else
  static_cast<void>(level);
#endif
}

void CsvIndex::Reset() {
  uint32_t* const ends = state_.ends;
  state_ = CsvScanState();
  state_.ends = ends;
}

void CsvIndex::Scan(const char* text, size_t from, size_t to) {
  MakeRoom(to - from);
  scan_(state_, text, from, to);
}

void CsvIndex::MakeRoom(size_t more) {
  // One before the first, and a block behind the last: places are written in whole blocks.
  const size_t needed = state_.count + more + 64 + 1;
  if (needed <= capacity_) return;
  const size_t capacity = std::max(needed, capacity_ * 2);
  // Not value-initialised: most of it is never touched.
  std::unique_ptr<uint32_t[]> larger(new uint32_t[capacity]);
  if (state_.count > 0) {
    std::memcpy(larger.get(), ends_.get(), (state_.count + 1) * sizeof(uint32_t));
  }
  ends_ = std::move(larger);
  capacity_ = capacity;
  state_.ends = ends_.get() + 1;
}

}  // namespace purser::costs

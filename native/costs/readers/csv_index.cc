#include "costs/readers/csv_index.h"

#include <algorithm>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace purser::costs {
namespace {

// With what every processor has.
struct BaselineBytes {
  using Bytes [[gnu::vector_size(16)]] = int8_t;

  static uint64_t Bits(Bytes found) {
#if defined(__SSE2__)
    return static_cast<uint32_t>(_mm_movemask_epi8(reinterpret_cast<__m128i>(found)));
#else
    // Each byte keeps the bit of its place, and the highest byte of the product is their sum.
    uint64_t halves[2];
    std::memcpy(halves, &found, sizeof(halves));
    const auto bits = [](uint64_t half) {
      return (half & 0x8040201008040201u) * 0x0101010101010101u >> 56;
    };
    return bits(halves[0]) | bits(halves[1]) << 8;
#endif
  }
  static Bytes Least(Bytes a, Bytes b) {
    const Bytes less = a < b;
    return (a & less) | (b & ~less);
  }
};

struct BaselineBlock : CsvVectorBlock<BaselineBytes> {
  using Words = uint64_t;

  static Words Behind(Words bits, Words before) { return bits << 1 | before >> 63; }
  static unsigned LastBits(Words words) { return static_cast<unsigned>(words >> 63); }
  static Words Spread(unsigned lanes) { return 0 - Words{lanes}; }
  static bool Any(Words words) { return words != 0; }
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

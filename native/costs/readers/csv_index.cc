#include "costs/readers/csv_index.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace purser::costs {
namespace {

constexpr std::array<uint8_t, 256> kClasses = [] {
  std::array<uint8_t, 256> classes{};
  classes[','] = 1;
  classes['\n'] = 2;
  classes['"'] = 4;
  return classes;
}();

struct PortableBlock {
  static CsvMasks Find(const char* text) {
    CsvMasks masks = {};
    for (int i = 0; i < 64; ++i) {
      const uint64_t kind = kClasses[static_cast<unsigned char>(text[i])];
      masks.comma |= (kind & 1) << i;
      masks.feed |= (kind >> 1 & 1) << i;
      masks.quote |= (kind >> 2 & 1) << i;
    }
    return masks;
  }
  static uint64_t Carriages(const char* text) {
    uint64_t mask = 0;
    for (int i = 0; i < 64; ++i) mask |= static_cast<uint64_t>(text[i] == '\r') << i;
    return mask;
  }
  class Watch {
   public:
    void See(const char* text) {
      for (int i = 0; i < 64; ++i) {
        high_ |= static_cast<unsigned char>(text[i]) >> 7;
        nul_ |= text[i] == '\0';
      }
    }
    bool High() const { return high_ != 0; }
    bool Nul(const char*, size_t) const { return nul_ != 0; }

   private:
    unsigned high_ = 0, nul_ = 0;
  };
  static uint64_t PrefixXor(uint64_t bits) {
    for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
    return bits;
  }
  class Writer {
   public:
    explicit Writer(uint32_t base) : base_(base) {}
    void Write(uint64_t bits, int, uint32_t* out) {
      for (; bits != 0; bits &= bits - 1) {
        *out++ = base_ + static_cast<uint32_t>(__builtin_ctzll(bits));
      }
      base_ += 64;
    }

   private:
    uint32_t base_;
  };
};

}  // namespace

void ScanCsvPortable(CsvScanState& state, const char* text, size_t from, size_t to) {
  CsvRun<PortableBlock>(state, text, from, to);
}

bool CsvIndexMethodWorksHere(CsvIndexMethod method) {
#if defined(__x86_64__)
  if (method == CsvIndexMethod::kAvx2) {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("pclmul") &&
           __builtin_cpu_supports("bmi") && __builtin_cpu_supports("popcnt");
  }
  if (method == CsvIndexMethod::kAvx512) {
    return CsvIndexMethodWorksHere(CsvIndexMethod::kAvx2) && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vpopcntdq");
  }
#endif
  return method == CsvIndexMethod::kBest || method == CsvIndexMethod::kPortable;
}

CsvIndex::CsvIndex(CsvIndexMethod method) : scan_(ScanCsvPortable) {
  MakeRoom(0);  // ends() has its sentinel's place from the beginning
#if defined(__x86_64__)
  const bool best = method == CsvIndexMethod::kBest;
  if ((best || method == CsvIndexMethod::kAvx512) &&
      CsvIndexMethodWorksHere(CsvIndexMethod::kAvx512)) {
    scan_ = ScanCsvAvx512;
  } else if ((best || method == CsvIndexMethod::kAvx2) &&
             CsvIndexMethodWorksHere(CsvIndexMethod::kAvx2)) {
    scan_ = ScanCsvAvx2;
  }
#else
  static_cast<void>(method);
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

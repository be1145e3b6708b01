#include "costs/readers/parquet/run_reader.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>

#include "costs/readers/parquet/bits.h"

namespace purser::costs::parquet {
namespace {

// The numbers that a byte holds, each in a byte of its own.
template <size_t kWidth>
constexpr auto SpreadOfBytes() {
  constexpr size_t kNumbers = 8 / kWidth;
  std::array<std::array<uint8_t, kNumbers>, 256> spread{};
  for (size_t byte = 0; byte < 256; ++byte) {
    for (size_t i = 0; i < kNumbers; ++i) {
      spread[byte][i] = static_cast<uint8_t>(byte >> (i * kWidth) & ((1u << kWidth) - 1));
    }
  }
  return spread;
}
template <size_t kWidth>
constexpr auto kSpread = SpreadOfBytes<kWidth>();

// Groups of eight packed numbers; with the width known, nothing is left to be computed but shifts.
template <typename Number, size_t kWidth>
void Unpack(const char* from, size_t groups, Number* out) {
  constexpr uint64_t kMask = (uint64_t{1} << kWidth) - 1;
  if constexpr (sizeof(Number) == 1 && (kWidth == 1 || kWidth == 2)) {  // what levels have
    for (size_t i = 0; i < groups * kWidth; ++i) {
      const auto& spread = kSpread<kWidth>[static_cast<uint8_t>(from[i])];
      std::memcpy(out + i * spread.size(), spread.data(), spread.size());
    }
    return;
  }
  for (; groups > 0; --groups, from += kWidth, out += 8) {
    if constexpr (kWidth <= 8) {
      const uint64_t word = Load64(from);
      for (size_t i = 0; i < 8; ++i) out[i] = static_cast<Number>(word >> (i * kWidth) & kMask);
    } else {
      for (size_t i = 0; i < 8; ++i) {
        const size_t bit = i * kWidth;
        out[i] = static_cast<Number>(Load64(from + bit / 8) >> (bit % 8) & kMask);
      }
    }
  }
}
template <typename Number, size_t... kWidths>
constexpr auto UnpackAll(std::index_sequence<kWidths...>) {
  return std::array<void (*)(const char*, size_t, Number*), sizeof...(kWidths)>{
      Unpack<Number, kWidths>...};
}
// By width.
template <typename Number>
constexpr auto kUnpack = UnpackAll<Number>(std::make_index_sequence<8 * sizeof(Number) + 1>());

}  // namespace

bool RunReader::Begin() {
  if (width_ < 0 || width_ > 32) return false;
  uint64_t head;
  if (!TakeVarint(bytes_, &head)) return false;
  packed_ = (head & 1) != 0;
  if (!packed_) {
    const size_t size = static_cast<size_t>(width_ + 7) / 8;
    left_ = static_cast<size_t>(head >> 1);
    if (bytes_.size() < size || left_ == 0) return false;
    value_ = static_cast<uint32_t>(BitsAt(bytes_.data(), 0, width_));
    bytes_.remove_prefix(size);
    return true;
  }
  const uint64_t groups = head >> 1;
  if (groups == 0 || groups > (uint64_t{1} << 32)) return false;
  // The last group may be cut behind the last value.
  const size_t there = bytes_.size() * 8 / static_cast<size_t>(width_);
  left_ = std::min(static_cast<size_t>(groups) * 8, there);
  if (left_ == 0) return false;
  bits_ = bytes_.data();
  done_ = 0;
  bytes_.remove_prefix(
      std::min(bytes_.size(), static_cast<size_t>(groups) * static_cast<size_t>(width_)));
  return true;
}

template <typename Number>
bool RunReader::TakeInto(size_t count, Number* out) {
  if (width_ == 0) {
    std::fill_n(out, count, Number{0});
    return true;
  }
  while (count > 0) {
    if (left_ == 0 && !Begin()) return false;
    const size_t now = std::min(left_, count);
    if (packed_) {
      TakePacked(now, out);
    } else {
      std::fill_n(out, now, static_cast<Number>(value_));
    }
    left_ -= now;
    count -= now;
    out += now;
  }
  return true;
}
template bool RunReader::TakeInto(size_t count, uint32_t* out);
template bool RunReader::TakeInto(size_t count, uint8_t* out);

std::optional<uint32_t> RunReader::Same(size_t count) {
  if (width_ == 0) return 0;
  if ((left_ == 0 && !Begin()) || packed_ || left_ < count) return std::nullopt;
  return value_;
}

bool RunReader::TakeSame(size_t count, uint32_t value) {
  if (Same(count) != value) return false;
  if (width_ != 0) left_ -= count;
  return true;
}

template <typename Number>
void RunReader::TakePacked(size_t count, Number* out) {
  const size_t width = static_cast<size_t>(width_);
  const auto one = [&] { *out++ = static_cast<Number>(BitsAt(bits_, done_++ * width, width_)); };
  for (; count > 0 && done_ % 8 != 0; --count) one();
  const size_t groups = count / 8;
  kUnpack<Number>[width](bits_ + done_ / 8 * width, groups, out);
  done_ += groups * 8;
  out += groups * 8;
  for (count %= 8; count > 0; --count) one();
}

}  // namespace purser::costs::parquet

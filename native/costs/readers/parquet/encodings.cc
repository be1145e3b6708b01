#include "costs/readers/parquet/encodings.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace purser::costs::parquet {
namespace {

uint64_t Load64(const char* at) {
  uint64_t word;
  std::memcpy(&word, at, 8);
  return word;
}

bool TakeVarint(absl::string_view& bytes, uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (bytes.empty()) return false;
    const uint8_t byte = static_cast<uint8_t>(bytes.front());
    bytes.remove_prefix(1);
    *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return true;
  }
  return false;
}

// Bits [bit, bit + width) of bytes that have slack; width at most 56 unless it begins on a byte.
uint64_t BitsAt(const char* bytes, size_t bit, int width) {
  if (width == 0) return 0;
  const uint64_t mask = width == 64 ? ~uint64_t{0} : (uint64_t{1} << width) - 1;
  const int shift = static_cast<int>(bit & 7);
  uint64_t word = Load64(bytes + (bit >> 3)) >> shift;
  if (shift + width > 64) {
    word |= static_cast<uint64_t>(static_cast<uint8_t>(bytes[(bit >> 3) + 8])) << (64 - shift);
  }
  return word & mask;
}

// Groups of eight packed numbers; with the width known, nothing is left to be computed but shifts.
template <size_t kWidth>
void Unpack(const char* from, size_t groups, uint32_t* out) {
  constexpr uint64_t kMask = (uint64_t{1} << kWidth) - 1;
  for (; groups > 0; --groups, from += kWidth, out += 8) {
    for (size_t i = 0; i < 8; ++i) {
      const size_t bit = i * kWidth;
      out[i] = static_cast<uint32_t>(Load64(from + bit / 8) >> (bit % 8) & kMask);
    }
  }
}
using UnpackFunction = void (*)(const char*, size_t, uint32_t*);
template <size_t... kWidths>
constexpr std::array<UnpackFunction, sizeof...(kWidths)> UnpackAll(
    std::index_sequence<kWidths...>) {
  return {Unpack<kWidths>...};
}
constexpr auto kUnpack = UnpackAll(std::make_index_sequence<33>());  // by width

// DELTA_BINARY_PACKED: appends all numbers; at most `most`.
bool DecodeDelta(absl::string_view& bytes, size_t most, std::vector<int64_t>& out) {
  uint64_t block, miniblocks, total, zigzag;
  if (!TakeVarint(bytes, &block) || !TakeVarint(bytes, &miniblocks) || !TakeVarint(bytes, &total) ||
      !TakeVarint(bytes, &zigzag)) {
    return false;
  }
  if (miniblocks == 0 || miniblocks > 1024 || block == 0 || block > (1u << 20) ||
      block % miniblocks != 0 || (block / miniblocks) % 8 != 0 || total > most) {
    return false;
  }
  const auto unzigzag = [](uint64_t value) { return (value >> 1) ^ (0 - (value & 1)); };
  uint64_t last = unzigzag(zigzag);
  const size_t each = block / miniblocks;
  if (total == 0) return true;
  out.push_back(static_cast<int64_t>(last));
  size_t left = total - 1;
  while (left > 0) {
    if (!TakeVarint(bytes, &zigzag) || bytes.size() < miniblocks) return false;
    const uint64_t least = unzigzag(zigzag);
    const absl::string_view widths = bytes.substr(0, miniblocks);
    bytes.remove_prefix(miniblocks);
    for (size_t m = 0; m < miniblocks && left > 0; ++m) {
      const int width = static_cast<uint8_t>(widths[m]);
      const size_t size = each * static_cast<size_t>(width) / 8;
      if (width > 64 || bytes.size() < size) return false;
      const size_t count = std::min(left, each);
      for (size_t i = 0; i < count; ++i) {
        last += least + BitsAt(bytes.data(), i * static_cast<size_t>(width), width);
        out.push_back(static_cast<int64_t>(last));
      }
      left -= count;
      bytes.remove_prefix(size);
    }
  }
  return true;
}

bool TakeBytes(absl::string_view& bytes, size_t size, absl::string_view* out) {
  if (bytes.size() < size) return false;
  *out = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

bool DecodeDeltaLength(absl::string_view& bytes, size_t count, Values& values) {
  std::vector<int64_t> sizes;
  if (!DecodeDelta(bytes, count, sizes) || sizes.size() != count) return false;
  for (const int64_t size : sizes) {
    absl::string_view text;
    if (size < 0 || !TakeBytes(bytes, static_cast<size_t>(size), &text)) return false;
    values.bytes.push_back(text);
  }
  return true;
}

// DELTA_BYTE_ARRAY: how much of the text before is kept, and what follows it.
bool DecodeDeltaBytes(absl::string_view bytes, size_t count, Values& values) {
  std::vector<int64_t> prefixes;
  if (!DecodeDelta(bytes, count, prefixes) || prefixes.size() != count) return false;
  Values suffixes;
  if (!DecodeDeltaLength(bytes, count, suffixes)) return false;
  size_t made = 0;
  absl::string_view last;
  for (size_t i = 0; i < count; ++i) {
    if (prefixes[i] < 0 || static_cast<size_t>(prefixes[i]) > last.size()) return false;
    if (prefixes[i] == 0) {
      last = suffixes.bytes[i];
    } else {
      std::string& text =
          values.made.emplace_back(last.substr(0, static_cast<size_t>(prefixes[i])));
      text.append(suffixes.bytes[i].data(), suffixes.bytes[i].size());
      // Texts that grow out of each other could become large out of little.
      made += text.size();
      if (made > (size_t{256} << 20)) return false;
      last = text;
    }
    values.bytes.push_back(last);
  }
  return true;
}

size_t FixedSize(const Leaf& leaf) {
  switch (leaf.type) {
    case PhysicalType::kInt32:
    case PhysicalType::kFloat:
      return 4;
    case PhysicalType::kInt96:
      return 12;
    case PhysicalType::kFixed:
      return static_cast<size_t>(leaf.fixed_bytes);
    default:
      return 8;
  }
}

// One value of fixed size.
bool AppendFixed(const Leaf& leaf, const char* at, Values& values) {
  switch (leaf.type) {
    case PhysicalType::kInt32: {
      int32_t value;
      std::memcpy(&value, at, 4);
      // Both as 64 bits: of an unsigned and a signed number of 32 the common type is unsigned.
      values.integers.push_back(leaf.meaning == Meaning::kUnsigned
                                    ? static_cast<int64_t>(static_cast<uint32_t>(value))
                                    : static_cast<int64_t>(value));
      return true;
    }
    case PhysicalType::kFloat: {
      float value;
      std::memcpy(&value, at, 4);
      values.doubles.push_back(value);
      return true;
    }
    case PhysicalType::kDouble: {
      double value;
      std::memcpy(&value, at, 8);
      values.doubles.push_back(value);
      return true;
    }
    case PhysicalType::kInt96: {
      // Nanoseconds of the day and the Julian day.
      int64_t nanos;
      int32_t day;
      std::memcpy(&nanos, at, 8);
      std::memcpy(&day, at + 8, 4);
      int64_t value;
      if (__builtin_mul_overflow(static_cast<int64_t>(day) - 2'440'588, 86'400'000'000'000,
                                 &value) ||
          __builtin_add_overflow(value, nanos, &value)) {
        return false;
      }
      values.integers.push_back(value);
      return true;
    }
    default: {
      int64_t value;
      std::memcpy(&value, at, 8);
      values.integers.push_back(value);
      return true;
    }
  }
}

// The first bytes of all values, then the second ones, and so on.
bool DecodeSplit(absl::string_view bytes, const Leaf& leaf, size_t count, Values& values) {
  const size_t size = FixedSize(leaf);
  if (size == 0 || bytes.size() / size < count) return false;
  std::string together(count * size, '\0');
  for (size_t byte = 0; byte < size; ++byte) {
    for (size_t i = 0; i < count; ++i) together[i * size + byte] = bytes[byte * count + i];
  }
  values.made.push_back(std::move(together));
  absl::string_view rest = values.made.back();
  return TakePlain(rest, leaf, count, values);
}

}  // namespace

bool TakePlain(absl::string_view& bytes, const Leaf& leaf, size_t count, Values& values) {
  if (leaf.type == PhysicalType::kBoolean) {
    if (bytes.size() < (count + 7) / 8) return false;
    for (size_t i = 0; i < count; ++i) values.integers.push_back(bytes[i / 8] >> (i % 8) & 1);
    bytes.remove_prefix((count + 7) / 8);
    return true;
  }
  if (leaf.type == PhysicalType::kByteArray) {
    for (size_t i = 0; i < count; ++i) {
      if (bytes.size() < 4) return false;
      uint32_t size;
      std::memcpy(&size, bytes.data(), 4);
      bytes.remove_prefix(4);
      absl::string_view text;
      if (!TakeBytes(bytes, size, &text)) return false;
      values.bytes.push_back(text);
    }
    return true;
  }
  const size_t size = FixedSize(leaf);
  if (size == 0 ? count > 0 : bytes.size() / size < count) return false;
  if (leaf.type == PhysicalType::kFixed) {
    const size_t before = values.bytes.size();
    values.bytes.resize(before + count);
    for (size_t i = 0; i < count; ++i) {
      values.bytes[before + i] = absl::string_view(bytes.data() + i * size, size);
    }
    bytes.remove_prefix(count * size);
    return true;
  }
  for (size_t i = 0; i < count; ++i) {
    if (!AppendFixed(leaf, bytes.data() + i * size, values)) {
      return false;
    }
  }
  bytes.remove_prefix(count * size);
  return true;
}

void Values::Clear() {
  integers.clear();
  doubles.clear();
  bytes.clear();
  made.clear();
}

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

bool RunReader::Take(size_t count, uint32_t* out) {
  if (width_ == 0) {
    std::fill_n(out, count, 0);
    return true;
  }
  while (count > 0) {
    if (left_ == 0 && !Begin()) return false;
    const size_t now = std::min(left_, count);
    if (packed_) {
      TakePacked(now, out);
    } else {
      std::fill_n(out, now, value_);
    }
    left_ -= now;
    count -= now;
    out += now;
  }
  return true;
}

bool RunReader::TakeSame(size_t count, uint32_t value) {
  if (width_ == 0) return value == 0;
  if (left_ == 0 && !Begin()) return false;
  if (packed_ || left_ < count || value_ != value) return false;
  left_ -= count;
  return true;
}

void RunReader::TakePacked(size_t count, uint32_t* out) {
  const size_t width = static_cast<size_t>(width_);
  const auto one = [&] { *out++ = static_cast<uint32_t>(BitsAt(bits_, done_++ * width, width_)); };
  for (; count > 0 && done_ % 8 != 0; --count) one();
  const size_t groups = count / 8;
  kUnpack[width](bits_ + done_ / 8 * width, groups, out);
  done_ += groups * 8;
  out += groups * 8;
  for (count %= 8; count > 0; --count) one();
}

std::string EncodingName(int encoding) {
  switch (encoding) {
    case kPlain:
      return "PLAIN";
    case kPlainDictionary:
      return "PLAIN_DICTIONARY";
    case kRle:
      return "RLE";
    case kBitPacked:
      return "BIT_PACKED";
    case kDeltaBinaryPacked:
      return "DELTA_BINARY_PACKED";
    case kDeltaLengthByteArray:
      return "DELTA_LENGTH_BYTE_ARRAY";
    case kDeltaByteArray:
      return "DELTA_BYTE_ARRAY";
    case kRleDictionary:
      return "RLE_DICTIONARY";
    case kByteStreamSplit:
      return "BYTE_STREAM_SPLIT";
    default:
      return absl::StrCat("number ", encoding);
  }
}

Decoded DecodeValues(absl::string_view bytes, const Leaf& leaf, int encoding, size_t count,
                     Values& values) {
  const auto done = [](bool good) { return good ? Decoded::kDone : Decoded::kDamaged; };
  const bool is_bytes = leaf.type == PhysicalType::kByteArray;
  switch (encoding) {
    case kPlain:
      return done(TakePlain(bytes, leaf, count, values));
    case kRle: {
      if (leaf.type != PhysicalType::kBoolean) return Decoded::kUnknown;
      uint32_t size;
      if (bytes.size() < 4) return Decoded::kDamaged;
      std::memcpy(&size, bytes.data(), 4);
      if (bytes.size() - 4 < size) return Decoded::kDamaged;
      std::vector<uint32_t> bits(count);
      if (!RunReader(bytes.substr(4, size), 1).Take(count, bits.data())) return Decoded::kDamaged;
      values.integers.insert(values.integers.end(), bits.begin(), bits.end());
      return Decoded::kDone;
    }
    case kDeltaBinaryPacked:
      if (leaf.type != PhysicalType::kInt32 && leaf.type != PhysicalType::kInt64) {
        return Decoded::kUnknown;
      }
      if (!DecodeDelta(bytes, count, values.integers) || values.integers.size() != count) {
        return Decoded::kDamaged;
      }
      if (leaf.type == PhysicalType::kInt32) {
        // Differences wrap at the width of the type.
        for (int64_t& value : values.integers) {
          value = leaf.meaning == Meaning::kUnsigned
                      ? static_cast<int64_t>(static_cast<uint32_t>(value))
                      : static_cast<int64_t>(static_cast<int32_t>(value));
        }
      }
      return Decoded::kDone;
    case kDeltaLengthByteArray:
      return is_bytes ? done(DecodeDeltaLength(bytes, count, values)) : Decoded::kUnknown;
    case kDeltaByteArray:
      if (leaf.type == PhysicalType::kFixed) {
        if (!DecodeDeltaBytes(bytes, count, values)) return Decoded::kDamaged;
        return done(std::all_of(values.bytes.begin(), values.bytes.end(), [&](absl::string_view v) {
          return v.size() == static_cast<size_t>(leaf.fixed_bytes);
        }));
      }
      return is_bytes ? done(DecodeDeltaBytes(bytes, count, values)) : Decoded::kUnknown;
    case kByteStreamSplit:
      if (is_bytes || leaf.type == PhysicalType::kBoolean || leaf.type == PhysicalType::kInt96) {
        return Decoded::kUnknown;
      }
      return done(DecodeSplit(bytes, leaf, count, values));
    default:
      return Decoded::kUnknown;
  }
}

}  // namespace purser::costs::parquet

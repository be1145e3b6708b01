#include "costs/readers/parquet/encodings.h"

#include <algorithm>
#include <cstring>

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

bool DecodePlain(absl::string_view bytes, const Leaf& leaf, size_t count, Values& values) {
  // What cannot be there is not made room for.
  const size_t most = std::min(count, bytes.size() * 8);
  if (leaf.type == PhysicalType::kByteArray || leaf.type == PhysicalType::kFixed) {
    values.bytes.reserve(std::min(most, bytes.size()));
  } else if (leaf.type == PhysicalType::kFloat || leaf.type == PhysicalType::kDouble) {
    values.doubles.reserve(most);
  } else {
    values.integers.reserve(most);
  }
  if (leaf.type == PhysicalType::kBoolean) {
    if (bytes.size() < (count + 7) / 8) return false;
    for (size_t i = 0; i < count; ++i) values.integers.push_back(bytes[i / 8] >> (i % 8) & 1);
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
  for (size_t i = 0; i < count; ++i) {
    if (leaf.type == PhysicalType::kFixed) {
      values.bytes.push_back(bytes.substr(i * size, size));
    } else if (!AppendFixed(leaf, bytes.data() + i * size, values)) {
      return false;
    }
  }
  return true;
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
  return DecodePlain(values.made.back(), leaf, count, values);
}

}  // namespace

void Values::Clear() {
  integers.clear();
  doubles.clear();
  bytes.clear();
  made.clear();
}

bool DecodeRuns(absl::string_view bytes, int width, size_t count, std::vector<uint32_t>& out) {
  out.resize(count);
  if (width == 0) {
    std::fill(out.begin(), out.end(), 0);
    return true;
  }
  if (width < 0 || width > 32) return false;
  size_t done = 0;
  while (done < count) {
    uint64_t head;
    if (!TakeVarint(bytes, &head)) return false;
    if ((head & 1) == 0) {
      const size_t run = static_cast<size_t>(std::min<uint64_t>(head >> 1, count - done));
      const size_t size = static_cast<size_t>(width + 7) / 8;
      if (bytes.size() < size || run == 0) return false;
      const uint32_t value = static_cast<uint32_t>(BitsAt(bytes.data(), 0, width));
      std::fill_n(out.begin() + static_cast<std::ptrdiff_t>(done), run, value);
      bytes.remove_prefix(size);
      done += run;
      continue;
    }
    const uint64_t groups = head >> 1;
    if (groups == 0 || groups > (uint64_t{1} << 32)) return false;
    const size_t values = static_cast<size_t>(std::min<uint64_t>(groups * 8, count - done));
    // The last group may be cut behind the last value.
    if (bytes.size() < (values * static_cast<size_t>(width) + 7) / 8) return false;
    const char* const packed = bytes.data();
    const uint64_t mask = width == 32 ? 0xFFFFFFFFu : (uint64_t{1} << width) - 1;
    uint32_t* const to = out.data() + done;
    size_t bit = 0;
    for (size_t i = 0; i < values; ++i, bit += static_cast<size_t>(width)) {
      to[i] = static_cast<uint32_t>((Load64(packed + (bit >> 3)) >> (bit & 7)) & mask);
    }
    done += values;
    bytes.remove_prefix(
        std::min(bytes.size(), static_cast<size_t>(groups) * static_cast<size_t>(width)));
  }
  return true;
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
      return done(DecodePlain(bytes, leaf, count, values));
    case kRle: {
      if (leaf.type != PhysicalType::kBoolean) return Decoded::kUnknown;
      uint32_t size;
      if (bytes.size() < 4) return Decoded::kDamaged;
      std::memcpy(&size, bytes.data(), 4);
      if (bytes.size() - 4 < size) return Decoded::kDamaged;
      std::vector<uint32_t> bits;
      if (!DecodeRuns(bytes.substr(4, size), 1, count, bits)) return Decoded::kDamaged;
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

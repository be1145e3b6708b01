#include "costs/readers/parquet/encodings.h"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "costs/readers/parquet/bits.h"
#include "costs/readers/parquet/run_reader.h"

namespace purser::costs::parquet {
namespace {

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

// Appends numbers that stand one behind the other as T.
template <typename T, typename Number>
void AppendNumbers(absl::string_view bytes, size_t count, std::vector<Number>& numbers) {
  const size_t before = numbers.size();
  numbers.resize(before + count);
  if constexpr (std::is_same_v<T, Number>) {
    std::memcpy(numbers.data() + before, bytes.data(), count * sizeof(T));
  } else {
    for (size_t i = 0; i < count; ++i) {
      T number;
      std::memcpy(&number, bytes.data() + i * sizeof(T), sizeof(T));
      numbers[before + i] = number;
    }
  }
}

// Nanoseconds of the day and the Julian day.
bool AppendInt96(absl::string_view bytes, size_t count, Values& values) {
  for (size_t i = 0; i < count; ++i) {
    int64_t nanos, value;
    int32_t day;
    std::memcpy(&nanos, bytes.data() + i * 12, 8);
    std::memcpy(&day, bytes.data() + i * 12 + 8, 4);
    if (__builtin_mul_overflow(static_cast<int64_t>(day) - 2'440'588, 86'400'000'000'000, &value) ||
        __builtin_add_overflow(value, nanos, &value)) {
      return false;
    }
    values.integers.push_back(value);
  }
  return true;
}

// Values of fixed size, which are all of `bytes`.
bool AppendFixed(absl::string_view bytes, const Leaf& leaf, size_t count, Values& values) {
  if (count == 0) return true;
  switch (leaf.type) {
    case PhysicalType::kInt32:
      if (leaf.meaning == Meaning::kUnsigned) {
        AppendNumbers<uint32_t>(bytes, count, values.integers);
      } else {
        AppendNumbers<int32_t>(bytes, count, values.integers);
      }
      return true;
    case PhysicalType::kFloat:
      AppendNumbers<float>(bytes, count, values.doubles);
      return true;
    case PhysicalType::kDouble:
      AppendNumbers<double>(bytes, count, values.doubles);
      return true;
    case PhysicalType::kInt96:
      return AppendInt96(bytes, count, values);
    case PhysicalType::kFixed:
      // Those taken before stand right in front.
      values.fixed = {values.fixed.empty() ? bytes.data() : values.fixed.data(),
                      values.fixed.size() + bytes.size()};
      values.fixed_bytes = static_cast<size_t>(leaf.fixed_bytes);
      return true;
    default:
      AppendNumbers<int64_t>(bytes, count, values.integers);
      return true;
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
  const absl::string_view taken = bytes.substr(0, count * size);
  bytes.remove_prefix(taken.size());
  return AppendFixed(taken, leaf, count, values);
}

void Values::Clear() {
  integers.clear();
  doubles.clear();
  bytes.clear();
  fixed = {};
  fixed_bytes = 0;
  made.clear();
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
      std::vector<uint8_t> bits(count);
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

#include "costs/readers/parquet/leaf_reader.h"

#include <snappy-c.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/inflater.h"
#include "costs/readers/parquet/bits.h"
#include "costs/readers/parquet/thrift.h"

namespace purser::costs::parquet {
namespace {

enum Codec { kNone = 0, kSnappy = 1, kGzip = 2, kZstd = 6 };
constexpr absl::string_view kCodecNames[] = {"UNCOMPRESSED", "SNAPPY", "GZIP", "LZO",
                                             "BROTLI",       "LZ4",    "ZSTD", "LZ4_RAW"};
constexpr size_t kFirstHeaderBytes = 128;
constexpr size_t kMaxHeaderBytes = 1 << 20;

// Levels are bytes.
static_assert(2 * kMaxThriftDepth < 256);
int WidthOf(int level) { return std::bit_width(static_cast<unsigned>(level)); }

// The levels of a page of version 1: their size, then runs.
bool TakeLevels(absl::string_view& body, int max, RunReader& runs) {
  if (max == 0) return true;
  if (body.size() < 4) return false;
  uint32_t size;
  std::memcpy(&size, body.data(), 4);
  if (body.size() - 4 < size) return false;
  runs = RunReader(body.substr(4, size), WidthOf(max));
  body.remove_prefix(4 + size);
  return true;
}

bool IsRead(int codec) {
  return codec == kNone || codec == kSnappy || codec == kGzip || codec == kZstd;
}

// Of levels, dictionaries and the numbers of their values: every type has them.
constexpr uint32_t kEncodingsOfAll =
    1u << kRle | 1u << kBitPacked | 1u << kPlainDictionary | 1u << kRleDictionary;

}  // namespace

std::string WhyDeclined(const Leaf& leaf, const ColumnChunk& chunk) {
  if (!IsRead(chunk.codec)) {
    return absl::StrCat(
        "it is packed with ",
        chunk.codec >= 0 && chunk.codec < 8 ? kCodecNames[chunk.codec] : "an unknown codec",
        ", which is not read; use none, snappy, gzip or zstd");
  }
  uint32_t encodings = chunk.encodings & ~kEncodingsOfAll;
  for (; encodings != 0; encodings &= encodings - 1) {
    const int encoding = std::countr_zero(encodings);
    Values none;
    if (DecodeValues({}, leaf, encoding, 0, none) != Decoded::kUnknown) continue;
    return absl::StrCat("encoding ", EncodingName(encoding), " of ", TypeName(leaf.type),
                        " is not read");
  }
  return "";
}

absl::Status LeafReader::Wrong(absl::string_view what) const {
  return absl::InvalidArgumentError(absl::StrCat(where_, ", column ",
                                                 base::EscapeForDisplay(leaf_.path, 120),
                                                 ", page at byte ", page_at_, ": ", what));
}

absl::Status LeafReader::TooFewRows() const {
  return absl::InvalidArgumentError(absl::StrCat(
      "column ", leaf_.path, " has fewer rows than its row group: the file is damaged"));
}

void LeafReader::Start(const ColumnChunk& chunk, std::string where) {
  chunk_ = chunk;
  where_ = std::move(where);
  at_ = page_at_ = chunk.begin;
  values_left_ = chunk.values;
  has_dictionary_ = false;
  dictionary_size_ = 0;
  entries_ = page_left_ = 0;
}

absl::Status LeafReader::ReadAt(int64_t offset, size_t size) {
  char* const out = packed_.Reserve(size + kPageSlack);
  size_t have = 0;
  while (have < size) {
    const ssize_t count =
        pread(file_, out + have, size - have, offset + static_cast<int64_t>(have));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return base::ErrnoStatus(errno, absl::StrCat("read ", where_));
    if (count == 0) return Wrong("the file became shorter while it was read");
    have += static_cast<size_t>(count);
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LeafReader::NextSlice() {
  if (page_left_ == 0) {
    PURSER_ASSIGN_OR_RETURN(const bool more, NextPage());
    if (!more) return false;
  }
  PURSER_RETURN_IF_ERROR(DecodeSlice());
  return true;
}

absl::StatusOr<bool> LeafReader::NextPage() {
  const int64_t end = chunk_.begin + chunk_.bytes;
  while (values_left_ > 0) {
    page_at_ = at_;
    PageHeader header;
    size_t header_bytes = 0;
    for (size_t size = kFirstHeaderBytes; header_bytes == 0; size *= 8) {
      const size_t some =
          static_cast<size_t>(std::min<int64_t>(static_cast<int64_t>(size), end - at_));
      if (some == 0) return Wrong("values are missing at the end");
      PURSER_RETURN_IF_ERROR(ReadAt(at_, some));
      header_bytes = ParsePageHeader({packed_.data(), some}, header);
      if (header_bytes == 0 && (some < size || size > kMaxHeaderBytes)) {
        return Wrong("the page's header is damaged");
      }
    }
    at_ += static_cast<int64_t>(header_bytes);
    if (header.packed_bytes < 0 || header.packed_bytes > end - at_ || header.unpacked_bytes < 0 ||
        header.values < 0) {
      return Wrong("the page reaches behind the column's end");
    }
    if (std::max(header.packed_bytes, header.unpacked_bytes) > kMaxPageBytes ||
        header.values > kMaxPageValues) {
      return absl::ResourceExhaustedError(
          absl::StrCat(Wrong("").message(), "the page has more than ", kMaxPageBytes,
                       " bytes (kMaxPageBytes) or ", kMaxPageValues, " values (kMaxPageValues)"));
    }
    PURSER_RETURN_IF_ERROR(ReadAt(at_, static_cast<size_t>(header.packed_bytes)));
    at_ += header.packed_bytes;
    if (header.type == PageHeader::kDictionary) {
      PURSER_RETURN_IF_ERROR(ReadDictionary(header));
      continue;
    }
    if (header.type == PageHeader::kIndex) continue;
    if (header.values > values_left_) return Wrong("there are more values than the column has");
    values_left_ -= header.values;
    if (header.values == 0) continue;
    PURSER_RETURN_IF_ERROR(ReadData(header));
    return true;
  }
  return false;
}

absl::StatusOr<absl::string_view> LeafReader::Unpack(absl::string_view packed, int64_t size,
                                                     LargeBuffer& buffer) {
  const size_t bytes = static_cast<size_t>(size);
  char* const out = buffer.Reserve(bytes + kPageSlack);
  bool good = false;
  switch (chunk_.codec) {
    case kNone:
      good = packed.size() == bytes;
      if (good) std::memcpy(out, packed.data(), bytes);
      break;
    case kSnappy: {
      size_t length = 0;
      good = snappy_uncompressed_length(packed.data(), packed.size(), &length) == SNAPPY_OK &&
             length == bytes &&
             snappy_uncompress(packed.data(), packed.size(), out, &length) == SNAPPY_OK;
      break;
    }
    case kGzip: {
      PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<Inflater> inflater, NewInflater());
      size_t made = 0;
      while (true) {
        const Inflater::Step step = inflater->Run(packed, out + made, bytes + kPageSlack - made);
        packed = absl::string_view(packed.data() + step.taken,
                                   packed.size() - static_cast<size_t>(step.taken));
        made += step.made;
        if (step.state == Inflater::State::kDamaged || made > bytes) break;
        if (step.state == Inflater::State::kMemberEnd) {
          good = made == bytes;
          break;
        }
        if (step.taken == 0 && step.made == 0) break;
      }
      break;
    }
    case kZstd:
      good = ZSTD_decompress(out, bytes, packed.data(), packed.size()) == bytes;
      break;
    default:
      return Wrong(WhyDeclined(leaf_, chunk_));
  }
  if (!good) return Wrong("its packed bytes are damaged");
  return absl::string_view(out, bytes);
}

absl::Status LeafReader::ReadDictionary(const PageHeader& header) {
  if (header.encoding != kPlain && header.encoding != kPlainDictionary) {
    return Wrong(absl::StrCat("a dictionary with encoding ", EncodingName(header.encoding)));
  }
  PURSER_ASSIGN_OR_RETURN(const absl::string_view body,
                          Unpack({packed_.data(), static_cast<size_t>(header.packed_bytes)},
                                 header.unpacked_bytes, dictionary_page_));
  dictionary_.Clear();
  dictionary_size_ = static_cast<size_t>(header.values);
  if (DecodeValues(body, leaf_, kPlain, dictionary_size_, dictionary_) != Decoded::kDone) {
    return Wrong("its dictionary is damaged");
  }
  PURSER_RETURN_IF_ERROR(CheckTexts(dictionary_, body.size()));
  has_dictionary_ = true;
  ++dictionary_number_;
  return absl::OkStatus();
}

absl::Status LeafReader::ReadData(const PageHeader& header) {
  const auto entries = static_cast<size_t>(header.values);
  absl::string_view body(packed_.data(), static_cast<size_t>(header.packed_bytes));
  if (header.type == PageHeader::kDataV2) {
    const int64_t levels = header.repetition_bytes + header.definition_bytes;
    if (header.repetition_bytes < 0 || header.definition_bytes < 0 ||
        levels > header.packed_bytes || levels > header.unpacked_bytes) {
      return Wrong("its levels are longer than itself");
    }
    const auto repetition = static_cast<size_t>(header.repetition_bytes);
    const auto definition = static_cast<size_t>(header.definition_bytes);
    repetition_runs_ = RunReader(body.substr(0, repetition), WidthOf(leaf_.max_repetition));
    definition_runs_ =
        RunReader(body.substr(repetition, definition), WidthOf(leaf_.max_definition));
    body.remove_prefix(static_cast<size_t>(levels));
    if (header.packed) {
      PURSER_ASSIGN_OR_RETURN(body, Unpack(body, header.unpacked_bytes - levels, page_));
    }
  } else {
    PURSER_ASSIGN_OR_RETURN(body, Unpack(body, header.unpacked_bytes, page_));
    if (leaf_.max_definition > 0 && header.definition_encoding != kRle) {
      return Wrong(absl::StrCat("levels with encoding ", EncodingName(header.definition_encoding),
                                ", which is not read"));
    }
    if (!TakeLevels(body, leaf_.max_repetition, repetition_runs_) ||
        !TakeLevels(body, leaf_.max_definition, definition_runs_)) {
      return Wrong("its levels are damaged");
    }
  }
  encoding_ = header.encoding;
  uses_dictionary_ = encoding_ == kRleDictionary || encoding_ == kPlainDictionary;
  plain_ = body;
  // Of this encoding, texts grow out of those before them.
  longest_text_ = encoding_ == kDeltaByteArray ? SIZE_MAX : body.size();
  page_left_ = entries;
  if (uses_dictionary_) {
    if (!has_dictionary_) return Wrong("it refers to a dictionary, and there is none");
    // Without bytes there is no width, which matters only when a value is there.
    const int width = body.empty() ? -1 : static_cast<uint8_t>(body[0]);
    code_runs_ = RunReader(body.substr(body.empty() ? 0 : 1), width);
  }
  return absl::OkStatus();
}

absl::Status LeafReader::DecodeLevels(size_t count, size_t* present) {
  repetitions_.clear();
  if (leaf_.max_repetition > 0) {
    repetitions_.resize(count);
    if (!repetition_runs_.Take(count, repetitions_.data())) return Wrong("its levels are damaged");
  }
  definitions_.clear();
  *present = count;
  const auto full = static_cast<uint8_t>(leaf_.max_definition);
  if (full == 0 || definition_runs_.TakeSame(count, full)) return absl::OkStatus();
  definitions_.resize(count);
  if (!definition_runs_.Take(count, definitions_.data())) return Wrong("its levels are damaged");
  size_t there = 0;
  uint8_t most = 0;
  for (const uint8_t level : definitions_) {
    there += level == full;
    most = std::max(most, level);
  }
  if (most > full) return Wrong("a level is higher than the schema allows");
  if (there == count) definitions_.clear();
  *present = there;
  return absl::OkStatus();
}

absl::Status LeafReader::CheckTexts(const Values& values, size_t most) const {
  if (most <= kMaxTextBytes) return absl::OkStatus();
  for (const absl::string_view text : values.bytes) {
    if (text.size() <= kMaxTextBytes) continue;
    return absl::ResourceExhaustedError(absl::StrCat(Wrong("").message(), "a text has more than ",
                                                     kMaxTextBytes, " bytes (kMaxTextBytes)"));
  }
  return absl::OkStatus();
}

absl::Status LeafReader::DecodeSlice() {
  // The others are decoded as a whole.
  const bool in_slices =
      uses_dictionary_ || (encoding_ == kPlain && leaf_.type != PhysicalType::kBoolean);
  entries_ = in_slices ? std::min(page_left_, kSliceEntries) : page_left_;
  page_left_ -= entries_;
  size_t present;
  PURSER_RETURN_IF_ERROR(DecodeLevels(entries_, &present));
  values_.Clear();
  codes_.clear();
  all_same_ = false;
  if (!uses_dictionary_) {
    const Decoded decoded =
        in_slices
            ? (TakePlain(plain_, leaf_, present, values_) ? Decoded::kDone : Decoded::kDamaged)
            : DecodeValues(plain_, leaf_, encoding_, present, values_);
    switch (decoded) {
      case Decoded::kDone:
        return CheckTexts(values_, longest_text_);
      case Decoded::kDamaged:
        return Wrong(absl::StrCat("its values (", EncodingName(encoding_), ") are damaged"));
      case Decoded::kUnknown:
        return Wrong(absl::StrCat("encoding ", EncodingName(encoding_), " of ",
                                  TypeName(leaf_.type), " is not read"));
    }
  }
  if (present == 0) return absl::OkStatus();
  codes_.resize(present);
  all_same_ = present == entries_ && code_runs_.Same(present).has_value();
  if (!code_runs_.Take(present, codes_.data())) {
    return Wrong("its dictionary numbers are damaged");
  }
  // A number beyond the last one, which has less than 32 bits, sets the highest bit.
  const auto last = static_cast<uint32_t>(dictionary_size_) - 1;
  uint32_t beyond = dictionary_size_ == 0 ? ~uint32_t{0} : 0;
  for (const uint32_t code : codes_) beyond |= (last - code) | code;
  if (beyond >> 31 != 0) return Wrong("a number is not one of its dictionary");
  return absl::OkStatus();
}

}  // namespace purser::costs::parquet

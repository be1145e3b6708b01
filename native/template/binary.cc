#include "template/binary.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/match.h"

namespace purser::tmpl {
namespace {

constexpr size_t kLookBytes = 512;
constexpr size_t kSuspectFrom = 32;

// Bytes read one by one; past the end `ended` is set.
class Bytes {
 public:
  explicit Bytes(absl::string_view bytes) : bytes_(bytes) {}
  uint8_t Next() {
    if (at_ >= bytes_.size()) {
      ended_ = true;
      return 0xff;
    }
    return static_cast<uint8_t>(bytes_[at_++]);
  }
  void Skip(uint64_t count) {
    if (count > bytes_.size() - at_) ended_ = true;
    at_ = std::min<uint64_t>(bytes_.size(), at_ + count);
  }
  uint32_t Varint() {
    uint32_t value = 0;
    for (int i = 0; !ended_; ++i) {
      const uint8_t byte = Next();
      // JavaScript shifts by the low five bits of the count.
      value |= static_cast<uint32_t>(byte & 0x7f) << ((7 * i) & 31);
      if ((byte & 0x80) == 0) break;
      if (i >= 10) ended_ = true;
    }
    return value;
  }
  bool ended() const { return ended_; }

 private:
  absl::string_view bytes_;
  size_t at_ = 0;
  bool ended_ = false;
};

// Whether the bytes are whole protocol buffer fields up to one that is cut off.
bool LooksLikeProtobuf(absl::string_view bytes) {
  Bytes reader(bytes);
  int messages = 0;
  while (true) {
    bool known = true;
    switch (reader.Varint() & 7) {
      case 0:
        reader.Varint();
        break;
      case 1:
        reader.Skip(8);
        break;
      case 2:
        reader.Skip(reader.Varint());
        break;
      case 5:
        reader.Skip(4);
        break;
      default:
        known = false;
    }
    if (reader.ended()) return messages > 0;
    if (!known) return false;
    ++messages;
  }
}

}  // namespace

bool IsBinary(absl::string_view bytes) {
  bytes = bytes.substr(0, kBinaryHeadBytes);
  if (bytes.empty()) return false;
  for (const absl::string_view mark :
       {absl::string_view("\xef\xbb\xbf"), absl::string_view("\0\0\xfe\xff", 4),
        absl::string_view("\xff\xfe\0\0", 4), absl::string_view("\x84\x31\x95\x33")}) {
    if (absl::StartsWith(bytes, mark)) return false;
  }
  if (absl::StartsWith(bytes, "%PDF-")) return true;
  if (absl::StartsWith(bytes, "\xfe\xff") || absl::StartsWith(bytes, "\xff\xfe")) return false;

  const size_t total = bytes.size(), looked = std::min(total, kLookBytes);
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const auto tail = [&](size_t i) { return at(i) >= 0x80 && at(i) <= 0xbf; };
  size_t suspicious = 0;
  const auto too_many = [&] { return suspicious * 100 > looked * 10; };
  for (size_t i = 0; i < looked; ++i) {
    const uint8_t byte = at(i);
    if (byte == 0) return true;
    if ((byte >= 7 && byte <= 14) || (byte >= 32 && byte <= 127)) continue;
    if (byte >= 0xc0 && byte <= 0xdf && i + 1 < total) {
      ++i;
      if (tail(i)) continue;
    } else if (byte >= 0xe0 && byte <= 0xef && i + 2 < total) {
      ++i;
      if (tail(i) && tail(i + 1)) {
        ++i;
        continue;
      }
    } else if (byte >= 0xf0 && byte <= 0xf7 && i + 3 < total) {
      ++i;
      if (tail(i) && tail(i + 1) && tail(i + 2)) {
        i += 2;
        continue;
      }
    }
    ++suspicious;
    if (i >= kSuspectFrom && too_many()) return true;
  }
  if (too_many()) return true;
  return suspicious > 1 && LooksLikeProtobuf(bytes.substr(0, looked));
}

}  // namespace purser::tmpl

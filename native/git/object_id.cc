#include "git/object_id.h"

#include <cstring>

#include "base/hash.h"

namespace purser::git {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::optional<ObjectId> ObjectId::FromHex(absl::string_view hex) {
  if (hex.size() != 2 * kBytes) return std::nullopt;
  ObjectId id;
  for (size_t i = 0; i < kBytes; ++i) {
    const int high = HexValue(hex[2 * i]);
    const int low = HexValue(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    id.bytes[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return id;
}

std::optional<ObjectId> ObjectId::FromRaw(absl::string_view raw) {
  if (raw.size() != kBytes) return std::nullopt;
  ObjectId id;
  std::memcpy(id.bytes.data(), raw.data(), kBytes);
  return id;
}

std::string ObjectId::ToHex() const { return base::ToHex(raw()); }

}  // namespace purser::git

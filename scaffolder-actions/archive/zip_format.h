// The records of ZIP (PKWARE's APPNOTE), as reader and writer both need them.
#ifndef PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ZIP_FORMAT_H_
#define PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ZIP_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace purser::actions::zip {

inline constexpr uint32_t kLocalSignature = 0x04034b50;
inline constexpr uint32_t kCentralSignature = 0x02014b50;
inline constexpr uint32_t kEndSignature = 0x06054b50;
inline constexpr uint32_t kEnd64Signature = 0x06064b50;
inline constexpr uint32_t kLocator64Signature = 0x07064b50;
inline constexpr size_t kLocalBytes = 30;
inline constexpr size_t kCentralBytes = 46;
inline constexpr size_t kEndBytes = 22;
inline constexpr size_t kEnd64Bytes = 56;
inline constexpr size_t kLocator64Bytes = 20;
// In a field of 32 or 16 bits: the number stands in the extra field, or in the end of zip64.
inline constexpr uint32_t kIn64 = 0xFFFFFFFF;
inline constexpr uint16_t kIn64Short = 0xFFFF;
inline constexpr uint16_t kExtra64 = 1;
inline constexpr uint16_t kVersion = 20;
inline constexpr uint16_t kVersion64 = 45;
inline constexpr uint16_t kStored = 0;
inline constexpr uint16_t kDeflated = 8;
inline constexpr uint16_t kUtf8Flag = 1 << 11;
inline constexpr uint16_t kEncryptedFlags = 1 << 0 | 1 << 6 | 1 << 13;
inline constexpr uint16_t kUnix = 3;
inline constexpr uint32_t kTypeMask = 0170000;
inline constexpr uint32_t kRegular = 0100000;
inline constexpr uint32_t kDirectory = 0040000;
inline constexpr uint32_t kSymlink = 0120000;

// Little-endian. The bytes must be there.
inline uint64_t Get(absl::string_view bytes, size_t at, int count) {
  uint64_t value = 0;
  for (int i = count; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<size_t>(i)]);
  }
  return value;
}
inline uint16_t Get16(absl::string_view bytes, size_t at) {
  return static_cast<uint16_t>(Get(bytes, at, 2));
}
inline uint32_t Get32(absl::string_view bytes, size_t at) {
  return static_cast<uint32_t>(Get(bytes, at, 4));
}
inline uint64_t Get64(absl::string_view bytes, size_t at) { return Get(bytes, at, 8); }

inline void Put(uint64_t value, int count, std::string* out) {
  for (int i = 0; i < count; ++i) out->push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

}  // namespace purser::actions::zip

#endif  // PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ZIP_FORMAT_H_

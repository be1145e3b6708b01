// The part of ASN.1's Basic Encoding Rules that LDAP uses (RFC 4511, section 5.1): definite
// lengths, tags of one byte.
#ifndef PURSER_CONNECTORS_LDAP_BER_H_
#define PURSER_CONNECTORS_LDAP_BER_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::connectors {

inline constexpr uint8_t kBerBoolean = 0x01;
inline constexpr uint8_t kBerInteger = 0x02;
inline constexpr uint8_t kBerOctets = 0x04;
inline constexpr uint8_t kBerEnumerated = 0x0A;
inline constexpr uint8_t kBerSequence = 0x30;
inline constexpr uint8_t kBerSet = 0x31;

// "tag length content".
std::string BerElement(uint8_t tag, absl::string_view content);
std::string BerNumber(uint8_t tag, int64_t value);
std::string BerFlag(bool value);

// Walks the elements of some content. INVALID_ARGUMENT when the bytes are none. Views point into
// the bytes.
class BerReader {
 public:
  explicit BerReader(absl::string_view bytes) : rest_(bytes) {}
  bool done() const { return rest_.empty(); }
  // The tag of the next element; 0 at the end.
  uint8_t tag() const { return rest_.empty() ? 0 : static_cast<uint8_t>(rest_[0]); }
  // The content of the next element, whatever its tag.
  absl::StatusOr<absl::string_view> Next();
  absl::StatusOr<absl::string_view> Next(uint8_t tag);
  absl::StatusOr<int64_t> Number(uint8_t tag);

 private:
  absl::string_view rest_;
};

// How long the element is that begins with these bytes: its head and its content; 0 when there are
// too few bytes to tell. INVALID_ARGUMENT for a length that is indefinite or of more than 4 bytes.
absl::StatusOr<size_t> BerLength(absl::string_view bytes);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_LDAP_BER_H_

#include "connectors/ldap/ber.h"

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::connectors {
namespace {

constexpr size_t kMaxLengthBytes = 4;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("not BER: ", what));
}

struct Head {
  size_t head = 0;     // bytes of tag and length; 0: too few to tell
  size_t content = 0;  // bytes
};

absl::StatusOr<Head> ReadHead(absl::string_view bytes) {
  if (bytes.size() < 2) return Head();
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  if ((at(0) & 0x1F) == 0x1F) return Malformed("a tag of several bytes");
  if (at(1) < 0x80) return Head{2, at(1)};
  const size_t count = at(1) & 0x7F;
  if (count == 0 || count > kMaxLengthBytes) {
    return Malformed("a length that is indefinite or too large");
  }
  if (bytes.size() < 2 + count) return Head();
  size_t length = 0;
  for (size_t i = 0; i < count; ++i) length = length << 8 | at(2 + i);
  return Head{2 + count, length};
}

}  // namespace

std::string BerElement(uint8_t tag, absl::string_view content) {
  std::string out(1, static_cast<char>(tag));
  if (content.size() < 0x80) {
    out.push_back(static_cast<char>(content.size()));
  } else {
    std::string length;
    for (size_t rest = content.size(); rest > 0; rest >>= 8) {
      length.insert(length.begin(), static_cast<char>(rest & 0xFF));
    }
    out.push_back(static_cast<char>(0x80 | length.size()));
    out += length;
  }
  absl::StrAppend(&out, content);
  return out;
}

std::string BerNumber(uint8_t tag, int64_t value) {
  std::string content;
  // Two's complement, as few bytes as say the sign.
  do {
    content.insert(content.begin(), static_cast<char>(value & 0xFF));
    value >>= 8;
  } while (
      !((value == 0 && (content[0] & 0x80) == 0) || (value == -1 && (content[0] & 0x80) != 0)));
  return BerElement(tag, content);
}

std::string BerFlag(bool value) {
  return BerElement(kBerBoolean, value ? absl::string_view("\xFF", 1) : absl::string_view("\0", 1));
}

absl::StatusOr<absl::string_view> BerReader::Next() {
  PURSER_ASSIGN_OR_RETURN(const Head head, ReadHead(rest_));
  if (head.head == 0 || rest_.size() - head.head < head.content) {
    return Malformed("an element longer than what holds it");
  }
  const absl::string_view content = rest_.substr(head.head, head.content);
  rest_.remove_prefix(head.head + head.content);
  return content;
}

absl::StatusOr<absl::string_view> BerReader::Next(uint8_t wanted) {
  if (tag() != wanted) {
    return Malformed(absl::StrCat("tag ", tag(), " where ", wanted, " belongs"));
  }
  return Next();
}

absl::StatusOr<int64_t> BerReader::Number(uint8_t wanted) {
  PURSER_ASSIGN_OR_RETURN(const absl::string_view content, Next(wanted));
  if (content.empty() || content.size() > sizeof(int64_t)) return Malformed("a number too large");
  uint64_t value = (content[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (const char byte : content) value = value << 8 | static_cast<uint8_t>(byte);
  return static_cast<int64_t>(value);
}

absl::StatusOr<size_t> BerLength(absl::string_view bytes) {
  PURSER_ASSIGN_OR_RETURN(const Head head, ReadHead(bytes));
  return head.head == 0 ? 0 : head.head + head.content;
}

}  // namespace purser::connectors

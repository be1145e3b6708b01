// Whatever follows a gzip file's first bytes, unpacking it gives bytes or an error, the same by
// every method and in pieces of every size.
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "costs/readers/byte_source.h"

namespace {

constexpr size_t kMostBytes = 1 << 20;

// The bytes; none when there was an error.
std::optional<std::string> Content(const std::string& packed, size_t piece,
                                   purser::costs::InflateMethod method) {
  purser::costs::StringSource source(packed);
  auto bytes = purser::costs::Unpacked(source, "bytes", method);
  if (!bytes.ok()) return std::nullopt;
  std::string content, buffer(piece, '\0');
  while (content.size() < kMostBytes) {
    const auto count = (*bytes)->Read(buffer.data(), piece);
    if (!count.ok()) return std::nullopt;
    if (*count == 0) break;
    content.append(buffer, 0, *count);
  }
  return content;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using purser::costs::InflateMethod;
  const std::string packed =
      absl::StrCat("\x1f\x8b\x08", std::string(reinterpret_cast<const char*>(data), size));
  const auto content = Content(packed, 64 << 10, InflateMethod::kBest);
  if (content.has_value() && content->size() >= kMostBytes) return 0;  // cut at another place
  if (content != Content(packed, 7, InflateMethod::kBest)) abort();
  const auto other = Content(packed, 1'000, InflateMethod::kZlib);
  if (content.has_value() && other.has_value() && *content != *other) abort();
  return 0;
}

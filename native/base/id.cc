#include "base/id.h"

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace purser::base {

std::string NewId(absl::string_view prefix, Clock& clock, Rng& rng) {
  static constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  const auto millis = static_cast<uint64_t>(absl::ToUnixMillis(clock.Now()));
  const uint64_t high = rng.Next();
  const uint64_t low = rng.Next();
  std::string out;
  if (!prefix.empty()) out = absl::StrCat(prefix, "_");
  for (int shift = 45; shift >= 0; shift -= 5) out += kAlphabet[(millis >> shift) & 31];
  for (int i = 0; i < 8; ++i) out += kAlphabet[(high >> (i * 5)) & 31];
  for (int i = 0; i < 8; ++i) out += kAlphabet[(low >> (i * 5)) & 31];
  return out;
}

}  // namespace purser::base

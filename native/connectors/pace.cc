#include "connectors/pace.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/hash.h"

namespace purser::connectors {
namespace {

constexpr int kShare = 10;   // of the time waited
constexpr int kSpread = 25;  // percent at most

}  // namespace

absl::Duration NextLook(absl::Duration waited, const Pace& pace, absl::string_view who) {
  const absl::Duration look = std::clamp(waited / kShare, pace.shortest, pace.longest);
  // Another share at each look, the same one for the same wait: no randomness to hand down.
  const std::string digest = base::Sha256(absl::StrCat(who, " ", absl::ToInt64Seconds(waited)));
  const int percent = static_cast<unsigned char>(digest[0]) * (kSpread + 1) / 256;
  return look + look * percent / 100;
}

}  // namespace purser::connectors

#include "git/pkt_line.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/strings.h"

namespace purser::git {

void AppendPkt(std::string& out, absl::string_view payload) {
  absl::StrAppendFormat(&out, "%04x", payload.size() + 4);
  out.append(payload.data(), payload.size());
}

void AppendFlush(std::string& out) { out += "0000"; }

absl::string_view PktReader::Pkt::line() const {
  return absl::EndsWith(payload, "\n") ? payload.substr(0, payload.size() - 1) : payload;
}

absl::StatusOr<PktReader::Pkt> PktReader::Next() {
  if (rest_.empty()) return Pkt{Kind::kEnd, {}};
  const auto bad = [this](absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat("not git's protocol: ", why, " at byte ", offset(), " (\"",
                     base::EscapeForDisplay(rest_.substr(0, 40), 60), "\")"));
  };
  size_t length = 0;
  if (rest_.size() < 4) return bad("a cut line");
  for (int i = 0; i < 4; ++i) {
    const char c = rest_[i];
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    if (digit < 0) return bad("a line without a length");
    length = length << 4 | static_cast<size_t>(digit);
  }
  if (length == 0) {
    rest_.remove_prefix(4);
    return Pkt{Kind::kFlush, {}};
  }
  if (length < 4) return bad("a line of impossible length");
  if (length > rest_.size()) return bad("a cut line");
  const Pkt pkt{Kind::kData, rest_.substr(4, length - 4)};
  rest_.remove_prefix(length);
  return pkt;
}

}  // namespace purser::git

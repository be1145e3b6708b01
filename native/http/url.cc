#include "http/url.h"

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "http/address.h"

namespace purser::http {
namespace {

// Without the query, which may carry a secret.
absl::Status Error(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(
      "URL ", base::EscapeForDisplay(text.substr(0, text.find_first_of("?#@"))), ": ", what));
}

bool IsHostName(absl::string_view host) {
  if (host.empty() || host.size() > 253) return false;
  absl::string_view last;
  for (absl::string_view label : absl::StrSplit(absl::StripSuffix(host, "."), '.')) {
    if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
      return false;
    }
    for (const char c : label) {
      if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') return false;
    }
    last = label;
  }
  // "127.1", "0x7f.1", "2130706433" are addresses to some resolvers; a name ends in letters.
  const bool numeric = last.find_first_not_of("0123456789") == absl::string_view::npos ||
                       (last.size() > 1 && last[0] == '0' && (last[1] | 0x20) == 'x');
  return !numeric;
}

absl::Status CheckTarget(absl::string_view text, absl::string_view target) {
  for (size_t i = 0; i < target.size(); ++i) {
    const auto c = static_cast<unsigned char>(target[i]);
    if (c <= 0x20 || c >= 0x7F || c == '\\' || c == '"' || c == '<' || c == '>' || c == '^' ||
        c == '`' || c == '{' || c == '|' || c == '}') {
      return Error(text, "holds a character that must be percent-encoded");
    }
    if (c == '%' && !(i + 2 < target.size() &&
                      absl::ascii_isxdigit(static_cast<unsigned char>(target[i + 1])) &&
                      absl::ascii_isxdigit(static_cast<unsigned char>(target[i + 2])))) {
      return Error(text, "holds a broken percent escape");
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string Url::Authority() const {
  const std::string name = ipv6() ? absl::StrCat("[", host, "]") : host;
  return port == (tls ? 443 : 80) ? name : absl::StrCat(name, ":", port);
}

std::string Url::Origin() const { return absl::StrCat(tls ? "https://" : "http://", Authority()); }

absl::StatusOr<Url> ParseUrl(absl::string_view text) {
  if (text.size() > kMaxUrlBytes) {
    return Error(text, absl::StrCat("is longer than ", kMaxUrlBytes, " bytes"));
  }
  Url url;
  absl::string_view rest = text;
  if (absl::ConsumePrefix(&rest, "https://")) {
    url.tls = true;
  } else if (!absl::ConsumePrefix(&rest, "http://")) {
    return Error(text, "must start with http:// or https://");
  }
  if (rest.find('#') != absl::string_view::npos) return Error(text, "must have no fragment");
  const size_t end = std::min(rest.find_first_of("/?"), rest.size());
  absl::string_view authority = rest.substr(0, end);
  absl::string_view target = rest.substr(end);
  if (authority.find('@') != absl::string_view::npos) {
    return Error(text, "must hold no user or password; give credentials as a header");
  }
  absl::string_view port;
  bool has_port = false;
  if (absl::ConsumePrefix(&authority, "[")) {
    const size_t close = authority.find(']');
    if (close == absl::string_view::npos) return Error(text, "misses ']' behind the IPv6 address");
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(authority.substr(0, close));
    if (!address.ok() || !address->v6()) return Error(text, "holds no valid IPv6 address in []");
    url.host = address->ToString();
    port = authority.substr(close + 1);
    has_port = absl::ConsumePrefix(&port, ":");
    if (!has_port && !port.empty()) return Error(text, "has text behind ']'");
  } else {
    const size_t colon = authority.find(':');
    has_port = colon != absl::string_view::npos;
    if (has_port) port = authority.substr(colon + 1);
    const absl::string_view host = authority.substr(0, colon);
    url.host = absl::AsciiStrToLower(host);
    if (!IpAddress::Parse(host).ok() && !IsHostName(host)) {
      return Error(text, "holds no valid host name or address");
    }
  }
  url.port = url.tls ? 443 : 80;
  if (has_port) {
    uint32_t number = 0;
    if (port.empty() || port.size() > 5 ||
        port.find_first_not_of("0123456789") != absl::string_view::npos ||
        !absl::SimpleAtoi(port, &number) || number == 0 || number > 65535) {
      return Error(text, "has no valid port");
    }
    url.port = static_cast<uint16_t>(number);
  }
  PURSER_RETURN_IF_ERROR(CheckTarget(text, target));
  url.target =
      target.empty() || target.front() == '?' ? absl::StrCat("/", target) : std::string(target);
  return url;
}

std::string EncodeComponent(absl::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (absl::ascii_isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

}  // namespace purser::http

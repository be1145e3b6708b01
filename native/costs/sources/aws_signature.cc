#include "costs/sources/aws_signature.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/hash.h"
#include "base/status.h"
#include "http/url.h"

namespace purser::costs {
namespace {

constexpr char kAlgorithm[] = "AWS4-HMAC-SHA256";

// RFC 2104 with SHA-256.
std::string Hmac(absl::string_view key, absl::string_view text) {
  constexpr size_t kBlock = 64;
  std::string block(key.size() > kBlock ? base::Sha256(key) : std::string(key));
  block.resize(kBlock, '\0');
  std::string inner, outer;
  for (const char c : block) {
    inner.push_back(static_cast<char>(c ^ 0x36));
    outer.push_back(static_cast<char>(c ^ 0x5c));
  }
  return base::Sha256(absl::StrCat(outer, base::Sha256(absl::StrCat(inner, text))));
}

std::string CanonicalQuery(absl::string_view query) {
  std::vector<std::string> parts;
  for (const absl::string_view part : absl::StrSplit(query, '&', absl::SkipEmpty())) {
    parts.push_back(absl::StrContains(part, '=') ? std::string(part) : absl::StrCat(part, "="));
  }
  // By name, then value; '=' sorts behind some characters of names, so names are compared apart.
  std::sort(parts.begin(), parts.end(), [](const std::string& a, const std::string& b) {
    const std::pair<absl::string_view, absl::string_view> left =
        absl::StrSplit(a, absl::MaxSplits('=', 1));
    const std::pair<absl::string_view, absl::string_view> right =
        absl::StrSplit(b, absl::MaxSplits('=', 1));
    return left < right;
  });
  return absl::StrJoin(parts, "&");
}

}  // namespace

absl::Status SignAws(const AwsCredentials& credentials, absl::string_view region,
                     absl::string_view service, absl::Time now, http::Request& request) {
  PURSER_ASSIGN_OR_RETURN(const http::Url url, http::ParseUrl(request.url));
  const std::string time = absl::FormatTime("%Y%m%dT%H%M%SZ", now, absl::UTCTimeZone());
  const std::string day = time.substr(0, 8);
  const std::string payload = base::Sha256Hex(request.body);
  request.headers.emplace_back("x-amz-date", time);
  request.headers.emplace_back("x-amz-content-sha256", payload);
  if (!credentials.session_token.empty()) {
    request.headers.emplace_back("x-amz-security-token", credentials.session_token);
  }
  std::map<std::string, std::string> headers = {{"host", url.Authority()}};
  for (const auto& [name, value] : request.headers) {
    headers[absl::AsciiStrToLower(name)] = std::string(absl::StripAsciiWhitespace(value));
  }
  std::string lines;
  std::vector<std::string> names;
  for (const auto& [name, value] : headers) {
    absl::StrAppend(&lines, name, ":", value, "\n");
    names.push_back(name);
  }
  const std::string signed_headers = absl::StrJoin(names, ";");
  const std::pair<absl::string_view, absl::string_view> target =
      absl::StrSplit(url.target, absl::MaxSplits('?', 1));
  const std::string canonical =
      absl::StrCat(request.method, "\n", target.first, "\n", CanonicalQuery(target.second), "\n",
                   lines, "\n", signed_headers, "\n", payload);
  const std::string scope = absl::StrCat(day, "/", region, "/", service, "/aws4_request");
  const std::string to_sign =
      absl::StrCat(kAlgorithm, "\n", time, "\n", scope, "\n", base::Sha256Hex(canonical));
  std::string key = Hmac(absl::StrCat("AWS4", credentials.secret_access_key), day);
  for (const absl::string_view part : {region, service, absl::string_view("aws4_request")}) {
    key = Hmac(key, part);
  }
  request.headers.emplace_back(
      "Authorization", absl::StrCat(kAlgorithm, " Credential=", credentials.access_key_id, "/",
                                    scope, ", SignedHeaders=", signed_headers,
                                    ", Signature=", base::ToHex(Hmac(key, to_sign))));
  return absl::OkStatus();
}

}  // namespace purser::costs

#include "connectors/http/endpoints.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {
namespace {

std::string PathOf(const http::Url& url) { return url.target.substr(0, url.target.find('?')); }

std::string PercentDecode(absl::string_view text) {
  const auto hex = [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c)) ? c - '0' : (c | 0x20) - 'a' + 10;
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {  // ParseUrl has checked the digits
      out += static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool Climbs(absl::string_view path) {
  std::string decoded = PercentDecode(path);
  // Twice, for peers behind a proxy that decodes as well.
  if (absl::StrContains(decoded, '%')) decoded = PercentDecode(decoded);
  for (const absl::string_view segment : absl::StrSplit(decoded, absl::ByAnyChar("/\\"))) {
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<Endpoints> Endpoints::FromConfig(const nlohmann::json& endpoints) {
  Endpoints out;
  for (size_t i = 0; i < endpoints.size(); ++i) {
    const nlohmann::json& entry = endpoints[i];
    Endpoint endpoint;
    endpoint.url = entry["url"].get<std::string>();
    absl::StatusOr<http::Url> url = http::ParseUrl(endpoint.url);
    if (!url.ok()) return base::Annotate(url.status(), absl::StrCat("/endpoints/", i, "/url"));
    if (absl::StrContains(url->target, '?') || Climbs(url->target)) {
      return absl::InvalidArgumentError(
          absl::StrCat("/endpoints/", i, "/url must have no query and no \"..\""));
    }
    endpoint.parsed = *std::move(url);
    endpoint.path = PathOf(endpoint.parsed);
    if (!absl::EndsWith(endpoint.path, "/")) endpoint.path += '/';
    for (const auto& [name, value] : entry["headers"].items()) {
      endpoint.headers.emplace_back(name, value.get<std::string>());
    }
    for (const auto& [name, value] : entry["secretHeaders"].items()) {
      endpoint.secret_headers[name] = {value["reference"].get<std::string>(),
                                       value["prefix"].get<std::string>()};
    }
    out.endpoints_.push_back(std::move(endpoint));
  }
  return out;
}

absl::StatusOr<const Endpoint*> Endpoints::Match(absl::string_view url) const {
  PURSER_ASSIGN_OR_RETURN(const http::Url parsed, http::ParseUrl(url));
  const std::string path = PathOf(parsed);
  if (Climbs(path)) {
    return absl::InvalidArgumentError(
        absl::StrCat("URL ", parsed.Origin(), path, ": must not hold \".\" or \"..\" in its path"));
  }
  const Endpoint* best = nullptr;
  std::string known;
  for (const Endpoint& endpoint : endpoints_) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", endpoint.url);
    if (endpoint.parsed.tls != parsed.tls || endpoint.parsed.host != parsed.host ||
        endpoint.parsed.port != parsed.port || !absl::StartsWith(path + "/", endpoint.path)) {
      continue;
    }
    if (best == nullptr || endpoint.path.size() > best->path.size()) best = &endpoint;
  }
  if (best == nullptr) {
    return absl::PermissionDeniedError(
        absl::StrCat("URL ", parsed.Origin(), path,
                     " lies below none of the connector's endpoints (", known, ")"));
  }
  return best;
}

absl::StatusOr<std::string> ResolveReference(absl::string_view base, absl::string_view reference) {
  if (absl::StartsWith(reference, "/") && !absl::StartsWith(reference, "//")) {
    PURSER_ASSIGN_OR_RETURN(const http::Url url, http::ParseUrl(base));
    return absl::StrCat(url.Origin(), reference);
  }
  PURSER_RETURN_IF_ERROR(http::ParseUrl(reference).status());
  return std::string(reference);
}

}  // namespace purser::connectors

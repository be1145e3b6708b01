#include "git/remote.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/strings.h"
#include "git/http_remote.h"
#include "git/local_remote.h"

namespace purser::git {
namespace {

constexpr absl::string_view kFileScheme = "file://";

absl::Status Bad(absl::string_view url, absl::string_view why) {
  // A URL with credentials in it must not be repeated in an error.
  const size_t at = url.rfind('@');
  const std::string shown = at == absl::string_view::npos
                                ? base::EscapeForDisplay(url)
                                : absl::StrCat("…", base::EscapeForDisplay(url.substr(at)));
  return absl::InvalidArgumentError(absl::StrCat("repository URL \"", shown, "\": ", why));
}

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

absl::StatusOr<std::string> LocalPath(absl::string_view url) {
  const bool is_path = !absl::StartsWith(url, kFileScheme);
  std::string path;
  absl::string_view rest = absl::StripPrefix(url, kFileScheme);
  if (!is_path && absl::StartsWith(rest, "localhost/")) rest.remove_prefix(9);
  for (size_t i = 0; i < rest.size(); ++i) {
    if (is_path || rest[i] != '%') {
      path += rest[i];
      continue;
    }
    const int high = i + 1 < rest.size() ? HexValue(rest[i + 1]) : -1;
    const int low = i + 2 < rest.size() ? HexValue(rest[i + 2]) : -1;
    if (high < 0 || low < 0) return Bad(url, "a bad %-escape");
    path += static_cast<char>(high << 4 | low);
    i += 2;
  }
  if (path.empty() || path.front() != '/') return Bad(url, "file:// needs an absolute path");
  if (path.find('\0') != std::string::npos) return Bad(url, "holds NUL");
  for (const absl::string_view component : absl::StrSplit(path, '/')) {
    if (component == "..") return Bad(url, "must not hold '..'");
  }
  return path;
}

}  // namespace

bool IsLocalUrl(absl::string_view url) {
  return absl::StartsWith(url, kFileScheme) || absl::StartsWith(url, "/");
}

absl::Status CheckUrl(absl::string_view url) {
  if (url.size() > kMaxUrlBytes) return Bad(url.substr(0, 100), "is too long");
  for (const char c : url) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte == 0x7F) return Bad(url, "holds a space or control character");
  }
  if (IsLocalUrl(url)) return LocalPath(url).status();
  const size_t scheme = url.find("://");
  if (scheme == absl::string_view::npos || (!absl::StartsWithIgnoreCase(url, "https://") &&
                                            !absl::StartsWithIgnoreCase(url, "http://"))) {
    return Bad(url, "must start with https://, http:// or file://");
  }
  const absl::string_view rest = url.substr(scheme + 3);
  const absl::string_view authority = rest.substr(0, rest.find('/'));
  if (authority.empty()) return Bad(url, "names no host");
  if (absl::StrContains(authority, "@")) {
    return Bad(url, "must not carry a user name or password; give a credential beside it");
  }
  if (absl::StrContains(authority, "\\") || url.find_first_of("?#") != absl::string_view::npos) {
    return Bad(url, "must not hold '\\', '?' or '#'");
  }
  const absl::string_view path = rest.substr(authority.size());
  for (const absl::string_view component : absl::StrSplit(path, '/')) {
    const std::string lower = absl::AsciiStrToLower(component);
    if (component == ".." || component == "." || absl::StrContains(lower, "%2e") ||
        absl::StrContains(lower, "%2f")) {
      return Bad(url, "must not hold '.' or '..' segments or escaped dots and slashes");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Remote>> OpenRemote(absl::string_view url,
                                                   http::Transport& transport,
                                                   RemoteOptions options) {
  PURSER_RETURN_IF_ERROR(CheckUrl(url));
  if (IsLocalUrl(url)) {
    if (!options.allow_local) {
      return absl::PermissionDeniedError(
          absl::StrCat("repository ", base::EscapeForDisplay(url),
                       " is a folder on the server; local repositories are not allowed here"));
    }
    PURSER_ASSIGN_OR_RETURN(std::string path, LocalPath(url));
    return std::make_unique<LocalRemote>(std::string(url), std::move(path),
                                         std::move(options.git_program));
  }
  if (absl::string_view(options.authorization).find_first_of(absl::string_view("\r\n\0", 3)) !=
      absl::string_view::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat("the credential for ", url, " holds a line break or NUL"));
  }
  return std::make_unique<HttpRemote>(std::string(url), std::move(options.authorization),
                                      transport);
}

}  // namespace purser::git

#include "git/web_url.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace purser::git {
namespace {

// The repository's page, or "" for anything but http(s).
absl::string_view Page(absl::string_view url) {
  if (!absl::StartsWith(url, "https://") && !absl::StartsWith(url, "http://")) return {};
  return absl::StripSuffix(absl::StripSuffix(url, "/"), ".git");
}

// Branch names may hold what means something else in a URL.
std::string EscapePath(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       absl::string_view("-._~/").find(c) != absl::string_view::npos;
    if (plain) {
      out += c;
    } else {
      absl::StrAppendFormat(&out, "%%%02X", byte);
    }
  }
  return out;
}

}  // namespace

std::optional<Hosting> ParseHosting(absl::string_view name) {
  if (name == "github") return Hosting::kGithub;
  if (name == "gitlab") return Hosting::kGitlab;
  if (name == "bitbucket") return Hosting::kBitbucket;
  if (name == "azure") return Hosting::kAzure;
  if (name == "gitea") return Hosting::kGitea;
  return std::nullopt;
}

Hosting HostingOf(absl::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == absl::string_view::npos) return Hosting::kUnknown;
  url.remove_prefix(scheme + 3);
  const absl::string_view host = url.substr(0, url.find('/'));
  if (absl::EqualsIgnoreCase(host, "github.com")) return Hosting::kGithub;
  if (absl::EqualsIgnoreCase(host, "gitlab.com")) return Hosting::kGitlab;
  if (absl::EqualsIgnoreCase(host, "bitbucket.org")) return Hosting::kBitbucket;
  if (absl::EqualsIgnoreCase(host, "dev.azure.com")) return Hosting::kAzure;
  if (absl::EqualsIgnoreCase(host, "codeberg.org")) return Hosting::kGitea;
  return Hosting::kUnknown;
}

std::string CommitUrl(Hosting hosting, absl::string_view url, const ObjectId& commit) {
  const absl::string_view page = Page(url);
  if (page.empty()) return "";
  switch (hosting) {
    case Hosting::kUnknown:
      return "";
    case Hosting::kGitlab:
      return absl::StrCat(page, "/-/commit/", commit.ToHex());
    case Hosting::kBitbucket:
      return absl::StrCat(page, "/commits/", commit.ToHex());
    case Hosting::kGithub:
    case Hosting::kAzure:
    case Hosting::kGitea:
      return absl::StrCat(page, "/commit/", commit.ToHex());
  }
  return "";
}

std::string ContentsUrl(Hosting hosting, absl::string_view url, absl::string_view branch) {
  const absl::string_view page = Page(url);
  if (page.empty()) return "";
  const std::string name = EscapePath(branch);
  switch (hosting) {
    case Hosting::kUnknown:
      return "";
    case Hosting::kGithub:
      return absl::StrCat(page, "/blob/", name);
    case Hosting::kGitlab:
      return absl::StrCat(page, "/-/blob/", name);
    case Hosting::kBitbucket:
      return absl::StrCat(page, "/src/", name);
    case Hosting::kAzure:
      return absl::StrCat(page, "?version=GB", name);
    case Hosting::kGitea:
      return absl::StrCat(page, "/src/branch/", name);
  }
  return "";
}

}  // namespace purser::git

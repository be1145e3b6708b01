#include "connectors/git/remote_list.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "git/remote.h"

namespace purser::connectors {
namespace {

// With scheme and host in lower case and no '/' or ".git" at the end: one spelling of a repository.
std::string Normalized(absl::string_view url) {
  std::string out(url);
  const size_t scheme = out.find("://");
  if (scheme != std::string::npos) {
    const size_t end = std::min(out.find('/', scheme + 3), out.size());
    for (size_t i = 0; i < end; ++i)
      out[i] = absl::ascii_tolower(static_cast<unsigned char>(out[i]));
  } else if (absl::StartsWith(out, "/")) {
    out = absl::StrCat("file://", out);
  }
  while (absl::EndsWith(out, "/") && !absl::EndsWith(out, "://")) out.pop_back();
  if (absl::EndsWith(out, ".git")) out.resize(out.size() - 4);
  return out;
}

bool IsLoopback(absl::string_view url) {
  const std::string normal = Normalized(url);
  for (const absl::string_view host : {"http://localhost", "http://127.0.0.1", "http://[::1]"}) {
    if (!absl::StartsWith(normal, host)) continue;
    const absl::string_view rest = absl::string_view(normal).substr(host.size());
    if (rest.empty() || rest.front() == '/' || rest.front() == ':') return true;
  }
  return false;
}

}  // namespace

const AllowedRemote* FindRemote(const std::vector<AllowedRemote>& remotes, absl::string_view url) {
  const std::string wanted = Normalized(url);
  const AllowedRemote* best = nullptr;
  size_t best_size = 0;
  for (const AllowedRemote& remote : remotes) {
    const std::string allowed = Normalized(remote.url);
    const bool fits = wanted == allowed || absl::StartsWith(wanted, absl::StrCat(allowed, "/"));
    if (fits && allowed.size() >= best_size) {
      best = &remote;
      best_size = allowed.size();
    }
  }
  return best;
}

std::vector<AllowedRemote> ReadRemotes(const nlohmann::json& list,
                                       std::vector<json::Violation>& violations) {
  std::vector<AllowedRemote> remotes;
  for (size_t i = 0; i < list.size(); ++i) {
    const nlohmann::json& entry = list[i];
    const std::string pointer = absl::StrCat("/remotes/", i);
    AllowedRemote remote;
    remote.url = entry.at("url").get<std::string>();
    if (const absl::Status checked = git::CheckUrl(remote.url); !checked.ok()) {
      violations.push_back({pointer + "/url", std::string(checked.message())});
    }
    remote.hosting = git::HostingOf(remote.url);
    if (entry.contains("hosting")) {
      remote.hosting = git::ParseHosting(entry.at("hosting").get<std::string>())
                           .value_or(git::Hosting::kUnknown);
    }
    if (entry.contains("credential")) {
      const nlohmann::json& credential = entry.at("credential");
      remote.credential = credential.at("secret").get<std::string>();
      remote.username = credential.value("username", "git");
      remote.bearer = credential.value("scheme", "basic") == "bearer";
      if (absl::StrContains(remote.username, ":")) {
        violations.push_back({pointer + "/credential/username", "must not hold ':'"});
      }
      if (git::IsLocalUrl(remote.url)) {
        violations.push_back({pointer + "/credential", "a local repository takes no credential"});
      } else if (absl::StartsWithIgnoreCase(remote.url, "http://") && !IsLoopback(remote.url)) {
        violations.push_back(
            {pointer + "/credential", "would travel unencrypted over http://; use https://"});
      }
    }
    remotes.push_back(std::move(remote));
  }
  return remotes;
}

absl::StatusOr<std::string> AuthorizationOf(const AllowedRemote& remote, absl::string_view secret) {
  secret = absl::StripSuffix(secret, "\n");
  secret = absl::StripSuffix(secret, "\r");
  if (secret.empty() || secret.find_first_of(absl::string_view("\r\n\0", 3)) != secret.npos) {
    return absl::InvalidArgumentError(absl::StrCat("secret ", remote.credential, " for ",
                                                   remote.url,
                                                   " is empty or holds a line break or NUL"));
  }
  if (remote.bearer) return absl::StrCat("Bearer ", secret);
  return absl::StrCat("Basic ", absl::Base64Escape(absl::StrCat(remote.username, ":", secret)));
}

}  // namespace purser::connectors

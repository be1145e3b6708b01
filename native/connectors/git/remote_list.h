// Which repositories the connector may touch, and with what credential.
#ifndef PURSER_CONNECTORS_GIT_REMOTE_LIST_H_
#define PURSER_CONNECTORS_GIT_REMOTE_LIST_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/web_url.h"
#include "json/json.h"
#include "nlohmann/json.hpp"

namespace purser::connectors {

struct AllowedRemote {
  std::string url;         // of one repository, or of everything below it
  std::string credential;  // secret reference, or ""
  std::string username;    // of a basic credential
  bool bearer = false;
  git::Hosting hosting = git::Hosting::kUnknown;
};

// The entry that allows `url`: equal to it, or ending at a '/' of it; the longest one wins. nullptr
// when none does. Scheme and host compare without case.
const AllowedRemote* FindRemote(const std::vector<AllowedRemote>& remotes, absl::string_view url);

// Reads the configured list; faults beyond the schema's are appended to `violations`.
std::vector<AllowedRemote> ReadRemotes(const nlohmann::json& list,
                                       std::vector<json::Violation>& violations);

// The Authorization header of an entry whose secret has this value. INVALID_ARGUMENT, without the
// value, when it is empty or holds a line break (a secret file's last one is taken off).
absl::StatusOr<std::string> AuthorizationOf(const AllowedRemote& remote, absl::string_view secret);

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_GIT_REMOTE_LIST_H_

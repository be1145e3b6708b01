// Where people look at a repository: pages of the hosting products, derived from its URL.
#ifndef PURSER_GIT_WEB_URL_H_
#define PURSER_GIT_WEB_URL_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "git/object_id.h"

namespace purser::git {

enum class Hosting { kUnknown, kGithub, kGitlab, kBitbucket, kAzure, kGitea };

// By name ("github", "gitlab", "bitbucket", "azure", "gitea"); nullopt for another.
std::optional<Hosting> ParseHosting(absl::string_view name);
// By the well-known public hosts; kUnknown for all others: a guess would make a dead link.
Hosting HostingOf(absl::string_view url);

// The page of a commit, or of the files of a branch; "" when the hosting is unknown or the URL is
// not http(s).
std::string CommitUrl(Hosting hosting, absl::string_view url, const ObjectId& commit);
std::string ContentsUrl(Hosting hosting, absl::string_view url, absl::string_view branch);

}  // namespace purser::git

#endif  // PURSER_GIT_WEB_URL_H_

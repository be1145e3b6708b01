// What purser:git:publish and purser:git:commit share: their common inputs, and how they find the
// remote, the files and the signing key.
//
// The portal's wrapper turns Backstage's `repoUrl` into `remoteUrl`, puts the value of the
// Authorization header into the secret "git.authorization" and the signing key into
// "git.signingKey", and says by the reserved input `allowLocalRemotes` whether file:// is allowed.
#ifndef PURSER_SCAFFOLDER_ACTIONS_GIT_SUPPORT_H_
#define PURSER_SCAFFOLDER_ACTIONS_GIT_SUPPORT_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "action/action.h"
#include "base/clock.h"
#include "base/file.h"
#include "git/publish.h"
#include "git/remote.h"
#include "git/signer.h"
#include "git/web_url.h"
#include "nlohmann/json.hpp"

namespace purser::actions {

nlohmann::json GitText(const char* title, const char* description);
nlohmann::json GitTextWithDefault(const char* title, const char* description, const char* value);
// Where the repository is, and who the author is: the properties of both actions.
void AddGitProperties(nlohmann::json& properties);
// The rest of an input schema around its properties.
nlohmann::json GitInputSchema(nlohmann::json properties);

// One run of a git action: everything its inputs name, checked.
struct GitRun {
  std::string url;
  std::unique_ptr<git::Remote> remote;
  std::unique_ptr<base::Directory> source;
  std::unique_ptr<git::Signer> signer;  // null: unsigned
  git::CommitInfo commit;               // refers to `signer`
  git::Hosting hosting = git::Hosting::kUnknown;
};
absl::StatusOr<GitRun> OpenGitRun(action::Context& context);

// The server's words go to the debug log, how far we are to the log.
git::Call GitCall(action::Context& context, base::Clock& clock);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_GIT_SUPPORT_H_

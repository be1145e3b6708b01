// What the actions that change files of the workspace share: reading, writing all or nothing, what
// they say and give, and parts of their schemas.
//
// A file that already is as it should be is not written, so that a repeat after a crash changes
// nothing. A dry run writes too: Backstage gives it a workspace of its own, whose files are what it
// shows; in addition it logs the lines that change.
#ifndef PURSER_SCAFFOLDER_ACTIONS_FILE_SUPPORT_H_
#define PURSER_SCAFFOLDER_ACTIONS_FILE_SUPPORT_H_

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "action/action.h"
#include "base/file.h"
#include "edit/tree.h"
#include "nlohmann/json.hpp"

namespace purser::actions {

inline constexpr size_t kMaxWrittenFiles = 1'000;  // by one call
inline constexpr int kMaxShownLines = 40;          // of a dry run's changes, per file

// "a/./b/../c" as "a/c"; "" for the workspace itself. PERMISSION_DENIED when the path leads out of
// the workspace or into a .git folder.
absl::StatusOr<std::string> WorkspacePath(absl::string_view path);

// Files of one workspace on their way from the old to the new text. Not thread-safe.
class WorkspaceFiles {
 public:
  static absl::StatusOr<WorkspaceFiles> Open(const action::Context& context);

  // `path` as WorkspacePath gives it. Nothing when there is no such file; what was put before when
  // it was. FAILED_PRECONDITION for a symbolic link or a folder.
  absl::StatusOr<std::optional<std::string>> Read(const std::string& path, int64_t max_bytes);
  // The same, NOT_FOUND with a hint when it is missing.
  absl::StatusOr<std::string> ReadExisting(const std::string& path, int64_t max_bytes);
  absl::Status Put(const std::string& path, std::string text, mode_t mode = 0666);

  // Writes what differs; after an error the files are as they were. Gives the outputs of
  // ChangeOutputSchema and `extra`, of a recovered step those it kept when it ran first (see
  // kept_outputs.h), and logs one line, with `summary` in it. CANCELLED when stop was requested
  // before.
  absl::Status Commit(action::Context& context, absl::string_view summary,
                      nlohmann::json extra = nlohmann::json::object());

 private:
  struct File {
    std::optional<std::string> before;
    std::string after;
    mode_t mode = 0666;
    bool put = false;
  };

  explicit WorkspaceFiles(base::Directory folder) : folder_(std::move(folder)) {}
  absl::Status WriteAll(const action::Context& context,
                        const std::vector<const std::string*>& paths);
  absl::StatusOr<std::optional<std::string>> FirstMissingFolder(const std::string& path) const;

  base::Directory folder_;
  std::map<std::string, File> files_;
};

// Parts of schemas.
nlohmann::json FileProperty(nlohmann::json type, const char* title, const char* description);
nlohmann::json FilePathProperty(const char* description);
nlohmann::json ChoiceProperty(const char* title, const char* description,
                              const std::vector<std::string>& choices, const char* fallback);
nlohmann::json SwitchProperty(const char* title, const char* description, bool fallback);
nlohmann::json ObjectSchema(nlohmann::json properties, std::vector<std::string> required);
// The same for the input of an action that writes values in their order: the portal adds the input
// as text (`inputText`, which no template may give), because JSON values sort their members here.
nlohmann::json OrderedInputSchema(nlohmann::json properties, std::vector<std::string> required);
// The input with the members of objects in the order in which they were given. Without defaults.
edit::Model OrderedInput(const action::Context& context);
// `changed`, `paths`, `files` and `bytes`, with `extra` properties.
nlohmann::json ChangeOutputSchema(nlohmann::json extra = nlohmann::json::object());

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_FILE_SUPPORT_H_

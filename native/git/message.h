// Commit messages and the trailer by which Purser finds its own commits again.
#ifndef PURSER_GIT_MESSAGE_H_
#define PURSER_GIT_MESSAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::git {

// The message as it is stored: trailing white space taken off, the trailer "Purser-Effect: <key>"
// added in the last paragraph where `effect_key` is not empty. INVALID_ARGUMENT when the message is
// empty, too long, not UTF-8 or holds NUL, or the key is not one line of printable text.
absl::StatusOr<std::string> ComposeMessage(absl::string_view message, absl::string_view effect_key);

// The effect key of a stored message, "" when it has none.
std::string EffectOf(absl::string_view message);

}  // namespace purser::git

#endif  // PURSER_GIT_MESSAGE_H_

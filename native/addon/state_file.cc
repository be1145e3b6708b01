#include "addon/state_file.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

namespace purser::addon {
namespace {

constexpr absl::string_view kHead = "purser-provider-state 1";

absl::string_view NextLine(absl::string_view& text) {
  const size_t end = text.find('\n');
  const absl::string_view line = text.substr(0, end);
  text = end == absl::string_view::npos ? absl::string_view() : text.substr(end + 1);
  return line;
}

}  // namespace

absl::StatusOr<StateFile> StateFile::Open(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (path.empty() || path.front() != '/' || slash + 1 == path.size()) {
    return absl::InvalidArgumentError(absl::StrCat("statePath '", base::EscapeForDisplay(path),
                                                   "' is not the absolute path of a file"));
  }
  PURSER_ASSIGN_OR_RETURN(
      base::Directory folder,
      base::Directory::Create(slash == 0 ? absl::string_view("/") : path.substr(0, slash), 0700));
  return StateFile(std::move(folder), std::string(path.substr(slash + 1)));
}

absl::StatusOr<catalog::State> StateFile::Read() const {
  absl::StatusOr<std::string> bytes = folder_.ReadFile(name_, kMaxStateFileBytes);
  if (absl::IsNotFound(bytes.status())) return catalog::State();
  PURSER_RETURN_IF_ERROR(bytes.status());
  absl::string_view text = *bytes;
  const auto torn = [&](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat("the state file ", folder_.path(), "/", name_, " cannot be used: ", why));
  };
  if (NextLine(text) != kHead) return torn("its first line is not that of a state file");
  catalog::State state;
  while (!text.empty()) {
    const absl::string_view line = NextLine(text);
    const size_t space = line.find(' ');
    if (space == absl::string_view::npos) return torn("a line has no entity ref");
    const absl::string_view hash = line.substr(0, space);
    const absl::string_view ref = line.substr(space + 1);
    if (hash == "end") {
      uint64_t count = 0;
      if (!absl::SimpleAtoi(ref, &count) || count != state.size() || !text.empty()) {
        return torn("it does not hold as many entities as it says");
      }
      return state;
    }
    state.emplace_hint(state.end(), std::string(ref), std::string(hash));
  }
  return torn("its end is missing");
}

absl::Status StateFile::Write(const catalog::State& state) const {
  std::string text = absl::StrCat(kHead, "\n");
  for (const auto& [ref, hash] : state) absl::StrAppend(&text, hash, " ", ref, "\n");
  absl::StrAppend(&text, "end ", state.size(), "\n");
  return base::Annotate(folder_.WriteFile(name_, text, 0600, /*durable=*/true),
                        absl::StrCat("state file ", folder_.path(), "/", name_));
}

}  // namespace purser::addon

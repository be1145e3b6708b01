#include "addon/state_file.h"

#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"

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

absl::StatusOr<ProviderState> StateFile::Read() const {
  absl::StatusOr<std::string> bytes = folder_.ReadFile(name_, kMaxStateFileBytes);
  if (absl::IsNotFound(bytes.status())) return ProviderState();
  PURSER_RETURN_IF_ERROR(bytes.status());
  absl::string_view text = *bytes;
  const auto torn = [&](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat("the state file ", folder_.path(), "/", name_, " cannot be used: ", why));
  };
  if (NextLine(text) != kHead) return torn("its first line is not that of a state file");
  ProviderState state;
  while (!text.empty()) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(NextLine(text), absl::MaxSplits(' ', 2));
    if (fields.size() == 2 && fields[0] == "end") {
      uint64_t count = 0;
      if (!absl::SimpleAtoi(fields[1], &count) || count != state.hashes.size() || !text.empty()) {
        return torn("it does not hold as many entities as it says");
      }
      return state;
    }
    if (fields.size() != 3) return torn("a line is not that of an entity");
    const absl::StatusOr<nlohmann::json> location = json::Parse(fields[2]);
    if (!location.ok() || !location->is_string()) return torn("a location is no JSON string");
    state.hashes.emplace_hint(state.hashes.end(), std::string(fields[1]), std::string(fields[0]));
    if (!location->get_ref<const std::string&>().empty()) {
      state.locations.emplace_hint(state.locations.end(), std::string(fields[1]),
                                   location->get<std::string>());
    }
  }
  return torn("its end is missing");
}

absl::Status StateFile::Write(const ProviderState& state) const {
  std::string text = absl::StrCat(kHead, "\n");
  for (const auto& [ref, hash] : state.hashes) {
    const auto location = state.locations.find(ref);
    absl::StrAppend(&text, hash, " ", ref, " ",
                    location == state.locations.end() ? "\"\"" : json::Dump(location->second),
                    "\n");
  }
  absl::StrAppend(&text, "end ", state.hashes.size(), "\n");
  return base::Annotate(folder_.WriteFile(name_, text, 0600, /*durable=*/true),
                        absl::StrCat("state file ", folder_.path(), "/", name_));
}

}  // namespace purser::addon

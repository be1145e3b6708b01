#include "addon/state_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"

namespace purser::addon {
namespace {

constexpr absl::string_view kHead = "purser-provider-state 2\n";
constexpr absl::string_view kUnconfirmed = "-";

absl::StatusOr<std::string> JsonString(absl::string_view text) {
  PURSER_ASSIGN_OR_RETURN(nlohmann::json value, json::Parse(text));
  if (!value.is_string()) return absl::DataLossError("a text is no JSON string");
  return value.get<std::string>();
}

absl::Status ReadLine(absl::string_view line, catalog::Tracker& tracker,
                      std::map<std::string, std::string>& memory) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(' ', 3));
  if (fields[0] == "e" && fields.size() == 4) {
    PURSER_ASSIGN_OR_RETURN(const std::string partition, JsonString(fields[3]));
    tracker.Load(fields[2], partition, catalog::Fingerprint::FromHex(fields[1]), /*held=*/false);
    return absl::OkStatus();
  }
  if (fields[0] == "h" && fields.size() == 2) {
    tracker.Hold(fields[1]);
    return absl::OkStatus();
  }
  if (fields[0] == "r" && fields.size() == 2) {
    tracker.Remove(fields[1]);
    return absl::OkStatus();
  }
  // Keys and values may hold spaces, but no end of a line.
  if (absl::ConsumePrefix(&line, "m ")) {
    const size_t border = line.find("\" \"");
    if (border != absl::string_view::npos) {
      PURSER_ASSIGN_OR_RETURN(const std::string key, JsonString(line.substr(0, border + 1)));
      PURSER_ASSIGN_OR_RETURN(std::string value, JsonString(line.substr(border + 2)));
      if (value.empty()) {
        memory.erase(key);
      } else {
        memory[key] = std::move(value);
      }
      return absl::OkStatus();
    }
  }
  return absl::DataLossError("a line is none of a state");
}

}  // namespace

void StateLines::Entity(absl::string_view ref, absl::string_view partition,
                        catalog::Fingerprint hash) {
  absl::StrAppend(&text_, "e ", hash.unconfirmed() ? std::string(kUnconfirmed) : hash.ToHex(), " ",
                  ref, " ", partition.empty() ? "\"\"" : json::Dump(std::string(partition)), "\n");
  ++count_;
}

void StateLines::Held(absl::string_view ref) {
  absl::StrAppend(&text_, "h ", ref, "\n");
  ++count_;
}

void StateLines::Removed(absl::string_view ref) {
  absl::StrAppend(&text_, "r ", ref, "\n");
  ++count_;
}

void StateLines::Memory(absl::string_view key, absl::string_view value) {
  absl::StrAppend(&text_, "m ", json::Dump(std::string(key)), " ", json::Dump(std::string(value)),
                  "\n");
  ++count_;
}

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

absl::StatusOr<bool> StateFile::Read(catalog::Tracker& tracker,
                                     std::map<std::string, std::string>& memory) {
  const absl::StatusOr<std::string> bytes = folder_.ReadFile(name_, kMaxStateFileBytes);
  if (absl::IsNotFound(bytes.status())) return false;
  PURSER_RETURN_IF_ERROR(bytes.status());
  absl::string_view text = *bytes;
  const auto unusable = [&](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat("the state file ", folder_.path(), "/", name_, " cannot be used: ", why));
  };
  if (!absl::ConsumePrefix(&text, kHead)) {
    return unusable("its first line is not that of a state file");
  }
  lines_ = 0;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    if (end == absl::string_view::npos) break;
    const absl::Status read = ReadLine(text.substr(0, end), tracker, memory);
    if (!read.ok()) return unusable(read.message());
    text.remove_prefix(end + 1);
    ++lines_;
  }
  bytes_ = static_cast<int64_t>(bytes->size() - text.size());
  exists_ = true;
  return true;
}

absl::Status StateFile::Append(const StateLines& lines) {
  if (lines.empty()) return absl::OkStatus();
  if (!exists_) return Replace(lines);
  const std::string path = absl::StrCat(folder_.path(), "/", name_);
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC);
  if (file < 0) return base::ErrnoStatus(errno, absl::StrCat("state file ", path));
  const auto close = absl::MakeCleanup([file] { ::close(file); });
  // What a crash, or a full disk, tore off must not run into the next line.
  if (::ftruncate(file, bytes_) != 0) {
    return base::ErrnoStatus(errno, absl::StrCat("state file ", path));
  }
  for (size_t done = 0; done < lines.text_.size();) {
    const ssize_t written = ::write(file, lines.text_.data() + done, lines.text_.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return base::ErrnoStatus(errno, absl::StrCat("state file ", path));
    done += static_cast<size_t>(written);
  }
  if (::fdatasync(file) != 0) return base::ErrnoStatus(errno, absl::StrCat("state file ", path));
  bytes_ += static_cast<int64_t>(lines.text_.size());
  lines_ += lines.count_;
  return absl::OkStatus();
}

absl::Status StateFile::Replace(const StateLines& lines) {
  PURSER_RETURN_IF_ERROR(base::Annotate(
      folder_.WriteFile(name_, absl::StrCat(kHead, lines.text_), 0600, /*durable=*/true),
      absl::StrCat("state file ", folder_.path(), "/", name_)));
  lines_ = lines.count_;
  bytes_ = static_cast<int64_t>(kHead.size() + lines.text_.size());
  exists_ = true;
  return absl::OkStatus();
}

}  // namespace purser::addon

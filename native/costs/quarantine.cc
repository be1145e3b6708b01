#include "costs/quarantine.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <set>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/status.h"

namespace purser::costs {
namespace {

namespace fs = std::filesystem;

constexpr size_t kFlushBytes = 64 << 10;
// A file that nobody wrote to for so long is what a process left that died.
constexpr std::chrono::hours kAbandonedAfter{24};

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

// Whether it is named as a delivery's side file, see SideFileName.
bool IsSideFile(absl::string_view name) {
  constexpr size_t kIdCharacters = 26;  // of base::NewId
  if (!absl::ConsumeSuffix(&name, ".csv") || name.size() < kIdCharacters + 2) return false;
  const absl::string_view id = name.substr(name.size() - kIdCharacters);
  return name[name.size() - kIdCharacters - 1] == '-' &&
         std::all_of(id.begin(), id.end(), absl::ascii_isalnum);
}

// Removes files of the folder that nobody wrote to for so long and whose names `is_meant` takes.
void RemoveOld(const std::string& folder, const std::function<bool(const std::string&)>& is_meant) {
  const auto before = fs::file_time_type::clock::now() - kAbandonedAfter;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (!is_meant(at->path().filename().string())) continue;
    std::error_code gone;
    const fs::file_time_type written = at->last_write_time(gone);
    if (!gone && written < before) fs::remove(at->path(), gone);
  }
}

}  // namespace

std::string SideFileName(absl::string_view source, absl::string_view id) {
  return absl::StrCat(source, "-", id, ".csv");
}

Quarantine::~Quarantine() {
  if (fd_ < 0) return;
  close(fd_);
  unlink(absl::StrCat(folder_, "/.", name_, ".new").c_str());
}

absl::Status Quarantine::Open() {
  std::error_code error;
  if (std::filesystem::create_directories(folder_, error)) {
    std::filesystem::permissions(folder_, std::filesystem::perms::owner_all, error);
  }
  if (error) {
    return base::ErrnoStatus(error.value(), absl::StrCat("make quarantine folder ", folder_));
  }
  RemoveOld(folder_, [](const std::string& name) {
    return absl::StartsWith(name, ".") && absl::EndsWith(name, ".new");
  });
  const std::string path = absl::StrCat(folder_, "/.", name_, ".new");
  fd_ = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0) return base::ErrnoStatus(errno, absl::StrCat("open quarantine file ", path));
  pending_ =
      "purser_file,purser_line,purser_row,purser_byte,purser_column,purser_value,purser_reason,"
      "purser_raw\n";
  return absl::OkStatus();
}

absl::Status Quarantine::Add(absl::string_view file, const BadRow& row) {
  if (fd_ < 0) PURSER_RETURN_IF_ERROR(Open());
  absl::StrAppend(&pending_, Quoted(file), ",", row.line, ",", row.row, ",", row.offset, ",",
                  Quoted(row.column), ",", Quoted(row.value), ",", Quoted(row.reason), ",",
                  Quoted(row.raw), "\n");
  return pending_.size() < kFlushBytes ? absl::OkStatus() : Flush();
}

absl::Status Quarantine::Flush() {
  size_t written = 0;
  while (written < pending_.size()) {
    const ssize_t count = write(fd_, pending_.data() + written, pending_.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) {
      return base::ErrnoStatus(errno, absl::StrCat("write quarantine file ", folder_, "/", name_));
    }
    written += static_cast<size_t>(count);
  }
  pending_.clear();
  return absl::OkStatus();
}

absl::StatusOr<std::string> Quarantine::Keep() {
  if (fd_ < 0) return std::string();
  PURSER_RETURN_IF_ERROR(Flush());
  const std::string path = absl::StrCat(folder_, "/", name_);
  if (fsync(fd_) != 0 ||
      rename(absl::StrCat(folder_, "/.", name_, ".new").c_str(), path.c_str()) != 0) {
    return base::ErrnoStatus(errno, absl::StrCat("keep quarantine file ", path));
  }
  close(fd_);
  fd_ = -1;
  // The name must be as durable as the rows that point to it.
  const int folder = open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder < 0 || fsync(folder) != 0) {
    const int error = errno;
    if (folder >= 0) close(folder);
    return base::ErrnoStatus(error, absl::StrCat("sync quarantine folder ", folder_));
  }
  close(folder);
  return path;
}

void RemoveForgotten(const std::string& folder, const std::vector<std::string>& known) {
  std::set<std::string> names;
  for (const std::string& path : known) names.insert(fs::path(path).filename().string());
  RemoveOld(folder,
            [&](const std::string& name) { return IsSideFile(name) && !names.contains(name); });
}

}  // namespace purser::costs

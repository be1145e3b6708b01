#include "base/file_stream.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file_resolve.h"
#include "base/status.h"

namespace purser::base {

bool IsLeftover(absl::string_view name) {
  if (name == kStageName) return true;
  return absl::ConsumePrefix(&name, ".purser-") && absl::ConsumeSuffix(&name, ".tmp") &&
         name.size() == 16 && absl::c_all_of(name, absl::ascii_isxdigit);
}

absl::StatusOr<FileReader> FileReader::Open(const Directory& folder, absl::string_view relative) {
  PURSER_RETURN_IF_ERROR(CheckRelative(relative));
  std::string shown = Shown(folder.path_, relative);
  // O_NONBLOCK: a pipe that someone put there must not hold us.
  PURSER_ASSIGN_OR_RETURN(UniqueFd fd, OpenBeneath(folder.fd_, folder.path_, relative,
                                                   O_RDONLY | O_NONBLOCK | O_NOCTTY));
  struct stat info;
  if (fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, shown);
  if (!S_ISREG(info.st_mode)) {
    return absl::FailedPreconditionError(absl::StrCat(shown, ": not a regular file"));
  }
  return FileReader(fd.Release(), std::move(shown), static_cast<int64_t>(info.st_size));
}

FileReader::~FileReader() {
  if (fd_ >= 0) close(fd_);
}

FileReader::FileReader(FileReader&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), shown_(std::move(other.shown_)), bytes_(other.bytes_) {}

absl::StatusOr<size_t> FileReader::ReadAt(int64_t offset, char* buffer, size_t size) const {
  size_t got = 0;
  while (got < size) {
    const ssize_t more = pread(fd_, buffer + got, size - got, offset + static_cast<int64_t>(got));
    if (more == 0) break;
    if (more < 0 && errno != EINTR) return ErrnoStatus(errno, absl::StrCat("reading ", shown_));
    if (more > 0) got += static_cast<size_t>(more);
  }
  return got;
}

absl::StatusOr<FileWriter> FileWriter::Create(const Directory& folder, absl::string_view relative,
                                              mode_t mode) {
  FileWriter writer;
  writer.shown_ = Shown(folder.path_, relative);
  absl::StatusOr<Leaf> leaf = OpenParent(folder.fd_, folder.path_, relative);
  if (absl::IsNotFound(leaf.status())) {
    PURSER_RETURN_IF_ERROR(folder.MakeAt(relative.substr(0, relative.rfind('/'))).status());
    leaf = OpenParent(folder.fd_, folder.path_, relative);
  }
  PURSER_RETURN_IF_ERROR(leaf.status());
  writer.parent_ = leaf->parent.Release();
  writer.name_ = std::move(leaf->name);
  PURSER_ASSIGN_OR_RETURN(writer.temporary_, MakeTemporary(writer.shown_, [&](const char* name) {
                            writer.fd_ =
                                openat(writer.parent_, name,
                                       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
                            return writer.fd_ >= 0;
                          }));
  return writer;
}

FileWriter::~FileWriter() {
  if (fd_ >= 0) close(fd_);
  if (!temporary_.empty()) unlinkat(parent_, temporary_.c_str(), 0);
  if (parent_ >= 0) close(parent_);
}

FileWriter::FileWriter(FileWriter&& other) noexcept
    : parent_(std::exchange(other.parent_, -1)),
      fd_(std::exchange(other.fd_, -1)),
      temporary_(std::exchange(other.temporary_, {})),
      name_(std::move(other.name_)),
      shown_(std::move(other.shown_)),
      bytes_(other.bytes_) {}

absl::Status FileWriter::Append(absl::string_view bytes) {
  PURSER_RETURN_IF_ERROR(WriteAll(fd_, bytes, shown_));
  bytes_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::Status FileWriter::WriteAt(int64_t offset, absl::string_view bytes) {
  if (offset < 0 || offset + static_cast<int64_t>(bytes.size()) > bytes_) {
    return absl::OutOfRangeError(absl::StrCat("writing ", shown_, ": behind its end"));
  }
  while (!bytes.empty()) {
    const ssize_t put = pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (put < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, absl::StrCat("writing ", shown_));
    }
    bytes.remove_prefix(static_cast<size_t>(put));
    offset += put;
  }
  return absl::OkStatus();
}

absl::Status FileWriter::SetMode(mode_t mode) {
  if (fchmod(fd_, mode) == 0) return absl::OkStatus();
  return ErrnoStatus(errno, absl::StrCat("writing ", shown_));
}

absl::Status FileWriter::Commit() {
  // Some file systems (quota, network) report a full disk only here.
  if (close(std::exchange(fd_, -1)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("writing ", shown_));
  }
  return PutInPlace(parent_, std::exchange(temporary_, {}), name_, shown_);
}

}  // namespace purser::base

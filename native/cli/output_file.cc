#include "cli/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::cli {
namespace {

constexpr size_t kWriteBytes = 1 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<OutputFile>> OutputFile::Open(const std::string& path) {
  std::unique_ptr<OutputFile> output(new OutputFile);
  output->shown_ = path.empty() ? "the standard output" : path;
  struct stat before;
  const bool exists = !path.empty() && stat(path.c_str(), &before) == 0;
  if (path.empty()) {
    output->fd_ = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
  } else if (exists && !S_ISREG(before.st_mode)) {
    output->fd_ = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  } else {
    // A link stays one: what it names is replaced.
    std::error_code error;
    const std::filesystem::path named = std::filesystem::canonical(path, error);
    output->path_ = error ? path : named.string();
    output->temporary_ = absl::StrCat(output->path_, ".", getpid(), ".new");
    output->fd_ = open(output->temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (output->fd_ >= 0 && exists && fchmod(output->fd_, before.st_mode & 0777) != 0) {
      return output->Failed(errno);
    }
  }
  if (output->fd_ < 0) return output->Failed(errno);
  return output;
}

OutputFile::~OutputFile() {
  if (fd_ < 0) return;
  close(fd_);
  if (!path_.empty()) unlink(temporary_.c_str());
}

absl::Status OutputFile::WriteWhenLarge() {
  return text_.size() < kWriteBytes ? absl::OkStatus() : Write();
}

absl::Status OutputFile::Finish() {
  PURSER_RETURN_IF_ERROR(Write());
  const bool closed = close(fd_) == 0;
  fd_ = -1;
  if (closed && (path_.empty() || rename(temporary_.c_str(), path_.c_str()) == 0)) {
    return absl::OkStatus();
  }
  const int error = errno;
  if (!path_.empty()) unlink(temporary_.c_str());
  return Failed(error);
}

absl::Status OutputFile::Write() {
  size_t written = 0;
  while (written < text_.size()) {
    const ssize_t count = write(fd_, text_.data() + written, text_.size() - written);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return Failed(errno);
    written += static_cast<size_t>(count);
  }
  text_.clear();
  return absl::OkStatus();
}

absl::Status OutputFile::Failed(int error) const {
  return base::ErrnoStatus(error, absl::StrCat("write ", shown_));
}

}  // namespace purser::cli

// Files below a folder, piece by piece: for files that must not stand in memory whole.
//
//   PURSER_ASSIGN_OR_RETURN(base::FileWriter file, base::FileWriter::Create(folder, "a/b.zip"));
//   PURSER_RETURN_IF_ERROR(file.Append(bytes));
//   return file.Commit();  // the file appears whole, or not at all
#ifndef PURSER_BASE_FILE_STREAM_H_
#define PURSER_BASE_FILE_STREAM_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace purser::base {

// The folder in a workspace in which actions make ready what then appears at once.
inline constexpr char kStageName[] = ".purser-stage";

// True for names that a killed process left behind: the stage, and files that were not committed.
// They belong into no archive and no commit.
bool IsLeftover(absl::string_view name);

// An open regular file. Const methods may be called from several threads.
class FileReader {
 public:
  // Paths as of Directory.
  static absl::StatusOr<FileReader> Open(const Directory& folder, absl::string_view relative);
  ~FileReader();
  FileReader(FileReader&&) noexcept;

  int64_t bytes() const { return bytes_; }  // when it was opened
  // Fewer than `size` bytes at the end of the file only.
  absl::StatusOr<size_t> ReadAt(int64_t offset, char* buffer, size_t size) const;

 private:
  FileReader(int fd, std::string shown, int64_t bytes)
      : fd_(fd), shown_(std::move(shown)), bytes_(bytes) {}
  int fd_;
  std::string shown_;
  int64_t bytes_;
};

// A file on its way, under a temporary name beside its place. Not committed, it is removed. One
// thread at a time.
class FileWriter {
 public:
  // Makes missing parents. The file gets `mode` less the umask.
  static absl::StatusOr<FileWriter> Create(const Directory& folder, absl::string_view relative,
                                           mode_t mode = 0666);
  ~FileWriter();
  FileWriter(FileWriter&&) noexcept;

  int64_t bytes() const { return bytes_; }
  absl::Status Append(absl::string_view bytes);
  // Over bytes that were appended before.
  absl::Status WriteAt(int64_t offset, absl::string_view bytes);
  // Exactly these permission bits, whatever the umask.
  absl::Status SetMode(mode_t mode);
  // Closes the file and puts it in its place. To be called once, last.
  absl::Status Commit();

 private:
  FileWriter() = default;
  int parent_ = -1;
  int fd_ = -1;
  std::string temporary_;  // "" when there is nothing to remove
  std::string name_;
  std::string shown_;
  int64_t bytes_ = 0;
};

}  // namespace purser::base

#endif  // PURSER_BASE_FILE_STREAM_H_

// What a command writes with --out: a file that appears only when it is whole.
#ifndef PURSER_CLI_OUTPUT_FILE_H_
#define PURSER_CLI_OUTPUT_FILE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace purser::cli {

// A file takes the place of the one before, with its permissions, when Finish is OK; otherwise that
// one stays. What is no file (/dev/stdout, a pipe) is written to as it is. One thread.
class OutputFile {
 public:
  // "" is the standard output.
  static absl::StatusOr<std::unique_ptr<OutputFile>> Open(const std::string& path);
  ~OutputFile();  // removes what is not finished
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // What is not written yet; more may be added.
  std::string& text() { return text_; }
  absl::Status WriteWhenLarge();
  // Writes the rest; call once, last.
  absl::Status Finish();

 private:
  OutputFile() = default;
  absl::Status Write();
  absl::Status Failed(int error) const;

  std::string path_;       // what is replaced; "" when nothing is
  std::string temporary_;  // beside it
  std::string shown_;      // in errors
  int fd_ = -1;
  std::string text_;
};

}  // namespace purser::cli

#endif  // PURSER_CLI_OUTPUT_FILE_H_

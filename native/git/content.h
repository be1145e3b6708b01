// The content of one file, given out piece by piece: a large file never stands in memory whole, and
// between two pieces there is time to look whether the work was stopped.
//
//   while (true) {
//     PURSER_ASSIGN_OR_RETURN(const absl::string_view piece, content.Next());
//     if (piece.empty()) break;
//   }
#ifndef PURSER_GIT_CONTENT_H_
#define PURSER_GIT_CONTENT_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/object_id.h"

namespace purser::git {

// One thread at a time.
class Content {
 public:
  // What is read, hashed and compressed between two looks at a stop token.
  static constexpr size_t kPieceBytes = 256 << 10;

  // Fewer than `size` bytes at the end only; as base::FileReader::ReadAt.
  using ReadAt = std::function<absl::StatusOr<size_t>(int64_t offset, char* buffer, size_t size)>;

  explicit Content(std::string bytes);
  Content(int64_t size, ReadAt read);

  // Of all of it, as it was when it was opened.
  int64_t size() const { return size_; }
  // The next piece, at most kPieceBytes; empty behind the end. It holds until the next call.
  // FAILED_PRECONDITION when a file ends before its size.
  absl::StatusOr<absl::string_view> Next();

 private:
  ReadAt read_;
  std::string bytes_;  // the piece that was read, or all there is
  int64_t size_ = 0;
  int64_t at_ = 0;
};

// The name of the blob that holds all of `content`, which is read to its end and appended to `copy`
// unless that is null. CANCELLED at the piece behind a stop.
absl::StatusOr<ObjectId> NameBlob(Content& content, const std::stop_token& stop,
                                  std::string* copy = nullptr);

}  // namespace purser::git

#endif  // PURSER_GIT_CONTENT_H_

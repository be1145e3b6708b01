#include "git/content.h"

#include <algorithm>
#include <utility>

#include "base/hash.h"
#include "base/status.h"
#include "git/object.h"

namespace purser::git {

Content::Content(std::string bytes)
    : bytes_(std::move(bytes)), size_(static_cast<int64_t>(bytes_.size())) {}

Content::Content(int64_t size, ReadAt read) : read_(std::move(read)), size_(size) {}

absl::StatusOr<absl::string_view> Content::Next() {
  const size_t wanted = std::min(kPieceBytes, static_cast<size_t>(size_ - at_));
  const int64_t from = at_;
  at_ += static_cast<int64_t>(wanted);
  if (wanted == 0) return absl::string_view();
  if (!read_) {
    return absl::string_view(bytes_).substr(static_cast<size_t>(from), wanted);
  }
  bytes_.resize(wanted);
  PURSER_ASSIGN_OR_RETURN(const size_t got, read_(from, bytes_.data(), wanted));
  if (got < wanted) return absl::FailedPreconditionError("became shorter while it was read");
  return absl::string_view(bytes_);
}

absl::StatusOr<ObjectId> NameBlob(Content& content, const std::stop_token& stop,
                                  std::string* copy) {
  ObjectHasher hasher(ObjectType::kBlob, content.size());
  if (copy != nullptr) copy->reserve(copy->size() + static_cast<size_t>(content.size()));
  while (true) {
    if (stop.stop_requested()) return absl::CancelledError("reading the files was stopped");
    PURSER_ASSIGN_OR_RETURN(const absl::string_view piece, content.Next());
    if (piece.empty()) return hasher.Finish();
    hasher.Update(piece);
    if (copy != nullptr) copy->append(piece.data(), piece.size());
  }
}

}  // namespace purser::git

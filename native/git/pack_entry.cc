#include "git/pack_entry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::git {
namespace {

// Type and size: four bits, then seven a byte, low ones first.
void AppendHead(const PackItem& item, std::string& out) {
  auto size = static_cast<uint64_t>(item.size);
  auto byte = static_cast<unsigned char>(static_cast<unsigned>(item.type) << 4 | (size & 15));
  for (size >>= 4; size != 0; size >>= 7) {
    out += static_cast<char>(byte | 0x80);
    byte = static_cast<unsigned char>(size & 0x7F);
  }
  out += static_cast<char>(byte);
}

// It was read once to be named: a pack with another content under that name would be refused by the
// receiver as corrupt, with no word about the file.
absl::Status Changed(const PackItem& item) {
  return absl::FailedPreconditionError(
      absl::StrCat(item.name, " was changed while it was published; publish again"));
}

absl::StatusOr<Content> Opened(PackItem& item) {
  if (!item.open) return Content(std::exchange(item.content, {}));
  PURSER_ASSIGN_OR_RETURN(Content content, item.open());
  if (content.size() != item.size) return Changed(item);
  return content;
}

}  // namespace

absl::StatusOr<std::string> PackEntry(PackItem& item, Deflater& deflater) {
  std::string content = std::exchange(item.content, {});
  if (item.open) {
    PURSER_ASSIGN_OR_RETURN(Content file, Opened(item));
    PURSER_ASSIGN_OR_RETURN(const ObjectId id, NameBlob(file, {}, &content));
    if (id != item.id) return Changed(item);
  }
  std::string out;
  AppendHead(item, out);
  PURSER_RETURN_IF_ERROR(deflater.Append(content, out));
  return out;
}

absl::StatusOr<std::unique_ptr<EntryStream>> EntryStream::Open(PackItem& item, Deflater& deflater) {
  PURSER_ASSIGN_OR_RETURN(Content content, Opened(item));
  return std::unique_ptr<EntryStream>(new EntryStream(item, deflater, std::move(content)));
}

absl::StatusOr<bool> EntryStream::Next(std::string& out) {
  PURSER_ASSIGN_OR_RETURN(const absl::string_view piece, content_.Next());
  if (!stream_.has_value()) {
    stream_.emplace(deflater_.IsNoise(piece));
    AppendHead(item_, out);
  }
  hasher_.Update(piece);
  PURSER_RETURN_IF_ERROR(stream_->Append(piece, out));
  if (!piece.empty()) return true;
  if (hasher_.Finish() != item_.id) return Changed(item_);
  return false;
}

}  // namespace purser::git

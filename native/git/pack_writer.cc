#include "git/pack_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::git {

absl::Status PackWriter::AddItem(PackItem item) {
  if (item.size > limits_.max_object_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a ", TypeName(item.type), " of ", item.size, " bytes is larger than ",
                     limits_.max_object_bytes, " (max_object_bytes)"));
  }
  if (!known_.insert(item.id).second) return absl::OkStatus();
  if (objects() >= limits_.max_objects) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", limits_.max_objects, " objects in one push (max_objects)"));
  }
  items_.push_back(std::move(item));
  return absl::OkStatus();
}

absl::StatusOr<ObjectId> PackWriter::Add(ObjectType type, absl::string_view content) {
  PackItem item;
  item.type = type;
  item.id = HashObject(type, content);
  item.size = static_cast<int64_t>(content.size());
  item.content = std::string(content);
  const ObjectId id = item.id;
  PURSER_RETURN_IF_ERROR(AddItem(std::move(item)));
  return id;
}

std::unique_ptr<PackStream> PackWriter::Stream(std::string head, std::stop_token stop) && {
  return std::make_unique<PackStream>(std::move(head), std::exchange(items_, {}), limits_,
                                      std::move(stop));
}

absl::StatusOr<std::string> PackWriter::Finish(absl::string_view head) && {
  const std::unique_ptr<PackStream> stream = std::move(*this).Stream(std::string(head), {});
  std::string out;
  while (true) {
    PURSER_ASSIGN_OR_RETURN(const std::string piece, stream->Next());
    if (piece.empty()) return out;
    out += piece;
  }
}

}  // namespace purser::git

#include "git/pack_writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"

namespace purser::git {

// Where a new object goes; null when it is known already.
absl::StatusOr<PackItem*> PackWriter::Place(ObjectType type, absl::string_view content,
                                            ObjectId& id) {
  if (static_cast<int64_t>(content.size()) > limits_.max_object_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a ", TypeName(type), " of ", content.size(), " bytes is larger than ",
                     limits_.max_object_bytes, " (max_object_bytes)"));
  }
  id = HashObject(type, content);
  if (!known_.insert(id).second) return nullptr;
  if (objects() >= limits_.max_objects) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", limits_.max_objects, " objects in one push (max_objects)"));
  }
  PackItem& item = items_.emplace_back();
  item.type = type;
  item.id = id;
  item.size = static_cast<int64_t>(content.size());
  return &item;
}

absl::StatusOr<ObjectId> PackWriter::Add(ObjectType type, absl::string_view content) {
  ObjectId id;
  PURSER_ASSIGN_OR_RETURN(PackItem * item, Place(type, content, id));
  if (item == nullptr) return id;
  item->content = std::string(content);
  kept_bytes_ += item->size;
  return id;
}

absl::StatusOr<ObjectId> PackWriter::AddLater(ObjectType type, absl::string_view content,
                                              std::string name,
                                              std::function<absl::StatusOr<std::string>()> load) {
  ObjectId id;
  PURSER_ASSIGN_OR_RETURN(PackItem * item, Place(type, content, id));
  if (item == nullptr) return id;
  item->name = std::move(name);
  item->load = std::move(load);
  return id;
}

std::unique_ptr<PackStream> PackWriter::Stream(std::string head, std::stop_token stop) && {
  kept_bytes_ = 0;
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

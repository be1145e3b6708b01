// One object as it stands in a pack: a head with its type and size, then its compressed content.
#ifndef PURSER_GIT_PACK_ENTRY_H_
#define PURSER_GIT_PACK_ENTRY_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "git/content.h"
#include "git/deflate.h"
#include "git/object.h"
#include "git/pack_writer.h"

namespace purser::git {

// True for objects that are made piece by piece (EntryStream), not in one go (PackEntry).
inline bool IsStreamed(const PackItem& item) { return item.size >= kStreamedBytes; }

// The whole entry; lets go of the item's content. FAILED_PRECONDITION when an item that was opened
// has another content than the one that was named.
absl::StatusOr<std::string> PackEntry(PackItem& item, Deflater& deflater);

// The same of a large object, never whole in memory. One thread at a time.
class EntryStream {
 public:
  // `item` and `deflater`, which only judges whether the content compresses, must outlive it.
  static absl::StatusOr<std::unique_ptr<EntryStream>> Open(PackItem& item, Deflater& deflater);

  // Appends what the next piece (Content::kPieceBytes) becomes. False behind the last one.
  absl::StatusOr<bool> Next(std::string& out);

 private:
  EntryStream(PackItem& item, Deflater& deflater, Content content)
      : item_(item),
        deflater_(deflater),
        content_(std::move(content)),
        hasher_(item.type, item.size) {}

  PackItem& item_;
  Deflater& deflater_;
  Content content_;
  ObjectHasher hasher_;
  std::optional<DeflateStream> stream_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_PACK_ENTRY_H_

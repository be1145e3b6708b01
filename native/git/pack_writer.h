// Writes a pack: the stream of compressed objects that git sends over the wire.
//
// One pack, undeltified, built in memory. For new content deltas save little, and finding them is
// what makes a push slow; thin changes stay small anyway because only new objects are written.
#ifndef PURSER_GIT_PACK_WRITER_H_
#define PURSER_GIT_PACK_WRITER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/object.h"
#include "git/object_id.h"

namespace purser::git {

struct PackWriterLimits {
  int64_t max_object_bytes = 100 << 20;  // the largest file the big hosts take
  int64_t max_pack_bytes = int64_t{1} << 30;
  int64_t max_objects = 2'000'000;
};

// Not thread-safe.
class PackWriter {
 public:
  using Limits = PackWriterLimits;

  explicit PackWriter(const Limits& limits = {});
  ~PackWriter();
  PackWriter(const PackWriter&) = delete;
  PackWriter& operator=(const PackWriter&) = delete;

  // Names the object and compresses it into the pack, unless it is there already or known to the
  // receiver. RESOURCE_EXHAUSTED names the limit that was met.
  absl::StatusOr<ObjectId> Add(ObjectType type, absl::string_view content);

  // Objects the receiver has: Add only names them.
  void MarkKnown(const ObjectId& id) { known_.insert(id); }

  int64_t objects() const { return objects_; }
  int64_t bytes() const { return static_cast<int64_t>(pack_.size()); }

  // `head` followed by the finished pack, in one buffer; the writer is empty afterwards.
  std::string Finish(absl::string_view head) &&;

 private:
  struct Deflater;
  Limits limits_;
  std::unique_ptr<Deflater> deflater_;
  absl::flat_hash_set<ObjectId> known_;
  int64_t objects_ = 0;
  std::string pack_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_PACK_WRITER_H_

// Writes a pack: the stream of compressed objects that git sends over the wire.
//
//   PackWriter writer;
//   PURSER_ASSIGN_OR_RETURN(const ObjectId id, writer.Add(ObjectType::kBlob, "text"));
//   std::unique_ptr<PackStream> pack = std::move(writer).Stream(head, {});
//
// One pack, undeltified: for new content deltas save little, and finding them is what makes a push
// slow; thin changes stay small anyway because only new objects are written. The writer collects
// what the pack will hold; objects are compressed while the pack is sent, two at a time and large
// ones piece by piece, so that neither the pack nor the files stand in memory as a whole.
#ifndef PURSER_GIT_PACK_WRITER_H_
#define PURSER_GIT_PACK_WRITER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/content.h"
#include "git/object.h"
#include "git/object_id.h"
#include "http/transport.h"

namespace purser::git {

struct PackWriterLimits {
  int64_t max_object_bytes = 100 << 20;  // the largest file the big hosts take
  int64_t max_pack_bytes = int64_t{1} << 30;
  int64_t max_objects = 2'000'000;
};

// One object of a pack to be written.
struct PackItem {
  ObjectType type = ObjectType::kBlob;
  ObjectId id;
  std::string name;  // for errors: where a loaded content comes from
  int64_t size = 0;
  std::string content;                            // when `open` is empty
  std::function<absl::StatusOr<Content>()> open;  // gives the content, from any thread
};

// The bytes of a pack as they are made. Ends its helper thread when it goes away.
class PackStream final : public http::BodySource {
 public:
  // `head` comes before the pack.
  PackStream(std::string head, std::vector<PackItem> items, const PackWriterLimits& limits,
             std::stop_token stop);
  ~PackStream() override;

  // About kPieceBytes at a time. FAILED_PRECONDITION when an object that was opened is not the one
  // that was named (a file changed meanwhile); RESOURCE_EXHAUSTED names the limit that was met;
  // CANCELLED after a stop, behind the object (or the piece of a large one) that is being made.
  absl::StatusOr<std::string> Next() override;

  // Of the pack so far, without the head.
  int64_t bytes() const;
  // In it so far.
  int64_t objects() const;

  static constexpr size_t kPieceBytes = 256 << 10;
  // Contents under way at once: what the helper may run ahead.
  static constexpr int64_t kWindowBytes = 8 << 20;

 private:
  class State;
  std::unique_ptr<State> state_;
};

// Not thread-safe.
class PackWriter {
 public:
  using Limits = PackWriterLimits;

  explicit PackWriter(const Limits& limits = {}) : limits_(limits) {}
  PackWriter(const PackWriter&) = delete;
  PackWriter& operator=(const PackWriter&) = delete;

  // Names the object and puts it into the pack, unless it is there already or known to the
  // receiver. RESOURCE_EXHAUSTED names the limit that was met.
  absl::StatusOr<ObjectId> Add(ObjectType type, absl::string_view content);
  // The same for an object that is named already.
  absl::Status AddItem(PackItem item);

  // Objects the receiver has: Add only names them.
  void MarkKnown(const ObjectId& id) { known_.insert(id); }

  int64_t objects() const { return static_cast<int64_t>(items_.size()); }

  // `head` followed by the pack; the writer is empty afterwards.
  std::unique_ptr<PackStream> Stream(std::string head, std::stop_token stop) &&;
  // The same as one string.
  absl::StatusOr<std::string> Finish(absl::string_view head) &&;

 private:
  const Limits limits_;
  absl::flat_hash_set<ObjectId> known_;
  std::vector<PackItem> items_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_PACK_WRITER_H_

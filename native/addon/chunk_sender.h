// Hands the changes of one round over to the portal in chunks, and keeps the record of what it
// took.
//
// A few chunks are under way at a time: while the catalog's database writes one, the portal reads
// the next. A crash at any point is repaired by the next round: before a chunk is sent, the state
// file has its entities as perhaps taken; what was taken is recorded with the next chunk, so that
// the disk is waited for once per chunk.
#ifndef PURSER_ADDON_CHUNK_SENDER_H_
#define PURSER_ADDON_CHUNK_SENDER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "addon/caller.h"
#include "addon/state_file.h"
#include "catalog/tracker.h"

namespace purser::addon {

inline constexpr size_t kMaxChunksUnderWay = 4;

// Not thread-safe. An entity must not be given and removed without a Finish in between: which of
// the two was taken would not be known after a crash.
class ChunkSender {
 public:
  // Both outlive it.
  ChunkSender(StateFile& file, Caller& caller) : file_(file), caller_(caller) {}

  // `text` is the entity. Sends when a chunk is full; the status of this and every later call tells
  // of the first chunk that was refused.
  absl::Status Upsert(std::string ref, std::string partition, catalog::Fingerprint hash,
                      std::string text);
  absl::Status Remove(std::string ref);

  // Sends what was gathered, waits for all chunks and records those that were taken.
  absl::Status Finish();
  // The same without sending any more; for rounds that failed.
  absl::Status Settle();

  int64_t sent() const { return sent_; }
  int64_t removed() const { return removed_; }

 private:
  struct Upserted {
    std::string ref;
    std::string partition;
    catalog::Fingerprint hash;
  };
  struct Chunk {
    std::vector<Upserted> upserted;
    std::vector<std::string> removed;
    Caller::Answer answer;
  };

  absl::Status Send();
  absl::Status MakeRoom(size_t more_bytes);
  void AwaitOldest();

  StateFile& file_;
  Caller& caller_;
  Chunk next_;
  std::vector<std::string> texts_;  // of next_.upserted
  size_t bytes_ = 0;
  std::deque<Chunk> under_way_;
  StateLines taken_;  // not recorded yet
  absl::Status failure_;
  int64_t sent_ = 0;
  int64_t removed_ = 0;
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_CHUNK_SENDER_H_

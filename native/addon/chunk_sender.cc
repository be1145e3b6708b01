#include "addon/chunk_sender.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "catalog/delta.h"
#include "json/json.h"

namespace purser::addon {

absl::Status ChunkSender::Upsert(std::string ref, std::string partition, catalog::Fingerprint hash,
                                 std::string text) {
  PURSER_RETURN_IF_ERROR(MakeRoom(text.size()));
  bytes_ += text.size();
  texts_.push_back(std::move(text));
  next_.upserted.push_back({std::move(ref), std::move(partition), hash});
  return absl::OkStatus();
}

absl::Status ChunkSender::Remove(std::string ref) {
  PURSER_RETURN_IF_ERROR(MakeRoom(0));
  next_.removed.push_back(std::move(ref));
  return absl::OkStatus();
}

absl::Status ChunkSender::MakeRoom(size_t more_bytes) {
  PURSER_RETURN_IF_ERROR(failure_);
  const bool full = next_.upserted.size() + next_.removed.size() >=
                    static_cast<size_t>(catalog::kMaxDeltaEntities);
  return full || bytes_ + more_bytes > catalog::kMaxDeltaBytes ? Send() : absl::OkStatus();
}

absl::Status ChunkSender::Send() {
  if (next_.upserted.empty() && next_.removed.empty()) return absl::OkStatus();
  while (under_way_.size() >= kMaxChunksUnderWay) AwaitOldest();
  PURSER_RETURN_IF_ERROR(failure_);
  // Before it is sent: were the process to die before its record, the entities of this chunk would
  // never be removed again, or a change back to what was there before never be seen.
  StateLines lines = std::exchange(taken_, StateLines());
  for (const Upserted& entity : next_.upserted) lines.Entity(entity.ref, entity.partition, {});
  PURSER_RETURN_IF_ERROR(failure_ = file_.Append(lines));
  next_.answer =
      caller_.Chunk(absl::StrCat("[", absl::StrJoin(texts_, ","), "]"), json::Dump(next_.removed));
  under_way_.push_back(std::exchange(next_, Chunk()));
  texts_.clear();
  bytes_ = 0;
  ++sent_;
  return absl::OkStatus();
}

void ChunkSender::AwaitOldest() {
  Chunk chunk = std::move(under_way_.front());
  under_way_.pop_front();
  if (const absl::Status status = chunk.answer(); !status.ok()) {
    if (failure_.ok()) failure_ = status;
    return;
  }
  for (const Upserted& entity : chunk.upserted) {
    taken_.Entity(entity.ref, entity.partition, entity.hash);
  }
  for (const std::string& ref : chunk.removed) taken_.Removed(ref);
  removed_ += static_cast<int64_t>(chunk.removed.size());
}

absl::Status ChunkSender::Finish() {
  if (failure_.ok()) failure_ = Send();
  return Settle();
}

absl::Status ChunkSender::Settle() {
  while (!under_way_.empty()) AwaitOldest();
  const absl::Status recorded = file_.Append(std::exchange(taken_, StateLines()));
  if (failure_.ok()) failure_ = recorded;
  return failure_;
}

}  // namespace purser::addon

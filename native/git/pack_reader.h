// Reads a pack from a server that may be hostile: every count, size and depth is bounded.
#ifndef PURSER_GIT_PACK_READER_H_
#define PURSER_GIT_PACK_READER_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "git/object.h"
#include "git/object_id.h"

namespace purser::git {

using ObjectMap = absl::flat_hash_map<ObjectId, Object>;

struct PackReaderLimits {
  int64_t max_objects = 5'000'000;
  int64_t max_object_bytes = 256 << 20;
  // All inflated bytes, kept or not, and all bytes made by deltas: what a bomb would cost.
  int64_t max_inflated_bytes = int64_t{4} << 30;
  // Bytes held at once.
  int64_t max_kept_bytes = int64_t{1} << 30;
  int max_delta_depth = 4095;  // git's own bound
};

struct PackReaderOptions {
  PackReaderLimits limits;
  // Drops the contents of blobs as they are read. Building a commit needs commits and trees only,
  // and a server without the filter capability sends the rest unasked.
  bool skip_blobs = false;
  // Finds an object outside the pack that a delta builds on (a "thin" pack); may be empty.
  std::function<std::optional<Object>(const ObjectId&)> find_base;
  // Looked at for each object and each piece of one: CANCELLED.
  std::stop_token stop = {};
};

// Version 2 packs with offset and reference deltas. The trailing checksum must match.
// INVALID_ARGUMENT: the bytes are no such pack, with the offset of the fault; RESOURCE_EXHAUSTED
// names the limit that was met.
absl::StatusOr<ObjectMap> ReadPack(absl::string_view pack, const PackReaderOptions& options = {});

// The result of a delta on its base; at most `max_bytes`. INVALID_ARGUMENT when it does not fit the
// base or its own declared sizes.
absl::StatusOr<std::string> ApplyDelta(absl::string_view base, absl::string_view delta,
                                       int64_t max_bytes);

}  // namespace purser::git

#endif  // PURSER_GIT_PACK_READER_H_

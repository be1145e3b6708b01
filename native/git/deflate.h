// Compression as git stores and sends objects (zlib's format): whole contents by libdeflate, which
// at its fastest level takes half the time of zlib's for the same size, and large ones by zlib,
// piece by piece, since libdeflate cannot be stopped.
#ifndef PURSER_GIT_DEFLATE_H_
#define PURSER_GIT_DEFLATE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace purser::git {

// Contents from this size on are read, hashed and compressed in pieces.
inline constexpr int64_t kStreamedBytes = 2 << 20;

// Not thread-safe; one per thread. Content that does not compress (images, archives) is found by a
// sample and stored as it is.
class Deflater {
 public:
  Deflater();
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // Appends the zlib stream of `content`, in one go. RESOURCE_EXHAUSTED when there is no memory.
  absl::Status Append(absl::string_view content, std::string& out);
  // True when a sample from the middle of `content` does not compress.
  bool IsNoise(absl::string_view content);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// One zlib stream, made piece by piece. Not thread-safe.
class DeflateStream {
 public:
  // `store`: the content does not compress and is only framed.
  explicit DeflateStream(bool store);
  ~DeflateStream();
  DeflateStream(const DeflateStream&) = delete;
  DeflateStream& operator=(const DeflateStream&) = delete;

  // Appends what becomes of `piece`; an empty one ends the stream. RESOURCE_EXHAUSTED when there is
  // no memory.
  absl::Status Append(absl::string_view piece, std::string& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_DEFLATE_H_

// Compression of whole objects as git stores and sends them (zlib's format), by libdeflate: at its
// fastest level it takes half the time of zlib's for the same size. It cannot be stopped, so large
// ones are compressed by zlib, piece by piece.
#ifndef PURSER_GIT_DEFLATE_H_
#define PURSER_GIT_DEFLATE_H_

#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace purser::git {

// Not thread-safe; one per thread. Content that does not compress (images, archives) is found by a
// sample and stored as it is.
class Deflater {
 public:
  Deflater();
  ~Deflater();
  Deflater(const Deflater&) = delete;
  Deflater& operator=(const Deflater&) = delete;

  // Appends the zlib stream of `content`. RESOURCE_EXHAUSTED when there is no memory, CANCELLED
  // soon after a stop, however large the content is.
  absl::Status Append(absl::string_view content, std::string& out,
                      const std::stop_token& stop = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace purser::git

#endif  // PURSER_GIT_DEFLATE_H_

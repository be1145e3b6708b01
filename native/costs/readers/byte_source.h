// A billing file as a stream of bytes: plain or gzip (told by its first bytes), hashed as it
// passes.
#ifndef PURSER_COSTS_READERS_BYTE_SOURCE_H_
#define PURSER_COSTS_READERS_BYTE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/hash.h"
#include "costs/readers/inflater.h"

namespace purser::costs {

// Real exports shrink 5 to 20 times; a file that grows more than this is made to fill memory or
// time. Looked at once kFreeInflatedBytes are out, since short repetitive files are harmless.
inline constexpr int64_t kMaxInflateRatio = 200;
inline constexpr int64_t kFreeInflatedBytes = 64 << 20;
inline constexpr int64_t kMaxInflatedBytes = int64_t{1} << 40;

// The SHA-256 of the SHA-256s of a content's pieces: pieces can be hashed by several threads. One
// thread.
class PieceHasher {
 public:
  explicit PieceHasher(size_t piece_bytes) : piece_bytes_(piece_bytes) {}
  void Update(absl::string_view bytes);
  std::string Finish();  // the raw digest

 private:
  const size_t piece_bytes_;
  size_t in_piece_ = 0;
  base::Hasher piece_{base::HashKind::kSha256};
  base::Hasher all_{base::HashKind::kSha256};
};

// One thread.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Fills up to `size` bytes; 0 is the end. After an error the source is of no more use.
  virtual absl::StatusOr<size_t> Read(char* buffer, size_t size) = 0;
};

// Bytes in memory.
class StringSource final : public ByteSource {
 public:
  explicit StringSource(absl::string_view bytes) : rest_(bytes) {}
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override;

 private:
  absl::string_view rest_;
};

// An open file. `hasher` (when given) sees every byte as stored.
class FileSource final : public ByteSource {
 public:
  // NOT_FOUND and the like name the path; only regular files.
  static absl::StatusOr<std::unique_ptr<FileSource>> Open(const std::string& path,
                                                          PieceHasher* hasher);
  ~FileSource() override;
  absl::StatusOr<size_t> Read(char* buffer, size_t size) override;

  int64_t bytes_read() const { return bytes_read_; }
  int64_t total_bytes() const { return total_bytes_; }

 private:
  FileSource(int fd, std::string path, int64_t total_bytes, PieceHasher* hasher)
      : fd_(fd), path_(std::move(path)), total_bytes_(total_bytes), hasher_(hasher) {}
  int fd_;
  std::string path_;
  int64_t total_bytes_;
  int64_t bytes_read_ = 0;
  PieceHasher* hasher_;
};

// What `inner` (which must outlive it) holds: its bytes, or what they unpack to when they begin as
// gzip does (several members in a row are one stream). A cut or damaged stream, a bad check sum,
// bytes behind the end and a bomb are INVALID_ARGUMENT, the limits RESOURCE_EXHAUSTED.
absl::StatusOr<std::unique_ptr<ByteSource>> Unpacked(ByteSource& inner, absl::string_view name,
                                                     InflateMethod method = InflateMethod::kBest);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_BYTE_SOURCE_H_

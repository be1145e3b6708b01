// What archives are made of, and what is let out of one. Contents go by in pieces; no file and no
// archive stands in memory.
#ifndef PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ENTRIES_H_
#define PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ENTRIES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::actions {

inline constexpr int64_t kMaxArchiveBytes = int64_t{4} << 30;   // of an archive
inline constexpr int64_t kMaxEntryBytes = int64_t{4} << 30;     // of a file in it
inline constexpr int64_t kMaxUnpackedBytes = int64_t{8} << 30;  // of all files in it
inline constexpr int64_t kMaxUnpackedRatio = 100;               // to the archive's bytes,
inline constexpr int64_t kUnpackedBytesForFree = 16 << 20;      // beyond these
inline constexpr int kMaxArchiveEntries = 200'000;
inline constexpr int64_t kMaxZipDirectoryBytes = 64 << 20;
inline constexpr size_t kMaxLinkBytes = 4'096;
// Contents are read and written in pieces of at most these.
inline constexpr size_t kPieceBytes = 256 << 10;

enum class EntryKind : uint8_t { kFile, kFolder, kLink };

struct Entry {
  std::string path;  // '/' between parts, none at the end
  EntryKind kind = EntryKind::kFile;
  bool executable = false;
  std::string target;  // of a link
  int64_t bytes = 0;   // of a file
};

// Bytes that can be read anywhere: an archive, or a file to pack.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  virtual int64_t bytes() const = 0;
  // Fewer than `size` at the end only.
  virtual absl::StatusOr<size_t> ReadAt(int64_t offset, char* buffer, size_t size) const = 0;
};

// Where an archive is written.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual int64_t bytes() const = 0;
  virtual absl::Status Append(absl::string_view bytes) = 0;
  // Over bytes that were appended before.
  virtual absl::Status WriteAt(int64_t offset, absl::string_view bytes) = 0;
};

// Both in memory.
class TextBytes final : public ByteSource, public ByteSink {
 public:
  explicit TextBytes(std::string text = "") : text_(std::move(text)) {}
  const std::string& text() const { return text_; }
  int64_t bytes() const override { return static_cast<int64_t>(text_.size()); }
  absl::StatusOr<size_t> ReadAt(int64_t offset, char* buffer, size_t size) const override;
  absl::Status Append(absl::string_view bytes) override;
  absl::Status WriteAt(int64_t offset, absl::string_view bytes) override;

 private:
  std::string text_;
};

// Called after each piece and each entry, with the bytes of contents that went by; an error of it
// (CANCELLED) ends the work.
using Step = std::function<absl::Status(int64_t bytes)>;

// What the entries of an archive are given to, in the archive's order.
class EntrySink {
 public:
  virtual ~EntrySink() = default;
  virtual absl::Status Begin(const Entry& entry) = 0;
  // Of the file that was begun.
  virtual absl::Status Content(absl::string_view piece) = 0;
  // The file that was begun is whole, and its checksum right.
  virtual absl::Status End() = 0;
};

// Judges the entries of one archive in their order. Refuses paths that lead out or into .git, names
// that are there twice or are a folder and a file, links that lead out, and bombs.
class EntryGuard {
 public:
  explicit EntryGuard(int64_t archive_bytes) : archive_bytes_(archive_bytes) {}

  // Makes the path plain ("./a//b/" → "a/b"). "" for the root itself.
  absl::Status Admit(Entry& entry);
  // Called before `bytes` of a file are unpacked.
  absl::Status Count(absl::string_view path, int64_t bytes);

 private:
  const int64_t archive_bytes_;
  int64_t bytes_ = 0;
  int entries_ = 0;
  absl::flat_hash_map<std::string, EntryKind> seen_;
};

// Reads the whole archive. Zip64 too.
absl::Status ReadZip(const ByteSource& archive, EntrySink& sink, const Step& step);
// Plain or compressed by gzip.
absl::Status ReadTar(const ByteSource& archive, EntrySink& sink, const Step& step);

// Equal entries in equal order give equal bytes: times, owners and system are fixed.
class ArchiveWriter {
 public:
  virtual ~ArchiveWriter() = default;
  // `content` (of a file) must have the bytes the entry says: FAILED_PRECONDITION otherwise.
  virtual absl::Status Add(const Entry& entry, const ByteSource* content) = 0;
  virtual absl::Status Finish() = 0;
};
std::unique_ptr<ArchiveWriter> NewZipWriter(ByteSink& sink, Step step);
std::unique_ptr<ArchiveWriter> NewTarWriter(ByteSink& sink, bool compressed, Step step);

// For writers: the next piece of a content at `offset`, of at most `limit` bytes.
absl::Status ReadPiece(const Entry& entry, const ByteSource& content, int64_t offset,
                       std::string* piece, size_t limit = kPieceBytes);
// For writers: RESOURCE_EXHAUSTED beyond kMaxArchiveBytes or kMaxArchiveEntries.
absl::Status CheckArchive(int64_t bytes, int64_t entries);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ENTRIES_H_

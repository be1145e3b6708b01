// What archives are made of, and what is let out of one.
#ifndef PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ENTRIES_H_
#define PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ENTRIES_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::actions {

inline constexpr int64_t kMaxArchiveBytes = 256 << 20;      // of an archive
inline constexpr int64_t kMaxEntryBytes = 128 << 20;        // of a file in it
inline constexpr int64_t kMaxUnpackedBytes = 1 << 30;       // of all files in it
inline constexpr int64_t kMaxUnpackedRatio = 100;           // to the archive's bytes,
inline constexpr int64_t kUnpackedBytesForFree = 16 << 20;  // beyond these
inline constexpr int kMaxArchiveEntries = 50'000;

enum class EntryKind : uint8_t { kFile, kFolder, kLink };

struct Entry {
  std::string path;  // '/' between parts, none at the end
  EntryKind kind = EntryKind::kFile;
  bool executable = false;
  std::string content;  // of a file; the target of a link
};

using EntrySink = std::function<absl::Status(Entry entry)>;

// Judges the entries of one archive in their order. Refuses paths that lead out or into .git, names
// that are there twice or are a folder and a file, links that lead out, and bombs.
class EntryGuard {
 public:
  explicit EntryGuard(int64_t archive_bytes) : archive_bytes_(archive_bytes) {}

  // Makes the path plain ("./a//b/" → "a/b"). "" for the root itself.
  absl::Status Admit(Entry& entry);
  // Called before `bytes` of a file are unpacked or while they are.
  absl::Status Count(absl::string_view path, int64_t bytes);

 private:
  const int64_t archive_bytes_;
  int64_t bytes_ = 0;
  int entries_ = 0;
  absl::flat_hash_map<std::string, EntryKind> seen_;
};

// Reads the whole archive; entries are given to `sink` in the archive's order.
absl::Status ReadZip(absl::string_view archive, const EntrySink& sink, std::stop_token stop);
// Plain or compressed by gzip.
absl::Status ReadTar(absl::string_view archive, const EntrySink& sink, std::stop_token stop);

// Equal entries in equal order give equal bytes: times, owners and system are fixed.
class ArchiveWriter {
 public:
  virtual ~ArchiveWriter() = default;
  virtual absl::Status Add(const Entry& entry) = 0;
  virtual absl::StatusOr<std::string> Finish() = 0;
};
std::unique_ptr<ArchiveWriter> NewZipWriter();
std::unique_ptr<ArchiveWriter> NewTarWriter(bool compressed);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ENTRIES_H_

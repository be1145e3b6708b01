// What the portal's catalog is believed to hold of one provider instance, and what its source is to
// remember: a file that grows by what changes, so that a round without a change writes nothing.
//
// Format, text: first line "purser-provider-state 2", then one line per change, later ones win:
//   "e <content hash> <entity ref> <partition, a JSON string>"  the catalog has the entity; "-" as
//                       hash: given to the catalog, but not known to be taken
//   "h <entity ref>"    gone from the source, kept by the guard
//   "r <entity ref>"    removed
//   "m <key, a JSON string> <value, a JSON string>"  remembered; "" forgets
// A last line without its end was torn by a crash and counts for nothing. When most lines are of
// the past, the file is written anew.
#ifndef PURSER_ADDON_STATE_FILE_H_
#define PURSER_ADDON_STATE_FILE_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "catalog/tracker.h"

namespace purser::addon {

inline constexpr int64_t kMaxStateFileBytes = 512 << 20;

// Lines to append.
class StateLines {
 public:
  void Entity(absl::string_view ref, absl::string_view partition, catalog::Fingerprint hash);
  void Held(absl::string_view ref);
  void Removed(absl::string_view ref);
  void Memory(absl::string_view key, absl::string_view value);
  bool empty() const { return text_.empty(); }
  int64_t count() const { return count_; }

 private:
  friend class StateFile;
  std::string text_;
  int64_t count_ = 0;
};

// Not thread-safe.
class StateFile {
 public:
  // `path` is absolute; missing folders above it are made, for the owner only.
  static absl::StatusOr<StateFile> Open(absl::string_view path);

  // Into an empty tracker and memory; nothing when the file is not there. DATA_LOSS when it cannot
  // be read as a state. True when there was one.
  absl::StatusOr<bool> Read(catalog::Tracker& tracker, std::map<std::string, std::string>& memory);
  // On the disk when it returns OK.
  absl::Status Append(const StateLines& lines);
  // Replaces the file by these lines: whole or not at all.
  absl::Status Replace(const StateLines& lines);
  // Whether most lines are of the past when `live` would do.
  bool IsWasteful(int64_t live) const { return lines_ > 2 * live + 10'000; }

 private:
  StateFile(base::Directory folder, std::string name)
      : folder_(std::move(folder)), name_(std::move(name)) {}
  base::Directory folder_;
  std::string name_;
  int64_t lines_ = 0;
  bool exists_ = false;
  int64_t bytes_ = 0;  // of whole lines
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_STATE_FILE_H_

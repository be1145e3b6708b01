// What the portal's catalog is believed to hold of one provider instance, kept in a file.
//
// Format, text: first line "purser-provider-state 1", then one line "<content hash> <entity ref>"
// for each entity ("-" as hash: given to the catalog, but not known to be taken), last line "end
// <number of entities>". A file without its last line is a torn one.
#ifndef PURSER_ADDON_STATE_FILE_H_
#define PURSER_ADDON_STATE_FILE_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"
#include "catalog/diff.h"

namespace purser::addon {

inline constexpr int64_t kMaxStateFileBytes = 512 << 20;

// Hash of an entity that was handed over without an answer. Differs from every content hash, so
// that the next round sends the entity again — or removes it, if it has gone meanwhile.
inline constexpr char kUnconfirmedHash[] = "-";

struct ProviderState {
  catalog::State hashes;  // ref → content hash
  // ref → annotation backstage.io/managed-by-location, for those that have one.
  std::map<std::string, std::string, std::less<>> locations;
};

// Not thread-safe.
class StateFile {
 public:
  // `path` is absolute; missing folders above it are made, for the owner only.
  static absl::StatusOr<StateFile> Open(absl::string_view path);

  // Empty when the file is not there. DATA_LOSS when it cannot be read as a state.
  absl::StatusOr<ProviderState> Read() const;
  // Whole or not at all, and on the disk when it returns OK.
  absl::Status Write(const ProviderState& state) const;

 private:
  StateFile(base::Directory folder, std::string name)
      : folder_(std::move(folder)), name_(std::move(name)) {}
  base::Directory folder_;
  std::string name_;
};

}  // namespace purser::addon

#endif  // PURSER_ADDON_STATE_FILE_H_

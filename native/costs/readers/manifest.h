// Deliveries as clouds make them: a folder of data files, and a manifest that is written last and
// says which files belong together. A delivery without its manifest, or whose files are not all
// there, is not delivered yet; it is never an empty month.
#ifndef PURSER_COSTS_READERS_MANIFEST_H_
#define PURSER_COSTS_READERS_MANIFEST_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace purser::costs {

inline constexpr int64_t kMaxManifestBytes = 16 << 20;
inline constexpr size_t kMaxManifestFiles = 10'000;

struct DeliveredFiles {
  std::string manifest;            // its path
  std::vector<std::string> paths;  // of the data files, in the manifest's order
  std::optional<int64_t> rows;     // of all files, where the manifest counts them (Azure)
};

struct ManifestFiles {
  std::vector<std::string> names;  // as the manifest says them: keys, paths or URLs
  std::optional<int64_t> rows;
};
// INVALID_ARGUMENT: it is no manifest of AWS or Azure. `where` is for errors.
absl::StatusOr<ManifestFiles> ParseManifest(absl::string_view text, const std::string& where);

// What was delivered into `folder`, by the manifest in it (*Manifest.json, manifest.json); for a
// folder …/data/PARTITION as AWS Data Exports has it, by the one in …/metadata/PARTITION. Of the
// names in a manifest the last part counts: data files stand in the folder itself.
// FAILED_PRECONDITION: not delivered yet, saying what is missing. INVALID_ARGUMENT: the manifest is
// none, or there are several.
absl::StatusOr<DeliveredFiles> ReadDelivered(const std::string& folder);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_MANIFEST_H_

#include "costs/readers/manifest.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "costs/readers/byte_source.h"
#include "json/json.h"

namespace purser::costs {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> ManifestsIn(const fs::path& folder) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = absl::AsciiStrToLower(at->path().filename().string());
    if (absl::EndsWith(name, "manifest.json")) found.push_back(at->path().string());
  }
  return found;
}

absl::StatusOr<std::string> ReadAll(const std::string& path) {
  PURSER_ASSIGN_OR_RETURN(const std::unique_ptr<FileSource> file, FileSource::Open(path, nullptr));
  if (file->total_bytes() > kMaxManifestBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        path, ": a manifest has more than ", kMaxManifestBytes, " bytes (kMaxManifestBytes)"));
  }
  std::string text(static_cast<size_t>(file->total_bytes()), '\0');
  size_t have = 0;
  while (have < text.size()) {
    PURSER_ASSIGN_OR_RETURN(const size_t count, file->Read(text.data() + have, text.size() - have));
    if (count == 0) break;
    have += count;
  }
  text.resize(have);
  return text;
}

// The files of a manifest: of AWS's reports and exports a list of keys, of Azure's one of blobs.
absl::StatusOr<ManifestFiles> FilesOf(const nlohmann::json& manifest, const std::string& where) {
  ManifestFiles files;
  std::vector<std::string>& names = files.names;
  for (const char* const list : {"reportKeys", "dataFiles", "files"}) {
    const auto found = manifest.find(list);
    if (found == manifest.end() || !found->is_array()) continue;
    for (const nlohmann::json& key : *found) {
      if (key.is_string()) names.push_back(key.get<std::string>());
    }
  }
  const auto blobs = manifest.find("blobs");
  if (blobs != manifest.end() && blobs->is_array()) {
    for (const nlohmann::json& blob : *blobs) {
      const auto name = blob.find("blobName");
      if (name != blob.end() && name->is_string()) names.push_back(name->get<std::string>());
    }
    const auto rows = manifest.find("dataRowCount");
    if (rows != manifest.end() && rows->is_number_integer()) {
      files.rows = rows->get<int64_t>();
    }
    const auto count = manifest.find("blobCount");
    if (count != manifest.end() && count->is_number_integer() &&
        count->get<int64_t>() != static_cast<int64_t>(names.size())) {
      return absl::InvalidArgumentError(absl::StrCat(where, ": it names ", names.size(),
                                                     " blobs and counts ", count->get<int64_t>()));
    }
  }
  if (names.size() > kMaxManifestFiles) {
    return absl::ResourceExhaustedError(absl::StrCat(
        where, ": it names more than ", kMaxManifestFiles, " files (kMaxManifestFiles)"));
  }
  if (names.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(where,
                     ": it names no files; manifests of AWS (reportKeys, dataFiles) and Azure "
                     "(blobs) are known"));
  }
  return files;
}

}  // namespace

absl::StatusOr<ManifestFiles> ParseManifest(absl::string_view text, const std::string& where) {
  const absl::StatusOr<nlohmann::json> manifest = json::Parse(text, {.max_depth = 16});
  if (!manifest.ok()) return base::Annotate(manifest.status(), where);
  return FilesOf(*manifest, where);
}

absl::StatusOr<DeliveredFiles> ReadDelivered(const std::string& folder) {
  const fs::path at = fs::path(folder).lexically_normal();
  std::error_code error;
  if (!fs::is_directory(at, error)) {
    return absl::NotFoundError(absl::StrCat("folder of deliveries ", folder, " is not there"));
  }
  std::vector<std::string> manifests = ManifestsIn(at);
  const fs::path own = at.has_filename() ? at : at.parent_path();
  if (manifests.empty() && own.parent_path().filename() == "data") {
    manifests = ManifestsIn(own.parent_path().parent_path() / "metadata" / own.filename());
  }
  if (manifests.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        folder,
        ": not delivered yet: there is no manifest, which comes last; files without one "
        "are read by their own names"));
  }
  if (manifests.size() > 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        folder, ": there is more than one manifest: ", manifests[0], ", ", manifests[1]));
  }
  DeliveredFiles delivered;
  delivered.manifest = manifests[0];
  PURSER_ASSIGN_OR_RETURN(const std::string text, ReadAll(delivered.manifest));
  PURSER_ASSIGN_OR_RETURN(const ManifestFiles files, ParseManifest(text, delivered.manifest));
  delivered.rows = files.rows;
  std::vector<std::string> missing;
  std::set<std::string> seen;
  for (const std::string& name : files.names) {
    // A name that leads elsewhere has no last part that is a file's.
    const std::string last = name.substr(name.rfind('/') + 1);
    if (last.empty() || last == "." || last == "..") {
      return absl::InvalidArgumentError(absl::StrCat(
          delivered.manifest, ": ", base::EscapeForDisplay(name, 200), " is no name of a file"));
    }
    if (!seen.insert(last).second) {
      return absl::InvalidArgumentError(absl::StrCat(
          delivered.manifest, ": two of its files are called ", base::EscapeForDisplay(last, 200)));
    }
    const fs::path path = at / last;
    if (fs::is_regular_file(path, error)) {
      delivered.paths.push_back(path.string());
    } else {
      missing.push_back(base::EscapeForDisplay(last, 200));
    }
  }
  if (!missing.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(folder, ": not delivered yet: ", missing.size(), " of ", files.names.size(),
                     " files of the manifest are missing, the first is ", missing[0]));
  }
  return delivered;
}

}  // namespace purser::costs

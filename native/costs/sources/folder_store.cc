// A folder of this machine as a store of deliveries.
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "costs/sources/object_store.h"

namespace purser::costs {
namespace {

namespace fs = std::filesystem;

class Folder final : public ObjectStore {
 public:
  explicit Folder(std::string path) : path_(std::move(path)) {}

  absl::StatusOr<std::vector<ObjectInfo>> List(std::stop_token stop) override {
    PURSER_ASSIGN_OR_RETURN(const base::Directory directory, base::Directory::Open(path_));
    base::ListLimits limits;
    limits.max_entries = kMaxObjects;
    limits.stop = stop;
    PURSER_ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> entries,
                            directory.List(limits));
    std::vector<ObjectInfo> objects;
    for (const base::DirectoryEntry& entry : entries) {
      if (entry.kind != base::FileKind::kFile) continue;
      objects.push_back(
          {.key = entry.path,
           .size = entry.bytes,
           .etag = absl::StrCat(entry.bytes, "-", entry.modified_nanos, "-", entry.inode),
           .modified = absl::FromUnixNanos(entry.modified_nanos)});
    }
    std::sort(objects.begin(), objects.end(),
              [](const ObjectInfo& a, const ObjectInfo& b) { return a.key < b.key; });
    return objects;
  }

  absl::Status Fetch(const ObjectInfo& object, const std::string& path, std::stop_token) override {
    const fs::path file = fs::absolute(fs::path(path_) / object.key);
    PURSER_ASSIGN_OR_RETURN(const base::Directory directory, base::Directory::Open(path_));
    PURSER_ASSIGN_OR_RETURN(const base::DirectoryEntry entry, directory.Stat(object.key));
    if (absl::StrCat(entry.bytes, "-", entry.modified_nanos, "-", entry.inode) != object.etag) {
      return absl::AbortedError(
          absl::StrCat(object.key, " changed while it was read: it is read again later"));
    }
    std::error_code error;
    fs::create_symlink(file, path, error);
    if (error) return absl::InternalError(absl::StrCat(path, ": ", error.message()));
    return absl::OkStatus();
  }

 private:
  const std::string path_;
};

}  // namespace

std::unique_ptr<ObjectStore> OpenFolder(std::string folder) {
  return std::make_unique<Folder>(std::move(folder));
}

}  // namespace purser::costs

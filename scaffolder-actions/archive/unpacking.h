// An archive on its way into the workspace: staged, then moved, and moved back after an error.
#ifndef PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_UNPACKING_H_
#define PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_UNPACKING_H_

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/file_stream.h"
#include "scaffolder-actions/archive/entries.h"

namespace purser::actions {

struct ArchiveCounts {
  int64_t files = 0;  // and links
  int64_t bytes = 0;
};

// One use: Begin, the entries, Move; End always.
class Unpacking final : public EntrySink {
 public:
  // `workspace` must outlive it. `strip` leading folders of each path are left out.
  Unpacking(const base::Directory& workspace, std::string target, int strip, bool replace)
      : workspace_(workspace), target_(std::move(target)), strip_(strip), replace_(replace) {}

  // Takes away what a killed run left.
  absl::Status Begin();
  absl::Status Begin(const Entry& entry) override;
  absl::Status Content(absl::string_view piece) override;
  absl::Status End() override;
  // After the last entry. Files that are there and say the same stay as they are; ALREADY_EXISTS
  // for others, unless they are to be replaced.
  absl::Status Move(std::stop_token stop);
  void Clean() { workspace_.Remove(base::kStageName).IgnoreError(); }
  const ArchiveCounts& counts() const { return counts_; }

 private:
  struct Moved {
    std::string path;
    bool had_old;
  };

  std::string PlaceOf(const std::string& path) const;
  absl::Status CheckLinks(const std::stop_token& stop) const;
  absl::StatusOr<bool> IsSame(const std::string& path, const base::DirectoryEntry& there,
                              const std::stop_token& stop) const;
  absl::Status MoveAll(const std::stop_token& stop);
  absl::Status MoveOne(const std::string& path, const std::stop_token& stop);
  absl::Status MakeParent(const std::string& path) const;

  const base::Directory& workspace_;
  const std::string target_;
  const int strip_;
  const bool replace_;
  std::optional<base::FileWriter> file_;  // the one that was begun
  std::vector<std::string> folders_, paths_, links_;
  std::vector<Moved> moved_;
  ArchiveCounts counts_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_UNPACKING_H_

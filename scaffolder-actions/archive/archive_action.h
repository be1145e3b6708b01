// purser:files:zip, :unzip, :tar and :untar: pack and unpack folders of the workspace.
#ifndef PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ARCHIVE_ACTION_H_
#define PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ARCHIVE_ACTION_H_

#include <string>

#include "action/action.h"
#include "base/file.h"

namespace purser::actions {

enum class ArchiveForm { kZip, kTar };

// Packs a folder: sorted, with fixed times and owners, so that equal files give equal bytes.
class PackAction final : public action::Action {
 public:
  explicit PackAction(ArchiveForm form);
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  absl::Status Pack(action::Context& context, const base::Directory& workspace,
                    const std::string& path) const;

  const ArchiveForm form_;
  const action::Description description_;
};

// Unpacks beside the target first and moves when all of the archive was right.
class UnpackAction final : public action::Action {
 public:
  explicit UnpackAction(ArchiveForm form);
  const action::Description& description() const override { return description_; }
  absl::Status Run(action::Context& context) override;

 private:
  const ArchiveForm form_;
  const action::Description description_;
};

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_ARCHIVE_ACTION_H_

#include "connectors/file_comparison.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::connectors {
namespace {

constexpr size_t kMaxDetailBytes = 1000;

}  // namespace

FileComparison::FileComparison(std::string where) : where_(std::move(where)) {}

void FileComparison::Note(absl::string_view path, FileFound found) {
  ++looked_at_;
  if (found == FileFound::kSame) return;
  if (found == FileFound::kMissing) ++missing_;
  // One more than is shown, so that the cut is seen.
  if (differing_.size() > kMaxDetailBytes) return;
  absl::StrAppend(&differing_, differing_.empty() ? "" : ", ", path,
                  found == FileFound::kMissing ? " (missing)" : "");
}

Comparison FileComparison::Result() const {
  if (differing_.empty()) return Comparison{};
  if (missing_ == looked_at_) {
    return Comparison{Comparison::State::kGone,
                      base::EscapeForDisplay(absl::StrCat(where_, " is gone"), kMaxDetailBytes)};
  }
  return Comparison{
      Comparison::State::kDiffers,
      base::EscapeForDisplay(absl::StrCat(where_, " differs at ", differing_), kMaxDetailBytes)};
}

}  // namespace purser::connectors

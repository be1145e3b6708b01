#include "template/tree_copy.h"

#include <algorithm>
#include <string>

#include "absl/strings/string_view.h"
#include "base/status.h"

namespace purser::tmpl {

absl::Status CopyPieces(const base::FileReader& source, base::FileWriter& target,
                        const std::stop_token& stop) {
  std::string piece(std::min(kCopyPieceBytes, static_cast<size_t>(source.bytes())), '\0');
  for (int64_t at = 0; at < source.bytes();) {
    if (stop.stop_requested()) return absl::CancelledError("copying was cancelled");
    const size_t wanted = std::min(piece.size(), static_cast<size_t>(source.bytes() - at));
    PURSER_ASSIGN_OR_RETURN(const size_t got, source.ReadAt(at, piece.data(), wanted));
    PURSER_RETURN_IF_ERROR(target.Append(absl::string_view(piece).substr(0, got)));
    if (got < wanted) break;
    at += static_cast<int64_t>(got);
  }
  return absl::OkStatus();
}

}  // namespace purser::tmpl

// Copying one file, piece by piece: never whole in memory, and between two pieces there is time to
// look whether the work was stopped.
#ifndef PURSER_TEMPLATE_TREE_COPY_H_
#define PURSER_TEMPLATE_TREE_COPY_H_

#include <cstddef>
#include <stop_token>

#include "absl/status/status.h"
#include "base/file_stream.h"

namespace purser::tmpl {

// What is copied between two looks at a stop token.
inline constexpr size_t kCopyPieceBytes = 256 << 10;

// Appends what `source` held when it was opened; no further, should it grow meanwhile. CANCELLED at
// the piece behind a stop.
absl::Status CopyPieces(const base::FileReader& source, base::FileWriter& target,
                        const std::stop_token& stop);

}  // namespace purser::tmpl

#endif  // PURSER_TEMPLATE_TREE_COPY_H_

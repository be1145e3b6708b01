// The loop over zlib's stream, as the writers of zip and tar.gz both need it.
#ifndef PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_DEFLATE_INTO_H_
#define PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_DEFLATE_INTO_H_

#include <zlib.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "scaffolder-actions/archive/entries.h"

namespace purser::actions {

// Packs `bytes` (below 4 GiB) by a stream that was begun, and appends what comes out to `sink`;
// with `last` the stream is ended. `room` is where zlib writes; it must not be empty.
absl::Status DeflateInto(z_stream& stream, absl::string_view bytes, bool last, std::string& room,
                         ByteSink& sink);

}  // namespace purser::actions

#endif  // PURSER_SCAFFOLDER_ACTIONS_ARCHIVE_DEFLATE_INTO_H_

// A large object over HTTP into a file: several ranges at once, each checked.
#ifndef PURSER_COSTS_SOURCES_RANGED_FETCH_H_
#define PURSER_COSTS_SOURCES_RANGED_FETCH_H_

#include <functional>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "costs/sources/object_store.h"
#include "http/transport.h"

namespace purser::costs {

// `request` makes a signed GET with these headers added; called from several threads. A range that
// comes back short, broken or from another place is asked for again, at most kRangeAttempts times.
// ABORTED when the object's ETag is another one by now.
absl::Status FetchByRanges(
    const ObjectInfo& object, const std::string& path, http::Transport& transport,
    const std::function<absl::StatusOr<http::Request>(http::Headers)>& request,
    std::stop_token stop);

// An answer that is no success, as a status.
absl::Status StatusOfAnswer(const http::Response& response, absl::string_view what);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_RANGED_FETCH_H_

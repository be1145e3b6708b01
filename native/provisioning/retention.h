// Forgetting requests that ended long ago, and what was decided on them.
#ifndef PURSER_PROVISIONING_RETENTION_H_
#define PURSER_PROVISIONING_RETENTION_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "store/store.h"

namespace purser::provisioning {

// Removes at most `limit` requests that ended before `before` (microseconds since 1970), with their
// runs, and returns how many. What is referred to stays: the first and the current request of a
// holding that is there, requests that left something outside, those that recorded resources. A
// holding that is gone goes with the last of its requests. Keys of what is forgotten are free
// again.
absl::StatusOr<int64_t> ForgetRequests(store::Connection& connection, int64_t before,
                                       int64_t limit);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_RETENTION_H_

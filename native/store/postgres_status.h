// What the errors of a PostgreSQL server mean to its callers.
#ifndef PURSER_STORE_POSTGRES_STATUS_H_
#define PURSER_STORE_POSTGRES_STATUS_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace purser::store {

// Marks a failure after which the same transaction may be tried again: the server asked for it, or
// the connection was lost before a commit was sent.
void MarkTryAgain(absl::Status& status);
bool IsTryAgain(const absl::Status& status);

// The status of an error of the server, by its SQLSTATE.
absl::Status PostgresStatus(absl::string_view sqlstate, absl::string_view text);

}  // namespace purser::store

#endif  // PURSER_STORE_POSTGRES_STATUS_H_

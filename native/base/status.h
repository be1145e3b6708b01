// Status helpers: the macros and small functions every folder uses to pass errors upwards.
//
// Errors are values here (absl::Status); no exception crosses a folder's public header. The code of
// a status tells the caller what it can do:
//   INVALID_ARGUMENT fix the input · FAILED_PRECONDITION change state first · ABORTED retry the
//   step · UNAVAILABLE retry the call · ALREADY_EXISTS fine for an idempotent create.
//
//   absl::StatusOr<Config> Load(absl::string_view path) {
//     PURSER_ASSIGN_OR_RETURN(std::string text, ReadFile(path));
//     PURSER_RETURN_IF_ERROR(Check(text));
//     ...
//   }
#ifndef PURSER_BASE_STATUS_H_
#define PURSER_BASE_STATUS_H_

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#define PURSER_STATUS_CONCAT_INNER_(a, b) a##b
#define PURSER_STATUS_CONCAT_(a, b) PURSER_STATUS_CONCAT_INNER_(a, b)

// Returns from the enclosing function when `expr` (an absl::Status) is not OK.
#define PURSER_RETURN_IF_ERROR(expr)                                                       \
  do {                                                                                     \
    if (absl::Status purser_status_ = (expr); !purser_status_.ok()) return purser_status_; \
  } while (false)

// Evaluates `expr` (an absl::StatusOr); returns its status when not OK, else assigns the value.
#define PURSER_ASSIGN_OR_RETURN(lhs, expr) \
  PURSER_ASSIGN_OR_RETURN_IMPL_(PURSER_STATUS_CONCAT_(purser_statusor_, __LINE__), lhs, expr)
#define PURSER_ASSIGN_OR_RETURN_IMPL_(statusor, lhs, expr) \
  auto statusor = (expr);                                  \
  if (!statusor.ok()) return std::move(statusor).status(); \
  lhs = *std::move(statusor)

namespace purser::base {

// Prefixes the message: "<context>: <message>". Keeps code and payloads; OK stays OK.
absl::Status Annotate(const absl::Status& status, absl::string_view context);

// A status for a failed system call: maps errno to a code (ENOENT → NOT_FOUND, ENOSPC/EDQUOT →
// RESOURCE_EXHAUSTED, EACCES/EPERM → PERMISSION_DENIED, …) and says "<what>: <strerror>".
absl::Status ErrnoStatus(int error_number, absl::string_view what);

// How long the other side asked us to wait before a repeat (HTTP Retry-After and the like).
// Carried as a payload so that it survives annotation. Milliseconds, 0..86'400'000.
void SetRetryAfterMillis(absl::Status& status, int64_t milliseconds);
std::optional<int64_t> RetryAfterMillis(const absl::Status& status);

// Marks a failure whose effect is unknown: the call may or may not have happened. Workers must then
// probe (class `probe`) or stop for an operator (class `unsafe`), never repeat blindly.
void SetOutcomeUnknown(absl::Status& status);
bool IsOutcomeUnknown(const absl::Status& status);

// The name of a code as gRPC spells it, e.g. "INVALID_ARGUMENT".
absl::string_view CodeName(absl::StatusCode code);

}  // namespace purser::base

#endif  // PURSER_BASE_STATUS_H_

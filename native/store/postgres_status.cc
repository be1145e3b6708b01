#include "store/postgres_status.h"

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"

namespace purser::store {
namespace {

constexpr char kTryAgainUrl[] = "purser.dev/store/try-again";

}  // namespace

void MarkTryAgain(absl::Status& status) { status.SetPayload(kTryAgainUrl, absl::Cord("1")); }

bool IsTryAgain(const absl::Status& status) { return status.GetPayload(kTryAgainUrl).has_value(); }

absl::Status PostgresStatus(absl::string_view sqlstate, absl::string_view text) {
  const absl::string_view group = sqlstate.substr(0, 2);
  if (sqlstate == "23505") return absl::AlreadyExistsError(text);
  if (group == "23" || sqlstate == "25006" || sqlstate == "25P02") {
    return absl::FailedPreconditionError(text);
  }
  if (group == "40") {
    absl::Status status = absl::AbortedError(text);
    MarkTryAgain(status);
    return status;
  }
  if (sqlstate == "53100") {
    return absl::ResourceExhaustedError(
        absl::StrCat(text, "; nothing was stored: free space, then repeat"));
  }
  if (sqlstate == "53200" || sqlstate == "53400" || group == "54") {
    return absl::ResourceExhaustedError(text);
  }
  if (group == "08" || group == "53" || group == "57" || group == "58") {
    if (sqlstate == "57014") return absl::DeadlineExceededError(text);
    return absl::UnavailableError(text);
  }
  if (group == "28" || sqlstate == "42501") return absl::PermissionDeniedError(text);
  if (group == "XX" && sqlstate != "XX000") {
    return absl::DataLossError(
        absl::StrCat(text, "; restore the database from a backup, it is damaged"));
  }
  if (group == "22") return absl::InvalidArgumentError(text);
  if (group == "3D" || group == "3F") return absl::NotFoundError(text);
  return absl::InternalError(text);
}

}  // namespace purser::store

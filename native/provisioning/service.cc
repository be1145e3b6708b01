#include "provisioning/service.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "base/strings.h"

namespace purser::provisioning {
namespace {

constexpr std::array<absl::string_view, 7> kRequestStates = {
    "waiting-approval", "running", "waiting", "succeeded", "failed", "cancelled", "needs-operator"};
constexpr std::array<absl::string_view, 7> kStepStates = {
    "pending", "running", "waiting", "succeeded", "failed", "skipped", "compensated"};

}  // namespace

absl::string_view ToString(RequestState state) {
  return kRequestStates[static_cast<size_t>(state)];
}

absl::StatusOr<RequestState> ParseRequestState(absl::string_view text) {
  for (size_t i = 0; i < kRequestStates.size(); ++i) {
    if (kRequestStates[i] == text) return static_cast<RequestState>(i);
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", base::EscapeForDisplay(text), "\" is no state of a request"));
}

bool IsFinal(RequestState state) {
  return state == RequestState::kSucceeded || state == RequestState::kFailed ||
         state == RequestState::kCancelled;
}

absl::string_view ToString(StepState state) { return kStepStates[static_cast<size_t>(state)]; }

}  // namespace purser::provisioning

#include "provisioning/service.h"

#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/strings.h"

namespace purser::provisioning {
namespace {

constexpr std::array<absl::string_view, 7> kRequestStates = {
    "waiting-approval", "running", "waiting", "succeeded", "failed", "cancelled", "needs-operator"};
constexpr std::array<absl::string_view, 8> kRequestKinds = {
    "create", "change", "transfer", "suspend", "resume", "repair", "delete", "import"};
constexpr std::array<absl::string_view, 4> kHoldingStates = {"pending", "active", "suspended",
                                                             "deleted"};
constexpr std::array<absl::string_view, 7> kStepStates = {
    "pending", "running", "waiting", "succeeded", "failed", "skipped", "compensated"};

template <typename Enum, size_t kSize>
absl::StatusOr<Enum> ParseName(const std::array<absl::string_view, kSize>& names,
                               absl::string_view text, absl::string_view what) {
  for (size_t i = 0; i < kSize; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", base::EscapeForDisplay(text), "\" is no ",
                                                 what,
                                                 "; there are: ", absl::StrJoin(names, ", ")));
}

}  // namespace

absl::string_view ToString(RequestState state) {
  return kRequestStates[static_cast<size_t>(state)];
}

absl::StatusOr<RequestState> ParseRequestState(absl::string_view text) {
  return ParseName<RequestState>(kRequestStates, text, "state of a request");
}

absl::string_view ToString(RequestKind kind) { return kRequestKinds[static_cast<size_t>(kind)]; }

absl::StatusOr<RequestKind> ParseRequestKind(absl::string_view text) {
  return ParseName<RequestKind>(kRequestKinds, text, "kind of a request");
}

absl::string_view ToString(HoldingState state) {
  return kHoldingStates[static_cast<size_t>(state)];
}

absl::StatusOr<HoldingState> ParseHoldingState(absl::string_view text) {
  return ParseName<HoldingState>(kHoldingStates, text, "state of a holding");
}

bool IsFinal(RequestState state) {
  return state == RequestState::kSucceeded || state == RequestState::kFailed ||
         state == RequestState::kCancelled;
}

absl::string_view ToString(StepState state) { return kStepStates[static_cast<size_t>(state)]; }

}  // namespace purser::provisioning

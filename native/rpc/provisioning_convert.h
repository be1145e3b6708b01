// Between provisioning's domain and its messages, beyond requests themselves (see convert.h).
#ifndef PURSER_RPC_PROVISIONING_CONVERT_H_
#define PURSER_RPC_PROVISIONING_CONVERT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "provisioning/service.h"
#include "purser/v1/provisioning.pb.h"

namespace purser::rpc {

inline constexpr size_t kMaxReasonBytes = 1024;

purser::v1::RequestKind ToProto(provisioning::RequestKind kind);
// Not set: create.
absl::StatusOr<provisioning::RequestKind> FromProto(purser::v1::RequestKind kind);
absl::StatusOr<provisioning::HoldingState> FromProto(purser::v1::HoldingState state);
absl::Time FromProto(const google::protobuf::Timestamp& time);

purser::v1::Holding ToProto(const provisioning::Holding& holding);
purser::v1::Orphan ToProto(const provisioning::Orphan& orphan);
purser::v1::Decision ToProto(const provisioning::Decision& decision);

// Verbs have the same shape: an id, who does it and why.
template <typename Message>
absl::StatusOr<provisioning::Actor> ActorOf(const Message& message) {
  if (message.reason().size() > kMaxReasonBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("reason: longer than ", kMaxReasonBytes, " bytes"));
  }
  return provisioning::Actor{message.actor(), message.reason(), {}};
}

// Entity refs of what an actor belongs to.
absl::StatusOr<std::vector<std::string>> RefsOf(
    const google::protobuf::RepeatedPtrField<std::string>& refs);

}  // namespace purser::rpc

#endif  // PURSER_RPC_PROVISIONING_CONVERT_H_

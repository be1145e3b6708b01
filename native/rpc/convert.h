// Messages to domain values and back. Field meanings are in proto/purser/v1.
#ifndef PURSER_RPC_CONVERT_H_
#define PURSER_RPC_CONVERT_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"
#include "inventory/inventory.h"
#include "nlohmann/json.hpp"
#include "provisioning/service.h"
#include "purser/v1/inventory.pb.h"
#include "purser/v1/provisioning.pb.h"

namespace purser::rpc {

inline constexpr int64_t kMaxJsonFieldBytes = 1 << 20;

google::protobuf::Timestamp ToProto(absl::Time time);
purser::v1::Request ToProto(const provisioning::Request& request);
purser::v1::Event ToProto(const provisioning::Event& event);
purser::v1::Blueprint ToProto(const provisioning::BlueprintInfo& blueprint);
purser::v1::Resource ToProto(const inventory::Resource& resource);
// UNSPECIFIED and unknown numbers are INVALID_ARGUMENT.
purser::v1::RequestState ToProto(provisioning::RequestState state);
absl::StatusOr<provisioning::RequestState> FromProto(purser::v1::RequestState state);

// Parses a JSON object field; "" is {}. Errors name the field.
absl::StatusOr<nlohmann::json> ParseObject(absl::string_view text, absl::string_view field);

}  // namespace purser::rpc

#endif  // PURSER_RPC_CONVERT_H_

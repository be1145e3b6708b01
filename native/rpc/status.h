// Status between the domains (absl) and the wire (grpc). The codes are numerically equal.
#ifndef PURSER_RPC_STATUS_H_
#define PURSER_RPC_STATUS_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace purser::rpc {

// Messages are cut at 4 KiB: they travel in a trailer, and peers limit those.
grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace purser::rpc

#endif  // PURSER_RPC_STATUS_H_

// The connection to purserd.
#ifndef PURSER_CLI_CLIENT_H_
#define PURSER_CLI_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "cli/args.h"

namespace purser::cli {

// A command's own options and those every command that talks to purserd has.
std::vector<Option> WithConnection(std::vector<Option> options);

// From --address, else $PURSER_ADDRESS, else unix:.purser/run/purserd.sock. TCP needs --tls-ca,
// --tls-certificate and --tls-key (mutual TLS).
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const Args& args);

// A context with the deadline of a unary call (30 s).
void SetUnaryDeadline(grpc::ClientContext& context);

// Adds to UNAVAILABLE what to do about it.
absl::Status Explain(const grpc::Status& status);

// Who acts, for the audit trail: --as, else user:default/<login name>.
std::string Actor(const Args& args);

}  // namespace purser::cli

#endif  // PURSER_CLI_CLIENT_H_

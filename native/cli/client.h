// The connection to purserd.
#ifndef PURSER_CLI_CLIENT_H_
#define PURSER_CLI_CLIENT_H_

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "cli/args.h"

namespace purser::cli {

// A command's own options and those every command that talks to purserd has.
std::vector<Option> WithConnection(std::vector<Option> options);

// From --address, else $PURSER_ADDRESS, else unix:.purser/run/purserd.sock. TCP needs --tls-ca,
// --tls-certificate and --tls-key (mutual TLS).
absl::StatusOr<std::shared_ptr<grpc::Channel>> Connect(const Args& args);

// How long a call that answers once may take, unless a command says otherwise.
constexpr absl::Duration kUnaryDeadline = absl::Seconds(30);

// Adds to UNAVAILABLE what to do about it.
absl::Status Explain(const grpc::Status& status);

// One call that answers once, over a connection of its own.
template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallUnary(
    const Args& args, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    const Request& request, absl::Duration deadline = kUnaryDeadline) {
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  Stub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(deadline));
  Response response;
  PURSER_RETURN_IF_ERROR(Explain((stub.*method)(&context, request, &response)));
  return response;
}

// Who acts, for the audit trail: --as, else user:default/<login name>.
std::string Actor(const Args& args);

}  // namespace purser::cli

#endif  // PURSER_CLI_CLIENT_H_

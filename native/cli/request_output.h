// What commands about requests have in common: showing one, following one.
#ifndef PURSER_CLI_REQUEST_OUTPUT_H_
#define PURSER_CLI_REQUEST_OUTPUT_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/args.h"
#include "purser/v1/provisioning.grpc.pb.h"

namespace purser::cli {

// The name behind the first `prefix` characters, as people write it.
std::string EnumName(const std::string& name, size_t prefix);
std::string StateName(purser::v1::RequestState state);
std::string TimeText(const google::protobuf::Timestamp& time);
bool IsAtRest(purser::v1::RequestState state);
// Quote, changes and decisions, where there are any.
void PrintPlan(const purser::v1::Request& request);
void PrintRequest(const purser::v1::Request& request, bool as_json);
absl::StatusOr<purser::v1::Request> GetOne(const Args& args, const std::string& id);
// Prints events until the request is at rest; a broken stream is taken up again where it broke.
absl::StatusOr<purser::v1::Request> WatchUntilRest(const Args& args, const std::string& id);
// What a command ends with that asked for work: with --wait it follows the request first.
absl::StatusOr<int> ShowAsked(const Args& args, purser::v1::Request request);
// The exit code for a request in this state.
int EndCode(const purser::v1::Request& request);

}  // namespace purser::cli

#endif  // PURSER_CLI_REQUEST_OUTPUT_H_

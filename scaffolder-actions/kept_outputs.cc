#include "scaffolder-actions/kept_outputs.h"

#include <utility>

#include "absl/time/time.h"
#include "base/status.h"
#include "http/transport.h"
#include "json/json.h"

namespace purser::actions {
namespace {

// The portal stores the task's state, and the workspace with it.
constexpr absl::Duration kKeepTimeout = absl::Minutes(5);
constexpr int64_t kMaxKeptBytes = 16 << 20;

}  // namespace

absl::StatusOr<nlohmann::json> KeptOutputs(action::Context& context, nlohmann::json outputs) {
  if (context.dry_run()) return outputs;
  http::Request request;
  request.method = "POST";
  request.url = kKeepOutputsUrl;
  request.headers = {{"content-type", "application/json"}};
  request.body = json::Dump(outputs);
  http::CallOptions options;
  options.timeout = kKeepTimeout;
  options.max_response_bytes = kMaxKeptBytes;
  options.stop = context.stop();
  const absl::StatusOr<http::Response> answer = context.transport().Send(request, options);
  if (context.stop().stop_requested()) return absl::CancelledError("the task was cancelled");
  // The work matters more than what a recovered task will say of it.
  if (!answer.ok() || answer->status != 200) return outputs;
  json::Limits limits;
  limits.max_bytes = kMaxKeptBytes;
  absl::StatusOr<nlohmann::json> kept = json::Parse(answer->body, limits);
  if (!kept.ok() || !kept->is_object()) return outputs;
  return *std::move(kept);
}

void GiveOutputs(action::Context& context, const nlohmann::json& outputs) {
  for (const auto& [name, value] : outputs.items()) context.Output(name, value);
}

}  // namespace purser::actions

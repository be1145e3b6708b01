#include "scaffolder-actions/request-await/request_await_action.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "scaffolder-actions/request_support.h"

namespace purser::actions {
namespace {

action::Description Describe() {
  action::Description description;
  description.id = "purser:request:await";
  description.description =
      "Waits until a Purser request is done and gives its outputs. Fails when the request failed, "
      "was "
      "cancelled or needs an operator.";
  description.host = action::Host::kSidecar;
  description.supports_dry_run = true;
  description.input_schema = {
      {"type", "object"},
      {"required", {"requestId"}},
      {"additionalProperties", false},
      {"properties",
       {{"requestId",
         {{"type", "string"},
          {"minLength", 1},
          {"maxLength", 128},
          {"title", "Request id"},
          {"description", "As purser:request put it out."}}},
        {"timeoutMinutes",
         {{"type", "integer"},
          {"minimum", 1},
          {"maximum", kMaxTimeoutMinutes},
          {"default", kDefaultTimeoutMinutes},
          {"title", "Timeout in minutes"},
          {"description", "How long to wait; the request itself goes on afterwards."}}}}}};
  description.output_schema = RequestOutputSchema();
  description.examples = {{"Wait for a request made by an earlier step.",
                           R"(steps:
  - id: await
    name: Wait for the database
    action: purser:request:await
    input:
      requestId: ${{ steps.request.output.requestId }}
)"},
                          {"Wait for at most a day, for products that somebody approves.",
                           R"(steps:
  - id: await
    name: Wait for the approval and the cluster
    action: purser:request:await
    input:
      requestId: ${{ steps.request.output.requestId }}
      timeoutMinutes: 1440
)"},
                          {"Use what the request made.",
                           R"(steps:
  - id: await
    name: Wait for the bucket
    action: purser:request:await
    input:
      requestId: ${{ parameters.requestId }}
  - id: show
    name: Show where it is
    action: debug:log
    input:
      message: ${{ steps.await.output.outputs.bucketUrl }}
)"}};
  return description;
}

}  // namespace

RequestAwaitAction::RequestAwaitAction(provisioning::Service* service)
    : service_(service), description_(Describe()) {}

absl::Status RequestAwaitAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  const std::string id = input.at("requestId").get<std::string>();
  if (context.dry_run()) {
    // Inside a dry run no earlier step made a request, so there is nothing to look up.
    context.Log(action::LogLevel::kInfo, absl::StrCat("dry run: would wait for request ", id));
    context.Output("requestId", id);
    context.Output("state", "succeeded");
    context.Output("entityRef", "");
    context.Output("outputs", nlohmann::json::object());
    return absl::OkStatus();
  }
  return Follow(*service_, id, absl::Minutes(input.value("timeoutMinutes", kDefaultTimeoutMinutes)),
                context);
}

}  // namespace purser::actions

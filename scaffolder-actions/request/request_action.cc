#include "scaffolder-actions/request/request_action.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "scaffolder-actions/request_support.h"

namespace purser::actions {
namespace {

action::Description Describe() {
  action::Description description;
  description.id = "purser:request";
  description.description =
      "Asks Purser for a product defined by a blueprint. The request is durable: it survives "
      "restarts "
      "of the portal and of purserd, and a repeat of the same step finds it again. With `wait` the "
      "step ends when the request does; without, it ends at once and `purser:request:await` can "
      "wait "
      "later.";
  description.host = action::Host::kSidecar;
  description.supports_dry_run = true;
  description.input_schema = {
      {"type", "object"},
      {"required", {"blueprint"}},
      {"additionalProperties", false},
      {"properties",
       {{"blueprint",
         {{"type", "string"},
          {"minLength", 1},
          {"maxLength", 100},
          {"title", "Blueprint"},
          {"description", "Name of the blueprint, as purserd lists it."}}},
        {"parameters",
         {{"type", "object"},
          {"title", "Parameters"},
          {"description", "Must satisfy the blueprint's schema."}}},
        {"owner",
         {{"type", "string"},
          {"maxLength", 512},
          {"title", "Owner"},
          {"description",
           "Entity ref of the owner; needed only when the blueprint does not derive it."}}},
        {"wait",
         {{"type", "boolean"},
          {"default", true},
          {"title", "Wait"},
          {"description", "Wait until the request is done."}}},
        {"timeoutMinutes",
         {{"type", "integer"},
          {"minimum", 1},
          {"maximum", kMaxTimeoutMinutes},
          {"default", kDefaultTimeoutMinutes},
          {"title", "Timeout in minutes"},
          {"description", "How long to wait; the request itself goes on afterwards."}}}}}};
  description.output_schema = RequestOutputSchema();
  description.examples = {{"Ask for an analytics workspace and wait until it is ready.",
                           R"(steps:
  - id: request
    name: Provision the workspace
    action: purser:request
    input:
      blueprint: analytics-workspace
      parameters:
        name: ${{ parameters.name }}
        owner: ${{ parameters.owner }}
        region: ${{ parameters.region }}
)"},
                          {"Ask and go on at once; the catalog shows the pending request.",
                           R"(steps:
  - id: request
    name: Order a database
    action: purser:request
    input:
      blueprint: postgres-database
      wait: false
      parameters:
        name: ${{ parameters.name }}
)"},
                          {"Name the owner and wait for at most ten minutes.",
                           R"(steps:
  - id: request
    name: Provision a bucket
    action: purser:request
    input:
      blueprint: bucket
      owner: group:default/analytics
      timeoutMinutes: 10
      parameters:
        name: ${{ parameters.name }}
)"}};
  return description;
}

}  // namespace

RequestAction::RequestAction(provisioning::Service* service)
    : service_(service), description_(Describe()) {}

absl::Status RequestAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  provisioning::CreateOptions options;
  options.blueprint = input.at("blueprint").get<std::string>();
  options.parameters = input.value("parameters", nlohmann::json::object());
  options.owner = input.value("owner", "");
  options.requester = context.user();
  options.idempotency_key = context.idempotency_key();
  options.dry_run = context.dry_run();
  PURSER_ASSIGN_OR_RETURN(const provisioning::Request request, service_->Create(options));
  if (context.dry_run()) {
    std::string plan;
    for (const provisioning::StepStatus& step : request.steps) {
      absl::StrAppend(&plan, "\n  ", step.id, " (", step.uses, ")");
    }
    context.Log(action::LogLevel::kInfo,
                absl::StrCat("dry run: the parameters fit blueprint ", options.blueprint,
                             "; these steps would run:", plan));
    OutputRequest(request, context);
    return absl::OkStatus();
  }
  return FollowIfWanted(*service_, request, context);
}

}  // namespace purser::actions

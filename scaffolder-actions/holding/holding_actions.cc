#include "scaffolder-actions/holding/holding_actions.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/time_text.h"
#include "scaffolder-actions/request_support.h"

namespace purser::actions {
namespace {

using nlohmann::json;
using provisioning::RequestKind;

constexpr int kMaxRefLength = 512;
constexpr int kMaxReasonLength = 1024;

// A request about a holding, as a template sees it.
struct Verb {
  const char* name;  // of the action, behind "purser:holding:"
  RequestKind kind;
  const char* description;
  const char* what;  // in the examples: "Give the database more connections."
  const char* more;  // further lines of the examples' input
};

constexpr Verb kVerbs[] = {
    {"change", RequestKind::kChange,
     "Asks for other parameters of something that a request made; they are merged into what it has "
     "(JSON merge patch).",
     "Give a database more connections.", "      parameters:\n        connections: 50\n"},
    {"transfer", RequestKind::kTransfer,
     "Gives something that a request made to another owner; its steps run again, so that labels "
     "follow.",
     "Give a database to another group.", "      owner: group:default/web\n"},
    {"suspend", RequestKind::kSuspend,
     "Parks something that a request made, where its blueprint can do that.", "Park a notebook.",
     ""},
    {"resume", RequestKind::kResume, "Takes up again what was parked.", "Take a notebook up again.",
     ""},
    {"repair", RequestKind::kRepair, "Applies again what drifted from what was asked for.",
     "Apply a namespace again.", ""},
    {"delete", RequestKind::kDelete,
     "Undoes all that a holding is made of, latest first. `confirm` must repeat `holding`, so that "
     "nothing is deleted by a slip.",
     "Delete a database.", "      confirm: ${{ parameters.confirm }}\n"},
};

json HoldingSchema() {
  return {{"type", "string"},
          {"minLength", 1},
          {"maxLength", kMaxRefLength},
          {"title", "Holding"},
          {"description",
           "Ref of its catalog entity, its id, or that of one of its requests. Whoever starts the "
           "task must be allowed to manage it."}};
}

// The same action three times: by entity, by an earlier step, and within a longer template.
std::vector<action::Example> Examples(const std::string& id, const char* what, const char* more,
                                      const char* shown) {
  const auto step = [&](const char* holding) {
    return absl::StrCat("steps:\n  - id: holding\n    name: ", what, "\n    action: ", id,
                        "\n    input:\n      holding: ", holding, "\n", more);
  };
  return {{what, step("${{ parameters.entity }}")},
          {"Name it by the request that made it.", step("${{ parameters.requestId }}")},
          {"Show what came of it.",
           absl::StrCat(step("resource:default/database-shop"),
                        "  - id: show\n    name: Show it\n    action: debug:log\n    input:\n"
                        "      message: ${{ steps.holding.output.",
                        shown, " }}\n")}};
}

class HoldingRequestAction final : public action::Action {
 public:
  HoldingRequestAction(const Verb& verb, provisioning::Service* service)
      : verb_(verb), service_(service) {
    description_.id = absl::StrCat("purser:holding:", verb.name);
    description_.description = verb.description;
    description_.host = action::Host::kSidecar;
    description_.supports_dry_run = true;
    json properties = {
        {"holding", HoldingSchema()},
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
          {"description", "How long to wait; the request itself goes on afterwards."}}}};
    json required = {"holding"};
    switch (verb.kind) {
      case RequestKind::kChange:
        properties["parameters"] = {
            {"type", "object"},
            {"title", "Parameters"},
            {"description",
             "Those to change; null takes one away. The result must satisfy the "
             "blueprint's schema."}};
        required.push_back("parameters");
        break;
      case RequestKind::kTransfer:
        properties["owner"] = {{"type", "string"},
                               {"minLength", 1},
                               {"maxLength", kMaxRefLength},
                               {"title", "Owner"},
                               {"description", "Entity ref of the new owner."}};
        required.push_back("owner");
        break;
      case RequestKind::kDelete:
        properties["confirm"] = {{"type", "string"},
                                 {"minLength", 1},
                                 {"maxLength", kMaxRefLength},
                                 {"title", "Confirmation"},
                                 {"description", "The name of the catalog entity."}};
        required.push_back("confirm");
        break;
      default:
        break;
    }
    description_.input_schema = {{"type", "object"},
                                 {"required", std::move(required)},
                                 {"additionalProperties", false},
                                 {"properties", std::move(properties)}};
    description_.output_schema = RequestOutputSchema();
    description_.examples = Examples(description_.id, verb.what, verb.more, "state");
  }

  const action::Description& description() const override { return description_; }

  absl::Status Run(action::Context& context) override {
    const json& input = context.input();
    provisioning::CreateOptions options;
    options.kind = verb_.kind;
    options.holding = input.at("holding").get<std::string>();
    options.parameters = input.value("parameters", json::object());
    options.owner = input.value("owner", "");
    options.requester = context.user();
    options.idempotency_key = context.idempotency_key();
    options.dry_run = context.dry_run();
    if (verb_.kind == RequestKind::kDelete) PURSER_RETURN_IF_ERROR(CheckConfirmed(input));
    PURSER_ASSIGN_OR_RETURN(const provisioning::Request request, service_->Create(options));
    LogPlan(request, context);
    if (context.dry_run()) {
      OutputRequest(request, context);
      return absl::OkStatus();
    }
    return FollowIfWanted(*service_, request, context);
  }

 private:
  // The name of what is deleted, said twice.
  absl::Status CheckConfirmed(const json& input) {
    const std::string confirmed = input.at("confirm");
    PURSER_ASSIGN_OR_RETURN(const provisioning::Holding holding,
                            service_->GetHolding(input.at("holding").get<std::string>()));
    const std::string name = holding.entity_ref.substr(holding.entity_ref.rfind('/') + 1);
    const bool named = !name.empty() && confirmed == name;
    if (named || confirmed == holding.entity_ref || confirmed == holding.id) {
      return absl::OkStatus();
    }
    return absl::InvalidArgumentError(
        absl::StrCat("/confirm: is not the name of what would be deleted, ",
                     name.empty() ? holding.id : name, "; nothing was done"));
  }

  static void LogPlan(const provisioning::Request& request, action::Context& context) {
    const json& plan = request.plan;
    if (!plan.is_object()) return;
    for (const json& change : plan.value("changes", json::array())) {
      context.Log(action::LogLevel::kInfo,
                  absl::StrCat(change.value("path", ""), ": ", change.value("from", json()).dump(),
                               " becomes ", change.value("to", json()).dump()));
    }
    for (const json& step : plan.value("steps", json::array())) {
      context.Log(action::LogLevel::kInfo,
                  absl::StrCat("step ", step.value("step", ""), ": ", step.value("effect", "")));
    }
  }

  const Verb& verb_;
  provisioning::Service* const service_;
  action::Description description_;
};

class HoldingRenewAction final : public action::Action {
 public:
  explicit HoldingRenewAction(provisioning::Service* service) : service_(service) {
    description_.id = "purser:holding:renew";
    description_.description =
        "Moves the expiry of something that a request made: to a time, or as long as its blueprint "
        "gives. A repeat of the same step renews once.";
    description_.host = action::Host::kSidecar;
    description_.supports_dry_run = true;
    description_.input_schema = {
        {"type", "object"},
        {"required", {"holding"}},
        {"additionalProperties", false},
        {"properties",
         {{"holding", HoldingSchema()},
          {"until",
           {{"type", "string"},
            {"format", "date-time"},
            {"title", "Until"},
            {"description", "RFC 3339; as long as the blueprint gives when absent."}}},
          {"reason",
           {{"type", "string"},
            {"maxLength", kMaxReasonLength},
            {"title", "Reason"},
            {"description", "For the audit trail."}}}}}};
    description_.output_schema = {{"type", "object"},
                                  {"properties",
                                   {{"holdingId",
                                     {{"type", "string"},
                                      {"title", "Holding id"},
                                      {"examples", {"req_01jd0000000000000000000000"}}}},
                                    {"entityRef",
                                     {{"type", "string"},
                                      {"title", "Its catalog entity; empty when it has none"},
                                      {"examples", {"resource:default/workspace-genomics"}}}},
                                    {"expiresAt",
                                     {{"type", "string"},
                                      {"title", "When it expires now, RFC 3339"},
                                      {"examples", {"2026-12-31T00:00:00Z"}}}}}}};
    description_.examples = Examples(description_.id, "Keep a workspace longer.",
                                     "      reason: still in use\n", "expiresAt");
  }

  const action::Description& description() const override { return description_; }

  absl::Status Run(action::Context& context) override {
    const json& input = context.input();
    const std::string id = input.at("holding");
    std::optional<absl::Time> until;
    if (input.contains("until")) {
      absl::Time time;
      std::string error;
      if (!absl::ParseTime(absl::RFC3339_full, input.at("until").get<std::string>(), &time,
                           &error)) {
        return absl::InvalidArgumentError(
            absl::StrCat("/until: no time like 2026-12-31T00:00:00Z: ", error));
      }
      until = time;
    }
    absl::StatusOr<provisioning::Holding> holding =
        context.dry_run() ? service_->GetHolding(id)
                          : service_->Renew(id, until, context.idempotency_key(),
                                            {context.user(), input.value("reason", "")});
    PURSER_RETURN_IF_ERROR(holding.status());
    const std::string expires =
        holding->expires_at.has_value() ? base::TimeText(*holding->expires_at) : "";
    context.Log(action::LogLevel::kInfo,
                absl::StrCat(context.dry_run() ? "dry run: " : "", holding->id, " expires at ",
                             expires.empty() ? "no time" : expires));
    context.Output("holdingId", holding->id);
    context.Output("entityRef", holding->entity_ref);
    context.Output("expiresAt", expires);
    return absl::OkStatus();
  }

 private:
  provisioning::Service* const service_;
  action::Description description_;
};

}  // namespace

absl::Status AddHoldingActions(action::Registry& registry, provisioning::Service* service) {
  for (const Verb& verb : kVerbs) {
    PURSER_RETURN_IF_ERROR(registry.Add(std::make_unique<HoldingRequestAction>(verb, service)));
  }
  return registry.Add(std::make_unique<HoldingRenewAction>(service));
}

}  // namespace purser::actions

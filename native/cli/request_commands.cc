#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/request_output.h"
#include "cli/values.h"
#include "json/json.h"
#include "purser/v1/provisioning.grpc.pb.h"

namespace purser::cli {
namespace {

using purser::v1::ProvisioningService;

absl::StatusOr<int> Create(const Args& args) {
  PURSER_RETURN_IF_ERROR(
      args.ExpectWords(1, 1, "requests create BLUEPRINT [--file FILE] [--set NAME=VALUE]…"));
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json parameters, ReadValues(args, "file"));
  purser::v1::CreateRequestRequest message;
  message.set_blueprint(args.words()[0]);
  message.set_parameters_json(json::Dump(parameters));
  message.set_owner(args.Get("owner"));
  message.set_requester(Actor(args));
  message.set_idempotency_key(args.Get("key"));
  message.set_validate_only(args.Has("dry-run"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::CreateRequestResponse response,
                          CallUnary(args, &ProvisioningService::Stub::CreateRequest, message));
  return ShowAsked(args, response.request());
}

absl::StatusOr<int> List(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "requests list"));
  purser::v1::ListRequestsRequest message;
  message.set_owner(args.Get("owner"));
  message.set_requester(args.Get("requester"));
  message.set_blueprint(args.Get("blueprint"));
  message.set_entity_ref(args.Get("entity"));
  message.set_holding_id(args.Get("holding"));
  message.set_idempotency_key(args.Get("key"));
  for (const std::string& state : args.All("state")) {
    std::string name = absl::StrCat("REQUEST_STATE_", state);
    for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::toupper(c));
    purser::v1::RequestState value;
    if (!purser::v1::RequestState_Parse(name, &value)) {
      return absl::InvalidArgumentError(absl::StrCat("--state ", state, ": no such state"));
    }
    message.add_states(value);
  }
  PURSER_ASSIGN_OR_RETURN(const int64_t limit, args.Int("limit", 50, 1, 100'000));
  std::vector<std::vector<std::string>> rows;
  nlohmann::json all = nlohmann::json::array();
  int64_t left = limit;
  do {
    message.set_page_size(static_cast<int32_t>(std::min<int64_t>(left, 500)));
    PURSER_ASSIGN_OR_RETURN(const purser::v1::ListRequestsResponse response,
                            CallUnary(args, &ProvisioningService::Stub::ListRequests, message));
    for (const purser::v1::Request& request : response.requests()) {
      if (args.Has("json")) {
        all.push_back(ToJson(request));
      } else {
        rows.push_back({request.id(), StateName(request.state()), request.blueprint(),
                        request.owner(), request.entity_ref(), TimeText(request.created_at())});
      }
    }
    left -= response.requests_size();
    message.set_page_token(response.next_page_token());
  } while (!message.page_token().empty() && left > 0);
  if (args.Has("json")) {
    PrintJson(all);
  } else {
    PrintTable({"REQUEST", "STATE", "BLUEPRINT", "OWNER", "ENTITY", "CREATED (UTC)"}, rows);
  }
  return kOk;
}

absl::StatusOr<int> Get(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "requests get REQUEST"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::Request request, GetOne(args, args.words()[0]));
  PrintRequest(request, args.Has("json"));
  return kOk;
}

absl::StatusOr<int> Watch(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "requests watch REQUEST"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::Request request, WatchUntilRest(args, args.words()[0]));
  if (!args.Has("json")) PrintRequest(request, false);
  return EndCode(request);
}

// Calls `method` about one request, with an actor and a reason, and shows the request.
template <typename Message, typename Response>
absl::StatusOr<int> Act(const Args& args, const char* usage, Message message,
                        grpc::Status (ProvisioningService::Stub::*method)(grpc::ClientContext*,
                                                                          const Message&,
                                                                          Response*)) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, usage));
  message.set_id(args.words()[0]);
  message.set_actor(Actor(args));
  message.set_reason(args.Get("reason"));
  PURSER_ASSIGN_OR_RETURN(const Response response, CallUnary(args, method, message));
  PrintRequest(response.request(), args.Has("json"));
  return kOk;
}

// Approve and reject: of a step, or of the request, by somebody of these groups.
template <typename Message>
Message Verdict(const Args& args) {
  Message message;
  message.set_step_id(args.Get("step"));
  for (const std::string& ref : args.All("group")) message.add_belongs_to(ref);
  return message;
}

absl::StatusOr<int> Approve(const Args& args) {
  auto message = Verdict<purser::v1::ApproveRequestRequest>(args);
  message.set_plan_hash(args.Get("plan"));
  return Act(args, "requests approve REQUEST [--step STEP]", std::move(message),
             &ProvisioningService::Stub::ApproveRequest);
}
absl::StatusOr<int> Reject(const Args& args) {
  return Act(args, "requests reject REQUEST [--step STEP]",
             Verdict<purser::v1::RejectRequestRequest>(args),
             &ProvisioningService::Stub::RejectRequest);
}
absl::StatusOr<int> Cancel(const Args& args) {
  return Act(args, "requests cancel REQUEST [--reason TEXT]", purser::v1::CancelRequestRequest(),
             &ProvisioningService::Stub::CancelRequest);
}
absl::StatusOr<int> Retry(const Args& args) {
  return Act(args, "requests retry REQUEST [--reason TEXT]", purser::v1::RetryRequestRequest(),
             &ProvisioningService::Stub::RetryRequest);
}

}  // namespace

std::vector<Entry> RequestCommands() {
  const Option as{"as", "REF", "entity ref of who acts (default user:default/LOGIN)"};
  const Option step{"step", "STEP", "the step that waits; without it the request"};
  const Option group{"group", "REF", "a group you belong to; may be repeated", true};
  const Option reason{"reason", "TEXT", "why, for the audit trail"};
  return {
      {{"requests create", "BLUEPRINT", "ask for a product",
        WithConnection({{"file", "FILE", "YAML or JSON file with parameters"},
                        {"set", "NAME=VALUE", "one parameter; may be repeated", true},
                        {"owner", "REF", "owner's entity ref"},
                        {"key", "KEY", "idempotency key"},
                        {"wait", "", "follow until the request is done"},
                        {"dry-run", "", "validate and plan only"},
                        as})},
       Printing(Create)},
      {{"requests list", "", "list requests, newest first",
        WithConnection({{"owner", "REF", "only this owner's"},
                        {"requester", "REF", "only this requester's"},
                        {"blueprint", "NAME", "only of this blueprint, or product"},
                        {"entity", "REF", "only for this entity"},
                        {"holding", "ID", "only of this holding"},
                        {"key", "KEY", "only with this idempotency key"},
                        {"state", "STATE", "only in this state; may be repeated", true},
                        {"limit", "N", "at most so many (default 50)"}})},
       Printing(List)},
      {{"requests get", "REQUEST", "show one request with its steps", WithConnection({})},
       Printing(Get)},
      {{"requests watch", "REQUEST", "follow a request's events until it is done",
        WithConnection({})},
       Printing(Watch)},
      {{"requests approve", "REQUEST", "approve a request, or a step of it, that waits for it",
        WithConnection({step,
                        {"plan", "HASH", "what you saw; refused when it is another"},
                        group,
                        as,
                        reason})},
       Printing(Approve)},
      {{"requests reject", "REQUEST", "refuse a request, or a step of it, that waits for approval",
        WithConnection({step, group, as, reason})},
       Printing(Reject)},
      {{"requests cancel", "REQUEST", "cancel a request", WithConnection({as, reason})},
       Printing(Cancel)},
      {{"requests retry", "REQUEST", "make a failed or parked request go on",
        WithConnection({as, reason})},
       Printing(Retry)},
  };
}

}  // namespace purser::cli

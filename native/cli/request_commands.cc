#include <csignal>
#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/values.h"
#include "json/json.h"
#include "purser/v1/provisioning.grpc.pb.h"

namespace purser::cli {
namespace {

using purser::v1::ProvisioningService;

std::string StateName(purser::v1::RequestState state) {
  // REQUEST_STATE_WAITING_APPROVAL → waiting-approval
  std::string name = purser::v1::RequestState_Name(state).substr(sizeof("REQUEST_STATE_") - 1);
  for (char& c : name) c = c == '_' ? '-' : static_cast<char>(std::tolower(c));
  return name;
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

bool IsAtRest(purser::v1::RequestState state) {
  return state == purser::v1::REQUEST_STATE_SUCCEEDED ||
         state == purser::v1::REQUEST_STATE_FAILED ||
         state == purser::v1::REQUEST_STATE_CANCELLED ||
         state == purser::v1::REQUEST_STATE_NEEDS_OPERATOR;
}

void PrintRequest(const purser::v1::Request& request, bool as_json) {
  if (as_json) return PrintJson(ToJson(request));
  std::cout << "request    " << request.id() << "\nstate      " << StateName(request.state());
  if (!request.message().empty()) {
    std::cout << " (" << base::EscapeForDisplay(request.message(), 1000) << ")";
  }
  std::cout << "\nblueprint  " << request.blueprint() << "\nowner      " << request.owner()
            << "\nrequester  " << request.requester() << "\nentity     " << request.entity_ref()
            << "\ncreated    " << TimeText(request.created_at()) << " UTC\n";
  if (!request.outputs_json().empty() && request.outputs_json() != "{}") {
    std::cout << "outputs    " << base::EscapeForDisplay(request.outputs_json(), 4000) << "\n";
  }
  if (request.steps_size() == 0) return;
  std::cout << "\n";
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::Step& step : request.steps()) {
    std::string state = purser::v1::StepState_Name(step.state()).substr(sizeof("STEP_STATE_") - 1);
    for (char& c : state) c = static_cast<char>(std::tolower(c));
    rows.push_back({step.id(), step.uses(), state, absl::StrCat(step.attempts()), step.message()});
  }
  PrintTable({"STEP", "USES", "STATE", "CALLS", "MESSAGE"}, rows);
}

absl::StatusOr<purser::v1::Request> GetOne(ProvisioningService::Stub& stub, const std::string& id) {
  grpc::ClientContext context;
  SetUnaryDeadline(context);
  purser::v1::GetRequestRequest message;
  message.set_id(id);
  purser::v1::GetRequestResponse response;
  PURSER_RETURN_IF_ERROR(Explain(stub.GetRequest(&context, message, &response)));
  return response.request();
}

// Prints events until the request is at rest; a broken stream is taken up again where it broke.
absl::StatusOr<purser::v1::Request> WatchUntilRest(ProvisioningService::Stub& stub,
                                                   const std::string& id, bool as_json) {
  int64_t after = 0;
  int failures = 0;
  while (true) {
    grpc::ClientContext context;
    purser::v1::WatchRequestRequest message;
    message.set_id(id);
    message.set_after_sequence(after);
    message.set_follow(true);
    const auto reader = stub.WatchRequest(&context, message);
    purser::v1::WatchRequestResponse response;
    bool parked = false;
    while (!parked && reader->Read(&response)) {
      failures = 0;
      const purser::v1::Event& event = response.event();
      after = event.sequence();
      if (as_json) {
        PrintJson(ToJson(event));
      } else {
        std::cout << TimeText(event.at()) << "  " << event.type()
                  << (event.step_id().empty() ? "" : " " + event.step_id())
                  << (event.message().empty()
                          ? ""
                          : "  " + base::EscapeForDisplay(event.message(), 1000))
                  << std::endl;
      }
      parked = event.type() == "request.needs-operator";
    }
    if (parked) context.TryCancel();
    const grpc::Status status = reader->Finish();
    if (parked || status.ok()) return GetOne(stub, id);
    // purserd may be restarting; the durable run goes on, so waiting for it is right.
    constexpr int kMaxFailures = 30;
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE || ++failures > kMaxFailures) {
      return Explain(status);
    }
    if (failures == 1) std::cerr << "purser: purserd does not answer, trying again" << std::endl;
    absl::SleepFor(absl::Seconds(1));
  }
}

int EndCode(const purser::v1::Request& request) {
  return !IsAtRest(request.state()) || request.state() == purser::v1::REQUEST_STATE_SUCCEEDED
             ? kOk
             : kEndedBadly;
}

absl::StatusOr<int> Create(const Args& args) {
  PURSER_RETURN_IF_ERROR(
      args.ExpectWords(1, 1, "requests create BLUEPRINT [--file FILE] [--set NAME=VALUE]…"));
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json parameters, ReadValues(args, "file"));
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  const auto stub = ProvisioningService::NewStub(channel);
  grpc::ClientContext context;
  SetUnaryDeadline(context);
  purser::v1::CreateRequestRequest message;
  message.set_blueprint(args.words()[0]);
  message.set_parameters_json(json::Dump(parameters));
  message.set_owner(args.Get("owner"));
  message.set_requester(Actor(args));
  message.set_idempotency_key(args.Get("key"));
  message.set_validate_only(args.Has("dry-run"));
  purser::v1::CreateRequestResponse response;
  PURSER_RETURN_IF_ERROR(Explain(stub->CreateRequest(&context, message, &response)));
  purser::v1::Request request = response.request();
  if (args.Has("wait") && !args.Has("dry-run")) {
    PURSER_ASSIGN_OR_RETURN(request, WatchUntilRest(*stub, request.id(), args.Has("json")));
  }
  PrintRequest(request, args.Has("json"));
  return EndCode(request);
}

absl::StatusOr<int> List(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "requests list"));
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  const auto stub = ProvisioningService::NewStub(channel);
  purser::v1::ListRequestsRequest message;
  message.set_owner(args.Get("owner"));
  message.set_requester(args.Get("requester"));
  message.set_blueprint(args.Get("blueprint"));
  message.set_entity_ref(args.Get("entity"));
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
    grpc::ClientContext context;
    SetUnaryDeadline(context);
    purser::v1::ListRequestsResponse response;
    PURSER_RETURN_IF_ERROR(Explain(stub->ListRequests(&context, message, &response)));
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
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  const auto stub = ProvisioningService::NewStub(channel);
  PURSER_ASSIGN_OR_RETURN(const purser::v1::Request request, GetOne(*stub, args.words()[0]));
  PrintRequest(request, args.Has("json"));
  return kOk;
}

absl::StatusOr<int> Watch(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "requests watch REQUEST"));
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  const auto stub = ProvisioningService::NewStub(channel);
  PURSER_ASSIGN_OR_RETURN(const purser::v1::Request request,
                          WatchUntilRest(*stub, args.words()[0], args.Has("json")));
  if (!args.Has("json")) PrintRequest(request, false);
  return EndCode(request);
}

// Approve, cancel and retry: one request, an actor and a reason.
template <typename Message, typename Response>
absl::StatusOr<int> Act(const Args& args, const char* usage,
                        grpc::Status (ProvisioningService::Stub::*method)(grpc::ClientContext*,
                                                                          const Message&,
                                                                          Response*)) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, usage));
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  const auto stub = ProvisioningService::NewStub(channel);
  grpc::ClientContext context;
  SetUnaryDeadline(context);
  Message message;
  message.set_id(args.words()[0]);
  message.set_actor(Actor(args));
  message.set_reason(args.Get("reason"));
  Response response;
  PURSER_RETURN_IF_ERROR(Explain((stub.get()->*method)(&context, message, &response)));
  PrintRequest(response.request(), args.Has("json"));
  return kOk;
}

absl::StatusOr<int> Approve(const Args& args) {
  return Act<purser::v1::ApproveRequestRequest, purser::v1::ApproveRequestResponse>(
      args, "requests approve REQUEST [--reason TEXT]", &ProvisioningService::Stub::ApproveRequest);
}
absl::StatusOr<int> Cancel(const Args& args) {
  return Act<purser::v1::CancelRequestRequest, purser::v1::CancelRequestResponse>(
      args, "requests cancel REQUEST [--reason TEXT]", &ProvisioningService::Stub::CancelRequest);
}
absl::StatusOr<int> Retry(const Args& args) {
  return Act<purser::v1::RetryRequestRequest, purser::v1::RetryRequestResponse>(
      args, "requests retry REQUEST [--reason TEXT]", &ProvisioningService::Stub::RetryRequest);
}

absl::StatusOr<int> Blueprints(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "blueprints list"));
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  const auto stub = ProvisioningService::NewStub(channel);
  purser::v1::ListBlueprintsRequest message;
  message.set_page_size(500);
  std::vector<std::vector<std::string>> rows;
  nlohmann::json all = nlohmann::json::array();
  do {
    grpc::ClientContext context;
    SetUnaryDeadline(context);
    purser::v1::ListBlueprintsResponse response;
    PURSER_RETURN_IF_ERROR(Explain(stub->ListBlueprints(&context, message, &response)));
    for (const purser::v1::Blueprint& blueprint : response.blueprints()) {
      all.push_back(ToJson(blueprint));
      rows.push_back({blueprint.name(), blueprint.title(), absl::StrCat(blueprint.step_ids_size()),
                      blueprint.hash().substr(0, 12)});
    }
    message.set_page_token(response.next_page_token());
  } while (!message.page_token().empty());
  if (args.Has("json")) {
    PrintJson(all);
  } else {
    PrintTable({"BLUEPRINT", "TITLE", "STEPS", "HASH"}, rows);
  }
  return kOk;
}

}  // namespace

std::vector<Entry> RequestCommands() {
  const Option as{"as", "REF", "entity ref of who acts (default user:default/LOGIN)"};
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
                        {"blueprint", "NAME", "only of this blueprint"},
                        {"entity", "REF", "only for this entity"},
                        {"state", "STATE", "only in this state; may be repeated", true},
                        {"limit", "N", "at most so many (default 50)"}})},
       Printing(List)},
      {{"requests get", "REQUEST", "show one request with its steps", WithConnection({})},
       Printing(Get)},
      {{"requests watch", "REQUEST", "follow a request's events until it is done",
        WithConnection({})},
       Printing(Watch)},
      {{"requests approve", "REQUEST", "approve a request that waits for it",
        WithConnection({as, reason})},
       Printing(Approve)},
      {{"requests cancel", "REQUEST", "cancel a request", WithConnection({as, reason})},
       Printing(Cancel)},
      {{"requests retry", "REQUEST", "make a failed or parked request go on",
        WithConnection({as, reason})},
       Printing(Retry)},
      {{"blueprints list", "", "list what may be asked for", WithConnection({})},
       Printing(Blueprints)},
  };
}

}  // namespace purser::cli

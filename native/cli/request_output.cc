#include "cli/request_output.h"

#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/output.h"

namespace purser::cli {

using purser::v1::ProvisioningService;

std::string EnumName(const std::string& name, size_t prefix) {
  // REQUEST_STATE_WAITING_APPROVAL → waiting-approval
  std::string text = name.substr(prefix);
  for (char& c : text) c = c == '_' ? '-' : static_cast<char>(std::tolower(c));
  return text;
}

std::string StateName(purser::v1::RequestState state) {
  return EnumName(purser::v1::RequestState_Name(state), sizeof("REQUEST_STATE_") - 1);
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

void PrintPlan(const purser::v1::Request& request) {
  const nlohmann::json plan =
      nlohmann::json::parse(request.plan_json(), nullptr, /*allow_exceptions=*/false);
  if (!plan.is_object()) return;
  if (plan.contains("quote")) {
    std::cout << "quote      " << plan["quote"].value("monthly", "") << " "
              << plan["quote"].value("currency", "") << " a month";
    if (plan["quote"].contains("before")) {
      std::cout << " (now " << plan["quote"].value("before", "") << ")";
    }
    std::cout << "\n";
  }
  if (plan.contains("approval")) {
    std::cout << "approval   " << plan["approval"].value("count", 0) << " needed, plan "
              << request.plan_hash() << "\n";
  }
  for (const nlohmann::json& change : plan.value("changes", nlohmann::json::array())) {
    std::cout << "change     " << base::EscapeForDisplay(change.value("path", "")) << ": "
              << base::EscapeForDisplay(change.contains("from") ? change["from"].dump() : "-", 200)
              << " → "
              << base::EscapeForDisplay(change.contains("to") ? change["to"].dump() : "-", 200)
              << "\n";
  }
  for (const nlohmann::json& decision : plan.value("decisions", nlohmann::json::array())) {
    std::cout << "policy     " << decision.value("policy", "") << "/" << decision.value("rule", "")
              << " " << decision.value("effect", "") << ": "
              << base::EscapeForDisplay(decision.value("reason", ""), 500) << "\n";
  }
}

void PrintRequest(const purser::v1::Request& request, bool as_json) {
  if (as_json) return PrintJson(ToJson(request));
  std::cout << "request    " << request.id() << "\nstate      " << StateName(request.state());
  if (!request.message().empty()) {
    std::cout << " (" << base::EscapeForDisplay(request.message(), 1000) << ")";
  }
  std::cout << "\nblueprint  " << request.blueprint() << "\nowner      " << request.owner()
            << "\nrequester  " << request.requester() << "\nentity     " << request.entity_ref()
            << "\nkind       "
            << EnumName(purser::v1::RequestKind_Name(request.kind()), sizeof("REQUEST_KIND_") - 1)
            << "\nholding    " << request.holding_id() << "\ncreated    "
            << TimeText(request.created_at()) << " UTC\n";
  PrintPlan(request);
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

absl::StatusOr<purser::v1::Request> GetOne(const Args& args, const std::string& id) {
  purser::v1::GetRequestRequest message;
  message.set_id(id);
  PURSER_ASSIGN_OR_RETURN(const auto response,
                          CallUnary(args, &ProvisioningService::Stub::GetRequest, message));
  return response.request();
}

absl::StatusOr<purser::v1::Request> WatchUntilRest(const Args& args, const std::string& id) {
  PURSER_ASSIGN_OR_RETURN(const auto channel, Connect(args));
  ProvisioningService::Stub stub(channel);
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
      if (args.Has("json")) {
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
    if (parked || status.ok()) return GetOne(args, id);
    // purserd may be restarting; the durable run goes on, so waiting for it is right.
    constexpr int kMaxFailures = 30;
    if (status.error_code() != grpc::StatusCode::UNAVAILABLE || ++failures > kMaxFailures) {
      return Explain(status);
    }
    if (failures == 1) std::cerr << "purser: purserd does not answer, trying again" << std::endl;
    absl::SleepFor(absl::Seconds(1));
  }
}

absl::StatusOr<int> ShowAsked(const Args& args, purser::v1::Request request) {
  if (args.Has("wait") && !args.Has("dry-run")) {
    PURSER_ASSIGN_OR_RETURN(request, WatchUntilRest(args, request.id()));
  }
  PrintRequest(request, args.Has("json"));
  return EndCode(request);
}

int EndCode(const purser::v1::Request& request) {
  return !IsAtRest(request.state()) || request.state() == purser::v1::REQUEST_STATE_SUCCEEDED
             ? kOk
             : kEndedBadly;
}

}  // namespace purser::cli

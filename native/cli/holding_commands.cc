// Commands about holdings: what requests made and owners keep.
#include <iostream>
#include <string>
#include <utility>
#include <vector>

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

namespace purser::cli {
namespace {

using purser::v1::ProvisioningService;

std::string HoldingStateName(purser::v1::HoldingState state) {
  return EnumName(purser::v1::HoldingState_Name(state), sizeof("HOLDING_STATE_") - 1);
}

bool IsDrifted(const purser::v1::Holding& holding) {
  const nlohmann::json drift =
      nlohmann::json::parse(holding.drift_json(), nullptr, /*allow_exceptions=*/false);
  return drift.is_object() && drift.value("drifted", false);
}

void PrintHolding(const purser::v1::Holding& holding, bool as_json) {
  if (as_json) return PrintJson(ToJson(holding));
  std::cout << "holding    " << holding.id() << "\nstate      " << HoldingStateName(holding.state())
            << (holding.protected_() ? ", protected" : "") << "\nblueprint  " << holding.blueprint()
            << "\nowner      " << holding.owner() << "\nentity     " << holding.entity_ref()
            << "\ncurrent    " << holding.current_request() << "\nopen       "
            << holding.open_request() << "\nexpires    "
            << (holding.has_expires_at() ? TimeText(holding.expires_at()) + " UTC" : "never")
            << "\nparameters " << base::EscapeForDisplay(holding.parameters_json(), 4000) << "\n";
  if (holding.has_looked_at()) {
    std::cout << "drift      " << (IsDrifted(holding) ? "differs" : "none") << ", looked at "
              << TimeText(holding.looked_at()) << " UTC\n";
    const nlohmann::json drift =
        nlohmann::json::parse(holding.drift_json(), nullptr, /*allow_exceptions=*/false);
    std::vector<std::vector<std::string>> rows;
    for (const nlohmann::json& step : drift.value("steps", nlohmann::json::array())) {
      rows.push_back({step.value("step", ""), step.value("state", ""), step.value("detail", "")});
    }
    PrintTable({"STEP", "FOUND", "DETAIL"}, rows);
  }
}

absl::StatusOr<int> List(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "holdings list"));
  purser::v1::ListHoldingsRequest message;
  message.set_owner(args.Get("owner"));
  message.set_entity_ref(args.Get("entity"));
  message.set_blueprint(args.Get("blueprint"));
  message.set_drifted(args.Has("drifted"));
  if (args.Has("state")) {
    std::string name = absl::StrCat("HOLDING_STATE_", args.Get("state"));
    for (char& c : name) c = static_cast<char>(std::toupper(c));
    purser::v1::HoldingState state;
    if (!purser::v1::HoldingState_Parse(name, &state)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--state ", args.Get("state"), ": no such state"));
    }
    message.set_state(state);
  }
  PURSER_ASSIGN_OR_RETURN(const int64_t limit, args.Int("limit", 50, 1, 100'000));
  nlohmann::json all = nlohmann::json::array();
  std::vector<std::vector<std::string>> rows;
  int64_t left = limit;
  do {
    message.set_page_size(static_cast<int32_t>(std::min<int64_t>(left, 500)));
    PURSER_ASSIGN_OR_RETURN(const purser::v1::ListHoldingsResponse response,
                            CallUnary(args, &ProvisioningService::Stub::ListHoldings, message));
    for (const purser::v1::Holding& holding : response.holdings()) {
      all.push_back(ToJson(holding));
      rows.push_back({holding.id(), HoldingStateName(holding.state()), holding.blueprint(),
                      holding.owner(), holding.entity_ref(),
                      holding.has_expires_at() ? TimeText(holding.expires_at()) : "",
                      IsDrifted(holding) ? "yes" : ""});
    }
    left -= response.holdings_size();
    message.set_page_token(response.next_page_token());
  } while (!message.page_token().empty() && left > 0);
  if (args.Has("json")) {
    PrintJson(all);
  } else {
    PrintTable({"HOLDING", "STATE", "BLUEPRINT", "OWNER", "ENTITY", "EXPIRES (UTC)", "DRIFT"},
               rows);
  }
  return kOk;
}

absl::StatusOr<int> Get(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "holdings get HOLDING"));
  purser::v1::GetHoldingRequest message;
  message.set_id(args.words()[0]);
  PURSER_ASSIGN_OR_RETURN(const purser::v1::GetHoldingResponse response,
                          CallUnary(args, &ProvisioningService::Stub::GetHolding, message));
  PrintHolding(response.holding(), args.Has("json"));
  return kOk;
}

absl::StatusOr<int> Control(const Args& args, purser::v1::HoldingVerb verb, const char* usage) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, usage));
  purser::v1::ControlHoldingRequest message;
  message.set_id(args.words()[0]);
  message.set_verb(verb);
  message.set_actor(Actor(args));
  message.set_reason(args.Get("reason"));
  if (!args.Get("until").empty()) {
    absl::Time until;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, args.Get("until"), &until, &error)) {
      return absl::InvalidArgumentError(
          absl::StrCat("--until: no time like 2026-12-31T00:00:00Z: ", error));
    }
    message.mutable_until()->set_seconds(absl::ToUnixSeconds(until));
  }
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ControlHoldingResponse response,
                          CallUnary(args, &ProvisioningService::Stub::ControlHolding, message));
  PrintHolding(response.holding(), args.Has("json"));
  return kOk;
}

absl::StatusOr<int> Renew(const Args& args) {
  return Control(args, purser::v1::HOLDING_VERB_RENEW, "holdings renew HOLDING [--until TIME]");
}
absl::StatusOr<int> Protect(const Args& args) {
  return Control(args, purser::v1::HOLDING_VERB_PROTECT, "holdings protect HOLDING");
}
absl::StatusOr<int> Unprotect(const Args& args) {
  return Control(args, purser::v1::HOLDING_VERB_UNPROTECT, "holdings unprotect HOLDING");
}
absl::StatusOr<int> Inspect(const Args& args) {
  return Control(args, purser::v1::HOLDING_VERB_INSPECT, "holdings inspect HOLDING");
}

// A request about a holding; `word` is what the first word of the command line names.
absl::StatusOr<int> Ask(const Args& args, purser::v1::RequestKind kind, const char* usage) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, usage));
  purser::v1::CreateRequestRequest message;
  message.set_kind(kind);
  if (kind == purser::v1::REQUEST_KIND_IMPORT) {
    message.set_blueprint(args.words()[0]);
    PURSER_ASSIGN_OR_RETURN(nlohmann::json values, ReadValues(args, "file"));
    // {"parameters": …, "outputs": {step: …}}
    message.set_parameters_json(json::Dump(values.value("parameters", nlohmann::json::object())));
    message.set_imported_json(json::Dump(values.value("outputs", nlohmann::json::object())));
  } else {
    message.set_holding_id(args.words()[0]);
    if (kind == purser::v1::REQUEST_KIND_CHANGE) {
      PURSER_ASSIGN_OR_RETURN(const nlohmann::json values, ReadValues(args, "file"));
      message.set_parameters_json(json::Dump(values));
    }
  }
  message.set_owner(args.Get("owner"));
  message.set_requester(Actor(args));
  message.set_idempotency_key(args.Get("key"));
  message.set_validate_only(args.Has("dry-run"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::CreateRequestResponse response,
                          CallUnary(args, &ProvisioningService::Stub::CreateRequest, message));
  return ShowAsked(args, response.request());
}

absl::StatusOr<int> Change(const Args& args) {
  return Ask(args, purser::v1::REQUEST_KIND_CHANGE,
             "holdings change HOLDING [--file FILE] [--set NAME=VALUE]…");
}
absl::StatusOr<int> Transfer(const Args& args) {
  return Ask(args, purser::v1::REQUEST_KIND_TRANSFER, "holdings transfer HOLDING --owner REF");
}
absl::StatusOr<int> Suspend(const Args& args) {
  return Ask(args, purser::v1::REQUEST_KIND_SUSPEND, "holdings suspend HOLDING");
}
absl::StatusOr<int> Resume(const Args& args) {
  return Ask(args, purser::v1::REQUEST_KIND_RESUME, "holdings resume HOLDING");
}
absl::StatusOr<int> Repair(const Args& args) {
  return Ask(args, purser::v1::REQUEST_KIND_REPAIR, "holdings repair HOLDING");
}
absl::StatusOr<int> Delete(const Args& args) {
  return Ask(args, purser::v1::REQUEST_KIND_DELETE, "holdings delete HOLDING");
}
absl::StatusOr<int> Import(const Args& args) {
  return Ask(args, purser::v1::REQUEST_KIND_IMPORT, "holdings import BLUEPRINT --file FILE");
}

}  // namespace

std::vector<Entry> HoldingCommands() {
  const Option as{"as", "REF", "entity ref of who acts (default user:default/LOGIN)"};
  const Option reason{"reason", "TEXT", "why, for the audit trail"};
  const auto asking = [&](std::vector<Option> options) {
    for (Option& option : std::vector<Option>{{"key", "KEY", "idempotency key"},
                                              {"wait", "", "follow until the request is done"},
                                              {"dry-run", "", "show what would change, only"},
                                              as}) {
      options.push_back(std::move(option));
    }
    return WithConnection(std::move(options));
  };
  const Option set{"set", "NAME=VALUE", "one parameter; may be repeated", true};
  return {
      {{"holdings list", "", "list what requests made, newest first",
        WithConnection({{"owner", "REF", "only this owner's"},
                        {"entity", "REF", "only of this entity"},
                        {"blueprint", "NAME", "only of this blueprint, or product"},
                        {"state", "STATE", "only in this state"},
                        {"drifted", "", "only those that differ from what was applied"},
                        {"limit", "N", "at most so many (default 50)"}})},
       Printing(List)},
      {{"holdings get", "HOLDING", "show one holding", WithConnection({})}, Printing(Get)},
      {{"holdings change", "HOLDING", "ask for other parameters",
        asking({{"file", "FILE", "YAML or JSON file with parameters to change"}, set})},
       Printing(Change)},
      {{"holdings transfer", "HOLDING", "give it to another owner",
        asking({{"owner", "REF", "entity ref of the new owner"}})},
       Printing(Transfer)},
      {{"holdings suspend", "HOLDING", "park it", asking({})}, Printing(Suspend)},
      {{"holdings resume", "HOLDING", "take it up again", asking({})}, Printing(Resume)},
      {{"holdings repair", "HOLDING", "apply again what drifted", asking({})}, Printing(Repair)},
      {{"holdings delete", "HOLDING", "undo all of it, latest first", asking({})},
       Printing(Delete)},
      {{"holdings import", "BLUEPRINT", "take on what is there already",
        asking({{"file", "FILE", "YAML or JSON file with parameters and outputs by step"},
                set,
                {"owner", "REF", "owner's entity ref"}})},
       Printing(Import)},
      {{"holdings renew", "HOLDING", "move its expiry",
        WithConnection(
            {{"until", "TIME", "RFC 3339; else as long as the blueprint gives"}, as, reason})},
       Printing(Renew)},
      {{"holdings protect", "HOLDING", "refuse to delete it", WithConnection({as, reason})},
       Printing(Protect)},
      {{"holdings unprotect", "HOLDING", "allow to delete it", WithConnection({as, reason})},
       Printing(Unprotect)},
      {{"holdings inspect", "HOLDING", "compare it with what is outside, now",
        WithConnection({as})},
       Printing(Inspect)},
  };
}

}  // namespace purser::cli

// Commands for operators and auditors: single steps, orphans, the trail.
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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

// Walking a long trail takes its time.
constexpr absl::Duration kVerifyDeadline = absl::Minutes(30);

absl::StatusOr<int> Settle(const Args& args, purser::v1::StepVerb verb, const char* usage) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(2, 2, usage));
  purser::v1::SettleStepRequest message;
  message.set_id(args.words()[0]);
  message.set_step_id(args.words()[1]);
  message.set_verb(verb);
  message.set_idempotency_key(args.Get("key"));
  message.set_actor(Actor(args));
  message.set_reason(args.Get("reason"));
  if (verb == purser::v1::STEP_VERB_MARK_DONE) {
    PURSER_ASSIGN_OR_RETURN(const nlohmann::json outputs, ReadValues(args, "file"));
    message.set_outputs_json(json::Dump(outputs));
  }
  PURSER_ASSIGN_OR_RETURN(const purser::v1::SettleStepResponse response,
                          CallUnary(args, &ProvisioningService::Stub::SettleStep, message));
  PrintRequest(response.request(), args.Has("json"));
  return kOk;
}

absl::StatusOr<int> Skip(const Args& args) {
  return Settle(args, purser::v1::STEP_VERB_SKIP, "requests skip-step REQUEST STEP");
}
absl::StatusOr<int> MarkDone(const Args& args) {
  return Settle(args, purser::v1::STEP_VERB_MARK_DONE,
                "requests mark-done REQUEST STEP [--file FILE] [--set NAME=VALUE]…");
}
absl::StatusOr<int> Fork(const Args& args) {
  return Settle(args, purser::v1::STEP_VERB_FORK, "requests fork REQUEST STEP");
}

absl::StatusOr<int> ListOrphans(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "orphans list"));
  purser::v1::ListOrphansRequest message;
  message.set_page_size(500);
  nlohmann::json all = nlohmann::json::array();
  std::vector<std::vector<std::string>> rows;
  do {
    PURSER_ASSIGN_OR_RETURN(const purser::v1::ListOrphansResponse response,
                            CallUnary(args, &ProvisioningService::Stub::ListOrphans, message));
    for (const purser::v1::Orphan& orphan : response.orphans()) {
      all.push_back(ToJson(orphan));
      rows.push_back(
          {orphan.holding_id(), orphan.step_id(), orphan.undo(), StateName(orphan.request_state()),
           orphan.resource_ids_size() > 0 ? orphan.resource_ids(0) : "", orphan.message()});
    }
    message.set_page_token(response.next_page_token());
  } while (!message.page_token().empty());
  if (args.Has("json")) {
    PrintJson(all);
  } else {
    PrintTable({"HOLDING", "STEP", "UNDO", "REQUEST", "RESOURCE", "MESSAGE"}, rows);
  }
  return kOk;
}

absl::StatusOr<int> ForgetOrphan(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(2, 2, "orphans forget HOLDING STEP [--reason TEXT]"));
  purser::v1::ForgetOrphanRequest message;
  message.set_holding_id(args.words()[0]);
  message.set_step_id(args.words()[1]);
  message.set_actor(Actor(args));
  message.set_reason(args.Get("reason"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ForgetOrphanResponse response,
                          CallUnary(args, &ProvisioningService::Stub::ForgetOrphan, message));
  return kOk;
}

absl::StatusOr<int> VerifyAudit(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "audit verify"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::VerifyAuditResponse response,
                          CallUnary(args, &ProvisioningService::Stub::VerifyAudit,
                                    purser::v1::VerifyAuditRequest(), kVerifyDeadline));
  if (args.Has("json")) {
    PrintJson(ToJson(response));
  } else if (response.fault().empty()) {
    std::cout << response.events() << " events, each as it was written";
    if (response.forgotten() > 0) {
      std::cout << "; of " << response.forgotten()
                << " rows only the hashes are left, their requests are not kept any more";
    }
    std::cout << "\n";
  } else {
    std::cout << base::EscapeForDisplay(response.fault(), 1000) << "\n";
  }
  return response.fault().empty() ? kOk : kEndedBadly;
}

absl::StatusOr<int> Decisions(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "audit decisions [--limit N]"));
  PURSER_ASSIGN_OR_RETURN(const int64_t limit, args.Int("limit", 100, 1, 1000));
  purser::v1::ListDecisionsRequest message;
  message.set_limit(static_cast<int32_t>(limit));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::ListDecisionsResponse response,
                          CallUnary(args, &ProvisioningService::Stub::ListDecisions, message));
  nlohmann::json all = nlohmann::json::array();
  std::vector<std::vector<std::string>> rows;
  for (const purser::v1::Decision& decision : response.decisions()) {
    all.push_back(ToJson(decision));
    std::string reasons;
    const nlohmann::json detail =
        nlohmann::json::parse(decision.detail_json(), nullptr, /*allow_exceptions=*/false);
    for (const nlohmann::json& rule : detail) {
      absl::StrAppend(&reasons, reasons.empty() ? "" : "; ", rule.value("rule", ""), ": ",
                      rule.value("reason", ""));
    }
    rows.push_back({TimeText(decision.at()), decision.verdict(), decision.kind(),
                    decision.blueprint(), decision.requester(), decision.request_id(), reasons});
  }
  if (args.Has("json")) {
    PrintJson(all);
  } else {
    PrintTable({"TIME (UTC)", "VERDICT", "KIND", "BLUEPRINT", "REQUESTER", "REQUEST", "REASONS"},
               rows);
  }
  return kOk;
}

}  // namespace

std::vector<Entry> OperatorCommands() {
  const Option as{"as", "REF", "entity ref of who acts (default user:default/LOGIN)"};
  const Option reason{"reason", "TEXT", "why, for the audit trail"};
  return {
      {{"requests skip-step", "REQUEST STEP", "count a step that is stuck as done without outputs",
        WithConnection({as, reason})},
       Printing(Skip)},
      {{"requests mark-done", "REQUEST STEP", "count a step that is stuck as done by hand",
        WithConnection({{"file", "FILE", "YAML or JSON file with its outputs"},
                        {"set", "NAME=VALUE", "one output; may be repeated", true},
                        as,
                        reason})},
       Printing(MarkDone)},
      {{"requests fork", "REQUEST STEP", "begin a new request at a step of one that has ended",
        WithConnection({{"key", "KEY", "idempotency key"}, as, reason})},
       Printing(Fork)},
      {{"orphans list", "", "list what failed requests left outside", WithConnection({})},
       Printing(ListOrphans)},
      {{"orphans forget", "HOLDING STEP", "take an orphan off the list when it is seen to",
        WithConnection({as, reason})},
       Printing(ForgetOrphan)},
      {{"audit verify", "", "check that nothing in the audit trail was changed",
        WithConnection({})},
       Printing(VerifyAudit)},
      {{"audit decisions", "", "list what policy decided, refusals included",
        WithConnection({{"limit", "N", "at most so many (default 100)"}})},
       Printing(Decisions)},
  };
}

}  // namespace purser::cli

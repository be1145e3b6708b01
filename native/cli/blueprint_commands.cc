// Commands about blueprints: what may be asked for, and the files behind it.
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "cli/client.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "cli/request_output.h"
#include "document/yaml.h"
#include "json/json.h"
#include "provisioning/blueprint_runner.h"
#include "provisioning/change_plan.h"

namespace purser::cli {
namespace {

using purser::v1::ProvisioningService;

constexpr int64_t kMaxFileBytes = 1 << 20;

absl::StatusOr<int> List(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(0, 0, "blueprints list"));
  purser::v1::ListBlueprintsRequest message;
  message.set_page_size(500);
  std::vector<std::vector<std::string>> rows;
  nlohmann::json all = nlohmann::json::array();
  do {
    PURSER_ASSIGN_OR_RETURN(const purser::v1::ListBlueprintsResponse response,
                            CallUnary(args, &ProvisioningService::Stub::ListBlueprints, message));
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

// Every fault of every file; what purserd's connectors take is purserd's to say.
absl::StatusOr<int> Lint(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1000, "blueprints lint FILE…"));
  nlohmann::json faults = nlohmann::json::array();
  for (const std::string& file : args.words()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file, kMaxFileBytes));
    purser::v1::CheckBlueprintRequest message;
    message.set_text(text);
    message.set_file(file);
    PURSER_ASSIGN_OR_RETURN(const purser::v1::CheckBlueprintResponse response,
                            CallUnary(args, &ProvisioningService::Stub::CheckBlueprint, message));
    for (const std::string& fault : response.faults()) {
      faults.push_back(fault);
      if (!args.Has("json")) std::cout << base::EscapeForDisplay(fault, 4000) << "\n";
    }
  }
  if (args.Has("json")) PrintJson(faults);
  return faults.empty() ? kOk : kEndedBadly;
}

// Needs no purserd: connectors answer by the script of the file.
absl::StatusOr<int> Test(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1000, "blueprints test FILE…"));
  nlohmann::json all = nlohmann::json::array();
  int failed = 0;
  for (const std::string& file : args.words()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file, kMaxFileBytes));
    PURSER_ASSIGN_OR_RETURN(const std::string blueprint_file,
                            provisioning::BlueprintOfTest(text, file));
    PURSER_ASSIGN_OR_RETURN(const std::string blueprint,
                            base::ReadFile(blueprint_file, kMaxFileBytes));
    PURSER_ASSIGN_OR_RETURN(const std::vector<provisioning::CaseResult> results,
                            provisioning::RunBlueprintTests(text, file, blueprint, blueprint_file));
    for (const provisioning::CaseResult& result : results) {
      if (!result.failures.empty()) ++failed;
      all.push_back({{"file", file}, {"case", result.name}, {"failures", result.failures}});
      if (args.Has("json")) continue;
      std::cout << (result.failures.empty() ? "ok    " : "FAILED  ") << file << ": "
                << base::EscapeForDisplay(result.name) << "\n";
      for (const std::string& failure : result.failures) {
        std::cout << "        " << base::EscapeForDisplay(failure, 4000) << "\n";
      }
    }
  }
  if (args.Has("json")) PrintJson(all);
  return failed == 0 ? kOk : kEndedBadly;
}

// A file, or what purserd has under a name or a pinned hash.
absl::StatusOr<nlohmann::json> ReadBlueprint(const Args& args, const std::string& what) {
  const absl::StatusOr<std::string> text = base::ReadFile(what, kMaxFileBytes);
  if (text.ok()) {
    PURSER_ASSIGN_OR_RETURN(document::Document document, document::ParseYamlDocument(*text, what));
    return std::move(document.value);
  }
  purser::v1::GetBlueprintRequest message;
  message.set_name_or_hash(what);
  PURSER_ASSIGN_OR_RETURN(const purser::v1::GetBlueprintResponse response,
                          CallUnary(args, &ProvisioningService::Stub::GetBlueprint, message));
  return json::Parse(response.body_json());
}

absl::StatusOr<int> Diff(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 2, "blueprints diff FILE|NAME|HASH [FILE|NAME|HASH]"));
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json second, ReadBlueprint(args, args.words().back()));
  // One alone is compared with what purserd runs under its name.
  std::string before = args.words().front();
  if (args.words().size() == 1) {
    before = second.value("metadata", nlohmann::json::object()).value("name", "");
  }
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json first, ReadBlueprint(args, before));
  const nlohmann::json changes = provisioning::Differences(first, second);
  if (args.Has("json")) {
    PrintJson(changes);
  } else {
    std::vector<std::vector<std::string>> rows;
    for (const nlohmann::json& change : changes) {
      rows.push_back({change.at("path").get<std::string>(),
                      change.contains("from") ? change["from"].dump() : "",
                      change.contains("to") ? change["to"].dump() : ""});
    }
    PrintTable({"PATH", "BEFORE", "AFTER"}, rows);
  }
  return changes.empty() ? kOk : kEndedBadly;
}

// What a request's steps gave, as the script of a test.
absl::StatusOr<int> Record(const Args& args) {
  PURSER_RETURN_IF_ERROR(args.ExpectWords(1, 1, "blueprints record REQUEST"));
  PURSER_ASSIGN_OR_RETURN(const purser::v1::Request request, GetOne(args, args.words()[0]));
  nlohmann::json answers = nlohmann::json::object();
  nlohmann::json states = nlohmann::json::object();
  for (const purser::v1::Step& step : request.steps()) {
    states[step.id()] =
        EnumName(purser::v1::StepState_Name(step.state()), sizeof("STEP_STATE_") - 1);
    if (step.state() != purser::v1::STEP_STATE_SUCCEEDED) continue;
    PURSER_ASSIGN_OR_RETURN(nlohmann::json outputs, json::Parse(step.outputs_json()));
    answers[step.id()] = {{"outputs", std::move(outputs)}};
  }
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json parameters, json::Parse(request.parameters_json()));
  PURSER_ASSIGN_OR_RETURN(const nlohmann::json outputs, json::Parse(request.outputs_json()));
  const nlohmann::json test = {
      {"apiVersion", "purser.dev/v1"},
      {"kind", "BlueprintTest"},
      {"blueprint", request.blueprint() + ".yaml"},
      {"cases",
       {{{"name", "as recorded from " + request.id()},
         {"parameters", parameters},
         {"owner", request.owner()},
         {"answers", answers},
         {"expect",
          {{"state", StateName(request.state())}, {"steps", states}, {"outputs", outputs}}}}}}};
  std::cout << document::ToYaml(test);
  return kOk;
}

}  // namespace

std::vector<Entry> BlueprintCommands() {
  return {
      {{"blueprints list", "", "list what may be asked for", WithConnection({})}, Printing(List)},
      {{"blueprints lint", "FILE…", "check blueprints against purserd's connectors",
        WithConnection({})},
       Printing(Lint)},
      {{"blueprints test", "FILE…", "run the cases of test files without outside systems",
        WithConnection({})},
       Printing(Test)},
      {{"blueprints diff", "BEFORE [AFTER]", "compare files, or what purserd has, by path",
        WithConnection({})},
       Printing(Diff)},
      {{"blueprints record", "REQUEST", "print a test that answers as a request's steps did",
        WithConnection({})},
       Printing(Record)},
  };
}

}  // namespace purser::cli

#include "provisioning/blueprint_runner.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/strings.h"
#include "document/yaml.h"
#include "inventory/inventory.h"
#include "json/json.h"
#include "provisioning/blueprint.h"
#include "provisioning/engine.h"
#include "provisioning/scripted_connector.h"
#include "store/store.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

constexpr char kSchema[] = R"({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["apiVersion", "kind", "blueprint", "cases"],
  "additionalProperties": false,
  "properties": {
    "apiVersion": {"const": "purser.dev/v1"},
    "kind": {"const": "BlueprintTest"},
    "blueprint": {"type": "string", "minLength": 1},
    "undo": {"type": "object", "additionalProperties": {"type": "string", "minLength": 1}},
    "cases": {
      "type": "array", "minItems": 1, "maxItems": 200,
      "items": {
        "type": "object", "required": ["name", "expect"], "additionalProperties": false,
        "properties": {
          "name": {"type": "string", "minLength": 1},
          "parameters": {"type": "object"},
          "owner": {"type": "string"},
          "answers": {"type": "object"},
          "reject": {"type": "array", "items": {"type": "string"}},
          "deliver": {"type": "object"},
          "expect": {
            "type": "object", "additionalProperties": false,
            "properties": {
              "state": {"enum": ["succeeded", "failed", "cancelled", "needs-operator"]},
              "message": {"type": "string"},
              "refused": {"type": "string"},
              "outputs": {"type": "object"},
              "inputs": {"type": "object"},
              "steps": {"type": "object", "additionalProperties": {"type": "string"}},
              "undone": {"type": "array", "items": {"type": "string"}},
              "entity": {"type": "object"}
            }
          }
        }
      }
    }
  }
})";

constexpr char kSecret[] = "test";
constexpr char kApprover[] = "user:default/approver";
// Real time that a case may take before it counts as hanging.
constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr absl::Duration kFirstStep = absl::Minutes(1);
constexpr absl::Duration kLongestStep = absl::Hours(24);

absl::StatusOr<document::Document> ReadTest(absl::string_view text, absl::string_view file) {
  PURSER_ASSIGN_OR_RETURN(document::Document document, document::ParseYamlDocument(text, file));
  PURSER_ASSIGN_OR_RETURN(const purser::json::Schema schema,
                          purser::json::Schema::Compile(json::parse(kSchema)));
  std::vector<std::string> faults;
  for (const purser::json::Violation& violation : schema.Validate(document.value)) {
    faults.push_back(absl::StrCat(document.Where(file, violation.pointer), ": ", violation.pointer,
                                  ": ", violation.message));
  }
  if (!faults.empty()) return absl::InvalidArgumentError(absl::StrJoin(faults, "\n"));
  return document;
}

// Every connector the blueprint names, with the operations it uses and what undoes them.
std::map<std::string, std::map<std::string, std::string>> OperationsOf(const json& blueprint,
                                                                       const json& undo) {
  std::map<std::string, std::map<std::string, std::string>> found;
  const auto add = [&](const std::string& uses, const std::string& undone_by) {
    const std::pair<std::string, std::string> parts = absl::StrSplit(uses, absl::MaxSplits('/', 1));
    if (parts.first == "wait" || parts.second.empty()) return;
    std::string& compensation = found[parts.first][parts.second];
    if (!undone_by.empty()) compensation = undone_by;
  };
  const json spec = blueprint.value("spec", json::object());
  const json steps = spec.is_object() ? spec.value("steps", json::array()) : json::array();
  for (const json& step : steps) {
    if (step.is_object() && step.contains("uses") && step["uses"].is_string()) {
      add(step["uses"].get<std::string>(), "");
    }
  }
  for (const auto& [uses, by] : undo.items()) {
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(by.get<std::string>(), absl::MaxSplits('/', 1));
    add(uses, parts.second);
    add(by.get<std::string>(), "");
  }
  return found;
}

// What of `wanted` is not in `found`: objects may hold more, everything else must be equal.
void Compare(const json& wanted, const json& found, const std::string& where,
             std::vector<std::string>* failures) {
  if (wanted.is_object() && found.is_object()) {
    for (const auto& [key, value] : wanted.items()) {
      const std::string at = absl::StrCat(where, "/", purser::json::PointerToken(key));
      if (found.contains(key)) {
        Compare(value, found.at(key), at, failures);
      } else {
        failures->push_back(absl::StrCat(at, ": is not there; expected ", value.dump()));
      }
    }
    return;
  }
  if (wanted != found) {
    failures->push_back(absl::StrCat(where, ": is ", found.dump(), "; expected ", wanted.dump()));
  }
}

// One case: a service of its own over an empty store.
class CaseRun {
 public:
  CaseRun(const json& one, absl::string_view blueprint_text)
      : case_(one), script_(one.value("answers", json::object())) {
    folder_ = (std::filesystem::temp_directory_path() /
               absl::StrCat("purser-test-", base::Rng::System().Next()))
                  .string();
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ + "/blueprint.yaml") << blueprint_text;
  }
  ~CaseRun() {
    service_.reset();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  absl::Status Open(const document::Document& blueprint, absl::string_view text,
                    absl::string_view file, const json& undo) {
    for (const auto& [name, operations] : OperationsOf(blueprint.value, undo)) {
      connectors_.emplace(name, std::make_unique<ScriptedConnector>(name, operations, script_));
    }
    // Here already, so that faults name the file they are in.
    PURSER_RETURN_IF_ERROR(ParseBlueprint(text, file, connectors_).status());
    PURSER_ASSIGN_OR_RETURN(database_, store::OpenSqlite({":memory:"}));
    PURSER_ASSIGN_OR_RETURN(inventory_, inventory::Inventory::Open(*database_, clock_));
    Options options;
    options.database = database_.get();
    options.inventory = inventory_.get();
    options.connectors = &connectors_;
    options.clock = &clock_;
    options.rng = &rng_;
    options.blueprint_folders = {folder_};
    options.resolve_secret = [](absl::string_view) { return std::string(kSecret); };
    PURSER_ASSIGN_OR_RETURN(service_, OpenService(options));
    return service_->Start();
  }

  CaseResult Run() {
    CaseResult result;
    result.name = case_.at("name");
    const json& expect = case_.at("expect");
    CreateOptions options;
    options.blueprint = service_->ListBlueprints().front().name;
    options.parameters = case_.value("parameters", json::object());
    options.owner = case_.value("owner", "");
    options.requester = "user:default/requester";
    const absl::StatusOr<Request> created = service_->Create(options);
    if (!created.ok()) {
      const std::string message(created.status().message());
      if (!expect.contains("refused")) {
        result.failures.push_back(absl::StrCat("it was refused: ", message));
      } else if (!absl::StrContains(message, expect["refused"].get<std::string>())) {
        result.failures.push_back(absl::StrCat("refused: is \"", message, "\""));
      }
      return result;
    }
    if (expect.contains("refused")) result.failures.push_back("it was not refused");
    const absl::StatusOr<Request> ended = Settle(created->id);
    if (!ended.ok()) {
      result.failures.emplace_back(ended.status().message());
      return result;
    }
    Check(*ended, expect, &result.failures);
    return result;
  }

 private:
  // Moves the clock on, approves and delivers, until nothing moves any more.
  absl::StatusOr<Request> Settle(const std::string& id) {
    const auto until = std::chrono::steady_clock::now() + absl::ToChronoMilliseconds(kPatience);
    absl::Duration step = kFirstStep;
    int64_t sequence = 0;
    while (true) {
      PURSER_ASSIGN_OR_RETURN(const Request request, service_->Get(id));
      if (IsFinal(request.state) || request.state == RequestState::kNeedsOperator) return request;
      if (request.sequence != sequence) {
        sequence = request.sequence;
        step = kFirstStep;
      } else if (request.state == RequestState::kWaiting) {
        clock_.Advance(step);
        step = std::min(step * 2, kLongestStep);
      }
      Speak(request);
      if (std::chrono::steady_clock::now() > until) {
        return absl::DeadlineExceededError(
            absl::StrCat("it does not end: it is ", ToString(request.state), " ", request.message));
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  void Speak(const Request& request) {
    const json reject = case_.value("reject", json::array());
    const auto is_rejected = [&](const std::string& step) {
      return std::find(reject.begin(), reject.end(), step) != reject.end();
    };
    // Who may approve belongs to whomever the blueprint asks; each time somebody else.
    const auto actor = [&](const json& from) {
      Actor one = {absl::StrCat(kApprover, ++approvers_), "", {}};
      if (from.is_array()) one.belongs_to = from.get<std::vector<std::string>>();
      return one;
    };
    if (request.state == RequestState::kWaitingApproval) {
      const Actor who = actor(request.plan.value("approval", json::object()).value("from", json()));
      (is_rejected("") ? service_->Reject(request.id, "", who)
                       : service_->Approve(request.id, "", "", who))
          .status()
          .IgnoreError();
      return;
    }
    for (const StepStatus& step : request.steps) {
      if (step.state != StepState::kWaiting) continue;
      if (step.uses == "wait/approval") {
        const Actor who = actor(From(step.id));
        (is_rejected(step.id) ? service_->Reject(request.id, step.id, who)
                              : service_->Approve(request.id, step.id, "", who))
            .status()
            .IgnoreError();
      } else if (step.uses == "wait/webhook" &&
                 case_.value("deliver", json::object()).contains(step.id)) {
        Delivery delivery;
        delivery.request_id = request.id;
        delivery.step_id = step.id;
        delivery.body = case_["deliver"][step.id].dump();
        delivery.timestamp = absl::StrCat(absl::ToUnixSeconds(clock_.Now()));
        delivery.delivery_id = "test";
        delivery.signature = absl::StrCat(
            "sha256=", base::ToHex(base::HmacSha256(
                           kSecret, absl::StrCat(delivery.timestamp, ".", delivery.body))));
        service_->Deliver(delivery).IgnoreError();
      }
    }
  }

  // Whom a step that waits for approval asks, as the blueprint writes it.
  json From(const std::string& id) {
    const absl::StatusOr<json> body =
        service_->GetBlueprint(service_->ListBlueprints().front().name);
    if (!body.ok()) return json();
    for (const json& step : body->at("spec").at("steps")) {
      if (step.at("id") == id) return step.value("with", json::object()).value("from", json());
    }
    return json();
  }

  void Check(const Request& request, const json& expect, std::vector<std::string>* failures) {
    if (expect.contains("state") && expect["state"] != std::string(ToString(request.state))) {
      failures->push_back(absl::StrCat("state: is ", ToString(request.state), " (", request.message,
                                       "); expected ", expect["state"].get<std::string>()));
    }
    if (expect.contains("message") &&
        !absl::StrContains(request.message, expect["message"].get<std::string>())) {
      failures->push_back(absl::StrCat("message: is \"", request.message, "\""));
    }
    Compare(expect.value("outputs", json::object()), request.outputs, "/outputs", failures);
    const std::map<std::string, json> inputs = script_.Inputs();
    // A variable of its own: a loop does not keep the object behind items() alive.
    const json wanted_inputs = expect.value("inputs", json::object());
    for (const auto& [step, wanted] : wanted_inputs.items()) {
      const auto found = inputs.find(step);
      if (found == inputs.end()) {
        failures->push_back(absl::StrCat("/inputs/", step, ": the step was not called"));
      } else {
        Compare(wanted, found->second, absl::StrCat("/inputs/", step), failures);
      }
    }
    json states = json::object();
    for (const StepStatus& step : request.steps)
      states[step.id] = std::string(ToString(step.state));
    Compare(expect.value("steps", json::object()), states, "/steps", failures);
    if (expect.contains("undone")) {
      Compare(expect["undone"], json(script_.Undone()), "/undone", failures);
    }
    if (expect.contains("entity")) CheckEntity(request, expect["entity"], failures);
  }

  void CheckEntity(const Request& request, const json& wanted, std::vector<std::string>* failures) {
    const absl::StatusOr<inventory::EntityChanges> changes = inventory_->Changes("", 1);
    if (!changes.ok() || changes->upserts.empty()) {
      failures->push_back(absl::StrCat("/entity: ", request.entity_ref, " is not in the catalog"));
      return;
    }
    Compare(wanted, json::parse(changes->upserts.front()), "/entity", failures);
  }

  const json case_;
  std::string folder_;
  Script script_;
  connectors::Connectors connectors_;
  base::FakeClock clock_;
  base::SeededRng rng_{1};
  int approvers_ = 0;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<inventory::Inventory> inventory_;
  std::unique_ptr<ProvisioningService> service_;
};

}  // namespace

absl::StatusOr<std::string> BlueprintOfTest(absl::string_view test_text,
                                            absl::string_view test_file) {
  PURSER_ASSIGN_OR_RETURN(const document::Document test, ReadTest(test_text, test_file));
  const std::filesystem::path named(test.value.at("blueprint").get<std::string>());
  return (std::filesystem::path(base::ToStd(test_file)).parent_path() / named).string();
}

absl::StatusOr<std::vector<CaseResult>> RunBlueprintTests(absl::string_view test_text,
                                                          absl::string_view test_file,
                                                          absl::string_view blueprint_text,
                                                          absl::string_view blueprint_file) {
  PURSER_ASSIGN_OR_RETURN(const document::Document test, ReadTest(test_text, test_file));
  PURSER_ASSIGN_OR_RETURN(const document::Document blueprint,
                          document::ParseYamlDocument(blueprint_text, blueprint_file));
  const json undo = test.value.value("undo", json::object());
  std::vector<CaseResult> results;
  for (const json& one : test.value.at("cases")) {
    CaseRun run(one, blueprint_text);
    PURSER_RETURN_IF_ERROR(run.Open(blueprint, blueprint_text, blueprint_file, undo));
    results.push_back(run.Run());
  }
  return results;
}

}  // namespace purser::provisioning

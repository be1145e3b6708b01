#include "provisioning/blueprint_check.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"
#include "provisioning/blueprint.h"
#include "provisioning/blueprint_schema.h"
#include "provisioning/blueprint_types.h"
#include "provisioning/expressions.h"
#include "workflow/definition.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

constexpr size_t kMaxFaults = 100;

class Checker {
 public:
  Checker(const document::Document& document, absl::string_view file,
          const connectors::Connectors& connectors)
      : document_(document), file_(file), connectors_(connectors) {}

  absl::Status Run() {
    const absl::StatusOr<purser::json::Schema> schema =
        purser::json::Schema::Compile(BlueprintSchema());
    if (!schema.ok()) return schema.status();
    for (const purser::json::Violation& violation : schema->Validate(document_.value)) {
      Fault(violation.pointer, violation.message);
    }
    // Without the right shape, whatever else could be said would only repeat
    // it.
    if (!faults_.empty()) return Result();
    CheckParameters();
    CheckSteps();
    CheckLife();
    CheckGraph();
    CheckExpressions();
    return Result();
  }

 private:
  const json& Spec() const { return document_.value.at("spec"); }

  void Fault(const std::string& pointer, absl::string_view message) {
    if (faults_.size() >= kMaxFaults) return;
    const auto known = document_.positions.find(pointer);
    const document::Position position =
        known != document_.positions.end() ? known->second : document::Position();
    faults_.push_back({position.line, position.column,
                       absl::StrCat(document_.Where(file_, pointer), ": ",
                                    pointer.empty() ? "" : absl::StrCat(pointer, ": "), message)});
  }

  absl::Status Result() {
    if (faults_.empty()) return absl::OkStatus();
    std::stable_sort(faults_.begin(), faults_.end(), [](const auto& a, const auto& b) {
      return std::pair(a.line, a.column) < std::pair(b.line, b.column);
    });
    return absl::InvalidArgumentError(absl::StrJoin(
        faults_, "\n", [](std::string* out, const auto& fault) { out->append(fault.text); }));
  }

  void CheckParameters() {
    if (!Spec().contains("parameters")) return;
    const json& parameters = Spec().at("parameters");
    const absl::StatusOr<purser::json::Schema> schema = purser::json::Schema::Compile(parameters);
    if (!schema.ok()) Fault("/spec/parameters", schema.status().message());
    for (const char* keyword :
         {"allOf", "anyOf", "oneOf", "if", "dependencies", "patternProperties", "$ref"}) {
      open_parameters_ = open_parameters_ || parameters.contains(keyword);
    }
    // A variable of its own: a loop does not keep the object behind items()
    // alive.
    const json properties = parameters.value("properties", json::object());
    for (const auto& [name, _] : properties.items()) {
      parameters_.insert(name);
    }
  }

  void CheckSteps() {
    const json& steps = Spec().at("steps");
    for (size_t i = 0; i < steps.size(); ++i) {
      const std::string at = absl::StrCat("/spec/steps/", i);
      const std::string id = steps[i].at("id");
      const auto [first, added] = ids_.emplace(id, i);
      if (!added) {
        Fault(absl::StrCat(at, "/id"),
              absl::StrCat("\"", id, "\" is the id of step ", first->second + 1, " as well"));
      }
    }
    for (size_t i = 0; i < steps.size(); ++i) CheckStep(steps[i], absl::StrCat("/spec/steps/", i));
  }

  void CheckStep(const json& step, const std::string& at) {
    CheckDuration(step, at, "timeout", absl::Milliseconds(1), absl::Hours(24 * 90));
    if (step.contains("retries")) {
      CheckDuration(step.at("retries"), at + "/retries", "initialDelay", absl::ZeroDuration(),
                    absl::Hours(24));
      CheckDuration(step.at("retries"), at + "/retries", "maxDelay", absl::ZeroDuration(),
                    absl::Hours(24));
    }
    const json needs = step.value("needs", json::array());
    for (size_t i = 0; i < needs.size(); ++i) {
      CheckStepId(absl::StrCat(at, "/needs/", i), needs[i].get<std::string>());
    }
    const json condition = step.value("if", json(true));
    if (condition.is_string() && !IsExpression(condition.get_ref<const std::string&>())) {
      Fault(at + "/if", "must be true, false or an expression like ${{ parameters.name }}");
    }
    if (step.contains("each")) CheckEach(step.at("each"), at + "/each");
    const absl::StatusOr<const connectors::Operation*> operation =
        FindOperation(connectors_, step.at("uses").get<std::string>());
    if (!operation.ok()) {
      Fault(at + "/uses", operation.status().message());
      return;
    }
    CheckInput(step.value("with", json::object()), at + "/with", **operation);
  }

  // Written out before the run begins, so it can use nothing that a step gives.
  void CheckEach(const json& each, const std::string& at) {
    if (each.is_string() && !IsExpression(each.get_ref<const std::string&>())) {
      Fault(at, "must be a list or an expression like ${{ parameters.names }}");
    }
    Visit(each, at,
          {[](const std::string&, const absl::Status&) {},
           [this](const std::string& pointer, const Reference& reference) {
             if (reference.root == "steps") {
               Fault(pointer,
                     "is settled before any step runs; it cannot use "
                     "their outputs");
             }
           }});
  }

  void CheckLife() {
    if (!Spec().contains("life")) return;
    const json& life = Spec().at("life");
    const absl::Duration most = absl::Hours(24 * 3660);
    const json expires = life.value("expiresAfter", json());
    if (expires.is_string() && !IsExpression(expires.get_ref<const std::string&>())) {
      CheckDuration(life, "/spec/life", "expiresAfter", absl::Minutes(1), most);
    }
    for (const char* key : {"grace", "renewBy"}) {
      CheckDuration(life, "/spec/life", key, absl::ZeroDuration(), most);
    }
    const json reminders = life.value("reminders", json::array());
    for (size_t i = 0; i < reminders.size(); ++i) {
      CheckDuration({{absl::StrCat(i), reminders[i]}}, "/spec/life/reminders", absl::StrCat(i),
                    absl::Minutes(1), most);
    }
    if (life.contains("drift")) {
      CheckDuration(life.at("drift"), "/spec/life/drift", "every", absl::Minutes(1), most);
    }
    if (life.value("suspendable", false) && !UsesSuspended()) {
      Fault("/spec/life/suspendable",
            "no step uses request.suspended, so that "
            "suspending would change nothing");
    }
  }

  bool UsesSuspended() const {
    bool used = false;
    const Visitor visitor{[](const std::string&, const absl::Status&) {},
                          [&](const std::string&, const Reference& reference) {
                            used = used ||
                                   (reference.root == "request" && reference.member == "suspended");
                          }};
    for (const json& step : Spec().at("steps")) {
      for (const char* field : {"with", "if"}) {
        if (step.contains(field)) Visit(step.at(field), "", visitor);
      }
    }
    return used;
  }

  // What is written out in `with` must fit the operation's schema; what an
  // expression gives is checked before the call.
  void CheckInput(const json& input, const std::string& at,
                  const connectors::Operation& operation) {
    const absl::StatusOr<purser::json::Schema> schema =
        purser::json::Schema::Compile(operation.input_schema);
    if (!schema.ok()) {
      Fault(at, schema.status().message());
      return;
    }
    for (const purser::json::Violation& violation : schema->Validate(input)) {
      if (!DependsOnExpression(input, violation.pointer)) {
        Fault(at + violation.pointer, violation.message);
      }
    }
    for (const purser::json::Violation& fault :
         TypeFaults(Spec(), open_parameters_, connectors_, input, *schema)) {
      Fault(at + fault.pointer, fault.message);
    }
  }

  static bool DependsOnExpression(const json& input, const std::string& pointer) {
    const json::json_pointer at(pointer);
    if (input.contains(at)) return HasExpression(input.at(at));
    // Required and absent: only a computed key of its object could still bring
    // it.
    if (pointer.empty()) return false;
    const json& parent =
        input.contains(at.parent_pointer()) ? input.at(at.parent_pointer()) : input;
    if (!parent.is_object()) return false;
    for (const auto& [key, _] : parent.items()) {
      if (IsExpression(key)) return true;
    }
    return false;
  }

  void CheckDuration(const json& object, const std::string& at, const std::string& key,
                     absl::Duration least, absl::Duration most) {
    if (!object.contains(key)) return;
    absl::Duration duration;
    if (!absl::ParseDuration(object.at(key).get<std::string>(), &duration) || duration < least ||
        duration > most) {
      Fault(absl::StrCat(at, "/", key),
            absl::StrCat("must be a duration like 30s, 5m or 2h, from ",
                         absl::FormatDuration(least), " to ", absl::FormatDuration(most)));
    }
  }

  void CheckStepId(const std::string& pointer, const std::string& id) {
    if (ids_.contains(id)) return;
    Fault(pointer,
          absl::StrCat("there is no step \"", base::EscapeForDisplay(id), "\"; there are: ",
                       absl::StrJoin(ids_, ", ", [](std::string* out, const auto& entry) {
                         out->append(entry.first);
                       })));
  }

  void CheckGraph() {
    if (ids_.size() != Spec().at("steps").size()) return;  // said already
    std::vector<workflow::StepDefinition> steps;
    for (const json& text : Spec().at("steps")) {
      workflow::StepDefinition step;
      step.id = text.at("id");
      step.needs = text.value("needs", std::vector<std::string>());
      const Visitor visitor{[](const std::string&, const absl::Status&) {},
                            [&](const std::string&, const Reference& reference) {
                              if (reference.root == "steps" && reference.member != step.id) {
                                step.needs.push_back(reference.member);
                              }
                            }};
      Visit(text.value("with", json::object()), "", visitor);
      Visit(text.value("if", json()), "", visitor);
      steps.push_back(std::move(step));
    }
    const std::vector<std::string> cycle = workflow::FindCycle(steps);
    if (cycle.empty()) return;
    Fault(absl::StrCat("/spec/steps/", ids_[cycle.front()]),
          absl::StrCat("steps need one another in a circle: ", absl::StrJoin(cycle, " → ")));
  }

  void CheckExpressions() {
    const json& steps = Spec().at("steps");
    for (size_t i = 0; i < steps.size(); ++i) {
      const std::string at = absl::StrCat("/spec/steps/", i);
      own_step_ = steps[i].at("id");
      own_outputs_ = false;
      for (const char* field : {"if", "with", "each"}) CheckField(steps[i], at, field);
      own_outputs_ = true;
      CheckField(steps[i], at, "resources");
    }
    own_step_.clear();
    for (const char* field : {"outputs", "entity"}) CheckField(Spec(), "/spec", field);
    before_steps_ = true;
    for (const char* field : {"owner", "environment", "classification"}) {
      CheckField(Spec(), "/spec", field);
    }
    for (const char* field : {"expiresAfter", "protected"}) {
      if (Spec().contains("life")) CheckField(Spec().at("life"), "/spec/life", field);
    }
  }

  void CheckField(const json& object, const std::string& at, const std::string& field) {
    if (!object.contains(field)) return;
    Visit(object.at(field), absl::StrCat(at, "/", field),
          {[this](const std::string& pointer, const absl::Status& fault) {
             Fault(pointer, absl::StrCat("bad expression: ", fault.message()));
           },
           [this](const std::string& pointer, const Reference& reference) {
             CheckReference(pointer, reference);
           }});
  }

  void CheckReference(const std::string& pointer, const Reference& reference) {
    if (reference.root == "steps" && !reference.member.empty()) {
      CheckStepReference(pointer, reference);
    } else if (reference.root == "parameters" && !reference.member.empty()) {
      if (!open_parameters_ && !parameters_.contains(reference.member)) {
        Fault(pointer, absl::StrCat("there is no parameter \"", reference.member,
                                    "\"; there are: ", absl::StrJoin(parameters_, ", ")));
      }
    }
  }

  void CheckStepReference(const std::string& pointer, const Reference& reference) {
    if (before_steps_) {
      Fault(pointer, "is settled before any step runs; it cannot use their outputs");
      return;
    }
    if (!ids_.contains(reference.member)) {
      const std::string whole =
          reference.member + std::string(absl::StripTrailingAsciiWhitespace(reference.after));
      for (const auto& [id, _] : ids_) {
        if (reference.dotted && absl::StrContains(id, '-') && absl::StartsWith(whole, id)) {
          Fault(pointer, absl::StrCat("an id with '-' is written steps['", id, "']"));
          return;
        }
      }
      CheckStepId(pointer, reference.member);
      return;
    }
    if (reference.member == own_step_ && !own_outputs_) {
      Fault(pointer, "a step cannot use its own outputs");
    }
  }

  struct Found {
    int line;
    int column;
    std::string text;
  };

  const document::Document& document_;
  const absl::string_view file_;
  const connectors::Connectors& connectors_;
  std::vector<Found> faults_;
  std::map<std::string, size_t> ids_;
  std::set<std::string> parameters_;
  bool open_parameters_ = false;  // the schema may know parameters beyond `properties`
  std::string own_step_;
  bool own_outputs_ = false;
  bool before_steps_ = false;
};

}  // namespace

absl::Status CheckBlueprint(const document::Document& document, absl::string_view file,
                            const connectors::Connectors& connectors) {
  return Checker(document, file, connectors).Run();
}

}  // namespace purser::provisioning

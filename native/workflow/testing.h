// For tests of the engine: an executor whose steps do as they are told, and an observer that
// counts.
#ifndef PURSER_WORKFLOW_TESTING_H_
#define PURSER_WORKFLOW_TESTING_H_

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/mutex.h"
#include "workflow/executor.h"
#include "workflow/observer.h"

namespace purser::workflow {

// What a step does, by its `uses`. Functions not given succeed with empty results.
struct ScriptedOperation {
  StepTraits traits;
  std::function<absl::StatusOr<CallResult>(const StepCall&, CallContext&)> call;
  std::function<absl::StatusOr<std::optional<CallResult>>(const StepCall&, CallContext&)> probe;
  std::function<absl::StatusOr<CallResult>(const StepCall&, const CallResult&, CallContext&)>
      observe;
  std::function<absl::StatusOr<CallResult>(const StepCall&, CallContext&)> undo;
};

// Thread-safe; remembers "call a", "undo a" … in order.
class ScriptedExecutor : public StepExecutor {
 public:
  std::map<std::string, ScriptedOperation> operations;  // fixed before the engine starts
  std::function<absl::StatusOr<nlohmann::json>(const RunView&)> finish;

  // The body is {"name", "parallel",
  //              "steps": [{"id","uses","needs","attempts","timeoutMs","skip","undo"}]}.
  static std::shared_ptr<const Definition> Build(const nlohmann::json& body) {
    auto definition = std::make_shared<Definition>();
    definition->name = body.value("name", "test");
    definition->hash = base::Sha256Hex(body.dump());
    definition->parallel = body.value("parallel", 0);
    for (const nlohmann::json& text : body.at("steps")) {
      StepDefinition step;
      step.id = text.at("id");
      step.uses = text.value("uses", "ok");
      step.needs = text.value("needs", std::vector<std::string>());
      step.condition = text.value("skip", false) ? "skip" : "";
      step.with = text.value("with", nlohmann::json::object());
      step.retry.attempts = text.value("attempts", 3);
      step.retry.initial = absl::Milliseconds(text.value("initialMs", 1));
      step.retry.cap = absl::Milliseconds(text.value("capMs", 5));
      step.timeout = absl::Milliseconds(text.value("timeoutMs", 3'600'000));
      step.undo = text.value("undo", true);
      definition->steps.push_back(std::move(step));
    }
    return definition;
  }

  std::vector<std::string> Calls() {
    base::MutexLock lock(mutex_);
    return calls_;
  }

  absl::StatusOr<std::shared_ptr<const Definition>> Parse(absl::string_view,
                                                          absl::string_view body) override {
    return Build(nlohmann::json::parse(std::string(body)));
  }
  absl::StatusOr<StepTraits> Traits(const StepDefinition& step, Direction direction) override {
    StepTraits traits = operations[step.uses].traits;
    if (direction == Direction::kUndo) traits.call_class = CallClass::kPut;
    return traits;
  }
  absl::StatusOr<Prepared> Prepare(const RunView&, const StepDefinition& step) override {
    return Prepared{step.condition == "skip", step.with};
  }
  absl::StatusOr<CallResult> Call(const StepCall& call, CallContext& context) override {
    const bool undo = call.direction == Direction::kUndo;
    Note(undo ? "undo" : "call", call);
    const ScriptedOperation& operation = operations.at(call.step.uses);
    const auto& function = undo ? operation.undo : operation.call;
    return function ? function(call, context) : CallResult();
  }
  absl::StatusOr<std::optional<CallResult>> Probe(const StepCall& call,
                                                  CallContext& context) override {
    Note("probe", call);
    const ScriptedOperation& operation = operations.at(call.step.uses);
    if (!operation.probe) return std::optional<CallResult>();
    return operation.probe(call, context);
  }
  absl::StatusOr<CallResult> Observe(const StepCall& call, const CallResult& previous,
                                     CallContext& context) override {
    Note("observe", call);
    const ScriptedOperation& operation = operations.at(call.step.uses);
    return operation.observe ? operation.observe(call, previous, context) : CallResult();
  }
  absl::StatusOr<nlohmann::json> Finish(const RunView& run) override {
    return finish ? finish(run) : nlohmann::json(run.outputs);
  }

 private:
  void Note(absl::string_view what, const StepCall& call) {
    base::MutexLock lock(mutex_);
    calls_.push_back(absl::StrCat(what, " ", call.step.id));
  }

  base::Mutex mutex_;
  std::vector<std::string> calls_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe; the last state of each run and all results.
class CountingObserver final : public RunObserver {
 public:
  absl::Status OnRunState(store::Connection&, const RunRecord& run, const RunView&) override {
    base::MutexLock lock(mutex_);
    states_[run.id].push_back(run.state);
    return absl::OkStatus();
  }
  absl::Status OnStepResult(store::Connection&, const RunRecord&, const StepDefinition&, Direction,
                            const CallResult&) override {
    return absl::OkStatus();
  }
  void OnCommitted() override {}

  std::vector<RunState> States(const std::string& run_id) {
    base::MutexLock lock(mutex_);
    return states_[run_id];
  }

 private:
  base::Mutex mutex_;
  std::map<std::string, std::vector<RunState>> states_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_TESTING_H_

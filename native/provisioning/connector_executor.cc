#include "provisioning/connector_executor.h"

#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "provisioning/expressions.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using workflow::Direction;

workflow::LogLevel ToWorkflow(action::LogLevel level) {
  return static_cast<workflow::LogLevel>(level);
}
static_assert(static_cast<int>(action::LogLevel::kError) ==
              static_cast<int>(workflow::LogLevel::kError));

class ConnectorContext final : public connectors::CallContext {
 public:
  ConnectorContext(workflow::CallContext& context, const SecretResolver& resolve_secret,
                   const StepWaker* waker)
      : context_(context), resolve_secret_(resolve_secret), waker_(waker) {}

  const std::string& effect_key() const override { return context_.effect_key(); }
  std::stop_token stop() const override { return context_.stop(); }
  absl::Time deadline() const override { return context_.deadline(); }
  void Log(action::LogLevel level, absl::string_view line) override {
    context_.Log(ToWorkflow(level), line);
  }
  absl::StatusOr<std::string> ResolveSecret(absl::string_view reference) override {
    if (!resolve_secret_) {
      return absl::FailedPreconditionError(absl::StrCat(
          "secret ", base::EscapeForDisplay(reference), ": no secrets are configured"));
    }
    return resolve_secret_(reference);
  }
  std::function<void()> Waker() override {
    return waker_ == nullptr ? nullptr : waker_->For(context_.effect_key());
  }

 private:
  workflow::CallContext& context_;
  const SecretResolver& resolve_secret_;
  const StepWaker* const waker_;
};

// Of a look beside any run: nobody reads its log.
class LookContext final : public connectors::CallContext {
 public:
  LookContext(std::string key, absl::Time deadline, std::stop_token stop,
              const SecretResolver& resolve_secret)
      : key_(std::move(key)),
        deadline_(deadline),
        stop_(std::move(stop)),
        resolve_secret_(resolve_secret) {}

  const std::string& effect_key() const override { return key_; }
  std::stop_token stop() const override { return stop_; }
  absl::Time deadline() const override { return deadline_; }
  void Log(action::LogLevel, absl::string_view) override {}
  absl::StatusOr<std::string> ResolveSecret(absl::string_view reference) override {
    if (!resolve_secret_) return absl::FailedPreconditionError("no secrets are configured");
    return resolve_secret_(reference);
  }

 private:
  const std::string key_;
  const absl::Time deadline_;
  const std::stop_token stop_;
  const SecretResolver& resolve_secret_;
};

workflow::CallClass ToWorkflow(connectors::CallClass call_class) {
  switch (call_class) {
    case connectors::CallClass::kPut:
      return workflow::CallClass::kPut;
    case connectors::CallClass::kKeyed:
      return workflow::CallClass::kKeyed;
    case connectors::CallClass::kProbe:
      return workflow::CallClass::kProbe;
    case connectors::CallClass::kUnsafe:
      return workflow::CallClass::kUnsafe;
  }
  return workflow::CallClass::kUnsafe;
}

connectors::CallResult ToConnector(const workflow::CallResult& result) {
  connectors::CallResult own;
  own.outputs = result.outputs;
  own.ready = result.ready;
  own.poll_after = result.poll_after;
  own.progress = result.progress;
  for (const json& resource : result.resources) {
    if (resource.value("declared", false)) continue;  // by the blueprint, added again by Adopt
    own.resources.push_back({resource.value("id", ""), resource.value("type", ""),
                             resource.value("name", ""),
                             resource.value("attributes", json::object())});
  }
  return own;
}

}  // namespace

json ExpressionContext(const workflow::RunView& run) {
  const Blueprint* const blueprint =
      run.definition == nullptr ? nullptr : &BlueprintOf(*run.definition);
  json context = run.input;
  json steps = json::object();
  for (const auto& [id, outputs] : run.outputs) {
    if (blueprint != nullptr && blueprint->items.contains(id)) continue;
    steps[id] = {{"outputs", outputs}};
  }
  if (blueprint != nullptr) {
    for (const std::string& group : blueprint->groups) {
      // In the order of its items, which is not that of their ids as texts.
      json list = json::array();
      for (size_t i = 0;; ++i) {
        const std::string id = absl::StrCat(group, ".", i);
        if (!blueprint->items.contains(id)) break;
        const auto outputs = run.outputs.find(id);
        list.push_back(outputs == run.outputs.end() ? json::object() : outputs->second);
      }
      steps[group] = {{"outputs", std::move(list)}};
    }
  }
  context["steps"] = std::move(steps);
  return context;
}

json StepContext(const workflow::RunView& run, absl::string_view step_id) {
  json context = ExpressionContext(run);
  const Blueprint& blueprint = BlueprintOf(*run.definition);
  const auto item = blueprint.items.find(step_id);
  if (item != blueprint.items.end()) {
    context["item"] = item->second.item;
    context["index"] = item->second.index;
  }
  return context;
}

absl::StatusOr<std::shared_ptr<const workflow::Definition>> ConnectorExecutor::Parse(
    absl::string_view, absl::string_view body) {
  PURSER_ASSIGN_OR_RETURN(std::shared_ptr<const Blueprint> blueprint, BlueprintFromBody(body));
  return blueprint;
}

absl::StatusOr<ConnectorExecutor::Target> ConnectorExecutor::Resolve(
    const workflow::StepDefinition& step, Direction direction) {
  if (absl::StartsWith(step.uses, "wait/")) {
    PURSER_ASSIGN_OR_RETURN(const connectors::Operation* const operation,
                            FindOperation(connectors_, step.uses));
    return Target{&wait_, operation, step.uses};
  }
  PURSER_ASSIGN_OR_RETURN(const connectors::Resolved found,
                          connectors::Resolve(connectors_, step.uses));
  if (direction == Direction::kDo) return Target{found.connector, found.operation, step.uses};
  const std::string uses =
      absl::StrCat(found.connector->name(), "/", found.operation->compensation);
  for (const connectors::Operation& operation : found.connector->operations()) {
    if (operation.name == found.operation->compensation) {
      return Target{found.connector, &operation, uses};
    }
  }
  return absl::InternalError(
      absl::StrCat(step.uses, " names a compensation that is not there: ", uses));
}

absl::StatusOr<workflow::StepTraits> ConnectorExecutor::Traits(const workflow::StepDefinition& step,
                                                               Direction direction) {
  PURSER_ASSIGN_OR_RETURN(const Target target, Resolve(step, direction));
  return workflow::StepTraits{ToWorkflow(target.operation->call_class),
                              !target.operation->compensation.empty()};
}

absl::Status ConnectorExecutor::CheckInput(const Target& target, const json& input) {
  std::shared_ptr<const purser::json::Schema> schema;
  {
    base::MutexLock lock(mutex_);
    const auto found = schemas_.find(target.uses);
    if (found != schemas_.end()) schema = found->second;
  }
  if (schema == nullptr) {
    PURSER_ASSIGN_OR_RETURN(purser::json::Schema compiled,
                            purser::json::Schema::Compile(target.operation->input_schema));
    schema = std::make_shared<const purser::json::Schema>(std::move(compiled));
    base::MutexLock lock(mutex_);
    schemas_.emplace(target.uses, schema);
  }
  return purser::json::ToStatus(schema->Validate(input), absl::StrCat("input of ", target.uses));
}

absl::StatusOr<workflow::Prepared> ConnectorExecutor::Prepare(
    const workflow::RunView& run, const workflow::StepDefinition& step) {
  const json context = StepContext(run, step.id);
  const Mode mode = BlueprintOf(*run.definition).mode;
  workflow::Prepared prepared;
  if (mode == Mode::kRemove) {
    // As an undo gets it: what the step gave, unchanged.
    const json made = run.input.value("made", json::object());
    prepared.skip = !made.contains(step.id);
    if (!prepared.skip) prepared.input = made.at(step.id);
    return prepared;
  }
  if (!step.condition.empty()) {
    PURSER_ASSIGN_OR_RETURN(const bool wanted, EvaluateCondition(step.condition, context));
    if (!wanted) {
      prepared.skip = true;
      return prepared;
    }
  }
  PURSER_ASSIGN_OR_RETURN(const Target target, Resolve(step, Direction::kDo));
  PURSER_ASSIGN_OR_RETURN(prepared.input, Evaluate(step.with, context, "/with"));
  PURSER_RETURN_IF_ERROR(CheckInput(target, prepared.input));
  return prepared;
}

absl::StatusOr<workflow::CallResult> ConnectorExecutor::Adopt(const workflow::StepCall& call,
                                                              const Target& target,
                                                              connectors::CallResult result) {
  workflow::CallResult own;
  own.outputs = std::move(result.outputs);
  own.ready = result.ready;
  own.poll_after = result.poll_after;
  own.progress = std::move(result.progress);
  for (connectors::OutsideResource& resource : result.resources) {
    own.resources.push_back(
        {{"id", std::move(resource.id)},
         {"type", std::move(resource.type)},
         {"name", std::move(resource.name)},
         {"connector", target.connector->name()},
         {"attributes",
          resource.attributes.is_null() ? json::object() : std::move(resource.attributes)}});
  }
  if (call.direction == Direction::kUndo) return own;
  const Blueprint& blueprint = BlueprintOf(*call.run.definition);
  const auto declared = blueprint.step_resources.find(call.step.id);
  if (declared == blueprint.step_resources.end()) return own;
  json context = StepContext(call.run, call.step.id);
  // A step of several items names its own outputs by the id it has in the file.
  const auto item = blueprint.items.find(call.step.id);
  context["steps"][item == blueprint.items.end() ? call.step.id : item->second.of] = {
      {"outputs", own.outputs}};
  // Outputs that come with readiness may be missing yet: declared resources are
  // named once the step is ready.
  if (!own.ready) return own;
  absl::StatusOr<json> resources = Evaluate(declared->second, context, "/resources");
  if (!resources.ok()) {
    // The effect has happened: not knowing a name for it must not make it look
    // undone.
    own.progress = absl::StrCat("its resources could not be named: ", resources.status().message());
    return own;
  }
  for (json& resource : *resources) {
    resource["connector"] = target.connector->name();
    resource["declared"] = true;
    own.resources.push_back(std::move(resource));
  }
  return own;
}

absl::StatusOr<workflow::CallResult> ConnectorExecutor::Call(const workflow::StepCall& call,
                                                             workflow::CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Target target, Resolve(call.step, call.direction));
  ConnectorContext own(context, resolve_secret_, waker_);
  if (call.direction == Direction::kDo && BlueprintOf(*call.run.definition).mode == Mode::kAdopt) {
    PURSER_ASSIGN_OR_RETURN(connectors::CallResult found, TakeOn(call, target, own));
    return Adopt(call, target, std::move(found));
  }
  PURSER_ASSIGN_OR_RETURN(connectors::CallResult result, CallTimed(call, target, own));
  return Adopt(call, target, std::move(result));
}

absl::StatusOr<connectors::CallResult> ConnectorExecutor::TakeOn(const workflow::StepCall& call,
                                                                 const Target& target,
                                                                 connectors::CallContext& context) {
  // Waits are about what is going to happen; what exists already has been
  // waited for.
  if (target.connector == &wait_) return connectors::CallResult();
  const json imported = call.run.input.value("imported", json::object());
  return target.connector->Import(target.operation->name, call.input,
                                  imported.value(call.step.id, json::object()), context);
}

absl::StatusOr<connectors::CallResult> ConnectorExecutor::CallTimed(
    const workflow::StepCall& call, const Target& target, connectors::CallContext& context) {
  const auto began = std::chrono::steady_clock::now();
  absl::StatusOr<connectors::CallResult> result =
      target.connector->Call(target.operation->name, call.input, context);
  if (metrics_ != nullptr) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    metrics_
        ->Histogram("purser_step_seconds", "How long calls of steps took.",
                    {{"operation", target.uses}})
        .Observe(took.count());
    if (!result.ok()) {
      metrics_
          ->Counter("purser_step_errors_total", "Calls of steps that failed.",
                    {{"operation", target.uses},
                     {"code", std::string(base::CodeName(result.status().code()))}})
          .Increment();
    }
  }
  return result;
}

absl::StatusOr<std::string> ConnectorExecutor::UndoOf(const workflow::StepDefinition& step) {
  PURSER_ASSIGN_OR_RETURN(const Target target, Resolve(step, Direction::kDo));
  if (target.operation->compensation.empty()) return std::string();
  return absl::StrCat(target.connector->name(), "/", target.operation->compensation);
}

absl::StatusOr<std::string> ConnectorExecutor::ResolveSecret(absl::string_view reference) const {
  if (!resolve_secret_) {
    return absl::FailedPreconditionError(
        absl::StrCat("secret ", base::EscapeForDisplay(reference), ": no secrets are configured"));
  }
  return resolve_secret_(reference);
}

absl::StatusOr<connectors::Comparison> ConnectorExecutor::Compare(
    const workflow::RunView& run, const workflow::StepDefinition& step, const json& outputs,
    absl::Time deadline, std::stop_token stop) {
  PURSER_ASSIGN_OR_RETURN(const workflow::Prepared prepared, Prepare(run, step));
  PURSER_ASSIGN_OR_RETURN(const Target target, Resolve(step, Direction::kDo));
  LookContext context(absl::StrCat(run.id, "/", step.id, "/look"), deadline, std::move(stop),
                      resolve_secret_);
  connectors::CallResult applied;
  applied.outputs = outputs;
  return target.connector->Compare(target.operation->name, prepared.input, applied, context);
}

absl::StatusOr<std::optional<workflow::CallResult>> ConnectorExecutor::Probe(
    const workflow::StepCall& call, workflow::CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Target target, Resolve(call.step, call.direction));
  ConnectorContext own(context, resolve_secret_, waker_);
  PURSER_ASSIGN_OR_RETURN(std::optional<connectors::CallResult> result,
                          target.connector->Probe(target.operation->name, call.input, own));
  if (!result.has_value()) return std::optional<workflow::CallResult>();
  PURSER_ASSIGN_OR_RETURN(workflow::CallResult adopted, Adopt(call, target, *std::move(result)));
  return std::optional<workflow::CallResult>(std::move(adopted));
}

absl::StatusOr<workflow::CallResult> ConnectorExecutor::Observe(
    const workflow::StepCall& call, const workflow::CallResult& previous,
    workflow::CallContext& context) {
  PURSER_ASSIGN_OR_RETURN(const Target target, Resolve(call.step, call.direction));
  ConnectorContext own(context, resolve_secret_, waker_);
  PURSER_ASSIGN_OR_RETURN(
      connectors::CallResult result,
      target.connector->Observe(target.operation->name, call.input, ToConnector(previous), own));
  return Adopt(call, target, std::move(result));
}

absl::StatusOr<json> ConnectorExecutor::Finish(const workflow::RunView& run) {
  const Blueprint& blueprint = BlueprintOf(*run.definition);
  if (blueprint.mode == Mode::kRemove) return json::object();
  return Evaluate(blueprint.outputs, ExpressionContext(run), "/outputs");
}

}  // namespace purser::provisioning

#include "provisioning/engine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "json/json.h"
#include "provisioning/blueprint.h"
#include "provisioning/connector_executor.h"
#include "provisioning/entity_mapping.h"
#include "provisioning/expressions.h"
#include "provisioning/request_store.h"
#include "provisioning/run_recorder.h"
#include "workflow/engine.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;

constexpr size_t kMaxKeyBytes = 200;
constexpr size_t kMaxParametersBytes = 1 << 20;
constexpr size_t kMaxReasonBytes = 1024;
constexpr int kMaxPageSize = 500;
constexpr int64_t kEventsPerRead = 500;
constexpr char kRequestPrefix[] = "req_";

json ParseOr(absl::string_view text, json fallback) {
  json value = json::parse(base::ToStd(text), nullptr, /*allow_exceptions=*/false);
  return value.is_discarded() ? std::move(fallback) : value;
}

StepState ToStepState(workflow::StepState state) {
  switch (state) {
    case workflow::StepState::kPending:
    case workflow::StepState::kDue:
      return StepState::kPending;
    case workflow::StepState::kRunning:
    case workflow::StepState::kUndoDue:
    case workflow::StepState::kUndoing:
      return StepState::kRunning;
    case workflow::StepState::kRetrying:
    case workflow::StepState::kObserving:
    case workflow::StepState::kUnknown:
    case workflow::StepState::kUndoRetrying:
    case workflow::StepState::kUndoObserving:
      return StepState::kWaiting;
    case workflow::StepState::kSucceeded:
      return StepState::kSucceeded;
    case workflow::StepState::kFailed:
    case workflow::StepState::kUndoFailed:
      return StepState::kFailed;
    case workflow::StepState::kSkipped:
      return StepState::kSkipped;
    case workflow::StepState::kCompensated:
      return StepState::kCompensated;
  }
  return StepState::kPending;
}

absl::Status UnknownRequest(absl::string_view id) {
  return absl::NotFoundError(
      absl::StrCat("request ", base::EscapeForDisplay(id), " does not exist"));
}

absl::StatusOr<std::string> NormalRef(absl::string_view text, absl::string_view kind,
                                      absl::string_view what) {
  const absl::StatusOr<catalog::EntityRef> ref = catalog::EntityRef::Parse(text, kind);
  if (!ref.ok()) return base::Annotate(ref.status(), what);
  return ref->ToString();
}

// A request worked out but not stored yet.
struct Plan {
  std::shared_ptr<const Blueprint> blueprint;
  RequestRow row;
  json run_input;
};

class Provisioning final : public ProvisioningService {
 public:
  Provisioning(const Options& options, Blueprints blueprints)
      : options_(options),
        database_(*options.database),
        blueprints_(std::move(blueprints)),
        executor_(*options.connectors, options.resolve_secret),
        definitions_(executor_),
        recorder_(*options.inventory, definitions_) {}

  ~Provisioning() override { Stop(); }

  absl::Status Init() {
    PURSER_RETURN_IF_ERROR(MigrateRequests(database_));
    workflow::EngineOptions options;
    options.database = options_.database;
    options.clock = options_.clock;
    options.rng = options_.rng;
    options.executor = &executor_;
    options.observer = &recorder_;
    options.noun = "request";
    options.workers = options_.workers;
    PURSER_ASSIGN_OR_RETURN(engine_, workflow::Engine::Open(options));
    return absl::OkStatus();
  }

  absl::Status Start() override { return engine_->Start(); }
  void Drain(absl::Duration patience) override { engine_->Drain(patience); }
  void Stop() override {
    if (engine_ == nullptr) return;
    stop_.request_stop();
    engine_->Stop();
  }
  absl::Status Health() const override { return engine_->Health(); }
  Stats GetStats() const override {
    const workflow::EngineStats stats = engine_->Stats();
    return {stats.calls, stats.refused_results, stats.store_errors};
  }

  absl::StatusOr<Request> Create(const CreateOptions& options) override {
    PURSER_ASSIGN_OR_RETURN(Plan plan, MakePlan(options));
    if (options.dry_run) return PlannedRequest(plan);
    std::string id = plan.row.id;
    PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
      id = plan.row.id;
      PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> known,
                              FindRequestByKey(connection, plan.row.key));
      if (known.has_value()) {
        if (known->input_hash != plan.row.input_hash) {
          return absl::AlreadyExistsError(absl::StrCat(
              "idempotency key ", base::EscapeForDisplay(plan.row.key), " belongs to request ",
              known->id, ", which asked for something else; use another key"));
        }
        id = known->id;
        return absl::OkStatus();
      }
      PURSER_RETURN_IF_ERROR(CheckEntityIsFree(connection, plan.row));
      PURSER_RETURN_IF_ERROR(InsertRequest(connection, plan.row));
      return engine_->Begin(connection, NewRunOf(plan));
    }));
    engine_->Committed();
    recorder_.OnCommitted();
    return Get(id);
  }

  absl::StatusOr<Request> Get(absl::string_view id) override {
    Request request;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> row, FindRequest(connection, id));
      if (!row.has_value()) return UnknownRequest(id);
      PURSER_ASSIGN_OR_RETURN(request, LoadRequest(connection, *row, /*with_steps=*/true));
      return absl::OkStatus();
    }));
    return request;
  }

  absl::StatusOr<RequestPage> List(const ListOptions& options) override {
    if (options.page_size < 1 || options.page_size > kMaxPageSize) {
      return absl::InvalidArgumentError(
          absl::StrCat("page_size must be 1 to ", kMaxPageSize, ", not ", options.page_size));
    }
    if (!options.page_token.empty() && !absl::StartsWith(options.page_token, kRequestPrefix)) {
      return absl::InvalidArgumentError("page_token is not one that a list gave");
    }
    RequestPage page;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      page = RequestPage();
      PURSER_ASSIGN_OR_RETURN(std::vector<RequestRow> rows, ListRequestRows(connection, options));
      if (rows.size() > static_cast<size_t>(options.page_size)) {
        rows.resize(static_cast<size_t>(options.page_size));
        page.next_page_token = rows.back().id;
      }
      for (const RequestRow& row : rows) {
        PURSER_ASSIGN_OR_RETURN(Request request, LoadRequest(connection, row, options.with_steps));
        page.requests.push_back(std::move(request));
      }
      return absl::OkStatus();
    }));
    return page;
  }

  absl::StatusOr<Request> Approve(absl::string_view id, const Actor& actor) override {
    return Control(id, actor, [this](absl::string_view run_id, const workflow::Actor& who) {
      return engine_->Release(run_id, who);
    });
  }
  absl::StatusOr<Request> Cancel(absl::string_view id, const Actor& actor) override {
    return Control(id, actor, [this](absl::string_view run_id, const workflow::Actor& who) {
      return engine_->Cancel(run_id, who);
    });
  }
  absl::StatusOr<Request> Retry(absl::string_view id, const Actor& actor) override {
    return Control(id, actor, [this](absl::string_view run_id, const workflow::Actor& who) {
      return engine_->Retry(run_id, who);
    });
  }

  absl::Status Watch(absl::string_view request_id, int64_t after, bool follow, std::stop_token stop,
                     const std::function<absl::Status(const Event&)>& on_event) override {
    uint64_t seen = 0;
    while (true) {
      if (stop.stop_requested()) return absl::CancelledError("the watch was stopped");
      if (stop_.stop_requested()) return absl::UnavailableError("the service is stopping");
      std::vector<Event> events;
      bool ended = false;
      PURSER_RETURN_IF_ERROR(ReadSome(request_id, after, &events, &ended));
      for (const Event& event : events) {
        if (stop.stop_requested()) return absl::CancelledError("the watch was stopped");
        PURSER_RETURN_IF_ERROR(on_event(event));
        after = event.sequence;
      }
      if (!events.empty()) continue;
      if (!follow || ended) return absl::OkStatus();
      seen = engine_->WaitForEvents(seen, stop);
    }
  }

  std::vector<BlueprintInfo> ListBlueprints() override {
    std::vector<BlueprintInfo> infos;
    for (const auto& [name, blueprint] : blueprints_) {
      BlueprintInfo info;
      info.name = name;
      info.title = blueprint->title;
      info.description = blueprint->description;
      info.hash = blueprint->hash;
      info.file = blueprint->file;
      info.parameters_schema = blueprint->parameters->text();
      for (const workflow::StepDefinition& step : blueprint->steps) {
        info.step_ids.push_back(step.id);
      }
      infos.push_back(std::move(info));
    }
    return infos;
  }

 private:
  // ---- creating ----

  absl::StatusOr<std::shared_ptr<const Blueprint>> FindBlueprint(const std::string& name) const {
    const auto found = blueprints_.find(name);
    if (found != blueprints_.end()) return found->second;
    return absl::NotFoundError(absl::StrCat(
        "there is no blueprint \"", base::EscapeForDisplay(name), "\"; there are: ",
        absl::StrJoin(blueprints_, ", ",
                      [](std::string* out, const auto& entry) { out->append(entry.first); })));
  }

  absl::StatusOr<Plan> MakePlan(const CreateOptions& options) {
    Plan plan;
    PURSER_ASSIGN_OR_RETURN(plan.blueprint, FindBlueprint(options.blueprint));
    const Blueprint& blueprint = *plan.blueprint;
    RequestRow& row = plan.row;
    const json given = options.parameters.is_null() ? json::object() : options.parameters;
    const json parameters = blueprint.parameters->WithDefaults(given);
    PURSER_RETURN_IF_ERROR(
        purser::json::ToStatus(blueprint.parameters->Validate(parameters), "parameters"));
    row.parameters = purser::json::Dump(parameters);
    if (row.parameters.size() > kMaxParametersBytes) {
      return absl::ResourceExhaustedError(absl::StrCat("parameters have ", row.parameters.size(),
                                                       " bytes; at most ", kMaxParametersBytes,
                                                       " are allowed"));
    }
    if (options.idempotency_key.size() > kMaxKeyBytes ||
        !base::IsValidUtf8(options.idempotency_key) ||
        absl::StrContains(options.idempotency_key, '\0')) {
      return absl::InvalidArgumentError(
          absl::StrCat("idempotency key must be a text of 1 to ", kMaxKeyBytes, " bytes"));
    }
    row.id = base::NewId("req", *options_.clock, *options_.rng);
    row.run_id = base::NewId("run", *options_.clock, *options_.rng);
    // Without a key every call is a request of its own, so its id serves as well as any.
    row.key = options.idempotency_key.empty() ? row.id : options.idempotency_key;
    row.blueprint = blueprint.name;
    row.blueprint_hash = blueprint.hash;
    if (!options.requester.empty()) {
      PURSER_ASSIGN_OR_RETURN(row.requester, NormalRef(options.requester, "user", "requester"));
    }
    plan.run_input = {{"parameters", parameters},
                      {"request",
                       {{"id", row.id},
                        {"run_id", row.run_id},
                        {"requester", row.requester},
                        {"blueprint", row.blueprint}}}};
    PURSER_ASSIGN_OR_RETURN(row.owner, OwnerOf(options, blueprint, plan.run_input));
    plan.run_input["request"]["owner"] = row.owner;
    row.input_hash = base::Sha256Hex(
        purser::json::Dump({options.blueprint, given, options.owner, row.requester}));
    row.state =
        blueprint.approval_required ? RequestState::kWaitingApproval : RequestState::kRunning;
    if (blueprint.approval_required) {
      row.message =
          blueprint.approval_message.empty() ? "waits for approval" : blueprint.approval_message;
    }
    row.outputs = "{}";
    row.created_at = absl::ToUnixMicros(options_.clock->Now());
    PURSER_RETURN_IF_ERROR(CheckEntity(plan));
    PURSER_RETURN_IF_ERROR(CheckStepInputs(plan));
    return plan;
  }

  static absl::StatusOr<std::string> OwnerOf(const CreateOptions& options,
                                             const Blueprint& blueprint, const json& context) {
    if (!options.owner.empty()) return NormalRef(options.owner, "group", "owner");
    if (blueprint.owner.is_null()) {
      return absl::InvalidArgumentError(
          absl::StrCat("owner is required: blueprint ", blueprint.name, " does not derive it"));
    }
    PURSER_ASSIGN_OR_RETURN(const json owner, Evaluate(blueprint.owner, context, "/owner"));
    if (!owner.is_string()) {
      return absl::InvalidArgumentError("owner: the blueprint's expression gives no text");
    }
    return NormalRef(owner.get_ref<const std::string&>(), "group", "owner");
  }

  // The entity must be valid before anything is made for it.
  absl::Status CheckEntity(Plan& plan) {
    if (plan.blueprint->entity.is_null()) return absl::OkStatus();
    EntityInput input;
    input.request_id = plan.row.id;
    input.owner = plan.row.owner;
    input.state = plan.row.state;
    input.context = plan.run_input;
    PURSER_ASSIGN_OR_RETURN(const json entity, BuildEntity(*plan.blueprint, input));
    plan.row.entity_ref = catalog::RefOf(entity).ToString();
    return absl::OkStatus();
  }

  // Inputs that depend on the parameters alone are checked now rather than in the middle of a run.
  absl::Status CheckStepInputs(const Plan& plan) {
    workflow::RunView view;
    view.id = plan.row.run_id;
    view.subject = plan.row.id;
    view.definition = plan.blueprint;
    view.input = plan.run_input;
    for (const workflow::StepDefinition& step : plan.blueprint->steps) {
      bool uses_steps = false;
      const Visitor visitor{[](const std::string&, const absl::Status&) {},
                            [&](const std::string&, const Reference& reference) {
                              uses_steps = uses_steps || reference.root == "steps";
                            }};
      Visit(step.with, "", visitor);
      Visit(json(step.condition), "", visitor);
      if (uses_steps) continue;
      const absl::StatusOr<workflow::Prepared> prepared = executor_.Prepare(view, step);
      if (!prepared.ok()) {
        return base::Annotate(prepared.status(), absl::StrCat("step ", step.id));
      }
    }
    return absl::OkStatus();
  }

  // One thing in the catalog has one owner, and one request at a time works on it.
  static absl::Status CheckEntityIsFree(Connection& connection, const RequestRow& row) {
    if (row.entity_ref.empty()) return absl::OkStatus();
    PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> unfinished,
                            FindUnfinished(connection, row.entity_ref));
    if (unfinished.has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat("request ", unfinished->id, " (", ToString(unfinished->state),
                       ") already works on ", row.entity_ref, "; wait for it, or cancel it first"));
    }
    PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> before,
                            FindLastSucceeded(connection, row.entity_ref, row.id));
    if (before.has_value() && before->owner != row.owner) {
      return absl::FailedPreconditionError(
          absl::StrCat(row.entity_ref, " belongs to ", before->owner, "; choose another name"));
    }
    return absl::OkStatus();
  }

  static workflow::NewRun NewRunOf(const Plan& plan) {
    workflow::NewRun run;
    run.id = plan.row.run_id;
    run.subject = plan.row.id;
    run.definition = plan.blueprint;
    run.body = plan.blueprint->body;
    run.input = plan.run_input;
    run.held = plan.blueprint->approval_required;
    run.message = plan.row.message;
    run.event_data = {
        {"blueprint", plan.row.blueprint},  {"blueprintHash", plan.row.blueprint_hash},
        {"owner", plan.row.owner},          {"requester", plan.row.requester},
        {"entityRef", plan.row.entity_ref}, {"state", std::string(ToString(plan.row.state))}};
    return run;
  }

  static Request PlannedRequest(const Plan& plan) {
    Request request = ToRequest(plan.row);
    // Nothing was stored: no id that somebody could ask for.
    request.id.clear();
    request.run_id.clear();
    if (request.idempotency_key == plan.row.id) request.idempotency_key.clear();
    for (const workflow::StepDefinition& definition : plan.blueprint->steps) {
      StepStatus step;
      step.id = definition.id;
      step.uses = definition.uses;
      step.state = StepState::kPending;
      step.outputs = json::object();
      request.steps.push_back(std::move(step));
    }
    return request;
  }

  // ---- reading ----

  static Request ToRequest(const RequestRow& row) {
    Request request;
    request.id = row.id;
    request.run_id = row.run_id;
    request.blueprint = row.blueprint;
    request.blueprint_hash = row.blueprint_hash;
    request.idempotency_key = row.key;
    request.requester = row.requester;
    request.owner = row.owner;
    request.entity_ref = row.entity_ref;
    request.parameters = ParseOr(row.parameters, json::object());
    request.state = row.state;
    request.message = row.message;
    request.outputs = ParseOr(row.outputs, json::object());
    request.created_at = absl::FromUnixMicros(row.created_at);
    request.updated_at = request.created_at;
    return request;
  }

  absl::StatusOr<Request> LoadRequest(Connection& connection, const RequestRow& row,
                                      bool with_steps) {
    Request request = ToRequest(row);
    PURSER_ASSIGN_OR_RETURN(const workflow::RunRecord run,
                            workflow::LoadRun(connection, row.run_id));
    request.updated_at = run.updated_at;
    request.sequence = run.sequence;
    if (!with_steps) return request;
    PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const workflow::Definition> definition,
                            definitions_.Get(connection, row.blueprint_hash));
    PURSER_ASSIGN_OR_RETURN(const std::vector<workflow::StepRecord> steps,
                            workflow::LoadSteps(connection, row.run_id));
    for (const workflow::StepRecord& record : steps) {
      StepStatus step;
      step.id = record.id;
      const workflow::StepDefinition* found = definition->Find(record.id);
      if (found != nullptr) step.uses = found->uses;
      step.state = ToStepState(record.state);
      step.attempts = static_cast<int>(record.attempts);
      step.message = record.message;
      step.outputs = record.state == workflow::StepState::kSucceeded
                         ? ParseOr(record.outputs, json::object())
                         : json::object();
      step.started_at = record.started_at;
      step.ended_at = record.ended_at;
      request.steps.push_back(std::move(step));
    }
    return request;
  }

  absl::Status ReadSome(absl::string_view request_id, int64_t after, std::vector<Event>* events,
                        bool* ended) {
    return database_.Read([&](Connection& connection) -> absl::Status {
      events->clear();
      *ended = false;
      if (!request_id.empty()) {
        PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> row,
                                FindRequest(connection, request_id));
        if (!row.has_value()) return UnknownRequest(request_id);
        *ended = IsFinal(row->state);
      }
      return workflow::ReadEvents(
          connection, request_id, after, kEventsPerRead, [&](const workflow::Event& event) {
            events->push_back({event.sequence, event.subject, event.step_id, event.type,
                               event.message, event.data, event.at});
            return absl::OkStatus();
          });
    });
  }

  // ---- control ----

  absl::StatusOr<Request> Control(
      absl::string_view id, const Actor& actor,
      const std::function<absl::Status(absl::string_view run_id, const workflow::Actor&)>& act) {
    workflow::Actor who;
    PURSER_ASSIGN_OR_RETURN(who.ref, NormalRef(actor.ref, "user", "actor"));
    if (actor.reason.size() > kMaxReasonBytes) {
      return absl::InvalidArgumentError(
          absl::StrCat("reason has more than ", kMaxReasonBytes, " bytes"));
    }
    who.reason = workflow::CleanMessage(actor.reason);
    std::string run_id;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> row, FindRequest(connection, id));
      if (!row.has_value()) return UnknownRequest(id);
      run_id = row->run_id;
      return absl::OkStatus();
    }));
    PURSER_RETURN_IF_ERROR(act(run_id, who));
    return Get(id);
  }

  const Options options_;
  store::Database& database_;
  const Blueprints blueprints_;
  ConnectorExecutor executor_;
  workflow::DefinitionCache definitions_;
  RunRecorder recorder_;
  std::stop_source stop_;
  std::unique_ptr<workflow::Engine> engine_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ProvisioningService>> OpenService(const Options& options) {
  PURSER_ASSIGN_OR_RETURN(Blueprints blueprints,
                          LoadBlueprints(options.blueprint_folders, *options.connectors));
  auto service = std::make_unique<Provisioning>(options, std::move(blueprints));
  PURSER_RETURN_IF_ERROR(service->Init());
  return service;
}

absl::Status CheckBlueprints(const std::vector<std::string>& folders,
                             const connectors::Connectors& connectors) {
  return LoadBlueprints(folders, connectors).status();
}

}  // namespace purser::provisioning

#include "provisioning/engine.h"

#include <optional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "json/json.h"
#include "provisioning/blueprint.h"
#include "provisioning/connector_executor.h"
#include "provisioning/core.h"
#include "provisioning/holding_store.h"
#include "provisioning/keeper.h"
#include "provisioning/operator.h"
#include "provisioning/planner.h"
#include "provisioning/policy.h"
#include "provisioning/request_reader.h"
#include "provisioning/request_store.h"
#include "provisioning/run_recorder.h"
#include "provisioning/step_waker.h"
#include "provisioning/waits.h"
#include "workflow/engine.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;

constexpr int64_t kEventsPerRead = 500;
constexpr int kMaxDecisions = 1000;
// Plans that others' requests made invalid are made anew so often.
constexpr int kPlanTries = 3;

absl::Status CheckPage(int page_size, absl::string_view page_token) {
  if (page_size < 1 || page_size > kMaxPageSize) {
    return absl::InvalidArgumentError(
        absl::StrCat("page_size must be 1 to ", kMaxPageSize, ", not ", page_size));
  }
  if (!page_token.empty() && !absl::StartsWith(page_token, kRequestPrefix)) {
    return absl::InvalidArgumentError("page_token is not one that a list gave");
  }
  return absl::OkStatus();
}

class Provisioning final : public ProvisioningService {
 public:
  Provisioning(const Options& options, Blueprints blueprints, Policies policies)
      : options_(options),
        database_(*options.database),
        blueprints_(std::move(blueprints)),
        policies_(std::move(policies)),
        wait_(*options.database, *options.connectors, [this] { return engine_->Now(); }),
        executor_(*options.connectors, wait_, options.resolve_secret, options.metrics, &waker_),
        definitions_(executor_),
        recorder_(*options.inventory, definitions_, executor_, options_.forms,
                  [this] { return engine_->Now(); }),
        core_{options_, database_, blueprints_, policies_, executor_, definitions_},
        planner_(core_),
        operator_(core_, recorder_),
        keeper_(core_, [this](const CreateOptions& wanted) {
          return CreateOne(wanted, /*by_purser=*/true).status();
        }) {}

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
    options.concurrency = options_.concurrency;
    PURSER_ASSIGN_OR_RETURN(engine_, workflow::Engine::Open(options));
    core_.engine = engine_.get();
    return absl::OkStatus();
  }

  absl::Status Start() override {
    PURSER_RETURN_IF_ERROR(engine_->Start());
    waker_.Start(*engine_);
    keeper_.Start();
    return absl::OkStatus();
  }
  void Drain(absl::Duration patience) override {
    keeper_.Stop();
    engine_->Drain(patience);
  }
  void Stop() override {
    if (engine_ == nullptr) return;
    keeper_.Stop();
    waker_.Stop();
    stop_.request_stop();
    engine_->Stop();
  }
  absl::Status Health() const override {
    PURSER_RETURN_IF_ERROR(engine_->Health());
    return keeper_.Health();
  }
  Stats GetStats() const override {
    const workflow::EngineStats stats = engine_->Stats();
    const Census census = keeper_.GetCensus();
    Stats all;
    all.calls = stats.calls;
    all.refused_results = stats.refused_results;
    all.store_errors = stats.store_errors;
    all.retries = stats.retries;
    all.lost_leases = stats.lost_leases;
    all.open_runs = census.open_runs;
    all.parked_runs = census.parked_runs;
    all.queue_age = census.queue_age;
    all.oldest_run = census.oldest_run;
    return all;
  }

  absl::StatusOr<Request> Create(const CreateOptions& options) override {
    return CreateOne(options, /*by_purser=*/false);
  }

  absl::StatusOr<Request> Get(absl::string_view id) override {
    std::optional<Request> request;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const RequestRow row, GetRequestRow(connection, id));
      PURSER_ASSIGN_OR_RETURN(request, LoadRequest(connection, definitions_, row, /*whole=*/true));
      return absl::OkStatus();
    }));
    return *std::move(request);
  }

  absl::StatusOr<RequestPage> List(const ListOptions& options) override {
    PURSER_RETURN_IF_ERROR(CheckPage(options.page_size, options.page_token));
    RequestPage page;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      page = RequestPage();
      PURSER_ASSIGN_OR_RETURN(
          std::vector<RequestRow> rows,
          ListRequestRows(connection, options, BlueprintsOf(options.blueprint)));
      if (rows.size() > static_cast<size_t>(options.page_size)) {
        rows.resize(static_cast<size_t>(options.page_size));
        page.next_page_token = rows.back().id;
      }
      for (const RequestRow& row : rows) {
        PURSER_ASSIGN_OR_RETURN(Request request,
                                LoadRequest(connection, definitions_, row, options.with_steps));
        page.requests.push_back(std::move(request));
      }
      return absl::OkStatus();
    }));
    return page;
  }

  absl::StatusOr<Request> Approve(absl::string_view id, absl::string_view step_id,
                                  absl::string_view plan_hash, const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(operator_.Approve(id, step_id, plan_hash, actor));
    return Get(id);
  }
  absl::StatusOr<Request> Reject(absl::string_view id, absl::string_view step_id,
                                 const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(operator_.Reject(id, step_id, actor));
    return Get(id);
  }
  absl::StatusOr<Request> Cancel(absl::string_view id, const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(operator_.Cancel(id, actor));
    return Get(id);
  }
  absl::StatusOr<Request> Retry(absl::string_view id, const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(operator_.Retry(id, actor));
    return Get(id);
  }
  absl::StatusOr<Request> SkipStep(absl::string_view id, absl::string_view step_id,
                                   const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(operator_.SkipStep(id, step_id, actor));
    return Get(id);
  }
  absl::StatusOr<Request> MarkDone(absl::string_view id, absl::string_view step_id,
                                   const json& outputs, const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(operator_.MarkDone(id, step_id, outputs, actor));
    return Get(id);
  }
  absl::StatusOr<Request> Fork(absl::string_view id, absl::string_view step_id,
                               absl::string_view idempotency_key, const Actor& actor) override {
    PURSER_ASSIGN_OR_RETURN(const workflow::Actor who, ToActor(actor));
    std::optional<RequestRow> row;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(row, GetRequestRow(connection, id));
      return absl::OkStatus();
    }));
    PURSER_ASSIGN_OR_RETURN(Plan plan, planner_.MakeFork(*row, step_id, idempotency_key, who));
    return Store(plan);
  }
  absl::Status Deliver(const Delivery& delivery) override { return operator_.Deliver(delivery); }

  absl::StatusOr<Holding> GetHolding(absl::string_view id) override {
    std::optional<Holding> holding;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const HoldingRow row, GetHoldingRow(connection, id));
      PURSER_ASSIGN_OR_RETURN(holding, LoadHolding(connection, row, /*whole=*/true));
      return absl::OkStatus();
    }));
    return *std::move(holding);
  }

  absl::StatusOr<HoldingPage> ListHoldings(const ListHoldingsOptions& options) override {
    PURSER_RETURN_IF_ERROR(CheckPage(options.page_size, options.page_token));
    HoldingPage page;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      page = HoldingPage();
      PURSER_ASSIGN_OR_RETURN(
          std::vector<HoldingRow> rows,
          ListHoldingRows(connection, options, BlueprintsOf(options.blueprint)));
      if (rows.size() > static_cast<size_t>(options.page_size)) {
        rows.resize(static_cast<size_t>(options.page_size));
        page.next_page_token = rows.back().id;
      }
      for (const HoldingRow& row : rows) {
        PURSER_ASSIGN_OR_RETURN(Holding holding, LoadHolding(connection, row, /*whole=*/false));
        page.holdings.push_back(std::move(holding));
      }
      return absl::OkStatus();
    }));
    return page;
  }

  absl::StatusOr<Holding> Renew(absl::string_view id, std::optional<absl::Time> until,
                                absl::string_view idempotency_key, const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(operator_.Renew(id, until, idempotency_key, actor));
    return GetHolding(id);
  }
  absl::StatusOr<Holding> Protect(absl::string_view id, bool on, const Actor& actor) override {
    PURSER_RETURN_IF_ERROR(operator_.Protect(id, on, actor));
    return GetHolding(id);
  }
  absl::StatusOr<Holding> Inspect(absl::string_view id, std::stop_token stop) override {
    std::optional<HoldingRow> row;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(row, GetHoldingRow(connection, id));
      return absl::OkStatus();
    }));
    if (row->state != HoldingState::kActive && row->state != HoldingState::kSuspended) {
      return absl::FailedPreconditionError(
          absl::StrCat("holding ", row->id, " is ", ToString(row->state)));
    }
    PURSER_RETURN_IF_ERROR(keeper_.Inspect(*row, stop));
    return GetHolding(id);
  }

  absl::StatusOr<OrphanPage> ListOrphans(int page_size, absl::string_view page_token) override {
    PURSER_RETURN_IF_ERROR(CheckPage(page_size, page_token));
    OrphanPage page;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      page = OrphanPage();
      PURSER_ASSIGN_OR_RETURN(page.orphans, ListOrphanRows(connection, page_size, page_token));
      if (page.orphans.size() > static_cast<size_t>(page_size)) {
        page.orphans.resize(static_cast<size_t>(page_size));
        page.next_page_token =
            absl::StrCat(page.orphans.back().holding_id, "/", page.orphans.back().step_id);
      }
      return absl::OkStatus();
    }));
    return page;
  }
  absl::Status ForgetOrphan(absl::string_view holding_id, absl::string_view step_id,
                            const Actor& actor) override {
    return operator_.ForgetOrphan(holding_id, step_id, actor);
  }

  absl::StatusOr<std::vector<Decision>> ListDecisions(int limit) override {
    if (limit < 1 || limit > kMaxDecisions) {
      return absl::InvalidArgumentError(
          absl::StrCat("limit must be 1 to ", kMaxDecisions, ", not ", limit));
    }
    std::vector<Decision> decisions;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const std::vector<DecisionRow> rows,
                              provisioning::ListDecisions(connection, limit));
      for (const DecisionRow& row : rows) {
        decisions.push_back({row.id, row.request_id, row.requester, row.blueprint, row.kind,
                             row.verdict, ParseJsonOr(row.detail, json::array()),
                             absl::FromUnixMicros(row.at)});
      }
      return absl::OkStatus();
    }));
    return decisions;
  }

  absl::StatusOr<AuditReport> VerifyAudit() override {
    AuditReport report;
    PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
      const absl::Status verified = workflow::VerifyEvents(connection, &report.forgotten);
      if (absl::IsDataLoss(verified)) {
        report.fault = std::string(verified.message());
      } else {
        PURSER_RETURN_IF_ERROR(verified);
      }
      PURSER_ASSIGN_OR_RETURN(
          const store::Rows rows,
          connection.Query("SELECT sequence FROM workflow_head WHERE id = 1", {}));
      report.events = rows.empty() ? 0 : rows[0].Int(0);
      return absl::OkStatus();
    }));
    return report;
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

  absl::StatusOr<json> GetBlueprint(absl::string_view name_or_hash) override {
    const auto found = blueprints_.find(base::ToStd(name_or_hash));
    if (found != blueprints_.end()) return purser::json::Parse(found->second->body);
    for (const auto& [name, blueprint] : blueprints_) {
      if (blueprint->hash == name_or_hash) return purser::json::Parse(blueprint->body);
    }
    std::shared_ptr<const workflow::Definition> pinned;
    const absl::Status read = database_.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(pinned, definitions_.Get(connection, name_or_hash));
      return absl::OkStatus();
    });
    if (!read.ok()) {
      return absl::NotFoundError(absl::StrCat("there is no blueprint of the name or hash \"",
                                              base::EscapeForDisplay(name_or_hash), "\""));
    }
    return purser::json::Parse(BlueprintOf(*pinned).body);
  }

  absl::Status CheckBlueprintText(absl::string_view text, absl::string_view file) override {
    return ParseBlueprint(text, file, *options_.connectors).status();
  }

 private:
  absl::StatusOr<Request> CreateOne(const CreateOptions& options, bool by_purser) {
    if (!options.dry_run) {
      PURSER_ASSIGN_OR_RETURN(const std::optional<std::string> known, planner_.FindSame(options));
      if (known.has_value()) return Get(*known);
    }
    absl::Status status;
    for (int i = 0; i < kPlanTries; ++i) {
      PURSER_ASSIGN_OR_RETURN(Plan plan, planner_.Make(options, by_purser));
      if (plan.verdict.refused) return Refuse(plan, options.dry_run);
      if (options.dry_run) return PlannedRequest(plan);
      absl::StatusOr<Request> stored = Store(plan);
      if (!absl::IsAborted(stored.status())) return stored;
      status = stored.status();
    }
    return status;
  }

  absl::Status Refuse(const Plan& plan, bool dry_run) {
    if (!dry_run) PURSER_RETURN_IF_ERROR(planner_.StoreRefusal(plan));
    return absl::PermissionDeniedError(
        absl::StrCat("policy refuses it:\n", plan.verdict.Reasons()));
  }

  // The same key and input: what is there already.
  absl::StatusOr<Request> Store(Plan& plan) {
    std::string id;
    const Verdict asked = plan.verdict;
    PURSER_RETURN_IF_ERROR(database_.Transact([&](Connection& connection) -> absl::Status {
      id = plan.row.id;
      plan.verdict = asked;
      PURSER_ASSIGN_OR_RETURN(const std::optional<RequestRow> known,
                              planner_.FindKnown(connection, plan));
      if (known.has_value()) {
        id = known->id;
        return absl::OkStatus();
      }
      PURSER_RETURN_IF_ERROR(planner_.CheckStillValid(connection, plan));
      if (plan.verdict.refused) return absl::OkStatus();
      return planner_.Store(connection, plan);
    }));
    if (plan.verdict.refused) return Refuse(plan, /*dry_run=*/false);
    engine_->Committed();
    recorder_.OnCommitted();
    return Get(id);
  }

  absl::Status ReadSome(absl::string_view request_id, int64_t after, std::vector<Event>* events,
                        bool* ended) {
    return database_.Read([&](Connection& connection) -> absl::Status {
      events->clear();
      *ended = false;
      if (!request_id.empty()) {
        PURSER_ASSIGN_OR_RETURN(const RequestRow row, GetRequestRow(connection, request_id));
        *ended = IsFinal(row.state);
      }
      return workflow::ReadEvents(
          connection, request_id, after, kEventsPerRead, [&](const workflow::Event& event) {
            events->push_back({event.sequence, event.subject, event.step_id, event.type,
                               event.message, event.data, event.at});
            return absl::OkStatus();
          });
    });
  }

  // By the name of one, which may not be there any more, or of a product. None: any.
  std::vector<std::string> BlueprintsOf(const std::string& name) const {
    if (name.empty()) return {};
    std::vector<std::string> names = {name};
    for (const auto& [other, blueprint] : blueprints_) {
      if (other != name && blueprint->product == name) names.push_back(other);
    }
    return names;
  }

  const Options options_;
  store::Database& database_;
  const Blueprints blueprints_;
  const Policies policies_;
  WaitConnector wait_;
  StepWaker waker_;
  ConnectorExecutor executor_;
  workflow::DefinitionCache definitions_;
  RunRecorder recorder_;
  std::stop_source stop_;
  std::unique_ptr<workflow::Engine> engine_;
  Core core_;
  Planner planner_;
  Operator operator_;
  Keeper keeper_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ProvisioningService>> OpenService(const Options& options) {
  PURSER_ASSIGN_OR_RETURN(Blueprints blueprints,
                          LoadBlueprints(options.blueprint_folders, *options.connectors));
  PURSER_ASSIGN_OR_RETURN(Policies policies, Policies::Load(options.policy_folders));
  auto service =
      std::make_unique<Provisioning>(options, std::move(blueprints), std::move(policies));
  PURSER_RETURN_IF_ERROR(service->Init());
  return service;
}

absl::Status CheckBlueprints(const std::vector<std::string>& folders,
                             const connectors::Connectors& connectors) {
  return LoadBlueprints(folders, connectors).status();
}

absl::Status CheckPolicies(const std::vector<std::string>& folders) {
  return Policies::Load(folders).status();
}

}  // namespace purser::provisioning

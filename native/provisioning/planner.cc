#include "provisioning/planner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog/entity.h"
#include "json/json.h"
#include "provisioning/entity_mapping.h"
#include "provisioning/expressions.h"
#include "provisioning/request_reader.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;

// What is asked of something that is there.
bool IsAboutHolding(RequestKind kind) {
  return kind != RequestKind::kCreate && kind != RequestKind::kImport;
}

absl::Status CheckKey(const std::string& key) {
  if (key.size() > kMaxKeyBytes || !base::IsValidUtf8(key) || absl::StrContains(key, '\0')) {
    return absl::InvalidArgumentError(
        absl::StrCat("idempotency key must be a text of 1 to ", kMaxKeyBytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Plan> Planner::Make(const CreateOptions& options, bool by_purser) {
  Plan plan;
  PURSER_RETURN_IF_ERROR(Identify(options, plan));
  std::optional<Before> before;
  if (IsAboutHolding(options.kind)) {
    PURSER_ASSIGN_OR_RETURN(before, LoadBefore(options, plan));
  } else {
    PURSER_ASSIGN_OR_RETURN(plan.blueprint, FindBlueprint(core_.blueprints, options.blueprint));
  }
  PURSER_RETURN_IF_ERROR(SettleParameters(options, before, plan));
  PURSER_RETURN_IF_ERROR(SettleOwner(options, before, plan));
  if (!before.has_value()) {
    // What the entity shows already is changed, not made a second time.
    PURSER_RETURN_IF_ERROR(CheckEntity(plan));
    PURSER_ASSIGN_OR_RETURN(before, LoadBefore(options, plan));
  }
  plan.row.holding_id = before.has_value() ? before->holding.id : plan.row.id;
  plan.run_input["request"]["holding"] = plan.row.holding_id;
  if (before.has_value()) plan.holding = before->holding;
  PURSER_RETURN_IF_ERROR(SettleDefinition(options, before, plan));
  json shown = json::object();
  PURSER_RETURN_IF_ERROR(SettleLife(plan, shown));
  ShowChanges(before, plan, shown);
  PURSER_RETURN_IF_ERROR(AskPolicy(options, before, by_purser, plan, shown));
  PURSER_RETURN_IF_ERROR(CheckEntity(plan));
  if (plan.row.kind != RequestKind::kDelete) PURSER_RETURN_IF_ERROR(CheckStepInputs(plan));
  plan.row.plan = purser::json::Dump(shown);
  plan.row.plan_hash = base::Sha256Hex(catalog::Canonical(
      {{"definition", plan.definition->hash},
       {"parameters", plan.row.parameters},
       {"request",
        {{"kind", std::string(ToString(plan.row.kind))},
         {"owner", plan.row.owner},
         {"holding", before.has_value() ? plan.row.holding_id : ""},
         {"current", before.has_value() ? before->holding.current_request : ""}}},
       {"quote", shown.value("quote", json())}}));
  return plan;
}

absl::Status Planner::Identify(const CreateOptions& options, Plan& plan) {
  RequestRow& row = plan.row;
  PURSER_RETURN_IF_ERROR(CheckKey(options.idempotency_key));
  row.id = base::NewId("req", *core_.options.clock, *core_.options.rng);
  row.run_id = base::NewId("run", *core_.options.clock, *core_.options.rng);
  // Without a key every call is a request of its own, so its id serves as well
  // as any.
  row.key = options.idempotency_key.empty() ? row.id : options.idempotency_key;
  row.kind = options.kind;
  row.outputs = "{}";
  row.created_at = absl::ToUnixMicros(core_.options.clock->Now());
  row.state = RequestState::kRunning;
  if (!options.requester.empty()) {
    PURSER_ASSIGN_OR_RETURN(row.requester, NormalRef(options.requester, "user", "requester"));
  }
  json asked = {options.blueprint,
                options.parameters.is_null() ? json::object() : options.parameters, options.owner,
                row.requester};
  if (IsAboutHolding(options.kind) || options.kind == RequestKind::kImport) {
    asked.push_back({std::string(ToString(options.kind)), options.holding, options.imported});
  }
  row.input_hash = base::Sha256Hex(purser::json::Dump(asked));
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Planner::Before>> Planner::LoadBefore(const CreateOptions& options,
                                                                   const Plan& plan) {
  Before before;
  bool found = false;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    std::optional<HoldingRow> holding;
    if (IsAboutHolding(options.kind)) {
      PURSER_ASSIGN_OR_RETURN(holding, GetHoldingRow(connection, options.holding));
      if (holding->state == HoldingState::kDeleted ||
          (holding->state == HoldingState::kPending && options.kind != RequestKind::kDelete)) {
        return absl::FailedPreconditionError(
            absl::StrCat("holding ", holding->id, " is ", ToString(holding->state),
                         "; there is nothing to ", ToString(options.kind)));
      }
    } else if (!plan.row.entity_ref.empty()) {
      PURSER_ASSIGN_OR_RETURN(holding, FindHoldingOfEntity(connection, plan.row.entity_ref));
      if (!holding.has_value()) return absl::OkStatus();
      if (options.kind == RequestKind::kImport || holding->blueprint != plan.row.blueprint) {
        return absl::FailedPreconditionError(
            absl::StrCat(plan.row.entity_ref, " is there already, made by blueprint ",
                         holding->blueprint, " (", holding->id, "); choose another name"));
      }
      if (holding->owner != plan.row.owner) {
        return absl::FailedPreconditionError(absl::StrCat(plan.row.entity_ref, " belongs to ",
                                                          holding->owner, "; choose another name"));
      }
    } else {
      return absl::OkStatus();
    }
    before.holding = *std::move(holding);
    PURSER_ASSIGN_OR_RETURN(before.made, MadeOf(connection, before.holding.id));
    const std::string& current =
        before.holding.current_request.empty() ? before.holding.id : before.holding.current_request;
    PURSER_ASSIGN_OR_RETURN(before.request, GetRequestRow(connection, current));
    PURSER_ASSIGN_OR_RETURN(before.view,
                            LoadView(connection, core_.definitions, before.request.run_id));
    found = true;
    return absl::OkStatus();
  }));
  if (!found) return std::nullopt;
  return before;
}

absl::Status Planner::SettleParameters(const CreateOptions& options,
                                       const std::optional<Before>& before, Plan& plan) {
  RequestRow& row = plan.row;
  json given = options.parameters.is_null() ? json::object() : options.parameters;
  if (before.has_value()) {
    if (row.kind == RequestKind::kDelete) {
      plan.blueprint = std::static_pointer_cast<const Blueprint>(before->view.definition);
    } else {
      PURSER_ASSIGN_OR_RETURN(plan.blueprint,
                              FindBlueprint(core_.blueprints, before->holding.blueprint));
    }
    json merged = ParseJsonOr(before->request.parameters, json::object());
    if (row.kind == RequestKind::kChange) {
      merged.merge_patch(given);
    } else if (!given.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("parameters: a request to ", ToString(row.kind), " something takes none"));
    }
    given = std::move(merged);
  }
  row.blueprint = before.has_value() ? before->holding.blueprint : plan.blueprint->name;
  row.blueprint_hash =
      row.kind == RequestKind::kDelete ? before->request.blueprint_hash : plan.blueprint->hash;
  json parameters = std::move(given);
  if (row.kind != RequestKind::kDelete) {
    parameters = plan.blueprint->parameters->WithDefaults(parameters);
    PURSER_RETURN_IF_ERROR(
        purser::json::ToStatus(plan.blueprint->parameters->Validate(parameters), "parameters"));
  }
  row.parameters = purser::json::Dump(parameters);
  if (row.parameters.size() > kMaxParametersBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("parameters have ", row.parameters.size(),
                                                     " bytes; at most ", kMaxParametersBytes,
                                                     " are allowed"));
  }
  const bool suspended = row.kind == RequestKind::kSuspend ||
                         (before.has_value() && before->holding.state == HoldingState::kSuspended &&
                          row.kind != RequestKind::kResume);
  plan.run_input = {{"parameters", std::move(parameters)},
                    {"environment", core_.options.environment},
                    {"secrets", core_.options.secrets},
                    {"request",
                     {{"id", row.id},
                      {"run_id", row.run_id},
                      {"requester", row.requester},
                      {"blueprint", row.blueprint},
                      {"kind", std::string(ToString(row.kind))},
                      {"suspended", suspended}}}};
  if ((row.kind == RequestKind::kSuspend || row.kind == RequestKind::kResume) &&
      !plan.blueprint->life.suspendable) {
    return absl::FailedPreconditionError(absl::StrCat(
        "blueprint ", row.blueprint, " cannot be suspended: its life.suspendable is not set"));
  }
  if ((row.kind == RequestKind::kSuspend || row.kind == RequestKind::kResume) &&
      (before->holding.state == HoldingState::kSuspended) == suspended) {
    return absl::FailedPreconditionError(absl::StrCat("holding ", before->holding.id, " is ",
                                                      ToString(before->holding.state), " already"));
  }
  return absl::OkStatus();
}

absl::Status Planner::SettleOwner(const CreateOptions& options, const std::optional<Before>& before,
                                  Plan& plan) {
  RequestRow& row = plan.row;
  if (row.kind == RequestKind::kTransfer) {
    if (options.owner.empty()) {
      return absl::InvalidArgumentError("owner is required: to whom it is transferred");
    }
    PURSER_ASSIGN_OR_RETURN(row.owner, NormalRef(options.owner, "group", "owner"));
    if (row.owner == before->holding.owner) {
      return absl::FailedPreconditionError(
          absl::StrCat("holding ", before->holding.id, " belongs to ", row.owner, " already"));
    }
  } else if (before.has_value()) {
    row.owner = before->holding.owner;
  } else if (!options.owner.empty()) {
    PURSER_ASSIGN_OR_RETURN(row.owner, NormalRef(options.owner, "group", "owner"));
  } else if (plan.blueprint->owner.is_null()) {
    return absl::InvalidArgumentError(
        absl::StrCat("owner is required: blueprint ", row.blueprint, " does not derive it"));
  } else {
    PURSER_ASSIGN_OR_RETURN(const json owner,
                            Evaluate(plan.blueprint->owner, plan.run_input, "/owner"));
    if (!owner.is_string()) {
      return absl::InvalidArgumentError("owner: the blueprint's expression gives no text");
    }
    PURSER_ASSIGN_OR_RETURN(row.owner,
                            NormalRef(owner.get_ref<const std::string&>(), "group", "owner"));
  }
  plan.run_input["request"]["owner"] = row.owner;
  PURSER_ASSIGN_OR_RETURN(
      plan.environment, EvaluateText(plan.blueprint->environment, plan.run_input, "/environment"));
  PURSER_ASSIGN_OR_RETURN(
      const std::string classification,
      EvaluateText(plan.blueprint->classification, plan.run_input, "/classification"));
  plan.run_input["request"]["environment"] = plan.environment;
  plan.run_input["request"]["classification"] = classification;
  if (before.has_value()) row.entity_ref = before->holding.entity_ref;
  return absl::OkStatus();
}

absl::Status Planner::SettleDefinition(const CreateOptions& options,
                                       const std::optional<Before>& before, Plan& plan) {
  if (plan.row.kind == RequestKind::kDelete) return SettleRemoval(*before, plan);
  Mode mode = before.has_value() ? Mode::kChange : Mode::kMake;
  if (before.has_value() && plan.row.kind == RequestKind::kCreate) {
    plan.row.kind = RequestKind::kChange;
    plan.run_input["request"]["kind"] = "change";
    plan.run_input["request"]["suspended"] = before->holding.state == HoldingState::kSuspended;
  }
  if (plan.row.kind == RequestKind::kImport) {
    mode = Mode::kAdopt;
    plan.run_input["imported"] = options.imported.is_null() ? json::object() : options.imported;
  }
  json each = json::object();
  const json body = json::parse(plan.blueprint->body);
  for (const json& step : body.at("spec").at("steps")) {
    if (!step.contains("each")) continue;
    const std::string id = step.at("id");
    PURSER_ASSIGN_OR_RETURN(json items, Evaluate(step.at("each"), plan.run_input,
                                                 absl::StrCat("step ", id, ": /each")));
    if (!items.is_array() || items.size() > kMaxEachItems) {
      return absl::InvalidArgumentError(absl::StrCat(
          "step ", id, ": each must give a list of at most ", kMaxEachItems, " items"));
    }
    each[id] = std::move(items);
  }
  if (mode == Mode::kMake && each.empty()) {
    plan.definition = plan.blueprint;
    return absl::OkStatus();
  }
  PURSER_ASSIGN_OR_RETURN(plan.definition,
                          BlueprintFromBody(DerivedBody(*plan.blueprint, mode, each)));
  if (plan.definition->steps.size() > workflow::kMaxSteps) {
    return absl::InvalidArgumentError(absl::StrCat("its lists make ", plan.definition->steps.size(),
                                                   " steps; at most ", workflow::kMaxSteps,
                                                   " are allowed"));
  }
  return absl::OkStatus();
}

absl::Status Planner::SettleRemoval(const Before& before, Plan& plan) {
  if (before.holding.is_protected) {
    return absl::FailedPreconditionError(absl::StrCat("holding ", before.holding.id,
                                                      " is protected; take the protection away "
                                                      "first"));
  }
  std::vector<RemovalStep> steps;
  json made = json::object();
  for (const MadeRow& row : before.made) {
    steps.push_back({row.step_id, row.undo});
    made[row.step_id] = ParseJsonOr(row.outputs, json::object());
  }
  plan.run_input["made"] = std::move(made);
  PURSER_ASSIGN_OR_RETURN(plan.definition,
                          BlueprintFromBody(RemovalBody(plan.row.blueprint, steps)));
  return absl::OkStatus();
}

absl::Status Planner::CheckEntity(Plan& plan) {
  // The entity must be valid before anything is made for it.
  if (plan.row.kind == RequestKind::kDelete || plan.blueprint->entity.is_null()) {
    return absl::OkStatus();
  }
  EntityInput input;
  input.request_id = plan.row.id;
  input.owner = plan.row.owner;
  input.state = plan.row.state;
  input.context = plan.run_input;
  PURSER_ASSIGN_OR_RETURN(const json entity, BuildEntity(*plan.blueprint, input));
  const std::string ref = catalog::RefOf(entity).ToString();
  if (plan.holding.has_value() && plan.holding->entity_ref != ref) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is ", plan.holding->entity_ref, " in the catalog and would become ", ref,
                     "; what it is called there cannot be changed"));
  }
  plan.row.entity_ref = ref;
  return absl::OkStatus();
}

// Inputs that depend on the parameters alone are checked now rather than in the
// middle of a run.
absl::Status Planner::CheckStepInputs(const Plan& plan) {
  workflow::RunView view;
  view.id = plan.row.run_id;
  view.subject = plan.row.id;
  view.definition = plan.definition;
  view.input = plan.run_input;
  for (const workflow::StepDefinition& step : plan.definition->steps) {
    bool uses_steps = false;
    const Visitor visitor{[](const std::string&, const absl::Status&) {},
                          [&](const std::string&, const Reference& reference) {
                            uses_steps = uses_steps || reference.root == "steps";
                          }};
    Visit(step.with, "", visitor);
    Visit(json(step.condition), "", visitor);
    if (uses_steps) continue;
    const absl::StatusOr<workflow::Prepared> prepared = core_.executor.Prepare(view, step);
    if (!prepared.ok()) {
      return base::Annotate(prepared.status(), absl::StrCat("step ", step.id));
    }
  }
  return absl::OkStatus();
}

}  // namespace purser::provisioning

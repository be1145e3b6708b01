// What a plan costs, changes and needs to be allowed.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "provisioning/change_plan.h"
#include "provisioning/expressions.h"
#include "provisioning/planner.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

json QuoteText(const Quote& quote) {
  json lines = json::array();
  for (const Quote::Line& line : quote.lines) {
    lines.push_back({{"what", line.what}, {"monthly", line.monthly.ToString()}});
  }
  return {{"monthly", quote.monthly.ToString()},
          {"currency", quote.currency},
          {"lines", std::move(lines)}};
}

json ApprovalText(const Approval& approval) {
  json text = {{"count", approval.count}, {"fourEyes", approval.four_eyes}};
  if (!approval.from.empty()) text["from"] = approval.from;
  return text;
}

}  // namespace

absl::Status Planner::SettleLife(Plan& plan, json& shown) {
  if (plan.row.kind == RequestKind::kDelete) return absl::OkStatus();
  const Life& life = plan.blueprint->life;
  if (!life.expires_after.is_null()) {
    PURSER_ASSIGN_OR_RETURN(const std::string text,
                            EvaluateText(life.expires_after, plan.run_input, "/life/expiresAfter"));
    absl::Duration after;
    if (!absl::ParseDuration(text, &after) || after < absl::Minutes(1)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "life.expiresAfter: \"", base::EscapeForDisplay(text), "\" is no duration like 720h"));
    }
    shown["expiresAfter"] = absl::FormatDuration(after);
  }
  PURSER_ASSIGN_OR_RETURN(const json is_protected,
                          Evaluate(life.is_protected, plan.run_input, "/life/protected"));
  if (is_protected.is_boolean() && is_protected.get<bool>()) shown["protected"] = true;
  if (!plan.environment.empty()) shown["environment"] = plan.environment;
  const std::string classification = plan.run_input["request"]["classification"];
  if (!classification.empty()) shown["classification"] = classification;
  return absl::OkStatus();
}

void Planner::ShowChanges(const std::optional<Before>& before, Plan& plan, json& shown) {
  if (!before.has_value()) return;
  if (plan.row.kind == RequestKind::kDelete) {
    json steps = json::array();
    for (const workflow::StepDefinition& step : plan.definition->steps) {
      steps.push_back({{"step", step.id}, {"effect", "removes"}});
    }
    shown["steps"] = std::move(steps);
    return;
  }
  json changes = Differences(ParseJsonOr(before->request.parameters, json::object()),
                             plan.run_input.at("parameters"));
  for (json& change : changes) {
    change["path"] = absl::StrCat("/parameters", change["path"].get_ref<const std::string&>());
  }
  if (before->holding.owner != plan.row.owner) {
    changes.push_back(
        {{"path", "/owner"}, {"from", before->holding.owner}, {"to", plan.row.owner}});
  }
  if (before->request.blueprint_hash != plan.row.blueprint_hash) {
    changes.push_back({{"path", "/blueprint"},
                       {"from", before->request.blueprint_hash},
                       {"to", plan.row.blueprint_hash}});
  }
  shown["changes"] = std::move(changes);
  workflow::RunView after;
  after.id = plan.row.run_id;
  after.subject = plan.row.id;
  after.definition = plan.definition;
  after.input = plan.run_input;
  after.outputs = before->view.outputs;
  shown["steps"] = StepEffects(core_.executor, before->view, after);
  json leaves = json::array();
  for (const MadeRow& row : before->made) {
    const auto effect =
        std::find_if(shown["steps"].begin(), shown["steps"].end(),
                     [&](const json& entry) { return entry.at("step") == row.step_id; });
    if (effect == shown["steps"].end() || effect->at("effect") == "skipped") {
      leaves.push_back(row.step_id);
    }
  }
  if (!leaves.empty()) shown["leaves"] = std::move(leaves);
}

absl::StatusOr<std::optional<Quote>> Planner::QuoteOf(const Plan& plan, const json& parameters) {
  if (core_.options.costs == nullptr) return std::nullopt;
  return core_.options.costs->QuoteOf(plan.blueprint->product, parameters);
}

absl::Status Planner::AskPolicy(const CreateOptions&, const std::optional<Before>& before,
                                bool by_purser, Plan& plan, json& shown) {
  PolicyQuestion question;
  question.blueprint = plan.row.blueprint;
  question.kind = plan.row.kind;
  question.owner = plan.row.owner;
  question.environment = plan.environment;
  question.context = plan.run_input;
  question.context["changes"] = shown.value("changes", json::array());
  if (plan.row.kind != RequestKind::kDelete) {
    PURSER_ASSIGN_OR_RETURN(question.quote, QuoteOf(plan, plan.run_input.at("parameters")));
  }
  if (question.quote.has_value()) {
    shown["quote"] = QuoteText(*question.quote);
    // What the owner pays already; a new owner pays nothing yet.
    if (before.has_value() && plan.row.kind != RequestKind::kTransfer) {
      PURSER_ASSIGN_OR_RETURN(
          const std::optional<Quote> paid,
          QuoteOf(plan, ParseJsonOr(before->request.parameters, json::object())));
      if (paid.has_value() && paid->currency == question.quote->currency) {
        question.before = paid->monthly;
        shown["quote"]["before"] = paid->monthly.ToString();
      }
    }
    question.context["quote"] = shown["quote"];
  }
  if (core_.options.costs != nullptr && core_.policies.LooksAtBudgets(question)) {
    PURSER_ASSIGN_OR_RETURN(question.budgets, core_.options.costs->BudgetsOf(
                                                  {plan.row.owner, plan.row.entity_ref,
                                                   plan.blueprint->product, plan.environment}));
  }
  if (by_purser) return absl::OkStatus();
  plan.verdict = core_.policies.Judge(question);
  if (!plan.verdict.decisions.empty()) shown["decisions"] = plan.verdict.decisions;
  if (!plan.verdict.quotas.empty()) {
    for (const QuotaClaim& claim : plan.verdict.quotas) {
      shown["quotas"].push_back(
          {{"quota", claim.quota}, {"key", claim.key}, {"amount", claim.amount}});
    }
  }
  if (plan.verdict.refused) return absl::OkStatus();
  Hold(Stricter(plan.blueprint->approval, plan.verdict.approval), plan, shown);
  return absl::OkStatus();
}

void Planner::Hold(const Approval& approval, Plan& plan, json& shown) {
  if (approval.count == 0) return;
  shown["approval"] = ApprovalText(approval);
  plan.row.state = RequestState::kWaitingApproval;
  plan.row.message = approval.message.empty() ? "waits for approval" : approval.message;
}

}  // namespace purser::provisioning

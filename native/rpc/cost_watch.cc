// The methods of CostService about what is watched: budgets, anomalies, and what was told of them.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "base/status.h"
#include "rpc/cost_convert.h"
#include "rpc/cost_service.h"

namespace purser::rpc {
namespace {

using costs_convert::DayText;
using costs_convert::Filters;
using costs_convert::ParseDay;

// The last day with data; NOT_FOUND when there is none.
absl::StatusOr<absl::CivilDay> LastDay(costs::CostService& service) {
  PURSER_ASSIGN_OR_RETURN(const auto days, service.DataDays());
  if (!days.has_value()) return absl::NotFoundError("there are no costs yet");
  return days->second;
}

void FillBudget(const costs::BudgetState& state, purser::v1::Budget& out) {
  const costs::Budget& budget = state.budget;
  out.set_name(budget.name);
  out.set_dimension(std::string(costs::DimensionName(budget.dimension)));
  out.set_of(budget.of);
  out.set_owner(state.owner);
  out.set_amount(budget.amount.ToString());
  out.set_currency(budget.currency);
  out.set_period(std::string(costs::BudgetPeriodName(budget.period)));
  out.set_from_day(DayText(state.from));
  out.set_to_day(DayText(state.to));
  out.set_problem(state.problem);
  if (state.problem.empty()) {
    out.set_spent(state.spent.ToString());
    out.set_spent_percent(state.spent_percent.ToString());
  }
  if (state.forecast.has_value()) out.set_forecast(state.forecast->ToString());
  out.set_forecast_method(state.forecast_method);
  for (const int threshold : budget.thresholds) out.add_thresholds(threshold);
  out.set_crossed(state.crossed.value_or(0));
  out.set_measure(std::string(costs::MeasureName(budget.measure)));
}

void FillAnomaly(const costs::Anomaly& anomaly, purser::v1::CostAnomaly& out) {
  out.set_id(anomaly.id);
  out.set_dimension(std::string(costs::DimensionName(anomaly.dimension)));
  out.set_of(anomaly.of);
  out.set_owner(anomaly.owner);
  out.set_day(DayText(anomaly.day));
  out.set_currency(anomaly.currency);
  out.set_cost(anomaly.cost.ToString());
  out.set_expected(anomaly.expected.ToString());
  out.set_difference(anomaly.difference.ToString());
  out.set_score(anomaly.score);
  out.set_service(anomaly.service);
  out.set_sku(anomaly.sku);
  out.set_region(anomaly.region);
  out.set_cause_difference(anomaly.cause_difference.ToString());
}

}  // namespace

grpc::Status CostService::ListBudgets(grpc::ServerContext* context,
                                      const purser::v1::ListBudgetsRequest* request,
                                      purser::v1::ListBudgetsResponse* response) {
  return guard_.Run(*context, "ListBudgets", [&]() -> absl::Status {
    absl::CivilDay as_of = absl::ToCivilDay(absl::Now(), absl::UTCTimeZone());
    if (!request->as_of().empty()) {
      PURSER_ASSIGN_OR_RETURN(as_of, ParseDay(request->as_of(), "as_of"));
    } else if (const absl::StatusOr<absl::CivilDay> last = LastDay(service_); last.ok()) {
      as_of = *last;
    }
    std::vector<costs::Budget> budgets;
    for (const costs::Budget& budget : policy_.budgets) {
      if (request->of().empty() || absl::EqualsIgnoreCase(request->of(), budget.of)) {
        budgets.push_back(budget);
      }
    }
    PURSER_ASSIGN_OR_RETURN(const std::vector<costs::BudgetState> states,
                            costs::BudgetStates(service_, budgets, as_of));
    for (const costs::BudgetState& state : states) {
      if (request->owners_size() > 0 &&
          std::find(request->owners().begin(), request->owners().end(), state.owner) ==
              request->owners().end()) {
        continue;
      }
      FillBudget(state, *response->add_budgets());
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::ListAnomalies(grpc::ServerContext* context,
                                        const purser::v1::ListAnomaliesRequest* request,
                                        purser::v1::ListAnomaliesResponse* response) {
  return guard_.Run(*context, "ListAnomalies", [&]() -> absl::Status {
    const bool is_range = !request->from_day().empty();
    if (is_range ? !request->day().empty() : !request->to_day().empty()) {
      return absl::InvalidArgumentError("either day, or from_day and to_day");
    }
    costs::AnomalyQuery query;
    const std::string& last = is_range ? request->to_day() : request->day();
    if (last.empty()) {
      const absl::StatusOr<absl::CivilDay> known = LastDay(service_);
      if (absl::IsNotFound(known.status())) return absl::OkStatus();
      PURSER_ASSIGN_OR_RETURN(query.to, known);
    } else {
      PURSER_ASSIGN_OR_RETURN(query.to, ParseDay(last, is_range ? "to_day" : "day"));
    }
    query.from = query.to;
    if (is_range) {
      PURSER_ASSIGN_OR_RETURN(query.from, ParseDay(request->from_day(), "from_day"));
    }
    costs::AnomalyOptions options = policy_.anomalies;
    if (!request->dimension().empty()) {
      PURSER_ASSIGN_OR_RETURN(options.dimension, costs::ParseDimension(request->dimension()));
    }
    query.of = request->of();
    PURSER_ASSIGN_OR_RETURN(query.filters, Filters(request->filters()));
    query.page_size = request->page_size();
    query.page_token = request->page_token();
    PURSER_ASSIGN_OR_RETURN(const costs::AnomalyPage page,
                            costs::ListAnomalies(service_, query, options, policy_.suppressions));
    response->set_day(DayText(query.to));
    for (const costs::Anomaly& anomaly : page.anomalies) {
      FillAnomaly(anomaly, *response->add_anomalies());
    }
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status CostService::ListCostAlerts(grpc::ServerContext* context,
                                         const purser::v1::ListCostAlertsRequest* request,
                                         purser::v1::ListCostAlertsResponse* response) {
  return guard_.Run(*context, "ListCostAlerts", [&]() -> absl::Status {
    const int limit = request->limit() == 0 ? costs::kDefaultPageSize : request->limit();
    PURSER_ASSIGN_OR_RETURN(const std::vector<costs::CostAlert> alerts,
                            service_.Alerts(request->after_sequence(), limit));
    for (const costs::CostAlert& alert : alerts) {
      purser::v1::CostAlert& out = *response->add_alerts();
      out.set_sequence(alert.sequence);
      out.set_kind(alert.kind);
      out.set_subject(alert.subject);
      out.set_scope(alert.scope);
      out.set_detail_json(alert.detail);
      out.set_at(absl::FormatTime(absl::RFC3339_full, alert.at, absl::UTCTimeZone()));
    }
    return absl::OkStatus();
  });
}

}  // namespace purser::rpc

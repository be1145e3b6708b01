// The methods of CostService beyond reading and summing: what costs mean.
#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status.h"
#include "catalog/entity.h"
#include "costs/forecast.h"
#include "costs/known_days.h"
#include "costs/split.h"
#include "costs/statement.h"
#include "json/json.h"
#include "rpc/cost_convert.h"
#include "rpc/cost_service.h"

namespace purser::rpc {
namespace {

using costs_convert::DayText;
using costs_convert::FillRow;
using costs_convert::Filters;
using costs_convert::MeasureOf;
using costs_convert::ParseDay;

// What a forecast looks back on.
constexpr int kHistoryDays = 182;
constexpr int kDefaultForecastDays = 30;
constexpr int kDefaultTop = 20;

std::string Cents(double amount) { return absl::StrFormat("%.2f", amount); }

// "2026-11" as 202611.
absl::StatusOr<int64_t> ParseMonth(const std::string& text) {
  PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(absl::StrCat(text, "-01"), "month"));
  return costs::MonthOf(day);
}

}  // namespace

grpc::Status CostService::TopCosts(grpc::ServerContext* context,
                                   const purser::v1::TopCostsRequest* request,
                                   purser::v1::TopCostsResponse* response) {
  return guard_.Run(*context, "TopCosts", [&]() -> absl::Status {
    costs::TopRequest top;
    PURSER_ASSIGN_OR_RETURN(top.from, ParseDay(request->from_day(), "from_day"));
    PURSER_ASSIGN_OR_RETURN(top.to, ParseDay(request->to_day(), "to_day"));
    PURSER_ASSIGN_OR_RETURN(top.dimension, costs::ParseDimension(request->dimension()));
    PURSER_ASSIGN_OR_RETURN(top.measure, MeasureOf(request->measure()));
    PURSER_ASSIGN_OR_RETURN(top.filters, Filters(request->filters()));
    top.limit = request->limit() == 0 ? kDefaultTop : request->limit();
    top.currency = request->currency();
    PURSER_ASSIGN_OR_RETURN(const costs::TopResult result, service_.Top(top));
    const auto fill = [&](const costs::CostRow& row, purser::v1::CostRow& out) {
      FillRow(row, out);
      // Rankings do not have them: what is not known is not 0.
      out.clear_charges();
      if (top.measure != costs::Measure::kList) out.clear_list_cost();
      if (top.measure != costs::Measure::kContracted) out.clear_contracted_cost();
    };
    for (const costs::CostRow& row : result.rows) fill(row, *response->add_rows());
    for (const costs::CostRow& row : result.rest) fill(row, *response->add_rest());
    for (const costs::CostRow& row : result.total) fill(row, *response->add_total());
    return absl::OkStatus();
  });
}

grpc::Status CostService::CompareCosts(grpc::ServerContext* context,
                                       const purser::v1::CompareCostsRequest* request,
                                       purser::v1::CompareCostsResponse* response) {
  return guard_.Run(*context, "CompareCosts", [&]() -> absl::Status {
    costs::CompareRequest compare;
    PURSER_ASSIGN_OR_RETURN(compare.from, ParseDay(request->from_day(), "from_day"));
    PURSER_ASSIGN_OR_RETURN(compare.to, ParseDay(request->to_day(), "to_day"));
    compare.before_to = compare.from - 1;
    compare.before_from = compare.from - (compare.to - compare.from) - 1;
    if (!request->before_from_day().empty()) {
      PURSER_ASSIGN_OR_RETURN(compare.before_from,
                              ParseDay(request->before_from_day(), "before_from_day"));
      PURSER_ASSIGN_OR_RETURN(compare.before_to,
                              ParseDay(request->before_to_day(), "before_to_day"));
    }
    PURSER_ASSIGN_OR_RETURN(compare.dimension, costs::ParseDimension(request->dimension()));
    PURSER_ASSIGN_OR_RETURN(compare.filters, Filters(request->filters()));
    compare.currency = request->currency();
    PURSER_ASSIGN_OR_RETURN(const std::vector<costs::ComparedRow> rows, service_.Compare(compare));
    for (const costs::ComparedRow& row : rows) {
      purser::v1::ComparedCost& out = *response->add_rows();
      out.set_key(row.key);
      out.set_currency(row.currency);
      out.set_before(row.before.ToString());
      out.set_after(row.after.ToString());
      out.set_change(row.change.ToString());
      out.set_change_percent(row.change_percent.ToString());
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::ReconcileCosts(grpc::ServerContext* context,
                                         const purser::v1::ReconcileCostsRequest* request,
                                         purser::v1::ReconcileCostsResponse* response) {
  return guard_.Run(*context, "ReconcileCosts", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay from, ParseDay(request->from_day(), "from_day"));
    PURSER_ASSIGN_OR_RETURN(const absl::CivilDay to, ParseDay(request->to_day(), "to_day"));
    PURSER_ASSIGN_OR_RETURN(const std::vector<costs::ReconciledInvoice> invoices,
                            service_.Reconcile(from, to));
    for (const costs::ReconciledInvoice& invoice : invoices) {
      purser::v1::ReconciledInvoice& out = *response->add_invoices();
      out.set_source(invoice.source);
      out.set_billing_period(DayText(invoice.billing_period));
      out.set_invoice(invoice.invoice);
      out.set_currency(invoice.currency);
      out.set_billed(invoice.billed.ToString());
      out.set_entities(invoice.entities.ToString());
      out.set_shared(invoice.shared.ToString());
      out.set_unallocated(invoice.unallocated.ToString());
      out.set_difference(invoice.difference.ToString());
      out.set_coverage_percent(invoice.coverage.ToString());
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::ExplainCosts(grpc::ServerContext* context,
                                       const purser::v1::ExplainCostsRequest* request,
                                       purser::v1::ExplainCostsResponse* response) {
  return guard_.Run(*context, "ExplainCosts", [&]() -> absl::Status {
    if (request->columns().empty() == request->entity_ref().empty()) {
      return absl::InvalidArgumentError(
          "either columns of a charge or entity_ref and month are needed");
    }
    if (!request->entity_ref().empty()) {
      PURSER_ASSIGN_OR_RETURN(const int64_t month, ParseMonth(request->month()));
      PURSER_ASSIGN_OR_RETURN(const std::vector<costs::AllocatedPart> parts,
                              service_.ExplainEntity(request->entity_ref(), month));
      response->set_entity_ref(request->entity_ref());
      for (const costs::AllocatedPart& part : parts) {
        purser::v1::AllocatedCost& out = *response->add_parts();
        out.set_rule(part.rule);
        out.set_currency(part.currency);
        out.set_billed_cost(part.billed.ToString());
        out.set_effective_cost(part.effective.ToString());
        out.set_resource_id(part.resource_id);
        out.set_subjects(part.subjects);
      }
      return absl::OkStatus();
    }
    costs::ExplainRequest explain;
    for (const auto& [column, value] : request->columns()) explain.columns[column] = value;
    PURSER_ASSIGN_OR_RETURN(const costs::Explanation explanation, service_.Explain(explain));
    response->set_entity_ref(explanation.decision.entity_ref);
    response->set_rule(explanation.decision.rule);
    for (const costs::RuleTrace& trace : explanation.rules) {
      purser::v1::CostRuleTrace& out = *response->add_rules();
      out.set_rule(trace.rule);
      out.set_matched(trace.matched);
      out.set_why(trace.why);
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::ForecastCosts(grpc::ServerContext* context,
                                        const purser::v1::ForecastCostsRequest* request,
                                        purser::v1::ForecastCostsResponse* response) {
  return guard_.Run(*context, "ForecastCosts", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const auto data, service_.DataDays());
    if (!data.has_value()) return absl::OkStatus();
    PURSER_ASSIGN_OR_RETURN(const costs::Measure measure, MeasureOf(request->measure()));
    costs::QueryRequest query;
    query.from = std::max(data->first, data->second - kHistoryDays + 1);
    query.to = data->second;
    query.group_by = {costs::Dimension::kDay, costs::Dimension::kSource};
    PURSER_ASSIGN_OR_RETURN(query.filters, Filters(request->filters()));
    query.currency = request->currency();
    PURSER_ASSIGN_OR_RETURN(const std::vector<costs::CostRow> rows, service_.Sums(query));
    std::set<std::string> sources;
    for (const costs::CostRow& row : rows) sources.insert(row.keys[1]);
    PURSER_ASSIGN_OR_RETURN(const costs::KnownDays known, costs::KnownDays::Of(service_));
    const absl::CivilDay last = known.Until(sources).value_or(data->second);
    std::map<std::string, std::vector<double>> history;
    for (const costs::CostRow& row : rows) {
      PURSER_ASSIGN_OR_RETURN(const absl::CivilDay day, ParseDay(row.keys[0], "day"));
      if (day > last) continue;
      std::vector<double>& days = history[row.currency];
      days.resize(static_cast<size_t>(last - query.from) + 1);
      const costs::Measures sums{row.billed, row.effective, row.list, row.contracted, row.charges};
      days[static_cast<size_t>(day - query.from)] += sums.Of(measure).ToDouble();
    }
    response->set_last_day(DayText(last));
    const int ahead = request->days() == 0 ? kDefaultForecastDays : request->days();
    for (const auto& [currency, days] : history) {
      const absl::StatusOr<costs::Forecast> forecast = costs::MakeForecast(days, ahead);
      if (absl::IsFailedPrecondition(forecast.status())) continue;
      PURSER_RETURN_IF_ERROR(forecast.status());
      purser::v1::CostForecast& out = *response->add_forecasts();
      out.set_currency(currency);
      out.set_method(forecast->method);
      out.set_error_percent(forecast->error_percent);
      out.set_other_error_percent(forecast->other_error_percent);
      double total = 0;
      for (size_t i = 0; i < forecast->days.size(); ++i) {
        const costs::ForecastPoint& point = forecast->days[i];
        total += point.expected;
        purser::v1::ForecastDay& day = *out.add_days();
        day.set_day(DayText(last + static_cast<int>(i) + 1));
        day.set_expected(Cents(point.expected));
        day.set_low(Cents(point.low));
        day.set_high(Cents(point.high));
      }
      out.set_total(Cents(total));
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::EstimateCosts(grpc::ServerContext* context,
                                        const purser::v1::EstimateCostsRequest* request,
                                        purser::v1::EstimateCostsResponse* response) {
  return guard_.Run(*context, "EstimateCosts", [&]() -> absl::Status {
    nlohmann::json parameters = nlohmann::json::object();
    if (!request->parameters_json().empty()) {
      PURSER_ASSIGN_OR_RETURN(parameters, json::Parse(request->parameters_json()));
    }
    if (!parameters.is_object()) {
      return absl::InvalidArgumentError("parameters_json: must be a JSON object");
    }
    PURSER_ASSIGN_OR_RETURN(
        const costs::Estimate estimate,
        costs::EstimateCost(service_, policy_.prices, request->product(), parameters));
    response->set_product(estimate.product);
    response->set_currency(estimate.currency);
    response->set_monthly(estimate.monthly.ToString());
    for (const costs::EstimateLine& line : estimate.lines) {
      purser::v1::EstimateLine& out = *response->add_lines();
      out.set_what(line.what);
      out.set_monthly(line.monthly.ToString());
    }
    for (const costs::ObservedCost& observed : estimate.observed) {
      purser::v1::ObservedCost& out = *response->add_observed();
      out.set_currency(observed.currency);
      out.set_entities(observed.entities);
      out.set_median_monthly(observed.median_monthly.ToString());
      out.set_highest_monthly(observed.highest_monthly.ToString());
      out.set_from_day(DayText(observed.from));
      out.set_to_day(DayText(observed.to));
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::GetCostStatement(grpc::ServerContext* context,
                                           const purser::v1::GetCostStatementRequest* request,
                                           purser::v1::GetCostStatementResponse* response) {
  return guard_.Run(*context, "GetCostStatement", [&]() -> absl::Status {
    costs::StatementRequest query;
    query.owner = request->owner();
    PURSER_ASSIGN_OR_RETURN(query.from, ParseDay(request->from_day(), "from_day"));
    PURSER_ASSIGN_OR_RETURN(query.to, ParseDay(request->to_day(), "to_day"));
    query.currency = request->currency();
    const std::string format = request->format().empty() ? "csv" : request->format();
    if (format != "csv" && format != "json" && format != "html") {
      return absl::InvalidArgumentError("format: must be csv, json or html");
    }
    PURSER_ASSIGN_OR_RETURN(const costs::Statement statement,
                            costs::MakeStatement(service_, query));
    if (format == "csv") {
      response->set_text(costs::StatementCsv(statement));
      response->set_media_type("text/csv; charset=utf-8");
    } else if (format == "json") {
      response->set_text(costs::StatementJson(statement));
      response->set_media_type("application/json");
    } else {
      response->set_text(costs::StatementHtml(statement));
      response->set_media_type("text/html; charset=utf-8");
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::GetUnitCosts(grpc::ServerContext* context,
                                       const purser::v1::GetUnitCostsRequest* request,
                                       purser::v1::GetUnitCostsResponse* response) {
  return guard_.Run(*context, "GetUnitCosts", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const catalog::EntityRef ref,
                            catalog::EntityRef::Parse(request->entity_ref()));
    costs::QueryRequest query;
    PURSER_ASSIGN_OR_RETURN(query.from, ParseDay(request->from_day(), "from_day"));
    PURSER_ASSIGN_OR_RETURN(query.to, ParseDay(request->to_day(), "to_day"));
    query.group_by = {costs::Dimension::kMonth};
    const absl::string_view kind = costs::KindOfRef(ref.ToString());
    query.filters = {{kind == "group"    ? costs::Dimension::kGroup
                      : kind == "system" ? costs::Dimension::kSystem
                      : kind == "domain" ? costs::Dimension::kDomain
                                         : costs::Dimension::kEntity,
                      {ref.ToString()}}};
    query.currency = request->currency();
    PURSER_ASSIGN_OR_RETURN(const std::vector<costs::CostRow> rows, service_.Sums(query));
    PURSER_ASSIGN_OR_RETURN(
        const std::vector<costs::MetricValue> values,
        service_.Metrics(request->metric(), ref.ToString(), query.from, query.to));
    std::map<std::string, base::Decimal> units;
    for (const costs::MetricValue& value : values) {
      base::Decimal& sum = units[DayText(value.day).substr(0, 7)];
      if (!base::Decimal::Add(sum, value.value, &sum)) {
        return absl::OutOfRangeError("the sum of the metric does not fit");
      }
    }
    for (const costs::CostRow& row : rows) {
      purser::v1::UnitCost& out = *response->add_months();
      out.set_month(row.keys[0]);
      out.set_currency(row.currency);
      out.set_cost(row.effective.ToString());
      const base::Decimal count = units[row.keys[0]];
      out.set_units(count.ToString());
      base::Decimal each;
      if (costs::Divide(row.effective, count, &each)) out.set_unit_cost(each.ToString());
    }
    return absl::OkStatus();
  });
}

absl::StatusOr<std::shared_ptr<const costs::EntityGraph>> CostService::AddToGraph(
    const purser::v1::PutCostGraphRequest& request) {
  std::vector<costs::GraphEntity> all;
  {
    base::MutexLock lock(mutex_);
    if (request.transfer() != transfer_) incoming_.clear();
    transfer_ = request.transfer();
    if (incoming_.size() + static_cast<size_t>(request.entities_size()) >
        costs::kMaxGraphEntities) {
      incoming_.clear();
      return absl::ResourceExhaustedError(
          absl::StrCat("more than ", costs::kMaxGraphEntities, " entities (kMaxGraphEntities)"));
    }
    for (const purser::v1::CostGraphEntity& entity : request.entities()) {
      incoming_.push_back({entity.ref(), entity.owner(), entity.system(), entity.domain(),
                           entity.parent(), entity.product(), entity.environment()});
    }
    if (request.more()) return std::shared_ptr<const costs::EntityGraph>();
    all = std::exchange(incoming_, {});
    transfer_.clear();
  }
  return costs::EntityGraph::Create(std::move(all));
}

grpc::Status CostService::PutCostGraph(grpc::ServerContext* context,
                                       const purser::v1::PutCostGraphRequest* request,
                                       purser::v1::PutCostGraphResponse*) {
  return guard_.Run(*context, "PutCostGraph", [&]() -> absl::Status {
    if (policy_.has_relations) {
      return absl::FailedPreconditionError(
          "purserd has what costs roll up along from the file of costs.entities: take it away, or "
          "set purser.costs.graph.enabled: false in the portal");
    }
    PURSER_ASSIGN_OR_RETURN(const std::shared_ptr<const costs::EntityGraph> graph,
                            AddToGraph(*request));
    return graph == nullptr ? absl::OkStatus() : service_.PutGraph(graph);
  });
}

grpc::Status CostService::GetCostStatus(grpc::ServerContext* context,
                                        const purser::v1::GetCostStatusRequest*,
                                        purser::v1::GetCostStatusResponse* response) {
  return guard_.Run(*context, "GetCostStatus", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const auto days, service_.DataDays());
    if (days.has_value()) {
      response->set_first_day(DayText(days->first));
      response->set_last_day(DayText(days->second));
    }
    PURSER_ASSIGN_OR_RETURN(const int64_t version, service_.DataVersion());
    response->set_data_version(version);
    return absl::OkStatus();
  });
}

}  // namespace purser::rpc

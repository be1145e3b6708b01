#include "rpc/cost_service.h"

#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/status.h"
#include "costs/readers/column_map.h"
#include "rpc/cost_convert.h"

namespace purser::rpc {
namespace {

using costs_convert::DayText;
using costs_convert::FillRow;
using costs_convert::ParseDay;

// Between two messages about the progress of an ingest.
constexpr absl::Duration kProgressPause = absl::Milliseconds(200);

void FillReport(const costs::IngestReport& report, purser::v1::IngestCostsResponse& out) {
  out.set_unchanged(report.unchanged);
  out.set_rows_read(report.rows_read);
  out.set_rows_stored(report.rows_stored);
  out.set_rows_quarantined(report.rows_quarantined);
  out.set_rounded_numbers(report.rounded_numbers);
  for (const costs::IngestTotal& total : report.totals) {
    purser::v1::IngestTotal& added = *out.add_totals();
    added.set_billing_period(DayText(total.billing_period));
    added.set_currency(total.currency);
    added.set_billed_cost(total.billed.ToString());
    added.set_effective_cost(total.effective.ToString());
    added.set_allocated_billed_cost(total.allocated_billed.ToString());
  }
  out.set_quarantine_path(report.quarantine_path);
  for (const std::string& problem : report.problems) out.add_problems(problem);
  for (const costs::QuarantinedMoney& money : report.quarantined_money) {
    purser::v1::QuarantinedMoney& added = *out.add_quarantined_money();
    added.set_currency(money.currency);
    added.set_billed_cost(money.billed.ToString());
  }
  out.set_quarantined_without_money(report.quarantined_without_money);
}

}  // namespace

absl::Status CostService::Ingest(grpc::ServerContext& context,
                                 const purser::v1::IngestCostsRequest& request,
                                 std::function<void(const costs::IngestProgress&)> on_progress,
                                 purser::v1::IngestCostsResponse& response) {
  costs::IngestRequest ingest;
  ingest.source = request.source();
  PURSER_ASSIGN_OR_RETURN(std::string path, resolve_(request.path()));
  ingest.paths.push_back(std::move(path));
  ingest.bad_rows = request.bad_rows() == purser::v1::BAD_ROW_POLICY_QUARANTINE
                        ? costs::BadRows::kQuarantine
                        : costs::BadRows::kRefuse;
  if (request.columns_size() > 0) {
    PURSER_ASSIGN_OR_RETURN(
        ingest.format, costs::MapColumns({request.columns().begin(), request.columns().end()}));
  }
  ingest.on_progress = std::move(on_progress);
  const costs_convert::CallerWatch caller(context);
  ingest.stop = caller.token();
  PURSER_ASSIGN_OR_RETURN(const costs::IngestReport report, service_.Ingest(ingest));
  FillReport(report, response);
  if (!report.unchanged) on_ingested_();
  return absl::OkStatus();
}

grpc::Status CostService::IngestCosts(grpc::ServerContext* context,
                                      const purser::v1::IngestCostsRequest* request,
                                      purser::v1::IngestCostsResponse* response) {
  return guard_.Run(*context, "IngestCosts",
                    [&] { return Ingest(*context, *request, nullptr, *response); });
}

grpc::Status CostService::StreamIngest(
    grpc::ServerContext* context, const purser::v1::StreamIngestRequest* request,
    grpc::ServerWriter<purser::v1::StreamIngestResponse>* writer) {
  return guard_.Run(*context, "StreamIngest", [&]() -> absl::Status {
    absl::Duration next = -absl::InfiniteDuration();
    const auto tell = [&](const costs::IngestProgress& progress) {
      const absl::Duration now = base::Clock::System().Monotonic();
      if (now < next && progress.bytes < progress.total_bytes) return;
      next = now + kProgressPause;
      purser::v1::StreamIngestResponse event;
      event.mutable_progress()->set_rows(progress.rows);
      event.mutable_progress()->set_bytes(progress.bytes);
      event.mutable_progress()->set_total_bytes(progress.total_bytes);
      writer->Write(event);  // a caller that went away ends the ingest itself
    };
    purser::v1::StreamIngestResponse last;
    PURSER_RETURN_IF_ERROR(Ingest(*context, request->ingest(), tell, *last.mutable_result()));
    writer->Write(last);
    return absl::OkStatus();
  });
}

grpc::Status CostService::QueryCosts(grpc::ServerContext* context,
                                     const purser::v1::QueryCostsRequest* request,
                                     purser::v1::QueryCostsResponse* response) {
  return guard_.Run(*context, "QueryCosts", [&]() -> absl::Status {
    costs::QueryRequest query;
    PURSER_ASSIGN_OR_RETURN(query.from, ParseDay(request->from_day(), "from_day"));
    PURSER_ASSIGN_OR_RETURN(query.to, ParseDay(request->to_day(), "to_day"));
    for (const std::string& name : request->group_by()) {
      PURSER_ASSIGN_OR_RETURN(const costs::Dimension dimension, costs::ParseDimension(name));
      query.group_by.push_back(dimension);
    }
    PURSER_ASSIGN_OR_RETURN(query.filters, costs_convert::Filters(request->filters()));
    query.page_size = request->page_size();
    query.page_token = request->page_token();
    query.currency = request->currency();
    PURSER_ASSIGN_OR_RETURN(const costs::QueryPage page, service_.Query(query));
    for (const costs::CostRow& row : page.rows) FillRow(row, *response->add_rows());
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status CostService::GetEntityCosts(grpc::ServerContext* context,
                                         const purser::v1::GetEntityCostsRequest* request,
                                         purser::v1::GetEntityCostsResponse* response) {
  return guard_.Run(*context, "GetEntityCosts", [&]() -> absl::Status {
    costs::EntitySummaryRequest query;
    query.entity_ref = request->entity_ref();
    query.days = request->days();
    if (!request->as_of().empty()) {
      PURSER_ASSIGN_OR_RETURN(query.as_of, ParseDay(request->as_of(), "as_of"));
    }
    PURSER_ASSIGN_OR_RETURN(const costs::EntityCostSummary summary, service_.EntitySummary(query));
    response->set_entity_ref(summary.entity_ref);
    if (summary.from.has_value()) response->set_from_day(DayText(*summary.from));
    if (summary.to.has_value()) response->set_to_day(DayText(*summary.to));
    for (const costs::EntityCosts& costs : summary.costs) {
      purser::v1::EntityCosts& added = *response->add_costs();
      added.set_currency(costs.currency);
      added.set_billed_cost(costs.billed.ToString());
      added.set_effective_cost(costs.effective.ToString());
      for (const costs::CostRow& row : costs.by_day) FillRow(row, *added.add_by_day());
      for (const costs::CostRow& row : costs.by_service) FillRow(row, *added.add_by_service());
    }
    return absl::OkStatus();
  });
}

}  // namespace purser::rpc

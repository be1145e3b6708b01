// The methods of CostService about sources, their deliveries and what those changed.
#include "absl/time/time.h"
#include "base/status.h"
#include "rpc/cost_convert.h"
#include "rpc/cost_service.h"

namespace purser::rpc {
namespace {

using costs_convert::DayText;
using costs_convert::ParseDay;

constexpr int kDefaultDeliveries = 100;

std::string TimeText(absl::Time at) {
  return absl::FormatTime(absl::RFC3339_full, at, absl::UTCTimeZone());
}

void FillDelivery(const costs::StoredDelivery& delivery, purser::v1::CostDelivery& out) {
  out.set_id(delivery.id);
  out.set_source(delivery.source);
  out.set_billing_period(DayText(delivery.billing_period));
  out.set_at(TimeText(delivery.at));
  out.set_sha256(delivery.sha256);
  out.set_rows(delivery.rows);
  for (const costs::IngestTotal& total : delivery.totals) {
    purser::v1::IngestTotal& added = *out.add_totals();
    added.set_billing_period(DayText(total.billing_period));
    added.set_currency(total.currency);
    added.set_billed_cost(total.billed.ToString());
    added.set_effective_cost(total.effective.ToString());
  }
  out.set_current(delivery.current);
  out.set_comparable(delivery.replaced);
}

void FillSource(const costs::SourceState& state, purser::v1::CostSource& out) {
  out.set_name(state.name);
  out.set_type(state.type);
  out.set_interval_seconds(absl::ToInt64Seconds(state.interval));
  if (state.looked_at.has_value()) out.set_looked_at(TimeText(*state.looked_at));
  out.set_failure(state.failure);
  for (const costs::FetchedDelivery& delivery : state.deliveries) {
    purser::v1::FetchedDelivery& added = *out.add_deliveries();
    added.set_name(delivery.name);
    added.set_result(std::string(costs::FetchResultName(delivery.result)));
    added.set_detail(delivery.detail);
    added.set_rows(delivery.rows);
    added.set_at(TimeText(delivery.at));
  }
}

}  // namespace

grpc::Status CostService::ListCostSources(grpc::ServerContext* context,
                                          const purser::v1::ListCostSourcesRequest* /*request*/,
                                          purser::v1::ListCostSourcesResponse* response) {
  return guard_.Run(*context, "ListCostSources", [&]() -> absl::Status {
    for (const costs::SourceState& state : sources_.List()) {
      FillSource(state, *response->add_sources());
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::FetchCosts(grpc::ServerContext* context,
                                     const purser::v1::FetchCostsRequest* request,
                                     purser::v1::FetchCostsResponse* response) {
  return guard_.Run(*context, "FetchCosts", [&]() -> absl::Status {
    const costs_convert::CallerWatch caller(*context);
    PURSER_ASSIGN_OR_RETURN(const costs::SourceState state,
                            sources_.Fetch(request->source(), request->force(), caller.token()));
    FillSource(state, *response->mutable_source());
    return absl::OkStatus();
  });
}

grpc::Status CostService::ListCostDeliveries(grpc::ServerContext* context,
                                             const purser::v1::ListCostDeliveriesRequest* request,
                                             purser::v1::ListCostDeliveriesResponse* response) {
  return guard_.Run(*context, "ListCostDeliveries", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(
        const std::vector<costs::StoredDelivery> deliveries,
        service_.Deliveries(request->source(),
                            request->limit() == 0 ? kDefaultDeliveries : request->limit()));
    for (const costs::StoredDelivery& delivery : deliveries) {
      FillDelivery(delivery, *response->add_deliveries());
    }
    return absl::OkStatus();
  });
}

grpc::Status CostService::DiffCosts(grpc::ServerContext* context,
                                    const purser::v1::DiffCostsRequest* request,
                                    purser::v1::DiffCostsResponse* response) {
  return guard_.Run(*context, "DiffCosts", [&]() -> absl::Status {
    costs::DiffRequest diff;
    diff.source = request->source();
    PURSER_ASSIGN_OR_RETURN(diff.billing_period,
                            ParseDay(request->billing_period(), "billing_period"));
    diff.before = request->before();
    diff.after = request->after();
    if (request->group_by_size() > 0) diff.group_by.clear();
    for (const std::string& name : request->group_by()) {
      PURSER_ASSIGN_OR_RETURN(const costs::Dimension dimension, costs::ParseDimension(name));
      diff.group_by.push_back(dimension);
    }
    PURSER_ASSIGN_OR_RETURN(const costs::DeliveryDiff changes, service_.Diff(diff));
    FillDelivery(changes.before, *response->mutable_before());
    FillDelivery(changes.after, *response->mutable_after());
    for (const costs::DiffRow& row : changes.rows) {
      purser::v1::CostChange& out = *response->add_changes();
      for (const std::string& key : row.keys) out.add_keys(key);
      out.set_currency(row.currency);
      out.set_billed(row.billed.ToString());
      out.set_effective(row.effective.ToString());
      out.set_charges(row.charges);
      out.set_changed_sums(row.changed);
    }
    return absl::OkStatus();
  });
}

}  // namespace purser::rpc

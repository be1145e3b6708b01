// The methods of CostService about sources, what they delivered and what that changed.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/status.h"
#include "costs/sources/allocation_sums.h"
#include "rpc/cost_convert.h"
#include "rpc/cost_service.h"

namespace purser::rpc {
namespace {

using costs_convert::DayText;
using costs_convert::ParseDay;

constexpr int kDefaultDeliveries = 100;
constexpr size_t kAllocationPartBytes = 1 << 20;  // far below what a message may hold

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
    const absl::StatusOr<costs::SourceState> state =
        sources_.Fetch(request->source(), request->force(), caller.token());
    if (absl::IsUnavailable(state.status())) {
      // It is the source that does not answer: callers take UNAVAILABLE for purserd itself.
      return absl::FailedPreconditionError(
          absl::StrCat("the source ", request->source(), ": ", state.status().message()));
    }
    PURSER_RETURN_IF_ERROR(state.status());
    FillSource(*state, *response->mutable_source());
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

grpc::Status CostService::SumAllocations(
    grpc::ServerContext* context, const purser::v1::SumAllocationsRequest* request,
    grpc::ServerWriter<purser::v1::SumAllocationsResponse>* writer) {
  return guard_.Run(*context, "SumAllocations", [&]() -> absl::Status {
    costs::AllocationRequest asked{
        .aggregate = {request->aggregate().begin(), request->aggregate().end()},
        .step_days = request->step_days(),
        .filter = request->filter(),
        .idle = request->idle() == purser::v1::IDLE_COST_HIDE    ? costs::IdleCost::kHide
                : request->idle() == purser::v1::IDLE_COST_SHARE ? costs::IdleCost::kShare
                                                                 : costs::IdleCost::kShow,
        .idle_by_node = request->idle_by_node(),
        .share_namespaces = {request->share_namespaces().begin(),
                             request->share_namespaces().end()}};
    PURSER_ASSIGN_OR_RETURN(asked.from, ParseDay(request->from_day(), "from_day"));
    PURSER_ASSIGN_OR_RETURN(asked.to, ParseDay(request->to_day(), "to_day"));
    PURSER_ASSIGN_OR_RETURN(const std::optional<std::vector<std::string>> sets,
                            costs::SumAllocations(days_, asked));
    if (!sets.has_value()) return absl::OkStatus();
    for (size_t set = 0; set < sets->size(); ++set) {
      absl::string_view text = (*sets)[set];
      while (!text.empty()) {
        purser::v1::SumAllocationsResponse part;
        part.set_set(static_cast<int32_t>(set));
        size_t bytes = std::min(text.size(), kAllocationPartBytes);
        // A part is text: it ends where a character does.
        while (bytes < text.size() && (text[bytes] & 0xC0) == 0x80) --bytes;
        part.set_text(std::string(text.substr(0, bytes)));
        text.remove_prefix(bytes);
        if (!writer->Write(part)) return absl::CancelledError("the caller went away");
      }
    }
    return absl::OkStatus();
  });
}

}  // namespace purser::rpc

// purser.v1.CostService over costs::CostService.
#ifndef PURSER_RPC_COST_SERVICE_H_
#define PURSER_RPC_COST_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/mutex.h"
#include "costs/service.h"
#include "costs/sources/bill_sources.h"
#include "costs/sources/cluster_days.h"
#include "costs/watch.h"
#include "purser/v1/costs.grpc.pb.h"
#include "rpc/call.h"

namespace purser::rpc {

class CostService final : public purser::v1::CostService::Service {
 public:
  // `resolve` turns the path a caller names into the file to read, or refuses it: only the host
  // knows which folders are open to callers. `on_ingested` runs after something was stored.
  // `service`, `policy`, `sources`, what `days` are kept in, and `guard` must outlive the server.
  CostService(costs::CostService& service, const costs::CostPolicy& policy,
              costs::BillSources& sources, costs::ClusterDays days, CallGuard& guard,
              std::function<absl::StatusOr<std::string>(absl::string_view)> resolve,
              std::function<void()> on_ingested)
      : service_(service),
        policy_(policy),
        sources_(sources),
        days_(std::move(days)),
        guard_(guard),
        resolve_(std::move(resolve)),
        on_ingested_(std::move(on_ingested)) {}

  grpc::Status IngestCosts(grpc::ServerContext* context,
                           const purser::v1::IngestCostsRequest* request,
                           purser::v1::IngestCostsResponse* response) override;
  grpc::Status StreamIngest(grpc::ServerContext* context,
                            const purser::v1::StreamIngestRequest* request,
                            grpc::ServerWriter<purser::v1::StreamIngestResponse>* writer) override;
  grpc::Status QueryCosts(grpc::ServerContext* context,
                          const purser::v1::QueryCostsRequest* request,
                          purser::v1::QueryCostsResponse* response) override;
  grpc::Status GetEntityCosts(grpc::ServerContext* context,
                              const purser::v1::GetEntityCostsRequest* request,
                              purser::v1::GetEntityCostsResponse* response) override;
  grpc::Status TopCosts(grpc::ServerContext* context, const purser::v1::TopCostsRequest* request,
                        purser::v1::TopCostsResponse* response) override;
  grpc::Status CompareCosts(grpc::ServerContext* context,
                            const purser::v1::CompareCostsRequest* request,
                            purser::v1::CompareCostsResponse* response) override;
  grpc::Status ReconcileCosts(grpc::ServerContext* context,
                              const purser::v1::ReconcileCostsRequest* request,
                              purser::v1::ReconcileCostsResponse* response) override;
  grpc::Status ExplainCosts(grpc::ServerContext* context,
                            const purser::v1::ExplainCostsRequest* request,
                            purser::v1::ExplainCostsResponse* response) override;
  grpc::Status ForecastCosts(grpc::ServerContext* context,
                             const purser::v1::ForecastCostsRequest* request,
                             purser::v1::ForecastCostsResponse* response) override;
  grpc::Status ListBudgets(grpc::ServerContext* context,
                           const purser::v1::ListBudgetsRequest* request,
                           purser::v1::ListBudgetsResponse* response) override;
  grpc::Status ListAnomalies(grpc::ServerContext* context,
                             const purser::v1::ListAnomaliesRequest* request,
                             purser::v1::ListAnomaliesResponse* response) override;
  grpc::Status ListCostAlerts(grpc::ServerContext* context,
                              const purser::v1::ListCostAlertsRequest* request,
                              purser::v1::ListCostAlertsResponse* response) override;
  grpc::Status EstimateCosts(grpc::ServerContext* context,
                             const purser::v1::EstimateCostsRequest* request,
                             purser::v1::EstimateCostsResponse* response) override;
  grpc::Status GetCostStatement(grpc::ServerContext* context,
                                const purser::v1::GetCostStatementRequest* request,
                                purser::v1::GetCostStatementResponse* response) override;
  grpc::Status GetUnitCosts(grpc::ServerContext* context,
                            const purser::v1::GetUnitCostsRequest* request,
                            purser::v1::GetUnitCostsResponse* response) override;
  grpc::Status PutCostGraph(grpc::ServerContext* context,
                            const purser::v1::PutCostGraphRequest* request,
                            purser::v1::PutCostGraphResponse* response) override;
  grpc::Status GetCostStatus(grpc::ServerContext* context,
                             const purser::v1::GetCostStatusRequest* request,
                             purser::v1::GetCostStatusResponse* response) override;
  grpc::Status ListCostDeliveries(grpc::ServerContext* context,
                                  const purser::v1::ListCostDeliveriesRequest* request,
                                  purser::v1::ListCostDeliveriesResponse* response) override;
  grpc::Status DiffCosts(grpc::ServerContext* context, const purser::v1::DiffCostsRequest* request,
                         purser::v1::DiffCostsResponse* response) override;
  grpc::Status ListCostSources(grpc::ServerContext* context,
                               const purser::v1::ListCostSourcesRequest* request,
                               purser::v1::ListCostSourcesResponse* response) override;
  grpc::Status FetchCosts(grpc::ServerContext* context,
                          const purser::v1::FetchCostsRequest* request,
                          purser::v1::FetchCostsResponse* response) override;
  grpc::Status SumAllocations(
      grpc::ServerContext* context, const purser::v1::SumAllocationsRequest* request,
      grpc::ServerWriter<purser::v1::SumAllocationsResponse>* writer) override;

 private:
  absl::Status Ingest(grpc::ServerContext& context, const purser::v1::IngestCostsRequest& request,
                      std::function<void(const costs::IngestProgress&)> on_progress,
                      purser::v1::IngestCostsResponse& response);
  // Adds a part of a graph; the whole one when the last part came, else null.
  absl::StatusOr<std::shared_ptr<const costs::EntityGraph>> AddToGraph(
      const purser::v1::PutCostGraphRequest& request);

  costs::CostService& service_;
  const costs::CostPolicy& policy_;
  costs::BillSources& sources_;
  const costs::ClusterDays days_;
  CallGuard& guard_;
  const std::function<absl::StatusOr<std::string>(absl::string_view)> resolve_;
  const std::function<void()> on_ingested_;
  base::Mutex mutex_;
  std::string transfer_ ABSL_GUARDED_BY(mutex_);  // of the graph that is coming in
  std::vector<costs::GraphEntity> incoming_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::rpc

#endif  // PURSER_RPC_COST_SERVICE_H_

// purser.v1.CostService over costs::CostService.
#ifndef PURSER_RPC_COST_SERVICE_H_
#define PURSER_RPC_COST_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "costs/service.h"
#include "purser/v1/costs.grpc.pb.h"
#include "rpc/call.h"

namespace purser::rpc {

class CostService final : public purser::v1::CostService::Service {
 public:
  // `resolve` turns the path a caller names into the file to read, or refuses it: only the host
  // knows which folders are open to callers. `on_ingested` runs after something was stored.
  // `service` and `guard` must outlive the server.
  CostService(costs::CostService& service, CallGuard& guard,
              std::function<absl::StatusOr<std::string>(absl::string_view)> resolve,
              std::function<void()> on_ingested)
      : service_(service),
        guard_(guard),
        resolve_(std::move(resolve)),
        on_ingested_(std::move(on_ingested)) {}

  grpc::Status IngestCosts(grpc::ServerContext* context,
                           const purser::v1::IngestCostsRequest* request,
                           purser::v1::IngestCostsResponse* response) override;
  grpc::Status QueryCosts(grpc::ServerContext* context,
                          const purser::v1::QueryCostsRequest* request,
                          purser::v1::QueryCostsResponse* response) override;
  grpc::Status GetEntityCosts(grpc::ServerContext* context,
                              const purser::v1::GetEntityCostsRequest* request,
                              purser::v1::GetEntityCostsResponse* response) override;

 private:
  costs::CostService& service_;
  CallGuard& guard_;
  const std::function<absl::StatusOr<std::string>(absl::string_view)> resolve_;
  const std::function<void()> on_ingested_;
};

}  // namespace purser::rpc

#endif  // PURSER_RPC_COST_SERVICE_H_

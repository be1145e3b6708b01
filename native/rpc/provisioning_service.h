// purser.v1.ProvisioningService over provisioning::Service.
#ifndef PURSER_RPC_PROVISIONING_SERVICE_H_
#define PURSER_RPC_PROVISIONING_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "provisioning/service.h"
#include "purser/v1/provisioning.grpc.pb.h"
#include "rpc/call.h"

namespace purser::rpc {

class ProvisioningService final
    : public purser::v1::ProvisioningService::WithCallbackMethod_WatchRequest<
          purser::v1::ProvisioningService::Service> {
 public:
  // All must outlive the server.
  ProvisioningService(provisioning::Service& service, CallGuard& guard, StreamThreads& threads)
      : service_(service), guard_(guard), threads_(threads) {}

  grpc::Status CreateRequest(grpc::ServerContext* context,
                             const purser::v1::CreateRequestRequest* request,
                             purser::v1::CreateRequestResponse* response) override;
  grpc::Status GetRequest(grpc::ServerContext* context,
                          const purser::v1::GetRequestRequest* request,
                          purser::v1::GetRequestResponse* response) override;
  grpc::Status ListRequests(grpc::ServerContext* context,
                            const purser::v1::ListRequestsRequest* request,
                            purser::v1::ListRequestsResponse* response) override;
  grpc::Status ApproveRequest(grpc::ServerContext* context,
                              const purser::v1::ApproveRequestRequest* request,
                              purser::v1::ApproveRequestResponse* response) override;
  grpc::Status CancelRequest(grpc::ServerContext* context,
                             const purser::v1::CancelRequestRequest* request,
                             purser::v1::CancelRequestResponse* response) override;
  grpc::Status RetryRequest(grpc::ServerContext* context,
                            const purser::v1::RetryRequestRequest* request,
                            purser::v1::RetryRequestResponse* response) override;
  grpc::Status ListBlueprints(grpc::ServerContext* context,
                              const purser::v1::ListBlueprintsRequest* request,
                              purser::v1::ListBlueprintsResponse* response) override;
  grpc::Status RejectRequest(grpc::ServerContext* context,
                             const purser::v1::RejectRequestRequest* request,
                             purser::v1::RejectRequestResponse* response) override;
  grpc::Status SettleStep(grpc::ServerContext* context,
                          const purser::v1::SettleStepRequest* request,
                          purser::v1::SettleStepResponse* response) override;
  grpc::Status DeliverMessage(grpc::ServerContext* context,
                              const purser::v1::DeliverMessageRequest* request,
                              purser::v1::DeliverMessageResponse* response) override;
  grpc::Status GetHolding(grpc::ServerContext* context,
                          const purser::v1::GetHoldingRequest* request,
                          purser::v1::GetHoldingResponse* response) override;
  grpc::Status ListHoldings(grpc::ServerContext* context,
                            const purser::v1::ListHoldingsRequest* request,
                            purser::v1::ListHoldingsResponse* response) override;
  grpc::Status ControlHolding(grpc::ServerContext* context,
                              const purser::v1::ControlHoldingRequest* request,
                              purser::v1::ControlHoldingResponse* response) override;
  grpc::Status ListOrphans(grpc::ServerContext* context,
                           const purser::v1::ListOrphansRequest* request,
                           purser::v1::ListOrphansResponse* response) override;
  grpc::Status ForgetOrphan(grpc::ServerContext* context,
                            const purser::v1::ForgetOrphanRequest* request,
                            purser::v1::ForgetOrphanResponse* response) override;
  grpc::Status ListDecisions(grpc::ServerContext* context,
                             const purser::v1::ListDecisionsRequest* request,
                             purser::v1::ListDecisionsResponse* response) override;
  grpc::Status VerifyAudit(grpc::ServerContext* context,
                           const purser::v1::VerifyAuditRequest* request,
                           purser::v1::VerifyAuditResponse* response) override;
  grpc::Status GetBlueprint(grpc::ServerContext* context,
                            const purser::v1::GetBlueprintRequest* request,
                            purser::v1::GetBlueprintResponse* response) override;
  grpc::Status CheckBlueprint(grpc::ServerContext* context,
                              const purser::v1::CheckBlueprintRequest* request,
                              purser::v1::CheckBlueprintResponse* response) override;
  grpc::ServerWriteReactor<purser::v1::WatchRequestResponse>* WatchRequest(
      grpc::CallbackServerContext* context,
      const purser::v1::WatchRequestRequest* request) override;

 private:
  provisioning::Service& service_;
  CallGuard& guard_;
  StreamThreads& threads_;
};

}  // namespace purser::rpc

#endif  // PURSER_RPC_PROVISIONING_SERVICE_H_

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

// purser.v1.CatalogService over the host of the sources.
#ifndef PURSER_RPC_CATALOG_SERVICE_H_
#define PURSER_RPC_CATALOG_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "provider/source_host.h"
#include "purser/v1/catalog.grpc.pb.h"
#include "rpc/call.h"

namespace purser::rpc {

class CatalogService final : public purser::v1::CatalogService::Service {
 public:
  // Both must outlive the server.
  CatalogService(provider::SourceHost& host, CallGuard& guard) : host_(host), guard_(guard) {}

  grpc::Status ListSources(grpc::ServerContext* context,
                           const purser::v1::ListSourcesRequest* request,
                           purser::v1::ListSourcesResponse* response) override;
  grpc::Status GetSource(grpc::ServerContext* context, const purser::v1::GetSourceRequest* request,
                         purser::v1::GetSourceResponse* response) override;
  grpc::Status ControlSource(grpc::ServerContext* context,
                             const purser::v1::ControlSourceRequest* request,
                             purser::v1::ControlSourceResponse* response) override;
  grpc::Status AdoptEntities(grpc::ServerContext* context,
                             const purser::v1::AdoptEntitiesRequest* request,
                             purser::v1::AdoptEntitiesResponse* response) override;
  grpc::Status ReportSource(grpc::ServerContext* context,
                            const purser::v1::ReportSourceRequest* request,
                            purser::v1::ReportSourceResponse* response) override;

 private:
  provider::SourceHost& host_;
  CallGuard& guard_;
};

}  // namespace purser::rpc

#endif  // PURSER_RPC_CATALOG_SERVICE_H_

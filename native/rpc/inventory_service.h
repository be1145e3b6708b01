// purser.v1.InventoryService over inventory::Inventory.
#ifndef PURSER_RPC_INVENTORY_SERVICE_H_
#define PURSER_RPC_INVENTORY_SERVICE_H_

#include <grpcpp/grpcpp.h>

#include "inventory/inventory.h"
#include "purser/v1/inventory.grpc.pb.h"
#include "rpc/call.h"

namespace purser::rpc {

class InventoryService final
    : public purser::v1::InventoryService::WithCallbackMethod_StreamEntities<
          purser::v1::InventoryService::Service> {
 public:
  // All must outlive the server.
  InventoryService(inventory::Inventory& inventory, CallGuard& guard, StreamThreads& threads)
      : inventory_(inventory), guard_(guard), threads_(threads) {}

  grpc::ServerWriteReactor<purser::v1::StreamEntitiesResponse>* StreamEntities(
      grpc::CallbackServerContext* context,
      const purser::v1::StreamEntitiesRequest* request) override;
  grpc::Status ListResources(grpc::ServerContext* context,
                             const purser::v1::ListResourcesRequest* request,
                             purser::v1::ListResourcesResponse* response) override;

 private:
  inventory::Inventory& inventory_;
  CallGuard& guard_;
  StreamThreads& threads_;
};

}  // namespace purser::rpc

#endif  // PURSER_RPC_INVENTORY_SERVICE_H_

#include "rpc/inventory_service.h"

#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/convert.h"
#include "rpc/stream.h"

namespace purser::rpc {
namespace {

// Small enough that parsing one chunk never holds the portal's event loop for long.
constexpr int kEntitiesPerChunk = 200;
constexpr absl::Duration kFollowPoll = absl::Seconds(5);
constexpr int kDefaultResourcePage = 100;
constexpr int kMaxPage = 500;

}  // namespace

grpc::ServerWriteReactor<purser::v1::StreamEntitiesResponse>* InventoryService::StreamEntities(
    grpc::CallbackServerContext* context, const purser::v1::StreamEntitiesRequest* request) {
  return StreamCall<purser::v1::StreamEntitiesResponse>(
      guard_, threads_, context, "StreamEntities",
      [this, position = request->position(), follow = request->follow()](
          std::stop_token stop,
          const Sink<purser::v1::StreamEntitiesResponse>& write) mutable -> absl::Status {
        while (true) {
          if (stop.stop_requested()) return absl::CancelledError("stream ended by its client");
          PURSER_ASSIGN_OR_RETURN(inventory::EntityChanges changes,
                                  inventory_.Changes(position, kEntitiesPerChunk));
          if (changes.position != position) {
            position = changes.position;
            purser::v1::StreamEntitiesResponse message;
            message.set_upserts_json(absl::StrCat("[", absl::StrJoin(changes.upserts, ","), "]"));
            for (std::string& ref : changes.removed) message.add_removed_refs(std::move(ref));
            message.set_position(position);
            PURSER_RETURN_IF_ERROR(write(message));
          }
          if (changes.more) continue;
          if (!follow) return absl::OkStatus();
          inventory_.WaitForChanges(position, kFollowPoll, stop);
        }
      });
}

grpc::Status InventoryService::ListResources(grpc::ServerContext* context,
                                             const purser::v1::ListResourcesRequest* request,
                                             purser::v1::ListResourcesResponse* response) {
  return guard_.Run(*context, "ListResources", [&]() -> absl::Status {
    const int size = request->page_size() == 0 ? kDefaultResourcePage : request->page_size();
    if (size < 1 || size > kMaxPage) {
      return absl::InvalidArgumentError(absl::StrCat("page_size: must be 1 to ", kMaxPage));
    }
    size_t offset = 0;
    if (!request->page_token().empty() && !absl::SimpleAtoi(request->page_token(), &offset)) {
      return absl::InvalidArgumentError("page_token: not one that this service gave");
    }
    // An entity has tens of resources, not thousands; a page is a slice of the whole.
    PURSER_ASSIGN_OR_RETURN(const std::vector<inventory::Resource> all,
                            inventory_.ResourcesOf(request->entity_ref()));
    for (size_t i = offset; i < all.size(); ++i) {
      if (response->resources_size() == size) {
        response->set_next_page_token(absl::StrCat(i));
        break;
      }
      *response->add_resources() = ToProto(all[i]);
    }
    return absl::OkStatus();
  });
}

}  // namespace purser::rpc

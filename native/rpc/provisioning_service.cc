#include "rpc/provisioning_service.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/convert.h"
#include "rpc/provisioning_convert.h"
#include "rpc/stream.h"

namespace purser::rpc {
namespace {

constexpr int kDefaultBlueprintPage = 100;
constexpr int kMaxPage = 500;

bool Wants(const google::protobuf::FieldMask& mask, absl::string_view path) {
  return std::any_of(mask.paths().begin(), mask.paths().end(),
                     [&](const std::string& entry) { return absl::string_view(entry) == path; });
}

}  // namespace

grpc::Status ProvisioningService::CreateRequest(grpc::ServerContext* context,
                                                const purser::v1::CreateRequestRequest* request,
                                                purser::v1::CreateRequestResponse* response) {
  return guard_.Run(*context, "CreateRequest", [&]() -> absl::Status {
    provisioning::CreateOptions options;
    options.blueprint = request->blueprint();
    PURSER_ASSIGN_OR_RETURN(options.parameters,
                            ParseObject(request->parameters_json(), "parameters_json"));
    options.owner = request->owner();
    options.requester = request->requester();
    options.idempotency_key = request->idempotency_key();
    options.dry_run = request->validate_only();
    PURSER_ASSIGN_OR_RETURN(options.kind, FromProto(request->kind()));
    options.holding = request->holding_id();
    PURSER_ASSIGN_OR_RETURN(options.imported,
                            ParseObject(request->imported_json(), "imported_json"));
    PURSER_ASSIGN_OR_RETURN(const provisioning::Request created, service_.Create(options));
    *response->mutable_request() = ToProto(created);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::GetRequest(grpc::ServerContext* context,
                                             const purser::v1::GetRequestRequest* request,
                                             purser::v1::GetRequestResponse* response) {
  return guard_.Run(*context, "GetRequest", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provisioning::Request found, service_.Get(request->id()));
    *response->mutable_request() = ToProto(found);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::ListRequests(grpc::ServerContext* context,
                                               const purser::v1::ListRequestsRequest* request,
                                               purser::v1::ListRequestsResponse* response) {
  return guard_.Run(*context, "ListRequests", [&]() -> absl::Status {
    provisioning::ListOptions options;
    options.owner = request->owner();
    options.requester = request->requester();
    options.blueprint = request->blueprint();
    options.entity_ref = request->entity_ref();
    for (int i = 0; i < request->states_size(); ++i) {
      PURSER_ASSIGN_OR_RETURN(const provisioning::RequestState state,
                              FromProto(request->states(i)));
      options.states.push_back(state);
    }
    options.holding_id = request->holding_id();
    options.key = request->idempotency_key();
    if (request->kind() != purser::v1::REQUEST_KIND_UNSPECIFIED) {
      PURSER_ASSIGN_OR_RETURN(options.kind, FromProto(request->kind()));
    }
    if (request->has_created_after()) {
      options.created_after = FromProto(request->created_after());
    }
    if (request->has_created_before()) {
      options.created_before = FromProto(request->created_before());
    }
    if (request->page_size() != 0) options.page_size = request->page_size();
    options.page_token = request->page_token();
    options.with_steps = Wants(request->read_mask(), "steps");
    PURSER_ASSIGN_OR_RETURN(const provisioning::RequestPage page, service_.List(options));
    for (const provisioning::Request& entry : page.requests) {
      *response->add_requests() = ToProto(entry);
    }
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::ApproveRequest(grpc::ServerContext* context,
                                                 const purser::v1::ApproveRequestRequest* request,
                                                 purser::v1::ApproveRequestResponse* response) {
  return guard_.Run(*context, "ApproveRequest", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(provisioning::Actor actor, ActorOf(*request));
    PURSER_ASSIGN_OR_RETURN(actor.belongs_to, RefsOf(request->belongs_to()));
    PURSER_ASSIGN_OR_RETURN(
        const provisioning::Request changed,
        service_.Approve(request->id(), request->step_id(), request->plan_hash(), actor));
    *response->mutable_request() = ToProto(changed);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::CancelRequest(grpc::ServerContext* context,
                                                const purser::v1::CancelRequestRequest* request,
                                                purser::v1::CancelRequestResponse* response) {
  return guard_.Run(*context, "CancelRequest", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provisioning::Actor actor, ActorOf(*request));
    PURSER_ASSIGN_OR_RETURN(const provisioning::Request changed,
                            service_.Cancel(request->id(), actor));
    *response->mutable_request() = ToProto(changed);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::RetryRequest(grpc::ServerContext* context,
                                               const purser::v1::RetryRequestRequest* request,
                                               purser::v1::RetryRequestResponse* response) {
  return guard_.Run(*context, "RetryRequest", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provisioning::Actor actor, ActorOf(*request));
    PURSER_ASSIGN_OR_RETURN(const provisioning::Request changed,
                            service_.Retry(request->id(), actor));
    *response->mutable_request() = ToProto(changed);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::ListBlueprints(grpc::ServerContext* context,
                                                 const purser::v1::ListBlueprintsRequest* request,
                                                 purser::v1::ListBlueprintsResponse* response) {
  return guard_.Run(*context, "ListBlueprints", [&]() -> absl::Status {
    const int size = request->page_size() == 0 ? kDefaultBlueprintPage : request->page_size();
    if (size < 1 || size > kMaxPage) {
      return absl::InvalidArgumentError(absl::StrCat("page_size: must be 1 to ", kMaxPage));
    }
    // The token is the name of the last blueprint sent: stable while definitions come and go.
    const std::vector<provisioning::BlueprintInfo> all = service_.ListBlueprints();
    int sent = 0;
    for (const provisioning::BlueprintInfo& blueprint : all) {
      if (blueprint.name <= request->page_token()) continue;
      if (sent == size) {
        response->set_next_page_token(response->blueprints(sent - 1).name());
        break;
      }
      *response->add_blueprints() = ToProto(blueprint);
      ++sent;
    }
    return absl::OkStatus();
  });
}

grpc::ServerWriteReactor<purser::v1::WatchRequestResponse>* ProvisioningService::WatchRequest(
    grpc::CallbackServerContext* context, const purser::v1::WatchRequestRequest* request) {
  return StreamCall<purser::v1::WatchRequestResponse>(
      guard_, threads_, context, "WatchRequest",
      [this, id = request->id(), after = request->after_sequence(), follow = request->follow()](
          std::stop_token stop, const Sink<purser::v1::WatchRequestResponse>& write) {
        return service_.Watch(id, after, follow, stop, [&](const provisioning::Event& event) {
          purser::v1::WatchRequestResponse message;
          *message.mutable_event() = ToProto(event);
          return write(message);
        });
      });
}

}  // namespace purser::rpc

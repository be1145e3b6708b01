// The part of ProvisioningService that operators, owners and auditors use.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "rpc/convert.h"
#include "rpc/provisioning_convert.h"
#include "rpc/provisioning_service.h"

namespace purser::rpc {
namespace {

constexpr int kDefaultPage = 50;
constexpr int kDefaultDecisions = 100;
constexpr size_t kMaxBlueprintText = 1 << 20;

}  // namespace

grpc::Status ProvisioningService::RejectRequest(grpc::ServerContext* context,
                                                const purser::v1::RejectRequestRequest* request,
                                                purser::v1::RejectRequestResponse* response) {
  return guard_.Run(*context, "RejectRequest", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(provisioning::Actor actor, ActorOf(*request));
    PURSER_ASSIGN_OR_RETURN(actor.belongs_to, RefsOf(request->belongs_to()));
    PURSER_ASSIGN_OR_RETURN(const provisioning::Request changed,
                            service_.Reject(request->id(), request->step_id(), actor));
    *response->mutable_request() = ToProto(changed);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::SettleStep(grpc::ServerContext* context,
                                             const purser::v1::SettleStepRequest* request,
                                             purser::v1::SettleStepResponse* response) {
  return guard_.Run(*context, "SettleStep", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provisioning::Actor actor, ActorOf(*request));
    absl::StatusOr<provisioning::Request> settled =
        absl::InvalidArgumentError("verb: must be skip, mark done or fork");
    if (request->verb() == purser::v1::STEP_VERB_SKIP) {
      settled = service_.SkipStep(request->id(), request->step_id(), actor);
    } else if (request->verb() == purser::v1::STEP_VERB_MARK_DONE) {
      PURSER_ASSIGN_OR_RETURN(const nlohmann::json outputs,
                              ParseObject(request->outputs_json(), "outputs_json"));
      settled = service_.MarkDone(request->id(), request->step_id(), outputs, actor);
    } else if (request->verb() == purser::v1::STEP_VERB_FORK) {
      settled = service_.Fork(request->id(), request->step_id(), request->idempotency_key(), actor);
    }
    PURSER_RETURN_IF_ERROR(settled.status());
    *response->mutable_request() = ToProto(*settled);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::DeliverMessage(grpc::ServerContext* context,
                                                 const purser::v1::DeliverMessageRequest* request,
                                                 purser::v1::DeliverMessageResponse*) {
  return guard_.Run(*context, "DeliverMessage", [&]() -> absl::Status {
    return service_.Deliver({request->request_id(), request->step_id(), request->body(),
                             request->signature(), request->timestamp(), request->delivery_id()});
  });
}

grpc::Status ProvisioningService::GetHolding(grpc::ServerContext* context,
                                             const purser::v1::GetHoldingRequest* request,
                                             purser::v1::GetHoldingResponse* response) {
  return guard_.Run(*context, "GetHolding", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provisioning::Holding holding,
                            service_.GetHolding(request->id()));
    *response->mutable_holding() = ToProto(holding);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::ListHoldings(grpc::ServerContext* context,
                                               const purser::v1::ListHoldingsRequest* request,
                                               purser::v1::ListHoldingsResponse* response) {
  return guard_.Run(*context, "ListHoldings", [&]() -> absl::Status {
    provisioning::ListHoldingsOptions options;
    options.owner = request->owner();
    options.entity_ref = request->entity_ref();
    options.blueprint = request->blueprint();
    if (request->state() != purser::v1::HOLDING_STATE_UNSPECIFIED) {
      PURSER_ASSIGN_OR_RETURN(options.state, FromProto(request->state()));
    }
    if (request->has_expires_before()) {
      options.expires_before = FromProto(request->expires_before());
    }
    options.drifted = request->drifted();
    if (request->page_size() != 0) options.page_size = request->page_size();
    options.page_token = request->page_token();
    PURSER_ASSIGN_OR_RETURN(const provisioning::HoldingPage page, service_.ListHoldings(options));
    for (const provisioning::Holding& holding : page.holdings) {
      *response->add_holdings() = ToProto(holding);
    }
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::ControlHolding(grpc::ServerContext* context,
                                                 const purser::v1::ControlHoldingRequest* request,
                                                 purser::v1::ControlHoldingResponse* response) {
  return guard_.Run(*context, "ControlHolding", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provisioning::Actor actor, ActorOf(*request));
    absl::StatusOr<provisioning::Holding> holding =
        absl::InvalidArgumentError("verb: must be renew, protect, unprotect or inspect");
    switch (request->verb()) {
      case purser::v1::HOLDING_VERB_RENEW: {
        std::optional<absl::Time> until;
        if (request->has_until()) until = FromProto(request->until());
        holding = service_.Renew(request->id(), until, request->idempotency_key(), actor);
        break;
      }
      case purser::v1::HOLDING_VERB_PROTECT:
        holding = service_.Protect(request->id(), true, actor);
        break;
      case purser::v1::HOLDING_VERB_UNPROTECT:
        holding = service_.Protect(request->id(), false, actor);
        break;
      case purser::v1::HOLDING_VERB_INSPECT:
        holding = service_.Inspect(request->id(), {});
        break;
      default:
        break;
    }
    PURSER_RETURN_IF_ERROR(holding.status());
    *response->mutable_holding() = ToProto(*holding);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::ListOrphans(grpc::ServerContext* context,
                                              const purser::v1::ListOrphansRequest* request,
                                              purser::v1::ListOrphansResponse* response) {
  return guard_.Run(*context, "ListOrphans", [&]() -> absl::Status {
    const int size = request->page_size() == 0 ? kDefaultPage : request->page_size();
    PURSER_ASSIGN_OR_RETURN(const provisioning::OrphanPage page,
                            service_.ListOrphans(size, request->page_token()));
    for (const provisioning::Orphan& orphan : page.orphans) {
      *response->add_orphans() = ToProto(orphan);
    }
    response->set_next_page_token(page.next_page_token);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::ForgetOrphan(grpc::ServerContext* context,
                                               const purser::v1::ForgetOrphanRequest* request,
                                               purser::v1::ForgetOrphanResponse*) {
  return guard_.Run(*context, "ForgetOrphan", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provisioning::Actor actor, ActorOf(*request));
    return service_.ForgetOrphan(request->holding_id(), request->step_id(), actor);
  });
}

grpc::Status ProvisioningService::ListDecisions(grpc::ServerContext* context,
                                                const purser::v1::ListDecisionsRequest* request,
                                                purser::v1::ListDecisionsResponse* response) {
  return guard_.Run(*context, "ListDecisions", [&]() -> absl::Status {
    const int limit = request->limit() == 0 ? kDefaultDecisions : request->limit();
    PURSER_ASSIGN_OR_RETURN(const std::vector<provisioning::Decision> decisions,
                            service_.ListDecisions(limit));
    for (const provisioning::Decision& decision : decisions) {
      *response->add_decisions() = ToProto(decision);
    }
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::VerifyAudit(grpc::ServerContext* context,
                                              const purser::v1::VerifyAuditRequest*,
                                              purser::v1::VerifyAuditResponse* response) {
  return guard_.Run(*context, "VerifyAudit", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provisioning::AuditReport report, service_.VerifyAudit());
    response->set_events(report.events);
    response->set_fault(report.fault);
    response->set_forgotten(report.forgotten);
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::GetBlueprint(grpc::ServerContext* context,
                                               const purser::v1::GetBlueprintRequest* request,
                                               purser::v1::GetBlueprintResponse* response) {
  return guard_.Run(*context, "GetBlueprint", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const nlohmann::json body,
                            service_.GetBlueprint(request->name_or_hash()));
    response->set_body_json(body.dump());
    return absl::OkStatus();
  });
}

grpc::Status ProvisioningService::CheckBlueprint(grpc::ServerContext* context,
                                                 const purser::v1::CheckBlueprintRequest* request,
                                                 purser::v1::CheckBlueprintResponse* response) {
  return guard_.Run(*context, "CheckBlueprint", [&]() -> absl::Status {
    if (request->text().size() > kMaxBlueprintText) {
      return absl::InvalidArgumentError(
          absl::StrCat("text: longer than ", kMaxBlueprintText, " bytes"));
    }
    const absl::Status checked = service_.CheckBlueprintText(request->text(), request->file());
    if (checked.ok()) return absl::OkStatus();
    if (!absl::IsInvalidArgument(checked)) return checked;
    for (const absl::string_view fault : absl::StrSplit(checked.message(), '\n')) {
      response->add_faults(std::string(fault));
    }
    return absl::OkStatus();
  });
}

}  // namespace purser::rpc

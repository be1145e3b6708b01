#include "rpc/catalog_service.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "rpc/convert.h"

namespace purser::rpc {
namespace {

constexpr int kMaxShownParts = 1000;
constexpr size_t kMaxErrorBytes = 4096;

const char* FeedName(provider::Feed feed) {
  switch (feed) {
    case provider::Feed::kSnapshot:
      return "snapshot";
    case provider::Feed::kWatch:
      return "watch";
    case provider::Feed::kLog:
      return "log";
  }
  return "snapshot";
}

purser::v1::Source ToProto(const provider::SourceStatus& status) {
  purser::v1::Source source;
  const provider::SourceRecord& record = status.record;
  source.set_name(record.name);
  source.set_feed(FeedName(status.feed));
  source.set_active(status.active);
  source.set_paused(record.paused);
  source.set_followers(status.followers);
  source.set_entities(record.entities);
  source.set_held_removals(record.held);
  source.set_collisions(record.waiting);
  if (record.fresh_at != absl::Time()) *source.mutable_fresh_at() = rpc::ToProto(record.fresh_at);
  if (record.failed_at != absl::Time()) {
    *source.mutable_failed_at() = rpc::ToProto(record.failed_at);
  }
  source.set_error(record.error);
  source.set_host(record.portal.has_value() ? "portal" : "sidecar");
  source.set_priority(record.priority);
  source.set_rounds(status.stats.rounds);
  source.set_failures(status.stats.failures);
  source.set_added(status.stats.added);
  source.set_changed(status.stats.changed);
  source.set_removed(status.stats.removed);
  source.set_dropped(status.stats.dropped);
  if (status.stats.next_round != absl::Time() && !status.stats.running) {
    *source.mutable_next_round_at() = rpc::ToProto(status.stats.next_round);
  }
  return source;
}

provider::PortalReport FromProto(const purser::v1::PortalRound& round) {
  provider::PortalReport report;
  report.entities = round.entities();
  report.held = round.held_removals();
  report.held_refs.assign(round.held_refs().begin(), round.held_refs().end());
  report.rounds = round.rounds();
  report.failures = round.failures();
  report.added = round.added();
  report.changed = round.changed();
  report.removed = round.removed();
  report.dropped = round.dropped();
  report.error = base::EscapeForDisplay(round.error(), kMaxErrorBytes);
  for (const purser::v1::SourcePart& part : round.degraded_parts()) {
    report.degraded[part.name()] = base::EscapeForDisplay(part.error(), kMaxErrorBytes);
  }
  report.resynced = round.resynced();
  return report;
}

}  // namespace

grpc::Status CatalogService::ListSources(grpc::ServerContext* context,
                                         const purser::v1::ListSourcesRequest*,
                                         purser::v1::ListSourcesResponse* response) {
  return guard_.Run(*context, "ListSources", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const std::vector<provider::SourceStatus> statuses, host_.List());
    for (const provider::SourceStatus& status : statuses) {
      *response->add_sources() = ToProto(status);
    }
    return absl::OkStatus();
  });
}

grpc::Status CatalogService::GetSource(grpc::ServerContext* context,
                                       const purser::v1::GetSourceRequest* request,
                                       purser::v1::GetSourceResponse* response) {
  return guard_.Run(*context, "GetSource", [&]() -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const provider::SourceStatus status, host_.Get(request->name()));
    *response->mutable_source() = ToProto(status);
    PURSER_ASSIGN_OR_RETURN(std::vector<std::string> held, host_.Held(request->name()));
    for (std::string& ref : held) response->add_held_refs(std::move(ref));
    PURSER_ASSIGN_OR_RETURN(const auto collisions, host_.Collisions(request->name()));
    for (const provider::SourceLog::Collision& collision : collisions) {
      purser::v1::SourceCollision& shown = *response->add_collisions();
      shown.set_ref(collision.ref);
      shown.set_owner(collision.owner);
    }
    for (const auto& [name, error] : status.stats.degraded) {
      if (response->degraded_parts_size() == kMaxShownParts) break;
      purser::v1::SourcePart& part = *response->add_degraded_parts();
      part.set_name(name);
      part.set_error(error);
    }
    return absl::OkStatus();
  });
}

grpc::Status CatalogService::ControlSource(grpc::ServerContext* context,
                                           const purser::v1::ControlSourceRequest* request,
                                           purser::v1::ControlSourceResponse* response) {
  return guard_.Run(*context, "ControlSource", [&]() -> absl::Status {
    const std::string& verb = request->verb();
    absl::Status status;
    if (verb == "pause") {
      status = host_.Pause(request->name());
    } else if (verb == "resume") {
      status = host_.Resume(request->name());
    } else if (verb == "resync") {
      status = host_.Resync(request->name());
    } else if (verb == "confirm") {
      PURSER_ASSIGN_OR_RETURN(const int64_t released, host_.Confirm(request->name()));
      response->set_released(released);
    } else {
      status = absl::InvalidArgumentError(absl::StrCat(
          "verb: '", base::EscapeForDisplay(verb), "' is none of pause, resume, resync, confirm"));
    }
    if (status.ok()) {
      spdlog::info("source {}: {} by {}", base::EscapeForDisplay(request->name()), verb,
                   base::EscapeForDisplay(request->actor()));
    }
    return status;
  });
}

grpc::Status CatalogService::AdoptEntities(grpc::ServerContext* context,
                                           const purser::v1::AdoptEntitiesRequest* request,
                                           purser::v1::AdoptEntitiesResponse*) {
  return guard_.Run(*context, "AdoptEntities", [&]() -> absl::Status {
    return host_.Adopt(request->name(),
                       std::vector<std::string>(request->refs().begin(), request->refs().end()),
                       !request->more());
  });
}

grpc::Status CatalogService::ReportSource(grpc::ServerContext* context,
                                          const purser::v1::ReportSourceRequest* request,
                                          purser::v1::ReportSourceResponse* response) {
  return guard_.Run(*context, "ReportSource", [&]() -> absl::Status {
    std::optional<provider::PortalReport> report;
    if (request->has_round()) report = FromProto(request->round());
    PURSER_ASSIGN_OR_RETURN(const provider::PortalOrders orders,
                            host_.ReportPortal(request->name(), report));
    response->set_paused(orders.paused);
    response->set_resync(orders.resync);
    response->set_confirm(orders.confirm);
    return absl::OkStatus();
  });
}

}  // namespace purser::rpc

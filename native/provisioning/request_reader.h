// From rows to what callers see.
#ifndef PURSER_PROVISIONING_REQUEST_READER_H_
#define PURSER_PROVISIONING_REQUEST_READER_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "provisioning/holding_store.h"
#include "provisioning/planner.h"
#include "provisioning/request_store.h"
#include "provisioning/service.h"
#include "store/store.h"
#include "workflow/definition_cache.h"

namespace purser::provisioning {

// A plan that nobody stored: without any id that somebody could ask for.
Request PlannedRequest(const Plan& plan);

// `whole`: with steps and approvals.
absl::StatusOr<Request> LoadRequest(store::Connection& connection,
                                    workflow::DefinitionCache& definitions, const RequestRow& row,
                                    bool whole);

absl::StatusOr<Holding> LoadHolding(store::Connection& connection, const HoldingRow& row,
                                    bool whole);
// NOT_FOUND; `id` is the holding's, that of one of its requests, or the ref of its entity.
absl::StatusOr<HoldingRow> GetHoldingRow(store::Connection& connection, absl::string_view id);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_REQUEST_READER_H_

// The rows of holdings: what a request made and an owner keeps, from its
// creation to its deletion, over all requests that changed it.
#ifndef PURSER_PROVISIONING_HOLDING_STORE_H_
#define PURSER_PROVISIONING_HOLDING_STORE_H_

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "provisioning/service.h"
#include "store/store.h"

namespace purser::provisioning {

inline constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

struct HoldingRow {
  std::string id;  // of the request that made it
  std::string blueprint;
  std::string owner;
  std::string entity_ref;
  HoldingState state = HoldingState::kPending;
  std::string current_request;  // the last one that succeeded; "" before
  std::string environment;
  bool is_protected = false;
  int64_t expires_at = kNever;  // microseconds since 1970, as all times here
  int64_t told = 0;             // reminders sent, the word that it expired included
  std::string drift = "{}";     // JSON of the last look; {} before
  int64_t looked_at = 0;
  int64_t due = kNever;  // when the keeper has something to do
  int64_t version = 1;   // grows with every write
  int64_t created_at = 0;
  int64_t updated_at = 0;
};

absl::Status InsertHolding(store::Connection& connection, const HoldingRow& row);
// Writes everything; ABORTED when the row is no longer at `row.version`, which
// grows.
absl::Status UpdateHolding(store::Connection& connection, HoldingRow& row);
absl::StatusOr<std::optional<HoldingRow>> FindHolding(store::Connection& connection,
                                                      absl::string_view id);
// The one of an entity that is there or on its way.
absl::StatusOr<std::optional<HoldingRow>> FindHoldingOfEntity(store::Connection& connection,
                                                              absl::string_view entity_ref);
// `blueprints` are in place of the options'; none: any.
absl::StatusOr<std::vector<HoldingRow>> ListHoldingRows(
    store::Connection& connection, const ListHoldingsOptions& options,
    const std::vector<std::string>& blueprints = {});
absl::StatusOr<std::vector<HoldingRow>> DueHoldings(store::Connection& connection, int64_t now,
                                                    int limit);
// When the next holding is due; kNever: none.
absl::StatusOr<int64_t> NextHoldingDue(store::Connection& connection);

// Whether the holding was renewed by this key before; never by the empty one.
absl::StatusOr<bool> IsRenewalKnown(store::Connection& connection, absl::string_view holding_id,
                                    absl::string_view key);
absl::Status PutRenewal(store::Connection& connection, absl::string_view holding_id,
                        absl::string_view key, int64_t at);

// What a step made and what would undo it.
struct MadeRow {
  std::string holding_id;
  std::string step_id;
  std::string request_id;
  std::string undo;     // "connector/operation"
  std::string outputs;  // JSON, the input of the undo
  int64_t position = 0;
};
absl::Status PutMade(store::Connection& connection, const MadeRow& row);
absl::Status ForgetMade(store::Connection& connection, absl::string_view holding_id,
                        absl::string_view step_id);
// Latest first.
absl::StatusOr<std::vector<MadeRow>> MadeOf(store::Connection& connection,
                                            absl::string_view holding_id);
// What is left outside of holdings that never came to be or are gone.
absl::StatusOr<std::vector<Orphan>> ListOrphanRows(store::Connection& connection, int limit,
                                                   absl::string_view after);

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_HOLDING_STORE_H_

// From what somebody asks for to a plan: definition, inputs, owner, quote,
// policy, approvals.
#ifndef PURSER_PROVISIONING_PLANNER_H_
#define PURSER_PROVISIONING_PLANNER_H_

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"
#include "provisioning/core.h"
#include "provisioning/holding_store.h"
#include "store/store.h"

namespace purser::provisioning {

// A request worked out but not stored yet.
struct Plan {
  std::shared_ptr<const Blueprint> blueprint;   // as it is asked for
  std::shared_ptr<const Blueprint> definition;  // as it is run
  RequestRow row;
  nlohmann::json run_input;
  std::map<std::string, nlohmann::json> done;  // steps taken over from another run
  std::optional<HoldingRow> holding;           // nullopt: it makes a new one
  Verdict verdict;
  std::string environment;
};

// Thread-safe.
class Planner {
 public:
  explicit Planner(Core& core) : core_(core) {}

  // `by_purser`: nobody asked (expiry, repair), so nobody is asked either.
  // PERMISSION_DENIED lists what policy refuses.
  absl::StatusOr<Plan> Make(const CreateOptions& options, bool by_purser);
  // The id of the request that this key and input made before; nullopt: there is none. Asked first:
  // what was done then may have made the same wish impossible now.
  absl::StatusOr<std::optional<std::string>> FindSame(const CreateOptions& options);
  // A run of its own for what `original` left undone from `step_id` on.
  absl::StatusOr<Plan> MakeFork(const RequestRow& original, absl::string_view step_id,
                                absl::string_view idempotency_key, const workflow::Actor& actor);
  // Within the transaction that stores it: what others did since the plan was
  // made. ABORTED: plan again.
  absl::Status CheckStillValid(store::Connection& connection, Plan& plan);
  // Stores request, holding and run.
  absl::Status Store(store::Connection& connection, Plan& plan);
  // What stands in the store for a request with the plan's key; nullopt:
  // nothing. ALREADY_EXISTS: another input.
  absl::StatusOr<std::optional<RequestRow>> FindKnown(store::Connection& connection,
                                                      const Plan& plan);
  // Remembers that policy refused it.
  absl::Status StoreRefusal(const Plan& plan);

 private:
  // What is there of the holding that a request is about.
  struct Before {
    HoldingRow holding;
    RequestRow request;      // its current one
    workflow::RunView view;  // of that
    std::vector<MadeRow> made;
  };
  absl::StatusOr<std::optional<Before>> LoadBefore(const CreateOptions& options, const Plan& plan);
  absl::Status Identify(const CreateOptions& options, Plan& plan);
  absl::Status SettleParameters(const CreateOptions& options, const std::optional<Before>& before,
                                Plan& plan);
  absl::Status SettleOwner(const CreateOptions& options, const std::optional<Before>& before,
                           Plan& plan);
  absl::Status SettleDefinition(const CreateOptions& options, const std::optional<Before>& before,
                                Plan& plan);
  absl::Status SettleRemoval(const Before& before, Plan& plan);
  absl::Status SettleLife(Plan& plan, nlohmann::json& shown);
  absl::Status AskPolicy(const CreateOptions& options, const std::optional<Before>& before,
                         bool by_purser, Plan& plan, nlohmann::json& shown);
  absl::StatusOr<std::optional<Quote>> QuoteOf(const Plan& plan, const nlohmann::json& parameters);
  void ShowChanges(const std::optional<Before>& before, Plan& plan, nlohmann::json& shown);
  absl::Status CheckEntity(Plan& plan);
  absl::Status CheckStepInputs(const Plan& plan);
  static void Hold(const Approval& approval, Plan& plan, nlohmann::json& shown);

  Core& core_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_PLANNER_H_

// Steps that wait: "wait/timer", "wait/window", "wait/approval",
// "wait/webhook", "wait/request", "wait/pull-request".
//
// They are Purser's own operations, without any outside system and without a
// configuration. Waiting is a row: the engine looks again at the time a step
// names, and at once when somebody wakes it (an approval, a delivery).
#ifndef PURSER_PROVISIONING_WAITS_H_
#define PURSER_PROVISIONING_WAITS_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "connectors/connector.h"
#include "nlohmann/json.hpp"
#include "provisioning/service.h"
#include "store/store.h"

namespace purser::provisioning {

const std::vector<connectors::Operation>& WaitOperations();

// When a time window like {"days": ["mon"], "from": "22:00", "to": "04:00",
// "timezone": "UTC"} is open next: `now` itself while it is. INVALID_ARGUMENT
// names what cannot be read.
absl::StatusOr<absl::Time> NextOpening(const nlohmann::json& window, absl::Time now);

// What an approval of a step is bound to.
std::string StepPlanHash(const nlohmann::json& input);

// Verifies the signature of a delivery for a step with this input ("secret"
// resolved before) at `now`. Any fault is PERMISSION_DENIED without saying which.
absl::Status VerifyDelivery(const Delivery& delivery, const nlohmann::json& input,
                            absl::string_view secret, absl::Time now);

// Thread-safe.
class WaitConnector final : public connectors::Connector {
 public:
  // `now` is the engine's time: a clock set by hand does not move it. The connectors are asked
  // about pull requests; both must outlive it.
  WaitConnector(store::Database& database, const connectors::Connectors& connectors,
                std::function<absl::Time()> now);

  const std::string& name() const override { return name_; }
  const std::vector<connectors::Operation>& operations() const override { return WaitOperations(); }
  absl::StatusOr<connectors::CallResult> Call(absl::string_view operation,
                                              const nlohmann::json& input,
                                              connectors::CallContext& context) override;
  absl::StatusOr<connectors::CallResult> Observe(absl::string_view operation,
                                                 const nlohmann::json& input,
                                                 const connectors::CallResult& previous,
                                                 connectors::CallContext& context) override;

 private:
  absl::StatusOr<connectors::CallResult> Look(absl::string_view operation,
                                              const nlohmann::json& input,
                                              const connectors::CallResult* previous,
                                              connectors::CallContext& context);
  absl::StatusOr<connectors::CallResult> Timer(const nlohmann::json& input,
                                               const connectors::CallResult* previous);
  absl::StatusOr<connectors::CallResult> Window(const nlohmann::json& input);
  absl::StatusOr<connectors::CallResult> ApprovalOf(const nlohmann::json& input,
                                                    absl::string_view run_id,
                                                    absl::string_view step_id);
  absl::StatusOr<connectors::CallResult> Webhook(absl::string_view run_id,
                                                 absl::string_view step_id);
  absl::StatusOr<connectors::CallResult> OtherRequest(const nlohmann::json& input,
                                                      const connectors::CallResult* previous);

  absl::StatusOr<connectors::CallResult> PullRequest(const nlohmann::json& input,
                                                     const connectors::CallResult* previous,
                                                     connectors::CallContext& context);

  const std::string name_ = "wait";
  store::Database& database_;
  const connectors::Connectors& connectors_;
  const std::function<absl::Time()> now_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_WAITS_H_

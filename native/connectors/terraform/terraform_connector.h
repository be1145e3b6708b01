// Terraform and OpenTofu: a plan is made, stored and hashed; only the plan whose hash was approved
// is applied.
//
//   - id: plan
//     uses: terraform/plan
//     with: {root: environments/prod/acme/infra, variables: {size: small}}
//   - id: apply
//     uses: terraform/apply
//     with: {root: environments/prod/acme/infra, planHash: "${{ steps.plan.outputs.planHash }}"}
//
// A root is a folder of the configured checkout. One call at a time touches a root. Terraform
// itself refuses a plan that no longer fits the state, so that an apply which was interrupted is
// never done twice: it ends with an error that asks for a new plan. Sensitive outputs come as
// references.
#ifndef PURSER_CONNECTORS_TERRAFORM_TERRAFORM_CONNECTOR_H_
#define PURSER_CONNECTORS_TERRAFORM_TERRAFORM_CONNECTOR_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "connectors/connector.h"
#include "connectors/input_check.h"
#include "connectors/terraform/terraform_events.h"
#include "connectors/terraform/terraform_process.h"

namespace purser::connectors {

inline constexpr int64_t kMaxPlanBytes = 64 << 20;

// Thread-safe.
class TerraformConnector final : public Connector {
 public:
  static absl::StatusOr<std::unique_ptr<Connector>> FromConfig(
      absl::string_view name, const nlohmann::json& config,
      const ConnectorDependencies& dependencies);
  static const nlohmann::json& ConfigSchema();

  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override;
  absl::StatusOr<CallResult> Call(absl::string_view operation, const nlohmann::json& input,
                                  CallContext& context) override;
  absl::StatusOr<std::optional<CallResult>> Probe(absl::string_view operation,
                                                  const nlohmann::json& input,
                                                  CallContext& context) override;
  // Of apply: by a plan that is not kept, without the state's lock.
  absl::StatusOr<Comparison> Compare(absl::string_view operation, const nlohmann::json& input,
                                     const CallResult& applied, CallContext& context) override;

 private:
  struct Root;  // what a call works with

  TerraformConnector(std::string name, nlohmann::json config, base::Clock& clock);
  absl::StatusOr<Root> Prepare(const nlohmann::json& input, CallContext& context) const;
  absl::StatusOr<TerraformEnd> Run(const Root& root, std::vector<std::string> arguments,
                                   TerraformEvents* events, std::string* output,
                                   CallContext& context) const;
  absl::Status Init(const Root& root, CallContext& context) const;
  // Initialises the root and plans into a file of the folder of plans; whether anything would
  // change.
  absl::StatusOr<bool> PlanInto(const Root& root, const std::string& file,
                                std::vector<std::string> flags, TerraformEvents* events,
                                CallContext& context) const;
  absl::StatusOr<CallResult> MakePlan(const Root& root, bool destroy, CallContext& context) const;
  // As `terraform output -json` gives them.
  absl::StatusOr<nlohmann::json> ReadOutputs(const Root& root, CallContext& context) const;
  absl::StatusOr<CallResult> Apply(const Root& root, const std::string& hash,
                                   CallContext& context) const;
  absl::Status Explain(const Root& root, absl::string_view what, const TerraformEnd& end,
                       const TerraformEvents& events) const;
  std::string PlanPath(const std::string& hash) const;
  base::Mutex& LockOf(const std::string& root);

  const std::string name_;
  const nlohmann::json config_;
  const std::string folder_;
  const std::string plans_;
  base::Clock& clock_;
  const InputCheck inputs_;
  base::Mutex mutex_;
  // By root; never removed, there are as many as roots.
  std::map<std::string, std::unique_ptr<base::Mutex>> busy_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace purser::connectors

#endif  // PURSER_CONNECTORS_TERRAFORM_TERRAFORM_CONNECTOR_H_

// Policy: what may be asked for, by whom, for how much, and who must agree
// first. Files beside the blueprints; docs/policy.md describes them.
#ifndef PURSER_PROVISIONING_POLICY_H_
#define PURSER_PROVISIONING_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/decimal.h"
#include "nlohmann/json.hpp"
#include "provisioning/blueprint.h"
#include "provisioning/cost_advisor.h"
#include "provisioning/service.h"

namespace purser::provisioning {

inline constexpr int kMaxPolicies = 200;

struct PolicyQuestion {
  std::string blueprint;
  RequestKind kind = RequestKind::kCreate;
  std::string owner;
  std::string environment;
  // What expressions see: {"parameters", "request", "changes", "quote":
  // {"monthly", "currency"}}.
  nlohmann::json context;
  std::optional<Quote> quote;
  // What is paid already for what the request changes, in the quote's currency.
  base::Decimal before;
  // Asked only when a policy looks at budgets.
  std::vector<BudgetLine> budgets;
};

// Counted within the transaction that stores the request.
struct QuotaClaim {
  std::string policy;
  std::string rule;   // its id within the policy
  std::string quota;  // "policy/rule": what is counted under
  std::string key;
  int64_t amount = 0;
  int64_t limit = 0;
  std::string message;
};

struct Verdict {
  bool refused = false;
  // Every rule that had something to say: {"policy", "rule", "effect",
  // "reason"}.
  nlohmann::json decisions = nlohmann::json::array();
  Approval approval;  // what all rules together demand
  std::vector<QuotaClaim> quotas;

  void Add(absl::string_view policy, absl::string_view rule, absl::string_view effect,
           absl::string_view reason);
  // The reasons of what was refused, one a line.
  std::string Reasons() const;
};

// The stricter of two demands.
Approval Stricter(const Approval& a, const Approval& b);

// Immutable.
class Policies {
 public:
  // Every *.yaml and *.yml in the folders; all faults of all files, each
  // "file:line:column: …".
  static absl::StatusOr<Policies> Load(const std::vector<std::string>& folders);
  // One file's text, added to what is there.
  absl::Status Add(absl::string_view text, absl::string_view file);

  bool LooksAtBudgets(const PolicyQuestion& question) const;
  // A rule that cannot be evaluated refuses: who does not know must not let
  // pass.
  Verdict Judge(const PolicyQuestion& question) const;

 private:
  struct Rule {
    std::string id;
    nlohmann::json condition;  // expression or null
    std::optional<base::Decimal> above;
    std::string above_currency;
    std::string effect;
    std::string message;
    Approval approval;
  };
  struct Quota {
    std::string id;
    nlohmann::json key;
    nlohmann::json amount;
    int64_t limit = 0;
    std::string message;
  };
  struct Policy {
    std::string name;
    std::vector<std::string> blueprints;
    std::vector<std::string> kinds;
    std::vector<std::string> environments;
    std::vector<std::string> owners;
    std::vector<Rule> rules;
    std::vector<Quota> quotas;
    std::optional<Rule> budgets;
  };
  static bool Applies(const Policy& policy, const PolicyQuestion& question);
  static void JudgeRule(const Policy& policy, const Rule& rule, const PolicyQuestion& question,
                        Verdict& verdict);
  static void JudgeQuota(const Policy& policy, const Quota& quota, const PolicyQuestion& question,
                         Verdict& verdict);
  static void JudgeBudgets(const Policy& policy, const PolicyQuestion& question, Verdict& verdict);
  static void Apply(const Policy& policy, const Rule& rule, absl::string_view reason,
                    Verdict& verdict);

  std::vector<Policy> policies_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_POLICY_H_

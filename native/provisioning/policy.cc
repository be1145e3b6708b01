#include "provisioning/policy.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "provisioning/expressions.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;

constexpr int64_t kMaxQuotaAmount = 1'000'000'000'000;

bool Names(const std::vector<std::string>& names, absl::string_view one) {
  return names.empty() || std::find(names.begin(), names.end(), one) != names.end();
}

std::string TextOf(const json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

}  // namespace

void Verdict::Add(absl::string_view policy, absl::string_view rule, absl::string_view effect,
                  absl::string_view reason) {
  decisions.push_back({{"policy", std::string(policy)},
                       {"rule", std::string(rule)},
                       {"effect", std::string(effect)},
                       {"reason", std::string(reason)}});
  refused = refused || effect == "refuse";
}

std::string Verdict::Reasons() const {
  std::string reasons;
  for (const json& decision : decisions) {
    if (decision.at("effect") != "refuse") continue;
    absl::StrAppend(&reasons, reasons.empty() ? "" : "\n",
                    decision.at("policy").get_ref<const std::string&>(), "/",
                    decision.at("rule").get_ref<const std::string&>(), ": ",
                    decision.at("reason").get_ref<const std::string&>());
  }
  return reasons;
}

Approval Stricter(const Approval& a, const Approval& b) {
  if (a.count == 0) return b;
  if (b.count == 0) return a;
  Approval both;
  both.count = std::max(a.count, b.count);
  both.four_eyes = a.four_eyes || b.four_eyes;
  both.message = a.message.empty() ? b.message : a.message;
  // Those whom both name; if nobody is, those of either, and as many as both
  // ask for together.
  if (a.from.empty() || b.from.empty()) {
    both.from = a.from.empty() ? b.from : a.from;
    return both;
  }
  for (const std::string& one : a.from) {
    if (std::find(b.from.begin(), b.from.end(), one) != b.from.end()) both.from.push_back(one);
  }
  if (both.from.empty()) {
    both.from = a.from;
    both.from.insert(both.from.end(), b.from.begin(), b.from.end());
    both.count = a.count + b.count;
  }
  return both;
}

bool Policies::Applies(const Policy& policy, const PolicyQuestion& question) {
  return Names(policy.blueprints, question.blueprint) &&
         Names(policy.kinds, ToString(question.kind)) &&
         Names(policy.environments, question.environment) && Names(policy.owners, question.owner);
}

bool Policies::LooksAtBudgets(const PolicyQuestion& question) const {
  return std::any_of(policies_.begin(), policies_.end(), [&](const Policy& policy) {
    return policy.budgets.has_value() && Applies(policy, question);
  });
}

Verdict Policies::Judge(const PolicyQuestion& question) const {
  Verdict verdict;
  for (const Policy& policy : policies_) {
    if (!Applies(policy, question)) continue;
    for (const Rule& rule : policy.rules) JudgeRule(policy, rule, question, verdict);
    for (const Quota& quota : policy.quotas) JudgeQuota(policy, quota, question, verdict);
    if (policy.budgets.has_value()) JudgeBudgets(policy, question, verdict);
  }
  return verdict;
}

void Policies::Apply(const Policy& policy, const Rule& rule, absl::string_view reason,
                     Verdict& verdict) {
  verdict.Add(policy.name, rule.id, rule.effect, reason);
  if (rule.effect != "approve") return;
  Approval approval = rule.approval;
  approval.message = std::string(reason);
  verdict.approval = Stricter(verdict.approval, approval);
}

void Policies::JudgeRule(const Policy& policy, const Rule& rule, const PolicyQuestion& question,
                         Verdict& verdict) {
  if (!rule.condition.is_null()) {
    const absl::StatusOr<bool> holds =
        EvaluateCondition(rule.condition.get_ref<const std::string&>(), question.context);
    if (!holds.ok()) {
      verdict.Add(policy.name, rule.id, "refuse",
                  absl::StrCat("the rule cannot be evaluated: ", holds.status().message()));
      return;
    }
    if (!*holds) return;
  }
  if (rule.above.has_value()) {
    if (!question.quote.has_value()) return;
    if (question.quote->currency != rule.above_currency) {
      verdict.Add(policy.name, rule.id, "refuse",
                  absl::StrCat("the quote is in ", question.quote->currency, ", the rule in ",
                               rule.above_currency));
      return;
    }
    if (question.quote->monthly <= *rule.above) return;
  }
  const absl::StatusOr<json> message = Evaluate(json(rule.message), question.context, "/message");
  Apply(policy, rule, message.ok() ? TextOf(*message) : rule.message, verdict);
}

void Policies::JudgeQuota(const Policy& policy, const Quota& quota, const PolicyQuestion& question,
                          Verdict& verdict) {
  if (question.kind == RequestKind::kDelete) return;
  QuotaClaim claim;
  claim.policy = policy.name;
  claim.rule = quota.id;
  claim.quota = absl::StrCat(policy.name, "/", quota.id);
  claim.limit = quota.limit;
  claim.message = quota.message;
  const absl::StatusOr<json> key = Evaluate(quota.key, question.context, "/key");
  const absl::StatusOr<json> amount = Evaluate(quota.amount, question.context, "/amount");
  if (!key.ok() || !amount.ok() || !amount->is_number_integer() || *amount < 0 ||
      *amount > kMaxQuotaAmount) {
    verdict.Add(policy.name, quota.id, "refuse",
                absl::StrCat("the quota cannot be evaluated: ",
                             !key.ok()      ? std::string(key.status().message())
                             : !amount.ok() ? std::string(amount.status().message())
                                            : "its amount is no whole number from 0"));
    return;
  }
  claim.key = TextOf(*key);
  claim.amount = amount->get<int64_t>();
  verdict.quotas.push_back(std::move(claim));
}

void Policies::JudgeBudgets(const Policy& policy, const PolicyQuestion& question,
                            Verdict& verdict) {
  if (question.kind == RequestKind::kDelete || !question.quote.has_value()) return;
  base::Decimal more;
  if (!base::Decimal::Subtract(question.quote->monthly, question.before, &more)) return;
  for (const BudgetLine& budget : question.budgets) {
    if (budget.currency != question.quote->currency) {
      verdict.Add(policy.name, "budgets", "warn",
                  absl::StrCat("budget ", budget.name, " is in ", budget.currency,
                               ", the quote in ", question.quote->currency));
      continue;
    }
    base::Decimal after;
    if (!base::Decimal::Add(budget.committed, more, &after)) continue;
    const std::string sums = absl::StrCat(budget.committed.ToRounded(2), " + ", more.ToRounded(2),
                                          " of ", budget.amount.ToRounded(2), " ", budget.currency);
    if (after <= budget.amount || more <= base::Decimal()) {
      verdict.Add(policy.name, "budgets", "allow",
                  absl::StrCat("budget ", budget.name, ": ", sums));
    } else {
      Apply(policy, *policy.budgets,
            absl::StrCat("budget ", budget.name, " would be exceeded: ", sums), verdict);
    }
  }
}

}  // namespace purser::provisioning

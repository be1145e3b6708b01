// What a run carries out: named steps that need one another, and how each is retried.
#ifndef PURSER_WORKFLOW_DEFINITION_H_
#define PURSER_WORKFLOW_DEFINITION_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"

namespace purser::workflow {

inline constexpr int kMaxSteps = 200;
inline constexpr int kMaxAttempts = 100;

// Delays are full jitter: uniform in [0, min(cap, initial * 2^n)], never below what the other side
// asked for by Retry-After.
struct RetryPolicy {
  int attempts = 5;  // calls in all, 1..kMaxAttempts
  absl::Duration initial = absl::Seconds(1);
  absl::Duration cap = absl::Minutes(1);
};

struct StepDefinition {
  std::string id;
  std::string uses;                // what the executor should do, e.g. "files/write"
  std::vector<std::string> needs;  // steps that must have succeeded or been skipped
  std::string condition;           // for the executor; "" = always
  nlohmann::json with;             // for the executor: input, expressions not yet evaluated
  absl::Duration timeout = absl::Minutes(30);  // from the first call until it is ready
  RetryPolicy retry;
  bool undo = true;  // false: never compensated, even where the executor could
};

// Immutable once built. `hash` names it in the store.
struct Definition {
  std::string name;
  std::string hash;
  std::vector<StepDefinition> steps;
  int parallel = 0;  // steps under way at the same time, those that wait included; 0: no limit

  const StepDefinition* Find(absl::string_view id) const;  // nullptr when unknown
};

// Ids on a cycle of `needs`, the first repeated at the end; empty when there is none. Needs that
// name no step are ignored here.
std::vector<std::string> FindCycle(const std::vector<StepDefinition>& steps);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_DEFINITION_H_

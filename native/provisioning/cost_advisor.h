// What provisioning asks of whoever knows costs, before anything is made. The
// composition root answers it from the costs domain; tests give their own.
#ifndef PURSER_PROVISIONING_COST_ADVISOR_H_
#define PURSER_PROVISIONING_COST_ADVISOR_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/decimal.h"
#include "nlohmann/json.hpp"

namespace purser::provisioning {

// What a month will cost by the price book.
struct Quote {
  std::string currency;
  base::Decimal monthly;
  struct Line {
    std::string what;
    base::Decimal monthly;
  };
  std::vector<Line> lines;
};

// A budget that a request would be paid from.
struct BudgetLine {
  std::string name;
  std::string currency;
  base::Decimal amount;
  base::Decimal committed;  // the larger of what is spent and what is expected
                            // by the period's end
};

struct BudgetQuestion {
  std::string owner;
  std::string entity_ref;
  std::string product;
  std::string environment;
};

// Thread-safe.
class CostAdvisor {
 public:
  virtual ~CostAdvisor() = default;
  // nullopt: the price book does not have the product.
  virtual absl::StatusOr<std::optional<Quote>> QuoteOf(absl::string_view product,
                                                       const nlohmann::json& parameters) = 0;
  virtual absl::StatusOr<std::vector<BudgetLine>> BudgetsOf(const BudgetQuestion& question) = 0;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_COST_ADVISOR_H_

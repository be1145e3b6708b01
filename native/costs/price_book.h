// What a product will cost before it is there: from a price book, and from what like things cost of
// late.
//
//   prices:
//     - product: notebook
//       currency: EUR
//       base: 12.50                             # a month
//       options:
//         size: { values: { small: 10, large: 40 } }   # by the parameter's value
//         storageGb: { each: 0.05 }                    # times the parameter's value
//         gpu: { values: { "true": 300 } }             # booleans by their text
//         disk.sizeGb: { each: 0.04, free: 20 }        # members of members; the first 20 are free
//         users: { metric: users, each: 0.5 }          # times what a user of like things cost
#ifndef PURSER_COSTS_PRICE_BOOK_H_
#define PURSER_COSTS_PRICE_BOOK_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/decimal.h"
#include "costs/service.h"
#include "nlohmann/json_fwd.hpp"

namespace purser::costs {

inline constexpr size_t kMaxPrices = 10'000;
inline constexpr size_t kMaxPriceOptions = 200;    // of a product
inline constexpr size_t kMaxLikeEntities = 1'000;  // looked at for unit costs, those that cost most

struct PriceOption {
  std::map<std::string, base::Decimal> values;  // by text
  std::optional<base::Decimal> each;
  base::Decimal free;  // of `each` and `metric`: as many cost nothing
  // Not "": one unit costs what a unit of this metric cost of late with entities of the product, of
  // `service` alone unless that is ""; `each` when that is not known.
  std::string metric;
  std::string service;
};

struct Price {
  std::string product;
  std::string currency;
  base::Decimal base;  // a month
  std::map<std::string, PriceOption> options;
};

struct EstimateLine {
  std::string what;  // "base", "size = large", "storageGb: 100 × 0.05"
  base::Decimal monthly;
};

// From things of the same product that were charged every day of the window.
struct ObservedCost {
  std::string currency;
  int64_t entities = 0;
  base::Decimal median_monthly;  // effective cost of 30 days
  base::Decimal highest_monthly;
  absl::CivilDay from;
  absl::CivilDay to;
};

struct Estimate {
  std::string product;
  std::string currency;  // "" when the price book does not have the product
  base::Decimal monthly;
  std::vector<EstimateLine> lines;
  std::vector<ObservedCost> observed;  // per currency; empty when there are no like things
};

// What one unit of an option's metric costs a month, in the price's currency; nothing when it is
// not known.
using UnitCosts = std::function<absl::StatusOr<std::optional<base::Decimal>>(const Price& price,
                                                                             const PriceOption&)>;

class PriceBook {
 public:
  // All problems at once, each "file:line:column: …".
  static absl::StatusOr<PriceBook> Parse(absl::string_view yaml, absl::string_view file);

  // INVALID_ARGUMENT names a parameter that has a price but no number. Parameters without a price
  // cost nothing; so do values that the book does not name. `units` may be empty: nothing is known.
  absl::StatusOr<Estimate> Quote(absl::string_view product, const nlohmann::json& parameters,
                                 const UnitCosts& units = nullptr) const;
  bool Has(absl::string_view product) const { return prices_.contains(std::string(product)); }

 private:
  std::map<std::string, Price> prices_;
};

// The quote, by what units cost of late, with what entities of that product cost: in the 30 days up
// to the data's last one.
// NOT_FOUND when neither the book nor the catalog knows the product.
absl::StatusOr<Estimate> EstimateCost(CostService& costs, const PriceBook& book,
                                      absl::string_view product, const nlohmann::json& parameters);

}  // namespace purser::costs

#endif  // PURSER_COSTS_PRICE_BOOK_H_

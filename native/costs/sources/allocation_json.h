// A cluster's day in the form of OpenCost's allocation API.
#ifndef PURSER_COSTS_SOURCES_ALLOCATION_JSON_H_
#define PURSER_COSTS_SOURCES_ALLOCATION_JSON_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "costs/sources/cluster_day.h"

namespace purser::costs {

struct PodFacts {
  std::string controller_kind = {};  // lower case: "deployment"
  std::string controller = {};
  std::map<std::string, std::string> labels = {};
};

struct AllocationWindow {
  std::string cluster = {};
  std::string currency = {};  // ISO 4217
  absl::Time from = {};
  absl::Time to = {};
};

// An allocation of that name and these properties (JSON). Amounts are exact decimals; averages and
// efficiencies, which are no money, have six digits.
std::string AllocationJson(const std::string& name, const std::string& properties,
                           const AllocationWindow& window, const PodCost& cost);

// One allocation set: {"code":200,"data":[{NAME: {…}, …}]}. What is idle is called __idle__/NODE.
std::string ToAllocationJson(const AllocationWindow& window, const std::vector<PodCost>& costs,
                             const std::map<std::pair<std::string, std::string>, PodFacts>& facts);

// The set as several of about `bytes` at most each: a reader takes documents of limited size.
std::vector<std::string> SplitAllocationJson(absl::string_view set, size_t bytes);

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_ALLOCATION_JSON_H_

// Until when costs are known: a bill that comes later than others must not look like days without
// cost.
#ifndef PURSER_COSTS_KNOWN_DAYS_H_
#define PURSER_COSTS_KNOWN_DAYS_H_

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"
#include "costs/service.h"

namespace purser::costs {

// A source that is this many days behind the newest has ended: nothing of it is waited for.
inline constexpr int kEndedAfterDays = 14;

// Of one state of the data. Immutable.
class KnownDays {
 public:
  static absl::StatusOr<KnownDays> Of(CostService& costs);
  explicit KnownDays(std::vector<SourceFreshness> sources);

  // The last day that all of the sources have data of, by their names; those that ended do not
  // count. Nothing when none of them is there.
  std::optional<absl::CivilDay> Until(const std::set<std::string>& names) const;
  // The last day that any source has data of.
  std::optional<absl::CivilDay> newest() const { return newest_; }

 private:
  std::vector<SourceFreshness> sources_;
  std::optional<absl::CivilDay> newest_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_KNOWN_DAYS_H_

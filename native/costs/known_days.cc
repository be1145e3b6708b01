#include "costs/known_days.h"

#include <algorithm>
#include <utility>

#include "base/status.h"

namespace purser::costs {

absl::StatusOr<KnownDays> KnownDays::Of(CostService& costs) {
  PURSER_ASSIGN_OR_RETURN(std::vector<SourceFreshness> sources, costs.Freshness());
  return KnownDays(std::move(sources));
}

KnownDays::KnownDays(std::vector<SourceFreshness> sources) : sources_(std::move(sources)) {
  for (const SourceFreshness& source : sources_) {
    newest_ = std::max(newest_.value_or(source.last_day), source.last_day);
  }
}

std::optional<absl::CivilDay> KnownDays::Until(const std::set<std::string>& names) const {
  std::optional<absl::CivilDay> until;
  for (const SourceFreshness& source : sources_) {
    if (*newest_ - source.last_day > kEndedAfterDays) continue;
    if (!names.contains(std::string(SourceName(source.source)))) continue;
    until = std::min(until.value_or(source.last_day), source.last_day);
  }
  return until;
}

}  // namespace purser::costs

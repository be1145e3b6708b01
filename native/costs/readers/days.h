// Dates of bills as days.
#ifndef PURSER_COSTS_READERS_DAYS_H_
#define PURSER_COSTS_READERS_DAYS_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "costs/readers/formats.h"

namespace purser::costs {

// "2026-11-01", "2026-11-01T00:00:00Z", "2026-11-01 00:00:00.000", with an offset (+01:00) instead
// of Z or with neither (then UTC), or with " UTC": the UTC day.
absl::StatusOr<absl::CivilDay> ParseDay(absl::string_view text, DateOrder order = DateOrder::kIso);

}  // namespace purser::costs

#endif  // PURSER_COSTS_READERS_DAYS_H_

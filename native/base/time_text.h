// Times as people and other systems read them.
#ifndef PURSER_BASE_TIME_TEXT_H_
#define PURSER_BASE_TIME_TEXT_H_

#include <string>

#include "absl/time/time.h"

namespace purser::base {

// RFC 3339 in UTC, whole seconds: "2026-12-31T00:00:00Z".
inline std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", time, absl::UTCTimeZone());
}

}  // namespace purser::base

#endif  // PURSER_BASE_TIME_TEXT_H_

// Ids that sort by time: ULID (48-bit milliseconds, 80 random bits, Crockford base 32), lower case.
#ifndef PURSER_BASE_ID_H_
#define PURSER_BASE_ID_H_

#include <string>

#include "absl/strings/string_view.h"
#include "base/clock.h"
#include "base/rng.h"

namespace purser::base {

// "<prefix>_<26 characters>", e.g. "req_01j9…"; without prefix when that is empty. Thread-safe.
std::string NewId(absl::string_view prefix, Clock& clock, Rng& rng);

}  // namespace purser::base

#endif  // PURSER_BASE_ID_H_

// Exchange rates by day. Amounts are stored in the currency of their bill and converted at the
// edge, at the rate of the day of the charge.
#ifndef PURSER_COSTS_CURRENCIES_H_
#define PURSER_COSTS_CURRENCIES_H_

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "base/decimal.h"

namespace purser::costs {

inline constexpr size_t kMaxRates = 1'000'000;
// How old a rate may be: weekends and holidays have none, a forgotten file must not go unnoticed.
inline constexpr int kMaxRateAgeDays = 10;

// Immutable, thread-safe.
class Rates {
 public:
  // CSV with a header and the columns day,from,to,rate: one `from` is `rate` of `to`.
  // INVALID_ARGUMENT names file and line.
  static absl::StatusOr<std::shared_ptr<const Rates>> Parse(absl::string_view csv,
                                                            absl::string_view file);

  // The latest rate of that day or of the kMaxRateAgeDays before; the inverse of the opposite rate
  // (rounded half-even to 18 digits) when only that is there, and over one third currency when both
  // ways are known. FAILED_PRECONDITION when there is none.
  absl::StatusOr<base::Decimal> Find(const std::string& from, const std::string& to,
                                     absl::CivilDay day) const;
  // `amount` of `from` in `to`, rounded half-even to 18 digits.
  absl::StatusOr<base::Decimal> Convert(base::Decimal amount, const std::string& from,
                                        const std::string& to, absl::CivilDay day) const;

 private:
  bool Direct(const std::string& from, const std::string& to, absl::CivilDay day,
              base::Decimal* rate) const;

  std::map<std::pair<std::string, std::string>, std::map<absl::CivilDay, base::Decimal>> rates_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_CURRENCIES_H_

// A source of bills that Purser reads on its own: looks now and then what is new, and stores it.
#ifndef PURSER_COSTS_SOURCES_BILL_SOURCE_H_
#define PURSER_COSTS_SOURCES_BILL_SOURCE_H_

#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "costs/service.h"

namespace purser::costs {

enum class FetchResult {
  kStored,
  kUnchanged,  // what is stored is what was delivered
  kWaiting,    // not delivered yet, or being delivered right now
  kRefused,    // its content is not stored until it changes
  kFailed,     // the next round tries again
};
absl::string_view FetchResultName(FetchResult result);

struct FetchedDelivery {
  std::string name = {};  // of the delivery: its period, as the source calls it
  FetchResult result = FetchResult::kUnchanged;
  std::string detail = {};  // why it waits, was refused or failed; what was set aside
  int64_t rows = 0;         // stored
  absl::Time at = absl::UnixEpoch();
};

// One round at a time.
class BillSource {
 public:
  virtual ~BillSource() = default;
  // Looks at everything the source has and stores what changed. `force` also reads what was refused
  // before and what seems unchanged. A status other than OK: the source cannot be looked at; one
  // delivery's trouble is its own and stops no other.
  virtual absl::StatusOr<std::vector<FetchedDelivery>> Round(bool force, std::stop_token stop) = 0;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_BILL_SOURCE_H_

// One delivery in memory: its files read, its charges summed by what is stored.
#ifndef PURSER_COSTS_DELIVERY_H_
#define PURSER_COSTS_DELIVERY_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/decimal.h"
#include "costs/bill_scan.h"
#include "costs/delivered_sums.h"
#include "costs/quarantine.h"
#include "costs/service.h"

namespace purser::costs {

// Of a delivery's groups while its files are read, see ScanRequest: sorting them takes half as much
// again. At least so much for each thread that few go to a file at once.
inline constexpr size_t kDeliveryGroupBytes = 32 << 20;
inline constexpr size_t kDeliveryGroupBytesOfThread = 2 << 20;

struct Sums {
  base::Decimal billed;
  base::Decimal effective;
  int64_t charges = 0;
  // OUT_OF_RANGE when a sum no longer fits; nothing is added then.
  absl::Status Add(base::Decimal more_billed, base::Decimal more_effective, int64_t more_charges);
};

// The sums of all charges of some files. While files are read, sums beyond `group_bytes` are in
// temporary files. One thread, but for the reading, which uses all cores.
class Delivery {
 public:
  // `extra_columns`: what is kept of a charge's subject beside kSubjectColumns; `today`: see
  // DeliveredDays; `duckdb_library`, `group_bytes`: see ScanRequest; 0: kDeliveryGroupBytes.
  Delivery(const IngestRequest& request, const std::vector<std::string>& extra_columns,
           absl::CivilDay today, std::string duckdb_library, size_t group_bytes = 0);
  Delivery(const Delivery&) = delete;
  Delivery& operator=(const Delivery&) = delete;

  // Reads all files; for a folder those that its manifest names, and as many rows as that counts
  // (see manifest.h). Bad rows go to `quarantine` or end it, as the request says. Fills the counts,
  // the hash, the problems and the quarantined money of `report`, and checks that what was read is
  // what was summed plus what was set aside.
  absl::Status Read(Quarantine& quarantine, IngestReport& report);

  const DeliveredSums& sums() const { return sums_; }

 private:
  std::string Reading() const;
  absl::Status FindFiles(std::vector<std::string>& paths, int64_t* rows) const;
  absl::Status AddBad(const std::string& path, const BadRow& row, Quarantine& quarantine,
                      IngestReport& report);
  absl::Status CheckControlTotals(const ScanResult& scanned) const;

  const IngestRequest& request_;
  const std::string duckdb_library_;
  const size_t group_bytes_;
  const std::string extra_columns_;  // one a line
  DeliveredSums sums_;
  std::map<std::string, Sums> set_aside_;  // by currency
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_DELIVERY_H_

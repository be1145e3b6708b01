// Deliveries of a store, read when they are complete and changed.
//
// A round lists the store, finds the deliveries in it (see delivery_finder.h), and fetches those
// whose version is not the one that was read last into a folder of their own, which is then read as
// one delivery and removed. What is not complete waits; what changes while it is fetched is fetched
// again in the next round: never is half of it stored.
#ifndef PURSER_COSTS_SOURCES_FETCHING_SOURCE_H_
#define PURSER_COSTS_SOURCES_FETCHING_SOURCE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "costs/sources/bill_source.h"
#include "costs/sources/delivery_finder.h"
#include "costs/sources/fetch_log.h"
#include "costs/sources/object_store.h"

namespace purser::costs {

struct FetchingOptions {
  std::string name = {};  // of the source
  FinderOptions finder = {};
  BadRows bad_rows = BadRows::kRefuse;
  std::shared_ptr<const BillFormat> format = {};  // see readers/column_map.h; null: told by columns
  std::string spool_folder = {};                  // made when needed
  // A file that is newer than its manifest belongs to a delivery under way, unless it has not
  // changed for so long that only its copying (a replicated bucket) can have been later.
  absl::Duration settle = absl::Hours(1);
};

class FetchingSource final : public BillSource {
 public:
  // `costs` and `clock` outlive it.
  FetchingSource(FetchingOptions options, std::unique_ptr<ObjectStore> store, CostService& costs,
                 FetchLog log, base::Clock& clock);

  absl::StatusOr<std::vector<FetchedDelivery>> Round(bool force, std::stop_token stop) override;

 private:
  using ByKey = std::map<std::string, const ObjectInfo*>;

  // FAILED_PRECONDITION and ABORTED: it waits.
  absl::StatusOr<IngestReport> Fetch(const FoundDelivery& delivery, const ByKey& objects,
                                     std::stop_token stop);
  absl::StatusOr<IngestReport> FetchInto(const std::string& folder, const FoundDelivery& delivery,
                                         const ByKey& objects, std::stop_token stop);
  // What the manifest names, in its order.
  absl::StatusOr<std::vector<const ObjectInfo*>> FilesOf(const ObjectInfo& manifest,
                                                         const std::string& path,
                                                         const ByKey& objects) const;

  const FetchingOptions options_;
  const std::unique_ptr<ObjectStore> store_;
  CostService& costs_;
  const FetchLog log_;
  base::Clock& clock_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_FETCHING_SOURCE_H_

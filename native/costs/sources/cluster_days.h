// The days of clusters as they were allocated, each an allocation set (see allocation_json.h): a
// table of the store. Prometheus forgets sooner than months end, and months are stored from these.
#ifndef PURSER_COSTS_SOURCES_CLUSTER_DAYS_H_
#define PURSER_COSTS_SOURCES_CLUSTER_DAYS_H_

#include <functional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "store/store.h"

namespace purser::costs {

// Thread-safe, as the database is.
class ClusterDays {
 public:
  // Brings the table up to date. `database` outlives it.
  static absl::StatusOr<ClusterDays> Open(store::Database& database);

  absl::StatusOr<std::set<absl::CivilDay>> Complete(const std::string& source) const;
  absl::Status Keep(const std::string& source, absl::CivilDay day, bool complete,
                    const std::string& allocations);
  // Months with days that were kept, but not stored since.
  absl::StatusOr<std::set<absl::CivilMonth>> MonthsToStore(const std::string& source) const;
  absl::Status MarkStored(const std::string& source, absl::CivilMonth month);
  absl::Status Forget(const std::string& source, absl::CivilDay before);

  // Days from `from` to `to`, in order; of one source or, when it is "", of all. A status of
  // `visit` ends it.
  using Visit = std::function<absl::Status(absl::CivilDay day, absl::string_view allocations)>;
  absl::Status Each(const std::string& source, absl::CivilDay from, absl::CivilDay to,
                    const Visit& visit) const;
  // Whether any day of any source is kept.
  absl::StatusOr<bool> Any() const;

 private:
  explicit ClusterDays(store::Database& database) : database_(&database) {}

  store::Database* database_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_CLUSTER_DAYS_H_

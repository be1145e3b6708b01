// What was read of each source, durably: so that only what changed is read.
#ifndef PURSER_COSTS_SOURCES_FETCH_LOG_H_
#define PURSER_COSTS_SOURCES_FETCH_LOG_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "costs/sources/bill_source.h"
#include "store/store.h"

namespace purser::costs {

// Thread-safe.
class FetchLog {
 public:
  // Brings its table up to date. `database` outlives it.
  static absl::StatusOr<FetchLog> Open(store::Database& database);

  struct Entry {
    std::string version;
    FetchedDelivery delivery;
  };
  // By the delivery's name.
  absl::StatusOr<std::map<std::string, Entry>> Read(const std::string& source) const;
  absl::Status Write(const std::string& source, const Entry& entry) const;

 private:
  explicit FetchLog(store::Database& database) : database_(&database) {}
  store::Database* database_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_FETCH_LOG_H_

// The sources of bills that an operator configured, and when they are looked at.
#ifndef PURSER_COSTS_SOURCES_BILL_SOURCES_H_
#define PURSER_COSTS_SOURCES_BILL_SOURCES_H_

#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/mutex.h"
#include "costs/service.h"
#include "costs/sources/bill_source.h"
#include "http/transport.h"
#include "nlohmann/json_fwd.hpp"
#include "store/store.h"

namespace purser::costs {

inline constexpr absl::Duration kLeastInterval = absl::Minutes(1);
inline constexpr absl::Duration kDefaultInterval = absl::Hours(1);

// What sources work with. All pointers outlive them.
struct SourceDeps {
  CostService* costs = {};
  store::Database* database = {};
  http::Transport* transport = {};
  base::Clock* clock = {};
  std::function<absl::StatusOr<std::string>(absl::string_view reference)> resolve_secret;
  // The folder behind a configured path, or why it may not be read.
  std::function<absl::StatusOr<std::string>(absl::string_view path)> resolve_folder;
  std::string spool_folder = {};
  std::function<void()> on_stored;  // after a round that stored something
  // What went wrong in rounds nobody waits for.
  std::function<void(absl::string_view source, const absl::Status& status)> on_failure;
};

struct SourceState {
  std::string name = {};
  std::string type = {};  // "s3", "http", "folder", "kubernetes", "metrics"
  absl::Duration interval = {};
  std::optional<absl::Time> looked_at = {};  // since the start
  std::string failure = {};                  // of the last round; "" when it went well
  std::vector<FetchedDelivery> deliveries = {};
};

// Thread-safe. Rounds of one source do not overlap, not among processes that share the store
// either.
class BillSources {
 public:
  // `config`: sources by name, as docs/costs-sources.md says. INVALID_ARGUMENT names the place.
  static absl::StatusOr<std::unique_ptr<BillSources>> Open(const nlohmann::json& config,
                                                           SourceDeps deps);
  ~BillSources();

  // Looks at each source now and then whenever it is due, on a thread of its own, until the end of
  // this object.
  void Start();
  std::vector<SourceState> List() const;
  // Sets the gauges of all sources: purser_cost_source_*.
  void Report(base::Metrics& metrics) const;
  // One round now. NOT_FOUND: no such source; ABORTED: another process is at it.
  absl::StatusOr<SourceState> Fetch(absl::string_view name, bool force, std::stop_token stop);

 private:
  struct Source {
    std::unique_ptr<BillSource> source;
    base::Mutex round;  // held while it is looked at
    absl::Time due = absl::InfinitePast();
    SourceState state;
  };

  explicit BillSources(SourceDeps deps) : deps_(std::move(deps)) {}
  void Loop(std::stop_token stop);
  absl::StatusOr<SourceState> Look(Source& source, bool force, std::stop_token stop);

  const SourceDeps deps_;
  mutable base::Mutex mutex_;  // over all `state` and `due`
  std::vector<std::unique_ptr<Source>> sources_;
  std::jthread thread_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_BILL_SOURCES_H_

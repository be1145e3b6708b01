// Who looks at a source of bills: one of the processes that share a store.
//
//   PURSER_ASSIGN_OR_RETURN(const auto lease, SourceLease::Claim(database, clock, "aws-main"));
//   …  // nobody else looks at aws-main until `lease` is gone
#ifndef PURSER_COSTS_SOURCES_SOURCE_LEASE_H_
#define PURSER_COSTS_SOURCES_SOURCE_LEASE_H_

#include <memory>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "store/store.h"

namespace purser::costs {

// How long a source stays with a process that was killed.
inline constexpr absl::Duration kSourceLease = absl::Minutes(2);

// Renewed on a thread of its own as long as it exists. A process that cannot reach the store loses
// it in time; two that look at a source at once read it twice, and store the same.
class SourceLease {
 public:
  static absl::Status Migrate(store::Database& database);
  // ABORTED: another process has it. Both outlive the lease.
  static absl::StatusOr<std::unique_ptr<SourceLease>> Claim(store::Database& database,
                                                            base::Clock& clock,
                                                            const std::string& source);
  // Gives it back.
  ~SourceLease();
  SourceLease(const SourceLease&) = delete;
  SourceLease& operator=(const SourceLease&) = delete;

 private:
  SourceLease(store::Database& database, base::Clock& clock, std::string source);
  // True when it is this object's until then.
  absl::StatusOr<bool> Extend(absl::Duration duration);
  void KeepRenewing(std::stop_token stop);

  store::Database& database_;
  base::Clock& clock_;
  const std::string source_;
  const std::string holder_;
  std::jthread thread_;
};

}  // namespace purser::costs

#endif  // PURSER_COSTS_SOURCES_SOURCE_LEASE_H_

#include "costs/sources/source_lease.h"

#include <optional>
#include <stop_token>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/id.h"
#include "base/rng.h"
#include "base/status.h"

namespace purser::costs {

absl::Status SourceLease::Migrate(store::Database& database) {
  return database.Migrate("cost-source-leases",
                          {{{1, "who looks at a source",
                             "CREATE TABLE cost_source_leases (source TEXT PRIMARY KEY,"
                             " holder TEXT NOT NULL, until BIGINT NOT NULL);"}}});
}

SourceLease::SourceLease(store::Database& database, base::Clock& clock, std::string source)
    : database_(database),
      clock_(clock),
      source_(std::move(source)),
      holder_(base::NewId("", clock, base::Rng::System())) {}

absl::StatusOr<std::unique_ptr<SourceLease>> SourceLease::Claim(store::Database& database,
                                                                base::Clock& clock,
                                                                const std::string& source) {
  std::unique_ptr<SourceLease> lease(new SourceLease(database, clock, source));
  PURSER_ASSIGN_OR_RETURN(const bool mine, lease->Extend(kSourceLease));
  if (!mine) {
    return absl::AbortedError(
        absl::StrCat("bills of ", source, " are being looked at by another process"));
  }
  lease->thread_ =
      std::jthread([held = lease.get()](const std::stop_token& stop) { held->KeepRenewing(stop); });
  return lease;
}

SourceLease::~SourceLease() {
  thread_ = {};
  Extend(absl::ZeroDuration()).IgnoreError();
}

absl::StatusOr<bool> SourceLease::Extend(absl::Duration duration) {
  // The clocks of machines differ; the store's is one.
  PURSER_ASSIGN_OR_RETURN(const std::optional<absl::Time> server_time, database_.ServerTime());
  const absl::Time now = server_time.value_or(clock_.Now());
  bool mine = false;
  PURSER_RETURN_IF_ERROR(database_.Transact([&](store::Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(
        const int64_t changed,
        connection.Execute(
            "INSERT INTO cost_source_leases (source, holder, until) VALUES ($1, $2, $3) "
            "ON CONFLICT (source) DO UPDATE SET holder = excluded.holder, until = excluded.until "
            "WHERE cost_source_leases.holder = excluded.holder OR cost_source_leases.until <= $4",
            {source_, holder_, absl::ToUnixMicros(now + duration), absl::ToUnixMicros(now)}));
    mine = changed == 1;
    return absl::OkStatus();
  }));
  return mine;
}

void SourceLease::KeepRenewing(std::stop_token stop) {
  while (clock_.SleepFor(kSourceLease / 4, stop)) Extend(kSourceLease).IgnoreError();
}

}  // namespace purser::costs

#include "costs/allocation_follower.h"

#include <atomic>
#include <memory>

#include "gtest/gtest.h"
#include "store/store.h"

namespace purser::costs {
namespace {

class CountingService final : public CostService {
 public:
  absl::StatusOr<IngestReport> Ingest(const IngestRequest&) override { return IngestReport(); }
  absl::StatusOr<QueryPage> Query(const QueryRequest&) override { return QueryPage(); }
  absl::StatusOr<EntityCostSummary> EntitySummary(const EntitySummaryRequest&) override {
    return EntityCostSummary();
  }
  absl::StatusOr<int64_t> Reallocate() override {
    if (++calls == 1) return absl::UnavailableError("not yet");
    return 0;
  }
  std::atomic<int> calls = 0;
};

// Waits without a limit of its own: the test's time limit ends it.
void WaitFor(const std::atomic<int>& value, int least, base::FakeClock& clock) {
  while (value < least) {
    clock.Advance(absl::Seconds(10));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST(AllocationFollowerTest, ReallocatesAtStartAfterFailuresAndOnChanges) {
  base::FakeClock clock;
  std::unique_ptr<store::Database> database = *store::OpenSqlite({.path = ":memory:"});
  std::unique_ptr<inventory::Inventory> inventory = *inventory::Inventory::Open(*database, clock);
  CountingService service;
  std::atomic<int> errors = 0;
  {
    AllocationFollower follower(service, *inventory, clock, [&](const absl::Status& status) {
      EXPECT_EQ(status.message(), "allocate costs anew: not yet");
      ++errors;
    });
    WaitFor(service.calls, 2, clock);
    EXPECT_EQ(errors, 1);
    ASSERT_TRUE(database
                    ->Transact([&](store::Connection& connection) {
                      return inventory->PutEntity(
                          connection, {{"apiVersion", "backstage.io/v1alpha1"},
                                       {"kind", "Resource"},
                                       {"metadata", {{"name", "x"}}},
                                       {"spec", {{"type", "bucket"}, {"owner", "group:a"}}}});
                    })
                    .ok());
    inventory->Committed();
    WaitFor(service.calls, 3, clock);
  }
  const int calls = service.calls;
  EXPECT_LE(calls, 4);
}

}  // namespace
}  // namespace purser::costs

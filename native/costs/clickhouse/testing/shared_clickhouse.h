// ClickHouse servers for all tests of a program.
#ifndef PURSER_COSTS_CLICKHOUSE_TESTING_SHARED_CLICKHOUSE_H_
#define PURSER_COSTS_CLICKHOUSE_TESTING_SHARED_CLICKHOUSE_H_

#include <memory>

#include "costs/clickhouse/testing/clickhouse_server.h"
#include "gtest/gtest.h"

namespace purser::costs::testing {

// Two of them, started at the first call and ended with the program's tests; nullptr when the
// machine has none.
inline ClickHouseServers* SharedClickHouse() {
  struct Holder : ::testing::Environment {
    void TearDown() override { servers.reset(); }
    std::unique_ptr<ClickHouseServers> servers;
  };
  // Owned by GoogleTest, as environments are.
  static Holder* const holder = [] {
    auto* made = new Holder();
    absl::StatusOr<std::unique_ptr<ClickHouseServers>> servers = ClickHouseServers::Start(2);
    if (servers.ok()) {
      made->servers = *std::move(servers);
    } else if (!absl::IsNotFound(servers.status())) {
      ADD_FAILURE() << servers.status();
    }
    ::testing::AddGlobalTestEnvironment(made);
    return made;
  }();
  return holder->servers.get();
}

}  // namespace purser::costs::testing

#endif  // PURSER_COSTS_CLICKHOUSE_TESTING_SHARED_CLICKHOUSE_H_

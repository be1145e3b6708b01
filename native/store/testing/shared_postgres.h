// One PostgreSQL server for all tests of a program.
#ifndef PURSER_STORE_TESTING_SHARED_POSTGRES_H_
#define PURSER_STORE_TESTING_SHARED_POSTGRES_H_

#include <memory>

#include "gtest/gtest.h"
#include "store/testing/postgres_server.h"

namespace purser::store {

// Started at the first call and ended with the program's tests; nullptr when the machine has none.
inline PostgresServer* SharedPostgres() {
  struct Holder : ::testing::Environment {
    void TearDown() override { server.reset(); }
    std::unique_ptr<PostgresServer> server;
  };
  // Owned by GoogleTest, as environments are.
  static Holder* const holder = [] {
    auto* made = new Holder();
    absl::StatusOr<std::unique_ptr<PostgresServer>> server = PostgresServer::Start();
    if (server.ok()) {
      made->server = *std::move(server);
    } else if (!absl::IsNotFound(server.status())) {
      ADD_FAILURE() << server.status();
    }
    ::testing::AddGlobalTestEnvironment(made);
    return made;
  }();
  return holder->server.get();
}

}  // namespace purser::store

#endif  // PURSER_STORE_TESTING_SHARED_POSTGRES_H_

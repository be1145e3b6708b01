#include "costs/sources/source_lease.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using ::testing::HasSubstr;

class SourceLeaseTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    testing::CostsOnDatabaseTest::SetUp();
    if (!IsSkipped()) {
      ASSERT_TRUE(SourceLease::Migrate(*database_).ok());
    }
  }
  auto Claim(const std::string& source) { return SourceLease::Claim(*database_, clock_, source); }
};
INSTANTIATE_TEST_SUITE_P(Databases, SourceLeaseTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(SourceLeaseTest, OneHolderAtATime) {
  auto first = Claim("aws");
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = Claim("aws");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another process"));
  EXPECT_TRUE(Claim("azure").ok()) << "another source is nobody's";
  first->reset();
  EXPECT_TRUE(Claim("aws").ok()) << "given back";
}

TEST_P(SourceLeaseTest, TheLeaseOfADeadProcessEnds) {
  // As a process leaves it that was killed.
  const auto leave = [&](absl::Time until) {
    ASSERT_TRUE(database_
                    ->Transact([&](store::Connection& connection) {
                      return connection.ExecuteLater(
                          "INSERT INTO cost_source_leases (source, holder, until) VALUES ('aws', "
                          "'dead', $1) ON CONFLICT (source) DO UPDATE SET holder = "
                          "excluded.holder, until = excluded.until",
                          {absl::ToUnixMicros(until)});
                    })
                    .ok());
  };
  const absl::Time now = (*database_->ServerTime()).value_or(clock_.Now());
  leave(now + absl::Hours(1));
  EXPECT_EQ(Claim("aws").status().code(), absl::StatusCode::kAborted);
  leave(now);
  EXPECT_TRUE(Claim("aws").ok());
}

constexpr char kStore[] = "PURSER_TEST_LEASE_STORE";  // what the other process opens
constexpr char kHolds[] = "aws is mine\n";

// Run by the test below as a process of its own: takes the lease and keeps it until it is killed.
TEST(SourceLeaseProcess, DISABLED_HoldsALease) {
  const char* const url = std::getenv(kStore);
  ASSERT_NE(url, nullptr);
  const auto database = store::OpenPostgres({.url = url});
  ASSERT_TRUE(database.ok()) << database.status();
  const auto lease = SourceLease::Claim(**database, base::Clock::System(), "aws");
  ASSERT_TRUE(lease.ok()) << lease.status();
  ASSERT_GT(write(STDERR_FILENO, kHolds, sizeof kHolds - 1), 0);
  pause();
}

TEST(SourceLeaseProcesses, OneOfTwoHasASourceUntilItsLeaseEnds) {
  store::PostgresServer* const server = store::SharedPostgres();
  if (server == nullptr) GTEST_SKIP() << "SKIP no PostgreSQL on this machine";
  const std::string url = *server->NewDatabase();
  const auto database = store::OpenPostgres({.url = url});
  ASSERT_TRUE(database.ok()) << database.status();
  ASSERT_TRUE(SourceLease::Migrate(**database).ok());
  const auto claim = [&] { return SourceLease::Claim(**database, base::Clock::System(), "aws"); };

  int told[2];
  ASSERT_EQ(pipe(told), 0);
  setenv(kStore, url.c_str(), 1);
  const pid_t other = fork();
  if (other == 0) {
    dup2(told[1], STDERR_FILENO);
    execl("/proc/self/exe", "cost_sources_test", "--gtest_also_run_disabled_tests",
          "--gtest_filter=SourceLeaseProcess.DISABLED_HoldsALease", nullptr);
    _exit(127);
  }
  unsetenv(kStore);
  close(told[1]);
  std::string said;
  char byte;
  while (said.find(kHolds) == std::string::npos && read(told[0], &byte, 1) == 1) said += byte;
  close(told[0]);
  ASSERT_THAT(said, HasSubstr(kHolds));
  EXPECT_EQ(claim().status().code(), absl::StatusCode::kAborted);

  ASSERT_EQ(kill(other, SIGKILL), 0);
  ASSERT_EQ(waitpid(other, nullptr, 0), other);
  EXPECT_EQ(claim().status().code(), absl::StatusCode::kAborted) << "it cannot give it back";
  // Time goes by.
  ASSERT_TRUE((*database)
                  ->Transact([&](store::Connection& connection) {
                    return connection.ExecuteLater(
                        "UPDATE cost_source_leases SET until = until - $1",
                        {absl::ToInt64Microseconds(kSourceLease)});
                  })
                  .ok());
  EXPECT_TRUE(claim().ok());
}

}  // namespace
}  // namespace purser::costs

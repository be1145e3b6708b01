#include "costs/sources/source_lease.h"

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

}  // namespace
}  // namespace purser::costs

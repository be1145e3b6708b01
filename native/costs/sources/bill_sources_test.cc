// Sources as an operator configures them, and when they are looked at.
#include "costs/sources/bill_sources.h"

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "costs/sources/source_lease.h"
#include "costs/testing/cost_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::costs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class BillSourcesTest : public testing::CostsOnDatabaseTest {
 protected:
  void SetUp() override {
    testing::CostsOnDatabaseTest::SetUp();
    std::filesystem::create_directories(folder_ + "/bills/2026-11");
    Write("bills/2026-11/bill.csv", testing::BillOf({{.billed = "1"}}));
  }
  absl::StatusOr<std::unique_ptr<BillSources>> Open(const std::string& config) {
    SourceDeps deps;
    deps.costs = service_.get();
    deps.database = database_.get();
    deps.transport = &transport_;
    deps.clock = &clock_;
    deps.resolve_secret = [](absl::string_view reference) -> absl::StatusOr<std::string> {
      if (reference == "env:PURSER_SECRET_KEY") return "key";
      return absl::NotFoundError(absl::StrCat(reference, " is not set"));
    };
    deps.resolve_folder = [this](absl::string_view path) -> absl::StatusOr<std::string> {
      return absl::StrCat(folder_, "/", path);
    };
    deps.spool_folder = folder_ + "/spool";
    deps.on_stored = [this] {
      std::lock_guard lock(mutex_);
      ++stored_;
      changed_.notify_all();
    };
    deps.on_failure = [this](absl::string_view source, const absl::Status& status) {
      std::lock_guard lock(mutex_);
      failures_.push_back(absl::StrCat(source, ": ", status.message()));
      changed_.notify_all();
    };
    return BillSources::Open(*json::Parse(config), std::move(deps));
  }
  std::string Wrong(const std::string& config) {
    const auto sources = Open(config);
    return sources.ok() ? "it is accepted" : std::string(sources.status().message());
  }

  http::FakeTransport transport_;
  std::mutex mutex_;
  std::condition_variable changed_;
  int stored_ = 0;
  std::vector<std::string> failures_;
};
INSTANTIATE_TEST_SUITE_P(Databases, BillSourcesTest, ::testing::Values("sqlite"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(BillSourcesTest, ConfigurationsAreChecked) {
  EXPECT_THAT(Wrong(R"({"a": {"type": "ftp"}})"),
              HasSubstr("costs.sources.a.type: must be s3, http, folder, kubernetes or metrics"));
  EXPECT_THAT(Wrong(R"({"a": {"type": "s3", "url": "https://b"}})"),
              HasSubstr("costs.sources.a: /accessKeyId"));
  EXPECT_THAT(Wrong(R"({"a": {"type": "s3", "url": "https://b", "accessKeyId": "AKIA",)"
                    R"("secretAccessKey": "env:PURSER_SECRET_KEY"}})"),
              HasSubstr("costs.sources.a.accessKeyId: AKIA is not set"));
  EXPECT_THAT(Wrong(R"({"a": {"type": "folder", "path": "bills", "every": "5s"}})"),
              HasSubstr("costs.sources.a.every: \"5s\" is no time like 30m, at least 1m"));
  EXPECT_THAT(Wrong(R"({"a": {"type": "folder", "path": "bills", "bucket": "b"}})"),
              HasSubstr("bucket"));
  EXPECT_THAT(Wrong(R"({"a": {"type": "folder", "path": "bills", "columns": {"tags": ""}}})"),
              HasSubstr("costs.sources.a.columns: column map: tags"));
  EXPECT_THAT(Wrong(R"({"a": {"type": "kubernetes", "url": "http://p", "step": "7m"}})"),
              HasSubstr("divide an hour"));
  EXPECT_THAT(Wrong(R"({"a": {"type": "metrics", "url": "http://p", "queries":)"
                    R"( [{"metric": "m", "query": "q"}]}})"),
              HasSubstr("an entity or a label"));
  EXPECT_EQ(Wrong("null"), "it is accepted") << "none at all";
}

TEST_P(BillSourcesTest, AreLookedAtWhenTheyAreDue) {
  auto sources = Open(R"({"local": {"type": "folder", "path": "bills", "manifests": false,)"
                      R"("depth": 1, "every": "30m"}, "gone": {"type": "folder", "path": "no"}})");
  ASSERT_TRUE(sources.ok()) << sources.status();
  EXPECT_FALSE((*sources)->List()[1].looked_at.has_value());
  (*sources)->Start();
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stored_ == 1 && failures_.size() == 1; });
    EXPECT_THAT(failures_[0], HasSubstr("gone: "));
  }
  EXPECT_THAT(Query({}), ElementsAre("USD 1 1 1"));
  Write("bills/2026-11/bill.csv", testing::BillOf({{.billed = "2"}}));
  {
    std::unique_lock lock(mutex_);
    // The thread may go to sleep only after the clock moved: then it takes another half hour.
    while (stored_ < 2) {
      clock_.Advance(absl::Minutes(31));
      changed_.wait_for(lock, std::chrono::milliseconds(20));
    }
  }
  EXPECT_THAT(Query({}), ElementsAre("USD 2 2 1"));
}

TEST_P(BillSourcesTest, AreLookedAtWhenSomebodyAsks) {
  auto sources = Open(R"({"local": {"type": "folder", "path": "bills", "manifests": false,)"
                      R"("depth": 1}})");
  ASSERT_TRUE(sources.ok()) << sources.status();
  const auto state = (*sources)->Fetch("local", false, {});
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->type, "folder");
  EXPECT_EQ(state->interval, kDefaultInterval);
  ASSERT_EQ(state->deliveries.size(), 1u);
  EXPECT_EQ(state->deliveries[0].result, FetchResult::kStored);
  EXPECT_EQ((*sources)->Fetch("local", false, {})->deliveries[0].result, FetchResult::kUnchanged);
  EXPECT_EQ(stored_, 1);
  EXPECT_EQ((*sources)->Fetch("other", false, {}).status().code(), absl::StatusCode::kNotFound);
  // As another process does that shares the store.
  auto lease = SourceLease::Claim(*database_, clock_, "local");
  ASSERT_TRUE(lease.ok()) << lease.status();
  EXPECT_EQ((*sources)->Fetch("local", true, {}).status().code(), absl::StatusCode::kAborted);
  lease->reset();
  EXPECT_TRUE((*sources)->Fetch("local", false, {}).ok());
}

TEST_P(BillSourcesTest, TellTheirStateAsMetrics) {
  auto sources = Open(R"({"local": {"type": "folder", "path": "bills", "manifests": false,)"
                      R"("depth": 1}, "gone": {"type": "folder", "path": "no"}})");
  ASSERT_TRUE(sources.ok()) << sources.status();
  base::Metrics metrics;
  (*sources)->Report(metrics);
  EXPECT_THAT(metrics.Text(), HasSubstr("purser_cost_source_age_seconds{source=\"gone\"} -1\n"));
  Write("bills/2026-11/bill.csv", "no,bill\n1,2\n");
  EXPECT_TRUE((*sources)->Fetch("local", false, {}).ok());
  EXPECT_FALSE((*sources)->Fetch("gone", false, {}).ok());
  clock_.Advance(absl::Seconds(90));
  (*sources)->Report(metrics);
  for (const char* const line :
       {"purser_cost_source_age_seconds{source=\"local\"} 90\n",
        "purser_cost_source_failing{source=\"gone\"} 1\n",
        "purser_cost_source_failing{source=\"local\"} 0\n",
        "purser_cost_source_deliveries{source=\"local\",result=\"refused\"} 1\n",
        "purser_cost_source_deliveries{source=\"local\",result=\"stored\"} 0\n"}) {
    EXPECT_THAT(metrics.Text(), HasSubstr(line));
  }
}

}  // namespace
}  // namespace purser::costs

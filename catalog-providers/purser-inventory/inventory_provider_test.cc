#include "catalog-providers/purser-inventory/inventory_provider.h"

#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;
using provider::DeltaChunk;

class Context final : public provider::Context {
 public:
  explicit Context(std::stop_token stop = {}) : stop_(std::move(stop)) {}
  const json& config() const override { return config_; }
  std::stop_token stop() const override { return stop_; }
  http::Transport& transport() override { std::abort(); }  // the inventory is no remote source
  void Log(action::LogLevel, absl::string_view) override {}
  absl::Status EmitIn(absl::string_view, const json&) override {
    return absl::InternalError("deltas only");
  }
  void KeepPartition(absl::string_view, const absl::Status&) override {}

 private:
  json config_ = json::object();
  std::stop_token stop_;
};

class InventoryProviderTest : public testing::Test {
 protected:
  void Put(int from, int to) {
    ASSERT_TRUE(database_
                    ->Transact([&](store::Connection& connection) {
                      absl::Status status;
                      for (int i = from; i < to && status.ok(); ++i) {
                        status = inventory_->PutEntity(
                            connection, {{"apiVersion", "backstage.io/v1alpha1"},
                                         {"kind", "Resource"},
                                         {"metadata", {{"name", absl::StrCat("r", i)}}},
                                         {"spec", {{"type", "x"}, {"owner", "group:default/a"}}}});
                      }
                      return status;
                    })
                    .ok());
    inventory_->Committed();
  }

  std::unique_ptr<store::Database> database_ = *store::OpenSqlite({":memory:"});
  std::unique_ptr<inventory::Inventory> inventory_ =
      *inventory::Inventory::Open(*database_, base::Clock::System());
  InventoryProvider provider_{*inventory_};
};

TEST_F(InventoryProviderTest, GivesEverythingInChunksAndThenOnlyNews) {
  Put(0, 2500);
  Context context;
  std::vector<size_t> sizes;
  std::string position;
  const auto take = [&](const DeltaChunk& chunk) {
    sizes.push_back(chunk.delta.upserts.size());
    position = chunk.position;
    return absl::OkStatus();
  };
  ASSERT_TRUE(provider_.Deltas(context, "", false, take).ok());
  EXPECT_THAT(sizes, testing::ElementsAre(1000, 1000, 500));
  sizes.clear();
  ASSERT_TRUE(provider_.Deltas(context, position, false, take).ok());
  EXPECT_THAT(sizes, testing::IsEmpty());
  Put(2500, 2501);
  ASSERT_TRUE(provider_.Deltas(context, position, false, take).ok());
  EXPECT_THAT(sizes, testing::ElementsAre(1));
}

TEST_F(InventoryProviderTest, FollowsUntilStopped) {
  std::stop_source stop;
  Context context(stop.get_token());
  std::thread writer([&] { Put(0, 1); });
  size_t seen = 0;
  const absl::Status status = provider_.Deltas(context, "", true, [&](const DeltaChunk& chunk) {
    seen += chunk.delta.upserts.size();
    if (seen == 1) stop.request_stop();
    return absl::OkStatus();
  });
  writer.join();
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(seen, 1u);
}

TEST_F(InventoryProviderTest, AnErrorOfTheReceiverEndsIt) {
  Put(0, 1);
  Context context;
  const absl::Status status = provider_.Deltas(
      context, "", true, [](const DeltaChunk&) { return absl::UnavailableError("gone"); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace purser::catalog_providers

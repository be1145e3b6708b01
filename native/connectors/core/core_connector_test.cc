#include "connectors/core/core_connector.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::connectors {
namespace {

using nlohmann::json;

class Context final : public CallContext {
 public:
  const std::string& effect_key() const override { return key_; }
  std::stop_token stop() const override { return {}; }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void Log(action::LogLevel, absl::string_view) override {}
  absl::StatusOr<std::string> ResolveSecret(absl::string_view) override {
    return absl::NotFoundError("none");
  }

 private:
  std::string key_ = "run/step/1";
};

TEST(CoreConnector, NoopGivesItsInputBack) {
  base::FakeClock clock;
  CoreConnector connector("core", clock);
  Context context;
  const auto result = connector.Call("noop", {{"a", 1}}, context);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs, json({{"a", 1}}));
}

TEST(CoreConnector, WaitIsReadyWhenTheTimeHasCome) {
  base::FakeClock clock;
  CoreConnector connector("core", clock);
  Context context;
  const json input = {{"seconds", 90}};
  auto result = connector.Call("wait", input, context);
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->ready);
  EXPECT_EQ(result->poll_after, absl::Seconds(90));
  EXPECT_EQ(result->outputs["until"], "2023-11-14T22:14:50Z");
  clock.Advance(absl::Seconds(60));
  result = connector.Observe("wait", input, *result, context);
  ASSERT_TRUE(result.ok());
  EXPECT_FALSE(result->ready);
  EXPECT_EQ(result->poll_after, absl::Seconds(30));
  clock.Advance(absl::Seconds(30));
  result = connector.Observe("wait", input, *result, context);
  ASSERT_TRUE(result.ok());
  EXPECT_TRUE(result->ready);
}

}  // namespace
}  // namespace purser::connectors

#include "provider/provider.h"

#include <cstdlib>
#include <memory>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::provider {
namespace {

class NamedProvider final : public Provider {
 public:
  explicit NamedProvider(std::string id) {
    description_.id = std::move(id);
    description_.host = action::Host::kPortal;
    description_.config_schema = {{"type", "object"}};
  }
  const Description& description() const override { return description_; }

 private:
  Description description_;
};

class EmptyContext final : public Context {
 public:
  const nlohmann::json& config() const override { return config_; }
  std::stop_token stop() const override { return {}; }
  http::Transport& transport() override { std::abort(); }  // nothing here asks
  void Log(action::LogLevel, absl::string_view) override {}
  absl::Status EmitIn(absl::string_view, const nlohmann::json&) override {
    return absl::OkStatus();
  }
  void KeepPartition(absl::string_view, const absl::Status&) override {}

 private:
  nlohmann::json config_;
};

TEST(ProviderRegistry, FindsListsAndRefusesDuplicates) {
  Registry registry;
  ASSERT_TRUE(registry.Add(std::make_unique<NamedProvider>("b")).ok());
  ASSERT_TRUE(registry.Add(std::make_unique<NamedProvider>("a")).ok());
  EXPECT_THAT(std::string(registry.Add(std::make_unique<NamedProvider>("a")).message()),
              testing::HasSubstr("a is registered twice"));
  EXPECT_NE(registry.Find("a"), nullptr);
  EXPECT_EQ(registry.Find("c"), nullptr);
  ASSERT_EQ(registry.List().size(), 2u);
  EXPECT_EQ(registry.List()[0]->id, "a");
}

TEST(Provider, SaysWhichWayItDoesNotOffer) {
  NamedProvider provider("a");
  EmptyContext context;
  EXPECT_EQ(provider.Snapshot(context).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(provider.Watch(context).code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(context.BeginSnapshot("").code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(context.Secret("env:X").status().code(), absl::StatusCode::kUnimplemented);
}

TEST(ProviderToJson, HasWhatTypeScriptRegisters) {
  const nlohmann::json json = ToJson(NamedProvider("a").description());
  EXPECT_EQ(json["id"], "a");
  EXPECT_EQ(json["host"], "portal");
  EXPECT_EQ(json["hasDeltas"], false);
  EXPECT_EQ(json["configSchema"]["type"], "object");
}

}  // namespace
}  // namespace purser::provider

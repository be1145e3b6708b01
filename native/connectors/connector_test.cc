#include "connectors/connector.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;

class Plain final : public Connector {
 public:
  const std::string& name() const override { return name_; }
  const std::vector<Operation>& operations() const override { return operations_; }
  absl::StatusOr<CallResult> Call(absl::string_view, const nlohmann::json&, CallContext&) override {
    return CallResult();
  }

 private:
  const std::string name_ = "plain";
  const std::vector<Operation> operations_ = {{"write", "", CallClass::kPut, {}, {}, "remove"},
                                              {"remove", "", CallClass::kPut, {}, {}, ""}};
};

class Context final : public CallContext {
 public:
  const std::string& effect_key() const override { return key_; }
  std::stop_token stop() const override { return {}; }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void Log(action::LogLevel, absl::string_view) override {}
  absl::StatusOr<std::string> ResolveSecret(absl::string_view) override { return ""; }

 private:
  const std::string key_ = "run/step/1";
};

TEST(ConnectorTest, ResolveNamesWhatThereIs) {
  Connectors connectors;
  connectors["store"] = std::make_unique<Plain>();
  const auto found = Resolve(connectors, "store/remove");
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->operation->name, "remove");
  EXPECT_EQ(Resolve(connectors, "store").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(Resolve(connectors, "other/x").status().message()),
              HasSubstr("configured are: store"));
  EXPECT_THAT(std::string(Resolve(connectors, "store/x").status().message()),
              HasSubstr("it has: write, remove"));
}

TEST(ConnectorTest, DefaultsSayWhatIsMissing) {
  Plain connector;
  Context context;
  EXPECT_EQ(connector.Probe("write", {}, context).status().code(),
            absl::StatusCode::kUnimplemented);
  CallResult previous;
  EXPECT_TRUE(connector.Observe("write", {}, previous, context)->ready);
  previous.ready = false;
  EXPECT_EQ(connector.Observe("write", {}, previous, context).status().code(),
            absl::StatusCode::kUnimplemented);
  EXPECT_EQ(connector.Compare("write", {}, previous, context).status().code(),
            absl::StatusCode::kUnimplemented);
  // Who cannot look believes what is told.
  const auto imported = connector.Import("write", {}, {{"id", "x"}}, context);
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_TRUE(imported->ready);
  EXPECT_EQ(imported->outputs["id"], "x");
}

}  // namespace
}  // namespace purser::connectors

#include "action/action.h"

#include <memory>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::action {
namespace {

class NamedAction final : public Action {
 public:
  NamedAction(std::string id, int examples) {
    description_.id = std::move(id);
    description_.description = "for tests";
    description_.host = Host::kSidecar;
    description_.input_schema = {{"type", "object"}};
    description_.output_schema = {{"type", "object"}};
    for (int i = 0; i < examples; ++i) description_.examples.push_back({"one", "steps: []"});
  }
  const Description& description() const override { return description_; }
  absl::Status Run(Context&) override { return absl::OkStatus(); }

 private:
  Description description_;
};

TEST(ActionRegistry, FindsAndListsById) {
  Registry registry;
  ASSERT_TRUE(registry.Add(std::make_unique<NamedAction>("purser:b", 3)).ok());
  ASSERT_TRUE(registry.Add(std::make_unique<NamedAction>("purser:a", 3)).ok());
  EXPECT_NE(registry.Find("purser:a"), nullptr);
  EXPECT_EQ(registry.Find("purser:c"), nullptr);
  ASSERT_EQ(registry.List().size(), 2u);
  EXPECT_EQ(registry.List()[0]->id, "purser:a");
}

TEST(ActionRegistry, RefusesDuplicatesAndTooFewExamples) {
  Registry registry;
  ASSERT_TRUE(registry.Add(std::make_unique<NamedAction>("purser:a", 3)).ok());
  const absl::Status twice = registry.Add(std::make_unique<NamedAction>("purser:a", 3));
  EXPECT_EQ(twice.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(twice.message()), testing::HasSubstr("purser:a is registered twice"));
  const absl::Status few = registry.Add(std::make_unique<NamedAction>("purser:x", 2));
  EXPECT_THAT(std::string(few.message()), testing::HasSubstr("has 2 examples"));
  EXPECT_EQ(registry.Find("purser:x"), nullptr);
}

TEST(ActionToJson, HasWhatTypeScriptRegisters) {
  const NamedAction action("purser:a", 3);
  const nlohmann::json json = ToJson(action.description());
  EXPECT_EQ(json["host"], "sidecar");
  EXPECT_EQ(json["schema"]["input"]["type"], "object");
  EXPECT_EQ(json["examples"].size(), 3u);
  EXPECT_EQ(json["examples"][0]["example"], "steps: []");
  EXPECT_EQ(json["supportsDryRun"], false);
}

}  // namespace
}  // namespace purser::action

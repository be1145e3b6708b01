#include "scaffolder-actions/hcl-edit/hcl_edit_action.h"

#include "gmock/gmock.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class HclEditActionTest : public FileActionTest {
 protected:
  HclEditAction action_;
};

TEST_F(HclEditActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<HclEditAction>()).ok());
}

TEST_F(HclEditActionTest, EditsInPlaceAndOnlyOnce) {
  Put("main.tf", "# m\nmodule \"n\" {\n  source = \"x?ref=1\" # pinned\n}\n");
  const json input = {
      {"path", "main.tf"},
      {"operations",
       {{{"op", "set"}, {"block", "module.n"}, {"name", "source"}, {"value", "x?ref=2"}},
        {{"op", "set"}, {"block", {"module", "n"}}, {"name", "env"}, {"expression", "var.env"}},
        {{"op", "addBlock"},
         {"name", "variable"},
         {"labels", {"env"}},
         {"body", {{"type", {{"$expression", "string"}}}}}}}}};
  const absl::Status status = Perform(action_, input);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(Get("main.tf"),
            "# m\nmodule \"n\" {\n  source = \"x?ref=2\" # pinned\n  env    = var.env\n}\n\n"
            "variable \"env\" {\n  type = string\n}\n");
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(context_.outputs["changed"], false);
}

TEST_F(HclEditActionTest, ErrorsLeaveTheFile) {
  Put("main.tf", "a = 1\n");
  EXPECT_THAT(Perform(action_, {{"path", "main.tf"},
                                {"operations",
                                 {{{"op", "set"}, {"name", "a"}, {"value", 2}},
                                  {{"op", "set"}, {"block", "x"}, {"name", "a"}, {"value", 2}}}}})
                  .message(),
              HasSubstr("main.tf: operation 1 (a): there is no block x"));
  EXPECT_EQ(Get("main.tf"), "a = 1\n");
  EXPECT_THAT(
      Perform(action_, {{"path", "main.tf"}, {"operations", {{{"op", "set"}, {"name", "a"}}}}})
          .message(),
      HasSubstr("/operations/0/value"));
  EXPECT_EQ(Perform(action_, {{"path", "b.tf"},
                              {"operations", {{{"op", "set"}, {"name", "a"}, {"value", 1}}}}})
                .code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace purser::actions

#include "scaffolder-actions/kustomization/kustomization_action.h"

#include "gmock/gmock.h"
#include "scaffolder-actions/fake_context.h"

namespace purser::actions {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class KustomizationActionTest : public FileActionTest {
 protected:
  KustomizationAction action_;
};

TEST_F(KustomizationActionTest, DescribesItself) {
  action::Registry registry;
  EXPECT_TRUE(registry.Add(std::make_unique<KustomizationAction>()).ok());
}

TEST_F(KustomizationActionTest, MakesAndSortsAndNeverDoubles) {
  ASSERT_TRUE(Perform(action_, {{"path", "k"}, {"resources", {"b.yaml", "d.yaml"}}}).ok());
  EXPECT_EQ(Get("k/kustomization.yaml"),
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
            "  - b.yaml\n  - d.yaml\n");
  Put("k/kustomization.yaml",
      "# ours\nkind: Kustomization\nresources:\n# the base\n- ../base # first\n- b.yaml\n- d.yaml\n"
      "namePrefix: x-\n");
  const json input = {{"path", "k"}, {"resources", {"c.yaml", "./b.yaml", "e.yaml"}}};
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(Get("k/kustomization.yaml"),
            "# ours\nkind: Kustomization\nresources:\n# the base\n- ../base # first\n- b.yaml\n"
            "- c.yaml\n- d.yaml\n- e.yaml\nnamePrefix: x-\n");
  EXPECT_EQ(context_.outputs["added"], (json{"c.yaml", "e.yaml"}));
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(context_.outputs["changed"], false);
  EXPECT_EQ(context_.outputs["added"], json::array());
}

TEST_F(KustomizationActionTest, UnsortedListsKeepTheirOrder) {
  Put("kustomization.yml", "resources: [z, a]\n");
  ASSERT_TRUE(Perform(action_, {{"resources", {"m"}}}).ok());
  EXPECT_EQ(Get("kustomization.yml"), "resources: [z, a, m]\n");
}

TEST_F(KustomizationActionTest, EachTenantHasAFileOfItsOwn) {
  const json input = {{"path", "tenants"},
                      {"tenant", "orders"},
                      {"namespace", "orders"},
                      {"resources", {"namespace.yaml", "claim.yaml"}}};
  ASSERT_TRUE(Perform(action_, input).ok());
  // Nothing above has to know.
  EXPECT_THAT(Files(),
              ElementsAre("tenants/", "tenants/orders/", "tenants/orders/kustomization.yaml"));
  EXPECT_EQ(Get("tenants/orders/kustomization.yaml"),
            "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n"
            "namespace: orders\nresources:\n  - claim.yaml\n  - namespace.yaml\n");
  EXPECT_EQ(context_.outputs["kustomization"], "tenants/orders/kustomization.yaml");
  // With a list above, the tenant is in it, in order.
  Put("tenants/kustomization.yaml", "resources:\n- accounts\n- stock\n");
  ASSERT_TRUE(Perform(action_, input).ok());
  EXPECT_EQ(Get("tenants/kustomization.yaml"), "resources:\n- accounts\n- orders\n- stock\n");
}

TEST_F(KustomizationActionTest, RefusesOtherFiles) {
  Put("kustomization.yaml", "kind: Deployment\n");
  EXPECT_THAT(Perform(action_, {{"resources", {"a"}}}).message(),
              HasSubstr("kustomization.yaml: is no kustomization but of kind Deployment"));
  Put("kustomization.yaml", "resources: a\n");
  EXPECT_THAT(Perform(action_, {{"resources", {"a"}}}).message(), HasSubstr("is not a list"));
  EXPECT_THAT(Perform(action_, {{"resources", {"/etc/passwd"}}}).message(),
              HasSubstr("/resources/0"));
  EXPECT_THAT(Perform(action_, {{"tenant", "../x"}, {"resources", {"a"}}}).message(),
              HasSubstr("/tenant"));
  EXPECT_FALSE(Perform(action_, {{"path", "../x"}, {"resources", {"a"}}}).ok());
}

}  // namespace
}  // namespace purser::actions

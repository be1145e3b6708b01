#include "connectors/network-policy/network_policy_connector.h"

#include "connectors/kubernetes/typed_testing.h"
#include "gmock/gmock.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

class NetworkPolicyConnectorTest : public TypedConnectorTest<NetworkPolicyConnector> {
 protected:
  NetworkPolicyConnectorTest() : TypedConnectorTest("network-policy") {
    cluster_->AddKind("projectcalico.org/v3", "NetworkPolicy", true);
    cluster_->AddKind("projectcalico.org/v3", "GlobalNetworkPolicy", false);
    cluster_->AddKind("crd.projectcalico.org/v1", "GlobalNetworkPolicy", false);
  }
};

TEST_F(NetworkPolicyConnectorTest, IsolationLetsInWhatIsNamed) {
  const auto result = Call("isolate", R"({"namespace":"team-a","name":"isolation",
      "allowFromNamespaces":["istio-system"],"allowToNetworks":["203.0.113.0/24"]})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  const Json spec = Get("networking.k8s.io/v1", "NetworkPolicy", "team-a", "isolation")["spec"];
  EXPECT_EQ(spec["policyTypes"], Json({"Ingress", "Egress"}));
  ASSERT_EQ(spec["ingress"][0]["from"].size(), 2);
  EXPECT_EQ(spec["ingress"][0]["from"][1]["namespaceSelector"]["matchLabels"]
                ["kubernetes.io/metadata.name"],
            "istio-system");
  ASSERT_EQ(spec["egress"].size(), 3);
  EXPECT_EQ(spec["egress"][1]["ports"][0]["port"], 53);
  EXPECT_EQ(spec["egress"][2]["to"][0]["ipBlock"]["cidr"], "203.0.113.0/24");
}

TEST_F(NetworkPolicyConnectorTest, AnEmptyListLetsNobodyIn) {
  ASSERT_TRUE(Call("policy", R"({"name":"deny","ingress":[]})").ok());
  const Json spec = Get("networking.k8s.io/v1", "NetworkPolicy", "default", "deny")["spec"];
  EXPECT_EQ(spec["policyTypes"], Json({"Ingress"}));
  EXPECT_EQ(spec["ingress"], Json::array());
  EXPECT_FALSE(spec.contains("egress"));
}

TEST_F(NetworkPolicyConnectorTest, CalicosPolicies) {
  ASSERT_TRUE(Call("calico-policy", R"({"namespace":"team-a","name":"p","order":10,
      "selector":"app == 'shop'","types":["Ingress"],"ingress":[{"action":"Allow"}]})")
                  .ok());
  auto result = Call("calico-global-policy", R"json({"name":"deny","selector":"all()"})json");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["name"], "deny");
  // Without Calico's API server the tier stands in the name.
  result =
      Call("calico-global-policy",
           R"json({"apiVersion":"crd.projectcalico.org/v1","name":"deny","selector":"all()"})json");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->outputs["name"], "default.deny");
}

}  // namespace
}  // namespace purser::connectors

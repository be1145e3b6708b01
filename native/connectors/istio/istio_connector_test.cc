#include "connectors/istio/istio_connector.h"

#include "connectors/kubernetes/typed_testing.h"
#include "gmock/gmock.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

class IstioConnectorTest : public TypedConnectorTest<IstioConnector> {
 protected:
  IstioConnectorTest() : TypedConnectorTest("istio") {
    for (const char* kind : {"VirtualService", "Gateway", "DestinationRule"}) {
      cluster_->AddKind("networking.istio.io/v1", kind, true);
    }
    for (const char* kind :
         {"PeerAuthentication", "AuthorizationPolicy", "RequestAuthentication"}) {
      cluster_->AddKind("security.istio.io/v1", kind, true);
    }
  }
  Json Spec(const char* kind) {
    const bool security = std::string(kind) != "VirtualService" && std::string(kind) != "Gateway";
    return Get(security ? "security.istio.io/v1" : "networking.istio.io/v1", kind, "default",
               "shop")["spec"];
  }
};

TEST_F(IstioConnectorTest, RoutesAndGateways) {
  const auto result = Call("virtual-service", R"({"name":"shop","hosts":["shop.example.com"],
      "gateways":["shop"],"routes":[{"prefix":"/api","service":"api","port":8080,"timeout":"5s"},
      {"service":"shop","subset":"v2","weight":100}]})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(Spec("VirtualService")["http"], *json::Parse(R"([
      {"match":[{"uri":{"prefix":"/api"}}],"timeout":"5s",
       "route":[{"destination":{"host":"api","port":{"number":8080}}}]},
      {"route":[{"destination":{"host":"shop","subset":"v2"},"weight":100}]}])"));
  ASSERT_TRUE(Call("gateway", R"({"name":"shop","hosts":["shop.example.com"],
      "tls":{"credentialName":"shop-tls"}})")
                  .ok());
  const Json servers = Spec("Gateway")["servers"];
  ASSERT_EQ(servers.size(), 2);
  EXPECT_EQ(servers[0]["port"]["number"], 443);
  EXPECT_EQ(servers[0]["tls"]["mode"], "SIMPLE");
  EXPECT_EQ(servers[1]["tls"]["httpsRedirect"], true);
}

TEST_F(IstioConnectorTest, WhoMayCallWhom) {
  ASSERT_TRUE(Call("peer-authentication", R"({"name":"shop"})").ok());
  EXPECT_EQ(Spec("PeerAuthentication")["mtls"]["mode"], "STRICT");
  ASSERT_TRUE(Call("authorization-policy", R"({"name":"shop","fromNamespaces":["web"],
      "fromPrincipals":["cluster.local/ns/x/sa/y"],"selector":{"app":"shop"}})")
                  .ok());
  // Either way in is enough.
  EXPECT_EQ(Spec("AuthorizationPolicy")["rules"][0]["from"].size(), 2);
  ASSERT_TRUE(Call("request-authentication", R"({"name":"shop","issuer":"https://id.example.com",
      "jwksUri":"https://id.example.com/keys","audiences":["shop"]})")
                  .ok());
  EXPECT_EQ(Spec("RequestAuthentication")["jwtRules"][0]["issuer"], "https://id.example.com");
  EXPECT_EQ(Call("peer-authentication", R"({"name":"shop","mode":"LOOSE"})").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(IstioConnectorTest, WhatIstioFindsWrongFailsTheStep) {
  const char* input = R"({"name":"shop","hosts":["shop"],"routes":[{"service":"none"}]})";
  ASSERT_TRUE(Call("virtual-service", input).ok());
  ASSERT_TRUE(cluster_
                  ->PatchStatus({"networking.istio.io/v1", "VirtualService", "default", "shop"},
                                *json::Parse(R"({"validationMessages":[{"level":"ERROR",
                                    "type":{"code":"IST0101"}}]})"))
                  .ok());
  const auto failed = Call("virtual-service", input);
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("IST0101"));
}

}  // namespace
}  // namespace purser::connectors

#include "catalog-providers/istio/istio_provider.h"

#include "absl/strings/match.h"
#include "catalog-providers/cluster_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

Json Parsed(const char* text) { return *json::Parse(text); }

TEST(IstioProviderTest, HostsBecomeApis) {
  connectors::FakeApiServer server;
  server.AddKind("networking.istio.io/v1", "VirtualService", "virtualservices", true);
  server.AddKind("networking.istio.io/v1", "Gateway", "gateways", true);
  const Json routes = Parsed(R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService",
      "metadata":{"name":"shop","namespace":"web","labels":{"backstage.io/owner":"team-a"}},
      "spec":{"hosts":["shop.example.org","*","shop.web.svc.cluster.local"],
        "gateways":["mesh","public/edge"],
        "http":[{"name":"v2","match":[{"uri":{"prefix":"/v2"}}],
                 "route":[{"destination":{"host":"shop-v2","port":{"number":80},"subset":"b"},
                           "weight":10}]}]}})");
  server.Put(routes);
  server.Put(Parsed(R"({"apiVersion":"networking.istio.io/v1","kind":"Gateway",
      "metadata":{"name":"edge","namespace":"public"},
      "spec":{"servers":[{"hosts":["*.example.org"],"port":{"number":443,"protocol":"HTTPS"},
        "tls":{"credentialName":"hidden"}},{"hosts":["*.example.org"]}]}})"));
  IstioProvider provider;
  ClusterRun run(provider, server);
  ASSERT_TRUE(run.WaitForEvent("complete "));
  const Json api = run.Entity("api:default/shop.example.org.host.web.c1");
  ASSERT_FALSE(api.is_discarded());
  EXPECT_EQ(api["metadata"]["title"], "shop.example.org");
  EXPECT_EQ(api["metadata"]["links"][0]["url"], "https://shop.example.org");
  EXPECT_EQ(api["spec"]["owner"], "team-a");
  EXPECT_EQ(api["spec"]["type"], "http");
  const std::string definition = api["spec"]["definition"];
  EXPECT_THAT(definition, HasSubstr("prefix: /v2"));
  EXPECT_THAT(definition, HasSubstr("host: shop-v2"));
  const Json gateway = run.Entity("resource:default/edge.gateway.public.c1");
  EXPECT_EQ(gateway["metadata"]["annotations"]["purser.dev/istio-hosts"], "*.example.org");
  EXPECT_EQ(gateway["metadata"]["annotations"]["purser.dev/istio-ports"], "HTTPS:443");
  {
    base::MutexLock lock(run.context->mutex);
    EXPECT_EQ(run.context->entities.size(), 3u);
  }
  // A host that is no longer routed goes; one that another VirtualService has stays.
  Json other = routes;
  other["metadata"]["name"] = "zz-second";
  other["spec"]["hosts"] = {"shop.example.org"};
  server.Put(other);
  Json fewer = routes;
  fewer["spec"]["hosts"] = {"new.example.org"};
  server.Put(fewer);
  ASSERT_TRUE(run.WaitForEntity("api:default/new.example.org.host.web.c1"));
  ASSERT_TRUE(run.WaitForRemoval("api:default/shop.web.svc.cluster.local.host.web.c1"));
  EXPECT_TRUE(run.WaitFor([](provider::FakeContext& told) {
    const Json& shop = told.entities.at("api:default/shop.example.org.host.web.c1");
    return absl::StrContains(shop.dump(), "zz-second");
  }));
}

}  // namespace
}  // namespace purser::catalog_providers

#include "catalog-providers/cert-manager/cert_manager_provider.h"

#include "catalog-providers/cluster_testing.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

Json Parsed(const char* text) { return *json::Parse(text); }

TEST(CertManagerProviderTest, CertificatesHaveAnExpiry) {
  connectors::FakeApiServer server;
  server.AddKind("cert-manager.io/v1", "Certificate", "certificates", true);
  server.AddKind("cert-manager.io/v1", "Issuer", "issuers", true);
  server.AddKind("cert-manager.io/v1", "ClusterIssuer", "clusterissuers", false);
  Json site = Parsed(R"({"apiVersion":"cert-manager.io/v1","kind":"Certificate",
      "metadata":{"name":"site","namespace":"web","generation":1},
      "spec":{"secretName":"hidden","commonName":"example.org",
        "dnsNames":["example.org","www.example.org"],
        "issuerRef":{"name":"public","kind":"ClusterIssuer"}},
      "status":{"notAfter":"2027-01-01T00:00:00Z","renewalTime":"2026-12-01T00:00:00Z",
        "conditions":[{"type":"Ready","status":"True","observedGeneration":1}]}})");
  server.Put(site);
  server.Put(Parsed(R"({"apiVersion":"cert-manager.io/v1","kind":"ClusterIssuer",
      "metadata":{"name":"public"},
      "spec":{"acme":{"server":"https://acme.example.org","privateKeySecretRef":{"name":"hidden"}}}})"));
  CertManagerProvider provider;
  ClusterRun run(provider, server);
  ASSERT_TRUE(run.WaitForEvent("complete "));
  const std::string ref = "resource:default/site.certificate.web.c1";
  const Json certificate = run.Entity(ref);
  const Json& annotations = certificate["metadata"]["annotations"];
  EXPECT_EQ(annotations["purser.dev/expires-at"], "2027-01-01T00:00:00Z");
  EXPECT_EQ(annotations["purser.dev/renews-at"], "2026-12-01T00:00:00Z");
  EXPECT_EQ(annotations["purser.dev/certificate-names"], "example.org,www.example.org");
  EXPECT_EQ(annotations["purser.dev/health"], "ready");
  EXPECT_EQ(certificate["spec"]["dependsOn"],
            Json::array({"resource:default/public.clusterissuer.c1"}));
  EXPECT_EQ(run.Entity("resource:default/public.clusterissuer.c1")["metadata"]["annotations"]
                                                                  ["purser.dev/issuer-type"],
            "acme");
  EXPECT_EQ(certificate.dump().find("hidden"), std::string::npos);
  // A clock that is wrong somewhere changes nothing: times are shown as the cluster says them.
  site["status"]["notAfter"] = "1999-01-01T00:00:00Z";
  server.Put(site);
  ASSERT_TRUE(run.WaitFor([&ref](provider::FakeContext& told) {
    return told.entities[ref]["metadata"]["annotations"]["purser.dev/expires-at"] ==
           "1999-01-01T00:00:00Z";
  }));
}

}  // namespace
}  // namespace purser::catalog_providers

#include "connectors/cert-manager/cert_manager_connector.h"

#include "connectors/kubernetes/typed_testing.h"
#include "gmock/gmock.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

constexpr char kGroup[] = "cert-manager.io/v1";

class CertManagerConnectorTest : public TypedConnectorTest<CertManagerConnector> {
 protected:
  CertManagerConnectorTest() : TypedConnectorTest("cert-manager") {
    cluster_->AddKind(kGroup, "Certificate", true);
    cluster_->AddKind(kGroup, "Issuer", true);
    cluster_->AddKind(kGroup, "ClusterIssuer", false);
  }
  void Issue(int revision) {
    ASSERT_TRUE(
        cluster_
            ->PatchStatus(certificate_,
                          {{"notAfter", "2027-01-01T00:00:00Z"},
                           {"revision", revision},
                           {"conditions", Json::array({{{"type", "Ready"}, {"status", "True"}}})}})
            .ok());
  }
  static constexpr char kCertificate[] = R"({"namespace":"team-a","name":"shop",
      "dnsNames":["shop.example.com"],"issuer":{"name":"ca","kind":"ClusterIssuer"}})";
  const ObjectRef certificate_{kGroup, "Certificate", "team-a", "shop"};
};

TEST_F(CertManagerConnectorTest, ACertificateAndItsExpiry) {
  auto result = Call("certificate", kCertificate);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  ASSERT_TRUE(cluster_
                  ->PatchStatus(certificate_, *json::Parse(R"({"conditions":[
      {"type":"Ready","status":"False","reason":"DoesNotExist","message":"no secret"},
      {"type":"Issuing","status":"False","reason":"Failed","message":"the order is invalid"}]})"))
                  .ok());
  result = Observe(*result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_THAT(result->progress, HasSubstr("the order is invalid"));
  Issue(1);
  result = Observe(*result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["notAfter"], "2027-01-01T00:00:00Z");
  EXPECT_EQ(result->outputs["secret"], "kubernetes:main/team-a/shop-tls");
}

TEST_F(CertManagerConnectorTest, RenewalWaitsForANewCertificate) {
  ASSERT_TRUE(Call("certificate", kCertificate).ok());
  Issue(1);
  auto result = Call("renew", R"({"namespace":"team-a","name":"shop"})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  const Json conditions = Get(kGroup, "Certificate", "team-a", "shop")["status"]["conditions"];
  ASSERT_EQ(conditions.size(), 2);
  EXPECT_EQ(conditions[1]["type"], "Issuing");
  EXPECT_EQ(conditions[1]["status"], "True");
  Issue(2);
  result = Observe(*result);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["revision"], 2);
}

TEST_F(CertManagerConnectorTest, IssuersHaveOneForm) {
  ASSERT_TRUE(
      Call("issuer", R"({"namespace":"team-a","name":"own","ca":{"secretName":"ca"}})").ok());
  EXPECT_EQ(Get(kGroup, "Issuer", "team-a", "own")["spec"]["ca"]["secretName"], "ca");
  ASSERT_TRUE(Call("cluster-issuer", R"({"name":"self","selfSigned":{}})").ok());
  EXPECT_EQ(Call("issuer", R"({"name":"x","ca":{},"selfSigned":{}})").status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Call("issuer", R"({"name":"x"})").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace purser::connectors

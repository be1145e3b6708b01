// What the typed connectors build, judged by the definitions that the systems themselves publish,
// where those are at hand.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "connectors/cert-manager/cert_manager_connector.h"
#include "connectors/crossplane/crossplane_connector.h"
#include "connectors/flux/flux_connector.h"
#include "connectors/istio/istio_connector.h"
#include "connectors/kubernetes/typed_testing.h"
#include "document/yaml.h"

namespace purser::connectors {
namespace {

namespace fs = std::filesystem;

template <typename Type>
class PublishedDefinitions : public TypedConnectorTest<Type> {
 protected:
  using TypedConnectorTest<Type>::TypedConnectorTest;

  // False when they are not at hand.
  bool Load(const char* folder) {
    const char* const shared = std::getenv("PURSER_SHARED");
    const fs::path root =
        (shared != nullptr ? fs::path(shared) : fs::path(PURSER_SOURCE_DIR) / "../shared") /
        "data/crds" / folder;
    std::error_code error;
    for (const auto& entry : fs::recursive_directory_iterator(root, error)) {
      if (entry.path().extension() != ".yaml") continue;
      std::ifstream file(entry.path());
      const std::string text{std::istreambuf_iterator<char>(file), {}};
      const auto documents = document::ParseYaml(text, entry.path().string());
      EXPECT_TRUE(documents.ok()) << documents.status();
      if (!documents.ok()) continue;
      for (const document::Document& one : *documents) {
        if (!one.value.is_object() || one.value.value("kind", "") != "CustomResourceDefinition") {
          continue;
        }
        this->cluster_->AddDefinition(one.value);
        ++loaded_;
      }
    }
    return loaded_ > 0;
  }
  void Works(const char* operation, const char* input) {
    const auto result = this->Call(operation, input);
    EXPECT_TRUE(result.ok()) << operation << ": " << result.status();
  }

 private:
  int loaded_ = 0;
};

struct FluxDefinitions : PublishedDefinitions<FluxConnector> {
  FluxDefinitions() : PublishedDefinitions("flux") {}
};
TEST_F(FluxDefinitions, AcceptWhatWeBuild) {
  if (!Load("flux")) GTEST_SKIP() << "SKIP no published definitions of Flux";
  Works("git-repository", R"({"name":"a","url":"https://git.example.com/a","tag":"v1",
      "secret":"s","ignore":"/docs"})");
  Works("oci-repository", R"({"name":"a","url":"oci://r.example.com/a","semver":"1.x",
      "provider":"aws"})");
  Works("helm-repository", R"({"name":"a","url":"https://charts.example.com","type":"default"})");
  Works("kustomization", R"({"name":"a","source":{"kind":"GitRepository","name":"a"},
      "targetNamespace":"t","timeout":"5m","waitForObjects":true,"dependsOn":[{"name":"b"}],
      "healthChecks":[{"apiVersion":"apps/v1","kind":"Deployment","name":"a","namespace":"t"}],
      "substitute":{"a":"b"},"retryInterval":"1m","serviceAccountName":"flux"})");
  Works("helm-release", R"({"name":"a","chart":"a","version":"1.x",
      "repository":{"kind":"HelmRepository","name":"a"},"values":{"a":{"b":null}},
      "releaseName":"a","targetNamespace":"t","timeout":"5m",
      "valuesFrom":[{"kind":"Secret","name":"v"}]})");
  Works("helm-release", R"({"name":"b","chartRef":{"kind":"OCIRepository","name":"a"}})");
}

struct IstioDefinitions : PublishedDefinitions<IstioConnector> {
  IstioDefinitions() : PublishedDefinitions("istio") {}
};
TEST_F(IstioDefinitions, AcceptWhatWeBuild) {
  if (!Load("istio")) GTEST_SKIP() << "SKIP no published definitions of Istio";
  Works("virtual-service", R"({"name":"a","hosts":["a.example.com"],"gateways":["a"],
      "exportTo":["."],"routes":[{"prefix":"/","service":"a","port":80,"subset":"v1",
      "weight":100,"timeout":"5s","retries":{"attempts":3}}]})");
  Works("gateway", R"({"name":"a","hosts":["a.example.com"],"tls":{"credentialName":"a-tls"}})");
  Works("destination-rule", R"({"name":"a","host":"a",
      "subsets":[{"name":"v1","labels":{"version":"v1"}}]})");
  Works("peer-authentication", R"({"name":"a","selector":{"app":"a"},
      "ports":{"8080":{"mode":"PERMISSIVE"}}})");
  Works("authorization-policy", R"({"name":"a","fromNamespaces":["b"],"fromPrincipals":["c"],
      "rules":[{"to":[{"operation":{"methods":["GET"]}}]}]})");
  Works("request-authentication", R"({"name":"a","issuer":"https://id.example.com",
      "jwksUri":"https://id.example.com/keys","audiences":["a"],"forwardOriginalToken":true})");
}

struct CertManagerDefinitions : PublishedDefinitions<CertManagerConnector> {
  CertManagerDefinitions() : PublishedDefinitions("cert-manager") {}
};
TEST_F(CertManagerDefinitions, AcceptWhatWeBuild) {
  if (!Load("certmanager")) GTEST_SKIP() << "SKIP no published definitions of cert-manager";
  Works("issuer", R"({"name":"a","acme":{"server":"https://acme.example.com/directory",
      "privateKeySecretRef":{"name":"account"},
      "solvers":[{"http01":{"ingress":{"ingressClassName":"nginx"}}}]}})");
  Works("cluster-issuer", R"({"name":"a","ca":{"secretName":"ca"}})");
  Works("certificate", R"({"name":"a","dnsNames":["a.example.com"],"issuer":{"name":"a"},
      "duration":"2160h0m0s","renewBefore":"360h0m0s","usages":["server auth"],
      "privateKey":{"algorithm":"ECDSA","size":256},"commonName":"a","isCA":false})");
}

struct CrossplaneDefinitions : PublishedDefinitions<CrossplaneConnector> {
  CrossplaneDefinitions() : PublishedDefinitions("crossplane") {}
};
TEST_F(CrossplaneDefinitions, AcceptWhatWeBuild) {
  if (!Load("crossplane")) GTEST_SKIP() << "SKIP no published definitions of Crossplane";
  const char* const of = R"("of":{"apiVersion":"example.com/v1","kind":"A",
      "resourceRef":{"name":"a"}},"by":{"apiVersion":"example.com/v1","kind":"B",
      "resourceRef":{"name":"b"}},"reason":"in use","replayDeletion":true)";
  Works("usage", absl::StrCat(R"({"name":"a","namespace":"t",)", of, "}").c_str());
  Works("usage", absl::StrCat(R"({"name":"a",)", of, "}").c_str());
  Works("usage",
        absl::StrCat(R"({"name":"a","apiVersion":"apiextensions.crossplane.io/v1beta1",)", of, "}")
            .c_str());
}

}  // namespace
}  // namespace purser::connectors

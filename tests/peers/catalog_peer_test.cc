// The providers of clusters against a real API server, where there is one (kubernetes_peer.h).
// No controllers run: the test writes what they would.
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/testing/eventually.h"
#include "catalog-providers/cert-manager/cert_manager_provider.h"
#include "catalog-providers/cluster_source.h"
#include "catalog-providers/cluster_testing.h"
#include "catalog-providers/crossplane/crossplane_provider.h"
#include "catalog-providers/flux/flux_provider.h"
#include "catalog-providers/helm/helm_provider.h"
#include "catalog-providers/istio/istio_provider.h"
#include "catalog-providers/kubernetes/kubernetes_provider.h"
#include "document/yaml.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/fields.h"
#include "tests/peers/kubernetes_peer.h"

namespace purser::catalog_providers {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr char kJson[] = "application/json";

Json Parsed(const char* text) { return *json::Parse(text); }

class CatalogPeerTest : public peers::OnKubernetesPeer {
 protected:
  static Json Config(Json more = Json::object()) {
    more["clusters"] = {{"peer", {{"kubeconfig", peer_->kubeconfig()}}}};
    return more;
  }
  static void Create(const std::string& path, const Json& object) {
    const int status = peer_->Send("POST", path, kJson, object);
    ASSERT_TRUE(status == 201 || status == 409) << path << ": " << status;
  }
  static void SetStatus(const std::string& path, const Json& status) {
    ASSERT_EQ(peer_->Send("PATCH", path + "/status", "application/merge-patch+json",
                          {{"status", status}}),
              200)
        << path;
  }
  // A definition without a schema of its own, and a wait until it is served.
  static void Define(const std::string& group, const std::string& version, const char* kind,
                     const std::string& plural, bool namespaced = true) {
    Create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
           {{"apiVersion", "apiextensions.k8s.io/v1"},
            {"kind", "CustomResourceDefinition"},
            {"metadata", {{"name", plural + "." + group}}},
            {"spec",
             {{"group", group},
              {"scope", namespaced ? "Namespaced" : "Cluster"},
              {"names",
               {{"kind", kind},
                {"plural", plural},
                {"listKind", absl::StrCat(kind, "List")},
                {"singular", plural.substr(0, plural.size() - 1)}}},
              {"versions",
               Json::array({{{"name", version},
                             {"served", true},
                             {"storage", true},
                             {"subresources", {{"status", Json::object()}}},
                             {"schema",
                              {{"openAPIV3Schema",
                                {{"type", "object"},
                                 {"x-kubernetes-preserve-unknown-fields", true}}}}}}})}}}});
    const std::string path = absl::StrCat("/apis/", group, "/", version, "/", plural);
    ASSERT_TRUE(base::Eventually([&] { return peer_->Send("GET", path, kJson, {}) == 200; }));
  }
};

TEST_F(CatalogPeerTest, WorkloadsComeChangeAndGo) {
  KubernetesProvider provider;
  ClusterRun run(provider, Config(), {});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  const std::string path = "/apis/apps/v1/namespaces/default/deployments";
  Json web = Parsed(R"({"apiVersion":"apps/v1","kind":"Deployment",
      "metadata":{"name":"web","labels":{"app.kubernetes.io/part-of":"shop"}},
      "spec":{"replicas":1,"selector":{"matchLabels":{"app":"web"}},
        "template":{"metadata":{"labels":{"app":"web"}},
          "spec":{"containers":[{"name":"a","image":"b"}]}}}})");
  Create(path, web);
  const std::string ref = "component:default/web.deployment.default.peer";
  ASSERT_TRUE(run.WaitForEntity(ref));
  EXPECT_EQ(run.Entity(ref)["metadata"]["annotations"]["purser.dev/health"], "progressing");
  EXPECT_EQ(run.Entity(ref)["spec"]["system"], "shop");
  SetStatus(path + "/web", {{"observedGeneration", 1},
                            {"replicas", 1},
                            {"updatedReplicas", 1},
                            {"readyReplicas", 1},
                            {"availableReplicas", 1}});
  ASSERT_TRUE(run.WaitFor([&ref](provider::FakeContext& told) {
    return told.entities[ref]["metadata"]["annotations"]["purser.dev/health"] == "ready";
  }));
  ASSERT_EQ(
      peer_->Send(
          "DELETE", path + "/web", kJson,
          {{"kind", "DeleteOptions"}, {"apiVersion", "v1"}, {"propagationPolicy", "Background"}}),
      200);
  EXPECT_TRUE(run.WaitForRemoval(ref));
  EXPECT_EQ(run.Count("begin peer/apps/v1/Deployment"), 0);  // nothing was listed again
}

TEST_F(CatalogPeerTest, ManyObjectsComeInPages) {
  constexpr int kObjects = 503;  // a page and a little
  for (int i = 0; i < kObjects; ++i) {
    Create("/api/v1/namespaces/default/configmaps",
           {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata", {{"name", absl::StrCat("page-", i)}, {"labels", {{"page", "yes"}}}}}});
  }
  KubernetesProvider provider;
  ClusterRun run(provider,
                 Config({{"kinds", Json::array({{{"apiVersion", "v1"},
                                                 {"kind", "ConfigMap"},
                                                 {"labelSelector", "page=yes"}}})}}),
                 {});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  base::MutexLock lock(run.context->mutex);
  EXPECT_EQ(run.context->entities.size(), static_cast<size_t>(kObjects));
}

TEST_F(CatalogPeerTest, CrossplaneOffersAndTrees) {
  Define("apiextensions.crossplane.io", "v1", "CompositeResourceDefinition",
         "compositeresourcedefinitions", false);
  CrossplaneProvider provider;
  ClusterRun run(provider, Config(), {});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  Create("/apis/apiextensions.crossplane.io/v1/compositeresourcedefinitions",
         Parsed(R"({"apiVersion":"apiextensions.crossplane.io/v1",
           "kind":"CompositeResourceDefinition","metadata":{"name":"xnotebooks.acme.io"},
           "spec":{"group":"acme.io","names":{"kind":"XNotebook","plural":"xnotebooks"},
             "claimNames":{"kind":"Notebook","plural":"notebooks"},
             "versions":[{"name":"v1","served":true,"referenceable":true,
               "schema":{"openAPIV3Schema":{"type":"object","properties":{"spec":{"type":"object",
                 "properties":{"region":{"type":"string","enum":["a","b"]}}}}}}}]}})"));
  ASSERT_TRUE(
      run.WaitForEntity("template:default/xnotebooks.acme.io.compositeresourcedefinition.peer"));
  // Crossplane would now define the kinds.
  Define("acme.io", "v1", "XNotebook", "xnotebooks", false);
  Define("acme.io", "v1", "Notebook", "notebooks");
  Create("/apis/acme.io/v1/namespaces/default/notebooks",
         Parsed(R"({"apiVersion":"acme.io/v1","kind":"Notebook","metadata":{"name":"mine"},
           "spec":{"resourceRef":{"apiVersion":"acme.io/v1","kind":"XNotebook","name":"mine-x"}}})"));
  Create("/apis/acme.io/v1/xnotebooks",
         Parsed(R"({"apiVersion":"acme.io/v1","kind":"XNotebook","metadata":{"name":"mine-x"},
           "spec":{"resourceRefs":[{"apiVersion":"s/v1","kind":"Bucket","name":"b"}]}})"));
  ASSERT_TRUE(run.WaitForEntity("resource:default/mine.notebook.default.peer"));
  ASSERT_TRUE(run.WaitForEntity("resource:default/b.bucket.peer"));
  EXPECT_EQ(run.Entity("resource:default/mine.notebook.default.peer")["spec"]["dependsOn"],
            Json::array({"resource:default/mine-x.xnotebook.peer"}));
}

TEST_F(CatalogPeerTest, HelmReleasesByTheirSelector) {
  // Only the type counts for the server; what is inside is a release without gzip.
  const std::string release = absl::Base64Escape(absl::Base64Escape(
      R"({"name":"db","version":2,"info":{"status":"deployed"},"chart":{"metadata":{"name":"pg"}}})"));
  const auto secret = [&](const char* name, const char* type, const char* status) {
    Create("/api/v1/namespaces/default/secrets",
           {{"apiVersion", "v1"},
            {"kind", "Secret"},
            {"type", type},
            {"metadata", {{"name", name}, {"labels", {{"owner", "helm"}, {"status", status}}}}},
            {"data", {{"release", release}}}});
  };
  secret("sh.helm.release.v1.db.v2", "helm.sh/release.v1", "deployed");
  secret("opaque", "Opaque", "deployed");
  HelmProvider provider;
  ClusterRun run(provider, Config(), {});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  base::MutexLock lock(run.context->mutex);
  ASSERT_EQ(run.context->entities.size(), 1u);
  EXPECT_EQ(run.context->entities.begin()->first, "resource:default/db.release.default.peer");
}

// Today's definitions of the projects themselves, where they are at hand.
TEST_F(CatalogPeerTest, DefinitionsOfToday) {
  const fs::path crds =
      fs::path(peers::Environment("PURSER_SHARED",
                                  (fs::path(PURSER_SOURCE_DIR) / "../shared").string())) /
      "data/crds";
  if (!fs::exists(crds)) GTEST_SKIP() << "SKIP no definitions in " << crds;
  const std::vector<std::string> wanted = {
      "certmanager/deploy/crds/cert-manager.io_certificates.yaml",
      "flux/config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",
      "flux/config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
      "istio/manifests/charts/base/files/crd-all.gen.yaml"};
  for (const std::string& file : wanted) {
    auto documents = document::ParseYaml(peers::ReadAll(crds / file), file);
    ASSERT_TRUE(documents.ok()) << documents.status();
    for (document::Document& definition : *documents) {
      if (definition.value.is_null()) continue;
      const std::string kind = ::purser::json::TextAt(definition.value, {"spec", "names", "kind"});
      if (absl::StrContains(file, "istio") && kind != "VirtualService") continue;
      peers::FitForOldServers(definition.value);
      Create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition.value);
    }
  }
  const auto create = [](const std::string& path, const char* text) {
    ASSERT_TRUE(base::Eventually([&] { return peer_->Send("GET", path, kJson, {}) == 200; }));
    Create(path, Parsed(text));
  };
  create("/apis/cert-manager.io/v1/namespaces/default/certificates",
         R"({"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"name":"site"},
             "spec":{"secretName":"s","dnsNames":["site.example.org"],"issuerRef":{"name":"ca"}}})");
  SetStatus("/apis/cert-manager.io/v1/namespaces/default/certificates/site",
            {{"notAfter", "2027-01-01T00:00:00Z"}});
  create("/apis/source.toolkit.fluxcd.io/v1/namespaces/default/gitrepositories",
         R"({"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepository",
             "metadata":{"name":"fleet"},"spec":{"interval":"1m","url":"https://git.example.org/f"}})");
  create("/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/default/kustomizations",
         R"({"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization",
             "metadata":{"name":"apps"},"spec":{"interval":"1m","prune":true,
             "sourceRef":{"kind":"GitRepository","name":"fleet"}}})");
  create("/apis/networking.istio.io/v1/namespaces/default/virtualservices",
         R"({"apiVersion":"networking.istio.io/v1","kind":"VirtualService","metadata":{"name":"v"},
             "spec":{"hosts":["shop.example.org"],
             "http":[{"route":[{"destination":{"host":"shop"}}]}]}})");
  const auto holds = [](provider::Provider& provider, const char* ref) {
    ClusterRun run(provider, Config(), {});
    EXPECT_TRUE(run.WaitForEvent("complete "));
    return run.Entity(ref);
  };
  CertManagerProvider certificates;
  EXPECT_EQ(holds(certificates,
                  "resource:default/site.certificate.default.peer")["metadata"]["annotations"]
                                                                   ["purser.dev/expires-at"],
            "2027-01-01T00:00:00Z");
  FluxProvider flux;
  EXPECT_EQ(holds(flux, "resource:default/apps.kustomization.default.peer")["spec"]["dependsOn"],
            Json::array({"resource:default/fleet.gitrepository.default.peer"}));
  IstioProvider istio;
  EXPECT_EQ(holds(istio, "api:default/shop.example.org.host.default.peer")["kind"], "API");
}

}  // namespace
}  // namespace purser::catalog_providers

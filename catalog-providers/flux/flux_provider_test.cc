#include "catalog-providers/flux/flux_provider.h"

#include "catalog-providers/cluster_testing.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

Json Parsed(const char* text) { return *json::Parse(text); }

TEST(FluxProviderTest, WhatIsAppliedDependsOnItsSource) {
  connectors::FakeApiServer server;
  // The version this cluster happens to have.
  server.AddKind("source.toolkit.fluxcd.io/v1", "GitRepository", "gitrepositories", true);
  server.AddKind("source.toolkit.fluxcd.io/v1beta2", "HelmRepository", "helmrepositories", true);
  server.AddKind("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "kustomizations", true);
  server.AddKind("helm.toolkit.fluxcd.io/v2", "HelmRelease", "helmreleases", true);
  server.Put(Parsed(R"({"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"GitRepository",
      "metadata":{"name":"fleet","namespace":"flux-system","generation":1},
      "spec":{"url":"https://bot:hidden@git.example.org/acme/fleet.git","secretRef":{"name":"s"}},
      "status":{"observedGeneration":1,"artifact":{"revision":"main@sha1:abc"},
        "conditions":[{"type":"Ready","status":"True"}]}})"));
  server.Put(Parsed(R"({"apiVersion":"source.toolkit.fluxcd.io/v1beta2","kind":"HelmRepository",
      "metadata":{"name":"charts","namespace":"flux-system"},
      "spec":{"url":"oci://registry.example.org/charts"}})"));
  server.Put(Parsed(R"({"apiVersion":"kustomize.toolkit.fluxcd.io/v1","kind":"Kustomization",
      "metadata":{"name":"apps","namespace":"flux-system"},
      "spec":{"path":"./apps","suspend":true,"sourceRef":{"kind":"GitRepository","name":"fleet"},
        "dependsOn":[{"name":"infra"}],"postBuild":{"substitute":{"password":"hidden"}}},
      "status":{"lastAppliedRevision":"main@sha1:abc"}})"));
  server.Put(Parsed(R"({"apiVersion":"helm.toolkit.fluxcd.io/v2","kind":"HelmRelease",
      "metadata":{"name":"db","namespace":"data"},
      "spec":{"values":{"password":"hidden"},"chart":{"spec":{"chart":"postgresql","version":"1.x",
        "sourceRef":{"kind":"HelmRepository","name":"charts","namespace":"flux-system"}}}},
      "status":{"history":[{"chartVersion":"1.4.2","appVersion":"15","status":"deployed"},
                           {"chartVersion":"1.4.1"}],
        "conditions":[{"type":"Stalled","status":"True","message":"install retries exhausted"}]}})"));
  FluxProvider provider;
  ClusterRun run(provider, server);
  ASSERT_TRUE(run.WaitForEvent("complete "));

  const Json git = run.Entity("resource:default/fleet.gitrepository.flux-system.c1");
  EXPECT_EQ(git["metadata"]["annotations"]["purser.dev/flux-revision"], "main@sha1:abc");
  EXPECT_EQ(git["metadata"]["annotations"]["purser.dev/health"], "ready");
  EXPECT_EQ(git["metadata"]["links"][0]["url"], "https://git.example.org/acme/fleet");
  const Json apps = run.Entity("resource:default/apps.kustomization.flux-system.c1");
  EXPECT_EQ(apps["metadata"]["annotations"]["purser.dev/health"], "suspended");
  EXPECT_EQ(apps["metadata"]["annotations"]["purser.dev/flux-path"], "./apps");
  EXPECT_EQ(apps["spec"]["dependsOn"],
            Json({"resource:default/fleet.gitrepository.flux-system.c1",
                  "resource:default/infra.kustomization.flux-system.c1"}));
  const Json release = run.Entity("resource:default/db.helmrelease.data.c1");
  EXPECT_EQ(release["metadata"]["annotations"]["purser.dev/helm-chart"], "postgresql");
  EXPECT_EQ(release["metadata"]["annotations"]["purser.dev/helm-chart-version"], "1.4.2");
  EXPECT_EQ(release["metadata"]["annotations"]["purser.dev/health"], "failed");
  EXPECT_EQ(release["spec"]["dependsOn"],
            Json::array({"resource:default/charts.helmrepository.flux-system.c1"}));
  base::MutexLock lock(run.context->mutex);
  EXPECT_EQ(run.context->entities.size(), 4u);
  for (const auto& [ref, entity] : run.context->entities) {
    EXPECT_EQ(entity.dump().find("hidden"), std::string::npos) << ref;
  }
}

TEST(FluxProviderTest, KindsThatComeLaterAreFound) {
  connectors::FakeApiServer server;
  FluxProvider provider;
  ClusterRun run(provider, server);
  ASSERT_TRUE(run.WaitForEvent("complete "));
  server.AddKind("source.toolkit.fluxcd.io/v1", "Bucket", "buckets", true);
  server.Put(Parsed(R"({"apiVersion":"source.toolkit.fluxcd.io/v1","kind":"Bucket",
      "metadata":{"name":"b","namespace":"x"},"spec":{"bucketName":"b"}})"));
  ASSERT_TRUE(run.WaitForEntity("resource:default/b.bucket.x.c1"));
}

}  // namespace
}  // namespace purser::catalog_providers

#include "catalog-providers/kubernetes/kubernetes_provider.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "catalog-providers/cluster_testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

Json Object(const char* api_version, const char* kind, const char* namespace_name,
            const std::string& name, Json more = Json::object()) {
  Json object = {{"apiVersion", api_version}, {"kind", kind}, {"metadata", {{"name", name}}}};
  if (*namespace_name != '\0') object["metadata"]["namespace"] = namespace_name;
  object.merge_patch(more);
  return object;
}

Json Deployment(const std::string& name, Json more = Json::object()) {
  return Object("apps/v1", "Deployment", "shop", name, std::move(more));
}

class KubernetesProviderTest : public ::testing::Test {
 protected:
  KubernetesProviderTest() {
    server_.Put(Object("v1", "Namespace", "", "shop"));
    server_.Put(Object("v1", "Namespace", "", "kube-system"));
    server_.Put(Object("apps/v1", "Deployment", "kube-system", "dns"));
  }
  connectors::FakeApiServer server_;
  KubernetesProvider provider_;
};

TEST_F(KubernetesProviderTest, ObjectsBecomeEntities) {
  server_.Put(Deployment(
      "web", {{"metadata",
               {{"labels", {{"app.kubernetes.io/part-of", "store"}}},
                {"annotations",
                 {{"backstage.io/owner", "team-a"},
                  {"kubectl.kubernetes.io/last-applied-configuration", "secret?"}}}}},
              {"spec", {{"replicas", 1}, {"selector", {{"matchLabels", {{"app", "web"}}}}}}},
              {"status",
               {{"observedGeneration", 1},
                {"replicas", 1},
                {"updatedReplicas", 1},
                {"availableReplicas", 1}}}}));
  server_.Put(Object(
      "networking.k8s.io/v1", "Ingress", "shop", "web",
      {{"spec",
        {{"tls", Json::array()},
         {"rules",
          {{{"host", "shop.example.org"},
            {"http",
             {{"paths", {{{"path", "/"}, {"backend", {{"service", {{"name", "web"}}}}}}}}}}}}}}}}));
  ClusterRun run(provider_, server_);
  ASSERT_TRUE(run.WaitForEvent("complete "));
  const Json web = run.Entity("component:default/web.deployment.shop.c1");
  EXPECT_EQ(
      web["metadata"]["annotations"],
      Json({{"backstage.io/kubernetes-cluster", "c1"},
            {"backstage.io/kubernetes-label-selector", "app=web"},
            {"backstage.io/kubernetes-namespace", "shop"},
            {"backstage.io/managed-by-location", "kubernetes:c1/apps/Deployment/shop/web"},
            {"backstage.io/managed-by-origin-location", "kubernetes:c1/apps/Deployment/shop/web"},
            {"purser.dev/cluster", "c1"},
            {"purser.dev/health", "ready"},
            {"purser.dev/resource-ids", "[\"c1/apps/Deployment/shop/web\"]"}}));
  EXPECT_EQ(web["spec"], Json({{"type", "service"},
                               {"owner", "team-a"},
                               {"system", "store"},
                               {"lifecycle", "production"},
                               {"dependsOn", {"resource:default/shop.namespace.c1"}}}));
  const Json ingress = run.Entity("resource:default/web.ingress.shop.c1");
  EXPECT_EQ(ingress["metadata"]["links"][0]["url"], "https://shop.example.org");
  EXPECT_THAT(ingress["spec"]["dependsOn"].dump(),
              HasSubstr("resource:default/web.service.shop.c1"));
  EXPECT_FALSE(run.Entity("resource:default/shop.namespace.c1").is_discarded());
  EXPECT_TRUE(run.Entity("resource:default/kube-system.namespace.c1").is_discarded());
  EXPECT_TRUE(run.Entity("component:default/dns.deployment.kube-system.c1").is_discarded());
  EXPECT_EQ(server_.Requests("/api/v1/secrets"), 0);
}

TEST_F(KubernetesProviderTest, ChangesFollowEachOther) {
  ClusterRun run(provider_, server_);
  ASSERT_TRUE(run.WaitForEvent("complete "));
  server_.Put(Deployment("web"));
  ASSERT_TRUE(run.WaitForEntity("component:default/web.deployment.shop.c1"));
  // Another name: the old one goes.
  server_.Put(
      Deployment("web", {{"metadata", {{"annotations", {{"backstage.io/name", "shop-web"}}}}}}));
  ASSERT_TRUE(run.WaitForEntity("component:default/shop-web"));
  ASSERT_TRUE(run.WaitForRemoval("component:default/web.deployment.shop.c1"));
  server_.Put(
      Deployment("web", {{"metadata", {{"annotations", {{"backstage.io/ignore", "true"}}}}}}));
  ASSERT_TRUE(run.WaitForRemoval("component:default/shop-web"));
  server_.Put(Deployment("web"));
  ASSERT_TRUE(run.WaitForEntity("component:default/web.deployment.shop.c1"));
  server_.Delete(Deployment("web"));
  ASSERT_TRUE(run.WaitForRemoval("component:default/web.deployment.shop.c1"));
  // One list and one watch of each kind; nothing was read again.
  EXPECT_EQ(server_.Requests("/apis/apps/v1/deployments?limit"), 1);
  EXPECT_EQ(run.Stop().code(), absl::StatusCode::kCancelled);
}

TEST_F(KubernetesProviderTest, RulesAndCustomResources) {
  server_.AddKind("apiextensions.k8s.io/v1", "CustomResourceDefinition",
                  "customresourcedefinitions", false);
  const Json definition =
      Object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", "queues.mq.example.org",
             {{"spec",
               {{"group", "mq.example.org"},
                {"scope", "Namespaced"},
                {"names", {{"kind", "Queue"}, {"plural", "queues"}}},
                // Schema-less, as old definitions are.
                {"versions",
                 {{{"name", "v1beta1"}, {"served", true}},
                  {{"name", "v1"}, {"served", true}, {"storage", true}}}}}}});
  ClusterRun run(provider_, server_,
                 {{"kinds", {{{"apiVersion", "*.example.org/*"}, {"kind", "*"}}}},
                  {"onlyMatched", true},
                  {"rules",
                   {{{"match", {{"kind", "Queue"}, {"if", "${{ object.spec.size > 1 }}"}}},
                     {"entity",
                      {{"name", "${{ object.metadata.name }}"},
                       {"owner", "${{ object.spec.team }}"},
                       {"type", "queue"},
                       {"annotations", {{"example.org/big", "${{ object.spec.size }}"}}}}}}}}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  server_.AddKind("mq.example.org/v1", "Queue", "queues", true);
  server_.Put(definition);
  const Json big = Object("mq.example.org/v1", "Queue", "shop", "big",
                          {{"spec", {{"size", 2}, {"team", "a"}, {"other", 1}}}});
  server_.Put(big);
  server_.Put(Object("mq.example.org/v1", "Queue", "shop", "small", {{"spec", {{"size", 1}}}}));
  ASSERT_TRUE(run.WaitForEntity("resource:default/big"));
  ASSERT_TRUE(run.WaitForEvent("complete c1/mq.example.org/v1/Queue"));
  EXPECT_EQ(run.Entity("resource:default/big")["spec"], Json({{"type", "queue"}, {"owner", "a"}}));
  EXPECT_FALSE(
      run.Entity("resource:default/big")["metadata"]["annotations"].contains("purser.dev/health"));
  // A rule that fails for one object leaves what was told of it before.
  server_.Put(Object("mq.example.org/v1", "Queue", "shop", "big",
                     {{"spec", {{"size", 3}, {"team", {{"not", "a text"}}}}}}));
  ASSERT_TRUE(run.WaitFor([](provider::FakeContext& told) {
    return absl::StrContains(absl::StrJoin(told.log, "\n"), "rules[0].entity.owner");
  }));
  EXPECT_FALSE(run.Entity("resource:default/big").is_discarded());
  // The definition goes, and all of the kind with it. The watch of the objects has told of the last
  // one before: a watch that is ended tells nothing.
  server_.Delete(big);
  ASSERT_TRUE(run.WaitForRemoval("resource:default/big"));
  server_.Delete(definition);
  ASSERT_TRUE(run.WaitFor([](provider::FakeContext& told) {
    return std::count(told.events.begin(), told.events.end(),
                      "complete c1/mq.example.org/v1/Queue") == 2;
  }));
}

TEST_F(KubernetesProviderTest, AFailedClusterKeepsWhatItHad) {
  connectors::FakeApiServer other;
  other.RequireToken("none has it");
  server_.Put(Deployment("web"));
  const Json config = {{"clusters",
                        {{"c1", {{"server", server_.url()}}},
                         {"c2", {{"server", other.url()}}},
                         {"c3", {{"kubeconfig", "/nonexistent/kubeconfig"}}}}},
                       {"kinds", {{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}}}};
  ClusterRun run(provider_, server_, config,
                 {{"partitions/c3", R"(["c3/apps/v1/Deployment"])"},
                  {"partitions/c2", R"(["c2/x.io/v1/Gone"])"}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  EXPECT_FALSE(run.Entity("component:default/web.deployment.shop.c1").is_discarded());
  {
    base::MutexLock lock(run.context->mutex);
    EXPECT_EQ(run.context->kept["c2/apps/v1/Deployment"].code(),
              absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(run.context->kept["c3"].code(), absl::StatusCode::kNotFound);
    EXPECT_TRUE(run.context->kept.contains("c3/apps/v1/Deployment"));
    EXPECT_TRUE(run.context->kept.contains("c2/x.io/v1/Gone"));
    EXPECT_FALSE(run.context->kept.contains("c1/apps/v1/Deployment"));
  }
  // It comes back.
  other.Put(Deployment("back"));
  other.RequireToken("");
  ASSERT_TRUE(run.WaitForEvent("complete c2/apps/v1/Deployment"));
  EXPECT_FALSE(run.Entity("component:default/back.deployment.shop.c2").is_discarded());
  EXPECT_EQ(run.Count("complete "), 1);
}

TEST_F(KubernetesProviderTest, AListThatFailsInTheMiddleRemovesNothing) {
  for (int i = 0; i < 10; ++i) server_.Put(Deployment(absl::StrCat("d", i)));
  server_.SetPageSize(4);
  ClusterRun run(provider_, server_,
                 {{"kinds", {{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}}}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  for (const int status : {401, 403, 429, 500, 503}) {
    const int before = run.Count("complete c1/apps/v1/Deployment");
    // The next list breaks off behind its first page.
    server_.FailNext("/apis/apps/v1/deployments?limit=500&continue", {.status = status});
    server_.BreakWatches();
    server_.ForgetHistory();
    const std::string kept = "keep c1/apps/v1/Deployment";
    ASSERT_TRUE(run.WaitForEvent(kept));
    ASSERT_TRUE(run.WaitFor([&](provider::FakeContext& told) {
      return std::count(told.events.begin(), told.events.end(), "complete c1/apps/v1/Deployment") >
             before;
    })) << status;
  }
  base::MutexLock lock(run.context->mutex);
  EXPECT_EQ(run.context->entities.size(), 10u);
  for (const std::string& event : run.context->events) {
    EXPECT_THAT(event, ::testing::Not(HasSubstr("remove")));
  }
}

TEST_F(KubernetesProviderTest, WhatVanishedDuringAGapIsLeftToTheGuard) {
  server_.Put(Deployment("a"));
  server_.Put(Deployment("b"));
  ClusterRun run(provider_, server_);
  ASSERT_TRUE(run.WaitForEvent("complete "));
  server_.FailAlways(503);
  server_.BreakWatches();
  ASSERT_TRUE(run.WaitForEvent("keep c1/apps/v1/Deployment"));
  server_.Delete(Deployment("a"));
  server_.Put(Deployment("c"));
  server_.ForgetHistory();
  server_.FailAlways(0);
  ASSERT_TRUE(run.WaitForEvent("complete c1/apps/v1/Deployment"));
  // "a" was not emitted in the new snapshot and not removed by us: the host decides.
  EXPECT_EQ(run.Count("remove component:default/a.deployment.shop.c1"), 0);
  EXPECT_EQ(run.Count("emit component:default/a.deployment.shop.c1"), 1);
  EXPECT_EQ(run.Count("emit component:default/b.deployment.shop.c1"), 2);
  EXPECT_EQ(run.Count("emit component:default/c.deployment.shop.c1"), 1);
  // Later it may come and go as anything else.
  server_.Put(Deployment("a"));
  server_.Delete(Deployment("a"));
  ASSERT_TRUE(run.WaitForEvent("remove component:default/a.deployment.shop.c1"));
}

TEST_F(KubernetesProviderTest, OfTwoObjectsWithOneNameOneCounts) {
  const auto named = [](const char* name, const char* owner) {
    return Deployment(
        name,
        {{"metadata",
          {{"annotations", {{"backstage.io/name", "same"}, {"backstage.io/owner", owner}}}}}});
  };
  server_.Put(named("b", "second"));
  ClusterRun run(provider_, server_);
  ASSERT_TRUE(run.WaitForEntity("component:default/same"));
  ASSERT_TRUE(run.WaitForEvent("complete "));
  server_.Put(named("a", "first"));
  const auto owner_is = [&run](const char* owner) {
    return run.WaitFor([owner](provider::FakeContext& told) {
      const auto found = told.entities.find("component:default/same");
      return found != told.entities.end() && found->second["spec"]["owner"] == owner;
    });
  };
  EXPECT_TRUE(owner_is("first"));
  server_.Put(named("b", "second again"));
  server_.Put(named("c", "third"));
  server_.Put(named("a", "still first"));
  EXPECT_TRUE(owner_is("still first"));
  server_.Delete(named("a", ""));
  EXPECT_TRUE(owner_is("second again"));
  server_.Delete(named("b", ""));
  EXPECT_TRUE(owner_is("third"));
  server_.Delete(named("c", ""));
  EXPECT_TRUE(run.WaitForRemoval("component:default/same"));
}

TEST_F(KubernetesProviderTest, NamespacesOneByOne) {
  server_.Put(Deployment("web"));
  server_.Put(Object("apps/v1", "Deployment", "other", "web"));
  ClusterRun run(provider_, server_,
                 {{"kinds", {{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}}},
                  {"namespaces", {"shop", "empty"}}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  EXPECT_EQ(server_.Requests("/apis/apps/v1/deployments"), 0);
  EXPECT_GE(server_.Requests("/apis/apps/v1/namespaces/shop/deployments?limit"), 1);
  base::MutexLock lock(run.context->mutex);
  EXPECT_EQ(run.context->entities.size(), 1u);
}

TEST_F(KubernetesProviderTest, BadConfigIsRefused) {
  const auto refusal = [this](Json config) {
    config["clusters"] = {{"c1", {{"server", server_.url()}}}};
    const auto schema = json::Schema::Compile(provider_.description().config_schema);
    provider::FakeContext context(schema->WithDefaults(config));
    return std::string(provider_.Watch(context).message());
  };
  EXPECT_THAT(refusal({{"kinds", {{{"apiVersion", "v1"}, {"kind", "Secret"}}}}}),
              HasSubstr("Secret objects never become entities"));
  EXPECT_THAT(refusal({{"rules", {{{"entity", {{"owner", "${{ "}}}}}}}),
              HasSubstr("rules[0].entity.owner"));
}

TEST_F(KubernetesProviderTest, TooManyObjectsFailTheKindOnly) {
  for (int i = 0; i < 10; ++i) server_.Put(Deployment(absl::StrCat("d", i)));
  ClusterRun run(provider_, server_, {{"maxObjects", 5}});
  ASSERT_TRUE(run.WaitForEvent("complete "));
  base::MutexLock lock(run.context->mutex);
  EXPECT_EQ(run.context->kept["c1/apps/v1/Deployment"].code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(run.context->entities.contains("resource:default/shop.namespace.c1"));
}

}  // namespace
}  // namespace purser::catalog_providers

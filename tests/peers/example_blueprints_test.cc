// The example blueprints of a platform, step by step against peers that stand for the outside: a
// cluster in memory whose controllers the test plays, a GitHub and a Terraform of our own, a real
// PostgreSQL. Each is made, made again with the same effect keys, changed, and taken away.
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/file.h"
#include "base/rng.h"
#include "connectors/cert-manager/cert_manager_connector.h"
#include "connectors/fake_call_context.h"
#include "connectors/flux/flux_connector.h"
#include "connectors/github/fake_github.h"
#include "connectors/github/github_connector.h"
#include "connectors/istio/istio_connector.h"
#include "connectors/kubernetes/fake_kubernetes_client.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "connectors/namespace/namespace_connector.h"
#include "connectors/sql/sql_connector.h"
#include "connectors/terraform/terraform_connector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "json/json.h"
#include "provisioning/blueprint.h"
#include "provisioning/expressions.h"
#include "store/testing/shared_postgres.h"

namespace purser {
namespace {

namespace fs = std::filesystem;
using connectors::CallResult;
using ::testing::HasSubstr;
using Json = nlohmann::json;

class ExampleBlueprintsTest : public ::testing::Test {
 protected:
  ExampleBlueprintsTest() {
    std::string pattern = testing::TempDir() + "examples-XXXXXX";
    folder_ = mkdtemp(pattern.data());
    context_.secrets["env:T"] = "t0ken";
    context_.secrets["env:PURSER_SECRET_DATABASE_PASSWORD"] = "a-password";
    context_.end = base::Clock::System().Now() + absl::Minutes(5);

    auto client = std::make_unique<connectors::FakeKubernetesClient>();
    cluster_ = client.get();
    std::map<std::string, connectors::Cluster> clusters;
    clusters["main"] = {std::move(client), "default", {}, true};
    connectors_["kubernetes"] = std::make_unique<connectors::KubernetesConnector>(
        "kubernetes", std::move(clusters), "main", "purser", base::Clock::System());
    Add<connectors::FluxConnector>("flux", Json::object());
    Add<connectors::IstioConnector>("istio", Json::object());
    Add<connectors::CertManagerConnector>("cert-manager", Json::object());
    Add<connectors::NamespaceConnector>("namespace", Json::object());
    Add<connectors::GithubConnector>("github", {{"api", github_.url()},
                                                {"credential", {{"token", "env:T"}}},
                                                {"repositories", {"org/*"}}});
    fs::create_directories(folder_ / "roots");
    Add<connectors::TerraformConnector>(
        "terraform", {{"program", absl::StrCat(PURSER_SOURCE_DIR, "/tests/peers/terraform.sh")},
                      {"folder", (folder_ / "roots").string()},
                      {"plans", (folder_ / "plans").string()}});
    // Without a server of its own, so that the blueprints can be read anyhow.
    std::string url = "postgresql://nobody@127.0.0.1:1/none";
    if (store::PostgresServer* const server = store::SharedPostgres(); server != nullptr) {
      const auto made = server->NewDatabase();
      EXPECT_TRUE(made.ok()) << made.status();
      if (made.ok()) url = *made;
      has_postgres_ = true;
    }
    Add<connectors::SqlConnector>("sql", {{"servers", {{"main", {{"url", url}}}}}});
  }
  ~ExampleBlueprintsTest() override { fs::remove_all(folder_); }

  template <typename Type>
  void Add(const char* name, const Json& config) {
    const connectors::ConnectorDependencies dependencies{
        *transport_, base::Clock::System(), rng_, {}, [this](absl::string_view wanted) {
          const auto found = connectors_.find(std::string(wanted));
          return found == connectors_.end() ? nullptr : found->second.get();
        }};
    auto connector = Type::FromConfig(name, config, dependencies);
    ASSERT_TRUE(connector.ok()) << connector.status();
    connectors_[name] = *std::move(connector);
  }

  void Load(const char* name) {
    const std::string file =
        absl::StrCat(PURSER_SOURCE_DIR, "/examples/blueprints/platform/", name, ".yaml");
    const auto text = base::ReadFile(file, provisioning::kMaxBlueprintBytes);
    ASSERT_TRUE(text.ok()) << text.status();
    const auto blueprint = provisioning::ParseBlueprint(*text, file, connectors_);
    ASSERT_TRUE(blueprint.ok()) << blueprint.status();
    blueprint_ = *blueprint;
  }

  // All steps of a run, in order, each until it is ready; controllers move between two looks.
  void Run(const std::string& run, const Json& parameters) {
    const Json completed = blueprint_->parameters->WithDefaults(parameters);
    ASSERT_TRUE(blueprint_->parameters->Validate(completed).empty());
    seen_ = {{"parameters", completed},
             {"request", {{"id", "req_1"}, {"requester", "user:default/ada"}}},
             {"steps", Json::object()}};
    outputs_.clear();
    for (const workflow::StepDefinition& step : blueprint_->steps) {
      const auto input = provisioning::Evaluate(step.with, seen_, "/with");
      ASSERT_TRUE(input.ok()) << step.id << ": " << input.status();
      const auto found = connectors::Resolve(connectors_, step.uses);
      ASSERT_TRUE(found.ok()) << found.status();
      context_.key = absl::StrCat(run, "/", step.id, "/1");
      auto result = found->connector->Call(found->operation->name, *input, context_);
      for (int look = 0; look < 20 && result.ok() && !result->ready; ++look) {
        if (controllers_) controllers_();
        result = found->connector->Observe(found->operation->name, *input, *result, context_);
      }
      ASSERT_TRUE(result.ok()) << step.id << ": " << result.status();
      ASSERT_TRUE(result->ready) << step.id << ": " << result->progress;
      // What ends in the journal may hold no secret.
      EXPECT_THAT(json::Dump(result->outputs), Not(HasSubstr("a-password"))) << step.id;
      seen_["steps"][step.id] = {{"outputs", result->outputs}};
      outputs_.emplace_back(&step, result->outputs);
    }
    const auto shown = provisioning::Evaluate(blueprint_->outputs, seen_, "/outputs");
    ASSERT_TRUE(shown.ok()) << shown.status();
    shown_ = *shown;
    Json with_outputs = seen_;
    with_outputs["outputs"] = shown_;
    const auto entity = provisioning::Evaluate(blueprint_->entity, with_outputs, "/entity");
    ASSERT_TRUE(entity.ok()) << entity.status();
  }

  // The compensations of what the first run did, latest first.
  void Remove(const std::string& run) {
    for (auto done = outputs_.rbegin(); done != outputs_.rend(); ++done) {
      const auto found = connectors::Resolve(connectors_, done->first->uses);
      const std::string undo = found->operation->compensation;
      if (undo.empty()) continue;
      context_.key = absl::StrCat(run, "/", done->first->id, "/1");
      auto result = found->connector->Call(undo, done->second, context_);
      for (int look = 0; look < 20 && result.ok() && !result->ready; ++look) {
        if (controllers_) controllers_();
        result = found->connector->Observe(undo, done->second, *result, context_);
      }
      ASSERT_TRUE(result.ok()) << undo << " of " << done->first->id << ": " << result.status();
      ASSERT_TRUE(result->ready) << undo << " of " << done->first->id;
    }
  }

  static Json Ready(Json more = Json::object()) {
    more["conditions"] = Json::array({{{"type", "Ready"}, {"status", "True"}}});
    return more;
  }

  fs::path folder_;
  base::SeededRng rng_{1};
  std::unique_ptr<http::Transport> transport_ =
      *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
  connectors::FakeGithub github_;
  connectors::FakeCallContext context_;
  connectors::FakeKubernetesClient* cluster_;
  connectors::Connectors connectors_;
  bool has_postgres_ = false;
  std::shared_ptr<const provisioning::Blueprint> blueprint_;
  std::function<void()> controllers_;
  Json seen_;
  Json shown_;
  std::vector<std::pair<const workflow::StepDefinition*, Json>> outputs_;
};

TEST_F(ExampleBlueprintsTest, NotebookAndBucket) {
  ASSERT_NO_FATAL_FAILURE(Load("notebook-and-bucket"));
  cluster_->AddKind("source.toolkit.fluxcd.io/v1", "GitRepository", true);
  cluster_->AddKind("kustomize.toolkit.fluxcd.io/v1", "Kustomization", true);
  cluster_->AddKind("science.example.com/v1alpha1", "WorkspaceClaim", true);
  const connectors::ObjectRef source{"source.toolkit.fluxcd.io/v1", "GitRepository", "flux-system",
                                     "infra"};
  const connectors::ObjectRef applied{"kustomize.toolkit.fluxcd.io/v1", "Kustomization",
                                      "flux-system", "workspaces"};
  for (const connectors::ObjectRef& one : {source, applied}) {
    ASSERT_TRUE(cluster_->Apply(one, {{"spec", {{"interval", "5m"}}}}, {}, {}).ok());
  }
  // People merge; Flux answers to the request it was given, and applies; Crossplane makes.
  controllers_ = [&] {
    if (!github_.pulls().empty() && github_.pulls().back()["state"] == "open") {
      github_.MergePull(static_cast<int>(github_.pulls().size()));
    }
    for (const connectors::ObjectRef& one : {source, applied}) {
      const Json object = *cluster_->Get(one, {});
      const Json nonce = object.value(
          Json::json_pointer("/metadata/annotations/reconcile.fluxcd.io~1requestedAt"), "");
      ASSERT_TRUE(cluster_->PatchStatus(one, Ready({{"lastHandledReconcileAt", nonce}})).ok());
    }
    const connectors::ObjectRef claim{"science.example.com/v1alpha1", "WorkspaceClaim",
                                      "workspaces", "mars"};
    if (!github_.Files("main").contains("workspaces/mars/workspace.yaml")) return;
    ASSERT_TRUE(cluster_->Apply(claim, {{"spec", {{"region", "x"}}}}, {}, {}).ok());
    ASSERT_TRUE(cluster_
                    ->PatchStatus(claim, Ready({{"projectId", "phx-1"},
                                                {"notebookUrl", "https://notebook.example.com"},
                                                {"bucketUrl", "gs://phx-1"}}))
                    .ok());
  };
  const Json parameters = {{"name", "mars"},
                           {"owner", "group:default/mars"},
                           {"department", "ph"},
                           {"branchName", "dmia"},
                           {"teamName", "mars"},
                           {"costCentre", "cc-1"},
                           {"costCentreName", "mars"},
                           {"manager", "ada@example.com"},
                           {"dataClassification", "ucll"},
                           {"repository", "org/infra"}};
  Run("run_1", parameters);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(shown_["projectId"], "phx-1");
  const auto files = github_.Files("main");
  ASSERT_TRUE(files.contains("workspaces/mars/kustomization.yaml"));
  const std::string labels = files.at("workspaces/mars/kustomization.yaml");
  for (const char* label :
       {"branch", "classification", "controlled-by", "cost-centre", "cost-centre-name",
        "department", "pricing-structure", "team-name", "vanity-name"}) {
    EXPECT_THAT(labels, HasSubstr(absl::StrCat("  ", label, ": ")));
  }
  EXPECT_THAT(files.at("workspaces/mars/budget.yaml"), HasSubstr("amount: 3000"));
  // Again, as after a crash: nothing new.
  Run("run_1", parameters);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(github_.pulls().size(), 1);
  // Changed: one more pull request, merged as well.
  Json larger = parameters;
  larger["yearlyBudget"] = 5000;
  Run("run_2", larger);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(github_.pulls().size(), 2);
  EXPECT_THAT(github_.Files("main").at("workspaces/mars/budget.yaml"), HasSubstr("amount: 5000"));
  // What was merged is taken back by one that deletes it.
  Remove("run_2");
  EXPECT_EQ(github_.pulls().size(), 3);
  EXPECT_EQ(github_.Files("main").size(), 1);
}

TEST_F(ExampleBlueprintsTest, MeshServiceNamespace) {
  ASSERT_NO_FATAL_FAILURE(Load("mesh-service-namespace"));
  for (const char* kind : {"Gateway", "VirtualService"}) {
    cluster_->AddKind("networking.istio.io/v1", kind, true);
  }
  for (const char* kind : {"PeerAuthentication", "AuthorizationPolicy"}) {
    cluster_->AddKind("security.istio.io/v1", kind, true);
  }
  cluster_->AddKind("cert-manager.io/v1", "Certificate", true);
  controllers_ = [&] {
    const connectors::ObjectRef certificate{"cert-manager.io/v1", "Certificate", "istio-system",
                                            "shop"};
    if (!cluster_->Get(certificate, {}).ok()) return;  // taken away again
    ASSERT_TRUE(
        cluster_->PatchStatus(certificate, Ready({{"notAfter", "2027-01-01T00:00:00Z"}})).ok());
  };
  Json parameters = {{"name", "shop"},
                     {"owner", "group:default/shop"},
                     {"team", "shop-devs"},
                     {"host", "shop.example.com"},
                     {"costCentre", "cc-9"}};
  Run("run_1", parameters);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(shown_["certificateUntil"], "2027-01-01T00:00:00Z");
  const size_t objects = cluster_->size();
  const auto first = outputs_;
  const Json gateway = *cluster_->Get({"networking.istio.io/v1", "Gateway", "shop", "shop"}, {});
  EXPECT_EQ(gateway["spec"]["servers"][0]["tls"]["credentialName"], "shop-tls");
  parameters["cpu"] = 8;
  Run("run_2", parameters);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(cluster_->size(), objects);
  EXPECT_EQ((*cluster_->Get({"v1", "ResourceQuota", "shop", "purser-quota"},
                            {}))["spec"]["hard"]["requests.cpu"],
            "8");
  outputs_ = first;
  Remove("run_1");
  EXPECT_EQ(cluster_->size(), 0);
}

TEST_F(ExampleBlueprintsTest, CustomerEnvironment) {
  ASSERT_NO_FATAL_FAILURE(Load("customer-environment"));
  const fs::path customer = folder_ / "roots/environments/prod/acme";
  for (const char* root : {"infra", "hive", "trino", "superset"}) {
    fs::create_directories(customer / root);
  }
  Json parameters = {
      {"environment", "prod"}, {"customer", "acme"}, {"owner", "group:default/acme"}};
  Run("run_1", parameters);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(shown_["superset"]["size"], "small");
  parameters["size"] = "large";
  Run("run_2", parameters);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(shown_["infra"]["size"], "large");
  Remove("run_2");
  for (const char* root : {"infra", "hive", "trino", "superset"}) {
    EXPECT_FALSE(fs::exists(customer / root / "state")) << root;
  }
}

TEST_F(ExampleBlueprintsTest, Database) {
  ASSERT_NO_FATAL_FAILURE(Load("database"));
  if (!has_postgres_) GTEST_SKIP() << "SKIP no PostgreSQL";
  Json parameters = {{"name", "orders"}, {"owner", "group:default/orders"}};
  Run("run_1", parameters);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(shown_["role"], "orders_app");
  const auto first = outputs_;
  parameters["connections"] = 5;
  Run("run_2", parameters);
  ASSERT_FALSE(HasFatalFailure());
  EXPECT_EQ(outputs_[1].second["created"], false);
  outputs_ = first;
  Remove("run_1");
}

}  // namespace
}  // namespace purser

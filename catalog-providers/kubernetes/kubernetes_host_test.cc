// The provider inside purserd's host of sources: what a portal sees of a cluster through its
// failures and purserd's restarts.
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/testing/eventually.h"
#include "catalog-providers/kubernetes/kubernetes_provider.h"
#include "catalog/entity.h"
#include "connectors/kubernetes/fake_api_server.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "provider/source_host.h"
#include "store/store.h"

namespace purser::catalog_providers {
namespace {

using Json = nlohmann::json;

Json Deployment(const std::string& name, Json labels = Json::object()) {
  return {{"apiVersion", "apps/v1"},
          {"kind", "Deployment"},
          {"metadata", {{"name", name}, {"namespace", "shop"}, {"labels", std::move(labels)}}}};
}

class KubernetesHostTest : public ::testing::Test {
 protected:
  KubernetesHostTest() {
    EXPECT_TRUE(registry_.Add(std::make_unique<KubernetesProvider>()).ok());
    transport_ = *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
    log_ = *provider::SourceLog::Open(*database_, base::Clock::System(), base::Rng::System());
    for (int i = 0; i < 30; ++i) server_.Put(Deployment(absl::StrCat("d", i)));
    Start();
  }
  ~KubernetesHostTest() override { Stop(); }

  void Start() {
    provider::SourceServices services;
    services.log = log_.get();
    services.transport = transport_.get();
    services.clock = &base::Clock::System();
    services.rng = &base::Rng::System();
    host_ = std::make_unique<provider::SourceHost>(registry_, services);
    portal_ = std::jthread([this](std::stop_token stop) {
      provider::FollowRequest request;
      request.id = "kubernetes";
      request.instance = "fleet";
      request.config = {
          {"clusters", {{"c1", {{"server", server_.url()}}}}},
          {"kinds", Json::array({{{"apiVersion", "apps/v1"}, {"kind", "Deployment"}}})}};
      request.position = position_;
      provider::FollowSink sink;
      sink.on_page = [this](const provider::LogPage& page) {
        base::MutexLock lock(mutex_);
        for (const std::string& text : page.upserts) {
          const Json entity = Json::parse(text);
          entities_[catalog::RefOf(entity).ToString()] = entity;
          ++upserts_;
        }
        for (const std::string& ref : page.removed) entities_.erase(ref);
        position_ = page.position;
        return absl::OkStatus();
      };
      sink.on_log = [](action::LogLevel, absl::string_view) { return absl::OkStatus(); };
      host_->Follow(request, stop, sink).IgnoreError();
    });
  }
  void Stop() {
    portal_.request_stop();
    if (portal_.joinable()) portal_.join();
    host_.reset();
  }

  size_t Size() {
    base::MutexLock lock(mutex_);
    return entities_.size();
  }
  bool Has(const std::string& name) {
    base::MutexLock lock(mutex_);
    return entities_.contains(absl::StrCat("component:default/", name, ".deployment.shop.c1"));
  }
  int upserts() {
    base::MutexLock lock(mutex_);
    return upserts_;
  }
  provider::SourceStatus Status() { return *host_->Get("kubernetes/fleet"); }

  connectors::FakeApiServer server_;
  provider::Registry registry_;
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<store::Database> database_ = *store::OpenSqlite({":memory:"});
  std::unique_ptr<provider::SourceLog> log_;
  std::unique_ptr<provider::SourceHost> host_;
  base::Mutex mutex_;
  std::map<std::string, Json> entities_;
  std::string position_;
  int upserts_ = 0;
  std::jthread portal_;
};

TEST_F(KubernetesHostTest, ChangesReachThePortalAsDeltas) {
  ASSERT_TRUE(base::Eventually([this] { return Size() == 30; }));
  const int before = upserts();
  server_.Put(Deployment("new"));
  ASSERT_TRUE(base::Eventually([this] { return Has("new"); }));
  server_.Delete(Deployment("d0"));
  ASSERT_TRUE(base::Eventually([this] { return !Has("d0"); }));
  // What did not change was not sent again.
  EXPECT_EQ(upserts() - before, 1);
  // A change of nothing an entity shows is none.
  server_.Put(Deployment("d1", {{"unseen", "x"}}));
  server_.Put(Deployment("last"));
  ASSERT_TRUE(base::Eventually([this] { return Has("last"); }));
  EXPECT_EQ(upserts() - before, 2);
}

TEST_F(KubernetesHostTest, ARestartSendsOnlyWhatChangedMeanwhile) {
  ASSERT_TRUE(base::Eventually([this] { return Size() == 30; }));
  Stop();
  const int before = upserts();
  server_.Delete(Deployment("d3"));
  server_.Put(Deployment("meanwhile"));
  Start();
  ASSERT_TRUE(base::Eventually([this] { return Has("meanwhile") && !Has("d3"); }));
  EXPECT_EQ(upserts() - before, 1);
}

TEST_F(KubernetesHostTest, AClusterThatIsAwayAtTheStartKeepsItsEntities) {
  ASSERT_TRUE(base::Eventually([this] { return Size() == 30; }));
  Stop();
  server_.FailAlways(503);
  Start();
  ASSERT_TRUE(base::Eventually([this] { return !Status().stats.degraded.empty(); }));
  EXPECT_EQ(Size(), 30u);
  server_.Delete(Deployment("d3"));
  server_.FailAlways(0);
  ASSERT_TRUE(base::Eventually([this] { return Status().stats.degraded.empty() && !Has("d3"); }));
  EXPECT_EQ(Size(), 29u);
}

TEST_F(KubernetesHostTest, AClusterThatIsSuddenlyEmptyIsHeld) {
  ASSERT_TRUE(base::Eventually([this] { return Size() == 30; }));
  // Its store was lost: everything is gone, and so is the history.
  server_.FailAlways(503);
  server_.BreakWatches();
  ASSERT_TRUE(base::Eventually([this] { return !Status().stats.degraded.empty(); }));
  for (int i = 0; i < 30; ++i) server_.Delete(Deployment(absl::StrCat("d", i)));
  server_.ForgetHistory();
  server_.FailAlways(0);
  ASSERT_TRUE(base::Eventually([this] { return Status().stats.held == 30; }));
  EXPECT_EQ(Size(), 30u);
  ASSERT_TRUE(host_->Confirm("kubernetes/fleet").ok());
  ASSERT_TRUE(base::Eventually([this] { return Size() == 0; }));
}

}  // namespace
}  // namespace purser::catalog_providers

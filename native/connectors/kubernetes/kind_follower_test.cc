#include "connectors/kubernetes/kind_follower.h"

#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/testing/eventually.h"
#include "connectors/kubernetes/fake_api_server.h"
#include "connectors/kubernetes/hasty_clock.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

Json Service(const char* name) {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", {{"name", name}, {"namespace", "a"}}}};
}

// Writes down what it is told: "[" and "]" around lists.
class Observer final : public KindObserver {
 public:
  absl::Status OnListBegin() override { return Add("["); }
  absl::Status OnObject(Json object) override { return Add(object["metadata"]["name"]); }
  absl::Status OnListEnd() override { return Add("]"); }
  absl::Status OnPut(Json object) override {
    return Add(absl::StrCat("+", object["metadata"]["name"].get<std::string>()));
  }
  absl::Status OnDelete(Json object) override {
    return Add(absl::StrCat("-", object["metadata"]["name"].get<std::string>()));
  }
  void OnAlive() override {
    base::MutexLock lock(mutex_);
    ++alive_;
  }
  void OnFailure(const absl::Status& why, absl::Duration) override {
    (void)Add(absl::StrCat("!", absl::StatusCodeToString(why.code())));
  }

  bool WaitFor(absl::string_view text) {
    return base::Eventually([&] { return absl::StrContains(Text(), text); });
  }
  std::string Text() {
    base::MutexLock lock(mutex_);
    return absl::StrJoin(told_, " ");
  }
  int alive() {
    base::MutexLock lock(mutex_);
    return alive_;
  }
  void RefuseNext() {
    base::MutexLock lock(mutex_);
    refuse_ = true;
  }

 private:
  absl::Status Add(std::string what) {
    base::MutexLock lock(mutex_);
    told_.push_back(std::move(what));
    return refuse_ ? absl::ResourceExhaustedError("full") : absl::OkStatus();
  }
  base::Mutex mutex_;
  std::vector<std::string> told_;
  int alive_ = 0;
  bool refuse_ = false;
};

class KindFollowerTest : public ::testing::Test {
 protected:
  KindFollowerTest() {
    fields_.Add({"metadata", "name"});
    transport_ = *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
    ClusterAccess access;
    access.server = server_.url();
    client_ =
        std::make_unique<HttpKubernetesClient>("test", std::move(access), *transport_, clock_);
    server_.Put(Service("one"));
  }
  ~KindFollowerTest() override { Stop(); }

  void Start() {
    thread_ = std::thread([this] {
      result_ =
          FollowKind(*client_, query_, fields_, observer_,
                     {.clock = clock_, .rng = rng_, .gate = gate_, .stop = stop_.get_token()});
    });
  }
  void Stop() {
    stop_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  bool Watching() {
    return server_.WaitFor([](const FakeApiServer& server) { return server.open_watches() == 1; });
  }

  FakeApiServer server_;
  HastyClock clock_;
  base::SeededRng rng_{1};
  ListGate gate_;
  FieldSelection fields_;
  KindQuery query_{.api_version = "v1", .kind = "Service"};
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<HttpKubernetesClient> client_;
  Observer observer_;
  std::stop_source stop_;
  std::thread thread_;
  absl::Status result_;
};

TEST_F(KindFollowerTest, ListsThenWatchesThroughBrokenConnections) {
  Start();
  ASSERT_TRUE(Watching());
  server_.Put(Service("two"));
  ASSERT_TRUE(observer_.WaitFor("+two"));
  server_.BreakWatches();
  server_.Put(Service("three"));
  ASSERT_TRUE(observer_.WaitFor("+three"));
  server_.Delete(Service("one"));
  ASSERT_TRUE(observer_.WaitFor("-one"));
  server_.Bookmark();
  EXPECT_TRUE(base::Eventually([&] { return observer_.alive() >= 1; }));
  Stop();
  EXPECT_EQ(result_.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(observer_.Text(), "[ one ] +two +three -one");  // one list, nothing twice
}

TEST_F(KindFollowerTest, ListsAgainWhenChangesWereMissed) {
  Start();
  ASSERT_TRUE(Watching());
  server_.FailAlways(503);
  server_.BreakWatches();
  ASSERT_TRUE(observer_.WaitFor("!UNAVAILABLE"));
  server_.Delete(Service("one"));
  server_.Put(Service("two"));
  server_.ForgetHistory();
  server_.FailAlways(0);
  ASSERT_TRUE(observer_.WaitFor("[ two ]"));
  // The place is lost while everything else works.
  ASSERT_TRUE(Watching());
  server_.Put(Service("three"));
  ASSERT_TRUE(observer_.WaitFor("+three"));
  server_.BreakWatches();
  server_.ForgetHistory();
  ASSERT_TRUE(observer_.WaitFor("[ three two ]"));
}

TEST_F(KindFollowerTest, FailedListsBeginAgainAndTellWhy) {
  server_.Put(Service("two"));
  server_.SetPageSize(1);
  server_.FailNext("/api/v1/services?limit=500&continue", {.status = 403});
  server_.ExpireContinue(1);
  Start();
  ASSERT_TRUE(observer_.WaitFor("]"));
  // Expired in between: begun anew without an end.
  EXPECT_THAT(observer_.Text(), HasSubstr("[ one !PERMISSION_DENIED [ one [ one two ]"));
}

TEST_F(KindFollowerTest, AKindThatIsNotServedHasNoObjects) {
  query_ = {.api_version = "example.org/v1", .kind = "Thing"};
  Start();
  ASSERT_TRUE(observer_.WaitFor("[ ]"));
  server_.AddKind("example.org/v1", "Thing", "things", true);
  server_.Put({{"apiVersion", "example.org/v1"},
               {"kind", "Thing"},
               {"metadata", {{"name", "t"}, {"namespace", "a"}}}});
  ASSERT_TRUE(observer_.WaitFor("[ t ]"));
  ASSERT_TRUE(Watching());
  Stop();
  EXPECT_THAT(observer_.Text(), ::testing::Not(HasSubstr("!")));
}

TEST_F(KindFollowerTest, A404ForEverythingIsAFailure) {
  server_.FailAlways(404);
  Start();
  ASSERT_TRUE(observer_.WaitFor("!NOT_FOUND"));
  EXPECT_THAT(observer_.Text(), ::testing::Not(HasSubstr("]")));
}

TEST_F(KindFollowerTest, TheObserverMayEndIt) {
  observer_.RefuseNext();
  Start();
  thread_.join();
  EXPECT_EQ(result_.code(), absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::connectors

#include "connectors/kubernetes/object_watcher.h"

#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "base/testing/eventually.h"
#include "connectors/fake_call_context.h"
#include "connectors/kubernetes/fake_api_server.h"
#include "connectors/kubernetes/hasty_clock.h"
#include "connectors/kubernetes/http_kubernetes_client.h"
#include "connectors/kubernetes/kubernetes_connector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "json/fields.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;
using Answer = ObjectWatcher::Answer;
using ::testing::HasSubstr;

Json Service(const char* name, const char* state = "new") {
  return {{"apiVersion", "v1"},
          {"kind", "Service"},
          {"metadata", {{"name", name}, {"namespace", "a"}, {"labels", {{"state", state}}}}}};
}

// How often something happened, and waiting for it.
class Count {
 public:
  void Add() {
    base::MutexLock lock(mutex_);
    ++count_;
  }
  bool Reaches(int count) {
    return base::Eventually([&] { return this->count() >= count; });
  }
  int count() {
    base::MutexLock lock(mutex_);
    return count_;
  }

 private:
  base::Mutex mutex_;
  int count_ ABSL_GUARDED_BY(mutex_) = 0;
};

class ObjectWatcherTest : public ::testing::Test {
 protected:
  ObjectWatcherTest() {
    transport_ = *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
    ClusterAccess access;
    access.server = server_.url();
    client_ =
        std::make_unique<HttpKubernetesClient>("test", std::move(access), *transport_, clock_);
    watcher_ = std::make_unique<ObjectWatcher>(clock_, rng_, /*max_places=*/2);
    for (const char* name : {"one", "two"}) server_.Put(Service(name));
  }

  // Until its label says "done", or it is gone.
  Answer Expect(const std::string& name, const std::string& who = "run/step/1",
                const std::string& namespace_name = "a") {
    return watcher_->Expect(
        *client_, {"v1", "Service", namespace_name, name}, who,
        [](const Json* object) {
          return object == nullptr ||
                 json::TextAt(*object, {"metadata", "labels", "state"}) == "done";
        },
        [this] { wakes_.Add(); });
  }
  bool Watching() {
    return server_.WaitFor([](const FakeApiServer& server) { return server.open_watches() == 1; });
  }
  // What the server saw of lists and of watches.
  int Lists() const { return server_.Requests("/api/v1/namespaces/a/services?limit="); }
  int Watches() const { return server_.Requests("/api/v1/namespaces/a/services?watch="); }
  bool Ends() {
    return base::Eventually([&] { return watcher_->places() == 0; });
  }

  FakeApiServer server_;
  HastyClock clock_;
  base::SeededRng rng_{1};
  std::unique_ptr<http::Transport> transport_;
  std::unique_ptr<HttpKubernetesClient> client_;
  Count wakes_;
  std::unique_ptr<ObjectWatcher> watcher_;  // last: its threads use the rest
};

TEST_F(ObjectWatcherTest, OneWatchServesAllWhoWaitInItsPlace) {
  EXPECT_EQ(Expect("one", "first"), Answer::kWatched);
  ASSERT_TRUE(Watching());
  EXPECT_EQ(Expect("two", "second"), Answer::kMissed);  // it may have changed just now
  EXPECT_EQ(Expect("two", "second"), Answer::kWatched);
  server_.Put(Service("one", "half"));
  server_.Put(Service("two", "done"));
  ASSERT_TRUE(wakes_.Reaches(1));
  server_.Put(Service("two", "done"));  // who was told is not told again
  server_.Put(Service("one", "done"));
  ASSERT_TRUE(wakes_.Reaches(2));
  EXPECT_EQ(wakes_.count(), 2);
  EXPECT_EQ(Lists(), 1);
  EXPECT_EQ(Watches(), 1);
}

TEST_F(ObjectWatcherTest, WhatIsSettledWhenTheWatchBeginsIsTold) {
  server_.Put(Service("one", "done"));
  EXPECT_EQ(Expect("one", "first"), Answer::kWatched);
  // Who comes behind the list looks for itself.
  const Answer second = Expect("none", "second");
  EXPECT_TRUE(wakes_.Reaches(second == Answer::kMissed ? 1 : 2));
}

TEST_F(ObjectWatcherTest, WhatGoesIsTold) {
  Expect("one");
  ASSERT_TRUE(Watching());
  server_.Delete(Service("one"));
  EXPECT_TRUE(wakes_.Reaches(1));
}

TEST_F(ObjectWatcherTest, ATornWatchGoesOnWhereItStood) {
  Expect("one");
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Watching());
    server_.Put(Service("two"));
    server_.BreakWatches();
  }
  server_.Put(Service("one", "done"));
  EXPECT_TRUE(wakes_.Reaches(1));
  EXPECT_EQ(Lists(), 1);
}

TEST_F(ObjectWatcherTest, AfterA410EverythingIsListedAnew) {
  Expect("one");
  ASSERT_TRUE(Watching());
  server_.FailAlways(503);
  server_.BreakWatches();
  server_.Put(Service("one", "done"));
  server_.ForgetHistory();
  server_.FailAlways(0);
  EXPECT_TRUE(wakes_.Reaches(1));
  EXPECT_GE(Lists(), 2);
}

TEST_F(ObjectWatcherTest, WhatMayNotBeReadIsPolledForAWhile) {
  server_.FailNext("/api/v1/namespaces/a/services?limit=", {.status = 403});
  EXPECT_EQ(Expect("one"), Answer::kWatched);
  ASSERT_TRUE(Ends());
  EXPECT_EQ(Expect("one"), Answer::kPolled);
  EXPECT_EQ(Lists(), 1);
  clock_.Advance(kUnwatchablePause);
  EXPECT_EQ(Expect("one"), Answer::kWatched);
  EXPECT_TRUE(Watching());
  EXPECT_EQ(
      watcher_->Expect(
          *client_, {"v1", "Secret", "a", "one"}, "w", [](const Json*) { return true; }, [] {}),
      Answer::kPolled);
}

TEST_F(ObjectWatcherTest, WhatNobodyNeedsEnds) {
  Expect("one");
  ASSERT_TRUE(Watching());
  clock_.Advance(kExpectationLifetime - absl::Seconds(20));
  Expect("one");  // renewed: it goes on
  clock_.Advance(absl::Seconds(60));
  server_.Bookmark();
  server_.Put(Service("two"));
  server_.Put(Service("one", "done"));
  ASSERT_TRUE(wakes_.Reaches(1));
  clock_.Advance(kIdleWatch);
  server_.Bookmark();
  EXPECT_TRUE(Ends());
  // The next one begins anew.
  EXPECT_EQ(Expect("one"), Answer::kWatched);
  EXPECT_TRUE(wakes_.Reaches(2));
}

TEST_F(ObjectWatcherTest, PlacesAreLimitedAndIdleOnesGiveWay) {
  server_.Put(Service("one", "done"));
  EXPECT_EQ(Expect("one", "first", "a"), Answer::kWatched);
  EXPECT_EQ(Expect("one", "second", "b"), Answer::kWatched);
  ASSERT_TRUE(wakes_.Reaches(2));  // both are idle now: "b" has no such object
  EXPECT_EQ(Expect("one", "third", "c"), Answer::kPolled);
  ASSERT_TRUE(Ends());
  EXPECT_EQ(Expect("one", "third", "c"), Answer::kWatched);
}

TEST_F(ObjectWatcherTest, AWaitingStepIsWokenAndAsksSeldomUntilThen) {
  auto made = KubernetesConnector::FromConfig("kubernetes",
                                              {{"clusters", {{"c1", {{"server", server_.url()}}}}}},
                                              {*transport_, clock_, rng_, {}});
  ASSERT_TRUE(made.ok()) << made.status();
  FakeCallContext context;
  context.waker = [this] { wakes_.Add(); };
  const Json input = {{"apiVersion", "v1"},
                      {"kind", "Service"},
                      {"namespace", "a"},
                      {"name", "one"},
                      {"ready", {{"pointer", "/metadata/labels/state"}, {"equals", "done"}}}};
  auto result = (*made)->Call("wait", input, context);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->ready);
  EXPECT_GE(result->poll_after, kWatchedPace.shortest);
  ASSERT_TRUE(Watching());
  server_.Put(Service("one", "done"));
  ASSERT_TRUE(wakes_.Reaches(1));
  result = (*made)->Observe("wait", input, *result, context);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(server_.Requests("/api/v1/namespaces/a/services/one"), 2);
}

}  // namespace
}  // namespace purser::connectors

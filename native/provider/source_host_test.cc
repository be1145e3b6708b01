#include "provider/source_host.h"

#include <atomic>
#include <map>
#include <memory>
#include <set>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "provider/fake_context.h"

namespace purser::provider {
namespace {

using nlohmann::json;
using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

json Entity(absl::string_view name, absl::string_view title = "t") {
  return {{"apiVersion", "backstage.io/v1alpha1"},
          {"kind", "Resource"},
          {"metadata", {{"name", std::string(name)}, {"title", std::string(title)}}},
          {"spec", {{"type", "bucket"}, {"owner", "group:default/a"}}}};
}

std::string Ref(absl::string_view name) { return absl::StrCat("resource:default/", name); }

// A source whose answers are scripted by a function.
class ScriptedProvider final : public Provider {
 public:
  using Script = std::function<absl::Status(Context&)>;
  ScriptedProvider(std::string id, Feed feed) {
    description_.id = std::move(id);
    description_.host = action::Host::kSidecar;
    description_.config_schema = {{"type", "object"}};
    description_.feed = feed;
    description_.refresh_every = absl::Milliseconds(20);
  }
  const Description& description() const override { return description_; }
  absl::Status Snapshot(Context& context) override { return Next()(context); }
  absl::Status Watch(Context& context) override { return Next()(context); }

  void Set(Script script) {
    base::MutexLock lock(mutex_);
    script_ = std::move(script);
  }

 private:
  Script Next() {
    base::MutexLock lock(mutex_);
    return script_;
  }
  Description description_;
  base::Mutex mutex_;
  Script script_ ABSL_GUARDED_BY(mutex_) = [](Context&) { return absl::OkStatus(); };
};

// A portal that follows one instance and applies what it gets.
class Portal {
 public:
  Portal(SourceHost& host, FollowRequest request, std::string position = "")
      : host_(host), request_(std::move(request)) {
    request_.position = std::move(position);
    thread_ = std::jthread([this](std::stop_token stop) {
      FollowSink sink;
      sink.on_page = [this](const LogPage& page) { return Apply(page); };
      sink.on_log = [this](action::LogLevel, absl::string_view line) {
        base::MutexLock lock(mutex_);
        log_.emplace_back(line);
        return absl::OkStatus();
      };
      const absl::Status status = host_.Follow(request_, stop, sink);
      base::MutexLock lock(mutex_);
      status_ = status;
    });
  }
  ~Portal() { Stop(); }
  void Stop() {
    thread_.request_stop();
    if (thread_.joinable()) thread_.join();
  }
  // Waits for a state that must come.
  bool Eventually(const std::function<bool(const std::map<std::string, std::string>&)>& check) {
    return base::Eventually([&] {
      base::MutexLock lock(mutex_);
      return check(entities_);
    });
  }
  bool EventuallyHas(const std::set<std::string>& names) {
    return Eventually([&](const auto& entities) {
      std::set<std::string> refs;
      for (const auto& [ref, title] : entities) refs.insert(ref);
      std::set<std::string> wanted;
      for (const std::string& name : names) wanted.insert(Ref(name));
      return refs == wanted;
    });
  }
  bool EventuallyLogs(absl::string_view text) {
    return Eventually([&](const auto&) {
      return std::any_of(log_.begin(), log_.end(), [&](const std::string& line) {
        return line.find(std::string(text)) != std::string::npos;
      });
    });
  }
  bool HasLogged(absl::string_view text) {
    base::MutexLock lock(mutex_);
    return std::any_of(log_.begin(), log_.end(), [&](const std::string& line) {
      return line.find(std::string(text)) != std::string::npos;
    });
  }
  bool EventuallyComplete() {
    return Eventually([&](const auto&) { return full_ends_ > 0; });
  }
  std::string position() {
    base::MutexLock lock(mutex_);
    return position_;
  }
  std::set<std::string> full_refs() {
    base::MutexLock lock(mutex_);
    return full_refs_;
  }
  absl::Status status() {
    base::MutexLock lock(mutex_);
    return status_;
  }
  int upserts() {
    base::MutexLock lock(mutex_);
    return upserts_;
  }

 private:
  absl::Status Apply(const LogPage& page) {
    base::MutexLock lock(mutex_);
    for (const std::string& text : page.upserts) {
      const json entity = json::parse(text);
      const std::string ref = catalog::RefOf(entity).ToString();
      entities_[ref] = entity["metadata"]["title"].get<std::string>();
      if (page.full) full_refs_.insert(ref);
      ++upserts_;
    }
    for (const std::string& ref : page.removed) entities_.erase(ref);
    full_ends_ += page.full_end ? 1 : 0;
    position_ = page.position;
    return absl::OkStatus();
  }

  SourceHost& host_;
  FollowRequest request_;
  base::Mutex mutex_;
  std::map<std::string, std::string> entities_;
  std::vector<std::string> log_;
  std::set<std::string> full_refs_;
  std::string position_;
  absl::Status status_;
  int full_ends_ = 0;
  int upserts_ = 0;
  std::jthread thread_;
};

class SourceHostTest : public testing::Test {
 protected:
  void SetUp() override {
    auto snapshot = std::make_unique<ScriptedProvider>("snap", Feed::kSnapshot);
    auto watch = std::make_unique<ScriptedProvider>("watch", Feed::kWatch);
    snapshot_ = snapshot.get();
    watch_ = watch.get();
    ASSERT_TRUE(registry_.Add(std::move(snapshot)).ok());
    ASSERT_TRUE(registry_.Add(std::move(watch)).ok());
    OpenStore();
    StartHost();
  }
  void TearDown() override { host_.reset(); }
  void OpenStore() {
    database_ = store::OpenSqlite({":memory:"}).value();
    log_ = SourceLog::Open(*database_, base::Clock::System(), base::Rng::System()).value();
  }
  void StartHost(absl::Duration linger = kLinger) {
    SourceServices services;
    services.log = log_.get();
    services.transport = &transport_;
    services.clock = &base::Clock::System();
    services.rng = &base::Rng::System();
    services.settle_every = absl::Milliseconds(50);
    services.resolve_secret = [](absl::string_view) { return std::string("hunter2"); };
    host_ = std::make_unique<SourceHost>(registry_, services, linger);
  }
  static FollowRequest Request(std::string id = "snap", json options = json::object()) {
    FollowRequest request;
    request.id = std::move(id);
    request.instance = "a";
    request.options = std::move(options);
    return request;
  }
  void Gives(std::vector<std::string> names, std::string title = "t") {
    snapshot_->Set([names, title](Context& context) -> absl::Status {
      for (const std::string& name : names) {
        PURSER_RETURN_IF_ERROR(context.Emit(Entity(name, title)));
      }
      return absl::OkStatus();
    });
  }
  void GivesMany(int count) {
    snapshot_->Set([count](Context& context) -> absl::Status {
      for (int i = 0; i < count; ++i) {
        PURSER_RETURN_IF_ERROR(context.Emit(Entity(absl::StrCat("r", i))));
      }
      return absl::OkStatus();
    });
  }
  bool EventuallyStatus(const std::function<bool(const SourceStatus&)>& check,
                        absl::string_view name = "snap/a") {
    return base::Eventually([&] {
      const absl::StatusOr<SourceStatus> status = host_->Get(name);
      return status.ok() && check(*status);
    });
  }

  NoTransport transport_;
  Registry registry_;
  ScriptedProvider* snapshot_ = nullptr;
  ScriptedProvider* watch_ = nullptr;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<SourceLog> log_;
  std::unique_ptr<SourceHost> host_;
};

TEST_F(SourceHostTest, SnapshotsBecomeChanges) {
  Gives({"a", "b"});
  Portal portal(*host_, Request());
  ASSERT_TRUE(portal.EventuallyHas({"a", "b"}));
  ASSERT_TRUE(portal.EventuallyComplete());
  Gives({"b", "c"});
  ASSERT_TRUE(portal.EventuallyHas({"b", "c"}));
  Gives({"b", "c"}, "new title");
  // Of both: they may come in two pages.
  ASSERT_TRUE(portal.Eventually([](const auto& entities) {
    return entities.at(Ref("b")) == "new title" && entities.at(Ref("c")) == "new title";
  }));
  // Rounds without a change say nothing.
  const int told = portal.upserts();
  const int64_t rounds = host_->Get("snap/a")->stats.rounds;
  ASSERT_TRUE(EventuallyStatus([&](const auto& s) { return s.stats.rounds > rounds + 3; }));
  EXPECT_EQ(portal.upserts(), told);
}

TEST_F(SourceHostTest, AFailedOrEmptySourceRemovesNothing) {
  Gives({"a", "b"});
  Portal portal(*host_, Request());
  ASSERT_TRUE(portal.EventuallyHas({"a", "b"}));
  snapshot_->Set([](Context& context) -> absl::Status {
    PURSER_RETURN_IF_ERROR(context.Emit(Entity("a")));
    return absl::UnavailableError("503 in the middle of paging");
  });
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.stats.failures > 0; }));
  EXPECT_THAT(host_->Get("snap/a")->record.error, HasSubstr("503"));
  ASSERT_TRUE(portal.EventuallyHas({"a", "b"}));
  Gives({});
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.record.held == 2; }));
  ASSERT_TRUE(portal.EventuallyHas({"a", "b"}));
  EXPECT_THAT(host_->Held("snap/a").value(), ElementsAre(Ref("a"), Ref("b")));
  EXPECT_THAT(host_->Summary(), HasSubstr("2 removals held"));
  // It comes back: nothing is held any more.
  Gives({"a", "b", "c"});
  ASSERT_TRUE(portal.EventuallyHas({"a", "b", "c"}));
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.record.held == 0; }));
}

// A known fault of another plugin: its lists of failed clusters counted as empty, and every entity
// of theirs was deleted.
TEST_F(SourceHostTest, AListThatFailsInOneClusterDeletesNothingThere) {
  snapshot_->Set([](Context& context) -> absl::Status {
    for (const char* cluster : {"one", "two"}) {
      for (int i = 0; i < 5; ++i) {
        PURSER_RETURN_IF_ERROR(context.EmitIn(cluster, Entity(absl::StrCat(cluster, "-", i))));
      }
    }
    return absl::OkStatus();
  });
  Portal portal(*host_, Request("snap", {{"guard", {{"minRemoved", 1000}}}}));
  ASSERT_TRUE(portal.Eventually([](const auto& entities) { return entities.size() == 10; }));
  snapshot_->Set([](Context& context) -> absl::Status {
    context.KeepPartition("one", absl::UnavailableError("list of deployments: 500"));
    // The other one goes on, its removals included.
    for (int i = 0; i < 4; ++i) {
      PURSER_RETURN_IF_ERROR(context.EmitIn("two", Entity(absl::StrCat("two-", i))));
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(portal.Eventually([](const auto& entities) { return entities.size() == 9; }));
  ASSERT_TRUE(
      portal.Eventually([](const auto& entities) { return !entities.contains(Ref("two-4")); }));
}

// A known fault of another plugin: a full mutation with what was read until an error in the middle.
TEST_F(SourceHostTest, APartOfTheAnswerIsNotTheWhole) {
  GivesMany(30);
  Portal portal(*host_, Request("snap", {{"guard", {{"minRemoved", 1000}}}}));
  ASSERT_TRUE(portal.Eventually([](const auto& entities) { return entities.size() == 30; }));
  snapshot_->Set([](Context& context) -> absl::Status {
    for (int i = 0; i < 3; ++i) {
      PURSER_RETURN_IF_ERROR(context.Emit(Entity(absl::StrCat("r", i), "new title")));
    }
    return absl::ResourceExhaustedError("429 on page 2");
  });
  // What was read is true and comes; what was not read stays.
  ASSERT_TRUE(portal.Eventually(
      [](const auto& entities) { return entities.at(Ref("r2")) == "new title"; }));
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.stats.failures > 0; }));
  ASSERT_TRUE(portal.Eventually([](const auto& entities) { return entities.size() == 30; }));
}

TEST_F(SourceHostTest, ALargeDropWaitsForAnOperator) {
  GivesMany(100);
  Portal portal(*host_, Request());
  ASSERT_TRUE(portal.Eventually([](const auto& entities) { return entities.size() == 100; }));
  GivesMany(50);
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.record.held == 50; }));
  ASSERT_TRUE(portal.EventuallyLogs("50 entities have gone from the source"));
  EXPECT_EQ(host_->Confirm("snap/a").value(), 50);
  ASSERT_TRUE(portal.Eventually([](const auto& entities) { return entities.size() == 50; }));
  EXPECT_EQ(host_->Get("snap/a")->record.held, 0);
  EXPECT_EQ(host_->Confirm("snap/a").value(), 0);
  EXPECT_EQ(host_->Confirm("snap/other").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SourceHostTest, APartitionThatFailsKeepsItsEntities) {
  snapshot_->Set([](Context& context) -> absl::Status {
    PURSER_RETURN_IF_ERROR(context.EmitIn("x", Entity("x1")));
    PURSER_RETURN_IF_ERROR(context.EmitIn("y", Entity("y1")));
    return context.EmitIn("y", Entity("y2"));
  });
  Portal portal(*host_, Request());
  ASSERT_TRUE(portal.EventuallyHas({"x1", "y1", "y2"}));
  snapshot_->Set([](Context& context) -> absl::Status {
    context.KeepPartition("x", absl::UnavailableError("refused"));
    return context.EmitIn("y", Entity("y1"));
  });
  ASSERT_TRUE(portal.EventuallyHas({"x1", "y1"}));
  ASSERT_TRUE(EventuallyStatus([](const auto& s) {
    return s.stats.degraded.contains("x") && absl::StrContains(s.record.error, "refused");
  }));
}

TEST_F(SourceHostTest, WhatMayNotComeFromHereIsDroppedAndCounted) {
  snapshot_->Set([](Context& context) -> absl::Status {
    json group = {{"apiVersion", "backstage.io/v1alpha1"},
                  {"kind", "Group"},
                  {"metadata", {{"name", "admins"}}},
                  {"spec", {{"type", "team"}, {"children", json::array()}}}};
    PURSER_RETURN_IF_ERROR(context.Emit(group));
    json elsewhere = Entity("b");
    elsewhere["metadata"]["namespace"] = "other";
    PURSER_RETURN_IF_ERROR(context.Emit(elsewhere));
    json hostile = Entity("../../etc");
    // A later round may see the end of the test instead.
    EXPECT_THAT(context.Emit(hostile).code(),
                AnyOf(absl::StatusCode::kInvalidArgument, absl::StatusCode::kCancelled));
    PURSER_RETURN_IF_ERROR(context.Emit(Entity("a")));
    return context.Emit(Entity("a", "second"));
  });
  Portal portal(*host_, Request("snap", {{"allowedKinds", {"Resource"}},
                                         {"allowedNamespaces", {"default"}}}));
  ASSERT_TRUE(portal.EventuallyHas({"a"}));
  ASSERT_TRUE(EventuallyStatus([](const auto& s) {
    return s.stats.rounds > 0 && s.stats.dropped == 3 && s.stats.duplicates == 1;
  }));
}

TEST_F(SourceHostTest, ARestartGoesOnBehindTheLastChange) {
  Gives({"a", "b"});
  std::string position;
  {
    Portal portal(*host_, Request());
    ASSERT_TRUE(portal.EventuallyHas({"a", "b"}));
    ASSERT_TRUE(portal.EventuallyComplete());
    portal.Stop();
    EXPECT_EQ(portal.status().code(), absl::StatusCode::kCancelled);
    position = portal.position();
  }
  host_.reset();
  Gives({"a", "c"});
  StartHost();
  Portal portal(*host_, Request(), position);
  ASSERT_TRUE(portal.EventuallyHas({"c"}));
  EXPECT_EQ(portal.upserts(), 1);
  EXPECT_THAT(portal.full_refs(), IsEmpty());
}

TEST_F(SourceHostTest, SeveralPortalsEachHaveTheirPlace) {
  Gives({"a"});
  Portal one(*host_, Request());
  ASSERT_TRUE(one.EventuallyHas({"a"}));
  Portal two(*host_, Request());
  ASSERT_TRUE(two.EventuallyHas({"a"}));
  EXPECT_EQ(host_->Get("snap/a")->followers, 2);
  Gives({"b"});
  ASSERT_TRUE(one.EventuallyHas({"b"}));
  ASSERT_TRUE(two.EventuallyHas({"b"}));
}

TEST_F(SourceHostTest, ALostStoreIsNoticedAndWhatIsGoneIsAdopted) {
  GivesMany(20);
  std::string position;
  {
    Portal portal(*host_, Request());
    ASSERT_TRUE(portal.Eventually([](const auto& entities) { return entities.size() == 20; }));
    ASSERT_TRUE(portal.EventuallyComplete());
    portal.Stop();
    position = portal.position();
  }
  host_.reset();
  OpenStore();
  StartHost();
  // As long as the source does not answer, nothing may be concluded.
  snapshot_->Set([](Context&) { return absl::UnavailableError("not now"); });
  Portal portal(*host_, Request(), position);
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.stats.failures > 0; }));
  EXPECT_THAT(portal.full_refs(), IsEmpty());
  GivesMany(18);
  ASSERT_TRUE(portal.EventuallyComplete());
  EXPECT_THAT(portal.full_refs(), SizeIs(18));
  // The portal still holds two that the source has no more: few enough to let go.
  ASSERT_TRUE(host_->Adopt("snap/a", {Ref("r18"), Ref("r19")}, true).ok());
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.record.entities == 18; }));
  // Many: held.
  std::vector<std::string> many;
  for (int i = 100; i < 130; ++i) many.push_back(Ref(absl::StrCat("r", i)));
  ASSERT_TRUE(host_->Adopt("snap/a", many, true).ok());
  EXPECT_EQ(host_->Get("snap/a")->record.held, 30);
  EXPECT_EQ(host_->Confirm("snap/a").value(), 30);
  EXPECT_EQ(host_->Adopt("snap/a", {"not a ref"}, true).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SourceHostTest, MemoryLastsWhenTheRoundWasGood) {
  struct Rounds {
    std::atomic<bool> fail{true};
    base::Mutex mutex;
    std::vector<std::string> recalled;
  };
  // Shared: there are rounds until the fixture ends.
  const auto rounds = std::make_shared<Rounds>();
  snapshot_->Set([rounds](Context& context) -> absl::Status {
    {
      base::MutexLock lock(rounds->mutex);
      rounds->recalled.push_back(context.Recall("etag").value_or("none"));
    }
    if (context.Recall("etag").has_value()) {
      context.Unchanged();
      return absl::OkStatus();
    }
    PURSER_RETURN_IF_ERROR(context.Remember("etag", "v1"));
    PURSER_RETURN_IF_ERROR(context.Emit(Entity("a")));
    if (rounds->fail) return absl::UnavailableError("broken off");
    return absl::OkStatus();
  });
  Portal portal(*host_, Request());
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.stats.failures > 0; }));
  rounds->fail = false;
  ASSERT_TRUE(EventuallyStatus([](const auto& s) {
    return s.stats.rounds > s.stats.failures + 2 && s.record.error.empty();
  }));
  ASSERT_TRUE(portal.EventuallyHas({"a"}));
  base::MutexLock lock(rounds->mutex);
  EXPECT_EQ(rounds->recalled[0], "none");
  EXPECT_EQ(rounds->recalled[1], "none");
  EXPECT_EQ(rounds->recalled.back(), "v1");
}

TEST_F(SourceHostTest, WatchesAddChangeAndRemoveAsItHappens) {
  // Shared: the watch may begin once more before the other one is set.
  const auto step = std::make_shared<std::atomic<int>>(0);
  watch_->Set([step](Context& context) -> absl::Status {
    PURSER_RETURN_IF_ERROR(context.BeginSnapshot(""));
    PURSER_RETURN_IF_ERROR(context.Emit(Entity("a")));
    PURSER_RETURN_IF_ERROR(context.Emit(Entity("b")));
    PURSER_RETURN_IF_ERROR(context.CompleteSnapshot(""));
    int done = 0;
    while (!context.stop().stop_requested()) {
      if (*step > done) {
        ++done;
        if (done == 1) PURSER_RETURN_IF_ERROR(context.Emit(Entity("c")));
        if (done == 2) PURSER_RETURN_IF_ERROR(context.Remove(Ref("a")));
        if (done == 3) return absl::UnavailableError("410 gone");
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return absl::CancelledError("stopped");
  });
  Portal portal(*host_, Request("watch"));
  ASSERT_TRUE(portal.EventuallyHas({"a", "b"}));
  ASSERT_TRUE(portal.EventuallyComplete());
  *step = 1;
  ASSERT_TRUE(portal.EventuallyHas({"a", "b", "c"}));
  *step = 2;
  ASSERT_TRUE(portal.EventuallyHas({"b", "c"}));
  // The relist after the loss does not have c, and a again.
  *step = 3;
  watch_->Set([&](Context& context) -> absl::Status {
    PURSER_RETURN_IF_ERROR(context.BeginSnapshot(""));
    PURSER_RETURN_IF_ERROR(context.Emit(Entity("a")));
    PURSER_RETURN_IF_ERROR(context.Emit(Entity("b")));
    PURSER_RETURN_IF_ERROR(context.CompleteSnapshot(""));
    while (!context.stop().stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return absl::CancelledError("stopped");
  });
  ASSERT_TRUE(portal.EventuallyHas({"a", "b"}));
}

TEST_F(SourceHostTest, PausedSourcesRestAndResyncSendsEverythingAgain) {
  Gives({"a"});
  Portal portal(*host_, Request());
  ASSERT_TRUE(portal.EventuallyHas({"a"}));
  ASSERT_TRUE(host_->Pause("snap/a").ok());
  Gives({"a", "b"});
  EXPECT_TRUE(host_->Get("snap/a")->record.paused);
  ASSERT_TRUE(host_->Resume("snap/a").ok());
  ASSERT_TRUE(portal.EventuallyHas({"a", "b"}));
  const int told = portal.upserts();
  ASSERT_TRUE(host_->Resync("snap/a").ok());
  EXPECT_TRUE(base::Eventually([&] { return portal.upserts() >= told + 2; }));
  EXPECT_EQ(portal.upserts(), told + 2);
  EXPECT_EQ(host_->Pause("snap/none").code(), absl::StatusCode::kNotFound);
}

TEST_F(SourceHostTest, OneRoundWithoutFollowing) {
  Gives({"a"});
  FollowRequest request = Request();
  request.follow = false;
  Portal once(*host_, request);
  ASSERT_TRUE(once.EventuallyHas({"a"}));
  snapshot_->Set([](Context&) { return absl::PermissionDeniedError("401"); });
  std::vector<std::string> lines;
  FollowSink sink;
  sink.on_page = [](const LogPage&) { return absl::OkStatus(); };
  sink.on_log = [&](action::LogLevel, absl::string_view line) {
    lines.emplace_back(line);
    return absl::OkStatus();
  };
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return s.stats.failures > 0; }));
  EXPECT_EQ(host_->Follow(request, {}, sink).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(lines, Contains(HasSubstr("401")));
}

TEST_F(SourceHostTest, SecretsStayOutOfLogsAndErrors) {
  snapshot_->Set([](Context& context) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const std::string secret, context.Secret("env:X"));
    context.Log(action::LogLevel::kInfo, absl::StrCat("using ", secret));
    return absl::UnauthenticatedError(absl::StrCat("peer says: bad token ", secret));
  });
  Portal portal(*host_, Request());
  ASSERT_TRUE(portal.EventuallyLogs("using ***"));
  ASSERT_TRUE(portal.EventuallyLogs("bad token ***"));
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return !s.record.error.empty(); }));
  EXPECT_THAT(host_->Get("snap/a")->record.error, Not(HasSubstr("hunter2")));
}

TEST_F(SourceHostTest, BadRequestsSayWhatIsWrong) {
  FollowSink sink;
  FollowRequest request = Request("none");
  EXPECT_THAT(std::string(host_->Follow(request, {}, sink).message()), HasSubstr("snap, watch"));
  request = Request("snap", {{"guard", {{"maxRemovedFraction", 2}}}});
  EXPECT_EQ(host_->Follow(request, {}, sink).code(), absl::StatusCode::kInvalidArgument);
  request = Request();
  request.instance = "Not a name";
  EXPECT_EQ(host_->Follow(request, {}, sink).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SourceHostTest, LingersAndEnds) {
  host_.reset();
  StartHost(absl::Milliseconds(50));
  Gives({"a"});
  {
    Portal portal(*host_, Request());
    ASSERT_TRUE(portal.EventuallyHas({"a"}));
    EXPECT_TRUE(host_->Get("snap/a")->active);
  }
  ASSERT_TRUE(EventuallyStatus([](const auto& s) { return !s.active; }));
}

TEST_F(SourceHostTest, ReportsToMetrics) {
  Gives({"a"});
  Portal portal(*host_, Request());
  ASSERT_TRUE(portal.EventuallyHas({"a"}));
  base::Metrics metrics;
  host_->Report(metrics);
  EXPECT_THAT(metrics.Text(), HasSubstr("purser_source_entities{source=\"snap/a\"} 1"));
}

TEST_F(SourceHostTest, SourcesOfPortalsAreShownAndSteered) {
  PortalReport report;
  report.entities = 40;
  report.held = 12;
  report.held_refs = {Ref("gone")};
  report.rounds = 3;
  report.degraded = {{"file:/b.yaml", "not YAML"}};
  EXPECT_FALSE(host_->ReportPortal("source-tree/shop", report).value().paused);
  const SourceStatus status = host_->Get("source-tree/shop").value();
  EXPECT_TRUE(status.active);
  EXPECT_EQ(status.record.entities, 40);
  EXPECT_EQ(status.stats.rounds, 3);
  EXPECT_THAT(status.stats.degraded, SizeIs(1));
  EXPECT_THAT(host_->Held("source-tree/shop").value(), ElementsAre(Ref("gone")));
  EXPECT_THAT(host_->Collisions("source-tree/shop").value(), IsEmpty());
  EXPECT_THAT(host_->Summary(), HasSubstr("source source-tree/shop: 40 entities"));
  base::Metrics metrics;
  host_->Report(metrics);
  EXPECT_THAT(metrics.Text(),
              HasSubstr("purser_source_held_removals{source=\"source-tree/shop\"} 12"));

  ASSERT_TRUE(host_->Pause("source-tree/shop").ok());
  ASSERT_TRUE(host_->Resync("source-tree/shop").ok());
  EXPECT_EQ(host_->Confirm("source-tree/shop").value(), 12);
  PortalOrders orders = host_->ReportPortal("source-tree/shop", std::nullopt).value();
  EXPECT_TRUE(orders.paused && orders.resync && orders.confirm);
  ASSERT_TRUE(host_->Resume("source-tree/shop").ok());
  report.resynced = true;
  report.held = 0;
  ASSERT_TRUE(host_->ReportPortal("source-tree/shop", report).ok());
  orders = host_->ReportPortal("source-tree/shop", std::nullopt).value();
  EXPECT_FALSE(orders.paused || orders.resync || orders.confirm);
  EXPECT_EQ(host_->Confirm("source-tree/shop").value(), 0) << "nothing is held";

  EXPECT_EQ(host_->ReportPortal("snap/a", std::nullopt).status().code(),
            absl::StatusCode::kInvalidArgument)
      << "purserd has that provider";
  EXPECT_EQ(host_->ReportPortal("no name", std::nullopt).status().code(),
            absl::StatusCode::kInvalidArgument);
  report.held_refs.assign(kMaxShownRefs + 1, Ref("x"));
  EXPECT_EQ(host_->ReportPortal("source-tree/shop", report).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(SourceHostTest, PriorityDecidesWhoShowsAnEntity) {
  Gives({"shared", "own"}, "first");
  Portal first(*host_, Request());
  ASSERT_TRUE(first.EventuallyHas({"shared", "own"}));
  FollowRequest request = Request("snap", {{"priority", 10}});
  request.instance = "b";
  Portal second(*host_, request);
  // The loser is told that it is gone, and the winner waits for that to be applied.
  EXPECT_TRUE(first.EventuallyHas({}));
  EXPECT_TRUE(second.EventuallyHas({}));
  first.Stop();
  Portal again(*host_, Request(), first.position());
  EXPECT_TRUE(second.EventuallyHas({"shared", "own"}));
  const auto collisions = host_->Collisions("snap/a").value();
  ASSERT_THAT(collisions, SizeIs(2));
  EXPECT_EQ(collisions[0].owner, "snap/b");
  EXPECT_EQ(host_->Get("snap/a").value().record.waiting, 2);
}

TEST_F(SourceHostTest, LinesOfTheLogAreToldOnce) {
  snapshot_->Set(
      [](Context&) -> absl::Status { return absl::UnavailableError("the peer is away"); });
  Portal first(*host_, Request());
  ASSERT_TRUE(first.EventuallyLogs("the peer is away"));
  Gives({"one"});
  ASSERT_TRUE(first.EventuallyHas({"one"}));
  first.Stop();
  Portal second(*host_, Request(), first.position());
  Gives({"one", "two"});
  ASSERT_TRUE(second.EventuallyHas({"two"}));
  EXPECT_FALSE(second.HasLogged("the peer is away"));
}

TEST_F(SourceHostTest, ThrowingProvidersFailTheirRound) {
  snapshot_->Set([](Context&) -> absl::Status { throw std::runtime_error("library fell over"); });
  Portal portal(*host_, Request());
  ASSERT_TRUE(portal.EventuallyLogs("library fell over"));
}

}  // namespace
}  // namespace purser::provider

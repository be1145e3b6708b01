#include "provider/source_log.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/testing/shared_postgres.h"

namespace purser::provider {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

LogWrite Put(absl::string_view ref, absl::string_view body) {
  LogWrite write;
  write.ref = std::string(ref);
  write.body = std::string(body);
  write.hash = absl::StrCat("h", body);
  return write;
}

LogWrite Gone(absl::string_view ref) {
  LogWrite write;
  write.ref = std::string(ref);
  return write;
}

// On every database: the parameter says which.
class SourceLogTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "postgres") {
      store::PostgresServer* const server = store::SharedPostgres();
      if (server == nullptr) GTEST_SKIP() << "SKIP no PostgreSQL on this machine";
      database_ = store::OpenPostgres({.url = server->NewDatabase().value()}).value();
    } else {
      database_ = store::OpenSqlite({":memory:"}).value();
    }
    log_ = SourceLog::Open(*database_, clock_, base::Rng::System()).value();
    a_ = log_->Register("kubernetes/a").value().id;
    b_ = log_->Register("kubernetes/b").value().id;
  }
  void Complete(int64_t source) {
    SourceLog::RoundEnd end;
    end.complete = true;
    ASSERT_TRUE(log_->EndRound(source, "", end).ok());
  }
  LogPage Read(int64_t source, absl::string_view position, int max = 1000) {
    return log_->Changes(source, position, max).value();
  }

  // What waits and may be shown now.
  int64_t Show(int64_t source, absl::Time abandoned_before = absl::InfinitePast()) {
    std::string after;
    return log_->ShowWaiting(source, "", abandoned_before, &after).value();
  }
  // The reader of `name` has applied everything there is.
  void ReaderIsUpToDate(absl::string_view name) {
    const SourceRecord record = *log_->Find(name).value();
    const std::string at = absl::StrCat(record.epoch, "/", record.position);
    EXPECT_TRUE(log_->Followed(record.id, at).ok());
  }

  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<SourceLog> log_;
  int64_t a_ = 0;
  int64_t b_ = 0;
};

INSTANTIATE_TEST_SUITE_P(Databases, SourceLogTest, testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

TEST_P(SourceLogTest, NewReadersGetEverythingThenChanges) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r1", "1"), Put("r2", "2"), Put("r3", "3")}).ok());
  Complete(a_);
  LogPage page = Read(a_, "", 2);
  EXPECT_TRUE(page.full);
  EXPECT_TRUE(page.more);
  EXPECT_FALSE(page.full_end);
  EXPECT_THAT(page.upserts, ElementsAre("1", "2"));
  EXPECT_THAT(page.position, EndsWith("/full"));
  page = Read(a_, page.position, 2);
  EXPECT_TRUE(page.full_end);
  EXPECT_THAT(page.upserts, ElementsAre("3"));
  const std::string at = page.position;
  ASSERT_TRUE(log_->Append(a_, "", {Put("r2", "2b"), Gone("r1"), Gone("unknown")}).ok());
  page = Read(a_, at);
  EXPECT_FALSE(page.full);
  EXPECT_THAT(page.upserts, ElementsAre("2b"));
  EXPECT_THAT(page.removed, ElementsAre("r1"));
  EXPECT_EQ(Read(a_, page.position).position, page.position);
  // The other source has a log of its own.
  EXPECT_THAT(Read(b_, "").upserts, IsEmpty());
}

TEST_P(SourceLogTest, EverythingIsNotAllUntilTheSourceWasReadOnce) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r1", "1")}).ok());
  LogPage page = Read(a_, "");
  EXPECT_TRUE(page.full);
  EXPECT_FALSE(page.more);
  EXPECT_FALSE(page.full_end);
  const std::string at = page.position;
  EXPECT_EQ(Read(a_, at).position, at);
  Complete(a_);
  page = Read(a_, at);
  EXPECT_TRUE(page.full_end);
  EXPECT_FALSE(Read(a_, page.position).full);
}

TEST_P(SourceLogTest, RemovalsAreToldAlsoWhileNotEverythingWasRead) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r1", "1"), Put("r2", "2")}).ok());
  LogPage page = Read(a_, "");
  ASSERT_TRUE(log_->Append(a_, "", {Gone("r1")}).ok());
  page = Read(a_, page.position);
  EXPECT_TRUE(page.full);
  EXPECT_THAT(page.removed, ElementsAre("r1"));
}

TEST_P(SourceLogTest, PositionsOfALostLogBeginAnew) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r1", "1")}).ok());
  Complete(a_);
  const std::string at = Read(a_, "").position;
  EXPECT_TRUE(Read(a_, "01abc/7").full);
  EXPECT_TRUE(Read(a_, "nonsense").full);
  EXPECT_TRUE(Read(a_, "01abc/-7").full);
  ASSERT_TRUE(log_->NewEpoch(a_).ok());
  EXPECT_TRUE(Read(a_, at).full);
}

TEST_P(SourceLogTest, TheFirstOwnerKeepsARef) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r", "of a")}).ok());
  ASSERT_TRUE(log_->Append(b_, "", {Put("r", "of b"), Put("own", "of b")}).ok());
  Complete(a_);
  Complete(b_);
  const LogPage page = Read(b_, "");
  EXPECT_THAT(page.upserts, ElementsAre("of b"));
  const auto collisions = log_->Collisions(b_, 10).value();
  ASSERT_THAT(collisions, SizeIs(1));
  EXPECT_EQ(collisions[0].ref, "r");
  EXPECT_EQ(collisions[0].owner, "kubernetes/a");
  EXPECT_EQ(log_->Find("kubernetes/b").value()->waiting, 1);
  EXPECT_EQ(Show(b_), 0);
  ASSERT_TRUE(log_->Append(a_, "", {Gone("r")}).ok());
  // The portal would refuse it as long as it holds the other one.
  EXPECT_EQ(Show(b_), 0);
  ReaderIsUpToDate("kubernetes/a");
  EXPECT_EQ(Show(b_), 1);
  EXPECT_THAT(Read(b_, page.position).upserts, ElementsAre("of b"));
  // One that only waits is forgotten without a word to the readers.
  ASSERT_TRUE(log_->Append(a_, "", {Put("own", "of a")}).ok());
  const std::string at = Read(a_, "").position;
  ASSERT_TRUE(log_->Append(a_, "", {Gone("own")}).ok());
  EXPECT_THAT(Read(a_, at).removed, IsEmpty());
}

TEST_P(SourceLogTest, TheHigherPriorityTakesARefOver) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r", "of a")}).ok());
  Complete(a_);
  Complete(b_);
  ReaderIsUpToDate("kubernetes/a");
  const std::string at_a = Read(a_, "").position;
  const std::string at_b = Read(b_, "").position;
  ASSERT_TRUE(log_->SetPriority(b_, 5).ok());
  ASSERT_TRUE(log_->Append(b_, "", {Put("r", "of b")}).ok());
  EXPECT_THAT(Read(b_, at_b).upserts, IsEmpty()) << "a's must go first";
  EXPECT_EQ(Show(b_), 0);
  EXPECT_THAT(Read(a_, at_a).removed, ElementsAre("r"));
  EXPECT_EQ(log_->Find("kubernetes/a").value()->waiting, 1);
  EXPECT_EQ(Show(b_), 0) << "nobody has applied it yet";
  ReaderIsUpToDate("kubernetes/a");
  EXPECT_EQ(Show(b_), 1);
  EXPECT_THAT(Read(b_, at_b).upserts, ElementsAre("of b"));
  // What a says of it now waits, without going round in circles.
  ASSERT_TRUE(log_->Append(a_, "", {Put("r", "of a, changed")}).ok());
  EXPECT_EQ(Show(a_), 0);
  EXPECT_EQ(Show(b_), 0);
  EXPECT_EQ(log_->Collisions(a_, 10).value()[0].owner, "kubernetes/b");
  // Everything anew has it once only.
  EXPECT_THAT(Read(a_, "").upserts, IsEmpty());
  ASSERT_TRUE(log_->Append(b_, "", {Gone("r")}).ok());
  ReaderIsUpToDate("kubernetes/b");
  EXPECT_EQ(Show(a_), 1);
  EXPECT_THAT(Read(a_, "").upserts, ElementsAre("of a, changed"));
}

TEST_P(SourceLogTest, WhatPurserMadeGoesBeforeAll) {
  ASSERT_TRUE(log_->SetPriority(a_, 1000).ok());
  ASSERT_TRUE(log_->Append(a_, "", {Put("r", "of a")}).ok());
  ASSERT_TRUE(log_->SetPriority(b_, kOwnPriority).ok());
  LogWrite own = Put("r", "of purser");
  own.yields = false;
  ASSERT_TRUE(log_->Append(b_, "", {own}).ok());
  EXPECT_EQ(Show(b_), 0);
  ReaderIsUpToDate("kubernetes/a");
  EXPECT_EQ(Show(b_), 1);
}

TEST_P(SourceLogTest, AnAbandonedSourceKeepsNothing) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r", "of a")}).ok());
  ASSERT_TRUE(log_->Append(b_, "", {Put("r", "of b")}).ok());
  clock_.Advance(absl::Hours(2));
  EXPECT_EQ(Show(b_), 0);
  EXPECT_EQ(Show(b_, clock_.Now() - absl::Hours(1)), 1);
}

TEST_P(SourceLogTest, AllWaitingAreLookedAtInTurn) {
  std::vector<LogWrite> of_a;
  std::vector<LogWrite> of_b;
  for (int64_t i = 0; i < kMaxSettledRefs + 10; ++i) {
    of_a.push_back(Put(absl::StrCat("r", 100'000 + i), "a"));
    of_b.push_back(Put(absl::StrCat("r", 100'000 + i), "b"));
  }
  ASSERT_TRUE(log_->Append(a_, "", of_a).ok());
  ASSERT_TRUE(log_->Append(b_, "", of_b).ok());
  ASSERT_TRUE(log_->Append(a_, "", {Gone(of_a.back().ref)}).ok());
  ReaderIsUpToDate("kubernetes/a");
  ASSERT_TRUE(
      log_->Followed(a_, absl::StrCat(log_->Find("kubernetes/a").value()->epoch, "/999999")).ok());
  std::string after;
  EXPECT_EQ(log_->ShowWaiting(b_, "", absl::InfinitePast(), &after).value(), 0);
  EXPECT_FALSE(after.empty());
  EXPECT_EQ(log_->ShowWaiting(b_, "", absl::InfinitePast(), &after).value(), 1);
  EXPECT_TRUE(after.empty());
}

TEST_P(SourceLogTest, OfSeveralWritesTheLastCounts) {
  ASSERT_TRUE(log_->Append(a_, "",
                           {Put("r1", "1"), Gone("r1"), Put("r1", "2"), Put("r2", "1"),
                            Put("r2", "2"), Gone("r2"), Put("r3", "3")})
                  .ok());
  EXPECT_THAT(Read(a_, "").upserts, ElementsAre("2", "3"));
  // More than fit one statement, in order.
  std::vector<LogWrite> writes;
  std::vector<std::string> bodies;
  for (int i = 0; i < 150; ++i) {
    writes.push_back(Put(absl::StrCat("m", i), absl::StrCat("b", i)));
    bodies.push_back(absl::StrCat("b", i));
  }
  const std::string at = Read(a_, "").position;
  ASSERT_TRUE(log_->Append(a_, "", writes).ok());
  EXPECT_THAT(Read(a_, "").upserts, SizeIs(152));
  LogPage page = log_->Changes(a_, "", 1000).value();
  page.upserts.erase(page.upserts.begin(), page.upserts.begin() + 2);
  EXPECT_THAT(page.upserts, testing::ElementsAreArray(bodies));
  for (LogWrite& write : writes) write.body.reset();
  ASSERT_TRUE(log_->Append(a_, "", writes).ok());
  Complete(a_);
  EXPECT_THAT(Read(a_, "").upserts, ElementsAre("2", "3"));
}

TEST_P(SourceLogTest, SourcesOfPortals) {
  EXPECT_FALSE(log_->ReportPortal("source-tree/x", std::nullopt).value().paused);
  SourceRecord record = *log_->Find("source-tree/x").value();
  ASSERT_TRUE(record.portal.has_value());
  EXPECT_EQ(record.fresh_at, absl::Time());
  PortalReport report;
  report.entities = 12;
  report.held = 2;
  report.held_refs = {"component:default/a", "component:default/b"};
  report.degraded = {{"file:/x.yaml", "not YAML"}};
  report.changed = 3;
  ASSERT_TRUE(log_->ReportPortal("source-tree/x", report).ok());
  record = *log_->Find("source-tree/x").value();
  EXPECT_EQ(record.entities, 12);
  EXPECT_EQ(record.held, 2);
  EXPECT_EQ(record.portal->held_refs, report.held_refs);
  EXPECT_EQ(record.portal->degraded, report.degraded);
  EXPECT_EQ(record.portal->changed, 3);
  EXPECT_NE(record.fresh_at, absl::Time());
  ASSERT_TRUE(log_->SetConfirm(record.id).ok());
  ASSERT_TRUE(log_->SetResync(record.id, true).ok());
  ASSERT_TRUE(log_->SetPaused(record.id, true).ok());
  PortalOrders orders = log_->ReportPortal("source-tree/x", report).value();
  EXPECT_FALSE(orders.confirm) << "only who asks before a round is told";
  orders = log_->ReportPortal("source-tree/x", std::nullopt).value();
  EXPECT_TRUE(orders.confirm && orders.resync && orders.paused);
  orders = log_->ReportPortal("source-tree/x", std::nullopt).value();
  EXPECT_FALSE(orders.confirm);
  EXPECT_TRUE(orders.resync) << "until it is done";
  report.resynced = true;
  report.error = "unreadable";
  ASSERT_TRUE(log_->ReportPortal("source-tree/x", report).ok());
  record = *log_->Find("source-tree/x").value();
  EXPECT_FALSE(record.resync);
  EXPECT_EQ(record.error, "unreadable");
}

TEST_P(SourceLogTest, HeldAndAdoptedEntities) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r1", "1"), Put("r2", "2")}).ok());
  ASSERT_TRUE(log_->Hold(a_, "", {"r1", "unknown"}).ok());
  ASSERT_TRUE(log_->Adopt(a_, {"r2", "old"}).ok());
  EXPECT_THAT(log_->Held(a_, 10).value(), ElementsAre("old", "r1"));
  Complete(a_);
  // The adopted one has no text to give, but its end is told.
  EXPECT_THAT(Read(a_, "").upserts, ElementsAre("1", "2"));
  const std::string at = Read(a_, "").position;
  ASSERT_TRUE(log_->Append(a_, "", {Gone("old")}).ok());
  EXPECT_THAT(Read(a_, at).removed, ElementsAre("old"));
  EXPECT_EQ(log_->Find("kubernetes/a").value()->held, 1);
  EXPECT_EQ(log_->Find("kubernetes/a").value()->entities, 2);
}

TEST_P(SourceLogTest, OnlyTheHolderOfTheLeaseWrites) {
  EXPECT_TRUE(log_->Lease(a_, "one", absl::Seconds(30)).value());
  EXPECT_FALSE(log_->Lease(a_, "two", absl::Seconds(30)).value());
  EXPECT_TRUE(log_->Append(a_, "one", {Put("r", "1")}).ok());
  EXPECT_EQ(log_->Append(a_, "two", {Put("r", "2")}).code(), absl::StatusCode::kAborted);
  clock_.Advance(absl::Seconds(31));
  EXPECT_TRUE(log_->Lease(a_, "two", absl::Seconds(30)).value());
  EXPECT_EQ(log_->Append(a_, "one", {Put("r", "3")}).code(), absl::StatusCode::kAborted);
  ASSERT_TRUE(log_->Release(a_, "two").ok());
  EXPECT_TRUE(log_->Lease(a_, "one", absl::Seconds(30)).value());
}

TEST_P(SourceLogTest, RoundsLeaveTheirMark) {
  SourceLog::RoundEnd end;
  end.complete = true;
  end.memory = {{"etag", "1"}, {"cursor", "x"}};
  ASSERT_TRUE(log_->EndRound(a_, "", end).ok());
  end = {};
  end.status = absl::UnavailableError("503\nfrom the peer");
  end.memory = {{"cursor", ""}};
  clock_.Advance(absl::Seconds(5));
  ASSERT_TRUE(log_->EndRound(a_, "", end).ok());
  const SourceRecord record = *log_->Find("kubernetes/a").value();
  EXPECT_TRUE(record.complete);
  EXPECT_THAT(record.error, HasSubstr("503"));
  EXPECT_EQ(record.failed_at - record.fresh_at, absl::Seconds(5));
  EXPECT_THAT(log_->Memory(a_).value(), ElementsAre(testing::Pair("etag", "1")));
  ASSERT_TRUE(log_->ForgetMemory(a_).ok());
  EXPECT_THAT(log_->Memory(a_).value(), IsEmpty());
}

TEST_P(SourceLogTest, OldTombstonesGoAndReadersBehindThemBeginAnew) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("stays", "1")}).ok());
  Complete(a_);
  const std::string at = Read(a_, "").position;
  std::vector<LogWrite> writes;
  for (int64_t i = 0; i <= kMaxTombstones; ++i) writes.push_back(Put(absl::StrCat("r", i), "x"));
  ASSERT_TRUE(log_->Append(a_, "", writes).ok());
  for (LogWrite& write : writes) write.body.reset();
  ASSERT_TRUE(log_->Append(a_, "", writes).ok());
  const std::string late = Read(a_, "").position;
  Complete(a_);
  EXPECT_TRUE(Read(a_, at).full);
  EXPECT_FALSE(Read(a_, late).full);
}

TEST_P(SourceLogTest, LargeEntitiesAreRefused) {
  EXPECT_EQ(log_->Append(a_, "", {Put("r", std::string(kMaxEntityBytes + 1, 'x'))}).code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::provider

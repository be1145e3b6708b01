#include "provider/source_log.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

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

class SourceLogTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = store::OpenSqlite({":memory:"}).value();
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

  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<SourceLog> log_;
  int64_t a_ = 0;
  int64_t b_ = 0;
};

TEST_F(SourceLogTest, NewReadersGetEverythingThenChanges) {
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

TEST_F(SourceLogTest, EverythingIsNotAllUntilTheSourceWasReadOnce) {
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

TEST_F(SourceLogTest, RemovalsAreToldAlsoWhileNotEverythingWasRead) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r1", "1"), Put("r2", "2")}).ok());
  LogPage page = Read(a_, "");
  ASSERT_TRUE(log_->Append(a_, "", {Gone("r1")}).ok());
  page = Read(a_, page.position);
  EXPECT_TRUE(page.full);
  EXPECT_THAT(page.removed, ElementsAre("r1"));
}

TEST_F(SourceLogTest, PositionsOfALostLogBeginAnew) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r1", "1")}).ok());
  Complete(a_);
  const std::string at = Read(a_, "").position;
  EXPECT_TRUE(Read(a_, "01abc/7").full);
  EXPECT_TRUE(Read(a_, "nonsense").full);
  EXPECT_TRUE(Read(a_, "01abc/-7").full);
  ASSERT_TRUE(log_->NewEpoch(a_).ok());
  EXPECT_TRUE(Read(a_, at).full);
}

TEST_F(SourceLogTest, TheFirstOwnerKeepsARef) {
  ASSERT_TRUE(log_->Append(a_, "", {Put("r", "of a")}).ok());
  ASSERT_TRUE(log_->Append(b_, "", {Put("r", "of b"), Put("own", "of b")}).ok());
  Complete(a_);
  Complete(b_);
  LogPage page = Read(b_, "");
  EXPECT_THAT(page.upserts, ElementsAre("of b"));
  const auto collisions = log_->Collisions(b_, 10).value();
  ASSERT_THAT(collisions, SizeIs(1));
  EXPECT_EQ(collisions[0].ref, "r");
  EXPECT_EQ(collisions[0].owner, "kubernetes/a");
  EXPECT_EQ(log_->Find("kubernetes/b").value()->waiting, 1);
  EXPECT_EQ(log_->ShowWaiting(b_, "").value(), 0);
  ASSERT_TRUE(log_->Append(a_, "", {Gone("r")}).ok());
  EXPECT_EQ(log_->ShowWaiting(b_, "").value(), 1);
  EXPECT_THAT(Read(b_, page.position).upserts, ElementsAre("of b"));
  // One that only waits is forgotten without a word to the readers.
  ASSERT_TRUE(log_->Append(a_, "", {Put("own", "of a")}).ok());
  const std::string at = Read(a_, "").position;
  ASSERT_TRUE(log_->Append(a_, "", {Gone("own")}).ok());
  EXPECT_THAT(Read(a_, at).removed, IsEmpty());
}

TEST_F(SourceLogTest, HeldAndAdoptedEntities) {
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

TEST_F(SourceLogTest, OnlyTheHolderOfTheLeaseWrites) {
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

TEST_F(SourceLogTest, RoundsLeaveTheirMark) {
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

TEST_F(SourceLogTest, OldTombstonesGoAndReadersBehindThemBeginAnew) {
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

TEST_F(SourceLogTest, LargeEntitiesAreRefused) {
  EXPECT_EQ(log_->Append(a_, "", {Put("r", std::string(kMaxEntityBytes + 1, 'x'))}).code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::provider

#include "catalog/tracker.h"

#include "absl/strings/str_cat.h"
#include "catalog/entity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TrackerTest : public testing::Test {
 protected:
  Verdict Offer(absl::string_view ref, absl::string_view text, absl::string_view partition = "",
                bool whole = true) {
    return tracker_.Offer(ref, partition, Fingerprint::Of(text), whole).value();
  }
  void OfferMany(int from, int to, absl::string_view partition = "") {
    for (int i = from; i < to; ++i) Offer(absl::StrCat("component:default/c", i), "x", partition);
  }

  Tracker tracker_{1000};
  GuardOptions guard_;
};

TEST(Fingerprint, IsTheContentHash) {
  const Fingerprint hash = Fingerprint::Of("{}");
  EXPECT_EQ(hash.ToHex(), ContentHash("{}"));
  EXPECT_EQ(Fingerprint::FromHex(hash.ToHex()), hash);
  EXPECT_TRUE(Fingerprint::FromHex("-").unconfirmed());
  EXPECT_TRUE(Fingerprint::FromHex("zz345678901234567890123456789012").unconfirmed());
}

TEST_F(TrackerTest, TellsAddedChangedSameAndGone) {
  tracker_.Begin("");
  EXPECT_EQ(Offer("a", "1"), Verdict::kAdded);
  EXPECT_EQ(Offer("b", "1"), Verdict::kAdded);
  EXPECT_THAT(tracker_.Finish("", guard_).removed, IsEmpty());
  tracker_.Begin("");
  EXPECT_EQ(Offer("a", "1"), Verdict::kSame);
  EXPECT_EQ(Offer("c", "1"), Verdict::kAdded);
  EXPECT_THAT(tracker_.Finish("", guard_).removed, ElementsAre("b"));
  tracker_.Begin("");
  EXPECT_EQ(Offer("a", "2"), Verdict::kChanged);
  EXPECT_EQ(Offer("a", "3"), Verdict::kDuplicate);
  EXPECT_EQ(tracker_.size(), 2u);
}

TEST_F(TrackerTest, NothingRemovesEverything) {
  tracker_.Begin("");
  OfferMany(0, 3);
  tracker_.Finish("", guard_);
  tracker_.Begin("");
  const Tracker::Outcome outcome = tracker_.Finish("", guard_);
  EXPECT_THAT(outcome.removed, IsEmpty());
  EXPECT_THAT(outcome.newly_held, SizeIs(3));
  EXPECT_EQ(tracker_.held(), 3);
  guard_.allow_empty = true;
  tracker_.Begin("");
  EXPECT_THAT(tracker_.Finish("", guard_).removed, SizeIs(3));
  EXPECT_EQ(tracker_.held(), 0);
}

TEST_F(TrackerTest, ALargeDropIsHeldUntilReleased) {
  tracker_.Begin("");
  OfferMany(0, 100);
  tracker_.Finish("", guard_);
  tracker_.Begin("");
  OfferMany(0, 79);
  Tracker::Outcome outcome = tracker_.Finish("", guard_);
  EXPECT_THAT(outcome.removed, IsEmpty());
  EXPECT_THAT(outcome.newly_held, SizeIs(21));
  // One comes back and is told again, so that the stored state learns it; the others stay held.
  tracker_.Begin("");
  OfferMany(0, 78);
  EXPECT_EQ(Offer("component:default/c99", "x"), Verdict::kChanged);
  EXPECT_FALSE(tracker_.IsHeld("component:default/c99"));
  outcome = tracker_.Finish("", guard_);
  EXPECT_EQ(outcome.held, 21);
  EXPECT_THAT(outcome.newly_held, ElementsAre("component:default/c78"));
  EXPECT_THAT(tracker_.ReleaseHeld(), SizeIs(21));
  EXPECT_EQ(tracker_.size(), 79u);
  EXPECT_EQ(tracker_.held(), 0);
}

TEST_F(TrackerTest, TwentyPercentExactlyAndFewGo) {
  tracker_.Begin("");
  OfferMany(0, 100);
  tracker_.Finish("", guard_);
  tracker_.Begin("");
  OfferMany(0, 80);
  EXPECT_THAT(tracker_.Finish("", guard_).removed, SizeIs(20));
  Tracker small(1000);
  small.Begin("");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(small.Offer(absl::StrCat(i), "", {1, 1}, true).ok());
  small.Finish("", guard_);
  small.Begin("");
  ASSERT_TRUE(small.Offer("0", "", {1, 1}, true).ok());
  EXPECT_THAT(small.Finish("", guard_).removed, SizeIs(9));
}

TEST_F(TrackerTest, KeptPartitionsStay) {
  tracker_.Begin("");
  Offer("a", "1", "cluster-a");
  Offer("b", "1", "cluster-b");
  Offer("b2", "1", "cluster-b");
  tracker_.Finish("", guard_);
  tracker_.Begin("");
  tracker_.Keep("cluster-a", /*unchanged=*/false);
  Offer("b", "1", "cluster-b");
  const Tracker::Outcome outcome = tracker_.Finish("", guard_);
  EXPECT_THAT(outcome.removed, ElementsAre("b2"));
  EXPECT_EQ(outcome.kept, 1);
  EXPECT_TRUE(tracker_.Has("a"));
  // Kept once is not kept for ever.
  tracker_.Begin("");
  Offer("b", "1", "cluster-b");
  EXPECT_THAT(tracker_.Finish("", guard_).removed, ElementsAre("a"));
}

TEST_F(TrackerTest, WhatIsUnchangedCountsAsSeen) {
  for (int i = 0; i < 10; ++i) {
    const std::string name = std::to_string(i);
    tracker_.Load("r" + name, "file-" + name, Fingerprint::Of(name), /*held=*/false);
  }
  // One file of ten has gone; the others were not even read.
  tracker_.Begin("");
  for (int i = 1; i < 10; ++i) tracker_.Keep("file-" + std::to_string(i), /*unchanged=*/true);
  EXPECT_THAT(tracker_.Finish("", {}).removed, ElementsAre("r0"));
  // If they could not be read, nothing was seen at all.
  tracker_.Begin("");
  for (int i = 2; i < 10; ++i) tracker_.Keep("file-" + std::to_string(i), /*unchanged=*/false);
  EXPECT_THAT(tracker_.Finish("", {}).newly_held, ElementsAre("r1"));
}

TEST_F(TrackerTest, PartitionsAreFinishedSideBySide) {
  tracker_.Begin("a");
  Offer("a1", "1", "a", false);
  Offer("a2", "1", "a", false);
  tracker_.Finish("a", guard_);
  tracker_.Begin("b");
  Offer("b1", "1", "b", false);
  tracker_.Begin("a");
  Offer("a1", "1", "a", false);
  EXPECT_THAT(tracker_.Finish("b", guard_).removed, IsEmpty());
  EXPECT_THAT(tracker_.Finish("a", guard_).removed, ElementsAre("a2"));
  // An emptied partition is held, whatever the others have.
  tracker_.Begin("b");
  EXPECT_THAT(tracker_.Finish("b", guard_).newly_held, ElementsAre("b1"));
}

TEST_F(TrackerTest, TheFirstPartitionKeepsARef) {
  tracker_.Begin("a");
  Offer("x", "1", "a", false);
  tracker_.Finish("a", guard_);
  tracker_.Begin("b");
  EXPECT_EQ(Offer("x", "2", "b", false), Verdict::kCollision);
  EXPECT_EQ(Offer("x", "2", "a", false), Verdict::kChanged);
  EXPECT_FALSE(tracker_.Remove("x", "b"));
  EXPECT_TRUE(tracker_.Remove("x", "a"));
  EXPECT_EQ(Offer("x", "2", "b", false), Verdict::kAdded);
}

TEST_F(TrackerTest, StoredStateIsComparedAndHasALimit) {
  tracker_.Load("a", "", Fingerprint::Of("1"), false);
  tracker_.Load("b", "", Fingerprint(), false);
  tracker_.Begin("");
  EXPECT_EQ(Offer("a", "1"), Verdict::kSame);
  EXPECT_EQ(Offer("b", "1"), Verdict::kChanged);
  tracker_.ForgetHashes();
  tracker_.Begin("");
  EXPECT_EQ(Offer("a", "1"), Verdict::kChanged);
  Tracker tiny(1);
  ASSERT_TRUE(tiny.Offer("a", "", {1, 1}, true).ok());
  EXPECT_EQ(tiny.Offer("b", "", {1, 1}, true).status().code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::catalog

#include "catalog/diff.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "catalog/entity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::catalog {
namespace {

std::vector<SnapshotEntity> Many(int count, const std::string& text = "{}") {
  std::vector<SnapshotEntity> entities;
  for (int i = 0; i < count; ++i) {
    entities.push_back({absl::StrCat("component:default/c", 100000 + i), text});
  }
  return entities;
}

State StateOf(std::vector<SnapshotEntity> entities) { return Diff({}, entities, {}).next; }

TEST(Diff, FindsAddedChangedAndRemoved) {
  const State known = StateOf({{"a", "1"}, {"b", "2"}, {"c", "3"}});
  const DiffResult diff = Diff(known, {{"d", "4"}, {"b", "2x"}, {"a", "1"}}, {});
  EXPECT_EQ(diff.added, 1);
  EXPECT_EQ(diff.changed, 1);
  EXPECT_EQ(diff.removed, 1);
  ASSERT_EQ(diff.chunks.size(), 1u);
  EXPECT_THAT(diff.chunks[0].upserts, testing::ElementsAre("2x", "4"));
  EXPECT_THAT(diff.chunks[0].removed, testing::ElementsAre("c"));
  EXPECT_EQ(diff.next.size(), 3u);
  EXPECT_EQ(diff.next.find("b")->second, ContentHash("2x"));
}

TEST(Diff, NothingChangedGivesNoChunk) {
  const auto entities = Many(5);
  EXPECT_TRUE(Diff(StateOf(entities), entities, {}).chunks.empty());
}

TEST(Diff, FirstOfDuplicatesWins) {
  const DiffResult diff = Diff({}, {{"a", "first"}, {"a", "second"}}, {});
  EXPECT_EQ(diff.duplicates, 1);
  EXPECT_EQ(diff.added, 1);
  EXPECT_THAT(diff.chunks[0].upserts, testing::ElementsAre("first"));
}

TEST(Diff, ChunksHoldAtMostTheLimit) {
  const State known = StateOf({{"zz", "old"}});
  const DiffResult diff = Diff(known, Many(2500), {});
  ASSERT_EQ(diff.chunks.size(), 3u);
  EXPECT_EQ(diff.chunks[0].upserts.size(), 1000u);
  EXPECT_EQ(diff.chunks[2].upserts.size(), 500u);
  EXPECT_THAT(diff.chunks[2].removed, testing::ElementsAre("zz"));
}

TEST(Diff, GuardHoldsALargeDrop) {
  const State known = StateOf(Many(100));
  const DiffResult held = Diff(known, Many(70), {});
  EXPECT_EQ(held.removed, 0);
  EXPECT_EQ(held.held_removals, 30);
  EXPECT_EQ(held.next, known);
  GuardOptions open;
  open.max_removed_fraction = 0.5;
  EXPECT_EQ(Diff(known, Many(70), open).removed, 30);
  EXPECT_EQ(Diff(known, Many(85), {}).removed, 15);
}

TEST(Diff, EmptySnapshotNeverRemovesUnlessAllowed) {
  const State known = StateOf(Many(3));
  EXPECT_EQ(Diff(known, {}, {}).held_removals, 3);
  GuardOptions allow;
  allow.allow_empty = true;
  EXPECT_EQ(Diff(known, {}, allow).removed, 3);
}

}  // namespace
}  // namespace purser::catalog

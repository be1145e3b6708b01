#include "addon/chunk_sender.h"

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "addon/fake_caller.h"
#include "base/temporary_folder.h"
#include "catalog/delta.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::addon {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class ChunkSenderTest : public testing::Test {
 protected:
  StateFile OpenFile() { return *StateFile::Open(folder_ + "/a.state"); }

  // As the next round would find them: hashes by ref, "" for what is not confirmed.
  std::map<std::string, std::string> Recorded() {
    catalog::Tracker tracker(100'000);
    std::map<std::string, std::string> memory;
    StateFile file = OpenFile();
    EXPECT_TRUE(file.Read(tracker, memory).ok());
    std::map<std::string, std::string> recorded;
    tracker.ForEach([&](absl::string_view ref, absl::string_view, catalog::Fingerprint hash, bool) {
      recorded[std::string(ref)] = hash.unconfirmed() ? "" : hash.ToHex();
    });
    return recorded;
  }
  absl::Status Give(ChunkSender& sender, int from, int to) {
    absl::Status status;
    for (int i = from; i < to && status.ok(); ++i) {
      status = sender.Upsert(absl::StrCat("resource:default/r", i), "", Hash(), "{}");
    }
    return status;
  }
  static catalog::Fingerprint Hash() { return catalog::Fingerprint::Of("{}"); }

  const std::unique_ptr<base::TemporaryFolder> temporary_ =
      *base::TemporaryFolder::Create("a test");
  const std::string folder_ = temporary_->path();
  FakeCaller caller_;
};

TEST_F(ChunkSenderTest, AFewChunksAreUnderWayAtATime) {
  StateFile file = OpenFile();
  ChunkSender sender(file, caller_);
  size_t most = 0;
  caller_.on_chunk = [&](const std::string&, const std::string&) {
    most = std::max(most, caller_.chunks.size() + 1 - caller_.answered);
    return absl::OkStatus();
  };
  constexpr int kAll = 10 * catalog::kMaxDeltaEntities;
  ASSERT_TRUE(Give(sender, 0, kAll).ok());
  EXPECT_EQ(caller_.answered, 9 - kMaxChunksUnderWay) << "it does not wait before it has to";
  ASSERT_TRUE(sender.Finish().ok());
  EXPECT_EQ(most, kMaxChunksUnderWay);
  EXPECT_EQ(caller_.answered, 10U);
  EXPECT_EQ(sender.sent(), 10);
  EXPECT_THAT(Recorded(), SizeIs(kAll));
}

TEST_F(ChunkSenderTest, WhatIsSentIsInTheFileBefore) {
  StateFile file = OpenFile();
  ChunkSender sender(file, caller_);
  int seen = 0;
  caller_.on_chunk = [&](const std::string&, const std::string&) {
    const auto recorded = Recorded();
    seen += static_cast<int>(recorded.size());
    for (const auto& [ref, hash] : recorded) EXPECT_EQ(hash, "") << ref;
    return absl::OkStatus();
  };
  ASSERT_TRUE(Give(sender, 0, 3).ok());
  EXPECT_EQ(seen, 0);
  ASSERT_TRUE(sender.Finish().ok());
  EXPECT_EQ(seen, 3);
  for (const auto& [ref, hash] : Recorded()) EXPECT_EQ(hash, Hash().ToHex()) << ref;
}

TEST_F(ChunkSenderTest, OfARefusedChunkNothingIsConfirmedAndNoMoreIsSent) {
  StateFile file = OpenFile();
  ChunkSender sender(file, caller_);
  caller_.on_chunk = [&](const std::string& upserts, const std::string&) {
    return upserts.size() < 10 ? absl::AbortedError("the catalog is busy") : absl::OkStatus();
  };
  ASSERT_TRUE(sender.Upsert("resource:default/alone", "", Hash(), "{}").ok());
  ASSERT_TRUE(sender.Remove("resource:default/gone").ok());
  EXPECT_EQ(sender.Finish().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Give(sender, 0, 1).code(), absl::StatusCode::kAborted);
  EXPECT_EQ(sender.Finish().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(sender.sent(), 1);
  EXPECT_EQ(sender.removed(), 0);
  EXPECT_THAT(Recorded(), ElementsAre(std::pair("resource:default/alone", "")));
}

TEST_F(ChunkSenderTest, ARoundThatFailedRecordsWhatWasTakenAndSendsNoMore) {
  StateFile file = OpenFile();
  ChunkSender sender(file, caller_);
  ASSERT_TRUE(Give(sender, 0, catalog::kMaxDeltaEntities + 5).ok());
  ASSERT_TRUE(sender.Settle().ok());
  EXPECT_THAT(caller_.chunks, SizeIs(1));
  const auto recorded = Recorded();
  EXPECT_THAT(recorded, SizeIs(catalog::kMaxDeltaEntities));
  for (const auto& [ref, hash] : recorded) EXPECT_EQ(hash, Hash().ToHex()) << ref;
}

TEST_F(ChunkSenderTest, RemovalsAreRecordedWhenTaken) {
  StateFile file = OpenFile();
  ChunkSender sender(file, caller_);
  ASSERT_TRUE(Give(sender, 0, 2).ok());
  ASSERT_TRUE(sender.Finish().ok());
  ASSERT_TRUE(sender.Remove("resource:default/r0").ok());
  ASSERT_TRUE(sender.Remove("resource:default/r1").ok());
  ASSERT_TRUE(sender.Finish().ok());
  EXPECT_EQ(sender.removed(), 2);
  EXPECT_EQ(caller_.chunks.back().second, R"(["resource:default/r0","resource:default/r1"])");
  EXPECT_THAT(Recorded(), IsEmpty());
}

}  // namespace
}  // namespace purser::addon

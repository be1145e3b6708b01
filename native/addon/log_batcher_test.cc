#include "addon/log_batcher.h"

#include <atomic>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::addon {
namespace {

using action::LogLevel;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class LogBatcherTest : public testing::Test {
 protected:
  std::shared_ptr<LogBatcher> Make(Redactor redactor = Redactor()) {
    return std::make_shared<LogBatcher>(std::move(redactor), stop_.get_token(), clock_,
                                        [this] { ++asked_; });
  }
  static std::string Join(const std::vector<LogSegment>& segments) {
    std::string out;
    for (const LogSegment& segment : segments) absl::StrAppend(&out, segment.text, "\n");
    return out;
  }

  base::FakeClock clock_;
  std::stop_source stop_;
  std::atomic<int> asked_ = 0;
};

TEST_F(LogBatcherTest, AFewLinesWaitForOneCall) {
  const auto log = Make();
  log->Log(LogLevel::kInfo, "one");
  log->Log(LogLevel::kInfo, "two\nthree\r\nfour");
  log->Poll();
  EXPECT_EQ(asked_, 0);
  clock_.Advance(kLogBatchDelay);
  log->Poll();
  log->Poll();
  EXPECT_EQ(asked_, 1) << "asked once until the batch is taken";
  const auto segments = log->Take();
  ASSERT_EQ(segments.size(), 1U);
  EXPECT_EQ(segments[0].text, "one\ntwo\nthree\nfour");
  EXPECT_TRUE(log->Take().empty());
  EXPECT_EQ(log->NextDue(), std::nullopt);
}

TEST_F(LogBatcherTest, AFullBatchGoesAtOnceThenKeepsADistance) {
  const auto log = Make();
  for (int i = 0; i < 400; ++i) log->Log(LogLevel::kInfo, std::string(99, 'x'));
  log->Poll();
  EXPECT_EQ(asked_, 1);
  size_t bytes = 0;
  int batches = 0;
  for (;;) {
    const auto segments = log->Take();
    if (segments.empty()) break;
    ++batches;
    EXPECT_LE(Join(segments).size(), kLogBatchBytes);
    bytes += Join(segments).size();
    const int before = asked_;
    log->Poll();
    EXPECT_EQ(asked_, before) << "not before the gap has passed";
    clock_.Advance(kLogBatchDelay);
    log->Poll();
  }
  EXPECT_EQ(bytes, 400U * 100);
  EXPECT_EQ(batches, 5);
}

TEST_F(LogBatcherTest, LevelsCutABatchButNotWithoutEnd) {
  const auto log = Make();
  log->Log(LogLevel::kInfo, "a");
  log->Log(LogLevel::kWarning, "b");
  log->Log(LogLevel::kWarning, "c");
  auto segments = log->Take();
  ASSERT_EQ(segments.size(), 2U);
  EXPECT_EQ(segments[0].level, LogLevel::kInfo);
  EXPECT_EQ(segments[1].level, LogLevel::kWarning);
  EXPECT_EQ(segments[1].text, "b\nc");
  for (int i = 0; i < 100; ++i) {
    log->Log(i % 2 == 0 ? LogLevel::kInfo : LogLevel::kError, absl::StrCat("line ", i));
  }
  segments = log->Take();
  EXPECT_EQ(segments.size(), kMaxLogSegments);
  EXPECT_THAT(segments.back().text, HasSubstr("info: line 98\nline 99")) << "the level is not lost";
}

TEST_F(LogBatcherTest, SecretsAreHiddenAlsoWhereABatchOrALineIsCut) {
  const auto log = Make(*Redactor::Create({{"token", "ghp_very_secret_value"}}));
  // The secret stands where the first batch ends …
  for (int i = 0; i < 82; ++i) log->Log(LogLevel::kInfo, std::string(99, 'x'));
  log->Log(LogLevel::kInfo, "ghp_very_secret_value");
  // … and where a long line is cut.
  log->Log(LogLevel::kInfo, std::string(kMaxLogLineBytes - 5, 'y') + "ghp_very_secret_value");
  std::string all;
  for (auto segments = log->Take(); !segments.empty(); segments = log->Take()) {
    all += Join(segments);
  }
  EXPECT_THAT(all, Not(HasSubstr("ghp_")));
  EXPECT_THAT(all, HasSubstr("***"));
}

TEST_F(LogBatcherTest, ALongLineIsCutOnACharacterBorder) {
  const auto log = Make();
  std::string line;
  while (line.size() < kMaxLogLineBytes * 2) line += "ä€";
  log->Log(LogLevel::kInfo, line);
  const auto segments = log->Take();
  ASSERT_EQ(segments.size(), 1U);
  EXPECT_TRUE(absl::EndsWith(segments[0].text, " bytes cut")) << segments[0].text.substr(7900);
  EXPECT_LE(segments[0].text.size(), kLogBatchBytes);
}

TEST_F(LogBatcherTest, WhenNobodyReadsLinesDropAndThatIsSaid) {
  const auto log = Make();
  stop_.request_stop();  // no waiting for room then
  const std::string line(999, 'x');
  for (int i = 0; i < 1000; ++i) log->Log(LogLevel::kInfo, line);
  log->Finish(absl::ZeroDuration());
  size_t lines = 0;
  std::string all;
  for (auto segments = log->Take(); !segments.empty(); segments = log->Take())
    all += Join(segments);
  for (const absl::string_view one : absl::StrSplit(all, '\n', absl::SkipEmpty())) {
    if (one == line) ++lines;
  }
  EXPECT_EQ(lines, kMaxPendingLogBytes / 1000);
  EXPECT_THAT(all, HasSubstr(absl::StrCat("… ", 1000 - lines, " lines dropped")));
}

TEST_F(LogBatcherTest, AWriterWaitsForAReaderThatIsSlower) {
  const auto log = Make();
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (int i = 0; i < 600; ++i) log->Log(LogLevel::kInfo, std::string(999, 'x'));
    done = true;
  });
  size_t bytes = 0;
  while (!done || log->NextDue().has_value()) bytes += Join(log->Take()).size();
  writer.join();
  bytes += Join(log->Take()).size();
  EXPECT_EQ(bytes, 600U * 1000) << "nothing dropped";
}

TEST_F(LogBatcherTest, OneCallMayNotLogWithoutEnd) {
  const auto log = Make();
  size_t bytes = 0;
  for (int i = 0; i < 6000; ++i) {
    log->Log(LogLevel::kInfo, std::string(999, 'x'));
    if (i % 100 == 99) {
      for (auto segments = log->Take(); !segments.empty(); segments = log->Take()) {
        bytes += Join(segments).size();
      }
    }
  }
  log->Finish(absl::ZeroDuration());
  EXPECT_LE(bytes, kMaxLogBytesPerCall);
  EXPECT_THAT(Join(log->Take()), HasSubstr("lines dropped"));
}

TEST(LogPumpTest, DeliversWithoutBeingPolled) {
  LogPump pump(base::Clock::System());
  std::atomic<int> asked = 0;
  std::stop_source stop;
  const auto log = std::make_shared<LogBatcher>(Redactor(), stop.get_token(), base::Clock::System(),
                                                [&] { ++asked; });
  pump.Add(log);
  log->Log(LogLevel::kInfo, "hello");
  while (asked == 0) std::this_thread::yield();
  EXPECT_EQ(log->Take().size(), 1U);
  for (int i = 0; i < 10; ++i) log->Log(LogLevel::kInfo, std::string(1000, 'x'));
  std::thread finisher([&] { log->Finish(base::kPatience); });
  while (asked == 1) std::this_thread::yield();
  EXPECT_EQ(log->Take().size(), 1U);
  finisher.join();
  EXPECT_EQ(log->Take().size(), 1U) << "the last batch is left to who ends the call";
  pump.Remove(log);
  pump.Stop();
}

}  // namespace
}  // namespace purser::addon

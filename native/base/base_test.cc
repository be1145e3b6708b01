#include <atomic>
#include <cerrno>
#include <thread>

#include "absl/strings/cord.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/id.h"
#include "base/rng.h"
#include "base/status.h"
#include "base/strings.h"
#include "base/testing/eventually.h"
#include "base/transient.h"
#include "gtest/gtest.h"

namespace purser::base {
namespace {

TEST(StatusTest, AnnotateKeepsCodeAndPayloads) {
  absl::Status status = absl::UnavailableError("no answer");
  SetRetryAfterMillis(status, 1500);
  SetOutcomeUnknown(status);
  const absl::Status annotated = Annotate(status, "bucket x");
  EXPECT_EQ(annotated.message(), "bucket x: no answer");
  EXPECT_EQ(annotated.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(RetryAfterMillis(annotated), 1500);
  EXPECT_TRUE(IsOutcomeUnknown(annotated));
  EXPECT_TRUE(Annotate(absl::OkStatus(), "x").ok());
}

TEST(StatusTest, ErrnoBecomesWhatTheCallerCanDo) {
  EXPECT_EQ(ErrnoStatus(ENOSPC, "write a").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(IsTransient(Annotate(ErrnoStatus(ENOSPC, "write a"), "store")));
  EXPECT_FALSE(IsTransient(absl::ResourceExhaustedError("more than 8 MiB")));
  EXPECT_EQ(ErrnoStatus(ENOENT, "open a").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrnoStatus(ENOENT, "open a").message(), "open a: No such file or directory");
}

TEST(StringsTest, Utf8) {
  EXPECT_TRUE(IsValidUtf8("Grüße 日本語 😀"));
  EXPECT_FALSE(IsValidUtf8("\xC0\xAF"));          // overlong
  EXPECT_FALSE(IsValidUtf8("\xED\xA0\x80"));      // surrogate
  EXPECT_FALSE(IsValidUtf8("\xF4\x90\x80\x80"));  // beyond U+10FFFF
  EXPECT_FALSE(IsValidUtf8("abc\xE2\x82"));       // cut
}

TEST(StringsTest, DisplayEscapesWhatCouldForgeALine) {
  EXPECT_EQ(EscapeForDisplay("a\r\nb\x1b[2J"), "a\\u000D\\u000Ab\\u001B[2J");
  EXPECT_EQ(EscapeForDisplay("x\xE2\x80\xAEy"), "x\\u202Ey");
  EXPECT_EQ(EscapeForDisplay("äöü", 4), "äö…");
}

TEST(HashTest, KnownDigests) {
  EXPECT_EQ(ToHex(Sha1("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(Sha256Hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  Hasher hasher(HashKind::kSha256);
  hasher.Update("a");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish(), Sha256("abc"));
  hasher.Update("abc");
  EXPECT_EQ(hasher.Finish(), Sha256("abc"));
  EXPECT_TRUE(ConstantTimeEquals("token", "token"));
  EXPECT_FALSE(ConstantTimeEquals("token", "tokem"));
}

TEST(IdTest, SortsByTime) {
  FakeClock clock;
  SeededRng rng(7);
  const std::string first = NewId("req", clock, rng);
  clock.Advance(absl::Milliseconds(1));
  const std::string second = NewId("req", clock, rng);
  EXPECT_EQ(first.size(), 4u + 26u);
  EXPECT_LT(first, second);
}

TEST(ClockTest, FakeClockWakesSleepersAndObeysStop) {
  FakeClock clock;
  std::atomic<bool> slept = false;
  {
    std::jthread sleeper([&] { slept = clock.SleepFor(absl::Seconds(5), {}); });
    // Advancing in steps: the sleeper may start at any time during them.
    EXPECT_TRUE(Eventually([&] {
      clock.Advance(absl::Seconds(5));
      return slept.load();
    }));
  }
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(clock.SleepFor(absl::Hours(1), stop.get_token()));
  EXPECT_FALSE(Clock::System().SleepFor(absl::Hours(1), stop.get_token()));
}

TEST(RngTest, SeededRepeatsAndStaysBelow) {
  SeededRng a(1);
  SeededRng b(1);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(a.Below(10), b.Below(10));
  for (int i = 0; i < 100; ++i) EXPECT_LT(Rng::System().Below(3), 3u);
}

}  // namespace
}  // namespace purser::base

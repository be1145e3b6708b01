#include "http/retry.h"

#include <vector>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"

namespace purser::http {
namespace {

// Time that passes by sleeping only, and says how long was slept.
class SleepingClock final : public base::Clock {
 public:
  absl::Time Now() override { return absl::FromUnixSeconds(1'700'000'000) + passed_; }
  absl::Duration Monotonic() override { return passed_; }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    if (stop.stop_requested()) return false;
    slept.push_back(duration);
    passed_ += duration;
    return true;
  }
  std::vector<absl::Duration> slept;

 private:
  absl::Duration passed_;
};

absl::Status Broken() {
  absl::Status status = absl::UnavailableError("broken");
  base::SetOutcomeUnknown(status);
  return status;
}

class RetryTest : public ::testing::Test {
 protected:
  absl::StatusOr<Response> Send(const char* method, const CallOptions& options = {}) {
    return retrying_.Send({.method = method, .url = "http://peer/"}, options);
  }

  FakeTransport fake_;
  SleepingClock clock_;
  base::SeededRng rng_{7};
  RetryingTransport retrying_{fake_, clock_, rng_};
};

TEST_F(RetryTest, IdempotentMethodsAreRepeatedUntilTheyWork) {
  fake_.Fail("GET", "http://peer/", Broken());
  fake_.Reply("GET", "http://peer/", {.status = 503});
  fake_.Reply("GET", "http://peer/", {.status = 200});
  EXPECT_EQ(Send("GET")->status, 200);
  EXPECT_EQ(fake_.requests().size(), 3);
  ASSERT_EQ(clock_.slept.size(), 2);
  EXPECT_LE(clock_.slept[0], absl::Milliseconds(200));
  EXPECT_LE(clock_.slept[1], absl::Milliseconds(400));
}

TEST_F(RetryTest, AnUnknownOutcomeOfAPostIsNotRepeated) {
  fake_.Fail("POST", "http://peer/", Broken());
  EXPECT_EQ(Send("POST").status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(fake_.requests().size(), 1);
  CallOptions marked;
  marked.repeatable = true;
  EXPECT_FALSE(Send("POST", marked).ok());
  EXPECT_EQ(fake_.requests().size(), 5);
}

TEST_F(RetryTest, WhatWasNeverSentMayBeSentAgain) {
  fake_.Fail("POST", "http://peer/", absl::UnavailableError("refused"));
  fake_.Reply("POST", "http://peer/", {.status = 429});
  fake_.Reply("POST", "http://peer/", {.status = 503});
  EXPECT_EQ(Send("POST")->status, 503);
  EXPECT_EQ(fake_.requests().size(), 3);
}

TEST_F(RetryTest, OtherAnswersAndErrorsAreFinal) {
  fake_.Reply("GET", "http://peer/", {.status = 500});
  EXPECT_EQ(Send("GET")->status, 500);
  fake_.Fail("PUT", "http://peer/", absl::PermissionDeniedError("guard"));
  EXPECT_EQ(Send("PUT").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(fake_.requests().size(), 2);
}

TEST_F(RetryTest, RetryAfterIsObeyed) {
  fake_.Reply("GET", "http://peer/", {.status = 429, .headers = {{"retry-after", "7"}}});
  fake_.Reply("GET", "http://peer/",
              {.status = 503, .headers = {{"Retry-After", "Tue, 14 Nov 2023 22:13:32 GMT"}}});
  fake_.Reply("GET", "http://peer/", {.status = 200});
  EXPECT_EQ(Send("GET")->status, 200);
  ASSERT_EQ(clock_.slept.size(), 2);
  EXPECT_EQ(clock_.slept[0], absl::Seconds(7));
  EXPECT_EQ(clock_.slept[1], absl::Seconds(5));
}

TEST_F(RetryTest, AWaitBeyondTheDeadlineGoesToTheCaller) {
  fake_.Reply("GET", "http://peer/", {.status = 429, .headers = {{"Retry-After", "60"}}});
  const auto response = Send("GET");
  EXPECT_EQ(response->status, 429);
  EXPECT_TRUE(clock_.slept.empty());
}

TEST_F(RetryTest, StopEndsTheWait) {
  fake_.Reply("GET", "http://peer/", {.status = 503});
  std::stop_source source;
  fake_.Handle("PUT", "http://peer/", [&source](const Request&, const CallOptions&) {
    source.request_stop();
    return absl::StatusOr<Response>(Response{.status = 503});
  });
  CallOptions options;
  options.stop = source.get_token();
  EXPECT_EQ(Send("PUT", options).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(RetryTest, TheBudgetLimitsALongOutage) {
  fake_.Reply("GET", "http://peer/", {.status = 503});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Send("GET").ok());
  // 100 first attempts, 20 from the start's budget, 20 earned by the calls (less rounding).
  EXPECT_LE(fake_.requests().size(), 141);
  EXPECT_GE(fake_.requests().size(), 130);
}

TEST_F(RetryTest, AStreamIsRepeatedOnlyBeforeItsFirstPiece) {
  fake_.Reply("GET", "http://peer/", {.status = 503, .body = "busy"});
  fake_.Reply("GET", "http://peer/", {.status = 200, .body = "data"});
  std::string got;
  const auto response = retrying_.Stream({.url = "http://peer/"}, {},
                                         [&got](const Response&, absl::string_view piece) {
                                           got.append(piece.data(), piece.size());
                                           return absl::OkStatus();
                                         });
  EXPECT_EQ(response->status, 200);
  EXPECT_EQ(got, "data");
}

// Fails at once, or after it took a piece.
class UploadFailing final : public Transport {
 public:
  absl::StatusOr<Response> Send(const Request&, const CallOptions&) override {
    return absl::InternalError("no body was to be gathered");
  }
  absl::StatusOr<Response> Upload(const Request&, BodySource& body, const CallOptions&) override {
    ++calls;
    if (calls == 1 && !take_first) return absl::UnavailableError("no connection");
    if (!body.Next().ok()) return absl::InternalError("the body failed");
    return calls == 1 ? Response{.status = 503} : Response{.status = 201};
  }
  bool take_first = false;
  int calls = 0;
};

TEST_F(RetryTest, AnUploadIsRepeatedOnlyWhileItsBodyIsUntouched) {
  class Body final : public BodySource {
   public:
    absl::StatusOr<std::string> Next() override { return std::string(); }
  };
  for (const bool begun : {false, true}) {
    UploadFailing failing;
    failing.take_first = begun;
    RetryingTransport retrying(failing, clock_, rng_);
    Body body;
    const auto response = retrying.Upload({.method = "PUT", .url = "http://peer/"}, body, {});
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->status, begun ? 503 : 201);
    EXPECT_EQ(failing.calls, begun ? 1 : 2);
  }
}

}  // namespace
}  // namespace purser::http

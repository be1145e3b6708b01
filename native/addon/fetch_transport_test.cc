#include "addon/fetch_transport.h"

#include <thread>

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace purser::addon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FetchTransportTest : public testing::Test {
 protected:
  FetchTransport Make(std::function<absl::Status(const std::shared_ptr<FetchExchange>&)> start) {
    return FetchTransport(
        {.start = std::move(start),
         .give =
             [this](const std::shared_ptr<FetchExchange>& exchange, std::string piece) {
               given_.push_back(std::move(piece));
               if (on_given_) on_given_(exchange);
               return absl::OkStatus();
             },
         .abort = [this](const std::shared_ptr<FetchExchange>&) { ++aborted_; }},
        host_stop_.get_token());
  }
  static http::Request Get(std::string url) {
    http::Request request;
    request.url = std::move(url);
    return request;
  }
  std::stop_source host_stop_;
  int aborted_ = 0;
  std::vector<std::string> given_;
  std::function<void(const std::shared_ptr<FetchExchange>&)> on_given_;
};

// Three pieces, or an error in place of the third.
class Pieces final : public http::BodySource {
 public:
  explicit Pieces(bool fails) : fails_(fails) {}
  absl::StatusOr<std::string> Next() override {
    if (++asked_ == 3 && fails_) return absl::DataLossError("a file changed");
    return asked_ <= 3 ? std::string(1, static_cast<char>('a' + asked_ - 1)) : std::string();
  }

 private:
  const bool fails_;
  int asked_ = 0;
};

TEST_F(FetchTransportTest, AnUploadIsReadAsThePortalAsksForIt) {
  FetchTransport transport = Make([](const std::shared_ptr<FetchExchange>& exchange) {
    EXPECT_TRUE(exchange->uploads);
    exchange->WantPiece();
    return absl::OkStatus();
  });
  on_given_ = [this](const std::shared_ptr<FetchExchange>& exchange) {
    if (given_.back().empty()) {
      exchange->Complete(http::Response{200, {}, "taken"});
    } else {
      exchange->WantPiece();
    }
  };
  Pieces body(false);
  const auto response = transport.Upload(Get("https://example.test/x"), body, {});
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->body, "taken");
  EXPECT_EQ(given_, (std::vector<std::string>{"a", "b", "c", ""}));
  EXPECT_EQ(aborted_, 0);
}

TEST_F(FetchTransportTest, ABodyThatFailsBreaksTheExchangeOff) {
  FetchTransport transport = Make([](const std::shared_ptr<FetchExchange>& exchange) {
    exchange->WantPiece();
    return absl::OkStatus();
  });
  on_given_ = [](const std::shared_ptr<FetchExchange>& exchange) { exchange->WantPiece(); };
  Pieces body(true);
  EXPECT_EQ(transport.Upload(Get("https://example.test/x"), body, {}).status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(given_, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(aborted_, 1);
}

TEST_F(FetchTransportTest, AnAnswerBeforeTheBodysEndCounts) {
  FetchTransport transport = Make([](const std::shared_ptr<FetchExchange>& exchange) {
    exchange->Complete(http::Response{413, {}, ""});
    return absl::OkStatus();
  });
  Pieces body(false);
  EXPECT_EQ(transport.Upload(Get("https://example.test/x"), body, {})->status, 413);
  EXPECT_TRUE(given_.empty());
}

TEST_F(FetchTransportTest, GivesTheAnswer) {
  std::thread answering;
  FetchTransport transport = Make([&](const std::shared_ptr<FetchExchange>& exchange) {
    answering = std::thread([exchange] { exchange->Complete(http::Response{201, {}, "body"}); });
    return absl::OkStatus();
  });
  const auto response = transport.Send(Get("https://example.test/x"), {});
  answering.join();
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->status, 201);
  EXPECT_EQ(response->body, "body");
  EXPECT_EQ(aborted_, 0);
}

TEST_F(FetchTransportTest, EndsAtTheDeadlineWithAnUnknownOutcome) {
  FetchTransport transport =
      Make([](const std::shared_ptr<FetchExchange>&) { return absl::OkStatus(); });
  http::CallOptions options;
  options.timeout = absl::Milliseconds(5);
  const absl::Status status = transport.Send(Get("https://example.test/x"), options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_TRUE(base::IsOutcomeUnknown(status));
  EXPECT_EQ(aborted_, 1);
}

TEST_F(FetchTransportTest, EitherTokenCancels) {
  std::stop_source call_stop;
  for (std::stop_source* source : {&call_stop, &host_stop_}) {
    std::thread stopping;
    FetchTransport transport = Make([&](const std::shared_ptr<FetchExchange>&) {
      stopping = std::thread([source] { source->request_stop(); });
      return absl::OkStatus();
    });
    http::CallOptions options;
    if (source == &call_stop) options.stop = call_stop.get_token();
    EXPECT_EQ(transport.Send(Get("https://example.test/x"), options).status().code(),
              absl::StatusCode::kCancelled);
    stopping.join();
  }
  FetchTransport transport = Make([](const std::shared_ptr<FetchExchange>&) -> absl::Status {
    ADD_FAILURE() << "a cancelled call must not begin an exchange";
    return absl::OkStatus();
  });
  EXPECT_EQ(transport.Send(Get("https://example.test/x"), {}).status().code(),
            absl::StatusCode::kCancelled);
}

TEST_F(FetchTransportTest, RefusesOtherUrlsAndNamesNoUserInfo) {
  FetchTransport transport =
      Make([](const std::shared_ptr<FetchExchange>&) { return absl::OkStatus(); });
  for (const char* url : {"", "file:///etc/passwd", "example.test", "https://", "https:///x",
                          "https://user:pass@example.test/"}) {
    EXPECT_EQ(transport.Send(Get(url), {}).status().code(), absl::StatusCode::kInvalidArgument)
        << url;
  }
}

TEST_F(FetchTransportTest, ALargeAnswerIsRefused) {
  FetchTransport transport = Make([](const std::shared_ptr<FetchExchange>& exchange) {
    exchange->Complete(http::Response{200, {}, std::string(11, 'x')});
    return absl::OkStatus();
  });
  http::CallOptions options;
  options.max_response_bytes = 10;
  EXPECT_EQ(transport.Send(Get("https://example.test/"), options).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(FetchTransportTest, FailuresSayWhetherSomethingMayHaveHappened) {
  const http::Request request = Get("https://example.test/path?token=abc");
  absl::Status status =
      FetchFailure(request, "TypeError", "ECONNREFUSED", "fetch failed: connect ECONNREFUSED");
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(base::IsOutcomeUnknown(status));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("token")));
  status = FetchFailure(request, "TypeError", "UND_ERR_SOCKET", "other side closed");
  EXPECT_TRUE(base::IsOutcomeUnknown(status));
  EXPECT_EQ(FetchFailure(request, "AbortError", "", "aborted").code(),
            absl::StatusCode::kCancelled);
  EXPECT_EQ(FetchFailure(request, "TimeoutError", "", "timeout").code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(FetchTransportTest, TheRequestIsOneJsonText) {
  http::Request request = Get("https://example.test/");
  request.method = "PUT";
  request.headers = {{"a", "1"}, {"a", "2"}};
  const FetchExchange exchange(request, false, absl::Seconds(2), 1000);
  EXPECT_EQ(nlohmann::json::parse(FetchRequestJson(exchange)),
            nlohmann::json::parse(R"({"method":"PUT","url":"https://example.test/",
            "headers":[["a","1"],["a","2"]],"timeoutMs":2000,"maxResponseBytes":1000})"));
}

}  // namespace
}  // namespace purser::addon

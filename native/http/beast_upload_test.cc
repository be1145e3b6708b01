// Bodies that are made while they are sent, over loopback.
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "http/server.h"
#include "http/socket.h"

namespace purser::http {
namespace {

using ::testing::HasSubstr;

std::unique_ptr<Transport> Client() {
  return *NewBeastTransport({.policy = AddressPolicy::AllowAll()});
}

// `count` pieces of growing size, then the end, or `error`.
class Pieces final : public BodySource {
 public:
  explicit Pieces(int count, std::optional<int64_t> said = {}, absl::Status error = {})
      : count_(count), said_(said), error_(std::move(error)) {}
  absl::StatusOr<std::string> Next() override {
    if (given == count_) {
      if (!error_.ok()) return error_;
      return std::string();
    }
    return Piece(given++);
  }
  std::optional<int64_t> size() const override { return said_; }
  std::string All() const {
    std::string all;
    for (int i = 0; i < count_; ++i) all += Piece(i);
    return all;
  }
  int given = 0;

 private:
  static std::string Piece(int i) {
    return std::string(1 + static_cast<size_t>(i) * 1'000, static_cast<char>('a' + i % 26));
  }
  const int count_;
  const std::optional<int64_t> said_;
  const absl::Status error_;
};

// Ends with the test only.
class EndlessBody final : public BodySource {
 public:
  absl::StatusOr<std::string> Next() override { return std::string(1 << 20, 'e'); }
};

class UploadTest : public ::testing::Test {
 protected:
  absl::StatusOr<Response> Put(BodySource& body, const CallOptions& options = {}) {
    return client_->Upload({.method = "PUT", .url = Url()}, body, options);
  }
  std::string Url() const { return absl::StrCat("http://127.0.0.1:", server_->port(), "/"); }

  std::atomic<int> calls_{0};
  std::unique_ptr<Server> server_ =
      *Server::Start({.max_body_bytes = 32 << 20}, [this](const ServerRequest& request) {
        ++calls_;
        return ServerResponse{
            .headers = {{"X-Length", std::string(FindHeader(request.headers, "content-length"))},
                        {"X-Encoding",
                         std::string(FindHeader(request.headers, "transfer-encoding"))}},
            .body = request.body};
      });
  std::unique_ptr<Transport> client_ = Client();
};

TEST_F(UploadTest, UnknownLengthGoesInChunks) {
  Pieces body(150);
  CallOptions options;
  options.max_response_bytes = 32 << 20;
  const auto response = Put(body, options);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(FindHeader(response->headers, "x-encoding"), "chunked");
  EXPECT_TRUE(response->body == body.All());
}

TEST_F(UploadTest, KnownLengthIsSaid) {
  const auto size = static_cast<int64_t>(Pieces(20).All().size());
  Pieces body(20, size);
  const auto response = Put(body);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(FindHeader(response->headers, "x-length"), absl::StrCat(size));
  EXPECT_TRUE(response->body == body.All());
  Pieces nothing(0, 0);
  EXPECT_EQ(FindHeader(Put(nothing)->headers, "x-length"), "0");
}

TEST_F(UploadTest, ConnectionsServeTheNextRequest) {
  for (int i = 0; i < 3; ++i) {
    Pieces body(5);
    EXPECT_EQ(Put(body)->body, body.All());
    EXPECT_EQ(client_->Send({.url = Url()}, {})->status, 200);
  }
}

TEST_F(UploadTest, WhatBreaksOffIsNotTakenForWhole) {
  Pieces failing(3, {}, absl::DataLossError("the disk is gone"));
  const auto failed = Put(failing);
  EXPECT_EQ(failed.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(failed.status().message()), HasSubstr("the disk is gone"));
  EXPECT_TRUE(base::IsOutcomeUnknown(failed.status()));
  for (const int64_t said : {10, 1'000'000}) {
    Pieces wrong(5, said);
    EXPECT_EQ(Put(wrong).status().code(), absl::StatusCode::kInternal) << said;
  }
  server_->Stop();  // waits for what is under way
  EXPECT_EQ(calls_, 0);
}

TEST_F(UploadTest, ARefusalEndsTheBody) {
  server_ = *Server::Start({.max_body_bytes = 1'000},
                           [](const ServerRequest&) { return ServerResponse{}; });
  EndlessBody endless;
  const auto refused = Put(endless);
  ASSERT_TRUE(refused.ok()) << refused.status();
  EXPECT_EQ(refused->status, 413);
}

TEST_F(UploadTest, APeerThatDoesNotReadEndsInTime) {
  const auto listener = *TcpListener::Listen(*IpAddress::Parse("127.0.0.1"), 0);
  const Request request{.method = "PUT",
                        .url = absl::StrCat("http://127.0.0.1:", listener->port(), "/")};
  CallOptions options;
  options.timeout = absl::Seconds(1);  // enough to begin
  EndlessBody endless;
  const auto late = client_->Upload(request, endless, options);
  EXPECT_EQ(late.status().code(), absl::StatusCode::kDeadlineExceeded) << late.status();
  EXPECT_TRUE(base::IsOutcomeUnknown(late.status()));

  std::stop_source source;
  options.timeout = absl::Minutes(1);
  options.stop = source.get_token();
  std::jthread stopper([&source] {
    absl::SleepFor(absl::Milliseconds(50));
    source.request_stop();
  });
  EXPECT_EQ(client_->Upload(request, endless, options).status().code(),
            absl::StatusCode::kCancelled);
}

TEST_F(UploadTest, HeadersOfTheBodyAreTheTransports) {
  for (const char* name : {"Transfer-Encoding", "Content-Length"}) {
    Pieces body(1);
    EXPECT_EQ(client_->Upload({.method = "PUT", .url = Url(), .headers = {{name, "1"}}}, body, {})
                  .status()
                  .code(),
              absl::StatusCode::kInvalidArgument);
    EXPECT_EQ(body.given, 0);
  }
}

}  // namespace
}  // namespace purser::http

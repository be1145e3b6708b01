#include "connectors/http/http_connector.h"

#include "base/rng.h"
#include "base/status.h"
#include "connectors/fake_call_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/beast_transport.h"
#include "http/fake_transport.h"
#include "http/server.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class HttpConnectorTest : public ::testing::Test {
 protected:
  HttpConnectorTest() {
    context_.secrets["env:TOKEN"] = "s3cr3t-token";
    context_.secrets["env:STEP"] = "step-secret";
    Configure(R"({"endpoints":[{"url":"https://api.test/v1","headers":{"X-Fixed":"1"},
                  "secretHeaders":{"Authorization":{"reference":"env:TOKEN","prefix":"Bearer "}}},
                  {"url":"https://api.test/v1/open"}]})");
  }
  void Configure(absl::string_view text) {
    auto made = HttpConnector::FromConfig("http", *json::Parse(text), dependencies_);
    ASSERT_TRUE(made.ok()) << made.status();
    connector_ = *std::move(made);
  }
  absl::StatusOr<CallResult> Call(const char* operation, absl::string_view input) {
    return connector_->Call(operation, *json::Parse(input), context_);
  }
  absl::StatusOr<CallResult> Observe(const CallResult& previous, absl::string_view input) {
    return connector_->Observe("request", *json::Parse(input), previous, context_);
  }
  static http::Response JsonAnswer(int status, const char* body, http::Headers headers = {}) {
    headers.emplace_back("Content-Type", "application/json");
    return {status, std::move(headers), body};
  }

  http::FakeTransport fake_;
  base::FakeClock clock_;
  base::SeededRng rng_{1};
  ConnectorDependencies dependencies_{fake_, clock_, rng_, {}};
  FakeCallContext context_;
  std::unique_ptr<Connector> connector_;
};

TEST_F(HttpConnectorTest, KeyedCallCarriesEffectKeyAndSecrets) {
  fake_.Reply("POST", "https://api.test/v1/things?q=1",
              JsonAnswer(201, R"({"id":7,"echo":"s3cr3t-token"})", {{"Location", "/v1/things/7"}}));
  const auto result = Call("request", R"({"url":"https://api.test/v1/things?q=1",
      "json":{"a":1},"headers":{"X-Own":"2"},"secretHeaders":{"X-Step":"env:STEP"},
      "resource":{"type":"thing","idFrom":"/body/id","name":"seven"},
      "undo":{"urlFrom":"/headers/location"}})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  const http::Request sent = fake_.requests().at(0);
  EXPECT_EQ(sent.body, R"({"a":1})");
  EXPECT_EQ(http::FindHeader(sent.headers, "Idempotency-Key"), "run_1/step/1");
  EXPECT_EQ(http::FindHeader(sent.headers, "Authorization"), "Bearer s3cr3t-token");
  EXPECT_EQ(http::FindHeader(sent.headers, "X-Step"), "step-secret");
  EXPECT_EQ(http::FindHeader(sent.headers, "X-Fixed"), "1");
  EXPECT_EQ(http::FindHeader(sent.headers, "X-Own"), "2");
  EXPECT_EQ(result->outputs["status"], 201);
  EXPECT_EQ(result->outputs["body"]["echo"], "***");
  EXPECT_EQ(result->outputs["undo"]["url"], "https://api.test/v1/things/7");
  ASSERT_EQ(result->resources.size(), 1);
  EXPECT_EQ(result->resources[0].id, "7");
  EXPECT_EQ(result->resources[0].type, "thing");
  for (const std::string& line : context_.lines()) {
    EXPECT_THAT(line, Not(HasSubstr("s3cr3t")));
    EXPECT_THAT(line, Not(HasSubstr("q=1")));
  }
}

TEST_F(HttpConnectorTest, OnlyKeyedCallsCarryTheKey) {
  fake_.Otherwise([](const http::Request&, const http::CallOptions& options) {
    return absl::StatusOr<http::Response>(JsonAnswer(200, options.repeatable ? "[1]" : "[0]"));
  });
  const char* input = R"({"url":"https://api.test/v1/x"})";
  EXPECT_EQ(Call("put", input)->outputs["body"][0], 1);
  EXPECT_EQ(Call("call", input)->outputs["body"][0], 0);
  EXPECT_EQ(fake_.requests()[0].method, "PUT");
  EXPECT_EQ(fake_.requests()[1].method, "POST");
  for (const http::Request& request : fake_.requests()) {
    EXPECT_EQ(http::FindHeader(request.headers, "Idempotency-Key"), "");
  }
}

TEST_F(HttpConnectorTest, UrlsBeyondTheEndpointsAreRefused) {
  for (const char* url :
       {"https://api.test/v2/x", "https://api.test/v1x", "http://api.test/v1/x",
        "https://api.test:444/v1/x", "https://evil.test/v1/x", "https://api.test/v1/../v2",
        "https://api.test/v1/%2e%2e/v2", "https://api.test/v1/%2E%2E%2Fv2",
        "https://api.test/v1/%252e%252e/v2", "https://api.test/v1/..%5cv2", "nonsense"}) {
    const auto result = Call("call", Json({{"url", url}}).dump());
    EXPECT_FALSE(result.ok()) << url;
  }
  EXPECT_TRUE(fake_.requests().empty());
  // The nearest endpoint decides about secrets.
  fake_.Reply("POST", "https://api.test/v1/open/x", {.status = 200});
  EXPECT_TRUE(Call("call", R"({"url":"https://api.test/v1/open/x"})").ok());
  EXPECT_EQ(http::FindHeader(fake_.requests()[0].headers, "Authorization"), "");
}

TEST_F(HttpConnectorTest, APeerCannotSendUsElsewhere) {
  // A redirect is an answer; nobody goes there.
  fake_.Reply("POST", "https://api.test/v1/moved",
              {302, {{"Location", "http://169.254.169.254/latest"}}, ""});
  EXPECT_EQ(Call("request", R"({"url":"https://api.test/v1/moved"})").status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(fake_.requests().size(), 1);
  // Nor is it asked there whether the thing is ready.
  fake_.Reply("POST", "https://api.test/v1/things",
              JsonAnswer(202, "{}", {{"Location", "http://169.254.169.254/latest"}}));
  const char* input = R"({"url":"https://api.test/v1/things",
      "ready":{"urlFrom":"/headers/location","pointer":"/body/state","equals":"UP"}})";
  const auto begun = Call("request", input);
  if (begun.ok()) {
    EXPECT_EQ(Observe(*begun, input).status().code(), absl::StatusCode::kPermissionDenied);
  } else {
    EXPECT_EQ(begun.status().code(), absl::StatusCode::kPermissionDenied);
  }
  EXPECT_EQ(fake_.requests().size(), 2);
}

TEST_F(HttpConnectorTest, StatusesBecomeWhatTheEngineCanDo) {
  const auto code_of = [this](int status) {
    fake_.Otherwise([status](const http::Request&, const http::CallOptions&) {
      return absl::StatusOr<http::Response>(
          http::Response{status, {{"Retry-After", "3"}}, "because s3cr3t-token"});
    });
    return Call("request", R"({"url":"https://api.test/v1/x"})").status();
  };
  EXPECT_EQ(code_of(400).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of(403).code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code_of(409).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(302).code(), absl::StatusCode::kFailedPrecondition);
  const absl::Status busy = code_of(503);
  EXPECT_EQ(busy.code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(base::IsOutcomeUnknown(busy));
  EXPECT_EQ(base::RetryAfterMillis(busy), 3000);
  EXPECT_FALSE(base::IsOutcomeUnknown(code_of(429)));
  EXPECT_THAT(std::string(busy.message()), HasSubstr("because ***"));
}

TEST_F(HttpConnectorTest, ExpectAndOutputs) {
  fake_.Reply("POST", "https://api.test/v1/x", JsonAnswer(409, R"({"id":"a","rest":1})"));
  const auto result = Call("request", R"({"url":"https://api.test/v1/x","expect":[201,409],
                                          "outputs":{"id":"/body/id"}})");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(json::Dump(result->outputs), R"({"id":"a"})");
  EXPECT_THAT(std::string(Call("request", R"({"url":"https://api.test/v1/x","expect":[409],
                                              "outputs":{"id":"/body/none"}})")
                              .status()
                              .message()),
              HasSubstr("outputs.id: the answer has nothing at /body/none"));
  EXPECT_FALSE(Call("request", R"({"url":"https://api.test/v1/x","expect":[201]})").ok());
}

TEST_F(HttpConnectorTest, PollsUntilReady) {
  const char* input = R"({"url":"https://api.test/v1/jobs","ready":{"urlFrom":"/headers/location",
      "pointer":"/body/state","equals":"DONE","failed":{"pointer":"/body/state","in":["ERROR"]},
      "intervalSeconds":2,"timeoutSeconds":60,"outputs":{"address":"/body/address"}}})";
  fake_.Reply("POST", "https://api.test/v1/jobs",
              {.status = 202, .headers = {{"Location", "https://api.test/v1/jobs/1"}}});
  const char* job = "https://api.test/v1/jobs/1";
  fake_.Reply("GET", job, {.status = 404});
  fake_.Reply("GET", job, {.status = 503});
  fake_.Reply("GET", job, JsonAnswer(200, R"({"state":"RUNNING"})"));
  fake_.Reply("GET", job, JsonAnswer(200, R"({"state":"DONE","address":"10.0.0.1"})"));
  auto result = Call("request", input);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->poll_after, absl::Seconds(2));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(result->ready);
    EXPECT_THAT(result->progress, HasSubstr("https://api.test/v1/jobs/1"));
    result = Observe(*result, input);
    ASSERT_TRUE(result.ok()) << result.status();
  }
  result = Observe(*result, input);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["address"], "10.0.0.1");
  EXPECT_FALSE(result->outputs.contains("waiting"));
}

TEST_F(HttpConnectorTest, ReadinessMayFailOrTakeTooLong) {
  const char* input = R"({"url":"https://api.test/v1/jobs","ready":{"url":"https://api.test/v1/j",
      "expression":"response.body.n >= 2 and outputs.status == 200",
      "failed":{"expression":"response.body.n < 0"},"timeoutSeconds":60}})";
  fake_.Reply("POST", "https://api.test/v1/jobs", {.status = 200});
  fake_.Reply("GET", "https://api.test/v1/j", JsonAnswer(200, R"({"n":1})"));
  fake_.Reply("GET", "https://api.test/v1/j", JsonAnswer(200, R"({"n":2})"));
  fake_.Reply("GET", "https://api.test/v1/j", JsonAnswer(200, R"({"n":-1})"));
  const auto called = Call("request", input);
  ASSERT_TRUE(called.ok()) << called.status();
  const auto first = Observe(*called, input);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_FALSE(first->ready);
  const auto second = Observe(*first, input);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(second->ready);
  EXPECT_THAT(std::string(Observe(*first, input).status().message()), HasSubstr("it failed"));
  http::FakeTransport slow;
  fake_.Otherwise({});
  clock_.Advance(absl::Seconds(61));
  fake_.Reply("GET", "https://api.test/v1/j", JsonAnswer(200, R"({"n":1})"));
  (void)Observe(*first, input);
  EXPECT_THAT(std::string(Observe(*first, input).status().message()),
              HasSubstr("ready.timeoutSeconds"));
}

TEST_F(HttpConnectorTest, UndoIsHarmlessTwice) {
  fake_.Reply("DELETE", "https://api.test/v1/things/7", {.status = 204});
  fake_.Reply("DELETE", "https://api.test/v1/things/7", {.status = 404});
  const char* outputs = R"({"status":201,"undo":{"method":"DELETE",
      "url":"https://api.test/v1/things/7","headers":{},"secretHeaders":{}}})";
  EXPECT_EQ(Call("undo", outputs)->outputs["status"], 204);
  EXPECT_EQ(Call("undo", outputs)->outputs["status"], 404);
  EXPECT_TRUE(Call("undo", "{}").ok());
  EXPECT_FALSE(Call("undo", R"({"undo":{"url":"https://evil.test/"}})").ok());
}

TEST_F(HttpConnectorTest, LargeOutputsAreRefusedWithAWayOut) {
  fake_.Reply("POST", "https://api.test/v1/x", {.status = 200, .body = std::string(300'000, 'x')});
  EXPECT_THAT(std::string(Call("call", R"({"url":"https://api.test/v1/x"})").status().message()),
              HasSubstr("kMaxHttpOutputBytes"));
}

TEST_F(HttpConnectorTest, ConfigAndInputFaultsComeAllAtOnce) {
  const auto config = HttpConnector::FromConfig(
      "api", *json::Parse(R"({"endpoints":[{"headers":{"A":1}}],"timeoutSeconds":0,"x":1})"),
      dependencies_);
  const std::string message(config.status().message());
  EXPECT_THAT(message, HasSubstr("/endpoints/0/url is required"));
  EXPECT_THAT(message, HasSubstr("/endpoints/0/headers/A must be string"));
  EXPECT_THAT(message, HasSubstr("/timeoutSeconds"));
  EXPECT_THAT(message, HasSubstr("/x is not known"));
  EXPECT_THAT(
      std::string(HttpConnector::FromConfig(
                      "api", *json::Parse(R"({"endpoints":[{"url":"ftp://x"}]})"), dependencies_)
                      .status()
                      .message()),
      HasSubstr("/endpoints/0/url"));
  EXPECT_THAT(std::string(Call("request", R"({"url":"https://api.test/v1","json":1,"body":"x"})")
                              .status()
                              .message()),
              HasSubstr("must not be"));
  EXPECT_EQ(Call("none", "{}").status().code(), absl::StatusCode::kNotFound);
}

TEST(HttpConnectorPeerTest, WorksOverARealConnection) {
  std::atomic<int> polls{0};
  auto server = http::Server::Start(
      {}, http::Route({{"/jobs",
                        [](const http::ServerRequest& request) {
                          return http::ServerResponse{.status = 202,
                                                      .headers = {{"Location", "/jobs/1"}},
                                                      .body = std::string(http::FindHeader(
                                                          request.headers, "idempotency-key"))};
                        }},
                       {"/jobs/1", [&polls](const http::ServerRequest&) {
                          return http::ServerResponse{
                              .headers = {{"Content-Type", "application/json"}},
                              .body = ++polls < 3 ? R"({"done":false})" : R"({"done":true})"};
                        }}}));
  ASSERT_TRUE(server.ok());
  const std::string origin = absl::StrCat("http://127.0.0.1:", (*server)->port());
  const auto transport =
      *http::NewBeastTransport({.policy = *http::AddressPolicy::Create({"127.0.0.1"})});
  const ConnectorDependencies dependencies{
      *transport, base::Clock::System(), base::Rng::System(), {}};
  const auto connector =
      *HttpConnector::FromConfig("jobs", {{"endpoints", {{{"url", origin}}}}}, dependencies);
  FakeCallContext context;
  const Json input = {{"url", origin + "/jobs"},
                      {"ready", {{"urlFrom", "/headers/location"}, {"pointer", "/body/done"}}}};
  auto result = connector->Call("request", input, context);
  for (int i = 0; i < 10 && result.ok() && !result->ready; ++i) {
    result = connector->Observe("request", input, *result, context);
  }
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->ready);
  EXPECT_EQ(result->outputs["body"], "run_1/step/1");
  EXPECT_EQ(polls, 3);
}

}  // namespace
}  // namespace purser::connectors

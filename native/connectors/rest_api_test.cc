#include "connectors/rest_api.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "connectors/fake_call_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class RestApiTest : public ::testing::Test {
 protected:
  absl::StatusOr<Json> Get() {
    return api_.Json({.path = "/thing", .what = "read the thing"}, context_);
  }
  void Reply(http::Response response) {
    transport_.Reply("GET", "https://forge.example/thing", std::move(response));
  }

  http::FakeTransport transport_;
  base::FakeClock clock_;
  FakeCallContext context_;
  RestApi api_{"forge",
               "https://forge.example",
               {{"Accept", "application/json"}},
               [](CallContext&) -> absl::StatusOr<std::pair<std::string, std::string>> {
                 return std::make_pair(std::string("Authorization"), std::string("Bearer s3cret"));
               },
               transport_,
               clock_};
};

TEST_F(RestApiTest, SaysWhatThePeerSaid) {
  Reply({422, {}, R"({"message":"Validation Failed","errors":[{"field":"title","code":"missing"},
                      {"message":"too long"}]})"});
  auto refused = Get();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("forge: read the thing"));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("Validation Failed; title missing; too long"));
}

TEST_F(RestApiTest, AnExpiredCredentialIsNamedAndNotPrinted) {
  Reply({401, {}, R"({"message":"Bad credentials"})"});
  const auto refused = Get();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("wrong or has expired"));
  EXPECT_THAT(std::string(refused.status().message()), Not(HasSubstr("s3cret")));
}

TEST_F(RestApiTest, ARedirectIsNotFollowed) {
  Reply({302, {{"Location", "http://169.254.169.254/latest"}}, ""});
  const auto refused = Get();
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("302"));
  EXPECT_EQ(transport_.requests().size(), 1);
}

TEST_F(RestApiTest, LimitsAreWaitedOut) {
  Reply({403, {}, R"({"message":"You have exceeded a secondary rate limit"})"});
  const auto limited = Get();
  EXPECT_EQ(limited.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(base::RetryAfterMillis(limited.status()), absl::ToInt64Milliseconds(kRateLimitPause));
}

TEST_F(RestApiTest, TornAnswersOfWritesAreOfUnknownOutcome) {
  Reply({200, {}, R"({"id": 1)"});
  EXPECT_FALSE(base::IsOutcomeUnknown(Get().status()));
  transport_.Reply("POST", "https://forge.example/thing", {201, {}, R"({"id": 1)"});
  const auto torn = api_.Json(
      {.method = "POST", .path = "/thing", .body = Json::object(), .what = "make"}, context_);
  EXPECT_EQ(torn.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(base::IsOutcomeUnknown(torn.status()));
}

TEST_F(RestApiTest, ListsEnd) {
  Json full = Json::array();
  for (int i = 0; i < 100; ++i) full.push_back(i);
  // The same page for ever.
  transport_.Otherwise([&](const http::Request&, const http::CallOptions&) {
    return http::Response{200, {}, json::Dump(full)};
  });
  EXPECT_EQ(api_.List({.path = "/all", .what = "list"}, context_).status().code(),
            absl::StatusCode::kUnavailable);
  // New pages for ever.
  int page = 0;
  transport_.Otherwise([&](const http::Request&, const http::CallOptions&) {
    full[0] = ++page;
    return http::Response{200, {}, json::Dump(full)};
  });
  EXPECT_EQ(api_.List({.path = "/all", .what = "list"}, context_).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(page, kMaxRestPages);
  // Two pages.
  transport_.Otherwise([&](const http::Request& request, const http::CallOptions&) {
    const bool first = absl::EndsWith(request.url, "&page=1");
    return http::Response{200, {}, json::Dump(first ? full : Json::array({1}))};
  });
  EXPECT_EQ(api_.List({.path = "/all?x=1", .what = "list"}, context_)->size(), 101);
}

TEST(RestBaseTest, CredentialsTravelByTlsOnly) {
  EXPECT_TRUE(CheckRestBase("https://forge.example/api", "x").ok());
  EXPECT_TRUE(CheckRestBase("http://127.0.0.1:8080", "x").ok());
  EXPECT_FALSE(CheckRestBase("http://forge.example", "x").ok());
  EXPECT_FALSE(CheckRestBase("https://user:word@forge.example", "x").ok());
}

TEST(AllowedRepositoryTest, NamesAndPrefixes) {
  EXPECT_TRUE(IsAllowedRepository({"org/*"}, "Org/infra"));
  EXPECT_FALSE(IsAllowedRepository({"org/*"}, "organisation/infra"));
  EXPECT_TRUE(IsAllowedRepository({"org/infra"}, "org/infra"));
  EXPECT_FALSE(IsAllowedRepository({"org/infra"}, "org/infra2"));
}

}  // namespace
}  // namespace purser::connectors

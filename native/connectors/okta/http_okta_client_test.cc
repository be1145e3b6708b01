#include "connectors/okta/http_okta_client.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"

namespace purser::connectors {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOrg[] = "https://acme.okta.test";

// An organisation as the Management API shows it; pages go by an opaque cursor.
class Organisation {
 public:
  explicit Organisation(http::FakeTransport& transport) {
    transport.Otherwise(
        [this](const http::Request& request, const http::CallOptions&) { return Answer(request); });
  }

  std::vector<json> users;
  std::string accepted = "SSWS s3cret";
  std::function<http::Response(const std::string& url, int call)> spoil;
  http::Headers extra;
  int calls = 0;
  int tokens = 0;
  std::string assertion;

 private:
  absl::StatusOr<http::Response> Answer(const http::Request& request) {
    if (absl::EndsWith(request.url, "/oauth2/v1/token")) {
      for (absl::string_view part : absl::StrSplit(request.body, '&')) {
        if (absl::ConsumePrefix(&part, "client_assertion=")) assertion = std::string(part);
      }
      accepted = absl::StrCat("Bearer t", ++tokens);
      return http::Response{
          200,
          {},
          json({{"access_token", absl::StrCat("t", tokens)}, {"expires_in", 3600}}).dump()};
    }
    ++calls;
    if (spoil) {
      if (http::Response spoiled = spoil(request.url, calls); spoiled.status != 0) return spoiled;
    }
    if (http::FindHeader(request.headers, "Authorization") != accepted) {
      return http::Response{
          401, {}, R"({"errorCode":"E0000011","errorSummary":"Invalid token provided"})"};
    }
    size_t first = 0;
    if (const size_t at = request.url.find("after=c"); at != std::string::npos) {
      EXPECT_TRUE(
          absl::SimpleAtoi(request.url.substr(at + 7, request.url.find('&', at) - at - 7), &first));
    }
    http::Response response;
    response.status = 200;
    response.headers = extra;
    response.headers.emplace_back("link", absl::StrCat("<", request.url, ">; rel=\"self\""));
    json page = json::array();
    for (size_t i = first; i < users.size() && i < first + 2; ++i) page.push_back(users[i]);
    if (first + 2 < users.size()) {
      response.headers.emplace_back("link", absl::StrCat("<", kOrg, "/api/v1/users?after=c",
                                                         first + 2, "&limit=2>; rel=\"next\""));
    }
    response.body = page.dump();
    return response;
  }
};

class OktaClientTest : public testing::Test {
 protected:
  OktaClientTest() : organisation_(transport_) {
    for (int i = 0; i < 5; ++i) organisation_.users.push_back({{"id", absl::StrCat("u", i)}});
  }
  static OktaOptions Options() {
    OktaOptions options;
    options.org_url = kOrg;
    options.api_token = "s3cret";
    options.page_size = 2;
    return options;
  }
  std::unique_ptr<HttpOktaClient> Client(const OktaOptions& options = Options()) {
    auto client = HttpOktaClient::Create(options, transport_, clock_, rng_);
    EXPECT_TRUE(client.ok()) << client.status();
    return *std::move(client);
  }
  absl::Status List(HttpOktaClient& client) {
    ids_.clear();
    return client.ListUsers("",
                            [this](const json& user) {
                              ids_.push_back(user["id"].get<std::string>());
                              return absl::OkStatus();
                            },
                            {});
  }

  http::FakeTransport transport_;
  Organisation organisation_;
  base::FakeClock clock_;
  base::SeededRng rng_{1};
  std::vector<std::string> ids_;
};

// Does not sleep: it says how long it would have.
class JumpingClock final : public base::Clock {
 public:
  absl::Time Now() override { return now; }
  absl::Duration Monotonic() override { return now - absl::UnixEpoch(); }
  bool SleepFor(absl::Duration duration, std::stop_token stop) override {
    slept.push_back(duration);
    now += duration;
    return !stop.stop_requested();
  }
  absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  std::vector<absl::Duration> slept;
};

TEST_F(OktaClientTest, PagesAreFollowedByTheirLinks) {
  const auto client = Client();
  ASSERT_TRUE(List(*client).ok());
  EXPECT_THAT(ids_, ElementsAre("u0", "u1", "u2", "u3", "u4"));
  ASSERT_TRUE(
      client->ListGroups("type eq \"OKTA_GROUP\"", [](const json&) { return absl::OkStatus(); }, {})
          .ok());
  EXPECT_THAT(transport_.requests()[3].url,
              HasSubstr("/api/v1/groups?limit=2&search=type%20eq%20%22OKTA_GROUP%22"));
}

TEST_F(OktaClientTest, TheRateLimitIsWaitedFor) {
  JumpingClock clock;
  const auto client = HttpOktaClient::Create(Options(), transport_, clock, rng_);
  ASSERT_TRUE(client.ok());
  // The server's clock is an hour behind ours.
  organisation_.spoil = [](const std::string&, int call) {
    return call == 2 ? http::Response{429,
                                      {{"X-Rate-Limit-Limit", "600"},
                                       {"X-Rate-Limit-Remaining", "0"},
                                       {"X-Rate-Limit-Reset", "1699996430"},
                                       {"Date", "Tue, 14 Nov 2023 21:13:20 GMT"}},
                                      R"({"errorCode":"E0000047"})"}
                     : http::Response{0, {}, ""};
  };
  ASSERT_TRUE(List(**client).ok());
  EXPECT_EQ(ids_.size(), 5u);
  ASSERT_EQ(clock.slept.size(), 1u);
  EXPECT_EQ(clock.slept[0], absl::Seconds(31));
  // The last twentieth of a window is left to others.
  organisation_.spoil = nullptr;
  clock.slept.clear();
  organisation_.extra = {{"X-Rate-Limit-Limit", "600"},
                         {"X-Rate-Limit-Remaining", "30"},
                         {"X-Rate-Limit-Reset", absl::StrCat(absl::ToUnixSeconds(clock.now) + 10)}};
  ASSERT_TRUE(List(**client).ok());
  EXPECT_EQ(clock.slept.size(), 3u);
  // A limit that never ends.
  organisation_.spoil = [](const std::string&, int) { return http::Response{429, {}, ""}; };
  clock.slept.clear();
  EXPECT_EQ(List(**client).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(clock.slept.size(), static_cast<size_t>(kMaxOktaRateLimitWaits) + 1);
}

TEST_F(OktaClientTest, WhatFailsInTheMiddleFailsTheWhole) {
  struct Case {
    http::Response answer;
    absl::StatusCode code;
    const char* text;
  };
  const std::string self = absl::StrCat("<", kOrg, "/api/v1/users?limit=2>; rel=\"next\"");
  const Case cases[] = {
      {{500, {}, "x"}, absl::StatusCode::kUnavailable, "status 500"},
      {{401, {}, R"({"errorSummary":"Invalid token provided"})"},
       absl::StatusCode::kUnauthenticated,
       "Invalid token provided"},
      {{403, {}, R"({"errorSummary":"You do not have permission"})"},
       absl::StatusCode::kPermissionDenied,
       "permission"},
      {{200, {}, "[{\"id\":\"u2\"},{\"i"}, absl::StatusCode::kUnavailable, "cut off"},
      {{200, {}, "{}"}, absl::StatusCode::kUnavailable, "not a list"},
      {{200, {}, "[{}]"}, absl::StatusCode::kUnavailable, "without an id"},
      {{200, {{"Link", self}}, "[]"}, absl::StatusCode::kAborted, "read already"},
      {{200, {{"Link", "<https://evil.test/x>; rel=\"next\""}}, "[]"},
       absl::StatusCode::kFailedPrecondition,
       "another origin"},
  };
  const auto client = Client();
  for (const Case& item : cases) {
    organisation_.spoil = [&](const std::string& url, int) {
      return absl::StrContains(url, "after=c2") ? item.answer : http::Response{0, {}, ""};
    };
    const absl::Status status = List(*client);
    EXPECT_EQ(status.code(), item.code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(item.text));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("s3cret")));
  }
}

TEST_F(OktaClientTest, PagesWithoutEndAreEndedByTheCaller) {
  // Each page names another one: only who counts the items can tell that it is too much.
  organisation_.spoil = [](const std::string&, int call) {
    return http::Response{
        200,
        {{"Link", absl::StrCat("<", kOrg, "/api/v1/users?after=x", call, ">; rel=\"next\"")}},
        json({{{"id", absl::StrCat("u", call)}}}).dump()};
  };
  int count = 0;
  EXPECT_EQ(Client()
                ->ListUsers("",
                            [&](const json&) {
                              return ++count > 1000 ? absl::ResourceExhaustedError("enough")
                                                    : absl::OkStatus();
                            },
                            {})
                .code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(OktaClientTest, AServiceSignsInByItsKey) {
  if (std::system("openssl version > /dev/null 2>&1") != 0) GTEST_SKIP() << "SKIP no openssl";
  std::string pattern = (std::filesystem::temp_directory_path() / "purser-okta-XXXXXX").string();
  const std::filesystem::path folder = ::mkdtemp(pattern.data());
  const auto shell = [&](const std::string& command) {
    return std::system(
        absl::StrCat("cd ", folder.string(), " && ", command, " > /dev/null 2>&1").c_str());
  };
  ASSERT_EQ(
      shell("openssl genrsa -out key.pem 2048 && openssl rsa -in key.pem -pubout -out pub.pem"), 0);
  std::ifstream file(folder / "key.pem");
  OktaOptions options = Options();
  options.api_token = "";
  options.client_id = "0oa1";
  options.key_id = "k1";
  options.private_key_pem = std::string(std::istreambuf_iterator<char>(file), {});
  const auto client = Client(options);
  ASSERT_TRUE(List(*client).ok());
  EXPECT_EQ(ids_.size(), 5u);
  const std::vector<std::string> parts = absl::StrSplit(organisation_.assertion, '.');
  ASSERT_EQ(parts.size(), 3u);
  std::string header;
  std::string claims;
  std::string signature;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(parts[0], &header));
  ASSERT_TRUE(absl::WebSafeBase64Unescape(parts[1], &claims));
  ASSERT_TRUE(absl::WebSafeBase64Unescape(parts[2], &signature));
  EXPECT_EQ(json::parse(header)["kid"], "k1");
  EXPECT_EQ(json::parse(claims)["aud"], absl::StrCat(kOrg, "/oauth2/v1/token"));
  EXPECT_EQ(json::parse(claims)["sub"], "0oa1");
  std::ofstream(folder / "text") << parts[0] << "." << parts[1];
  std::ofstream(folder / "signature") << signature;
  EXPECT_EQ(shell("openssl dgst -sha256 -verify pub.pem -signature signature text"), 0);
  // A token that is refused in the middle is renewed once.
  organisation_.calls = 0;
  organisation_.spoil = [](const std::string&, int call) {
    return call == 2 ? http::Response{401, {}, "{}"} : http::Response{0, {}, ""};
  };
  ASSERT_TRUE(List(*client).ok());
  EXPECT_EQ(organisation_.tokens, 2);
  std::filesystem::remove_all(folder);
}

TEST_F(OktaClientTest, AKeyThatIsNoneIsRefused) {
  OktaOptions options = Options();
  options.api_token = "";
  options.private_key_pem = "canary";
  const auto client = HttpOktaClient::Create(options, transport_, clock_, rng_);
  EXPECT_EQ(client.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(client.status().message()), Not(HasSubstr("canary")));
}

TEST(OktaLinkTest, LinksAreReadAsTheyMayBeWritten) {
  EXPECT_EQ(NextLink({{"Link", "<a>; rel=\"self\", <b?x=1,2;3>; rel=\"next\""}}), "b?x=1,2;3");
  EXPECT_EQ(NextLink({{"Link", "<a>; rel=\"self\""}, {"link", "<b>; REL=next"}}), "b");
  EXPECT_EQ(NextLink({{"Link", "<a>; rel=\"prev\""}}), "");
  EXPECT_EQ(NextLink({{"Link", "<a"}}), "");
  EXPECT_EQ(NextLink({}), "");
}

}  // namespace
}  // namespace purser::connectors

#include "connectors/keycloak/http_keycloak_client.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/rng.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "http/retry.h"

namespace purser::connectors {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;

// A realm as the Admin REST API shows it; a test may spoil single answers.
class Realm {
 public:
  explicit Realm(http::FakeTransport& transport) {
    transport.Otherwise(
        [this](const http::Request& request, const http::CallOptions&) { return Answer(request); });
  }

  std::vector<json> users;
  std::vector<json> groups;                          // with subGroups inside
  std::map<std::string, std::vector<json>> members;  // group id → users
  bool inline_groups = true;                         // up to version 22
  int tokens = 0;
  int refuse_after = -1;  // calls until the first token is taken no more
  // Looks at a request first; status 0 leaves it to the realm.
  std::function<http::Response(const std::string& path, int call)> spoil;
  int calls = 0;

 private:
  static http::Response Json(const json& value) { return {200, {}, value.dump()}; }

  absl::StatusOr<http::Response> Answer(const http::Request& request) {
    constexpr absl::string_view kBase = "https://id.test/admin/realms/acme";
    if (absl::EndsWith(request.url, "/protocol/openid-connect/token")) {
      if (!absl::StrContains(request.body, "client_secret=s3cret%26")) {
        return http::Response{401, {}, R"({"error":"unauthorized_client",
            "error_description":"Invalid client or Invalid client credentials"})"};
      }
      return Json({{"access_token", absl::StrCat("t", ++tokens)}, {"expires_in", 60}});
    }
    ++calls;
    if (!absl::StartsWith(request.url, kBase)) return http::Response{404, {}, "{}"};
    const std::string path = request.url.substr(kBase.size());
    if (spoil) {
      if (http::Response spoiled = spoil(path, calls); spoiled.status != 0) return spoiled;
    }
    if (refuse_after >= 0 && calls > refuse_after &&
        http::FindHeader(request.headers, "Authorization") == "Bearer t1") {
      return http::Response{401, {}, R"({"error":"HTTP 401 Unauthorized"})"};
    }
    if (path == "/users/count") return Json(users.size());
    if (absl::StartsWith(path, "/users?")) return Page(path, users);
    if (absl::StartsWith(path, "/groups?")) return Page(path, Shown(groups));
    const std::vector<std::string> parts = absl::StrSplit(path.substr(0, path.find('?')), '/');
    if (parts.size() == 4 && parts[3] == "members") return Page(path, members[parts[2]]);
    if (parts.size() == 4 && parts[3] == "children") {
      const json all(groups);
      const json* group = Find(all, parts[2]);
      if (group != nullptr) return Page(path, Shown(group->at("subGroups")));
    }
    return http::Response{404, {}, R"({"error":"Could not find group by id"})"};
  }

  std::vector<json> Shown(const json& list) const {
    std::vector<json> shown;
    for (json group : list) {
      if (!inline_groups) {
        group["subGroupCount"] = group["subGroups"].size();
        group["subGroups"] = json::array();
      }
      shown.push_back(std::move(group));
    }
    return shown;
  }
  static const json* Find(const json& list, const std::string& id) {
    for (const json& group : list) {
      if (group["id"] == id) return &group;
      if (const json* inside = Find(group["subGroups"], id)) return inside;
    }
    return nullptr;
  }
  static http::Response Page(const std::string& path, const std::vector<json>& all) {
    size_t first = 0;
    size_t max = 100;
    for (absl::string_view part : absl::StrSplit(path.substr(path.find('?') + 1), '&')) {
      const std::vector<std::string> pair = absl::StrSplit(part, '=');
      if (pair[0] == "first") {
        EXPECT_TRUE(absl::SimpleAtoi(pair[1], &first));
      } else if (pair[0] == "max") {
        EXPECT_TRUE(absl::SimpleAtoi(pair[1], &max));
      }
    }
    json page = json::array();
    for (size_t i = first; i < all.size() && i < first + max; ++i) page.push_back(all[i]);
    return Json(page);
  }
};

json User(int number) {
  return {{"id", absl::StrCat("u", number)}, {"username", absl::StrCat("user", number)}};
}
json Group(const std::string& id, json inside = json::array()) {
  return {{"id", id}, {"name", id}, {"subGroups", std::move(inside)}};
}

class KeycloakClientTest : public testing::Test {
 protected:
  KeycloakClientTest() : realm_(transport_) {
    for (int i = 0; i < 7; ++i) realm_.users.push_back(User(i));
  }
  static KeycloakOptions Options(const std::string& secret = "s3cret&") {
    KeycloakOptions options;
    options.base_url = "https://id.test";
    options.realm = "acme";
    options.client_id = "purser";
    options.client_secret = secret;
    options.page_size = 3;
    return options;
  }
  absl::Status ListUsers() {
    ids_.clear();
    return client_.ListUsers(
        [this](const json& user) {
          ids_.push_back(user["id"].get<std::string>());
          return absl::OkStatus();
        },
        {});
  }

  http::FakeTransport transport_;
  Realm realm_;
  base::FakeClock clock_;
  HttpKeycloakClient client_{Options(), transport_, clock_};
  std::vector<std::string> ids_;
};

TEST_F(KeycloakClientTest, UsersComePageByPage) {
  ASSERT_TRUE(ListUsers().ok());
  EXPECT_THAT(ids_, ElementsAre("u0", "u1", "u2", "u3", "u4", "u5", "u6"));
  EXPECT_EQ(realm_.tokens, 1);
  realm_.users.resize(6);  // a last page that is empty
  ASSERT_TRUE(ListUsers().ok());
  EXPECT_EQ(ids_.size(), 6u);
}

TEST_F(KeycloakClientTest, ATokenIsRenewedBeforeItEndsAndOnceWhenItIsRefused) {
  ASSERT_TRUE(ListUsers().ok());
  clock_.Advance(absl::Seconds(50));
  ASSERT_TRUE(ListUsers().ok());
  EXPECT_EQ(realm_.tokens, 2);
  // Refused in the middle of a listing.
  Realm& realm = realm_;
  realm.tokens = 0;
  realm.calls = 0;
  realm.refuse_after = 2;
  HttpKeycloakClient fresh(Options(), transport_, clock_);
  int count = 0;
  const absl::Status status = fresh.ListUsers(
      [&](const json&) {
        ++count;
        return absl::OkStatus();
      },
      {});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(count, 7);
  EXPECT_EQ(realm.tokens, 2);
  // Refused whatever the token: one renewal, then the error.
  realm.tokens = 0;
  realm.spoil = [](const std::string&, int) { return http::Response{401, {}, "{}"}; };
  HttpKeycloakClient refused(Options(), transport_, clock_);
  EXPECT_EQ(refused.ListUsers([](const json&) { return absl::OkStatus(); }, {}).code(),
            absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(realm.tokens, 2);
}

// Tokens end by our clock, which may be wrong; what the server says counts.
TEST_F(KeycloakClientTest, AClockThatIsWrongCostsATokenAndNoMore) {
  ASSERT_TRUE(ListUsers().ok());
  // Set back by a day: the token seems to be good for a day, the server refuses it.
  clock_.JumpWallTime(-absl::Hours(24));
  realm_.refuse_after = realm_.calls;
  ASSERT_TRUE(ListUsers().ok());
  EXPECT_EQ(realm_.tokens, 2);
  // Set forward by a day: a new token for what the server would still have taken.
  clock_.JumpWallTime(absl::Hours(48));
  ASSERT_TRUE(ListUsers().ok());
  EXPECT_EQ(realm_.tokens, 3);
  EXPECT_EQ(ids_.size(), 7u);
}

TEST_F(KeycloakClientTest, GroupsOfOlderAndNewerVersionsAreTheSame) {
  const auto list = [](std::vector<json> groups) { return json(std::move(groups)); };
  realm_.groups = {Group("a", list({Group("a1", list({Group("a11")})), Group("a2")})), Group("b"),
                   Group("c"),
                   Group("d", list({Group("d1"), Group("d2"), Group("d3"), Group("d4")}))};
  std::map<std::string, std::string> expected;
  for (const bool inlined : {true, false}) {
    realm_.inline_groups = inlined;
    std::map<std::string, std::string> parents;
    const absl::Status status = client_.ListGroups(
        [&](const json& group, const std::string& parent) {
          parents[group["id"].get<std::string>()] = parent;
          return absl::OkStatus();
        },
        {});
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(parents.size(), 11u) << inlined;
    EXPECT_EQ(parents["a11"], "a1");
    EXPECT_EQ(parents["d4"], "d");
    EXPECT_EQ(parents["c"], "");
    if (inlined) {
      expected = parents;
    } else {
      EXPECT_EQ(parents, expected);
    }
  }
}

TEST_F(KeycloakClientTest, MembersAreListed) {
  realm_.members["a"] = {User(1), User(2), User(3), User(4)};
  std::vector<std::string> ids;
  ASSERT_TRUE(client_
                  .ListMembers("a",
                               [&](const json& user) {
                                 ids.push_back(user["id"].get<std::string>());
                                 return absl::OkStatus();
                               },
                               {})
                  .ok());
  EXPECT_THAT(ids, ElementsAre("u1", "u2", "u3", "u4"));
}

TEST_F(KeycloakClientTest, WhatFailsInTheMiddleFailsTheWhole) {
  struct Case {
    http::Response answer;
    absl::StatusCode code;
    const char* text;
  };
  const Case cases[] = {
      {{500, {}, "oops"}, absl::StatusCode::kUnavailable, "status 500"},
      {{403, {}, R"({"error":"unknown_error"})"}, absl::StatusCode::kPermissionDenied, "unknown"},
      {{200, {}, R"([{"id":"u3","userna)"}, absl::StatusCode::kUnavailable, "cut off"},
      {{200, {}, "<html>login</html>"}, absl::StatusCode::kUnavailable, "no JSON"},
      {{200, {}, "{}"}, absl::StatusCode::kUnavailable, "not a list"},
      {{200, {}, "[{}]"}, absl::StatusCode::kUnavailable, "with an id"},
      {{200, {}, "[7]"}, absl::StatusCode::kUnavailable, "with an id"},
  };
  for (const Case& item : cases) {
    realm_.spoil = [&](const std::string& path, int) {
      return absl::StrContains(path, "first=3") ? item.answer : http::Response{0, {}, ""};
    };
    const absl::Status status = ListUsers();
    EXPECT_EQ(status.code(), item.code) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(item.text));
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("s3cret")));
    EXPECT_THAT(std::string(status.message()), HasSubstr("first=3"));
  }
}

TEST_F(KeycloakClientTest, TooManyRequestsAreWaitedFor) {
  realm_.spoil = [](const std::string& path, int call) {
    return absl::StrContains(path, "first=3") && call < 4
               ? http::Response{429, {{"Retry-After", "0"}}, ""}
               : http::Response{0, {}, ""};
  };
  base::SeededRng rng(1);
  http::RetryingTransport retrying(transport_, base::Clock::System(), rng);
  HttpKeycloakClient client(Options(), retrying, clock_);
  int count = 0;
  const absl::Status status = client.ListUsers(
      [&](const json&) {
        ++count;
        return absl::OkStatus();
      },
      {});
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(count, 7);
}

TEST_F(KeycloakClientTest, AServerThatRepeatsItselfIsFoundOut) {
  realm_.spoil = [](const std::string& path, int) {
    return absl::StartsWith(path, "/users?")
               ? http::Response{200, {}, json({User(0), User(1), User(2)}).dump()}
               : http::Response{0, {}, ""};
  };
  const absl::Status status = ListUsers();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("same page again"));
}

TEST_F(KeycloakClientTest, UsersThatChangeMeanwhileAreNotTakenForWhole) {
  // One goes away behind the first page: the second page misses one.
  realm_.spoil = [this](const std::string& path, int) {
    if (absl::StrContains(path, "first=3") && realm_.users.size() == 7) {
      realm_.users.erase(realm_.users.begin());
    }
    return http::Response{0, {}, ""};
  };
  const absl::Status status = ListUsers();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("changed meanwhile"));
  EXPECT_TRUE(ListUsers().ok());
}

TEST_F(KeycloakClientTest, WrongCredentialsAreNamedWithoutThem) {
  HttpKeycloakClient client(Options("wrong-s3cret"), transport_, clock_);
  const absl::Status status = client.ListUsers([](const json&) { return absl::OkStatus(); }, {});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Invalid client"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("wrong-s3cret")));
}

TEST_F(KeycloakClientTest, StopAndRefusalEndTheListing) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(
      client_.ListUsers([](const json&) { return absl::OkStatus(); }, stop.get_token()).code(),
      absl::StatusCode::kCancelled);
  EXPECT_EQ(
      client_.ListUsers([](const json&) { return absl::ResourceExhaustedError("enough"); }, {})
          .code(),
      absl::StatusCode::kResourceExhausted);
}

TEST_F(KeycloakClientTest, GroupsThatNestWithoutEndAreCut) {
  realm_.spoil = [](const std::string& path, int call) {
    if (!absl::StartsWith(path, "/groups")) return http::Response{0, {}, ""};
    const std::string id = absl::StrCat("g", call);
    return http::Response{200, {}, json({{{"id", id}, {"name", id}, {"subGroupCount", 1}}}).dump()};
  };
  EXPECT_EQ(client_.ListGroups([](const json&, const std::string&) { return absl::OkStatus(); }, {})
                .code(),
            absl::StatusCode::kResourceExhausted);
}

}  // namespace
}  // namespace purser::connectors

#include "connectors/github/app_token.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "connectors/fake_call_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using Json = nlohmann::json;

// A key made on the spot; "" where there is no openssl program.
std::string NewKey() {
  std::string folder = testing::TempDir() + "app-token-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return "";
  const std::string path = folder + "/key.pem";
  std::string key;
  if (std::system(("openssl genrsa -out " + path + " 2048 2> /dev/null").c_str()) == 0) {
    std::ifstream file(path);
    key.assign(std::istreambuf_iterator<char>(file), {});
  }
  std::filesystem::remove_all(folder);
  return key;
}

TEST(AppTokenTest, SaysWhoWeAre) {
  const std::string key = NewKey();
  if (key.empty()) GTEST_SKIP() << "SKIP no openssl";
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  const auto token = AppToken("Iv1.app", key, now);
  ASSERT_TRUE(token.ok()) << token.status();
  const std::vector<std::string> parts = absl::StrSplit(*token, '.');
  ASSERT_EQ(parts.size(), 3);
  std::string text;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(parts[1], &text));
  EXPECT_EQ(*json::Parse(text),
            Json({{"iss", "Iv1.app"}, {"iat", 1'699'999'940}, {"exp", 1'700'000'540}}));
  const auto wrong = AppToken("1", "-----BEGIN s3cret", now);
  EXPECT_FALSE(wrong.ok());
  EXPECT_THAT(std::string(wrong.status().message()),
              ::testing::Not(::testing::HasSubstr("s3cret")));
}

TEST(AppTokenTest, InstallationTokensAreKeptUntilTheyEnd) {
  const std::string key = NewKey();
  if (key.empty()) GTEST_SKIP() << "SKIP no openssl";
  http::FakeTransport transport;
  base::FakeClock clock(absl::FromUnixSeconds(1'700'000'000));
  FakeCallContext context;
  context.secrets["file:key"] = key;
  const auto answer = [&](const char* token, absl::Duration life) {
    transport.Reply(
        "POST", "https://api.github.com/app/installations/7/access_tokens",
        {.status = 201,
         .body =
             json::Dump({{"token", token},
                         {"expires_at", absl::FormatTime("%Y-%m-%d%ET%H:%M:%SZ", clock.Now() + life,
                                                         absl::UTCTimeZone())}})});
  };
  answer("first", absl::Hours(1));
  answer("second", absl::Hours(3));
  const RestCredential credential =
      GithubCredential({{"app", {{"id", "1"}, {"installation", "7"}, {"privateKey", "file:key"}}}},
                       "https://api.github.com", transport, clock);
  EXPECT_EQ(credential(context)->second, "Bearer first");
  clock.Advance(absl::Minutes(50));
  EXPECT_EQ(credential(context)->second, "Bearer first");
  clock.Advance(absl::Minutes(9));
  EXPECT_EQ(credential(context)->second, "Bearer second");
  EXPECT_EQ(transport.requests().size(), 2);
}

}  // namespace
}  // namespace purser::connectors

#include "http/url.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::http {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(UrlTest, Parts) {
  const auto url = ParseUrl("https://Example.ORG:8443/a/b?c=d%20e");
  ASSERT_TRUE(url.ok()) << url.status();
  EXPECT_TRUE(url->tls);
  EXPECT_EQ(url->host, "example.org");
  EXPECT_EQ(url->port, 8443);
  EXPECT_EQ(url->target, "/a/b?c=d%20e");
  EXPECT_EQ(url->Origin(), "https://example.org:8443");
  EXPECT_EQ(ParseUrl("http://h")->target, "/");
  EXPECT_EQ(ParseUrl("http://h?x")->target, "/?x");
  EXPECT_EQ(ParseUrl("http://h:80/")->Authority(), "h");
  EXPECT_EQ(ParseUrl("http://[::1]:81/")->Authority(), "[::1]:81");
  EXPECT_EQ(ParseUrl("http://[0:0::1]/")->host, "::1");
  EXPECT_EQ(ParseUrl("http://10.0.0.1/")->host, "10.0.0.1");
}

TEST(UrlTest, RefusesWhatTwoReadersCouldSeeDifferently) {
  for (const char* text : {"",
                           "example.org",
                           "ftp://h/",
                           "HTTP://h/",
                           "http://",
                           "http:///x",
                           "http://user@h/",
                           "http://u:p@h/",
                           "http://h/#f",
                           "http://h/a b",
                           "http://h/\\x",
                           "http://h\\@evil/",
                           "http://h:0/",
                           "http://h:65536/",
                           "http://h:/",
                           "http://h:8x/",
                           "http://h:+80/",
                           "http://127.1/",
                           "http://2130706433/",
                           "http://0x7f000001/",
                           "http://0177.0.0.1/",
                           "http://1.2.3.256/",
                           "http://[::1/",
                           "http://[::1]x/",
                           "http://[fe80::1%25eth0]/",
                           "http://[1.2.3.4]/",
                           "http://a..b/",
                           "http://-a/",
                           "http://h/%zz",
                           "http://h/%4",
                           "http://h\n/",
                           "http://h/\xC3\xA9",
                           "http://\xC3\xA9/"}) {
    EXPECT_EQ(ParseUrl(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  EXPECT_FALSE(ParseUrl("http://h/" + std::string(kMaxUrlBytes, 'a')).ok());
}

TEST(UrlTest, ErrorsKeepSecretsToThemselves) {
  EXPECT_THAT(std::string(ParseUrl("http://u:hunter2@h/").status().message()),
              Not(HasSubstr("@h")));
  EXPECT_THAT(std::string(ParseUrl("http://h/a b?token=hunter2").status().message()),
              Not(HasSubstr("hunter2")));
}

TEST(UrlTest, Encodes) { EXPECT_EQ(EncodeComponent("a b/c~\xC3\xA9"), "a%20b%2Fc~%C3%A9"); }

}  // namespace
}  // namespace purser::http

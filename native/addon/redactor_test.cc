#include "addon/redactor.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"

namespace purser::addon {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Redactor Make(const std::map<std::string, std::string>& secrets) {
  absl::StatusOr<Redactor> redactor = Redactor::Create(secrets);
  EXPECT_TRUE(redactor.ok()) << redactor.status();
  return *std::move(redactor);
}

TEST(RedactorTest, HidesTheValueItself) {
  const Redactor redactor = Make({{"token", "s3cr3t-value"}});
  EXPECT_EQ(redactor.Redact("a s3cr3t-value b s3cr3t-values3cr3t-value c"), "a *** b *** c");
  EXPECT_EQ(redactor.Redact("nothing here"), "nothing here");
}

TEST(RedactorTest, HidesEscapedAndEncodedForms) {
  const std::string secret = "p\"w\\d/ä &+=?\t1";
  const Redactor redactor = Make({{"password", secret}});
  const std::string json_text = json::Dump(secret);
  const std::string nested = json::Dump(json::Dump(nlohmann::json{{"k", secret}}));
  for (const std::string& text :
       {json_text.substr(1, json_text.size() - 2), nested.substr(9, nested.size() - 13),
        std::string("p%22w%5Cd%2F%C3%A4%20%26%2B%3D%3F%091"),
        std::string("p%22w%5cd%2f%c3%a4%20%26%2b%3d%3f%091"),
        std::string("p%22w%5Cd%2F%C3%A4+%26%2B%3D%3F%091"), absl::Base64Escape(secret),
        absl::WebSafeBase64Escape(secret)}) {
    const std::string out = redactor.Redact(absl::StrCat("<", text, ">"));
    EXPECT_THAT(out, HasSubstr("***")) << text;
    EXPECT_LT(out.size(), 10U) << text << " → " << out;
  }
}

TEST(RedactorTest, HidesASecretInsideAnEncodedPair) {
  const Redactor redactor = Make({{"token", "ghp_0123456789abcdefghij"}});
  for (const char* user : {"", "a", "ab", "abc", "x-access-token"}) {
    const std::string encoded = absl::Base64Escape(absl::StrCat(user, ":ghp_0123456789abcdefghij"));
    const std::string out = redactor.Redact(absl::StrCat("Authorization: Basic ", encoded));
    EXPECT_THAT(out, HasSubstr("***")) << user;
    // At most the characters shared with a neighbour remain on either side.
    const std::string tail = out.substr(out.rfind('*') + 1);
    EXPECT_LE(tail.size(), 4U) << out;
  }
}

TEST(RedactorTest, FindsTheLinesOfALongerSecretOneByOne) {
  const Redactor redactor =
      Make({{"key", "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\n-----END KEY-----\n"}});
  EXPECT_EQ(redactor.Redact("MIIEvQIBADANBgkq"), "***");
}

TEST(RedactorTest, OverlappingSecretsHideTogether) {
  const Redactor redactor = Make({{"a", "abcdef"}, {"b", "defghi"}});
  EXPECT_EQ(redactor.Redact("xabcdefghiy"), "x***y");
}

TEST(RedactorTest, LeavesVeryShortAndEmptyValuesAlone) {
  const Redactor redactor = Make({{"a", ""}, {"b", "x"}});
  EXPECT_EQ(redactor.Redact("box"), "box");
}

TEST(RedactorTest, CleansStatusesAndKeepsWhatTheyCarry) {
  const Redactor redactor = Make({{"token", "topsecret"}});
  absl::Status status = absl::UnavailableError("refused topsecret");
  base::SetRetryAfterMillis(status, 1500);
  base::SetOutcomeUnknown(status);
  const absl::Status clean = redactor.Redact(status);
  EXPECT_EQ(clean.message(), "refused ***");
  EXPECT_EQ(clean.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(base::RetryAfterMillis(clean), 1500);
  EXPECT_TRUE(base::IsOutcomeUnknown(clean));
}

TEST(RedactorTest, LimitsNameTheSecretButNeverShowIt) {
  const absl::Status status =
      Redactor::Create({{"big", std::string(kMaxSecretBytes + 1, 'q')}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("secrets.big"));
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("qqq")));
  std::map<std::string, std::string> many;
  for (size_t i = 0; i <= kMaxSecrets; ++i) many[absl::StrCat(i)] = "value";
  EXPECT_EQ(Redactor::Create(many).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace purser::addon

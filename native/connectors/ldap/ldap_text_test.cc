#include "connectors/ldap/ldap_text.h"

#include <string>

#include "connectors/ldap/ber.h"
#include "connectors/ldap/ldap_message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;

std::string Hex(absl::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    constexpr char kDigits[] = "0123456789abcdef";
    out.push_back(kDigits[static_cast<uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<uint8_t>(c) & 15]);
  }
  return out;
}

TEST(LdapFilterTest, FiltersAreEncoded) {
  const std::pair<const char*, const char*> cases[] = {
      {"(a=b)", "a306040161040162"},
      {"(a=*)", "870161"},
      {"(a=)",
       "a305040161"
       "0400"},
      {"(a=x*y*z)",
       "a40e04016130098001788101798201"
       "7a"},
      {"(a=*y*)",
       "a40804016130038101"
       "79"},
      {"(a>=1)", "a506040161040131"},
      {"(a<=1)", "a606040161040131"},
      {"(a~=1)", "a806040161040131"},
      {"(!(a=b))", "a208a306040161040162"},
      {"(&(a=b)(c=d))", "a010a306040161040162a306040163040164"},
      {"(|)", "a100"},
      {"(a=\\28\\2a\\29)", "a3080401610403282a29"},
      {"(a:1.2:=4)", "a90b8103312e32820161830134"},
      {"(a:dn:=4)", "a9098201618301348401ff"},
  };
  for (const auto& [filter, bytes] : cases) {
    const auto encoded = EncodeLdapFilter(filter);
    ASSERT_TRUE(encoded.ok()) << filter << ": " << encoded.status();
    EXPECT_EQ(Hex(*encoded), bytes) << filter;
  }
}

TEST(LdapFilterTest, WhatIsNoFilterIsRefused) {
  for (const char* filter : {"", "a=b", "(a=b", "(a=b)x", "(=b)", "(a)", "(a=(b)", "(a=\\2)",
                             "(&(a=b)", "(a>=x*)", "(a:=*)", "()"}) {
    const auto status = EncodeLdapFilter(filter).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << filter;
    EXPECT_THAT(std::string(status.message()), HasSubstr("LDAP filter")) << filter;
  }
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "(!";
  EXPECT_FALSE(EncodeLdapFilter(deep).ok());
}

TEST(LdapFilterTest, ValuesCannotLeaveTheirPlace) {
  EXPECT_EQ(EscapeLdapFilter("a*)(uid=*"), "a\\2a\\29\\28uid=\\2a");
  EXPECT_EQ(EscapeLdapFilter(std::string("\0\\\xC3", 3)), "\\00\\5c\\c3");
  const auto injected = EncodeLdapFilter("(cn=" + EscapeLdapFilter("x)(|(a=*") + ")");
  ASSERT_TRUE(injected.ok());
  EXPECT_EQ(static_cast<uint8_t>((*injected)[0]), 0xA3);
}

TEST(LdapNameTest, NamesOfOneEntryAreOne) {
  const char* const same[] = {"cn=Ada Love,ou=People,dc=Acme", "CN=ada love , OU=people,DC=acme",
                              "cn = Ada\\20Love,ou=People,dc=acme",
                              "cn=\"Ada Love\";ou=People,dc=acme"};
  for (const char* dn : same) {
    const auto name = NormalizeDn(dn);
    ASSERT_TRUE(name.ok()) << dn << ": " << name.status();
    EXPECT_EQ(*name, "cn=ada love,ou=people,dc=acme") << dn;
  }
  EXPECT_EQ(*NormalizeDn("cn=a\\,b,dc=x"), "cn=a\\2cb,dc=x");
  EXPECT_EQ(*NormalizeDn("cn=a\\2Cb,dc=x"), "cn=a\\2cb,dc=x");
  EXPECT_EQ(*NormalizeDn("cn=a+uid=b,dc=x"), "cn=a+uid=b,dc=x");
  // What is escaped stays so: a value never becomes a separator (found by the fuzzer).
  EXPECT_EQ(*NormalizeDn("cn=a\\;b\\\"\\ ,dc=x"), "cn=a\\3bb\\22\\20,dc=x");
  EXPECT_NE(*NormalizeDn("cn=a\\;dc=x"), *NormalizeDn("cn=a;dc=x"));
  EXPECT_EQ(*NormalizeDn(""), "");
  for (const char* dn : {"cn", "=a", "cn=a,", "cn=a\\", "cn=\"a", "cn=a,,dc=b"}) {
    EXPECT_FALSE(NormalizeDn(dn).ok()) << dn;
  }
}

TEST(LdapBerTest, NumbersAndLengths) {
  for (const int64_t value : {int64_t{0}, int64_t{1}, int64_t{127}, int64_t{128}, int64_t{255},
                              int64_t{65536}, int64_t{-1}, int64_t{-129}, INT64_MAX, INT64_MIN}) {
    const std::string bytes = BerNumber(kBerInteger, value);
    BerReader reader(bytes);
    const auto read = reader.Number(kBerInteger);
    ASSERT_TRUE(read.ok()) << value;
    EXPECT_EQ(*read, value);
    EXPECT_TRUE(reader.done());
  }
  const std::string large = BerElement(kBerOctets, std::string(70'000, 'x'));
  EXPECT_EQ(*BerLength(large), large.size());
  EXPECT_EQ(*BerLength(large.substr(0, 3)), 0u);
  EXPECT_FALSE(BerLength("\x30\x80").ok());
  EXPECT_FALSE(BerLength(std::string("\x30\x85\x01\x01\x01\x01\x01", 7)).ok());
  EXPECT_FALSE(BerReader("\x04\x05"
                         "ab")
                   .Next()
                   .ok());
}

TEST(LdapMessageTest, ResultsSayWhatToDo) {
  const auto result = [](int code) {
    return BerNumber(kBerEnumerated, code) + BerElement(kBerOctets, "") +
           BerElement(kBerOctets, "words\n");
  };
  EXPECT_TRUE(ParseLdapResult(result(0), "x").ok());
  EXPECT_EQ(ParseLdapResult(result(49), "bind").code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(ParseLdapResult(result(52), "x").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ParseLdapResult(result(4), "x").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(ParseLdapResult(result(12), "search").message()),
              HasSubstr("search: unavailable critical extension"));
  EXPECT_THAT(std::string(ParseLdapResult(result(1), "x").message()), HasSubstr("words\\u000A"));
  EXPECT_EQ(ParsePageCookie("").status().code(), absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace purser::connectors

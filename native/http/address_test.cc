#include "http/address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::http {
namespace {

using ::testing::HasSubstr;

TEST(IpAddressTest, PublicOrNot) {
  for (const char* text : {"8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700::1111",
                           "2a00::1", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"}) {
    EXPECT_TRUE(IpAddress::Parse(text)->IsPublic()) << text;
  }
  for (const char* text : {"0.0.0.0",
                           "10.1.2.3",
                           "100.64.0.1",
                           "127.0.0.1",
                           "127.255.255.255",
                           "169.254.169.254",
                           "172.16.0.1",
                           "172.31.255.255",
                           "192.168.0.1",
                           "198.18.0.1",
                           "224.0.0.1",
                           "255.255.255.255",
                           "168.63.129.16",
                           "::",
                           "::1",
                           "::127.0.0.1",
                           "::ffff:127.0.0.1",
                           "::ffff:10.0.0.1",
                           "fe80::1",
                           "fc00::1",
                           "fd00:ec2::254",
                           "fec0::1",
                           "ff02::1",
                           "64:ff9b::a00:1",
                           "64:ff9b:1::1",
                           "2002:7f00:1::",
                           "2002:a9fe:a9fe::",
                           "2001::1",
                           "2001:db8::1",
                           "100::1"}) {
    EXPECT_FALSE(IpAddress::Parse(text)->IsPublic()) << text;
  }
  EXPECT_FALSE(IpAddress::Parse("127.1").ok());
  EXPECT_FALSE(IpAddress::Parse("fe80::1%eth0").ok());
  EXPECT_FALSE(IpAddress::Parse("010.0.0.1").ok());
}

bool Passes(const AddressPolicy& policy, absl::string_view host, absl::string_view address,
            uint16_t port) {
  return policy.Check(host, *IpAddress::Parse(address), port).ok();
}

TEST(AddressPolicyTest, AllowsWhatWasListed) {
  const auto policy = AddressPolicy::Create(
      {"10.1.0.0/16", "127.0.0.1:8080", "[::1]:8081", "git.corp", "db.corp:5432", "fd00::/8"});
  ASSERT_TRUE(policy.ok()) << policy.status();
  EXPECT_TRUE(Passes(*policy, "x", "10.1.2.3", 1));
  EXPECT_TRUE(Passes(*policy, "x", "::ffff:10.1.2.3", 1));
  EXPECT_FALSE(Passes(*policy, "x", "10.2.0.1", 1));
  EXPECT_TRUE(Passes(*policy, "x", "127.0.0.1", 8080));
  EXPECT_FALSE(Passes(*policy, "x", "127.0.0.1", 8081));
  EXPECT_TRUE(Passes(*policy, "x", "::1", 8081));
  EXPECT_TRUE(Passes(*policy, "GIT.corp", "192.168.1.1", 443));
  EXPECT_FALSE(Passes(*policy, "evil.git.corp", "192.168.1.1", 443));
  EXPECT_TRUE(Passes(*policy, "db.corp", "192.168.1.1", 5432));
  EXPECT_FALSE(Passes(*policy, "db.corp", "192.168.1.1", 22));
  EXPECT_TRUE(Passes(*policy, "x", "8.8.8.8", 1));
}

TEST(AddressPolicyTest, MetadataOnlyByItsOwnAddress) {
  const auto wide = AddressPolicy::Create({"169.254.0.0/16", "fd00::/8", "name"});
  EXPECT_FALSE(Passes(*wide, "name", "169.254.169.254", 80));
  EXPECT_FALSE(Passes(*wide, "name", "fd00:ec2::254", 80));
  EXPECT_TRUE(Passes(*wide, "x", "169.254.1.1", 80));
  EXPECT_TRUE(Passes(*AddressPolicy::Create({"169.254.169.254"}), "x", "169.254.169.254", 80));
}

TEST(AddressPolicyTest, SaysWhatToAllow) {
  EXPECT_THAT(
      std::string(AddressPolicy().Check("db", *IpAddress::Parse("10.0.0.1"), 5432).message()),
      HasSubstr("allow 10.0.0.1:5432"));
  for (const char* entry : {"10.0.0.0/33", "a/8", "", "h:", "h:0", "[::1", "[::1]x", "a b"}) {
    EXPECT_FALSE(AddressPolicy::Create({entry}).ok()) << entry;
  }
}

}  // namespace
}  // namespace purser::http

#include "catalog-providers/ldap/ldap_provider.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "connectors/ldap/fake_ldap_client.h"
#include "connectors/ldap/test_slapd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "provider/fake_context.h"

namespace purser::catalog_providers {
namespace {

using connectors::LdapEntry;
using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::unique_ptr<provider::FakeContext> NewContext(const LdapProvider& provider, json config) {
  const auto schema = purser::json::Schema::Compile(provider.description().config_schema);
  EXPECT_TRUE(schema.ok()) << schema.status();
  config = schema->WithDefaults(std::move(config));
  const absl::Status valid = purser::json::ToStatus(schema->Validate(config), "config");
  EXPECT_TRUE(valid.ok()) << valid;
  auto context = std::make_unique<provider::FakeContext>(std::move(config));
  context->secrets["env:S"] = "s3cret";
  return context;
}
std::vector<std::string> Refs(const provider::FakeContext& context) {
  std::vector<std::string> refs;
  for (const auto& [ref, entity] : context.entities) refs.push_back(ref);
  return refs;
}

constexpr char kLdif[] = R"(dn: dc=acme,dc=test
objectClass: dcObject
objectClass: organization
o: Acme
dc: acme

dn: ou=people,dc=acme,dc=test
objectClass: organizationalUnit
ou: people

dn: ou=groups,dc=acme,dc=test
objectClass: organizationalUnit
ou: groups

dn: uid=ada,ou=people,dc=acme,dc=test
objectClass: inetOrgPerson
uid: ada
cn: Ada Love
sn: Love
mail: ada@acme.test
employeeType: engineer

dn: uid=bob,ou=people,dc=acme,dc=test
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: Bob

dn: uid=eve,ou=people,dc=acme,dc=test
objectClass: inetOrgPerson
uid: eve
cn: Eve
sn: Eve
employeeType: left

dn: cn=eng,ou=groups,dc=acme,dc=test
objectClass: groupOfNames
cn: eng
description: Engineers
member: UID=Ada, OU=people,dc=acme,dc=test
member: cn=pay,ou=groups,dc=acme,dc=test

dn: cn=pay,ou=groups,dc=acme,dc=test
objectClass: groupOfUniqueNames
cn: pay
uniqueMember: uid=bob,ou=people,dc=acme,dc=test
uniqueMember: uid=eve,ou=people,dc=acme,dc=test
uniqueMember: uid=gone,ou=people,dc=acme,dc=test

dn: cn=loop,ou=groups,dc=acme,dc=test
objectClass: groupOfNames
cn: loop
member: cn=loop,ou=groups,dc=acme,dc=test

dn: cn=unix,ou=groups,dc=acme,dc=test
objectClass: posixGroup
cn: unix
gidNumber: 100
memberUid: ada
memberUid: nobody
)";

TEST(LdapProviderPeerTest, ARealDirectoryBecomesPeopleAndGroups) {
  connectors::TestSlapd slapd;
  const std::string problem = slapd.Start(kLdif);
  if (absl::StartsWith(problem, "SKIP")) GTEST_SKIP() << problem;
  ASSERT_EQ(problem, "");
  LdapProvider provider(http::AddressPolicy::AllowAll());
  const json config = {
      {"url", slapd.ldaps()},
      {"ca", "env:CA"},
      {"bindDn", "cn=admin,dc=acme,dc=test"},
      {"bindPassword", "env:S"},
      {"pageSize", 2},
      {"users",
       {{"base", "ou=people,dc=acme,dc=test"},
        {"disabled", "(employeeType=left)"},
        {"attributes", {"employeeType"}}}},
      {"groups", {{"base", "ou=groups,dc=acme,dc=test"}}},
      {"rules",
       {{{"match", {{"kind", "user"}}}, {"entity", {{"title", "${{ user.employeetype }}"}}}}}}};
  const auto context = NewContext(provider, config);
  context->secrets["env:CA"] = slapd.ca_pem();
  const absl::Status status = provider.Snapshot(*context);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Refs(*context),
              ElementsAre("group:default/eng", "group:default/loop", "group:default/pay",
                          "group:default/unix", "user:default/ada", "user:default/bob"));
  const json& ada = context->entities["user:default/ada"];
  EXPECT_EQ(ada["spec"]["memberOf"], json({"eng", "unix"}));
  EXPECT_EQ(ada["spec"]["profile"]["displayName"], "Ada Love");
  EXPECT_EQ(ada["metadata"]["title"], "engineer");
  EXPECT_EQ(ada["metadata"]["annotations"]["backstage.io/ldap-dn"],
            "uid=ada,ou=people,dc=acme,dc=test");
  EXPECT_EQ(ada["metadata"]["annotations"]["backstage.io/ldap-uuid"].get<std::string>().size(),
            36u);
  EXPECT_EQ(context->entities["group:default/pay"]["spec"]["parent"], "eng");
  EXPECT_EQ(context->entities["group:default/eng"]["metadata"]["description"], "Engineers");
  EXPECT_THAT(context->log, Contains(HasSubstr("loop: is inside itself")));

  // The directory says that nothing changed, then that something did.
  const auto before = context->entities;
  context->entities.clear();
  ASSERT_TRUE(provider.Snapshot(*context).ok());
  EXPECT_TRUE(context->unchanged);
  EXPECT_THAT(context->entities, IsEmpty());
  context->unchanged = false;
  ASSERT_TRUE(slapd.Modify(
      "dn: uid=bob,ou=people,dc=acme,dc=test\nchangetype: modify\nreplace: cn\ncn: Robert\n"));
  ASSERT_TRUE(provider.Snapshot(*context).ok());
  EXPECT_FALSE(context->unchanged);
  EXPECT_EQ(context->entities.size(), before.size());
  EXPECT_EQ(context->entities["user:default/bob"]["spec"]["profile"]["displayName"], "Robert");
}

LdapEntry Entry(const std::string& dn, std::map<std::string, std::vector<std::string>> attributes) {
  return {dn, std::move(attributes)};
}

class LdapProviderTest : public testing::Test {
 protected:
  LdapProviderTest()
      : provider_([this](connectors::LdapOptions)
                      -> absl::StatusOr<std::unique_ptr<connectors::LdapClient>> {
          return std::make_unique<connectors::FakeLdapClient>(directory_);
        }) {}
  std::unique_ptr<provider::FakeContext> Context(json more = json::object()) {
    json config = {{"url", "ldaps://dir.test"}};
    config["users"] = {{"base", "ou=p"}, {"filter", "(u=*)"}};
    config["groups"] = {{"base", "ou=g"}, {"filter", "(g=*)"}};
    config.update(more);
    return NewContext(provider_, config);
  }
  std::vector<LdapEntry>& Users() { return directory_.entries["ou=p (u=*)"]; }
  std::vector<LdapEntry>& Groups() { return directory_.entries["ou=g (g=*)"]; }

  connectors::FakeDirectory directory_;
  LdapProvider provider_;
};

TEST_F(LdapProviderTest, ActiveDirectoryHasItsOwnWays) {
  const std::string guid("\x33\x22\x11\x00\x55\x44\x77\x66\x88\x99\xaa\xbb\xcc\xdd\xee\xff", 16);
  Users() = {Entry("CN=Ada,OU=p", {{"objectguid", {guid}},
                                   {"samaccountname", {"ada"}},
                                   {"useraccountcontrol", {"512"}},
                                   {"memberof", {"CN=Pay,OU=g"}}}),
             Entry("CN=Eve,OU=p", {{"objectguid", {"g2"}},
                                   {"samaccountname", {"eve"}},
                                   {"useraccountcontrol", {"514"}}})};
  Groups() = {Entry("CN=Pay,OU=g", {{"objectguid", {"g3"}}, {"cn", {"Pay"}}})};
  const auto context = Context({{"vendor", "activeDirectory"}});
  const absl::Status status = provider_.Snapshot(*context);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_THAT(Refs(*context), ElementsAre("group:default/pay", "user:default/ada"));
  const json& ada = context->entities["user:default/ada"];
  EXPECT_EQ(ada["metadata"]["annotations"]["purser.dev/directory-id"],
            "00112233-4455-6677-8899-aabbccddeeff");
  EXPECT_EQ(ada["spec"]["memberOf"], json({"pay"}));
}

TEST_F(LdapProviderTest, WhatIsOddIsLeftOutAndCounted) {
  Users() = {Entry("uid=a,ou=p", {{"entryuuid", {"1"}}, {"uid", {"a"}}}),
             Entry("uid=b,ou=p", {{"uid", {"b"}}}),
             Entry("not a name", {{"entryuuid", {"3"}}, {"uid", {"c"}}}),
             Entry("uid=d,ou=p", {{"entryuuid", {"4"}}, {"uid", {"\xFF\xFE"}}})};
  Groups() = {Entry("cn=x,ou=g", {{"entryuuid", {"5"}},
                                  {"cn", {"x"}},
                                  {"memberuid", {"a", "zz"}},
                                  {"member", {"broken", "uid=nobody,ou=p"}}})};
  const auto context = Context();
  ASSERT_TRUE(provider_.Snapshot(*context).ok());
  EXPECT_THAT(Refs(*context), ElementsAre("group:default/x", "user:default/a"));
  EXPECT_EQ(context->entities["user:default/a"]["spec"]["memberOf"], json({"x"}));
  EXPECT_EQ(context->dropped, 3);
}

TEST_F(LdapProviderTest, ANameThatSeveralHaveIsNoMembership) {
  Users() = {Entry("uid=a,ou=1,ou=p", {{"entryuuid", {"1"}}, {"uid", {"a"}}}),
             Entry("uid=a,ou=2,ou=p", {{"entryuuid", {"2"}}, {"uid", {"a"}}})};
  Groups() = {
      Entry("cn=admins,ou=g", {{"entryuuid", {"5"}}, {"cn", {"admins"}}, {"memberuid", {"a"}}})};
  const auto context = Context();
  ASSERT_TRUE(provider_.Snapshot(*context).ok());
  EXPECT_THAT(Refs(*context), ElementsAre("group:default/admins"));
}

TEST_F(LdapProviderTest, WhatFailsInTheMiddleEmitsNothing) {
  Users() = {Entry("uid=a,ou=p", {{"entryuuid", {"1"}}, {"uid", {"a"}}})};
  directory_.statuses["ou=g (g=*)"] = absl::UnavailableError("closed");
  const auto context = Context();
  EXPECT_EQ(provider_.Snapshot(*context).code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(context->events, IsEmpty());
  EXPECT_THAT(context->memory, IsEmpty());
}

TEST_F(LdapProviderTest, AWrongFilterIsToldBeforeAnybodyConnects) {
  const auto context = Context({{"users", {{"base", "ou=p"}, {"filter", "(u=*"}}}});
  const absl::Status status = provider_.Snapshot(*context);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("users.filter: LDAP filter"));
  EXPECT_EQ(directory_.searches, 0);
}

}  // namespace
}  // namespace purser::catalog_providers

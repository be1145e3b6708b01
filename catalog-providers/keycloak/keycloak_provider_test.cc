#include "catalog-providers/keycloak/keycloak_provider.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "catalog-providers/identity.h"
#include "connectors/keycloak/fake_keycloak_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "provider/fake_context.h"

namespace purser::catalog_providers {
namespace {

using connectors::FakeRealm;
using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Key;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

json User(const std::string& id, const std::string& name, bool enabled = true) {
  return {{"id", id},
          {"username", name},
          {"enabled", enabled},
          {"email", name + "@acme.test"},
          {"firstName", "F"},
          {"lastName", name},
          {"attributes", {{"team", {"pay"}}}}};
}
json Group(const std::string& id, const std::string& name) { return {{"id", id}, {"name", name}}; }

class KeycloakProviderTest : public testing::Test {
 protected:
  KeycloakProviderTest()
      : provider_([this](connectors::KeycloakOptions options, provider::Context&) {
          secret_ = options.client_secret;
          return std::make_unique<connectors::FakeKeycloakClient>(realm_);
        }) {
    realm_.users = {User("u1", "ada"), User("u2", "bob"), User("u3", "eve", false)};
    realm_.groups = {
        {Group("g1", "eng"), ""}, {Group("g2", "pay"), "g1"}, {Group("g3", "ops"), ""}};
    realm_.members = {{"g1", {"u1"}}, {"g2", {"u1", "u2", "u3", "unknown"}}};
  }
  absl::Status Snapshot(json config = json::object()) {
    config["url"] = "https://id.test/";
    config["realm"] = "acme";
    config["clientId"] = "purser";
    config["clientSecret"] = "env:S";
    const auto schema = purser::json::Schema::Compile(provider_.description().config_schema);
    EXPECT_TRUE(schema.ok()) << schema.status();
    config = schema->WithDefaults(std::move(config));
    EXPECT_TRUE(purser::json::ToStatus(schema->Validate(config), "config").ok());
    context_ = std::make_unique<provider::FakeContext>(std::move(config));
    context_->secrets["env:S"] = "s3cret";
    return provider_.Snapshot(*context_);
  }
  const json& Entity(const std::string& ref) { return context_->entities[ref]; }
  std::vector<std::string> Refs() const {
    std::vector<std::string> refs;
    for (const auto& [ref, entity] : context_->entities) refs.push_back(ref);
    return refs;
  }

  FakeRealm realm_;
  std::string secret_;
  KeycloakProvider provider_;
  std::unique_ptr<provider::FakeContext> context_;
};

TEST_F(KeycloakProviderTest, PeopleAndGroupsWithTheirHierarchy) {
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(secret_, "s3cret");
  EXPECT_THAT(Refs(), ElementsAre("group:default/eng", "group:default/eng.pay", "group:default/ops",
                                  "user:default/ada", "user:default/bob"));
  EXPECT_EQ(Entity("group:default/eng.pay")["spec"]["parent"], "eng");
  EXPECT_EQ(Entity("group:default/eng")["spec"]["children"], json({"eng.pay"}));
  EXPECT_EQ(Entity("user:default/ada")["spec"]["memberOf"], json({"eng", "eng.pay"}));
  EXPECT_EQ(Entity("user:default/ada")["spec"]["profile"]["displayName"], "F ada");
  EXPECT_EQ(Entity("user:default/ada")["metadata"]["annotations"]["keycloak.org/id"], "u1");
  EXPECT_EQ(
      Entity("user:default/ada")["metadata"]["annotations"]["backstage.io/managed-by-location"],
      "url:https://id.test/realms/acme");
  EXPECT_EQ(context_->dropped, 0);
}

TEST_F(KeycloakProviderTest, DisabledUsersAreLeftOutOrMarked) {
  ASSERT_TRUE(Snapshot({{"disabledUsers", "mark"}}).ok());
  const json& eve = Entity("user:default/eve");
  EXPECT_EQ(eve["metadata"]["annotations"]["purser.dev/disabled"], "true");
  EXPECT_THAT(eve["spec"]["memberOf"], IsEmpty());
}

TEST_F(KeycloakProviderTest, AReservedNameIsItsGroupsOwn) {
  realm_.groups = {{Group("g1", "platform-team"), ""},
                   {Group("g2", "Platform Team"), ""},
                   {Group("g3", "P1atf0rm_team"), ""},
                   {Group("g4", "рlatform-tеam"), ""},   // two letters are Cyrillic
                   {Group("g5", "ｐlatform-team"), ""},  // one is full-width
                   {Group("g6", "platform\u200b-team"), ""},
                   {Group("g7", "teams"), ""}};
  ASSERT_TRUE(Snapshot({{"trustedGroups", {{"platform-team", "g1"}}}}).ok());
  EXPECT_THAT(Refs(), ElementsAre("group:default/platform-team", "group:default/teams",
                                  "user:default/ada", "user:default/bob"));
  EXPECT_EQ(Entity("group:default/platform-team")["metadata"]["annotations"]["keycloak.org/id"],
            "g1");
  EXPECT_EQ(context_->dropped, 5);
  // Nobody is trusted with it: nobody gets it.
  ASSERT_TRUE(Snapshot({{"reservedGroups", {"platform-*"}}}).ok());
  EXPECT_THAT(Refs(), Not(Contains(HasSubstr("platform"))));
  EXPECT_THAT(context_->log, Contains(HasSubstr("its name is reserved")));
}

TEST_F(KeycloakProviderTest, ARuleCannotLeadToAReservedName) {
  realm_.groups = {{Group("g1", "evil"), ""}};
  ASSERT_TRUE(
      Snapshot({{"reservedGroups", {"admins"}},
                {"rules",
                 {{{"match", {{"kind", "group"}}}, {"entity", {{"name", "${{ 'ad' }}mins"}}}}}}})
          .ok());
  EXPECT_THAT(Refs(), Not(Contains("group:default/admins")));
}

TEST_F(KeycloakProviderTest, ANameThatTwoClaimIsNobodys) {
  realm_.users = {User("u1", "ada"), User("u2", "Ada"), User("u3", "bob")};
  realm_.groups = {{Group("g1", "pay"), ""}, {Group("g2", "PAY"), ""}};
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_THAT(Refs(), ElementsAre("user:default/bob"));
  EXPECT_EQ(context_->dropped, 4);
  EXPECT_THAT(context_->log, Contains(HasSubstr("users claim this name, and none gets it")));
}

TEST_F(KeycloakProviderTest, CirclesAreCutAndReported) {
  realm_.groups = {{Group("g1", "a"), "g3"},
                   {Group("g2", "b"), "g1"},
                   {Group("g3", "c"), "g2"},
                   {Group("g4", "d"), "g4"}};
  ASSERT_TRUE(Snapshot({{"groupNames", "name"}}).ok());
  EXPECT_FALSE(Entity("group:default/a")["spec"].contains("parent"));
  EXPECT_EQ(Entity("group:default/b")["spec"]["parent"], "a");
  EXPECT_EQ(Entity("group:default/c")["spec"]["parent"], "b");
  EXPECT_FALSE(Entity("group:default/d")["spec"].contains("parent"));
  EXPECT_THAT(context_->log, Contains(HasSubstr("is inside itself by way of c")));
}

TEST_F(KeycloakProviderTest, HostileNamesBecomeValidOrGo) {
  realm_.users = {User("u1", "../../etc/passwd"), User("u2", std::string(5000, 'x')),
                  User("u3", "a\x1b[31m\nb"), User("u4", "ünï"), User("", "nobody")};
  realm_.groups = {{Group("g1", "a/b"), ""},
                   {Group("g2", "a.b"), ""},
                   {Group("g3", "a"), ""},
                   {Group("g4", "b"), "g3"},
                   {Group("g5", ""), ""}};
  ASSERT_TRUE(Snapshot().ok());
  // No two of them meet: a.b is the group b inside of a.
  EXPECT_EQ(Entity("group:default/a.b")["metadata"]["annotations"]["keycloak.org/id"], "g4");
  EXPECT_EQ(context_->entities.size(), 7u);
  EXPECT_EQ(context_->dropped, 2);
  for (const std::string& line : context_->log) {
    EXPECT_EQ(line.find_first_of("\x1b\n"), std::string::npos);
  }
}

TEST_F(KeycloakProviderTest, WhatFailsInTheMiddleEmitsNothing) {
  realm_.members_statuses = {absl::OkStatus(), absl::UnavailableError("503")};
  EXPECT_EQ(Snapshot().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(context_->events, IsEmpty());
  realm_.users_statuses = {absl::PermissionDeniedError("403")};
  EXPECT_EQ(Snapshot().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(context_->events, IsEmpty());
}

TEST_F(KeycloakProviderTest, ARealmThatChangesIsReadAgain) {
  realm_.users_statuses = {absl::AbortedError("changed meanwhile")};
  realm_.members_statuses = {absl::NotFoundError("no such group")};
  ASSERT_TRUE(Snapshot().ok());
  EXPECT_EQ(context_->entities.size(), 5u);
  realm_.users_statuses =
      std::vector<absl::Status>(kMaxKeycloakReads, absl::AbortedError("changed"));
  EXPECT_EQ(Snapshot().code(), absl::StatusCode::kAborted);
  EXPECT_THAT(context_->events, IsEmpty());
}

TEST_F(KeycloakProviderTest, LimitsAreNamed) {
  const absl::Status users = Snapshot({{"maxUsers", 2}});
  EXPECT_EQ(users.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(users.message()), HasSubstr("raise maxUsers"));
  EXPECT_THAT(std::string(Snapshot({{"maxGroups", 1}}).message()), HasSubstr("raise maxGroups"));
}

TEST_F(KeycloakProviderTest, FiltersAndRulesChoose) {
  ASSERT_TRUE(Snapshot({{"excludeUsers", {"b*"}},
                        {"includeGroups", {"eng*"}},
                        {"userNames", "emailLocalPart"},
                        {"rules",
                         {{{"match", {{"kind", "user"}}},
                           {"entity", {{"title", "${{ user.attributes.team[0] }}"}}}}}}})
                  .ok());
  EXPECT_THAT(Refs(),
              ElementsAre("group:default/eng", "group:default/eng.pay", "user:default/ada"));
  EXPECT_EQ(Entity("user:default/ada")["metadata"]["title"], "pay");
  ASSERT_TRUE(Snapshot({{"emailDomains", {"other.test"}}, {"excludeGroups", {"*"}}}).ok());
  EXPECT_THAT(Refs(), IsEmpty());
}

TEST_F(KeycloakProviderTest, AMillionUsersAreBounded) {
  // The reader stops at the limit; nothing of what came before is kept.
  IdentityOptions options;
  options.max_users = 1000;
  DirectoryBuilder directory(options);
  absl::Status status;
  int64_t given = 0;
  for (; given < 1'000'000 && status.ok(); ++given) {
    status = directory.AddUser({.id = absl::StrCat("u", given), .name = absl::StrCat("n", given)});
  }
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(given, 1001);
}

}  // namespace
}  // namespace purser::catalog_providers

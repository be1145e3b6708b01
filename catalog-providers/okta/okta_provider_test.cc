#include "catalog-providers/okta/okta_provider.h"

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "connectors/okta/fake_okta_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "json/json.h"
#include "provider/fake_context.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

json User(const std::string& id, const std::string& login, const std::string& status = "ACTIVE") {
  return {{"id", id},
          {"status", status},
          {"profile",
           {{"login", login},
            {"email", login},
            {"firstName", "F"},
            {"lastName", id},
            {"displayName", "Display " + id}}}};
}
json Group(const std::string& id, const std::string& name, const std::string& changed) {
  return {{"id", id},
          {"type", "OKTA_GROUP"},
          {"lastMembershipUpdated", changed},
          {"profile", {{"name", name}, {"description", "d"}}}};
}

class OktaProviderTest : public testing::Test {
 protected:
  OktaProviderTest()
      : provider_(
            [this](connectors::OktaOptions options,
                   provider::Context&) -> absl::StatusOr<std::unique_ptr<connectors::OktaClient>> {
              options_ = std::move(options);
              return std::make_unique<connectors::FakeOktaClient>(okta_);
            }) {
    okta_.users = {User("u1", "ada@acme.test"), User("u2", "bob@acme.test"),
                   User("u3", "eve@acme.test", "SUSPENDED")};
    okta_.groups = {Group("g1", "Everyone", "t1"), Group("g2", "pay", "t1")};
    okta_.members = {{"g1", {"u1", "u2", "u3"}}, {"g2", {"u2"}}};
    context_ = NewContext(json::object());
  }
  std::unique_ptr<provider::FakeContext> NewContext(json config) {
    config["url"] = "https://acme.okta.test/";
    config["token"] = "env:S";
    config["userNames"] = "emailLocalPart";
    const auto schema = purser::json::Schema::Compile(provider_.description().config_schema);
    EXPECT_TRUE(schema.ok()) << schema.status();
    config = schema->WithDefaults(std::move(config));
    EXPECT_TRUE(purser::json::ToStatus(schema->Validate(config), "config").ok());
    auto context = std::make_unique<provider::FakeContext>(std::move(config));
    context->secrets["env:S"] = "s3cret";
    return context;
  }
  std::vector<std::string> Refs() const {
    std::vector<std::string> refs;
    for (const auto& [ref, entity] : context_->entities) refs.push_back(ref);
    return refs;
  }

  connectors::FakeOkta okta_;
  connectors::OktaOptions options_;
  OktaProvider provider_;
  std::unique_ptr<provider::FakeContext> context_;
};

TEST_F(OktaProviderTest, PeopleAndGroups) {
  ASSERT_TRUE(provider_.Snapshot(*context_).ok());
  EXPECT_EQ(options_.org_url, "https://acme.okta.test");
  EXPECT_EQ(options_.api_token, "s3cret");
  EXPECT_THAT(Refs(), ElementsAre("group:default/everyone", "group:default/pay", "user:default/ada",
                                  "user:default/bob"));
  const json& bob = context_->entities["user:default/bob"];
  EXPECT_EQ(bob["spec"]["memberOf"], json({"everyone", "pay"}));
  EXPECT_EQ(bob["spec"]["profile"]["displayName"], "F u2");
  EXPECT_EQ(bob["metadata"]["annotations"]["okta.com/id"], "u2");
}

TEST_F(OktaProviderTest, MembersAreAskedForOnlyWhenTheyChanged) {
  ASSERT_TRUE(provider_.Snapshot(*context_).ok());
  EXPECT_EQ(okta_.member_lists, 2);
  const auto before = context_->entities;
  context_->entities.clear();
  ASSERT_TRUE(provider_.Snapshot(*context_).ok());
  EXPECT_EQ(okta_.member_lists, 2);
  EXPECT_EQ(context_->entities, before);
  okta_.groups[1] = Group("g2", "pay", "t2");
  okta_.members["g2"] = {"u1"};
  ASSERT_TRUE(provider_.Snapshot(*context_).ok());
  EXPECT_EQ(okta_.member_lists, 3);
  EXPECT_EQ(context_->entities["user:default/bob"]["spec"]["memberOf"], json({"everyone"}));
  // More than is remembered of one group.
  okta_.members["g2"] = std::vector<std::string>(5000, "00u1234567890abcdef00");
  okta_.groups[1] = Group("g2", "pay", "t3");
  ASSERT_TRUE(provider_.Snapshot(*context_).ok());
  ASSERT_TRUE(provider_.Snapshot(*context_).ok());
  EXPECT_EQ(okta_.member_lists, 5);
}

TEST_F(OktaProviderTest, WhatFailsInTheMiddleEmitsNothing) {
  okta_.members_status = absl::UnavailableError("503");
  EXPECT_EQ(provider_.Snapshot(*context_).code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(context_->events, IsEmpty());
  okta_.members_status = absl::OkStatus();
  okta_.groups_status = absl::UnauthenticatedError("401");
  EXPECT_EQ(provider_.Snapshot(*context_).code(), absl::StatusCode::kUnauthenticated);
  EXPECT_THAT(context_->events, IsEmpty());
}

TEST_F(OktaProviderTest, TheTokenMustBeOneLine) {
  context_->secrets["env:S"] = "a\nb";
  EXPECT_EQ(provider_.Snapshot(*context_).code(), absl::StatusCode::kInvalidArgument);
  context_->secrets.clear();
  EXPECT_EQ(provider_.Snapshot(*context_).code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace purser::catalog_providers

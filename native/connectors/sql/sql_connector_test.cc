// Against a real PostgreSQL, where there is one.
#include "connectors/sql/sql_connector.h"

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/hash.h"
#include "base/rng.h"
#include "connectors/fake_call_context.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"
#include "store/testing/shared_postgres.h"

namespace purser::connectors {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

class SqlConnectorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = store::SharedPostgres();
    if (server_ == nullptr) GTEST_SKIP() << "SKIP no PostgreSQL";
    const auto url = server_->NewDatabase();
    ASSERT_TRUE(url.ok()) << url.status();
    url_ = *url;
    context_.secrets["env:P"] = "s3cret-word";
    const ConnectorDependencies dependencies{transport_, base::Clock::System(), rng_, {}};
    auto connector = SqlConnector::FromConfig(
        "sql", {{"servers", {{"main", {{"url", url_}, {"names", {"shop*"}}}}}}}, dependencies);
    ASSERT_TRUE(connector.ok()) << connector.status();
    connector_ = *std::move(connector);
    // Tests share the server, not their names.
    shop_ = absl::StrCat("shop_", ++count_);
  }
  absl::StatusOr<CallResult> Call(const char* operation, const Json& input) {
    return connector_->Call(operation, input, context_);
  }
  std::string Sql(const std::string& sql) {
    const auto output = server_->Sql(url_, sql);
    EXPECT_TRUE(output.ok()) << output.status();
    return output.ok() ? *output : "";
  }

  static inline int count_ = 0;
  store::PostgresServer* server_ = nullptr;
  std::string url_;
  std::string shop_;
  base::SeededRng rng_{1};
  http::FakeTransport transport_;
  FakeCallContext context_;
  std::unique_ptr<Connector> connector_;
};

TEST_F(SqlConnectorTest, ADatabaseIsMadeOnceAndDroppedByWhoMadeIt) {
  const Json input = {{"name", shop_}, {"connectionLimit", 7}};
  const auto made = Call("database", input);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->outputs["created"], true);
  EXPECT_EQ(made->resources[0].id, "main/database/" + shop_);
  EXPECT_THAT(Sql("SELECT datconnlimit FROM pg_database WHERE datname='" + shop_ + "'"),
              HasSubstr("7"));
  // The answer was lost, the step is called again: still ours.
  EXPECT_EQ(Call("database", input)->outputs["created"], true);
  context_.key = "run_2/step/1";
  const auto other = Call("database", input);
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->outputs["created"], false);
  ASSERT_TRUE(Call("drop-database", other->outputs).ok());
  EXPECT_THAT(Sql("SELECT count(*) FROM pg_database WHERE datname='" + shop_ + "'"),
              HasSubstr("1"));
  ASSERT_TRUE(Call("drop-database", made->outputs).ok());
  EXPECT_THAT(Sql("SELECT count(*) FROM pg_database WHERE datname='" + shop_ + "'"),
              HasSubstr("0"));
  EXPECT_TRUE(Call("drop-database", made->outputs).ok());  // and again
}

// Killed after CREATE DATABASE, before anything says whose it is: the next call goes on with it,
// and it is dropped as ours. Whoever took the name meanwhile keeps it, and nothing of ours is left.
TEST_F(SqlConnectorTest, ADatabaseThatWasBegunIsGoneOnWith) {
  const std::string hidden = "purser_" + base::Sha256Hex(context_.key).substr(0, 32);
  const std::string count = "SELECT count(*) FROM pg_database WHERE datname='";
  Sql("CREATE DATABASE \"" + hidden + "\"");
  const auto made = Call("database", {{"name", shop_}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->outputs["created"], true);
  EXPECT_THAT(Sql(count + hidden + "'"), HasSubstr("0"));
  ASSERT_TRUE(Call("drop-database", made->outputs).ok());
  EXPECT_THAT(Sql(count + shop_ + "'"), HasSubstr("0"));
}

TEST_F(SqlConnectorTest, ARoleIsDroppedByWhoMadeIt) {
  const Json input = {{"name", shop_}};
  EXPECT_EQ(Call("role", input)->outputs["created"], true);
  EXPECT_EQ(Call("role", input)->outputs["created"], true);
  context_.key = "run_2/step/1";
  EXPECT_EQ(Call("role", input)->outputs["created"], false);
}

// The statements that CockroachDB gets, run by a real server that says it were one.
TEST_F(SqlConnectorTest, WhatCockroachGetsIsGoodSql) {
  Sql("CREATE FUNCTION public.version() RETURNS text LANGUAGE sql AS "
      "$$SELECT 'CockroachDB CCL v24.3.1'$$");
  const std::string pretending = absl::StrCat(url_, absl::StrContains(url_, "?") ? "&" : "?",
                                              "options=-csearch_path%3Dpublic,pg_catalog");
  auto connector = SqlConnector::FromConfig("sql", {{"servers", {{"main", {{"url", pretending}}}}}},
                                            {transport_, base::Clock::System(), rng_, {}});
  ASSERT_TRUE(connector.ok()) << connector.status();
  connector_ = *std::move(connector);
  const auto made = Call("database", {{"name", shop_}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->outputs["created"], true);
  const std::string app = shop_ + "_app";
  for (int i = 0; i < 2; ++i) {
    const auto role = Call("role", {{"name", app}, {"password", "env:P"}});
    ASSERT_TRUE(role.ok()) << role.status();
    EXPECT_EQ(role->outputs["created"], true);
  }
  EXPECT_THAT(Sql("SELECT shobj_description(oid, 'pg_authid') IS NULL FROM pg_roles WHERE "
                  "rolname='" +
                  app + "'"),
              HasSubstr("t"))
      << "its mark is a setting";
  context_.key = "run_2/step/1";
  EXPECT_EQ(Call("role", {{"name", app}})->outputs["created"], false);
}

TEST_F(SqlConnectorTest, DriftIsToldAndWhatIsThereTakenOn) {
  const std::string owner = shop_ + "_owner";
  const auto compare = [&](const char* operation, const Json& input) {
    const auto compared = connector_->Compare(operation, input, {}, context_);
    EXPECT_TRUE(compared.ok()) << compared.status();
    return compared.ok() ? *compared : Comparison();
  };
  const Json role = {{"name", owner}, {"login", false}};
  const Json database = {{"name", shop_}, {"owner", owner}};
  EXPECT_EQ(compare("role", role).state, Comparison::State::kGone);
  EXPECT_EQ(compare("database", database).state, Comparison::State::kGone);
  EXPECT_TRUE(absl::IsNotFound(connector_->Import("role", role, {}, context_).status()));
  ASSERT_TRUE(Call("role", role).ok());
  ASSERT_TRUE(Call("database", database).ok());
  const auto imported = connector_->Import("database", database, {}, context_);
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->outputs["database"], shop_);
  EXPECT_EQ(imported->resources.at(0).id, "main/database/" + shop_);
  EXPECT_EQ(compare("role", role).state, Comparison::State::kSame);
  EXPECT_EQ(compare("database", database).state, Comparison::State::kSame);
  Sql("ALTER ROLE \"" + owner + "\" LOGIN");
  Sql("ALTER DATABASE \"" + shop_ + "\" OWNER TO CURRENT_USER");
  EXPECT_THAT(compare("role", role).detail, HasSubstr("may log in"));
  EXPECT_THAT(compare("database", database).detail, HasSubstr("is owned by"));
}

TEST_F(SqlConnectorTest, ManyAtOnceMakeOne) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&] {
      FakeCallContext context;
      const auto made = connector_->Call("database", {{"name", shop_}}, context);
      EXPECT_TRUE(made.ok()) << made.status();
      if (made.ok()) ++good;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(good, 6);
}

TEST_F(SqlConnectorTest, ARoleAndItsRights) {
  ASSERT_TRUE(Call("database", {{"name", shop_}}).ok());
  const std::string app = shop_ + "_app";
  const auto role = Call("role", {{"name", app}, {"password", "env:P"}, {"connectionLimit", 3}});
  ASSERT_TRUE(role.ok()) << role.status();
  // The server got a verifier, never the password.
  EXPECT_THAT(Sql("SELECT rolpassword FROM pg_authid WHERE rolname='" + app + "'"),
              HasSubstr("SCRAM-SHA-256$"));
  const Json grants = {{"database", shop_},
                       {"role", app},
                       {"schema", "shop"},
                       {"tablePrivileges", {"SELECT", "INSERT"}},
                       {"schemaPrivileges", {"USAGE"}}};
  const auto granted = Call("grants", grants);
  ASSERT_TRUE(granted.ok()) << granted.status();
  ASSERT_TRUE(Call("grants", grants).ok());
  EXPECT_THAT(Sql("SELECT has_database_privilege('" + app + "','" + shop_ + "','CONNECT')"),
              HasSubstr("t"));
  // A role that holds rights cannot just be dropped.
  const auto refused = Call("drop-role", role->outputs);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("`databases`"));
  ASSERT_TRUE(Call("revoke", granted->outputs).ok());
  const auto dropped = Call("drop-role", role->outputs);
  EXPECT_TRUE(dropped.ok()) << dropped.status();
  EXPECT_TRUE(Call("revoke", granted->outputs).ok());
  EXPECT_TRUE(Call("drop-role", role->outputs).ok());
}

TEST_F(SqlConnectorTest, WhatARoleOwnedStays) {
  ASSERT_TRUE(Call("database", {{"name", shop_}}).ok());
  const std::string owner = shop_ + "_owner";
  const auto role = Call("role", {{"name", owner}, {"login", false}});
  ASSERT_TRUE(role.ok()) << role.status();
  ASSERT_TRUE(
      Call("database", {{"name", shop_}, {"owner", owner}, {"extensions", {"plpgsql"}}}).ok());
  Json drop = role->outputs;
  drop["databases"] = {shop_};
  const auto dropped = Call("drop-role", drop);
  ASSERT_TRUE(dropped.ok()) << dropped.status();
  EXPECT_THAT(Sql("SELECT count(*) FROM pg_database WHERE datname='" + shop_ + "'"),
              HasSubstr("1"));
}

TEST_F(SqlConnectorTest, NamesAreLimitedAndNeverText) {
  EXPECT_EQ(Call("database", {{"name", "payments"}}).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Call("database", {{"name", "shop\"; DROP ROLE x; --"}}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Call("grants", {{"database", shop_}, {"role", "postgres"}}).status().code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(
      std::string(Call("database", {{"server", "none"}, {"name", shop_}}).status().message()),
      HasSubstr("there are: main"));
}

TEST(SqlConfigTest, PasswordsAreReferences) {
  http::FakeTransport transport;
  base::FakeClock clock;
  base::SeededRng rng(1);
  const ConnectorDependencies dependencies{transport, clock, rng, {}};
  const auto wrong = SqlConnector::FromConfig(
      "sql", *json::Parse(R"({"servers":{"a":{"url":"postgresql://u:s3cret@h/d"}}})"),
      dependencies);
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("must hold no password"));
  EXPECT_THAT(std::string(wrong.status().message()), Not(HasSubstr("s3cret")));
}

TEST(SqlConnectorOutageTest, AServerThatIsDownIsTriedAgain) {
  http::FakeTransport transport;
  base::SeededRng rng(1);
  const ConnectorDependencies dependencies{transport, base::Clock::System(), rng, {}};
  const auto connector = SqlConnector::FromConfig(
      "sql", *json::Parse(R"({"servers":{"a":{"url":"postgresql://u@127.0.0.1:1/d"}}})"),
      dependencies);
  ASSERT_TRUE(connector.ok()) << connector.status();
  FakeCallContext context;
  const auto result = (*connector)->Call("database", {{"name", "shop"}}, context);
  // Without the client library nothing can be said of a server.
  EXPECT_TRUE(absl::IsUnavailable(result.status()) || absl::IsFailedPrecondition(result.status()))
      << result.status();
}

}  // namespace
}  // namespace purser::connectors

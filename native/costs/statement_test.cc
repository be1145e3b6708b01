// Statements of what an owner pays for.
#include "costs/statement.h"

#include "costs/testing/policy_fixture.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace purser::costs {
namespace {

using costs::testing::Line;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class StatementTest : public costs::testing::PolicyFixture {};

TEST_F(StatementTest, StatementsInThreeForms) {
  Read({{"30", "2026-11-02", "purser.dev/entity=component:default/shop", "=1+1"},
        {"0.125", "2026-11-02", "purser.dev/entity=component:default/shop", "<b>"},
        {"60", "2026-11-03", "purser.dev/entity=component:default/lake"}});
  PutGraph();
  const auto statement = MakeStatement(*service_, {.owner = "Group:web",
                                                   .from = absl::CivilDay(2026, 11, 1),
                                                   .to = absl::CivilDay(2026, 11, 30)});
  ASSERT_TRUE(statement.ok()) << statement.status();
  EXPECT_EQ(StatementCsv(*statement),
            "owner,from,to,entity,service,pool,currency,billed,effective\n"
            "group:default/web,2026-11-01,2026-11-30,component:default/shop,<b>,,USD,0.125,0.125\n"
            "group:default/web,2026-11-01,2026-11-30,component:default/shop,'=1+1,,USD,30,30\n");
  EXPECT_THAT(StatementJson(*statement), HasSubstr(R"("billed":"30.125")"));
  const std::string html = StatementHtml(*statement);
  EXPECT_THAT(html, AllOf(HasSubstr("&lt;b&gt;"), HasSubstr("30.12<br><small>30.125<"),
                          Not(HasSubstr("<b>"))));
}

}  // namespace
}  // namespace purser::costs

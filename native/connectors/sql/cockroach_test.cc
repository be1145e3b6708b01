// The statements that CockroachDB gets, against a server that speaks PostgreSQL's protocol, answers
// as CockroachDB is documented to, and refuses what it does not have.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/mutex.h"
#include "base/rng.h"
#include "connectors/fake_call_context.h"
#include "connectors/sql/sql_connector.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "http/fake_transport.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using Json = nlohmann::json;

constexpr char kVersion[] = "CockroachDB CCL v24.3.1 (x86_64-pc-linux-gnu)";
constexpr size_t kMaxMessage = 1 << 20;

// What a statement leads to: one value, an error, or nothing.
struct Answer {
  std::optional<std::string> value = {};
  std::string state = {};  // SQLSTATE of an error
};

// Thread-safe.
class FakeCockroach {
 public:
  FakeCockroach() {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(listen(listener_, 16), 0);
    socklen_t size = sizeof(address);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Accept(); });
  }
  ~FakeCockroach() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  std::string url() const {
    return absl::StrCat("postgresql://root@127.0.0.1:", port_,
                        "/defaultdb?sslmode=disable&gssencmode=disable");
  }
  // As when our password has expired.
  void Refuse() { refuses_ = true; }
  // The next statement that begins so fails; several queue up.
  void FailNext(const std::string& begin, const std::string& state) {
    base::MutexLock lock(mutex_);
    faults_.emplace_back(begin, state);
  }
  std::vector<std::string> statements() {
    base::MutexLock lock(mutex_);
    return statements_;
  }
  std::set<std::string> databases() {
    base::MutexLock lock(mutex_);
    return databases_;
  }

 private:
  // Clients have more than one connection at a time.
  void Accept() {
    std::vector<std::thread> connections;
    for (int peer = 0; (peer = accept(listener_, nullptr, nullptr)) >= 0;) {
      connections.emplace_back([this, peer] {
        Serve(peer);
        close(peer);
      });
    }
    for (std::thread& connection : connections) connection.join();
  }
  static bool Read(int peer, void* into, size_t size) {
    return recv(peer, into, size, MSG_WAITALL) == static_cast<ssize_t>(size);
  }
  static std::optional<std::string> Body(int peer) {
    uint32_t length = 0;
    if (!Read(peer, &length, sizeof(length))) return std::nullopt;
    length = ntohl(length);
    if (length < 4 || length > kMaxMessage) return std::nullopt;
    std::string body(length - 4, '\0');
    if (!body.empty() && !Read(peer, body.data(), body.size())) return std::nullopt;
    return body;
  }
  static std::string Number(uint32_t value) {
    value = htonl(value);
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }
  static std::string Short(uint16_t value) {
    value = htons(value);
    return {reinterpret_cast<const char*>(&value), sizeof(value)};
  }
  static std::string Message(char kind, const std::string& body) {
    return absl::StrCat(std::string(1, kind), Number(static_cast<uint32_t>(body.size() + 4)), body);
  }
  static std::string Text(const std::string& text) { return text + std::string(1, '\0'); }

  // One connection, from its start to its end; simple queries only, as the connector sends them.
  void Serve(int peer) {
    if (!Body(peer).has_value()) return;
    if (refuses_) {
      const std::string no = Message(
          'E', "S" + Text("FATAL") + "C" + Text("28P01") + "M" +
                   Text("password authentication failed for user \"root\"") + std::string(1, '\0'));
      (void)send(peer, no.data(), no.size(), MSG_NOSIGNAL);
      return;
    }
    const std::string ready = Message('Z', "I");
    std::string out = Message('R', Number(0)) +
                      Message('S', Text("server_version") + Text("13.0.0")) +
                      Message('S', Text("client_encoding") + Text("UTF8")) +
                      Message('S', Text("standard_conforming_strings") + Text("on")) + ready;
    while (send(peer, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size())) {
      char kind = 0;
      if (!Read(peer, &kind, 1)) return;
      const std::optional<std::string> body = Body(peer);
      if (!body.has_value() || kind != 'Q') return;
      const Answer answer = Do(body->c_str());
      out.clear();
      if (!answer.state.empty()) {
        out += Message('E', "S" + Text("ERROR") + "C" + Text(answer.state) + "M" + Text("refused") +
                                std::string(1, '\0'));
      } else if (answer.value.has_value()) {
        out += Message('T', Short(1) + Text("value") + Number(0) + Short(0) + Number(25) +
                                Short(0xffff) + Number(0xffffffff) + Short(0));
        out += Message(
            'D', Short(1) + Number(static_cast<uint32_t>(answer.value->size())) + *answer.value);
      }
      if (answer.state.empty()) out += Message('C', Text("OK"));
      out += ready;
    }
  }

  static std::string Between(const std::string& text, const char* begin, char end) {
    const size_t at = text.find(begin);
    if (at == std::string::npos) return "";
    const size_t from = at + std::string(begin).size();
    return text.substr(from, text.find(end, from) - from);
  }

  Answer Do(const std::string& sql) {
    base::MutexLock lock(mutex_);
    absl::string_view statements = sql;
    if (!absl::ConsumePrefix(&statements, "BEGIN; ")) return One(sql);
    absl::ConsumeSuffix(&statements, "; COMMIT");
    // All or nothing.
    const auto before = std::make_tuple(databases_, roles_, marks_);
    for (const absl::string_view one : absl::StrSplit(statements, "; ")) {
      const Answer answer = One(std::string(one));
      if (answer.state.empty()) continue;
      std::tie(databases_, roles_, marks_) = before;
      return answer;
    }
    return {};
  }

  Answer One(const std::string& sql) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    statements_.push_back(sql);
    if (!faults_.empty() && absl::StartsWith(sql, faults_.front().first)) {
      const std::string state = faults_.front().second;
      faults_.pop_front();
      return {.state = state};
    }
    // What CockroachDB has not.
    for (const char* foreign :
         {"CONNECTION LIMIT", "COMMENT ON ROLE", "WITH (FORCE)", "pg_authid"}) {
      if (absl::StrContains(sql, foreign)) return {.state = "42601"};
    }
    if (sql == "SELECT version()") return {.value = kVersion};
    const std::string wanted = Between(sql, "= E'", '\'');
    if (absl::StrContains(sql, "shobj_description")) {
      const auto mark = marks_.find(wanted);
      return {.value = mark == marks_.end() ? "" : mark->second};
    }
    if (absl::StrContains(sql, "pg_db_role_setting")) {
      const auto mark = marks_.find("role " + wanted);
      if (mark == marks_.end()) return {};
      return {.value = absl::StrCat("application_name=x\npurser.effect=", mark->second)};
    }
    if (absl::StrContains(sql, "FROM pg_database")) {
      return databases_.contains(wanted) ? Answer{.value = "1"} : Answer();
    }
    if (absl::StrContains(sql, "FROM pg_roles")) {
      return roles_.contains(wanted) ? Answer{.value = "1"} : Answer();
    }
    const std::string name = Between(sql, "\"", '"');
    if (absl::StartsWith(sql, "CREATE DATABASE")) {
      return databases_.insert(name).second ? Answer() : Answer{.state = "42P04"};
    }
    if (absl::StartsWith(sql, "COMMENT ON DATABASE")) {
      if (!databases_.contains(name)) return {.state = "3D000"};
      marks_[name] = Between(sql, "IS E'", '\'');
    }
    if (absl::StrContains(sql, " RENAME TO ")) {
      const std::string renamed = Between(sql, "RENAME TO \"", '"');
      if (databases_.contains(renamed)) return {.state = "42P04"};
      if (databases_.erase(name) == 0) return {.state = "3D000"};
      databases_.insert(renamed);
      marks_[renamed] = std::exchange(marks_[name], "");
    }
    if (absl::StrContains(sql, " SET purser.effect = ")) {
      marks_["role " + name] = Between(sql, "= E'", '\'');
    }
    if (absl::StartsWith(sql, "DROP DATABASE")) {
      return databases_.erase(name) > 0 ? Answer() : Answer{.state = "3D000"};
    }
    if (absl::StartsWith(sql, "CREATE ROLE")) {
      return roles_.insert(name).second ? Answer() : Answer{.state = "42710"};
    }
    if (absl::StartsWith(sql, "DROP ROLE")) {
      return roles_.erase(name) > 0 ? Answer() : Answer{.state = "42704"};
    }
    return {};
  }

  std::atomic<bool> refuses_{false};
  int listener_ = -1;
  int port_ = 0;
  base::Mutex mutex_;
  std::vector<std::string> statements_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::pair<std::string, std::string>> faults_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> databases_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> roles_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::string> marks_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;  // last: it uses the rest
};

class CockroachTest : public ::testing::Test {
 protected:
  CockroachTest() {
    context_.secrets["env:P"] = "s3cret-word";
    const ConnectorDependencies dependencies{transport_, base::Clock::System(), rng_, {}};
    auto connector = SqlConnector::FromConfig(
        "sql", {{"servers", {{"main", {{"url", peer_.url()}}}}}}, dependencies);
    EXPECT_TRUE(connector.ok()) << connector.status();
    connector_ = *std::move(connector);
  }
  absl::StatusOr<CallResult> Call(const char* operation, const Json& input) {
    auto result = connector_->Call(operation, input, context_);
    if (absl::IsNotFound(result.status()) || absl::IsUnimplemented(result.status())) {
      ADD_FAILURE() << result.status();
    }
    return result;
  }
  int Count(const std::string& begin) {
    const std::vector<std::string> all = peer_.statements();
    return static_cast<int>(std::count_if(all.begin(), all.end(), [&](const std::string& one) {
      return absl::StartsWith(one, begin);
    }));
  }

  FakeCockroach peer_;
  base::SeededRng rng_{1};
  http::FakeTransport transport_;
  FakeCallContext context_;
  std::unique_ptr<Connector> connector_;
};

TEST_F(CockroachTest, ADatabaseIsMadeOnceAndDroppedWithAllInIt) {
  const Json input = {{"name", "shop"}, {"connectionLimit", 7}};
  const auto made = Call("database", input);
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->outputs["created"], true);
  const auto again = Call("database", input);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->outputs["created"], true) << "the mark is ours";
  EXPECT_EQ(Count("CREATE DATABASE"), 1);
  EXPECT_THAT(peer_.statements(), Not(Contains(HasSubstr("CONNECTION LIMIT"))));
  ASSERT_TRUE(Call("drop-database", made->outputs).ok());
  EXPECT_THAT(peer_.statements(), Contains("DROP DATABASE \"shop\" CASCADE"));
  ASSERT_TRUE(Call("drop-database", made->outputs).ok()) << "gone already";
  EXPECT_TRUE(peer_.databases().empty());
}

// Killed anywhere between the first statement and the last: the next call goes on with what there
// is, and knows it for ours.
TEST_F(CockroachTest, WhatWasBegunIsGoneOnWith) {
  for (const char* statement : {"COMMENT ON DATABASE", "ALTER DATABASE"}) {
    peer_.FailNext(statement, "57P01");
    EXPECT_FALSE(Call("database", {{"name", "shop"}}).ok()) << statement;
    EXPECT_FALSE(peer_.databases().contains("shop"));
  }
  const auto made = Call("database", {{"name", "shop"}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(made->outputs["created"], true);
  EXPECT_EQ(Count("CREATE DATABASE"), 1);
  EXPECT_EQ(peer_.databases(), std::set<std::string>{"shop"});

  peer_.FailNext("ALTER ROLE \"app\" SET purser.effect", "57P01");
  EXPECT_FALSE(Call("role", {{"name", "app"}}).ok());
  peer_.FailNext("ALTER ROLE \"app\" LOGIN", "57P01");
  EXPECT_FALSE(Call("role", {{"name", "app"}}).ok());
  const auto role = Call("role", {{"name", "app"}});
  ASSERT_TRUE(role.ok()) << role.status();
  EXPECT_EQ(role->outputs["created"], true);
  EXPECT_EQ(Count("CREATE ROLE"), 2) << "the first one was taken back with its mark";
  // Somebody else's stays theirs.
  context_.key = "run_2/step/1";
  EXPECT_EQ(Call("role", {{"name", "app"}})->outputs["created"], false);
  EXPECT_EQ(Call("database", {{"name", "shop"}})->outputs["created"], false);
}

TEST_F(CockroachTest, RetryErrorsAreTriedAgain) {
  for (int i = 0; i < 2; ++i) peer_.FailNext("CREATE DATABASE", "40001");
  const auto made = Call("database", {{"name", "shop"}});
  ASSERT_TRUE(made.ok()) << made.status();
  EXPECT_EQ(Count("CREATE DATABASE"), 3);
  // Another caller was quicker.
  peer_.FailNext("CREATE DATABASE", "42P04");
  EXPECT_TRUE(Call("database", {{"name", "blog"}}).ok());
}

TEST_F(CockroachTest, AnExpiredPasswordIsNamedAndNotPrinted) {
  peer_.Refuse();
  const auto connector = SqlConnector::FromConfig(
      "sql", {{"servers", {{"main", {{"url", peer_.url()}, {"password", "env:P"}}}}}},
      {transport_, base::Clock::System(), rng_, {}});
  ASSERT_TRUE(connector.ok()) << connector.status();
  const auto refused = (*connector)->Call("database", {{"name", "shop"}}, context_);
  EXPECT_TRUE(absl::IsUnauthenticated(refused.status())) << refused.status();
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("server main"));
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr("root"));
  EXPECT_THAT(std::string(refused.status().message()), Not(HasSubstr("s3cret-word")));
}

TEST_F(CockroachTest, ARoleAndItsRights) {
  const auto role =
      Call("role", {{"name", "shop_app"}, {"password", "env:P"}, {"connectionLimit", 5}});
  ASSERT_TRUE(role.ok()) << role.status();
  EXPECT_EQ(role->outputs["created"], true);
  EXPECT_THAT(peer_.statements(), Not(Contains(HasSubstr("s3cret-word"))));
  EXPECT_THAT(peer_.statements(), Contains(HasSubstr("PASSWORD E'SCRAM-SHA-256$")));
  ASSERT_TRUE(Call("database", {{"name", "shop"}}).ok());
  const auto rights = Call("grants", {{"database", "shop"},
                                      {"role", "shop_app"},
                                      {"privileges", {"CONNECT"}},
                                      {"schema", "app"},
                                      {"schemaPrivileges", {"USAGE"}},
                                      {"tablePrivileges", {"SELECT"}}});
  ASSERT_TRUE(rights.ok()) << rights.status();
  EXPECT_THAT(peer_.statements(),
              Contains("GRANT SELECT ON ALL TABLES IN SCHEMA \"app\" TO \"shop_app\""));
  EXPECT_TRUE(Call("revoke", rights->outputs).ok());
  Json gone = role->outputs;
  gone["databases"] = {"shop"};
  ASSERT_TRUE(Call("drop-role", gone).ok());
  EXPECT_THAT(peer_.statements(), Contains("DROP OWNED BY \"shop_app\""));
  EXPECT_THAT(peer_.statements(), Contains("DROP ROLE \"shop_app\""));
}

}  // namespace
}  // namespace purser::connectors

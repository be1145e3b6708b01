// What only a server can do to us: it restarts, it fills up, it ends our session, others use it
// too.
#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/testing/eventually.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/postgres_text.h"
#include "store/store.h"
#include "store/testing/shared_postgres.h"

namespace purser::store {
namespace {

using ::testing::HasSubstr;

class PostgresTest : public ::testing::Test {
 protected:
  void SetUp() override {
    server_ = SharedPostgres();
    if (server_ == nullptr) GTEST_SKIP() << "SKIP no PostgreSQL on this machine";
    url_ = *server_->NewDatabase();
  }
  std::unique_ptr<Database> Open() const {
    auto database = OpenPostgres({.url = url_});
    EXPECT_TRUE(database.ok()) << database.status();
    const absl::Status status = (*database)->Migrate(
        "test", {{{1, "items", "CREATE TABLE items (id BIGINT PRIMARY KEY, text TEXT)"}}});
    EXPECT_TRUE(status.ok()) << status;
    return *std::move(database);
  }
  static absl::Status Insert(Database& database, int64_t id) {
    return database.Transact([&](Connection& connection) {
      return connection.ExecuteLater("INSERT INTO items (id) VALUES ($1)", {id}, 1);
    });
  }
  static int64_t Count(Database& database) {
    int64_t count = -1;
    const absl::Status status = database.Read([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(const Rows rows, connection.Query("SELECT count(*) FROM items", {}));
      count = rows[0].Int(0);
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
    return count;
  }

  PostgresServer* server_ = nullptr;
  std::string url_;
};

TEST_F(PostgresTest, StatementsSentAheadFailTheTransaction) {
  std::unique_ptr<Database> database = Open();
  ASSERT_TRUE(Insert(*database, 1).ok());
  // A broken key, found after the callback has ended.
  EXPECT_EQ(Insert(*database, 1).code(), absl::StatusCode::kAlreadyExists);
  // A count that differs.
  const absl::Status status = database->Transact([](Connection& connection) {
    return connection.ExecuteLater("UPDATE items SET text = $1 WHERE id = $2", {"x", int64_t{99}},
                                   1);
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << status;
  // An error in the middle of many; what came before it in the same transaction is gone too.
  const absl::Status many = database->Transact([](Connection& connection) -> absl::Status {
    for (int64_t i = 10; i < 2000; ++i) {
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater("INSERT INTO items (id) VALUES ($1)",
                                                     {i == 900 ? int64_t{1} : i}, 1));
    }
    return absl::OkStatus();
  });
  EXPECT_EQ(many.code(), absl::StatusCode::kAlreadyExists) << many;
  EXPECT_EQ(Count(*database), 1);
  ASSERT_TRUE(Insert(*database, 2).ok());
  EXPECT_EQ(Count(*database), 2);
}

TEST_F(PostgresTest, TextsCompareByBytes) {
  std::unique_ptr<Database> database = Open();
  ASSERT_TRUE(database
                  ->Transact([](Connection& connection) {
                    return connection.ExecuteLater(
                        "INSERT INTO items (id, text) VALUES (1, 'b'), (2, 'A'), (3, '_'), "
                        "(4, 'a-b'), (5, 'ab')",
                        {}, 5);
                  })
                  .ok());
  std::string order;
  ASSERT_TRUE(database
                  ->Read([&](Connection& connection) {
                    return connection.ForEach("SELECT text FROM items ORDER BY text", {},
                                              [&](const Row& row) {
                                                absl::StrAppend(&order, row.Text(0), " ");
                                                return absl::OkStatus();
                                              });
                  })
                  .ok());
  EXPECT_EQ(order, "A _ a-b ab b ");
}

TEST_F(PostgresTest, TwoProcessesTakeTurns) {
  // Two databases opened on one server stand for two processes.
  std::unique_ptr<Database> one = Open();
  std::unique_ptr<Database> two = Open();
  ASSERT_TRUE(Insert(*one, 0).ok());
  ASSERT_TRUE(
      one->Transact([](Connection& c) { return c.ExecuteLater("UPDATE items SET text = '0'", {}); })
          .ok());
  const auto count_up = [](Database& database) {
    for (int i = 0; i < 100; ++i) {
      const absl::Status status = database.Transact([](Connection& connection) -> absl::Status {
        // Reads, then writes: lost updates would show.
        PURSER_ASSIGN_OR_RETURN(const Rows rows,
                                connection.Query("SELECT text FROM items WHERE id = 0", {}));
        return connection.ExecuteLater("UPDATE items SET text = $1 WHERE id = 0",
                                       {absl::StrCat(rows[0].Int(0) + 1)}, 1);
      });
      EXPECT_TRUE(status.ok()) << status;
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] { count_up(*one); });
    threads.emplace_back([&] { count_up(*two); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*server_->Sql(url_, "SELECT text FROM items WHERE id = 0"), "400");
}

TEST_F(PostgresTest, SessionsThatTheServerEndsAreMadeAnew) {
  std::unique_ptr<Database> database = Open();
  for (int64_t i = 0; i < 20; ++i) {
    ASSERT_TRUE(server_
                    ->Sql(url_,
                          "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                          "datname = current_database() AND pid <> pg_backend_pid()")
                    .ok());
    const absl::Status status = Insert(*database, i);
    ASSERT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(Count(*database), 20);
}

// The server crashes and comes back again and again under load. Nothing that was acknowledged may
// be missing, nothing that failed may be there, nothing may be there twice.
TEST_F(PostgresTest, RestartsLoseNothingAndDoubleNothing) {
  std::unique_ptr<Database> database = *OpenPostgres(
      {.url = url_, .connect_timeout = absl::Seconds(2), .patience = base::kPatience});
  ASSERT_TRUE(database
                  ->Migrate("test", {{{1, "items",
                                       "CREATE TABLE items (id BIGINT PRIMARY KEY, text TEXT)"}}})
                  .ok());
  std::atomic<bool> stop{false};
  std::atomic<int64_t> stored{0};
  std::atomic<int64_t> failed{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int64_t i = 0; !stop; ++i) {
        const absl::Status status = Insert(*database, t * 1'000'000 + i);
        // ALREADY_EXISTS would be a commit that was reported as failed and made again.
        if (status.ok()) {
          ++stored;
        } else {
          ++failed;
          ADD_FAILURE() << status;
        }
      }
    });
  }
  for (int i = 0; i < 4; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    ASSERT_TRUE(server_->Restart().ok());
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(150));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(stored, 0);
  EXPECT_EQ(failed, 0);
  EXPECT_EQ(Count(*database), stored);
}

TEST_F(PostgresTest, AServerThatIsAwayIsToldSoon) {
  std::unique_ptr<Database> database =
      *OpenPostgres({.url = url_, .patience = absl::Milliseconds(100)});
  ASSERT_TRUE(server_->Stop().ok());
  const absl::Status status = database->Transact([](Connection&) { return absl::OkStatus(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
  EXPECT_FALSE(base::IsOutcomeUnknown(status));
  EXPECT_EQ(database->Read([](Connection&) { return absl::OkStatus(); }).code(),
            absl::StatusCode::kUnavailable);
  ASSERT_TRUE(server_->Go().ok());
  EXPECT_TRUE(database->Transact([](Connection&) { return absl::OkStatus(); }).ok());
}

TEST_F(PostgresTest, StatementsThatTakeTooLongEnd) {
  auto database = OpenPostgres({.url = url_, .statement_timeout = absl::Milliseconds(500)});
  ASSERT_TRUE(database.ok());
  const absl::Status status = (*database)->Transact(
      [](Connection& connection) { return connection.Query("SELECT pg_sleep(5)", {}).status(); });
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
  EXPECT_TRUE((*database)->Transact([](Connection&) { return absl::OkStatus(); }).ok());
}

TEST_F(PostgresTest, ManyStatementsAreMoreThanTheCacheKeeps) {
  std::unique_ptr<Database> database = Open();
  for (int round = 0; round < 2; ++round) {
    const absl::Status status = database->Transact([](Connection& connection) -> absl::Status {
      for (int i = 0; i < 700; ++i) {
        PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
            absl::StrCat("UPDATE items SET text = 'x' WHERE id = ", i), {}));
      }
      return absl::OkStatus();
    });
    EXPECT_TRUE(status.ok()) << status;
  }
}

TEST_F(PostgresTest, BadAddressesAreNamedWithoutTheirPasswords) {
  const absl::Status bad = OpenPostgres({.url = "postgresql://u:geheim@h/x?nosuch=1"}).status();
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument) << bad;
  EXPECT_THAT(std::string(bad.message()), testing::Not(HasSubstr("geheim")));
  const absl::Status nowhere = OpenPostgres({.url = "postgresql://u:geheim@/x?host=/nowhere",
                                             .patience = absl::ZeroDuration()})
                                   .status();
  EXPECT_EQ(nowhere.code(), absl::StatusCode::kUnavailable) << nowhere;
  EXPECT_THAT(std::string(nowhere.message()), HasSubstr("x@/nowhere"));
  EXPECT_THAT(std::string(nowhere.message()), testing::Not(HasSubstr("geheim")));
}

TEST(PostgresTextTest, SomeStatementsAreForPostgresAlone) {
  EXPECT_EQ(ToPostgresSchema("CREATE TABLE a (b BIGINT);/* postgres: ALTER TABLE a SET (x = 1) */",
                             false),
            "CREATE TABLE a (b BIGINT);ALTER TABLE a SET (x = 1) ");
  EXPECT_EQ(ToPostgresSchema("/* another */ DROP TABLE a", false), "/* another */ DROP TABLE a");
}

TEST(PostgresTextTest, SchemasAreTranslated) {
  EXPECT_EQ(
      ToPostgresSchema("CREATE TABLE a (text TEXT, b BLOB, c TEXT DEFAULT 'TEXT') -- TEXT\n", true),
      "CREATE TABLE a (text TEXT COLLATE \"C\", b BYTEA, c TEXT COLLATE \"C\" DEFAULT "
      "'TEXT') -- TEXT\n");
  EXPECT_EQ(ToPostgresSchema("CREATE TABLE a (n INTEGER PRIMARY KEY) WITHOUT ROWID;", true),
            "CREATE TABLE a (n BIGINT PRIMARY KEY) ;");
  EXPECT_EQ(ToPostgresSchema("SELECT CAST(a AS TEXT)", true), "SELECT CAST(a AS TEXT)");
  EXPECT_EQ(ToPostgresSchema("CREATE TABLE a (b TEXT)", false), "CREATE TABLE a (b TEXT)");
}

}  // namespace
}  // namespace purser::store

#include "store/store.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/testing/shared_postgres.h"

namespace purser::store {
namespace {

using ::testing::HasSubstr;

class StoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "store-test-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string Path() const { return folder_ + "/state.db"; }
  absl::StatusOr<std::unique_ptr<Database>> Open(int64_t max_bytes = 0) const {
    return OpenSqlite({.path = Path(), .max_bytes = max_bytes});
  }
  // With the table every test here uses.
  std::unique_ptr<Database> OpenWithTable(int64_t max_bytes = 0) const {
    absl::StatusOr<std::unique_ptr<Database>> database = Open(max_bytes);
    EXPECT_TRUE(database.ok()) << database.status();
    const absl::Status status =
        (*database)->Migrate("test", {{{1, "items",
                                        "CREATE TABLE items (id BIGINT PRIMARY KEY, "
                                        "text TEXT, bytes BLOB)"}}});
    EXPECT_TRUE(status.ok()) << status;
    return *std::move(database);
  }

  std::string folder_;
};

// What holds on every database: the parameter says which.
class AnyStoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  static bool IsPostgres() { return std::string(GetParam()) == "postgres"; }
  void SetUp() override {
    if (!IsPostgres()) return;
    if (PostgresServer* server = SharedPostgres(); server != nullptr) {
      url_ = *server->NewDatabase();
    } else {
      GTEST_SKIP() << "SKIP no PostgreSQL on this machine";
    }
  }
  absl::StatusOr<std::unique_ptr<Database>> Open() const {
    return IsPostgres() ? OpenPostgres({.url = url_}) : OpenSqlite({.path = ":memory:"});
  }
  std::unique_ptr<Database> OpenWithTable() const {
    absl::StatusOr<std::unique_ptr<Database>> database = Open();
    EXPECT_TRUE(database.ok()) << database.status();
    const absl::Status status =
        (*database)->Migrate("test", {{{1, "items",
                                        "CREATE TABLE items (id BIGINT PRIMARY KEY, "
                                        "text TEXT, bytes BLOB)"}}});
    EXPECT_TRUE(status.ok()) << status;
    return *std::move(database);
  }

  std::string url_;
};
INSTANTIATE_TEST_SUITE_P(Databases, AnyStoreTest, ::testing::Values("sqlite", "postgres"),
                         [](const auto& info) { return std::string(info.param); });

absl::Status Insert(Database& database, int64_t id, std::string text = "") {
  return database.Transact([&](Connection& connection) {
    return connection.Execute("INSERT INTO items (id, text) VALUES ($1, $2)", {id, text}).status();
  });
}

int64_t Count(Database& database) {
  int64_t count = -1;
  const absl::Status status = database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const Rows rows, connection.Query("SELECT count(*) FROM items", {}));
    count = rows[0].Int(0);
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  return count;
}

TEST_P(AnyStoreTest, KeepsEveryKindOfValue) {
  std::unique_ptr<Database> database = OpenWithTable();
  const std::string bytes("\0\xff\n", 3);
  ASSERT_TRUE(
      database
          ->Transact([&](Connection& connection) -> absl::Status {
            // Places out of order, one used twice.
            PURSER_ASSIGN_OR_RETURN(
                const int64_t changed,
                connection.Execute("INSERT INTO items (bytes, text, id) VALUES ($3, $2, $1), "
                                   "($3, $2, $1 + 1)",
                                   {int64_t{7}, "Grüße", Blob{bytes}}));
            EXPECT_EQ(changed, 2);
            return connection
                .Execute("INSERT INTO items (id, text, bytes) VALUES ($1, $2, $3)",
                         {int64_t{9}, Value(), Blob{}})
                .status();
          })
          .ok());
  ASSERT_TRUE(database
                  ->Read([&](Connection& connection) -> absl::Status {
                    PURSER_ASSIGN_OR_RETURN(
                        const Rows rows,
                        connection.Query("SELECT id, text, bytes FROM items ORDER BY id", {}));
                    EXPECT_EQ(rows.size(), 3u);
                    EXPECT_EQ(rows[0].Int(0), 7);
                    EXPECT_EQ(rows[0].Text(0), "7");
                    EXPECT_EQ(rows[0].Text(1), "Grüße");
                    EXPECT_EQ(rows[1].Text(2), bytes);
                    EXPECT_TRUE(rows[2].IsNull(1));
                    EXPECT_EQ(rows[2].Text(1), "");
                    EXPECT_FALSE(rows[2].IsNull(2));
                    return absl::OkStatus();
                  })
                  .ok());
}

TEST_P(AnyStoreTest, AFailedCallbackLeavesNothing) {
  std::unique_ptr<Database> database = OpenWithTable();
  const absl::Status status = database->Transact([&](Connection& connection) -> absl::Status {
    PURSER_RETURN_IF_ERROR(
        connection.Execute("INSERT INTO items (id) VALUES ($1)", {int64_t{1}}).status());
    return absl::AbortedError("changed my mind");
  });
  EXPECT_EQ(status, absl::AbortedError("changed my mind"));
  EXPECT_EQ(Count(*database), 0);
}

TEST_P(AnyStoreTest, ConstraintsAreTold) {
  std::unique_ptr<Database> database = OpenWithTable();
  ASSERT_TRUE(database
                  ->Migrate("more", {{{1, "parts",
                                       "CREATE TABLE parts (item BIGINT NOT NULL REFERENCES "
                                       "items (id)); -- a comment\n"}}})
                  .ok());
  ASSERT_TRUE(Insert(*database, 1).ok());
  EXPECT_EQ(Insert(*database, 1).code(), absl::StatusCode::kAlreadyExists);
  const absl::Status orphan = database->Transact([](Connection& connection) {
    return connection.Execute("INSERT INTO parts (item) VALUES (5)", {}).status();
  });
  EXPECT_EQ(orphan.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(absl::AsciiStrToLower(orphan.message()), HasSubstr("foreign key"));
}

TEST_P(AnyStoreTest, RefusesWhatOtherDatabasesWouldRefuse) {
  std::unique_ptr<Database> database = OpenWithTable();
  const auto run = [&](absl::string_view sql, std::vector<Value> values) {
    return database->Transact([&](Connection& connection) {
      return connection.ForEach(sql, values, [](const Row&) { return absl::OkStatus(); });
    });
  };
  EXPECT_EQ(run("INSERT INTO items (text) VALUES ($1)", {"\xff"}).code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(run("INSERT INTO items (text) VALUES ($1)", {std::string("a\0b", 3)}).code(),
            absl::StatusCode::kInvalidArgument);
  for (const char* sql : {"COMMIT", "BEGIN", "SAVEPOINT x", "ROLLBACK", "PRAGMA synchronous=OFF",
                          "ATTACH ':memory:' AS other", "SELECT 1; SELECT 2", "", "SELECT 0.5",
                          "SELEC 1", "SAVEPOINT caller", "SELECT $1", "SELECT ?"}) {
    EXPECT_FALSE(run(sql, {}).ok()) << sql;
  }
  EXPECT_FALSE(run("SELECT $2", {int64_t{1}, int64_t{2}}).ok());
  EXPECT_FALSE(run("SELECT 1", {int64_t{1}}).ok());
  // None of it has hurt the database.
  EXPECT_TRUE(Insert(*database, 1).ok());
  const absl::Status written = database->Read(
      [](Connection& connection) { return connection.Execute("DELETE FROM items", {}).status(); });
  EXPECT_EQ(written.code(), absl::StatusCode::kFailedPrecondition) << written;
  EXPECT_EQ(Count(*database), 1);
}

TEST_P(AnyStoreTest, LargeResultsAreReadRowByRow) {
  std::unique_ptr<Database> database = OpenWithTable();
  const std::string sql =
      "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT i FROM "
      "n";
  int64_t rows = 0;
  const absl::Status status = database->Read([&](Connection& connection) -> absl::Status {
    EXPECT_EQ(connection.Query(sql, {kMaxQueryRows + 1}).status().code(),
              absl::StatusCode::kResourceExhausted);
    // The same statement inside itself.
    return connection.ForEach(sql, {kMaxQueryRows + 1}, [&](const Row& row) -> absl::Status {
      if (++rows != 1) return absl::OkStatus();
      PURSER_ASSIGN_OR_RETURN(const Rows inner, connection.Query(sql, {int64_t{3}}));
      EXPECT_EQ(inner.size(), 3u);
      EXPECT_EQ(row.Int(0), 1);
      return absl::OkStatus();
    });
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(rows, kMaxQueryRows + 1);
}

TEST_P(AnyStoreTest, ReadersSeeOneMoment) {
  std::unique_ptr<Database> database = OpenWithTable();
  ASSERT_TRUE(Insert(*database, 1).ok());
  const absl::Status status = database->Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const Rows before, connection.Query("SELECT id FROM items", {}));
    std::thread other([&] { EXPECT_TRUE(Insert(*database, 2).ok()); });
    other.join();
    PURSER_ASSIGN_OR_RETURN(const Rows after, connection.Query("SELECT id FROM items", {}));
    EXPECT_EQ(before.size(), after.size());
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(Count(*database), 2);
}

TEST_P(AnyStoreTest, NestedCallsAreRefusedInsteadOfWaitingForThemselves) {
  std::unique_ptr<Database> database = OpenWithTable();
  const auto nothing = [](Connection&) { return absl::OkStatus(); };
  EXPECT_TRUE(
      database
          ->Transact([&](Connection&) -> absl::Status {
            EXPECT_EQ(database->Read(nothing).code(), absl::StatusCode::kFailedPrecondition);
            EXPECT_EQ(database->Transact(nothing).code(), absl::StatusCode::kFailedPrecondition);
            return absl::OkStatus();
          })
          .ok());
  EXPECT_TRUE(database->Read(nothing).ok());
}

TEST_P(AnyStoreTest, WritersShareCommitsWithoutSharingFailures) {
  std::unique_ptr<Database> database = OpenWithTable();
  constexpr int kThreads = 8;
  constexpr int kEach = 60;
  std::vector<std::thread> threads;
  std::atomic<int> stored = 0;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const bool fail = i % 5 == 4;
        const absl::Status status = database->Transact([&](Connection& connection) -> absl::Status {
          PURSER_RETURN_IF_ERROR(
              connection.Execute("INSERT INTO items (id) VALUES ($1)", {int64_t{t * 1000 + i}})
                  .status());
          if (fail) return absl::CancelledError("no");
          return absl::OkStatus();
        });
        EXPECT_EQ(status.ok(), !fail) << status;
        if (status.ok()) ++stored;
        if (i % 10 == 0) {
          EXPECT_GE(Count(*database), 1);
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stored, kThreads * kEach * 4 / 5);
  EXPECT_EQ(Count(*database), stored);
}

// One caller's rows do not fit; those who share the transaction with it must not suffer.
TEST_F(StoreTest, AFullDatabaseRefusesAndLosesNothing) {
  std::unique_ptr<Database> database = OpenWithTable(/*max_bytes=*/400 << 10);
  std::atomic<int> stored = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const bool large = t == 0;
        const absl::Status status =
            Insert(*database, t * 1000 + i, std::string(large ? 500 << 10 : 100, 'x'));
        EXPECT_EQ(status.code(),
                  large ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kOk)
            << status;
        if (status.ok()) ++stored;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(Count(*database), stored);
  EXPECT_EQ(stored, 75);
  const absl::Status status = Insert(*database, -1, std::string(500 << 10, 'x'));
  EXPECT_THAT(status.message(), HasSubstr("nothing was stored: free space"));
  database.reset();
  EXPECT_EQ(Count(*OpenWithTable()), stored);
}

// Runs `body` in a child process; returns how it ended.
int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

TEST_F(StoreTest, AWriteThatTheSystemRefusesStoresNothing) {
  {
    EXPECT_TRUE(Insert(*OpenWithTable(), 1).ok());
  }
  const int ended = InChild([this] {
    signal(SIGXFSZ, SIG_IGN);
    std::unique_ptr<Database> database = OpenWithTable();
    const rlimit limit{64 << 10, 64 << 10};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return 1;
    const absl::Status status = Insert(*database, 2, std::string(1 << 20, 'x'));
    if (status.code() != absl::StatusCode::kUnavailable) {
      std::cerr << status << "\n";
      return 2;
    }
    if (Count(*database) != 1) return 3;
    return Insert(*database, 3, "small").ok() ? 0 : 4;
  });
  EXPECT_EQ(ended, 0) << WEXITSTATUS(ended);
  EXPECT_EQ(Count(*OpenWithTable()), 2);
}

TEST_F(StoreTest, AFullDiskStoresNothingAndLosesNothing) {
  constexpr int kNotAllowed = 77;
  const int ended = InChild([this] {
    // A small file system of this child's own; needs root or user namespaces.
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return kNotAllowed;
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return kNotAllowed;
    if (mount("purser", folder_.c_str(), "tmpfs", 0, "size=1m") != 0) return kNotAllowed;
    {
      std::unique_ptr<Database> database = OpenWithTable();
      int64_t stored = 0;
      absl::Status status;
      while ((status = Insert(*database, stored, std::string(20'000, 'x'))).ok()) ++stored;
      if (stored < 5 || status.code() != absl::StatusCode::kResourceExhausted) {
        std::cerr << stored << " " << status << "\n";
        return 1;
      }
      if (Count(*database) != stored) return 2;
      if (mount("purser", folder_.c_str(), "tmpfs", MS_REMOUNT, "size=8m") != 0) return 3;
      if (!Insert(*database, stored, std::string(20'000, 'x')).ok()) return 4;
      if (Count(*database) != stored + 1) return 5;
    }
    return 0;
  });
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == kNotAllowed) {
    GTEST_SKIP() << "SKIP this user may not mount a file system";
  }
  EXPECT_EQ(ended, 0) << WEXITSTATUS(ended);
}

TEST_F(StoreTest, WhatWasCommittedSurvivesAKill) {
  int pipes[2];
  ASSERT_EQ(pipe(pipes), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(pipes[0]);
    std::unique_ptr<Database> database = OpenWithTable();
    for (int64_t i = 0;; ++i) {
      if (!Insert(*database, i).ok()) _exit(1);
      if (write(pipes[1], &i, sizeof i) != sizeof i) _exit(2);
    }
  }
  close(pipes[1]);
  int64_t last = -1;
  while (last < 20 && read(pipes[0], &last, sizeof last) == sizeof last) {
  }
  kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  while (read(pipes[0], &last, sizeof last) == sizeof last) {
  }
  close(pipes[0]);
  EXPECT_GE(last, 20);
  EXPECT_GE(Count(*OpenWithTable()), last + 1);  // the lock went with the process
}

TEST_F(StoreTest, TheLogIsCopiedWhileTheDatabaseIsOpen) {
  const std::unique_ptr<Database> database = OpenWithTable();
  constexpr int64_t kRows = 24;  // of a mebibyte each: more than the log may grow by
  for (int64_t i = 0; i < kRows; ++i) {
    ASSERT_TRUE(database
                    ->Transact([&](Connection& connection) {
                      return connection.ExecuteLater(
                          "INSERT INTO items (id, text, bytes) VALUES ($1, '', $2)",
                          {i, Blob{std::string(1 << 20, static_cast<char>(i))}}, 1);
                    })
                    .ok());
  }
  // By nobody who writes: it happens by itself.
  while (std::filesystem::file_size(Path()) < (12u << 20)) sched_yield();
  int64_t good = 0;
  ASSERT_TRUE(
      database
          ->Read([&](Connection& connection) {
            return connection.ForEach("SELECT id, bytes FROM items", {}, [&](const Row& row) {
              good += row.Text(1) == std::string(1 << 20, static_cast<char>(row.Int(0)));
              return absl::OkStatus();
            });
          })
          .ok());
  EXPECT_EQ(good, kRows);
}

TEST_F(StoreTest, ASecondProcessIsRefusedByName) {
  std::unique_ptr<Database> database = OpenWithTable();
  const absl::Status status = Open().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(status.message(), HasSubstr(absl::StrCat("in use by process ", getpid())));
  database.reset();
  EXPECT_TRUE(Open().ok());
}

TEST_F(StoreTest, FilesAreTheOwnersOnly) {
  {
    std::ofstream(Path()) << "";
  }
  chmod(Path().c_str(), 0666);
  std::unique_ptr<Database> database = OpenWithTable();
  ASSERT_TRUE(Insert(*database, 1).ok());
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    EXPECT_EQ(static_cast<int>(entry.status().permissions()), 0600) << entry.path();
    ++files;
  }
  EXPECT_EQ(files, 4);  // database, log, shared memory, lock
}

TEST_F(StoreTest, ADamagedFileIsDataLoss) {
  {
    EXPECT_TRUE(Insert(*OpenWithTable(), 1).ok());
  }
  {
    std::fstream file(Path(), std::ios::in | std::ios::out | std::ios::binary);
    file << "this is no database, whatever it is called";
  }
  const absl::StatusOr<std::unique_ptr<Database>> database = Open();
  EXPECT_EQ(database.status().code(), absl::StatusCode::kDataLoss) << database.status();
  EXPECT_THAT(database.status().message(), HasSubstr("backup"));
  EXPECT_EQ(OpenSqlite({.path = folder_ + "/missing/state.db"}).status().code(),
            absl::StatusCode::kNotFound);
}

TEST_P(AnyStoreTest, MigrationsAreAppliedOnceAndWhole) {
  std::unique_ptr<Database> database = *Open();
  const Migration first{1, "a", "CREATE TABLE a (x TEXT); CREATE INDEX a_x ON a (x);"};
  const Migration second{2, "b", "CREATE TABLE b (x TEXT)"};
  const Migration broken{2, "b", "CREATE TABLE c (x TEXT); CREATE TABLE a (x TEXT)"};
  EXPECT_TRUE(database->Migrate("m", {{first}}).ok());
  EXPECT_TRUE(database->Migrate("m", {{first}}).ok());
  const absl::Status failed = database->Migrate("m", {{first, broken}});
  EXPECT_THAT(failed.message(), HasSubstr("migration m/2 (b)"));
  // Nothing of the broken step is there.
  EXPECT_TRUE(database->Migrate("other", {{{1, "c", "CREATE TABLE c (x TEXT)"}}}).ok());
  EXPECT_TRUE(database->Migrate("m", {{first, second}}).ok());
  EXPECT_EQ(database->Migrate("m", {{first, broken}}).code(),
            absl::StatusCode::kFailedPrecondition);
  const absl::Status newer = database->Migrate("m", {{first}});
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(newer.message(), HasSubstr("at step 2, this program knows 1"));
  EXPECT_FALSE(database->Migrate("gap", {{second}}).ok());
}

TEST_F(StoreTest, MemoryIsADatabaseOfItsOwn) {
  std::unique_ptr<Database> one = *OpenSqlite({.path = ":memory:"});
  std::unique_ptr<Database> two = *OpenSqlite({.path = ":memory:"});
  EXPECT_TRUE(
      one->Migrate("m", {{{1, "items", "CREATE TABLE items (id BIGINT, text TEXT)"}}}).ok());
  EXPECT_TRUE(Insert(*one, 1).ok());
  EXPECT_EQ(Count(*one), 1);
  EXPECT_FALSE(Insert(*two, 1).ok());
}

}  // namespace
}  // namespace purser::store

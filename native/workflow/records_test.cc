#include "workflow/records.h"

#include "base/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "store/testing/shared_postgres.h"
#include "workflow/events.h"
#include "workflow/journal.h"

namespace purser::workflow {
namespace {

using store::Connection;
using testing::ElementsAre;
using testing::SizeIs;

absl::Time At(int64_t micros) { return absl::FromUnixMicros(micros); }

std::vector<StepRecord> Steps() {
  std::vector<StepRecord> steps(3);
  for (size_t i = 0; i < steps.size(); ++i) {
    steps[i].id = std::string(1, static_cast<char>('a' + i));
    steps[i].index = static_cast<int64_t>(i);
  }
  return steps;
}

void ExpectEqual(const std::vector<StepRecord>& steps, const std::string& text) {
  const absl::StatusOr<std::vector<StepRecord>> read = DecodeSteps(text);
  ASSERT_TRUE(read.ok()) << read.status() << text;
  ASSERT_EQ(read->size(), steps.size());
  for (size_t i = 0; i < steps.size(); ++i) {
    const StepRecord& one = steps[i];
    const StepRecord& other = (*read)[i];
    EXPECT_EQ(one.id, other.id);
    EXPECT_EQ(one.state, other.state);
    EXPECT_EQ(one.fence, other.fence);
    EXPECT_EQ(one.due, other.due);
    EXPECT_EQ(one.ended_at, other.ended_at);
    EXPECT_EQ(one.message, other.message);
    EXPECT_EQ(one.pending, other.pending);
    EXPECT_EQ(one.output_at == 0 ? one.outputs : "", other.outputs);
  }
}

TEST(StepsEncoder, WritesWhatChangedSinceTheLastTime) {
  std::vector<StepRecord> steps = Steps();
  StepsEncoder encoder;
  ExpectEqual(steps, encoder.Encode(steps));
  steps[1].fence = 7;
  steps[1].state = StepState::kRunning;
  ExpectEqual(steps, encoder.Encode(steps));
  // Texts come and go while the numbers stay.
  steps[1].message = "wait\n";
  ExpectEqual(steps, encoder.Encode(steps));
  steps[1].pending = R"({"a":"\"b\""})";
  steps[2].outputs = "{}";
  ExpectEqual(steps, encoder.Encode(steps));
  steps[1].message.clear();
  steps[1].pending.clear();
  steps[2].output_at = 12;
  steps[0].due = At(5);
  steps[0].ended_at = At(9);
  ExpectEqual(steps, encoder.Encode(steps));
  steps.pop_back();
  ExpectEqual(steps, encoder.Encode(steps));
}

// What a program before wrote is read by this one.
class OlderStoreTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "sqlite") {
      database_ = *store::OpenSqlite({":memory:"});
      return;
    }
    store::PostgresServer* const server = store::SharedPostgres();
    if (server == nullptr) GTEST_SKIP() << "no PostgreSQL on this machine";
    absl::StatusOr<std::string> url = server->NewDatabase();
    ASSERT_TRUE(url.ok()) << url.status();
    database_ = *store::OpenPostgres({.url = *url});
  }

  std::unique_ptr<store::Database> database_;
};

TEST_P(OlderStoreTest, RowsByNameBecomeRowsByNumber) {
  const std::vector<store::Migration>& all = WorkflowMigrations();
  ASSERT_TRUE(database_->Migrate("workflow", absl::MakeConstSpan(all).first(4)).ok());
  // One run waits in the queue, one is held by an engine, and of one only the trail is left.
  const absl::Status filled = database_->Transact([](Connection& connection) -> absl::Status {
    std::string hash;
    int64_t sequence = 0;
    for (const char* run : {"gone", "queued", "leased", "queued"}) {
      EventRow row;
      row.sequence = sequence += 2;
      row.count = 2;
      row.run_id = run;
      if (row.run_id != "gone") row.events = R"([["","a",""],["","b",""]])";
      hash = ChainHash(hash, row, 1);
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          "INSERT INTO workflow_event (sequence, count, run_id, at, events, outputs, hash) "
          "VALUES ($1, $2, $3, 1, $4, '', $5)",
          {row.sequence, row.count, row.run_id, row.events, store::Blob{hash}}));
    }
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "UPDATE workflow_head SET sequence = $1, hash = $2, at = 1 WHERE id = 1",
        {sequence, store::Blob{hash}}));
    for (const char* run : {"queued", "leased"}) {
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          "INSERT INTO workflow_run (id, subject, definition_hash, input, created_at) "
          "VALUES ($1, $1, 'h', '{}', 1)",
          {std::string(run)}));
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          "INSERT INTO workflow_state (run_id, version, state, goal, message, outputs, retries, "
          "sequence, updated_at, steps) VALUES ($1, 3, 'running', 'finish', 'm', '{}', 0, 8, 1, "
          "'[[\"a\"]]')",
          {std::string(run)}));
    }
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "INSERT INTO workflow_queue (run_id, due) VALUES ('queued', 77)", {}));
    return connection.ExecuteLater(
        "INSERT INTO workflow_lease (run_id, boot, attention) VALUES ('leased', 'boot_1', 1)", {});
  });
  ASSERT_TRUE(filled.ok()) << filled;

  const absl::Status migrated = MigrateWorkflow(*database_);
  ASSERT_TRUE(migrated.ok()) << migrated;
  const absl::Status read = database_->Read([](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const workflow::Run queued, LoadWholeRun(connection, "queued"));
    EXPECT_EQ(queued.record.number, 4);
    EXPECT_EQ(queued.record.version, 3);
    EXPECT_EQ(queued.record.message, "m");
    EXPECT_EQ(queued.record.queued, At(77));
    EXPECT_THAT(queued.steps, SizeIs(1));
    PURSER_ASSIGN_OR_RETURN(const std::vector<workflow::Run> runs, LoadRuns(connection, {6, 5, 4}));
    EXPECT_THAT(runs, SizeIs(2));
    EXPECT_EQ(runs[0].record.id, "leased");
    EXPECT_EQ(runs[0].record.queued, absl::InfiniteFuture());
    PURSER_ASSIGN_OR_RETURN(const store::Rows queue,
                            connection.Query("SELECT due, run FROM workflow_queue", {}));
    EXPECT_EQ(queue.size(), 1u);
    EXPECT_EQ(queue[0].Int(0), 77);
    EXPECT_EQ(queue[0].Int(1), 4);
    PURSER_ASSIGN_OR_RETURN(
        const store::Rows lease,
        connection.Query("SELECT run, boot, attention, version, message, steps FROM "
                         "workflow_lease",
                         {}));
    EXPECT_EQ(lease.size(), 1u);
    EXPECT_EQ(lease[0].Int(0), 6);
    EXPECT_EQ(lease[0].Text(1), "boot_1");
    EXPECT_EQ(lease[0].Int(2), 1);
    EXPECT_EQ(lease[0].Int(3), 3);
    EXPECT_EQ(lease[0].Text(4), "m");
    EXPECT_EQ(lease[0].Text(5), R"([["a"]])");
    EXPECT_EQ(runs[0].record.holder, "boot_1");
    std::vector<int64_t> sequences;
    PURSER_RETURN_IF_ERROR(ReadEvents(connection, "queued", 3, 10, [&](const Event& event) {
      sequences.push_back(event.sequence);
      return absl::OkStatus();
    }));
    EXPECT_THAT(sequences, ElementsAre(4, 7, 8));
    int64_t forgotten = 0;
    PURSER_RETURN_IF_ERROR(VerifyEvents(connection, &forgotten));
    EXPECT_EQ(forgotten, 1);
    return absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
}

INSTANTIATE_TEST_SUITE_P(Stores, OlderStoreTest, testing::Values("sqlite", "postgres"),
                         [](const auto& tested) { return std::string(tested.param); });

}  // namespace
}  // namespace purser::workflow

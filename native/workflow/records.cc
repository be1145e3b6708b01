#include "workflow/records.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"
#include "store/placeholders.h"

namespace purser::workflow {
namespace {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

constexpr std::array<absl::string_view, 7> kRunStates = {
    "held", "running", "waiting", "succeeded", "failed", "cancelled", "needs-operator"};
constexpr std::array<absl::string_view, 3> kGoals = {"finish", "fail", "cancel"};
constexpr std::array<absl::string_view, 15> kStepStates = {
    "pending",   "due",           "running",        "retrying",    "observing",
    "succeeded", "failed",        "skipped",        "unknown",     "undo-due",
    "undoing",   "undo-retrying", "undo-observing", "compensated", "undo-failed"};

template <typename Enum, size_t kSize>
absl::StatusOr<Enum> Parse(const std::array<absl::string_view, kSize>& names,
                           absl::string_view text, absl::string_view what) {
  for (size_t i = 0; i < kSize; ++i) {
    if (names[i] == text) return static_cast<Enum>(i);
  }
  return absl::DataLossError(absl::StrCat("workflow: unknown ", what, " '", text,
                                          "' in the store; is it of a newer program?"));
}

}  // namespace

const std::vector<store::Migration>& WorkflowMigrations() {
  static const auto& steps = *new std::vector<store::Migration>{
      {1, "runs, their states, queue, leases, events",
       "CREATE TABLE workflow_head ("
       "  id INTEGER PRIMARY KEY, sequence BIGINT NOT NULL, hash BLOB NOT NULL,"
       "  at BIGINT NOT NULL);"
       "CREATE TABLE workflow_definition (hash TEXT PRIMARY KEY, body TEXT NOT NULL);"
       // What a run carries and never changes, apart from what changes with every step.
       "CREATE TABLE workflow_run ("
       "  id TEXT PRIMARY KEY, subject TEXT NOT NULL, definition_hash TEXT NOT NULL,"
       "  input TEXT NOT NULL, created_at BIGINT NOT NULL);"
       "CREATE UNIQUE INDEX workflow_run_subject ON workflow_run (subject);"
       "CREATE TABLE workflow_state ("
       "  run_id TEXT PRIMARY KEY, version BIGINT NOT NULL, state TEXT NOT NULL,"
       "  goal TEXT NOT NULL, message TEXT NOT NULL, outputs TEXT NOT NULL,"
       "  retries BIGINT NOT NULL, sequence BIGINT NOT NULL, updated_at BIGINT NOT NULL,"
       "  steps TEXT NOT NULL);"
       // Narrow, and apart from what runs carry: claiming stays quick beside a million waiting
       // runs.
       "CREATE TABLE workflow_queue (run_id TEXT PRIMARY KEY, due BIGINT NOT NULL) WITHOUT ROWID;"
       "CREATE INDEX workflow_queue_due ON workflow_queue (due, run_id);"
       "CREATE TABLE workflow_lease ("
       "  run_id TEXT PRIMARY KEY, boot TEXT NOT NULL, attention BIGINT NOT NULL) WITHOUT ROWID;"
       "CREATE TABLE workflow_engine (boot TEXT PRIMARY KEY, beats BIGINT NOT NULL);"
       "CREATE TABLE workflow_event ("
       "  sequence INTEGER PRIMARY KEY, count BIGINT NOT NULL, run_id TEXT NOT NULL,"
       "  at BIGINT NOT NULL, events TEXT NOT NULL, outputs TEXT NOT NULL, hash BLOB NOT NULL);"
       "CREATE INDEX workflow_event_run ON workflow_event (run_id, sequence)"},
      {2, "the first head",
       "INSERT INTO workflow_head (id, sequence, hash, at) VALUES (1, 0, '', 0)"},
      {3, "the time that engines agree on",
       "ALTER TABLE workflow_engine ADD COLUMN at BIGINT NOT NULL DEFAULT 0"},
      // Each row is written again with every step: with room on its page, that touches no index.
      {4, "room for updates in place",
       "/* postgres: ALTER TABLE workflow_state SET (fillfactor = 50) */"},
      // A run's rows lie by a small number, not by its name: one descent finds each, what is due
      // stands in one place of the queue, and no index is written beside.
      {5, "rows of a run by its number, that of its first event",
       "ALTER TABLE workflow_run RENAME TO workflow_run_before;"
       "CREATE TABLE workflow_run ("
       "  number INTEGER PRIMARY KEY, id TEXT NOT NULL, subject TEXT NOT NULL,"
       "  definition_hash TEXT NOT NULL, input TEXT NOT NULL, created_at BIGINT NOT NULL);"
       "INSERT INTO workflow_run (number, id, subject, definition_hash, input, created_at)"
       "  SELECT (SELECT MIN(e.sequence) FROM workflow_event e WHERE e.run_id = b.id), b.id,"
       "  b.subject, b.definition_hash, b.input, b.created_at FROM workflow_run_before b;"
       "DROP TABLE workflow_run_before;"
       "CREATE UNIQUE INDEX workflow_run_id ON workflow_run (id);"
       "CREATE UNIQUE INDEX workflow_run_subject ON workflow_run (subject);"
       "ALTER TABLE workflow_state RENAME TO workflow_state_before;"
       "CREATE TABLE workflow_state ("
       "  run INTEGER PRIMARY KEY, version BIGINT NOT NULL, state TEXT NOT NULL,"
       "  goal TEXT NOT NULL, message TEXT NOT NULL, outputs TEXT NOT NULL,"
       "  retries BIGINT NOT NULL, sequence BIGINT NOT NULL, updated_at BIGINT NOT NULL,"
       "  due BIGINT, steps TEXT NOT NULL);"
       "INSERT INTO workflow_state (run, version, state, goal, message, outputs, retries,"
       "  sequence, updated_at, due, steps) SELECT r.number, b.version, b.state, b.goal,"
       "  b.message, b.outputs, b.retries, b.sequence, b.updated_at, q.due, b.steps"
       "  FROM workflow_state_before b JOIN workflow_run r ON r.id = b.run_id"
       "  LEFT JOIN workflow_queue q ON q.run_id = b.run_id;"
       "DROP TABLE workflow_state_before;"
       "/* postgres: ALTER TABLE workflow_state SET (fillfactor = 50); */"
       "DROP TABLE workflow_queue;"
       "CREATE TABLE workflow_queue ("
       "  due BIGINT NOT NULL, run BIGINT NOT NULL, PRIMARY KEY (due, run)) WITHOUT ROWID;"
       "INSERT INTO workflow_queue (due, run)"
       "  SELECT due, run FROM workflow_state WHERE due IS NOT NULL;"
       "ALTER TABLE workflow_lease RENAME TO workflow_lease_before;"
       "CREATE TABLE workflow_lease ("
       "  run INTEGER PRIMARY KEY, boot TEXT NOT NULL, attention BIGINT NOT NULL);"
       "INSERT INTO workflow_lease (run, boot, attention) SELECT r.number, b.boot, b.attention"
       "  FROM workflow_lease_before b JOIN workflow_run r ON r.id = b.run_id;"
       "DROP TABLE workflow_lease_before;"
       "ALTER TABLE workflow_event ADD COLUMN run BIGINT NOT NULL DEFAULT 0;"
       "UPDATE workflow_event SET run = (SELECT MIN(m.sequence) FROM workflow_event m"
       "  WHERE m.run_id = workflow_event.run_id);"
       "DROP INDEX workflow_event_run;"
       "CREATE INDEX workflow_event_run ON workflow_event (run, sequence)"},
      // A run that is claimed is one of a million, and its row far from those of the others: what
      // changes while it is held lies beside its lease, together with that of all others held.
      {6, "what is held changes in its lease",
       "ALTER TABLE workflow_lease RENAME TO workflow_lease_before;"
       "CREATE TABLE workflow_lease ("
       "  run INTEGER PRIMARY KEY, boot TEXT NOT NULL, attention BIGINT NOT NULL,"
       "  version BIGINT NOT NULL, state TEXT NOT NULL, goal TEXT NOT NULL, message TEXT NOT NULL,"
       "  outputs TEXT NOT NULL, retries BIGINT NOT NULL, sequence BIGINT NOT NULL,"
       "  updated_at BIGINT NOT NULL, steps TEXT NOT NULL);"
       "/* postgres: ALTER TABLE workflow_lease SET (fillfactor = 50); */"
       "INSERT INTO workflow_lease (run, boot, attention, version, state, goal, message, outputs,"
       "  retries, sequence, updated_at, steps) SELECT b.run, b.boot, b.attention, s.version,"
       "  s.state, s.goal, s.message, s.outputs, s.retries, s.sequence, s.updated_at, s.steps"
       "  FROM workflow_lease_before b JOIN workflow_state s ON s.run = b.run;"
       "DROP TABLE workflow_lease_before;"
       "CREATE VIEW workflow_current AS SELECT s.run AS run, l.boot AS boot,"
       "  s.version AS stored_version, COALESCE(l.version, s.version) AS version,"
       "  COALESCE(l.state, s.state) AS state, COALESCE(l.goal, s.goal) AS goal,"
       "  COALESCE(l.message, s.message) AS message, COALESCE(l.outputs, s.outputs) AS outputs,"
       "  COALESCE(l.retries, s.retries) AS retries, COALESCE(l.sequence, s.sequence) AS sequence,"
       "  COALESCE(l.updated_at, s.updated_at) AS updated_at,"
       "  CASE WHEN l.run IS NULL THEN s.due END AS due, COALESCE(l.steps, s.steps) AS steps"
       "  FROM workflow_state s LEFT JOIN workflow_lease l ON l.run = s.run"},
      // Runs that change together have begun at any time: an index of events by run would be
      // written in as many places. A run knows its last event, and each leads to the one before.
      {7, "events of a run lead from each to the one before",
       "ALTER TABLE workflow_event ADD COLUMN previous BIGINT NOT NULL DEFAULT 0;"
       "UPDATE workflow_event SET previous = COALESCE((SELECT MAX(p.sequence)"
       "  FROM workflow_event p WHERE p.run = workflow_event.run"
       "  AND p.sequence < workflow_event.sequence), 0);"
       "DROP INDEX workflow_event_run"},
      // Leases come and go all the time, and between two of the server's cleanings what is gone
      // lies between what is there: who asks every second must not read all of it.
      {8, "what asks for attention is found by an index",
       "/* postgres: CREATE INDEX workflow_lease_attention ON workflow_lease (boot)"
       " WHERE attention = 1 */"},
  };
  return steps;
}

namespace {

// Rows of one query that names several keys.
constexpr size_t kMaxKeysOfQuery = 32;

std::string Text(absl::string_view text) { return std::string(text); }

}  // namespace

absl::string_view ToString(RunState state) { return kRunStates[static_cast<size_t>(state)]; }

absl::StatusOr<RunState> ParseRunState(absl::string_view text) {
  return Parse<RunState>(kRunStates, text, "run state");
}

absl::string_view ToString(StepState state) { return kStepStates[static_cast<size_t>(state)]; }

Value ToStored(absl::Time time) {
  if (time == absl::InfiniteFuture()) return std::monostate();
  return absl::ToUnixMicros(time);
}

std::string CleanMessage(absl::string_view text) {
  if (!base::IsValidUtf8(text) || absl::StrContains(text, '\0')) {
    return base::EscapeForDisplay(text, kMaxMessageBytes);
  }
  if (text.size() <= kMaxMessageBytes) return std::string(text);
  size_t end = kMaxMessageBytes - 3;
  // Not in the middle of a character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return absl::StrCat(text.substr(0, end), "…");
}

absl::Status MigrateWorkflow(store::Database& database) {
  return database.Migrate("workflow", WorkflowMigrations());
}

absl::string_view ToString(Goal goal) { return kGoals[static_cast<size_t>(goal)]; }

namespace {

constexpr char kRunColumns[] =
    "r.id, r.subject, r.definition_hash, s.state, s.goal, s.message, r.input, s.outputs, "
    "s.retries, s.sequence, r.created_at, s.updated_at, s.version, s.steps, r.number, s.due, "
    "s.boot, s.stored_version FROM workflow_run r JOIN workflow_current s ON s.run = r.number";

absl::StatusOr<RunRecord> ToRunRecord(const Row& row) {
  RunRecord run;
  run.id = row.Text(0);
  run.subject = row.Text(1);
  run.definition_hash = row.Text(2);
  PURSER_ASSIGN_OR_RETURN(run.state, ParseRunState(row.Text(3)));
  PURSER_ASSIGN_OR_RETURN(run.goal, Parse<Goal>(kGoals, row.Text(4), "goal"));
  run.message = row.Text(5);
  run.input = row.Text(6);
  run.outputs = row.Text(7);
  run.retries = row.Int(8);
  run.sequence = row.Int(9);
  run.created_at = absl::FromUnixMicros(row.Int(10));
  run.updated_at = absl::FromUnixMicros(row.Int(11));
  run.version = row.Int(12);
  run.number = row.Int(14);
  if (!row.IsNull(15)) run.queued = absl::FromUnixMicros(row.Int(15));
  run.holder = row.Text(16);
  run.stored_version = row.Int(17);
  return run;
}

// Fetches the outputs that events carry, of the steps of several runs.
absl::Status LoadOutputs(Connection& connection, std::vector<StepRecord*> wanted) {
  for (size_t begin = 0; begin < wanted.size(); begin += kMaxKeysOfQuery) {
    const size_t end = std::min(wanted.size(), begin + kMaxKeysOfQuery);
    std::vector<Value> keys;
    for (size_t i = begin; i < end; ++i) keys.emplace_back(wanted[i]->output_at);
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows,
        connection.Query(absl::StrCat("SELECT sequence, outputs FROM workflow_event "
                                      "WHERE sequence IN (",
                                      store::Placeholders(1, keys.size()), ")"),
                         keys));
    for (const Row& row : rows) {
      for (size_t i = begin; i < end; ++i) {
        if (wanted[i]->output_at == row.Int(0)) wanted[i]->outputs = row.Text(1);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status NoRun(absl::string_view run_id) {
  return absl::NotFoundError(absl::StrCat("run ", run_id, " does not exist"));
}

}  // namespace

absl::StatusOr<RunRecord> LoadRun(Connection& connection, absl::string_view run_id) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(absl::StrCat("SELECT ", kRunColumns, " WHERE r.id = $1"), {Text(run_id)}));
  if (rows.empty()) return NoRun(run_id);
  return ToRunRecord(rows[0]);
}

absl::StatusOr<std::vector<StepRecord>> LoadSteps(Connection& connection,
                                                  absl::string_view run_id) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT s.steps FROM workflow_run r "
                       "JOIN workflow_current s ON s.run = r.number WHERE r.id = $1",
                       {Text(run_id)}));
  if (rows.empty()) return NoRun(run_id);
  PURSER_ASSIGN_OR_RETURN(std::vector<StepRecord> steps, DecodeSteps(rows[0].Text(0)));
  std::vector<StepRecord*> wanted;
  for (StepRecord& step : steps) {
    if (step.output_at != 0) wanted.push_back(&step);
  }
  PURSER_RETURN_IF_ERROR(LoadOutputs(connection, std::move(wanted)));
  return steps;
}

namespace {

absl::StatusOr<Run> ToRun(const Row& row) {
  Run run;
  PURSER_ASSIGN_OR_RETURN(run.record, ToRunRecord(row));
  PURSER_ASSIGN_OR_RETURN(run.steps, DecodeSteps(row.Text(13)));
  run.outputs.resize(run.steps.size());
  run.input = nlohmann::json::parse(run.record.input, nullptr, /*allow_exceptions=*/false);
  if (run.input.is_discarded()) run.input = nlohmann::json::object();
  return run;
}

absl::Status LoadOutputsOf(Connection& connection, absl::Span<Run> runs) {
  std::vector<StepRecord*> wanted;
  for (Run& run : runs) {
    for (StepRecord& step : run.steps) {
      if (step.output_at != 0) wanted.push_back(&step);
    }
  }
  return LoadOutputs(connection, std::move(wanted));
}

}  // namespace

absl::StatusOr<Run> LoadWholeRun(Connection& connection, absl::string_view run_id) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query(absl::StrCat("SELECT ", kRunColumns, " WHERE r.id = $1"), {Text(run_id)}));
  if (rows.empty()) return NoRun(run_id);
  PURSER_ASSIGN_OR_RETURN(Run run, ToRun(rows[0]));
  PURSER_RETURN_IF_ERROR(LoadOutputsOf(connection, absl::MakeSpan(&run, 1)));
  return run;
}

absl::StatusOr<std::vector<Run>> LoadRuns(Connection& connection,
                                          absl::Span<const int64_t> numbers) {
  absl::flat_hash_map<int64_t, size_t> places;
  for (size_t i = 0; i < numbers.size(); ++i) places[numbers[i]] = i;
  std::vector<std::optional<Run>> found(numbers.size());
  for (size_t begin = 0; begin < numbers.size(); begin += kMaxKeysOfQuery) {
    const absl::Span<const int64_t> part = numbers.subspan(begin, kMaxKeysOfQuery);
    const std::vector<Value> keys(part.begin(), part.end());
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows,
        connection.Query(absl::StrCat("SELECT ", kRunColumns, " WHERE r.number IN (",
                                      store::Placeholders(1, keys.size()), ")"),
                         keys));
    for (const Row& row : rows) {
      PURSER_ASSIGN_OR_RETURN(found[places[row.Int(14)]], ToRun(row));
    }
  }
  std::vector<Run> runs;
  runs.reserve(found.size());
  for (std::optional<Run>& run : found) {
    if (run.has_value()) runs.push_back(*std::move(run));
  }
  PURSER_RETURN_IF_ERROR(LoadOutputsOf(connection, absl::MakeSpan(runs)));
  return runs;
}

}  // namespace purser::workflow

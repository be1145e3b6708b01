#include "workflow/records.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "base/strings.h"

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

const std::vector<store::Migration>& Migrations() {
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
  };
  return steps;
}

// Rows of one query that names several keys.
constexpr size_t kMaxKeysOfQuery = 32;

std::string Places(size_t count) {
  std::string places;
  for (size_t i = 1; i <= count; ++i) absl::StrAppend(&places, i == 1 ? "$" : ", $", i);
  return places;
}

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
  return database.Migrate("workflow", Migrations());
}

absl::string_view ToString(Goal goal) { return kGoals[static_cast<size_t>(goal)]; }

namespace {

constexpr char kRunColumns[] =
    "r.id, r.subject, r.definition_hash, s.state, s.goal, s.message, r.input, s.outputs, "
    "s.retries, s.sequence, r.created_at, s.updated_at, s.version, s.steps "
    "FROM workflow_run r JOIN workflow_state s ON s.run_id = r.id";

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
                                      Places(keys.size()), ")"),
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
      connection.Query("SELECT steps FROM workflow_state WHERE run_id = $1", {Text(run_id)}));
  if (rows.empty()) return NoRun(run_id);
  PURSER_ASSIGN_OR_RETURN(std::vector<StepRecord> steps, DecodeSteps(rows[0].Text(0)));
  std::vector<StepRecord*> wanted;
  for (StepRecord& step : steps) {
    if (step.output_at != 0) wanted.push_back(&step);
  }
  PURSER_RETURN_IF_ERROR(LoadOutputs(connection, std::move(wanted)));
  return steps;
}

absl::StatusOr<std::vector<Run>> LoadRuns(Connection& connection,
                                          const std::vector<std::string>& run_ids) {
  std::vector<Run> found;
  for (size_t begin = 0; begin < run_ids.size(); begin += kMaxKeysOfQuery) {
    const size_t end = std::min(run_ids.size(), begin + kMaxKeysOfQuery);
    const std::vector<Value> keys(run_ids.begin() + begin, run_ids.begin() + end);
    PURSER_ASSIGN_OR_RETURN(
        const Rows rows, connection.Query(absl::StrCat("SELECT ", kRunColumns, " WHERE r.id IN (",
                                                       Places(keys.size()), ")"),
                                          keys));
    for (const Row& row : rows) {
      Run run;
      PURSER_ASSIGN_OR_RETURN(run.record, ToRunRecord(row));
      PURSER_ASSIGN_OR_RETURN(run.steps, DecodeSteps(row.Text(13)));
      run.outputs.resize(run.steps.size());
      run.input = nlohmann::json::parse(run.record.input, nullptr, /*allow_exceptions=*/false);
      if (run.input.is_discarded()) run.input = nlohmann::json::object();
      found.push_back(std::move(run));
    }
  }
  std::vector<StepRecord*> wanted;
  for (Run& run : found) {
    for (StepRecord& step : run.steps) {
      if (step.output_at != 0) wanted.push_back(&step);
    }
  }
  PURSER_RETURN_IF_ERROR(LoadOutputs(connection, std::move(wanted)));
  std::vector<Run> ordered;
  ordered.reserve(found.size());
  for (const std::string& id : run_ids) {
    for (Run& run : found) {
      if (run.record.id == id) {
        ordered.push_back(std::move(run));
        break;
      }
    }
  }
  return ordered;
}

}  // namespace purser::workflow

#include "workflow/records.h"

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
      {1, "runs, steps, queue, leases, events",
       "CREATE TABLE workflow_head ("
       "  id BIGINT PRIMARY KEY, sequence BIGINT NOT NULL, hash TEXT NOT NULL, at BIGINT NOT NULL);"
       "INSERT INTO workflow_head (id, sequence, hash, at) VALUES (1, 0, '', 0);"
       "CREATE TABLE workflow_definition (hash TEXT PRIMARY KEY, body TEXT NOT NULL);"
       "CREATE TABLE workflow_run ("
       "  id TEXT PRIMARY KEY, subject TEXT NOT NULL, definition_hash TEXT NOT NULL,"
       "  state TEXT NOT NULL, goal TEXT NOT NULL, message TEXT NOT NULL, input TEXT NOT NULL,"
       "  outputs TEXT NOT NULL, retries BIGINT NOT NULL, sequence BIGINT NOT NULL,"
       "  created_at BIGINT NOT NULL, updated_at BIGINT NOT NULL);"
       "CREATE UNIQUE INDEX workflow_run_subject ON workflow_run (subject);"
       "CREATE TABLE workflow_step ("
       "  run_id TEXT NOT NULL, id TEXT NOT NULL, position BIGINT NOT NULL, state TEXT NOT NULL,"
       "  attempts BIGINT NOT NULL, failures BIGINT NOT NULL, recoveries BIGINT NOT NULL,"
       "  incarnation BIGINT NOT NULL, fence BIGINT NOT NULL, outcome_unknown BIGINT NOT NULL,"
       "  effect BIGINT NOT NULL, outputs TEXT NOT NULL, pending TEXT NOT NULL,"
       "  message TEXT NOT NULL, done_order BIGINT NOT NULL, deadline BIGINT,"
       "  started_at BIGINT, ended_at BIGINT, PRIMARY KEY (run_id, id));"
       // Narrow, and apart from what runs carry: claiming stays quick beside a million waiting
       // runs.
       "CREATE TABLE workflow_queue ("
       "  run_id TEXT NOT NULL, step_id TEXT NOT NULL, kind BIGINT NOT NULL, due BIGINT NOT NULL,"
       "  PRIMARY KEY (run_id, step_id));"
       "CREATE INDEX workflow_queue_due ON workflow_queue (due, run_id, step_id);"
       "CREATE TABLE workflow_lease ("
       "  run_id TEXT NOT NULL, step_id TEXT NOT NULL, kind BIGINT NOT NULL, fence BIGINT NOT NULL,"
       "  boot TEXT NOT NULL, expires BIGINT NOT NULL, PRIMARY KEY (run_id, step_id));"
       "CREATE TABLE workflow_event ("
       "  sequence BIGINT PRIMARY KEY, run_id TEXT NOT NULL, subject TEXT NOT NULL,"
       "  step_id TEXT NOT NULL, type TEXT NOT NULL, message TEXT NOT NULL, data TEXT NOT NULL,"
       "  at BIGINT NOT NULL, hash TEXT NOT NULL);"
       "CREATE INDEX workflow_event_subject ON workflow_event (subject, sequence)"},
  };
  return steps;
}

std::optional<absl::Time> StoredTime(const Row& row, size_t column) {
  if (row.IsNull(column)) return std::nullopt;
  return absl::FromUnixMicros(row.Int(column));
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

Value ToStored(const std::optional<absl::Time>& time) {
  if (!time.has_value()) return std::monostate();
  return ToStored(*time);
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

absl::StatusOr<RunRecord> LoadRun(Connection& connection, absl::string_view run_id) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT id, subject, definition_hash, state, goal, message, input, outputs, "
                       "retries, sequence, created_at, updated_at FROM workflow_run WHERE id = $1",
                       {Text(run_id)}));
  if (rows.empty()) return absl::NotFoundError(absl::StrCat("run ", run_id, " does not exist"));
  const Row& row = rows[0];
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
  return run;
}

absl::StatusOr<std::vector<StepRecord>> LoadSteps(Connection& connection,
                                                  absl::string_view run_id) {
  std::vector<StepRecord> steps;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT id, position, state, attempts, failures, recoveries, incarnation, fence, "
      "outcome_unknown, effect, outputs, pending, message, done_order, deadline, started_at, "
      "ended_at FROM workflow_step WHERE run_id = $1 ORDER BY position",
      {Text(run_id)}, [&](const Row& row) -> absl::Status {
        StepRecord step;
        step.id = row.Text(0);
        step.index = row.Int(1);
        PURSER_ASSIGN_OR_RETURN(step.state,
                                Parse<StepState>(kStepStates, row.Text(2), "step state"));
        step.attempts = row.Int(3);
        step.failures = row.Int(4);
        step.recoveries = row.Int(5);
        step.incarnation = row.Int(6);
        step.fence = row.Int(7);
        step.unknown = row.Int(8) != 0;
        step.effect = row.Int(9) != 0;
        step.outputs = row.Text(10);
        step.pending = row.Text(11);
        step.message = row.Text(12);
        step.done_order = row.Int(13);
        step.deadline = StoredTime(row, 14).value_or(absl::InfiniteFuture());
        step.started_at = StoredTime(row, 15);
        step.ended_at = StoredTime(row, 16);
        steps.push_back(std::move(step));
        return absl::OkStatus();
      }));
  return steps;
}

absl::Status InsertRun(Connection& connection, const RunRecord& run) {
  return connection
      .Execute(
          "INSERT INTO workflow_run (id, subject, definition_hash, state, goal, message, input, "
          "outputs, retries, sequence, created_at, updated_at) "
          "VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12)",
          {run.id, run.subject, run.definition_hash, Text(ToString(run.state)),
           Text(kGoals[static_cast<size_t>(run.goal)]), CleanMessage(run.message), run.input,
           run.outputs, run.retries, run.sequence, ToStored(run.created_at),
           ToStored(run.updated_at)})
      .status();
}

absl::Status UpdateRun(Connection& connection, const RunRecord& run) {
  return connection
      .Execute(
          "UPDATE workflow_run SET state = $1, goal = $2, message = $3, outputs = $4, "
          "retries = $5, sequence = $6, updated_at = $7 WHERE id = $8",
          {Text(ToString(run.state)), Text(kGoals[static_cast<size_t>(run.goal)]),
           CleanMessage(run.message), run.outputs, run.retries, run.sequence,
           ToStored(run.updated_at), run.id})
      .status();
}

absl::Status InsertStep(Connection& connection, absl::string_view run_id, const StepRecord& step) {
  return connection
      .Execute(
          "INSERT INTO workflow_step (run_id, id, position, state, attempts, failures, recoveries, "
          "incarnation, fence, outcome_unknown, effect, outputs, pending, message, done_order, "
          "deadline, started_at, ended_at) VALUES "
          "($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18)",
          {Text(run_id), step.id, step.index, Text(ToString(step.state)), step.attempts,
           step.failures, step.recoveries, step.incarnation, step.fence, int64_t{step.unknown},
           int64_t{step.effect}, step.outputs, step.pending, CleanMessage(step.message),
           step.done_order, ToStored(step.deadline), ToStored(step.started_at),
           ToStored(step.ended_at)})
      .status();
}

absl::Status UpdateStep(Connection& connection, absl::string_view run_id, const StepRecord& step) {
  return connection
      .Execute(
          "UPDATE workflow_step SET state = $1, attempts = $2, failures = $3, recoveries = $4, "
          "incarnation = $5, fence = $6, outcome_unknown = $7, effect = $8, outputs = $9, "
          "pending = $10, message = $11, done_order = $12, deadline = $13, started_at = $14, "
          "ended_at = $15 WHERE run_id = $16 AND id = $17",
          {Text(ToString(step.state)), step.attempts, step.failures, step.recoveries,
           step.incarnation, step.fence, int64_t{step.unknown}, int64_t{step.effect}, step.outputs,
           step.pending, CleanMessage(step.message), step.done_order, ToStored(step.deadline),
           ToStored(step.started_at), ToStored(step.ended_at), Text(run_id), step.id})
      .status();
}

}  // namespace purser::workflow

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
  };
  return steps;
}

// Rows of one query that names several keys.
constexpr size_t kMaxKeysOfQuery = 32;

constexpr int64_t kUnknownFlag = 1;
constexpr int64_t kEffectFlag = 2;
constexpr int64_t kCallingFlag = 4;
constexpr int64_t kNoTime = -1;

int64_t Micros(absl::Time time) {
  return time == absl::InfiniteFuture() ? kNoTime : absl::ToUnixMicros(time);
}
int64_t Micros(const std::optional<absl::Time>& time) {
  return time.has_value() ? absl::ToUnixMicros(*time) : kNoTime;
}
absl::Time FromMicros(int64_t micros) {
  return micros == kNoTime ? absl::InfiniteFuture() : absl::FromUnixMicros(micros);
}

void AppendJsonText(std::string* out, absl::string_view text) {
  out->push_back('"');
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out->push_back('\\');
      out->push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      static constexpr char kHex[] = "0123456789abcdef";
      out->append("\\u00");
      out->push_back(kHex[static_cast<unsigned char>(c) >> 4]);
      out->push_back(kHex[c & 15]);
    } else {
      out->push_back(c);
    }
  }
  out->push_back('"');
}

absl::Status DamagedSteps() {
  return absl::DataLossError(
      "workflow: the steps of a run cannot be read; is the store of a newer "
      "program, or damaged?");
}

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

std::string EncodeSteps(const std::vector<StepRecord>& steps) {
  std::string out;
  out.reserve(steps.size() * 96);
  out.push_back('[');
  for (const StepRecord& step : steps) {
    if (out.size() > 1) out.push_back(',');
    out.push_back('[');
    AppendJsonText(&out, step.id);
    const std::array<int64_t, 13> numbers = {static_cast<int64_t>(step.state),
                                             step.attempts,
                                             step.failures,
                                             step.recoveries,
                                             step.incarnation,
                                             step.fence,
                                             (step.unknown ? kUnknownFlag : 0) |
                                                 (step.effect ? kEffectFlag : 0) |
                                                 (step.calling ? kCallingFlag : 0),
                                             step.output_at,
                                             step.done_order,
                                             Micros(step.deadline),
                                             Micros(step.due),
                                             Micros(step.started_at),
                                             Micros(step.ended_at)};
    for (const int64_t number : numbers) absl::StrAppend(&out, ",", number);
    // Outputs that an event carries are not written again with every change.
    const absl::string_view outputs =
        step.output_at == 0 ? absl::string_view(step.outputs) : absl::string_view();
    // What connectors say may be any bytes.
    const std::string message = CleanMessage(step.message);
    const std::array<absl::string_view, 3> texts = {message, outputs, step.pending};
    size_t last = texts.size();
    while (last > 0 && texts[last - 1].empty()) --last;
    for (size_t i = 0; i < last; ++i) {
      out.push_back(',');
      AppendJsonText(&out, texts[i]);
    }
    out.push_back(']');
  }
  out.push_back(']');
  return out;
}

absl::StatusOr<std::vector<StepRecord>> DecodeSteps(absl::string_view text) {
  const nlohmann::json rows =
      nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!rows.is_array()) return DamagedSteps();
  std::vector<StepRecord> steps;
  steps.reserve(rows.size());
  for (const nlohmann::json& row : rows) {
    if (!row.is_array() || row.size() < 14 || row.size() > 17 || !row[0].is_string()) {
      return DamagedSteps();
    }
    for (size_t i = 1; i < row.size(); ++i) {
      if (i < 14 ? !row[i].is_number_integer() : !row[i].is_string()) return DamagedSteps();
    }
    StepRecord step;
    step.id = row[0].get_ref<const std::string&>();
    step.index = static_cast<int64_t>(steps.size());
    const int64_t state = row[1];
    if (state < 0 || state >= static_cast<int64_t>(kStepStates.size())) return DamagedSteps();
    step.state = static_cast<StepState>(state);
    step.attempts = row[2];
    step.failures = row[3];
    step.recoveries = row[4];
    step.incarnation = row[5];
    step.fence = row[6];
    const int64_t flags = row[7];
    step.unknown = (flags & kUnknownFlag) != 0;
    step.effect = (flags & kEffectFlag) != 0;
    step.calling = (flags & kCallingFlag) != 0;
    step.output_at = row[8];
    step.done_order = row[9];
    step.deadline = FromMicros(row[10]);
    step.due = FromMicros(row[11]);
    if (row[12] != kNoTime) step.started_at = FromMicros(row[12]);
    if (row[13] != kNoTime) step.ended_at = FromMicros(row[13]);
    if (row.size() > 14) step.message = row[14].get_ref<const std::string&>();
    if (row.size() > 15) step.outputs = row[15].get_ref<const std::string&>();
    if (row.size() > 16) step.pending = row[16].get_ref<const std::string&>();
    steps.push_back(std::move(step));
  }
  return steps;
}

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

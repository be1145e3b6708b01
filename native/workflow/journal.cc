#include "workflow/journal.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "json/writer.h"

namespace purser::workflow {
namespace {

using store::Blob;
using store::Connection;
using store::Rows;
using store::Value;

// One kind of statement over rows of values.
struct Shape {
  const char* head;                   // before the rows
  const char* tail;                   // behind them
  std::array<const char*, 12> types;  // of the columns; nullptr behind the last
  bool casts;                         // types do not follow from the place
  const char* single;                 // for one row, where a simpler statement does; or nullptr
  bool exact;                         // as many rows change as are given
  // The column that the first values name. A server that knows nothing yet of how large a table is
  // would read all of it to join it with a few rows; told the keys beside, it looks them up.
  const char* key = nullptr;

  constexpr size_t columns() const {
    size_t count = 0;
    while (count < types.size() && types[count] != nullptr) ++count;
    return count;
  }
};

constexpr size_t kUsualEventBytes = 192;

std::string Statement(const Shape& shape, size_t rows) {
  if (rows == 1 && shape.single != nullptr) return shape.single;
  std::string sql = shape.head;
  size_t place = 0;
  for (size_t row = 0; row < rows; ++row) {
    sql.append(row == 0 ? "VALUES (" : ", (");
    for (size_t column = 0; column < shape.columns(); ++column) {
      if (column > 0) sql.append(", ");
      if (shape.casts && row == 0) {
        absl::StrAppend(&sql, "CAST($", ++place, " AS ", shape.types[column], ")");
      } else {
        absl::StrAppend(&sql, "$", ++place);
      }
    }
    sql.push_back(')');
  }
  sql.append(shape.tail);
  if (shape.key == nullptr) return sql;
  absl::StrAppend(&sql, " AND ", shape.key, " IN (");
  for (size_t row = 0; row < rows; ++row) {
    absl::StrAppend(&sql, row == 0 ? "$" : ", $", row * shape.columns() + 1);
  }
  sql.push_back(')');
  return sql;
}

// Statements are made once for each number of rows that occurs.
const std::string& CachedStatement(const Shape& shape, size_t rows) {
  thread_local absl::flat_hash_map<std::pair<const Shape*, size_t>, std::unique_ptr<std::string>>
      cache;
  std::unique_ptr<std::string>& text = cache[{&shape, rows}];
  if (text == nullptr) text = std::make_unique<std::string>(Statement(shape, rows));
  return *text;
}

constexpr Shape kInsertRun = {
    "INSERT INTO workflow_run (number, id, subject, definition_hash, input, created_at) ",
    "",
    {"BIGINT", "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT"},
    false,
    nullptr,
    true};
constexpr Shape kInsertState = {
    "INSERT INTO workflow_state (run, version, state, goal, message, outputs, retries, sequence, "
    "updated_at, due, steps) ",
    "",
    {"BIGINT", "BIGINT", "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT", "BIGINT", "BIGINT",
     "TEXT"},
    false,
    nullptr,
    true};
constexpr Shape kUpdateState = {
    "WITH v (run, version, state, goal, message, outputs, retries, sequence, updated_at, due, "
    "steps, stored_version) AS (",
    ") UPDATE workflow_state SET version = v.version, state = v.state, goal = v.goal, "
    "message = v.message, outputs = v.outputs, retries = v.retries, sequence = v.sequence, "
    "updated_at = v.updated_at, due = v.due, steps = v.steps FROM v "
    "WHERE workflow_state.run = v.run AND workflow_state.version = v.stored_version",
    {"BIGINT", "BIGINT", "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT", "BIGINT", "BIGINT",
     "TEXT", "BIGINT"},
    true,
    "UPDATE workflow_state SET version = $2, state = $3, goal = $4, message = $5, outputs = $6, "
    "retries = $7, sequence = $8, updated_at = $9, due = $10, steps = $11 "
    "WHERE run = $1 AND version = $12",
    true,
    "workflow_state.run"};
constexpr Shape kEnqueue = {
    "INSERT INTO workflow_queue (due, run) ", "", {"BIGINT", "BIGINT"}, false, nullptr, true};
constexpr Shape kDequeue = {
    "WITH v (due, run) AS (",
    ") DELETE FROM workflow_queue WHERE (due, run) IN (SELECT due, run FROM v)",
    {"BIGINT", "BIGINT"},
    true,
    "DELETE FROM workflow_queue WHERE due = $1 AND run = $2",
    true,
    "workflow_queue.due"};
constexpr Shape kLease = {
    "INSERT INTO workflow_lease (run, version, state, goal, message, outputs, retries, sequence, "
    "updated_at, steps, boot, attention) ",
    "",
    {"BIGINT", "BIGINT", "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT", "BIGINT", "TEXT",
     "TEXT", "BIGINT"},
    false,
    nullptr,
    true};
constexpr Shape kUpdateLease = {
    "WITH v (run, version, state, goal, message, outputs, retries, sequence, updated_at, steps) "
    "AS (",
    ") UPDATE workflow_lease SET version = v.version, state = v.state, goal = v.goal, "
    "message = v.message, outputs = v.outputs, retries = v.retries, sequence = v.sequence, "
    "updated_at = v.updated_at, steps = v.steps FROM v "
    "WHERE workflow_lease.run = v.run AND workflow_lease.version = v.version - 1",
    {"BIGINT", "BIGINT", "TEXT", "TEXT", "TEXT", "TEXT", "BIGINT", "BIGINT", "BIGINT", "TEXT"},
    true,
    "UPDATE workflow_lease SET version = $2, state = $3, goal = $4, message = $5, outputs = $6, "
    "retries = $7, sequence = $8, updated_at = $9, steps = $10 "
    "WHERE run = $1 AND version = $2 - 1",
    true,
    "workflow_lease.run"};
constexpr Shape kRelease = {
    "WITH v (run, version) AS (",
    ") DELETE FROM workflow_lease WHERE (run, version) IN (SELECT run, version FROM v)",
    {"BIGINT", "BIGINT"},
    true,
    "DELETE FROM workflow_lease WHERE run = $1 AND version = $2",
    true,
    "workflow_lease.run"};
constexpr Shape kAttend = {
    "UPDATE workflow_lease SET attention = 1 WHERE run IN (", ")",  {"BIGINT"}, true,
    "UPDATE workflow_lease SET attention = 1 WHERE run = $1", false};
constexpr Shape kInsertEvent = {
    "INSERT INTO workflow_event (sequence, count, run, previous, run_id, at, events, outputs, "
    "hash) ",
    "",
    {"BIGINT", "BIGINT", "BIGINT", "BIGINT", "TEXT", "BIGINT", "TEXT", "TEXT", "BLOB"},
    false,
    nullptr,
    true};

absl::Status WriteRows(Connection& connection, const Shape& shape, std::vector<Value>& values,
                       size_t rows_per_statement) {
  const size_t columns = shape.columns();
  size_t left = values.size() / columns;
  const Value* at = values.data();
  while (left > 0) {
    // Powers of two, so that few different statements occur.
    size_t rows = rows_per_statement;
    while (rows > left) rows /= 2;
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        CachedStatement(shape, rows), absl::MakeConstSpan(at, rows * columns),
        shape.exact ? static_cast<int64_t>(rows) : store::kAnyRows));
    at += rows * columns;
    left -= rows;
  }
  values.clear();
  return absl::OkStatus();
}

}  // namespace

std::string ChainHash(absl::string_view previous, const EventRow& row, int64_t at_micros) {
  // Fields are length-prefixed, so that no two different rows hash the same bytes.
  thread_local base::Hasher hasher(base::HashKind::kSha256);
  const std::string head =
      absl::StrCat(previous.size(), ":", previous, row.sequence, ",", row.count, ",", at_micros,
                   ",", row.run_id.size(), ":", row.run_id, row.events.size(), ":");
  hasher.Update(head);
  hasher.Update(row.events);
  hasher.Update(absl::StrCat(row.outputs.size(), ":"));
  hasher.Update(row.outputs);
  return hasher.Finish();
}

absl::StatusOr<Journal> Journal::Open(Connection& connection, absl::Time now,
                                      absl::Duration others_ahead, size_t rows_per_statement) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT sequence, hash FROM workflow_head WHERE id = 1", {}));
  if (rows.empty()) return absl::DataLossError("workflow: the head of the event trail is missing");
  return Journal(connection, now, others_ahead, rows_per_statement, rows[0].Int(0),
                 rows[0].Text(1));
}

void Journal::BeginRow(int64_t run, absl::string_view run_id, int64_t previous) {
  row_ = EventRow();
  row_.run = run;
  row_.previous = previous;
  row_.run_id = std::string(run_id);
  row_.events.reserve(kUsualEventBytes);
  row_.events.push_back('[');
}

int64_t Journal::Append(absl::string_view step_id, absl::string_view type,
                        absl::string_view message, const nlohmann::json& data) {
  return AppendText(step_id, type, message,
                    data.is_null()
                        ? std::string()
                        : data.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

int64_t Journal::AppendText(absl::string_view step_id, absl::string_view type,
                            absl::string_view message, absl::string_view data) {
  ++row_.count;
  if (row_.count > 1) row_.events.push_back(',');
  absl::StrAppend(&row_.events, "[\"", step_id, "\",\"", type, "\",");
  if (message.empty()) {
    row_.events.append("\"\"");
  } else {
    json::AppendQuoted(CleanMessage(message), &row_.events);
  }
  if (!data.empty()) absl::StrAppend(&row_.events, ",", data);
  row_.events.push_back(']');
  return ++sequence_;
}

void Journal::SetOutputs(std::string outputs) { row_.outputs = std::move(outputs); }

int64_t Journal::EndRow() {
  if (row_.count == 0) return 0;
  row_.events.push_back(']');
  row_.sequence = sequence_;
  const int64_t at = absl::ToUnixMicros(now_);
  hash_ = ChainHash(hash_, row_, at);
  std::vector<Value>& values = events_.values;
  values.emplace_back(row_.sequence);
  values.emplace_back(row_.count);
  values.emplace_back(row_.run);
  values.emplace_back(row_.previous);
  values.emplace_back(std::move(row_.run_id));
  values.emplace_back(at);
  values.emplace_back(std::move(row_.events));
  values.emplace_back(std::move(row_.outputs));
  values.emplace_back(Blob{hash_});
  row_ = EventRow();
  return sequence_;
}

void Journal::InsertRun(const RunRecord& run) {
  std::vector<Value>& values = runs_.values;
  values.emplace_back(run.number);
  values.emplace_back(run.id);
  values.emplace_back(run.subject);
  values.emplace_back(run.definition_hash);
  values.emplace_back(run.input);
  values.emplace_back(absl::ToUnixMicros(run.created_at));
}

namespace {

// What changes of a run, but for its place in the queue and its steps.
void AddChanging(const RunRecord& record, std::vector<Value>& values) {
  values.emplace_back(record.number);
  values.emplace_back(record.version);
  values.emplace_back(std::string(ToString(record.state)));
  values.emplace_back(std::string(ToString(record.goal)));
  values.emplace_back(CleanMessage(record.message));
  values.emplace_back(record.outputs);
  values.emplace_back(record.retries);
  values.emplace_back(record.sequence);
  values.emplace_back(absl::ToUnixMicros(record.updated_at));
}

void AddState(Run& run, std::vector<Value>& values) {
  AddChanging(run.record, values);
  values.push_back(ToStored(run.record.queued));
  values.emplace_back(run.encoder.Encode(run.steps));
}

void AddHeld(Run& run, std::vector<Value>& values) {
  AddChanging(run.record, values);
  values.emplace_back(run.encoder.Encode(run.steps));
}

}  // namespace

void Journal::InsertState(Run& run) { AddState(run, new_states_.values); }

void Journal::UpdateState(Run& run) {
  AddState(run, states_.values);
  states_.values.emplace_back(run.record.stored_version);
}

void Journal::Lease(Run& run, absl::string_view boot) {
  AddHeld(run, leases_.values);
  leases_.values.emplace_back(std::string(boot));
  leases_.values.emplace_back(int64_t{0});
}

void Journal::UpdateLease(Run& run) { AddHeld(run, held_.values); }

void Journal::Release(const RunRecord& run) {
  releases_.values.emplace_back(run.number);
  releases_.values.emplace_back(run.version - 1);
}

void Journal::Enqueue(int64_t run, absl::Time due) {
  queue_.values.emplace_back(absl::ToUnixMicros(due));
  queue_.values.emplace_back(run);
}

void Journal::Dequeue(int64_t run, absl::Time due) {
  dequeue_.values.emplace_back(absl::ToUnixMicros(due));
  dequeue_.values.emplace_back(run);
}

void Journal::Attend(int64_t run) { attention_.values.emplace_back(run); }

bool Journal::empty() const {
  return runs_.values.empty() && states_.values.empty() && queue_.values.empty() &&
         dequeue_.values.empty() && leases_.values.empty() && held_.values.empty() &&
         releases_.values.empty() && events_.values.empty();
}

absl::Status Journal::Write() {
  const auto write = [this](const Shape& shape, Table& table) {
    return WriteRows(*connection_, shape, table.values, rows_per_statement_);
  };
  PURSER_RETURN_IF_ERROR(write(kInsertRun, runs_));
  PURSER_RETURN_IF_ERROR(write(kInsertState, new_states_));
  PURSER_RETURN_IF_ERROR(write(kUpdateState, states_));
  PURSER_RETURN_IF_ERROR(write(kUpdateLease, held_));
  // One that was claimed and has to wait again leaves the queue and enters it.
  PURSER_RETURN_IF_ERROR(write(kDequeue, dequeue_));
  PURSER_RETURN_IF_ERROR(write(kLease, leases_));
  PURSER_RETURN_IF_ERROR(write(kRelease, releases_));
  PURSER_RETURN_IF_ERROR(write(kEnqueue, queue_));
  PURSER_RETURN_IF_ERROR(write(kAttend, attention_));
  PURSER_RETURN_IF_ERROR(write(kInsertEvent, events_));
  if (sequence_ == first_sequence_) return absl::OkStatus();
  first_sequence_ = sequence_;
  return connection_->ExecuteLater(
      "UPDATE workflow_head SET sequence = $1, hash = $2, at = $3 WHERE id = 1",
      {sequence_, Blob{hash_}, absl::ToUnixMicros(now_)}, 1);
}

}  // namespace purser::workflow

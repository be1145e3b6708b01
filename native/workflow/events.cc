#include "workflow/events.h"

#include <map>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "workflow/journal.h"

namespace purser::workflow {
namespace {

using nlohmann::json;
using store::Connection;
using store::Row;
using store::Rows;

absl::Status Damaged(int64_t sequence) {
  return absl::DataLossError(absl::StrCat("event trail: event ", sequence, " cannot be read"));
}

// The events of a row (sequence, count, run_id, at, events, subject) above `after`.
absl::Status Unpack(const Row& row, int64_t after,
                    const std::function<absl::Status(const Event&)>& on_event) {
  const int64_t first = row.Int(0) - row.Int(1) + 1;
  const json events = json::parse(row.Text(4), nullptr, /*allow_exceptions=*/false);
  if (!events.is_array() || static_cast<int64_t>(events.size()) != row.Int(1)) {
    return Damaged(first);
  }
  Event event;
  event.run_id = row.Text(2);
  event.subject = row.Text(5);
  event.at = absl::FromUnixMicros(row.Int(3));
  for (size_t i = 0; i < events.size(); ++i) {
    event.sequence = first + static_cast<int64_t>(i);
    if (event.sequence <= after) continue;
    const json& fields = events[i];
    if (!fields.is_array() || fields.size() < 3 || !fields[0].is_string() ||
        !fields[1].is_string() || !fields[2].is_string()) {
      return Damaged(event.sequence);
    }
    event.step_id = fields[0].get_ref<const std::string&>();
    event.type = fields[1].get_ref<const std::string&>();
    event.message = fields[2].get_ref<const std::string&>();
    event.data = fields.size() > 3 ? fields[3] : json::object();
    PURSER_RETURN_IF_ERROR(on_event(event));
  }
  return absl::OkStatus();
}

// "events 7 to 9", or "event 7".
std::string Numbers(const EventRow& row) {
  if (row.count == 1) return absl::StrCat("event ", row.sequence);
  return absl::StrCat("events ", row.sequence - row.count + 1, " to ", row.sequence);
}

}  // namespace

absl::Status ReadEvents(Connection& connection, absl::string_view subject, int64_t after,
                        int64_t limit, const std::function<absl::Status(const Event&)>& on_event) {
  const auto forward = [&](const Row& row) { return Unpack(row, after, on_event); };
  if (subject.empty()) {
    return connection.ForEach(
        "SELECT e.sequence, e.count, e.run_id, e.at, e.events, r.subject FROM workflow_event e "
        "JOIN workflow_run r ON r.number = e.run WHERE e.sequence > $1 "
        "ORDER BY e.sequence LIMIT $2",
        {after, limit}, forward);
  }
  // From the run's last row back to the one that the reader has seen.
  return connection.ForEach(
      "WITH RECURSIVE trail (sequence, count, run_id, at, events, subject, previous) AS ("
      "SELECT e.sequence, e.count, e.run_id, e.at, e.events, r.subject, e.previous "
      "FROM workflow_run r JOIN workflow_current s ON s.run = r.number "
      "JOIN workflow_event e ON e.sequence = s.sequence "
      "WHERE r.subject = $1 AND e.sequence > $2 "
      "UNION ALL "
      "SELECT e.sequence, e.count, e.run_id, e.at, e.events, t.subject, e.previous "
      "FROM trail t JOIN workflow_event e ON e.sequence = t.previous WHERE t.previous > $2) "
      "SELECT sequence, count, run_id, at, events, subject FROM trail "
      "ORDER BY sequence LIMIT $3",
      {std::string(subject), after, limit}, forward);
}

absl::Status EmptyEvents(Connection& connection, int64_t last) {
  return connection
      .Execute(
          "UPDATE workflow_event SET events = '', outputs = '' WHERE sequence IN ("
          "WITH RECURSIVE trail (sequence, previous) AS ("
          "SELECT sequence, previous FROM workflow_event WHERE sequence = $1 "
          "UNION ALL SELECT e.sequence, e.previous FROM trail t "
          "JOIN workflow_event e ON e.sequence = t.previous) "
          "SELECT sequence FROM trail)",
          {last})
      .status();
}

absl::Status VerifyEvents(Connection& connection, int64_t* forgotten) {
  std::map<std::string, int64_t> emptied;         // run → the first of its rows without a text
  absl::flat_hash_map<int64_t, int64_t> last_of;  // run → its last row so far
  int64_t rows_without_text = 0;
  std::string hash;
  int64_t sequence = 0;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      "SELECT sequence, count, run_id, at, events, outputs, hash, run, previous FROM "
      "workflow_event "
      "ORDER BY sequence",
      {}, [&](const Row& row) -> absl::Status {
        EventRow event;
        event.sequence = row.Int(0);
        event.count = row.Int(1);
        event.run_id = row.Text(2);
        event.events = row.Text(4);
        event.outputs = row.Text(5);
        if (event.count < 1 || event.sequence - event.count != sequence) {
          return absl::DataLossError(
              absl::StrCat("event trail: event ", sequence + 1, " is missing"));
        }
        const bool is_empty = event.events.empty() && event.outputs.empty();
        if (is_empty) {
          ++rows_without_text;
          emptied.emplace(event.run_id, event.sequence);
        } else if (ChainHash(hash, event, row.Int(3)) != row.Text(6)) {
          return absl::DataLossError(
              absl::StrCat("event trail: ", Numbers(event), " of run ", event.run_id,
                           event.count == 1 ? " was changed" : " were changed"));
        }
        int64_t& last = last_of[row.Int(7)];
        if (row.Int(8) != last) {
          return absl::DataLossError(absl::StrCat("event trail: ", Numbers(event), " of run ",
                                                  event.run_id, " should follow event ", last,
                                                  " of the run, and says ", row.Int(8)));
        }
        last = event.sequence;
        hash = row.Text(6);
        sequence = event.sequence;
        return absl::OkStatus();
      }));
  // Only runs that are gone may have lost their words.
  for (const auto& [run, first] : emptied) {
    PURSER_ASSIGN_OR_RETURN(const Rows there,
                            connection.Query("SELECT 1 FROM workflow_run WHERE id = $1", {run}));
    if (there.empty()) continue;
    return absl::DataLossError(
        absl::StrCat("event trail: event ", first, " of run ", run, " was emptied"));
  }
  if (forgotten != nullptr) *forgotten = rows_without_text;
  PURSER_ASSIGN_OR_RETURN(
      const Rows head,
      connection.Query("SELECT sequence, hash FROM workflow_head WHERE id = 1", {}));
  if (head.empty() || head[0].Int(0) != sequence || head[0].Text(1) != hash) {
    return absl::DataLossError(
        absl::StrCat("event trail: it ends at event ", sequence, ", its head says otherwise"));
  }
  return absl::OkStatus();
}

}  // namespace purser::workflow

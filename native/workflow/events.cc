#include "workflow/events.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "workflow/records.h"

namespace purser::workflow {
namespace {

using nlohmann::json;
using store::Connection;
using store::Row;
using store::Rows;

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Fields are length-prefixed, so that no two different events hash the same bytes.
std::string ChainHash(absl::string_view previous, const Event& event, absl::string_view data) {
  base::Hasher hasher(base::HashKind::kSha256);
  const auto add = [&hasher](absl::string_view field) {
    hasher.Update(absl::StrCat(field.size(), ":"));
    hasher.Update(field);
  };
  add(previous);
  add(absl::StrCat(event.sequence));
  add(event.run_id);
  add(event.subject);
  add(event.step_id);
  add(event.type);
  add(event.message);
  add(data);
  add(absl::StrCat(absl::ToUnixMicros(event.at)));
  return base::ToHex(hasher.Finish());
}

constexpr char kColumns[] = "sequence, run_id, subject, step_id, type, message, data, at";

Event ToEvent(const Row& row) {
  Event event;
  event.sequence = row.Int(0);
  event.run_id = row.Text(1);
  event.subject = row.Text(2);
  event.step_id = row.Text(3);
  event.type = row.Text(4);
  event.message = row.Text(5);
  event.data = json::parse(row.Text(6), nullptr, /*allow_exceptions=*/false);
  event.at = absl::FromUnixMicros(row.Int(7));
  return event;
}

}  // namespace

absl::StatusOr<EventWriter> EventWriter::Open(Connection& connection, absl::Time now) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      connection.Query("SELECT sequence, hash FROM workflow_head WHERE id = 1", {}));
  if (rows.empty()) return absl::DataLossError("workflow: the head of the event trail is missing");
  return EventWriter(connection, now, rows[0].Int(0), rows[0].Text(1));
}

absl::StatusOr<int64_t> EventWriter::Append(absl::string_view run_id, absl::string_view subject,
                                            absl::string_view step_id, absl::string_view type,
                                            absl::string_view message, const json& data) {
  Event event;
  event.sequence = sequence_ + 1;
  event.run_id = std::string(run_id);
  event.subject = std::string(subject);
  event.step_id = std::string(step_id);
  event.type = std::string(type);
  event.message = CleanMessage(message);
  event.at = now_;
  const std::string text = data.is_null() ? "{}" : Dump(data);
  std::string hash = ChainHash(hash_, event, text);
  PURSER_RETURN_IF_ERROR(
      connection_
          ->Execute(absl::StrCat("INSERT INTO workflow_event (", kColumns,
                                 ", hash) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9)"),
                    {event.sequence, event.run_id, event.subject, event.step_id, event.type,
                     event.message, text, absl::ToUnixMicros(now_), hash})
          .status());
  sequence_ = event.sequence;
  hash_ = std::move(hash);
  changed_ = true;
  return sequence_;
}

absl::Status EventWriter::Close() {
  if (!changed_) return absl::OkStatus();
  changed_ = false;
  return connection_
      ->Execute("UPDATE workflow_head SET sequence = $1, hash = $2, at = $3 WHERE id = 1",
                {sequence_, hash_, absl::ToUnixMicros(now_)})
      .status();
}

absl::Status ReadEvents(Connection& connection, absl::string_view subject, int64_t after,
                        int64_t limit, const std::function<absl::Status(const Event&)>& on_event) {
  const auto forward = [&](const Row& row) { return on_event(ToEvent(row)); };
  if (subject.empty()) {
    return connection.ForEach(
        absl::StrCat("SELECT ", kColumns,
                     " FROM workflow_event WHERE sequence > $1 ORDER BY sequence LIMIT $2"),
        {after, limit}, forward);
  }
  return connection.ForEach(
      absl::StrCat("SELECT ", kColumns,
                   " FROM workflow_event WHERE subject = $1 AND sequence > $2 "
                   "ORDER BY sequence LIMIT $3"),
      {std::string(subject), after, limit}, forward);
}

absl::Status VerifyEvents(Connection& connection) {
  std::string hash;
  int64_t sequence = 0;
  PURSER_RETURN_IF_ERROR(connection.ForEach(
      absl::StrCat("SELECT ", kColumns, ", hash FROM workflow_event ORDER BY sequence"), {},
      [&](const Row& row) -> absl::Status {
        const Event event = ToEvent(row);
        if (event.sequence != sequence + 1) {
          return absl::DataLossError(
              absl::StrCat("event trail: event ", sequence + 1, " is missing"));
        }
        if (ChainHash(hash, event, row.Text(6)) != row.Text(8)) {
          return absl::DataLossError(
              absl::StrCat("event trail: event ", event.sequence, " was changed"));
        }
        hash = row.Text(8);
        sequence = event.sequence;
        return absl::OkStatus();
      }));
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

// The engine's one trail: what happened, in order, without gaps, each event bound to the one before
// it by a hash. Users' event streams and the audit trail are the same rows.
#ifndef PURSER_WORKFLOW_EVENTS_H_
#define PURSER_WORKFLOW_EVENTS_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nlohmann/json.hpp"
#include "store/store.h"

namespace purser::workflow {

struct Event {
  int64_t sequence = 0;
  std::string run_id;
  std::string subject;  // e.g. the request's id
  std::string step_id;
  std::string type;
  std::string message;
  nlohmann::json data;
  absl::Time at;
};

// Appends events within one transaction; several share one read and one write of the head.
class EventWriter {
 public:
  // Reads the head. Both must outlive the writer.
  static absl::StatusOr<EventWriter> Open(store::Connection& connection, absl::Time now);
  // Returns the new event's sequence number. Messages are cut at kMaxMessageBytes (records.h).
  absl::StatusOr<int64_t> Append(absl::string_view run_id, absl::string_view subject,
                                 absl::string_view step_id, absl::string_view type,
                                 absl::string_view message, const nlohmann::json& data);
  // Must be the last act; without it nothing may be committed.
  absl::Status Close();
  int64_t last_sequence() const { return sequence_; }

 private:
  EventWriter(store::Connection& connection, absl::Time now, int64_t sequence, std::string hash)
      : connection_(&connection), now_(now), sequence_(sequence), hash_(std::move(hash)) {}
  store::Connection* connection_;
  absl::Time now_;
  int64_t sequence_;
  std::string hash_;
  bool changed_ = false;
};

// Events of `subject` ("" = all) with a sequence above `after`, in order, at most `limit`.
absl::Status ReadEvents(store::Connection& connection, absl::string_view subject, int64_t after,
                        int64_t limit, const std::function<absl::Status(const Event&)>& on_event);

// Walks the whole chain: DATA_LOSS names the first event that was changed, removed or inserted.
absl::Status VerifyEvents(store::Connection& connection);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_EVENTS_H_

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

// Events of `subject` ("" = all) with a sequence above `after`, in order, about `limit` of them.
// Those of one subject are found from its last one back: what is read grows with what is new.
absl::Status ReadEvents(store::Connection& connection, absl::string_view subject, int64_t after,
                        int64_t limit, const std::function<absl::Status(const Event&)>& on_event);

// Takes the texts and outputs from the rows of a run whose last event is `last`.
absl::Status EmptyEvents(store::Connection& connection, int64_t last);

// Walks the whole chain: DATA_LOSS names the first row that was changed, removed or inserted, by
// the numbers of its events. Rows of runs that were forgotten (retention.h) count with the hash
// they were left with; `forgotten` (may be null) is how many.
absl::Status VerifyEvents(store::Connection& connection, int64_t* forgotten = nullptr);

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_EVENTS_H_

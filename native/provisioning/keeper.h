// Looks after holdings while nobody does: reminders, expiry, drift; and after the queue, whether
// anything in it is stuck. One thread; waiting is a row with a time.
#ifndef PURSER_PROVISIONING_KEEPER_H_
#define PURSER_PROVISIONING_KEEPER_H_

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "provisioning/core.h"
#include "provisioning/holding_store.h"

namespace purser::provisioning {

// What the queue and the requests look like as a whole.
struct Census {
  int64_t open_runs = 0;
  int64_t parked_runs = 0;
  absl::Duration queue_age = absl::ZeroDuration();
  absl::Duration oldest_run = absl::ZeroDuration();
};

// Thread-safe.
class Keeper {
 public:
  // Makes a request for which nobody is asked.
  using Create = std::function<absl::Status(const CreateOptions&)>;
  Keeper(Core& core, Create create);
  ~Keeper();

  void Start();
  void Stop();  // idempotent
  // All that is due now; for tests and for the thread.
  absl::Status TendAll(std::stop_token stop);
  // Compares a holding with what is outside, and records what came of it.
  absl::Status Inspect(const HoldingRow& holding, std::stop_token stop);
  Census GetCensus() const;
  // OK, or what is stuck.
  absl::Status Health() const;

 private:
  void Work(std::stop_token stop);
  absl::Status TakeCensus();
  // Once an hour: what ended longer ago than is kept.
  absl::Status Forget(std::stop_token stop);
  absl::Status Tend(const HoldingRow& holding, std::stop_token stop);
  absl::Status Remind(const HoldingRow& holding, const RequestRow& current, const Life& life,
                      int64_t now);
  absl::Status End(const HoldingRow& holding, const RequestRow& current, const Life& life);
  // Writes the holding and an event of its current run in one transaction; dropped when somebody
  // else changed the holding meanwhile.
  absl::Status Note(const HoldingRow& seen, const RequestRow& current, const Life& life,
                    absl::string_view type, absl::string_view message, const nlohmann::json& data,
                    const std::function<void(HoldingRow&)>& change);

  Core& core_;
  const Create create_;
  absl::Time next_forget_ = absl::InfinitePast();  // both of the thread
  absl::Time next_census_ = absl::InfinitePast();
  mutable base::Mutex mutex_;
  Census census_ ABSL_GUARDED_BY(mutex_);
  std::string stuck_ ABSL_GUARDED_BY(mutex_);
  std::jthread thread_;
};

}  // namespace purser::provisioning

#endif  // PURSER_PROVISIONING_KEEPER_H_

// Runs one instance of a provider in the sidecar, round after round, and writes what it tells into
// the source's change log.
//
// Two threads: one runs the provider; the other writes what was emitted in batches, renews the
// lease, and shows entities that waited for another source to let go of them.
#ifndef PURSER_PROVIDER_SOURCE_RUNNER_H_
#define PURSER_PROVIDER_SOURCE_RUNNER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "catalog/tracker.h"
#include "provider/provider.h"
#include "provider/source_log.h"
#include "provider/source_options.h"

namespace purser::provider {

inline constexpr size_t kMaxSourceEntities = 500'000;
// Written in one transaction.
inline constexpr size_t kMaxBatchEntities = 500;
inline constexpr size_t kMaxBatchBytes = 2 << 20;
// Log lines kept for the portal; more than it takes are only in purserd's own log.
inline constexpr size_t kMaxLogLines = 500;
inline constexpr size_t kMaxLogLineBytes = 8 << 10;
// Lines that one round writes about single entities; the rest is counted.
inline constexpr int kMaxEntityLinesPerRound = 100;

// What every instance gets from its host.
struct SourceServices {
  SourceLog* log = nullptr;
  http::Transport* transport = nullptr;
  base::Clock* clock = nullptr;
  base::Rng* rng = nullptr;
  std::function<absl::StatusOr<std::string>(absl::string_view reference)> resolve_secret;
  // purserd's own log; may be empty.
  std::function<void(absl::string_view source, action::LogLevel level, absl::string_view line)>
      write_log;
  // Of this process: who holds the leases.
  std::string owner = {};
  // How often a source looks whether entities that wait for another source's may be shown.
  absl::Duration settle_every = absl::Seconds(5);
};

// Counts of one source since purserd started; a snapshot of `entities`, `held`.
struct SourceStats {
  int64_t rounds = 0;
  int64_t failures = 0;
  int64_t consecutive_failures = 0;
  int64_t added = 0;
  int64_t changed = 0;
  int64_t removed = 0;
  int64_t dropped = 0;     // invalid, not allowed, or never an entity; of the last round or watch
  int64_t duplicates = 0;  // of the last round or watch
  int64_t collisions = 0;  // between partitions; of the last round or watch
  int64_t entities = 0;
  int64_t held = 0;
  bool loaded = false;                          // entities and held say something
  bool running = false;                         // the provider is at work now
  std::map<std::string, std::string> degraded;  // partition → why it could not be read
  absl::Time next_round;
};

struct LogLine {
  action::LogLevel level = action::LogLevel::kInfo;
  std::string text;
};

// Thread-safe.
class SourceRunner {
 public:
  // `name` is "<provider id>/<instance>"; `config` was checked and has its defaults.
  SourceRunner(Provider& provider, std::string name, nlohmann::json config, SourceOptions options,
               SourceRecord record, const SourceServices& services);
  // Stops and joins.
  ~SourceRunner();

  const std::string& name() const { return name_; }
  const nlohmann::json& config() const { return config_; }
  const SourceOptions& options() const { return options_; }
  int64_t source() const { return record_.id; }

  // Asks for an end without waiting for it.
  void RequestStop();
  // Ends it. By one thread at a time.
  void Join();
  // Looks at the source now, whatever the schedule says.
  void Wake();
  // Lets go of what the guard holds: it is removed from the catalog. Returns how many.
  absl::StatusOr<int64_t> ReleaseHeld();
  // Takes up what a reader holds beyond the log (see SourceLog::Adopt); with `last` the guard
  // decides over all of it.
  absl::Status Adopt(const std::vector<std::string>& refs, bool last);
  SourceStats stats();
  // Lines written since the last call.
  std::vector<LogLine> TakeLines();
  // Waits until the round that is under way, or the next one, has ended, or a watch has given
  // everything; its status.
  absl::Status AwaitRound(std::stop_token stop);

 private:
  class Run;  // source_run.h

  absl::Status Stopped() const;
  void Loop();
  void WriteLoop();
  absl::Status RunOnce(bool& complete);
  absl::Status LoadTracker();
  std::string ConfigHash() const;
  absl::Duration DelayAfter(const absl::Status& status);
  // Sleeps; false on stop. Ends early when woken.
  bool Sleep(absl::Duration duration);
  void WriteLine(action::LogLevel level, absl::string_view line);
  // Without the values of secrets.
  std::string Hide(absl::string_view text) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status HideStatus(const absl::Status& status) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Blocks while the writer is behind.
  absl::Status Enqueue(LogWrite write);
  // Waits until everything queued is in the store.
  absl::Status Drain();

  Provider& provider_;
  const std::string name_;
  const nlohmann::json config_;
  const SourceOptions options_;
  const SourceRecord record_;
  const SourceServices services_;
  std::stop_source stop_;

  base::Mutex mutex_;
  base::CondVar changed_;
  catalog::Tracker tracker_ ABSL_GUARDED_BY(mutex_){kMaxSourceEntities};
  bool loaded_ ABSL_GUARDED_BY(mutex_) = false;
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;
  bool leased_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<LogWrite> pending_ ABSL_GUARDED_BY(mutex_);
  size_t pending_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  // A failed write: the tracker no longer says what the log holds, and is loaded again.
  absl::Status write_error_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> adopted_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> secrets_ ABSL_GUARDED_BY(mutex_);  // values, to be hidden from logs
  SourceStats stats_ ABSL_GUARDED_BY(mutex_);
  absl::Status last_status_ ABSL_GUARDED_BY(mutex_);
  uint64_t rounds_begun_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t rounds_ended_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<LogLine> lines_ ABSL_GUARDED_BY(mutex_);

  std::jthread writer_;
  std::jthread thread_;
};

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_SOURCE_RUNNER_H_

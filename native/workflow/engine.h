// The durable engine: runs whose every step is journaled, so that a process may die at any point
// and another goes on. What it promises, and how it is stored, is in FORMAT.md.
//
//   PURSER_ASSIGN_OR_RETURN(auto engine, Engine::Open(options));
//   database.Transact([&](Connection& c) { return engine->Begin(c, run); });
//   engine->Committed();
//   PURSER_RETURN_IF_ERROR(engine->Start());
//
// No thread is held while a run waits: timers, readiness polls and retries are rows with a due
// time.
#ifndef PURSER_WORKFLOW_ENGINE_H_
#define PURSER_WORKFLOW_ENGINE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/rng.h"
#include "store/store.h"
#include "workflow/events.h"
#include "workflow/executor.h"
#include "workflow/observer.h"
#include "workflow/records.h"
#include "workflow/transition.h"

namespace purser::workflow {

struct EngineOptions {
  store::Database* database = nullptr;  // all pointers are required and must outlive the engine
  base::Clock* clock = nullptr;
  base::Rng* rng = nullptr;
  StepExecutor* executor = nullptr;
  RunObserver* observer = nullptr;
  std::string noun = "run";  // what a run's own events are called after: "<noun>.succeeded"
  int workers = 4;           // calls at the same time, 1..256
  absl::Duration lease = absl::Seconds(10);  // a silent engine loses its work after this …
  absl::Duration beat = absl::Seconds(3);    // … and says this often that it lives
  absl::Duration log_flush = absl::Milliseconds(250);
  // Calls at the same time by connector (the part of a step's `uses` before the slash); those that
  // are not named have no limit of their own.
  std::map<std::string, int> concurrency = {};
  absl::Duration call_timeout = absl::Minutes(10);  // of one call; a step may wait longer
  // True: nobody else uses this store (SQLite), so that work of an engine before is taken over at
  // once. False: after its lease.
  bool exclusive = true;
};

struct NewRun {
  std::string id;
  std::string subject;  // unique; events carry it
  std::shared_ptr<const Definition> definition;
  std::string body;           // what StepExecutor::Parse makes the definition from
  nlohmann::json input;       // what RunView shows
  bool held = false;          // waits for Release
  std::string message;        // why it is held
  nlohmann::json event_data;  // of the "<noun>.created" event
  // Steps that count as done from the start, with their outputs (a run that goes on where another
  // stopped). They are not this run's to undo.
  std::map<std::string, nlohmann::json> done;
};

struct EngineStats {
  int64_t calls = 0;            // of the executor, since the start
  int64_t refused_results = 0;  // of workers that had lost their lease
  int64_t store_errors = 0;
  int64_t retries = 0;      // calls made again after an error
  int64_t lost_leases = 0;  // runs that others took over from this engine
};

// Thread-safe.
class Engine {
 public:
  // Brings the tables up to date; no work starts before Start.
  static absl::StatusOr<std::unique_ptr<Engine>> Open(const EngineOptions& options);
  virtual ~Engine() = default;

  // Takes over what an engine before left, and starts the workers.
  virtual absl::Status Start() = 0;
  // No new call starts; returns when all running ones ended, or after `patience`.
  virtual void Drain(absl::Duration patience) = 0;
  // Stops running calls, gives their work back and joins all threads. Last call; idempotent.
  virtual void Stop() = 0;

  // Stores a run within the caller's transaction; call Committed after it.
  virtual absl::Status Begin(store::Connection& connection, const NewRun& run) = 0;
  virtual void Committed() = 0;
  // Transactions of their own. NOT_FOUND, FAILED_PRECONDITION.
  virtual absl::Status Release(absl::string_view run_id, const Actor& actor) = 0;
  virtual absl::Status Cancel(absl::string_view run_id, const Actor& actor) = 0;
  virtual absl::Status Retry(absl::string_view run_id, const Actor& actor) = 0;
  // Any other change: `act` uses the transition's verbs and events, and may write rows of its own
  // through its connection; all of it is one transaction. It may be called again (another try), and
  // must check before it writes: what it wrote before an error of its own is not taken back.
  virtual absl::Status Change(absl::string_view run_id,
                              std::function<absl::Status(Transition&)> act) = 0;

  // OK, or why no new effect starts now (the store's last error); OK again after the next write.
  virtual absl::Status Health() const = 0;
  virtual EngineStats Stats() const = 0;
  // The engine's time: wall time at the start, moved by the monotonic clock, so that a clock set by
  // hand neither fires timers early nor starves them.
  virtual absl::Time Now() = 0;

  // Waits until an event may have been stored since `seen` was taken, or stop. Returns the new
  // mark; 0 is older than all.
  virtual uint64_t WaitForEvents(uint64_t seen, std::stop_token stop) = 0;
};

}  // namespace purser::workflow

#endif  // PURSER_WORKFLOW_ENGINE_H_

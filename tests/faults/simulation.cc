#include "tests/faults/simulation.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "base/rng.h"
#include "base/status.h"
#include "tests/faults/effects.h"
#include "workflow/engine_core.h"
#include "workflow/events.h"
#include "workflow/perform.h"

namespace purser::faults {
namespace {

using store::Connection;

constexpr absl::Duration kLease = absl::Seconds(10);
constexpr absl::Duration kBeat = absl::Seconds(3);
// How long a step waits between its call and the first look.
constexpr absl::Duration kWait = absl::Seconds(30);
constexpr int64_t kAllEvents = 1'000'000;
class SimClock final : public base::Clock {
 public:
  absl::Time Now() override { return wall_; }
  absl::Duration Monotonic() override { return monotonic_; }
  bool SleepFor(absl::Duration, std::stop_token) override { return true; }
  void Advance(absl::Duration step) {
    wall_ += step;
    monotonic_ += step;
  }
  void Jump(absl::Duration step) { wall_ += step; }

 private:
  absl::Time wall_ = absl::FromUnixSeconds(1'800'000'000);
  absl::Duration monotonic_ = absl::Seconds(1000);
};

class MemoryWorld final : public World {
 public:
  void Append(const std::string& line) override { ++lines[line]; }
  void AppendOnce(const std::string& line) override { lines[line] = 1; }
  bool Has(const std::string& line) override { return lines.contains(line); }
  std::map<std::string, int> lines;
};

// The engine without its fence: what it writes is stored whatever version the run has meanwhile and
// whoever holds it, and it does not learn that others took it for dead.
class UnfencedConnection final : public Connection {
 public:
  explicit UnfencedConnection(Connection& inner) : inner_(inner) {}
  absl::StatusOr<store::Rows> Query(absl::string_view sql,
                                    absl::Span<const store::Value> parameters) override {
    return inner_.Query(sql, parameters);
  }
  absl::Status ForEach(absl::string_view sql, absl::Span<const store::Value> parameters,
                       const std::function<absl::Status(const store::Row&)>& on_row) override {
    return inner_.ForEach(sql, parameters, on_row);
  }
  absl::StatusOr<int64_t> Execute(absl::string_view sql,
                                  absl::Span<const store::Value> parameters) override {
    PURSER_ASSIGN_OR_RETURN(const int64_t changed, inner_.Execute(sql, parameters));
    return absl::StartsWith(sql, "UPDATE workflow_engine") ? 1 : changed;
  }
  absl::Status ExecuteLater(absl::string_view sql, absl::Span<const store::Value> parameters,
                            int64_t) override {
    return inner_.ExecuteLater(
        // What is compared is still given: a parameter that nothing names would be refused.
        absl::StrReplaceAll(sql, {{" AND workflow_lease.version = v.version - 1", ""},
                                  {" AND workflow_state.version = v.stored_version", ""},
                                  {" AND version = $2 - 1", ""},
                                  {" AND version = $2", " AND $2 = $2"},
                                  {" AND version = $12", " AND $12 = $12"}}),
        parameters, store::kAnyRows);
  }

 private:
  Connection& inner_;
};

// Engines that do not learn from the store what time it is for the others.
class UntimedConnection final : public Connection {
 public:
  explicit UntimedConnection(Connection& inner) : inner_(inner) {}
  absl::StatusOr<store::Rows> Query(absl::string_view sql,
                                    absl::Span<const store::Value> parameters) override {
    return inner_.Query(
        absl::StrReplaceAll(sql, {{"SELECT boot, beats, at FROM", "SELECT boot, beats, 0 FROM"},
                                  {"SELECT MAX(at) FROM", "SELECT MAX(0) FROM"}}),
        parameters);
  }
  absl::Status ForEach(absl::string_view sql, absl::Span<const store::Value> parameters,
                       const std::function<absl::Status(const store::Row&)>& on_row) override {
    return inner_.ForEach(sql, parameters, on_row);
  }
  absl::StatusOr<int64_t> Execute(absl::string_view sql,
                                  absl::Span<const store::Value> parameters) override {
    return inner_.Execute(sql, parameters);
  }
  absl::Status ExecuteLater(absl::string_view sql, absl::Span<const store::Value> parameters,
                            int64_t rows) override {
    return inner_.ExecuteLater(sql, parameters, rows);
  }

 private:
  Connection& inner_;
};

// Fails as told, before or after the commit.
class SimDatabase final : public store::Database {
 public:
  enum class Fault { kNone, kRefuses, kLosesAnswer };
  SimDatabase(store::Database& inner, const SimulationOptions& options)
      : inner_(inner), fence_(options.fence), time_(options.time) {}
  Fault next = Fault::kNone;

  absl::Status Transact(const std::function<absl::Status(Connection&)>& work) override {
    const Fault fault = std::exchange(next, Fault::kNone);
    if (fault == Fault::kRefuses) return absl::UnavailableError("the store is away");
    const absl::Status status = inner_.Transact([&](Connection& connection) {
      if (!time_) return Untimed(connection, work);
      if (fence_) return work(connection);
      UnfencedConnection unfenced(connection);
      return work(unfenced);
    });
    if (fault == Fault::kLosesAnswer && status.ok()) {
      absl::Status unknown = absl::UnavailableError("the answer was lost");
      base::SetOutcomeUnknown(unknown);
      return unknown;
    }
    return status;
  }
  absl::Status Read(const std::function<absl::Status(Connection&)>& work) override {
    return inner_.Read([&](Connection& connection) {
      return time_ ? work(connection) : Untimed(connection, work);
    });
  }
  absl::Status Migrate(absl::string_view component,
                       absl::Span<const store::Migration> steps) override {
    return inner_.Migrate(component, steps);
  }
  bool IsShared() const override { return true; }

 private:
  static absl::Status Untimed(Connection& connection,
                              const std::function<absl::Status(Connection&)>& work) {
    UntimedConnection untimed(connection);
    return work(untimed);
  }

  store::Database& inner_;
  const bool fence_;
  const bool time_;
};

class SimCall final : public workflow::CallContext {
 public:
  explicit SimCall(std::string key) : key_(std::move(key)) {}
  const std::string& effect_key() const override { return key_; }
  std::stop_token stop() const override { return {}; }
  absl::Time deadline() const override { return absl::InfiniteFuture(); }
  void Log(workflow::LogLevel, absl::string_view) override {}

 private:
  const std::string key_;
};

class Simulation {
 public:
  Simulation(store::Database& database, uint64_t seed, const SimulationOptions& options)
      : options_(options), rng_(seed), database_(database, options), executor_(world_) {
    executor_.poll = kWait;
    executor_.keys_work = options.keys;
    executor_.probes_work = options.probes;
  }

  SimulationResult Run() {
    engines_.resize(static_cast<size_t>(options_.engines));
    for (Engine& engine : engines_) Replace(engine);
    Submit();
    for (int i = 0; i < options_.steps; ++i) Step(/*faults=*/true);
    database_.next = SimDatabase::Fault::kNone;
    // Calm: every engine does what it can, time passes, until all has ended.
    for (int i = 0; i < kMaxCalmRounds && !AllSettled(); ++i) {
      for (Engine& engine : engines_) {
        engine.paused_until = -absl::InfiniteDuration();
        engine.core->Beat().IgnoreError();
        engine.core->OnTime();
        while (Work(engine)) {
        }
      }
      clock_.Advance(kBeat);
    }
    Judge();
    return result_;
  }

 private:
  static constexpr int kMaxCalmRounds = 600;

  struct Call {
    std::shared_ptr<const workflow::Task> task;
    workflow::Outcome outcome;
  };
  struct Engine {
    std::unique_ptr<workflow::EngineCore> core;
    std::deque<Call> calls;  // whose answers have not come yet
    absl::Duration paused_until = -absl::InfiniteDuration();
  };

  uint64_t Below(uint64_t bound) { return rng_.Below(bound); }
  void Note(absl::string_view what, uint64_t which = 0) {
    for (const char c : what)
      result_.trace = (result_.trace ^ static_cast<uint8_t>(c)) * 1099511628211u;
    result_.trace = (result_.trace ^ which) * 1099511628211u;
  }

  void Replace(Engine& engine) {
    if (engine.core != nullptr) result_.refused += engine.core->Stats().refused_results;
    engine.calls.clear();
    workflow::EngineOptions options;
    options.database = &database_;
    options.clock = &clock_;
    options.rng = &rng_;
    options.executor = &executor_;
    options.observer = &observer_;
    options.workers = 3;
    options.lease = kLease;
    options.beat = kBeat;
    options.exclusive = false;
    // The store may refuse the first tries.
    do {
      engine.core = std::make_unique<workflow::EngineCore>(options, [](const std::string&) {});
    } while (!engine.core->Init().ok() || !engine.core->Start().ok());
  }

  void Submit() {
    const std::vector<std::string> kinds = {"good", "bad", "risky"};
    for (int i = 0; i < options_.runs; ++i) {
      const std::string& kind = kinds[static_cast<size_t>(i) % kinds.size()];
      workflow::NewRun run;
      run.id = absl::StrCat(kind, "-", i);
      run.subject = run.id;
      const nlohmann::json body = EffectExecutor::Body(Kinds().at(kind));
      run.definition = EffectExecutor::Build(body);
      run.body = body.dump();
      runs_[run.id] = kind;
      const absl::Status status = database_.Transact(
          [&](Connection& connection) { return engines_[0].core->Begin(connection, run); });
      if (!status.ok()) result_.unfinished = absl::StrCat(run.id, " ", status.ToString());
    }
    for (Engine& engine : engines_) engine.core->Submitted();
  }

  // Takes a task and does what it asks for; the answer may be long in coming.
  bool Take(Engine& engine, bool faults) {
    Call call;
    call.task = engine.core->Pop();
    if (call.task == nullptr) return false;
    Note(call.task->EffectKey(), static_cast<uint64_t>(call.task->kind));
    const std::string step = absl::StrCat(call.task->run_id, "/", call.task->step_id);
    if (call.task->kind == workflow::TaskKind::kObserve && clock_.Monotonic() < not_before_[step]) {
      ++result_.early;
      result_.unfinished = absl::StrCat(
          step, " was looked at ", absl::FormatDuration(not_before_[step] - clock_.Monotonic()),
          " early by engine ", &engine - engines_.data(),
          cancelled_.contains(call.task->run_id) ? ", cancelled" : "");
    }
    if (call.task->kind == workflow::TaskKind::kCall && IsCompleted(*call.task)) {
      ++result_.repeated;
    }
    SimCall context(call.task->EffectKey());
    const uint64_t fate = faults ? Below(10) : 9;
    executor_.unreachable = fate == 0;
    call.outcome = workflow::Perform(executor_, *call.task, context);
    if (call.task->kind == workflow::TaskKind::kCall &&
        call.outcome.kind == workflow::Outcome::Kind::kResult) {
      not_before_.try_emplace(step, clock_.Monotonic() + call.outcome.result.poll_after);
    }
    if (fate == 1 && call.outcome.kind == workflow::Outcome::Kind::kResult &&
        call.task->kind == workflow::TaskKind::kCall) {
      // It happened, and its answer was lost.
      const workflow::StepDefinition* step = call.task->view.definition->Find(call.task->step_id);
      absl::Status lost = absl::UnavailableError("the answer was lost");
      base::SetOutcomeUnknown(lost);
      call.outcome = workflow::Outcome();
      call.outcome.kind = step->uses == "unsafe" ? workflow::Outcome::Kind::kUnknown
                                                 : workflow::Outcome::Kind::kError;
      call.outcome.error = lost;
    }
    engine.calls.push_back(std::move(call));
    return true;
  }

  // Whether the trail says that the task's step has succeeded.
  bool IsCompleted(const workflow::Task& task) {
    bool completed = false;
    database_
        .Read([&](Connection& connection) {
          return workflow::ReadEvents(
              connection, task.run_id, 0, kAllEvents, [&](const workflow::Event& event) {
                completed =
                    completed || (event.step_id == task.step_id && event.type == "step.succeeded");
                return absl::OkStatus();
              });
        })
        .IgnoreError();
    return completed;
  }

  // Somebody changes their mind, whoever holds the run, and whether it has ended or not.
  void Cancel(Engine& engine) {
    const auto run = std::next(runs_.begin(), static_cast<std::ptrdiff_t>(Below(runs_.size())));
    Note("cancel " + run->first);
    cancelled_.insert(run->first);
    engine.core->Control(run->first, [](workflow::Transition& transition) {
      return transition.Cancel({"user:default/tester", "changed my mind"});
    });
  }

  bool Answer(Engine& engine) {
    if (engine.calls.empty()) return false;
    // Any of them may be first.
    const size_t which = Below(engine.calls.size());
    Call call = std::move(engine.calls[which]);
    engine.calls.erase(engine.calls.begin() + static_cast<std::ptrdiff_t>(which));
    engine.core->Finish(call.task, std::move(call.outcome), /*abandoned=*/false, {},
                        absl::Milliseconds(1));
    return true;
  }

  bool Work(Engine& engine) {
    const bool took = Take(engine, /*faults=*/false);
    const bool answered = Answer(engine);
    const bool stored = engine.core->TryRound();
    return took || answered || stored;
  }

  void Step(bool faults) {
    const size_t number = Below(engines_.size());
    Engine& engine = engines_[number];
    const uint64_t action = Below(100);
    Note("step", number * 100 + action);
    if (action >= 96) {
      clock_.Jump(absl::Seconds(static_cast<int64_t>(Below(7200)) - 3600));
      return;
    }
    if (action >= 86) {
      // Long or short; who does not stand still says in time that it lives.
      const bool is_long = action >= 94;
      clock_.Advance(absl::Milliseconds(static_cast<int64_t>(Below(is_long ? 4000 : 40))));
      for (Engine& each : engines_) {
        if (each.paused_until > clock_.Monotonic()) continue;
        each.core->OnTime();
        if (is_long) each.core->Beat().IgnoreError();
      }
      return;
    }
    if (engine.paused_until > clock_.Monotonic()) return;
    if (action < 35) {
      Take(engine, faults);
    } else if (action < 55) {
      Answer(engine);
    } else if (action < 78) {
      if (Below(12) == 0) {
        database_.next =
            Below(2) == 0 ? SimDatabase::Fault::kRefuses : SimDatabase::Fault::kLosesAnswer;
      }
      engine.core->TryRound();
      database_.next = SimDatabase::Fault::kNone;
    } else if (action < 83) {
      engine.core->Beat().IgnoreError();
    } else if (action == 83 && Below(2) == 0) {
      Cancel(engine);
    } else if (action == 83) {
      engine.core->GiveBackReady(/*all=*/true);
    } else if (action == 84) {
      // Stands still past its lease, with all that is under way; one at a time, so that somebody is
      // left who knows the time.
      const bool another = std::any_of(engines_.begin(), engines_.end(), [&](const Engine& each) {
        return each.paused_until > clock_.Monotonic();
      });
      if (!another) engine.paused_until = clock_.Monotonic() + kLease * 3;
      clock_.Advance(absl::Seconds(1));
    } else {
      ++result_.crashes;
      Replace(engine);
    }
  }

  std::map<std::string, std::string> States() {
    std::map<std::string, std::string> states;
    database_
        .Read([&](Connection& connection) {
          return connection.ForEach(
              "SELECT r.id, s.state FROM workflow_run r JOIN workflow_current s "
              "ON s.run = r.number",
              {}, [&](const store::Row& row) {
                states[row.Text(0)] = row.Text(1);
                return absl::OkStatus();
              });
        })
        .IgnoreError();
    return states;
  }

  bool AllSettled() {
    for (const auto& [id, state] : States()) {
      if (state == "running" || state == "waiting" || state == "held") return false;
    }
    return true;
  }

  // Where a run that goes no further stands: its steps, its place in the queue, who holds it.
  std::string Place(const std::string& id) {
    std::string place = absl::StrCat(" at ", absl::ToUnixMicros(engines_[0].core->Now()));
    database_
        .Read([&](Connection& connection) {
          return connection.ForEach(
              "SELECT s.steps, q.due, l.boot, l.attention FROM workflow_run r "
              "JOIN workflow_current s ON s.run = r.number "
              "LEFT JOIN workflow_queue q ON q.run = s.run "
              "LEFT JOIN workflow_lease l ON l.run = s.run WHERE r.id = $1",
              {id}, [&](const store::Row& row) {
                absl::StrAppend(&place, " steps ", row.Text(0), " queued ", row.Text(1),
                                " held by ", row.Text(2), " ", row.Text(3));
                return absl::OkStatus();
              });
        })
        .IgnoreError();
    return place;
  }

  void Judge() {
    const std::map<std::string, std::string> states = States();
    for (const auto& [id, kind] : runs_) {
      const auto found = states.find(id);
      const std::string state = found == states.end() ? "missing" : found->second;
      Note(state);
      if (state != "succeeded" && state != "failed" && state != "needs-operator" &&
          state != "cancelled") {
        result_.unfinished = absl::StrCat(id, " ", state, Place(id));
      }
      const Verdict verdict = faults::Judge(kind, id, state, world_.lines, cancelled_.contains(id));
      if (verdict.lost + verdict.doubled > 0) {
        result_.unfinished = absl::StrCat(id, " ", state, Place(id), " effects");
        for (const auto& [line, count] : world_.lines) {
          if (absl::StrContains(line, absl::StrCat(" ", id, "/"))) {
            absl::StrAppend(&result_.unfinished, " ", count, "×[", line, "]");
          }
        }
      }
      result_.lost += verdict.lost;
      result_.doubled += verdict.doubled;
    }
    for (const auto& [line, count] : world_.lines) Note(line, static_cast<uint64_t>(count));
    for (Engine& engine : engines_) result_.refused += engine.core->Stats().refused_results;
  }

  const SimulationOptions options_;
  base::SeededRng rng_;
  SimClock clock_;
  SimDatabase database_;
  MemoryWorld world_;
  EffectExecutor executor_;
  NoObserver observer_;
  std::vector<Engine> engines_;
  std::map<std::string, std::string> runs_;
  std::set<std::string> cancelled_;
  // The soonest that steps may be looked at after their first call, whatever the wall clock says.
  std::map<std::string, absl::Duration> not_before_;
  SimulationResult result_;
};

}  // namespace

SimulationResult Simulate(store::Database& database, uint64_t seed,
                          const SimulationOptions& options) {
  if (absl::Status status = workflow::MigrateWorkflow(database); !status.ok()) {
    SimulationResult result;
    result.unfinished = status.ToString();
    return result;
  }
  const absl::Status emptied = database.Transact([](Connection& connection) -> absl::Status {
    for (const char* table : {"run", "state", "queue", "lease", "engine", "event", "definition"}) {
      PURSER_RETURN_IF_ERROR(
          connection.ExecuteLater(absl::StrCat("DELETE FROM workflow_", table), {}));
    }
    return connection.ExecuteLater("UPDATE workflow_head SET sequence = 0, hash = '', at = 0", {});
  });
  if (!emptied.ok()) {
    SimulationResult result;
    result.unfinished = emptied.ToString();
    return result;
  }
  return Simulation(database, seed, options).Run();
}

}  // namespace purser::faults

#include "provisioning/keeper.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "json/json.h"
#include "provisioning/retention.h"
#include "provisioning/run_recorder.h"

namespace purser::provisioning {
namespace {

using nlohmann::json;
using store::Connection;
using store::Rows;
using workflow::Transition;

constexpr int kHoldingsPerRound = 100;
// How long it sleeps at most, and so how late a reminder or an end may be.
constexpr absl::Duration kLongestSleep = absl::Seconds(1);
constexpr absl::Duration kCensusEvery = absl::Seconds(10);
constexpr absl::Duration kShortestSleep = absl::Milliseconds(20);
constexpr absl::Duration kForgetEvery = absl::Hours(1);
// Requests of one transaction.
constexpr int64_t kForgottenAtOnce = 100;
// Of the look at one step.
constexpr absl::Duration kLookTimeout = absl::Minutes(1);
// After a look or an end that failed.
constexpr absl::Duration kTryAgain = absl::Minutes(5);

}  // namespace

Keeper::Keeper(Core& core, Create create) : core_(core), create_(std::move(create)) {}

Keeper::~Keeper() { Stop(); }

void Keeper::Start() {
  thread_ = std::jthread([this](std::stop_token stop) { Work(std::move(stop)); });
}

void Keeper::Stop() {
  thread_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void Keeper::Work(std::stop_token stop) {
  while (!stop.stop_requested()) {
    // What cannot be read or written now is tried in the next round; the engine tells of it.
    if (core_.engine->Now() >= next_census_) TakeCensus().IgnoreError();
    TendAll(stop).IgnoreError();
    Forget(stop).IgnoreError();
    int64_t due = kNever;
    core_.database
        .Read([&](Connection& connection) -> absl::Status {
          PURSER_ASSIGN_OR_RETURN(due, NextHoldingDue(connection));
          return absl::OkStatus();
        })
        .IgnoreError();
    absl::Duration pause = kLongestSleep;
    if (due != kNever) {
      pause = std::clamp(absl::FromUnixMicros(due) - core_.engine->Now(), kShortestSleep,
                         kLongestSleep);
    }
    if (!core_.options.clock->SleepFor(pause, stop)) return;
  }
}

absl::Status Keeper::TakeCensus() {
  Census census;
  std::string stuck;
  const absl::Time now = core_.engine->Now();
  next_census_ = now + kCensusEvery;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(
        const Rows queue,
        connection.Query("SELECT q.due, r.id FROM workflow_queue q JOIN workflow_run r "
                         "ON r.number = q.run ORDER BY q.due, q.run LIMIT 1",
                         {}));
    if (!queue.empty()) {
      census.queue_age =
          std::max(absl::ZeroDuration(), now - absl::FromUnixMicros(queue[0].Int(0)));
      if (census.queue_age > core_.options.stuck_after) {
        stuck = absl::StrCat("run ", queue[0].Text(1), " has been due for ",
                             absl::FormatDuration(absl::Trunc(census.queue_age, absl::Seconds(1))),
                             " and nobody takes it up");
      }
    }
    PURSER_ASSIGN_OR_RETURN(
        const Rows open,
        connection.Query("SELECT state, COUNT(*), MIN(created_at) FROM provisioning_request "
                         "WHERE state IN ('waiting-approval', 'running', 'waiting', "
                         "'needs-operator') GROUP BY state",
                         {}));
    for (const store::Row& row : open) {
      census.open_runs += row.Int(1);
      if (row.Text(0) == "needs-operator") census.parked_runs = row.Int(1);
      census.oldest_run = std::max(census.oldest_run, now - absl::FromUnixMicros(row.Int(2)));
    }
    return absl::OkStatus();
  }));
  base::MutexLock lock(mutex_);
  census_ = census;
  stuck_ = std::move(stuck);
  return absl::OkStatus();
}

absl::Status Keeper::Forget(std::stop_token stop) {
  const absl::Time now = core_.engine->Now();
  if (core_.options.keep == absl::ZeroDuration() || now < next_forget_) return absl::OkStatus();
  const int64_t before = absl::ToUnixMicros(now - core_.options.keep);
  int64_t forgotten = kForgottenAtOnce;
  while (forgotten == kForgottenAtOnce && !stop.stop_requested()) {
    PURSER_RETURN_IF_ERROR(core_.database.Transact([&](Connection& connection) -> absl::Status {
      PURSER_ASSIGN_OR_RETURN(forgotten, ForgetRequests(connection, before, kForgottenAtOnce));
      return absl::OkStatus();
    }));
  }
  next_forget_ = now + kForgetEvery;
  return absl::OkStatus();
}

Census Keeper::GetCensus() const {
  base::MutexLock lock(mutex_);
  return census_;
}

absl::Status Keeper::Health() const {
  base::MutexLock lock(mutex_);
  return stuck_.empty() ? absl::OkStatus() : absl::UnavailableError(stuck_);
}

absl::Status Keeper::TendAll(std::stop_token stop) {
  const int64_t now = absl::ToUnixMicros(core_.engine->Now());
  std::vector<HoldingRow> due;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(due, DueHoldings(connection, now, kHoldingsPerRound));
    return absl::OkStatus();
  }));
  for (const HoldingRow& holding : due) {
    if (stop.stop_requested()) return absl::CancelledError("the keeper stops");
    const absl::Status tended = Tend(holding, stop);
    if (tended.ok() || absl::IsCancelled(tended)) continue;
    // Not at once again, or one that fails would keep the others waiting.
    PURSER_RETURN_IF_ERROR(core_.database.Transact([&](Connection& connection) -> absl::Status {
      HoldingRow later = holding;
      later.due = now + absl::ToInt64Microseconds(kTryAgain);
      const absl::Status updated = UpdateHolding(connection, later);
      return absl::IsAborted(updated) ? absl::OkStatus() : updated;
    }));
  }
  return absl::OkStatus();
}

absl::Status Keeper::Tend(const HoldingRow& holding, std::stop_token stop) {
  RequestRow current;
  workflow::RunView view;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(current, GetRequestRow(connection, holding.current_request));
    PURSER_ASSIGN_OR_RETURN(view, LoadView(connection, core_.definitions, current.run_id));
    return absl::OkStatus();
  }));
  const Life& life = BlueprintOf(*view.definition).life;
  const int64_t now = absl::ToUnixMicros(core_.engine->Now());
  if (holding.expires_at != kNever) {
    const auto reminders = static_cast<int64_t>(life.reminders.size());
    const bool over = holding.expires_at + absl::ToInt64Microseconds(life.grace) <= now;
    if (holding.told == reminders + 1 && over) return End(holding, current, life);
    const int64_t next =
        holding.told < reminders
            ? holding.expires_at -
                  absl::ToInt64Microseconds(life.reminders[static_cast<size_t>(holding.told)])
            : holding.expires_at;
    if (holding.told <= reminders && next <= now) return Remind(holding, current, life, now);
  }
  if (life.drift_every > absl::ZeroDuration() &&
      holding.looked_at + absl::ToInt64Microseconds(life.drift_every) <= now) {
    return Inspect(holding, stop);
  }
  // Nothing is due after all: the row says something older.
  return core_.database.Transact([&](Connection& connection) -> absl::Status {
    HoldingRow later = holding;
    later.due = DueOf(holding, life);
    const absl::Status updated = UpdateHolding(connection, later);
    return absl::IsAborted(updated) ? absl::OkStatus() : updated;
  });
}

absl::Status Keeper::Remind(const HoldingRow& holding, const RequestRow& current, const Life& life,
                            int64_t now) {
  const auto reminders = static_cast<int64_t>(life.reminders.size());
  const bool expired = holding.expires_at <= now;
  // One that was away for long sends the last reminder only.
  int64_t told = holding.told;
  while (told < reminders && holding.expires_at - absl::ToInt64Microseconds(
                                                      life.reminders[static_cast<size_t>(told)]) <=
                                 now) {
    ++told;
  }
  if (expired) told = reminders + 1;
  const std::string then = life.suspend_when_over ? "suspended" : "deleted";
  const int64_t end = holding.expires_at + absl::ToInt64Microseconds(life.grace);
  return Note(holding, current, life, expired ? "holding.expired" : "holding.expires",
              expired ? absl::StrCat("it has expired and will be ", then, " at ", MicrosText(end))
                      : absl::StrCat("it expires at ", MicrosText(holding.expires_at)),
              {{"holding", holding.id},
               {"owner", holding.owner},
               {"entityRef", holding.entity_ref},
               {"expiresAt", MicrosText(holding.expires_at)},
               {"endsAt", MicrosText(end)},
               {"then", then}},
              [told](HoldingRow& row) { row.told = told; });
}

absl::Status Keeper::End(const HoldingRow& holding, const RequestRow& current, const Life& life) {
  const bool is_suspended = holding.state == HoldingState::kSuspended;
  absl::Status ended = absl::OkStatus();
  if (!life.suspend_when_over || !is_suspended) {
    CreateOptions options;
    options.kind = life.suspend_when_over ? RequestKind::kSuspend : RequestKind::kDelete;
    options.holding = holding.id;
    options.requester = kPurserRef;
    options.idempotency_key =
        absl::StrCat("expiry/", holding.id, "/", holding.expires_at / 1'000'000);
    ended = create_(options);
    // Somebody works on it: looked at again when they are done.
    const bool is_protected = holding.is_protected && !life.suspend_when_over;
    if (!ended.ok() && !is_protected) return ended;
  }
  return Note(holding, current, life, ended.ok() ? "holding.ended" : "holding.end-refused",
              ended.ok() ? "" : ended.message(), {{"holding", holding.id}},
              [&](HoldingRow& row) { row.told = static_cast<int64_t>(life.reminders.size()) + 2; });
}

absl::Status Keeper::Inspect(const HoldingRow& holding, std::stop_token stop) {
  RequestRow current;
  workflow::RunView view;
  PURSER_RETURN_IF_ERROR(core_.database.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(current, GetRequestRow(connection, holding.current_request));
    PURSER_ASSIGN_OR_RETURN(view, LoadView(connection, core_.definitions, current.run_id));
    return absl::OkStatus();
  }));
  json steps = json::array();
  bool drifted = false;
  for (const workflow::StepDefinition& step : view.definition->steps) {
    const auto outputs = view.outputs.find(step.id);
    const absl::StatusOr<std::string> undo = core_.executor.UndoOf(step);
    // What nothing undoes left nothing that could be looked at.
    if (outputs == view.outputs.end() || !undo.ok() || undo->empty()) continue;
    const absl::StatusOr<workflow::Prepared> prepared = core_.executor.Prepare(view, step);
    if (prepared.ok() && prepared->skip) continue;
    const absl::StatusOr<connectors::Comparison> found = core_.executor.Compare(
        view, step, outputs->second, core_.options.clock->Now() + kLookTimeout, stop);
    if (stop.stop_requested()) return absl::CancelledError("the look was stopped");
    json one = {{"step", step.id}, {"state", "unknown"}};
    if (!found.ok()) {
      one["detail"] = workflow::CleanMessage(found.status().message());
    } else {
      using State = connectors::Comparison::State;
      one["state"] = found->state == State::kSame   ? "same"
                     : found->state == State::kGone ? "gone"
                                                    : "differs";
      if (!found->detail.empty()) one["detail"] = workflow::CleanMessage(found->detail);
      drifted = drifted || found->state != State::kSame;
    }
    steps.push_back(std::move(one));
  }
  const json drift = {{"drifted", drifted}, {"steps", std::move(steps)}};
  const bool was = ParseJsonOr(holding.drift, json::object()).value("drifted", false);
  const Life& life = BlueprintOf(*view.definition).life;
  const int64_t now = absl::ToUnixMicros(core_.engine->Now());
  const std::string text = purser::json::Dump(drift);
  // Only news is an event: a look that finds what the last one found is none.
  const bool news = drifted != was;
  PURSER_RETURN_IF_ERROR(Note(holding, current, life,
                              !news     ? ""
                              : drifted ? "holding.drifted"
                                        : "holding.in-order",
                              "", {{"holding", holding.id}, {"drift", drift}},
                              [&](HoldingRow& row) {
                                row.drift = text;
                                row.looked_at = now;
                              }));
  if (!drifted || !life.repair_drift) return absl::OkStatus();
  CreateOptions options;
  options.kind = RequestKind::kRepair;
  options.holding = holding.id;
  options.requester = kPurserRef;
  options.idempotency_key = absl::StrCat("repair/", holding.id, "/", now / 1'000'000);
  return create_(options);
}

absl::Status Keeper::Note(const HoldingRow& seen, const RequestRow& current, const Life& life,
                          absl::string_view type, absl::string_view message, const json& data,
                          const std::function<void(HoldingRow&)>& change) {
  const auto write = [&](Connection& connection, int64_t now) -> absl::StatusOr<bool> {
    PURSER_ASSIGN_OR_RETURN(std::optional<HoldingRow> row, FindHolding(connection, seen.id));
    // Another purserd, or somebody's request, was first.
    if (!row.has_value() || row->current_request != seen.current_request ||
        row->told != seen.told || row->expires_at != seen.expires_at ||
        row->looked_at != seen.looked_at) {
      return false;
    }
    change(*row);
    row->updated_at = now;
    row->due = DueOf(*row, life);
    PURSER_RETURN_IF_ERROR(UpdateHolding(connection, *row));
    return true;
  };
  if (type.empty()) {
    return core_.database.Transact([&](Connection& connection) {
      return write(connection, absl::ToUnixMicros(core_.engine->Now())).status();
    });
  }
  return core_.engine->Change(current.run_id, [&](Transition& run) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const bool written,
                            write(run.connection(), absl::ToUnixMicros(run.now())));
    if (written) run.AppendEvent("", type, message, data);
    return absl::OkStatus();
  });
}

}  // namespace purser::provisioning

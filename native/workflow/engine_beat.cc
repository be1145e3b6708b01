// Engines beside one another: time they agree on, beats by which they know who lives, and taking
// over from those that do not.
#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status.h"
#include "workflow/engine_core.h"
#include "workflow/fault.h"

namespace purser::workflow {
namespace {

using store::Connection;
using store::Row;
using store::Rows;
using store::Value;

// Events from the future of more than this are a wrong clock of the past, not a jump now.
constexpr absl::Duration kMaxTrustedSkew = absl::Hours(24);
// More beats than an engine says between two times that it is taken for dead.
constexpr int64_t kBeatsOfALife = int64_t{1} << 32;

}  // namespace

absl::StatusOr<absl::Time> EngineCore::StoreTime() {
  // Engines that share a store share its clock.
  PURSER_ASSIGN_OR_RETURN(const std::optional<absl::Time> server, database_.ServerTime());
  return server.value_or(clock_.Now());
}

absl::Status EngineCore::Init() {
  PURSER_RETURN_IF_ERROR(MigrateWorkflow(database_));
  PURSER_ASSIGN_OR_RETURN(absl::Time start, StoreTime());
  absl::Time last;
  absl::Time others;
  PURSER_RETURN_IF_ERROR(database_.Read([&](Connection& connection) -> absl::Status {
    PURSER_ASSIGN_OR_RETURN(const Rows rows,
                            connection.Query("SELECT (SELECT at FROM workflow_head WHERE id = 1), "
                                             "(SELECT MAX(at) FROM workflow_engine)",
                                             {}));
    last = absl::FromUnixMicros(rows[0].Int(0));
    others = absl::FromUnixMicros(rows[0].Int(1));
    return absl::OkStatus();
  }));
  // A clock set back while the engine was down must not make its timers wait longer.
  const auto ahead = [&start](absl::Time time) {
    return time > start && time - start < kMaxTrustedSkew;
  };
  if (ahead(last)) start = last;
  const absl::Time known = std::max(others, last);
  if (!exclusive_ && others > absl::UnixEpoch() && (known <= start || ahead(known))) {
    // Whether they live is seen by their next beats. Until then no time is trusted that they did
    // not have: if the clock was set forward, timers would fire early.
    finding_time_ = true;
    start = known;
  }
  time_.Begin(start);
  return absl::OkStatus();
}

absl::Status EngineCore::Start() {
  const absl::Duration began = clock_.Monotonic();
  absl::Status status = database_.Transact([this](Connection& connection) -> absl::Status {
    PURSER_RETURN_IF_ERROR(
        connection.ExecuteLater("INSERT INTO workflow_engine (boot, beats, at) VALUES ($1, 1, $2) "
                                "ON CONFLICT (boot) DO NOTHING",
                                {boot_, absl::ToUnixMicros(Now())}));
    if (!exclusive_) return absl::OkStatus();
    // Nobody else can be alive.
    PURSER_RETURN_IF_ERROR(TakeOver(connection, "boot <> $1", {boot_}));
    PURSER_RETURN_IF_ERROR(
        connection.ExecuteLater("DELETE FROM workflow_engine WHERE boot <> $1", {boot_}));
    PURSER_FAULT_POINT("recover.in-transaction");
    return absl::OkStatus();
  });
  NoteHealth(status);
  PURSER_RETURN_IF_ERROR(status);
  base::MutexLock lock(mutex_);
  started_ = true;
  claim_wanted_ = true;
  confirmed_ = began;
  return absl::OkStatus();
}

absl::Status EngineCore::TakeOver(Connection& connection, absl::string_view boots_condition,
                                  std::vector<Value> parameters) {
  parameters.emplace_back(absl::ToUnixMicros(Now()));
  const std::string now = absl::StrCat("CAST($", parameters.size(), " AS BIGINT)");
  // The fence: whoever held the lease has read an older version.
  PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
      absl::StrCat(
          "UPDATE workflow_state SET version = l.version + 1, state = l.state, goal = l.goal, "
          "message = l.message, outputs = l.outputs, retries = l.retries, sequence = l.sequence, "
          "updated_at = l.updated_at, steps = l.steps, due = ",
          now, " FROM workflow_lease l WHERE workflow_state.run = l.run AND ", boots_condition),
      parameters));
  PURSER_RETURN_IF_ERROR(
      connection.ExecuteLater(absl::StrCat("INSERT INTO workflow_queue (due, run) SELECT ", now,
                                           ", run FROM workflow_lease WHERE ", boots_condition),
                              parameters));
  parameters.pop_back();
  return connection.ExecuteLater(absl::StrCat("DELETE FROM workflow_lease WHERE ", boots_condition),
                                 parameters);
}

void EngineCore::Retire() {
  // A store that fails now leaves the leases to be taken over later.
  database_
      .Transact([this](Connection& connection) -> absl::Status {
        PURSER_RETURN_IF_ERROR(TakeOver(connection, "boot = $1", {boot_}));
        return connection.ExecuteLater("DELETE FROM workflow_engine WHERE boot = $1", {boot_});
      })
      .IgnoreError();
}

absl::Status EngineCore::Beat() {
  if (exclusive_) return absl::OkStatus();
  const absl::Duration now = clock_.Monotonic();
  BeatState beat;
  beat.tells = now - beaten_ >= options_.beat;
  beat.seeks_unknown = now - sought_unknown_ >= options_.lease;
  absl::Status status = database_.Transact([&](Connection& connection) {
    beat.dead.clear();
    beat.looks.clear();
    beat.buried = false;
    beat.others.reset();
    return BeatIn(connection, now, beat);
  });
  NoteHealth(status);
  PURSER_RETURN_IF_ERROR(status);
  if (beat.tells) beaten_ = now;
  if (beat.seeks_unknown) sought_unknown_ = now;
  KeepTime(now, beat);
  {
    base::MutexLock lock(mutex_);
    if (beat.buried) all_lost_ = true;
    if (beat.tells) confirmed_ = now;
    // Others may have stored what is due.
    claim_wanted_ = true;
    ++event_mark_;
    for (const std::string& id : beat.looks) {
      Item item;
      item.kind = Item::Kind::kLook;
      item.run_id = id;
      inbox_.push_back(std::move(item));
    }
  }
  Changed();
  return absl::OkStatus();
}

absl::Status EngineCore::BeatIn(Connection& connection, absl::Duration now, BeatState& beat) {
  if (beat.tells) {
    PURSER_ASSIGN_OR_RETURN(
        const int64_t beats,
        connection.Execute("UPDATE workflow_engine SET beats = beats + 1, at = $2 WHERE boot = $1",
                           {boot_, absl::ToUnixMicros(Now())}));
    if (beats == 0) {
      // Others took this engine for dead while it stood still: what it leased is theirs.
      beat.buried = true;
      PURSER_ASSIGN_OR_RETURN(const Rows others,
                              connection.Query("SELECT MAX(at) FROM workflow_engine", {}));
      absl::Time at = Now();
      if (!others[0].IsNull(0)) {
        beat.others = absl::FromUnixMicros(others[0].Int(0));
        at = std::min(at, *beat.others);
      }
      // A number that nobody has seen: who still remembers the one before would otherwise take it
      // for a long silence, and the runs with it.
      PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
          "INSERT INTO workflow_engine (boot, beats, at) VALUES ($1, $2, $3)",
          {boot_, ++burials_ * kBeatsOfALife, absl::ToUnixMicros(at)}, 1));
    }
  }
  PURSER_ASSIGN_OR_RETURN(
      beat.engines,
      connection.Query("SELECT boot, beats, at FROM workflow_engine WHERE boot <> $1", {boot_}));
  for (const Row& row : beat.engines) {
    // By our own monotonic clock and their counter: no clock of another machine matters.
    const auto found = neighbours_.find(row.Text(0));
    if (found != neighbours_.end() && found->second.beats == row.Int(1) &&
        now - found->second.seen >= options_.lease) {
      beat.dead.push_back(row.Text(0));
    }
  }
  for (const std::string& boot : beat.dead) {
    PURSER_RETURN_IF_ERROR(TakeOver(connection, "boot = $1", {boot}));
    PURSER_RETURN_IF_ERROR(
        connection.ExecuteLater("DELETE FROM workflow_engine WHERE boot = $1", {boot}));
    PURSER_FAULT_POINT("recover.in-transaction");
  }
  if (beat.seeks_unknown) {
    constexpr absl::string_view kUnknownBoot = "boot NOT IN (SELECT boot FROM workflow_engine)";
    PURSER_ASSIGN_OR_RETURN(
        const Rows unknown,
        connection.Query(
            absl::StrCat("SELECT 1 FROM workflow_lease WHERE ", kUnknownBoot, " LIMIT 1"), {}));
    if (!unknown.empty()) PURSER_RETURN_IF_ERROR(TakeOver(connection, kUnknownBoot, {}));
  }
  PURSER_ASSIGN_OR_RETURN(
      const Rows attention,
      connection.Query("SELECT r.id, l.run FROM workflow_lease l JOIN workflow_run r "
                       "ON r.number = l.run WHERE l.boot = $1 AND l.attention = 1",
                       {boot_}));
  for (const Row& row : attention) {
    beat.looks.push_back(row.Text(0));
    PURSER_RETURN_IF_ERROR(connection.ExecuteLater(
        "UPDATE workflow_lease SET attention = 0 WHERE run = $1", {row.Int(1)}));
  }
  return absl::OkStatus();
}

void EngineCore::KeepTime(absl::Duration now, const BeatState& beat) {
  // Who was buried has missed what others told one another: as if it had just begun.
  if (beat.buried) neighbours_.clear();
  if (beat.others.has_value() && *beat.others < time_.Now()) {
    // What they put off meanwhile is due by their time, of which ours is ahead.
    if (!before_burial_.has_value()) before_burial_ = time_.Now() - clock_.Monotonic();
    time_.Begin(*beat.others);
    finding_time_ = true;
  }
  const bool begins = beat.buried || looked_ == -absl::InfiniteDuration();
  const absl::Duration looked_before = std::exchange(looked_, now);
  bool alone = true;
  for (const Row& row : beat.engines) {
    if (std::find(beat.dead.begin(), beat.dead.end(), row.Text(0)) != beat.dead.end()) continue;
    alone = false;
    const auto [found, first] = neighbours_.try_emplace(row.Text(0));
    Neighbour& neighbour = found->second;
    if (first) {
      // Who was there before us may be ahead by as much as it may have been silent; who comes later
      // begins with a time that somebody had.
      if (begins) neighbour.ahead = options_.lease + options_.beat;
    } else if (neighbour.beats == row.Int(1)) {
      continue;
    } else {
      // It lives, so its time is the engines' time as much as our own. It said so since we looked
      // before, and may be ahead by as much.
      const absl::Time said = absl::FromUnixMicros(row.Int(2));
      time_.CatchUp(said);
      const absl::Time latest = said + (clock_.Monotonic() - looked_before);
      const absl::Duration ahead = std::max(absl::ZeroDuration(), latest - time_.Now());
      // Both go at one pace: what was known of it holds still.
      neighbour.ahead = neighbour.heard ? std::min(neighbour.ahead, ahead) : ahead;
      neighbour.heard = true;
      finding_time_ = false;
      before_burial_.reset();
    }
    neighbour.beats = row.Int(1);
    neighbour.seen = now;
  }
  // Gone are also those that others buried, or that ended. Who is left may have its time from them.
  absl::Duration inherited = absl::ZeroDuration();
  std::erase_if(neighbours_, [&](const auto& known) {
    const bool there =
        std::find(beat.dead.begin(), beat.dead.end(), known.first) == beat.dead.end() &&
        std::any_of(beat.engines.begin(), beat.engines.end(),
                    [&](const Row& row) { return row.Text(0) == known.first; });
    if (!there) inherited = std::max(inherited, known.second.ahead);
    return !there;
  });
  absl::Duration ahead = absl::ZeroDuration();
  for (auto& [boot, neighbour] : neighbours_) {
    neighbour.ahead = std::max(neighbour.ahead, inherited);
    ahead = std::max(ahead, neighbour.ahead);
  }
  others_ahead_ = absl::ToInt64Microseconds(absl::Ceil(ahead, absl::Microseconds(1)));
  if (!finding_time_ || !alone) return;
  // Nobody has another time: our own before holds, or the clock is right.
  const absl::StatusOr<absl::Time> time =
      before_burial_.has_value() ? *before_burial_ + clock_.Monotonic() : StoreTime();
  if (!time.ok()) return;
  time_.CatchUp(*time);
  finding_time_ = false;
  before_burial_.reset();
}

}  // namespace purser::workflow

// What a round does with each thing that came in: results, changes from outside, timers.
#include <utility>

#include "base/status.h"
#include "workflow/engine_core.h"

namespace purser::workflow {
namespace {

using store::Row;
using store::Rows;

}  // namespace

absl::Status EngineCore::Process(RoundState& round, Journal& journal, Item& item) {
  switch (item.kind) {
    case Item::Kind::kControl:
      return ProcessControl(round, journal, item);
    case Item::Kind::kLook:
      return ProcessLook(round, journal, item);
    case Item::Kind::kWake:
      return ProcessWake(round, journal, item);
    default:
      return ProcessResult(round, journal, item);
  }
}

absl::Status EngineCore::ProcessResult(RoundState& round, Journal& journal, Item& item) {
  PURSER_ASSIGN_OR_RETURN(Touched* const touched, Touch(round, journal, item.run_id));
  if (!touched->owned) {
    if (item.kind != Item::Kind::kLog) ++round.refused;
    return absl::OkStatus();
  }
  Transition transition(context_, journal, *touched->run);
  if (!transition.IsCurrent(*item.task)) {
    // Refused, unless it was stored by a round whose commit was not known to have happened.
    for (const StepRecord& step : touched->run->steps) {
      if (step.id == item.task->step_id && step.fence != item.task->fence &&
          item.kind == Item::Kind::kResult) {
        ++round.refused;
      }
    }
    return absl::OkStatus();
  }
  touched->changed = true;
  for (const LogBatch& batch : item.log) {
    transition.AppendEvent(item.task->step_id, "step.log", batch.text,
                           {{"level", std::string(ToString(batch.level))}});
  }
  if (item.kind == Item::Kind::kResult) {
    round.stored = true;
    PURSER_RETURN_IF_ERROR(transition.Complete(*item.task, item.outcome).status());
    PURSER_RETURN_IF_ERROR(transition.Advance());
  } else if (item.kind == Item::Kind::kGiveBack) {
    transition.GiveBack(*item.task, item.began);
  }
  bool draining = false;
  {
    base::MutexLock lock(mutex_);
    draining = draining_;
  }
  // What is given back must not be taken again in the same breath.
  if (!draining && item.kind != Item::Kind::kGiveBack) {
    PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  }
  return transition.Save();
}

absl::Status EngineCore::ProcessControl(RoundState& round, Journal& journal, Item& item) {
  absl::StatusOr<Touched*> touched = Touch(round, journal, item.run_id);
  if (!touched.ok()) {
    // What cannot be read is the caller's to know; what the store cannot do now ends the round.
    if (!absl::IsNotFound(touched.status()) && !absl::IsDataLoss(touched.status())) {
      return touched.status();
    }
    round.answers.emplace_back(item.control, touched.status());
    return absl::OkStatus();
  }
  Transition transition(context_, journal, *(*touched)->run);
  const absl::Status acted = item.control->act(transition);
  if (!acted.ok()) {
    round.answers.emplace_back(item.control, acted);
    return absl::OkStatus();
  }
  (*touched)->changed = true;
  round.controlled = true;
  bool draining = false;
  {
    base::MutexLock lock(mutex_);
    draining = draining_;
  }
  if ((*touched)->owned && !draining) {
    PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  }
  PURSER_RETURN_IF_ERROR(transition.Save());
  round.answers.emplace_back(item.control, absl::OkStatus());
  return absl::OkStatus();
}

absl::Status EngineCore::ProcessLook(RoundState& round, Journal& journal, Item& item) {
  const auto found = owned_.find(item.run_id);
  if (found != owned_.end() && !round.touched.contains(item.run_id)) found->second->stale = true;
  absl::StatusOr<Touched*> touched = Touch(round, journal, item.run_id);
  if (absl::IsNotFound(touched.status())) return absl::OkStatus();
  PURSER_RETURN_IF_ERROR(touched.status());
  if (!(*touched)->owned) return absl::OkStatus();
  (*touched)->changed = true;
  Transition transition(context_, journal, *(*touched)->run);
  PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  if ((*touched)->run->record.goal == Goal::kCancel) round.stop_runs.push_back(item.run_id);
  return transition.Save();
}

absl::Status EngineCore::ProcessWake(RoundState& round, Journal& journal, const Item& item) {
  const auto found = owned_.find(item.run_id);
  // Given back meanwhile: then the queue has it.
  if (found == owned_.end()) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(Touched* const touched, Touch(round, journal, item.run_id));
  if (!touched->owned || NextDue(*touched->run) > journal.now()) return absl::OkStatus();
  touched->changed = true;
  Transition transition(context_, journal, *touched->run);
  PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
  return transition.Save();
}

absl::Status EngineCore::LookAtLeases(RoundState& round, Journal& journal) {
  PURSER_ASSIGN_OR_RETURN(
      const Rows rows,
      journal.connection().Query("SELECT r.id FROM workflow_lease l JOIN workflow_run r "
                                 "ON r.number = l.run WHERE l.boot = $1",
                                 {boot_}));
  absl::flat_hash_set<std::string> leased;
  for (const Row& row : rows) {
    const std::string& id = row.Text(0);
    leased.insert(id);
    const auto owned = owned_.find(id);
    if (round.touched.contains(id) || (owned != owned_.end() && !owned->second->stale)) continue;
    PURSER_ASSIGN_OR_RETURN(Touched* const touched, Touch(round, journal, id));
    Transition transition(context_, journal, *touched->run);
    touched->changed = true;
    PURSER_RETURN_IF_ERROR(transition.StartDue(&round.tasks));
    PURSER_RETURN_IF_ERROR(transition.Save());
  }
  for (const auto& [id, owned] : owned_) {
    if (owned->stale && !leased.contains(id)) round.lost_runs.push_back(id);
  }
  return absl::OkStatus();
}

}  // namespace purser::workflow

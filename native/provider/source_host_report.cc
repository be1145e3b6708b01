#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "provider/source_host.h"

namespace purser::provider {

void SourceHost::Report(base::Metrics& metrics) {
  const absl::StatusOr<std::vector<SourceStatus>> statuses = List();
  if (!statuses.ok()) return;
  const absl::Time now = services_.clock->Now();
  for (const SourceStatus& status : *statuses) {
    const base::Labels labels = {{"source", status.record.name}};
    const auto set = [&](absl::string_view name, absl::string_view help, double value) {
      metrics.Gauge(name, help, labels).Set(value);
    };
    set("purser_source_entities", "Entities a source shows in the catalog.",
        static_cast<double>(status.record.entities));
    set("purser_source_held_removals", "Entities kept by the removal guard.",
        static_cast<double>(status.record.held));
    set("purser_source_collisions", "Entities not shown: another source had their ref first.",
        static_cast<double>(status.record.waiting));
    set("purser_source_age_seconds", "Since the source last answered well; -1 before that.",
        status.record.fresh_at == absl::Time()
            ? -1
            : absl::ToDoubleSeconds(now - status.record.fresh_at));
    set("purser_source_failing", "1 when its last answer was a failure.",
        status.record.error.empty() ? 0 : 1);
    set("purser_source_paused", "1 when an operator paused it.", status.record.paused ? 1 : 0);
    set("purser_source_followers", "Streams of portals.", status.followers);
    if (!status.active) continue;
    set("purser_source_rounds", "Rounds since purserd started.",
        static_cast<double>(status.stats.rounds));
    set("purser_source_failures", "Failed rounds since purserd started.",
        static_cast<double>(status.stats.failures));
    set("purser_source_added", "Entities added since purserd started.",
        static_cast<double>(status.stats.added));
    set("purser_source_changed", "Entities changed since purserd started.",
        static_cast<double>(status.stats.changed));
    set("purser_source_removed", "Entities removed since purserd started.",
        static_cast<double>(status.stats.removed));
    set("purser_source_dropped", "Items of the last round that did not become entities.",
        static_cast<double>(status.stats.dropped));
  }
}

std::string SourceHost::Summary() {
  const absl::StatusOr<std::vector<SourceStatus>> statuses = List();
  if (!statuses.ok()) return absl::StrCat("sources: ", statuses.status().message(), "\n");
  const absl::Time now = services_.clock->Now();
  std::string text;
  for (const auto& [record, stats, active, followers, feed] : *statuses) {
    absl::StrAppend(&text, "source ", record.name, ": ", record.entities, " entities, ");
    if (record.fresh_at == absl::Time()) {
      absl::StrAppend(&text, "never read");
    } else {
      absl::StrAppend(&text, "read ", absl::ToInt64Seconds(now - record.fresh_at), " s ago");
    }
    if (record.held > 0) absl::StrAppend(&text, ", ", record.held, " removals held");
    if (record.waiting > 0) absl::StrAppend(&text, ", ", record.waiting, " collisions");
    if (record.paused) absl::StrAppend(&text, ", paused");
    if (!record.error.empty()) absl::StrAppend(&text, ", failing: ", record.error);
    text.push_back('\n');
  }
  return text;
}

}  // namespace purser::provider

// What one run of a provider sees: the Context that a SourceRunner gives it.
#ifndef PURSER_PROVIDER_SOURCE_RUN_H_
#define PURSER_PROVIDER_SOURCE_RUN_H_

#include <atomic>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "provider/source_runner.h"

namespace purser::provider {

class SourceRunner::Run final : public Context {
 public:
  Run(SourceRunner& runner, std::map<std::string, std::string> memory);

  const nlohmann::json& config() const override { return runner_.config_; }
  std::stop_token stop() const override { return runner_.stop_.get_token(); }
  http::Transport& transport() override { return *runner_.services_.transport; }
  base::Clock& clock() override { return *runner_.services_.clock; }
  base::Rng& rng() override { return *runner_.services_.rng; }
  void Log(action::LogLevel level, absl::string_view line) override;

  absl::StatusOr<std::string> Secret(absl::string_view reference) override;

  absl::Status EmitIn(absl::string_view partition, const nlohmann::json& entity) override;

  absl::Status EmitPrepared(absl::string_view partition, const catalog::EntityRef& ref,
                            std::string canonical) override;

  void AddDropped(int64_t items) override;

  void KeepPartition(absl::string_view partition, const absl::Status& why) override;

  void Unchanged() override { unchanged_ = true; }

  absl::Status Remember(absl::string_view key, absl::string_view value) override;

  std::optional<std::string> Recall(absl::string_view key) override;

  absl::Status BeginSnapshot(absl::string_view partition) override;

  absl::Status CompleteSnapshot(absl::string_view partition) override;

  absl::Status Remove(absl::string_view ref) override;

  void Alive() override;

  // Removes or holds what the finished snapshot did not show.
  absl::Status Finish(absl::string_view partition);

  absl::Status End(bool complete, const absl::Status& status);

  bool is_watch() const { return runner_.provider_.description().feed == Feed::kWatch; }
  bool unchanged() const { return unchanged_; }
  // Not OK when a partition could not be read.
  absl::Status DegradedStatus();
  std::map<std::string, std::string> degraded();

 private:
  void EntityLine(absl::string_view line);

  SourceRunner& runner_;
  base::Mutex memory_mutex_;
  std::map<std::string, std::string> memory_ ABSL_GUARDED_BY(memory_mutex_);
  std::map<std::string, std::string> memory_changes_ ABSL_GUARDED_BY(memory_mutex_);
  size_t memory_bytes_ ABSL_GUARDED_BY(memory_mutex_) = 0;
  int entity_lines_ ABSL_GUARDED_BY(memory_mutex_) = 0;
  // Guarded by the runner's mutex.
  std::map<std::string, std::string> degraded_;
  std::set<std::string> incomplete_;
  absl::Duration alive_at_;
  std::atomic<bool> unchanged_{false};
};

}  // namespace purser::provider

#endif  // PURSER_PROVIDER_SOURCE_RUN_H_

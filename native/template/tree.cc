#include "template/tree.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "template/binary.h"
#include "template/tree_plan.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr size_t kFilesPerThread = 16;  // fewer are not worth a thread

// Renders the planned files into the stage, each under its number.
class Stager {
 public:
  Stager(const base::Directory& source, const base::Directory& stage, const TreePlan& plan,
         const Context& context, const TreeOptions& options, std::stop_token stop,
         const std::function<void(int64_t)>& progress)
      : source_(source),
        stage_(stage),
        plan_(plan),
        context_(context),
        options_(options),
        stop_(std::move(stop)),
        progress_(progress) {}

  absl::StatusOr<TreeCounts> Stage() {
    const size_t cores = std::max(1u, std::thread::hardware_concurrency());
    const size_t wanted = std::min({cores, static_cast<size_t>(options_.limits.max_threads),
                                    1 + plan_.files.size() / kFilesPerThread});
    std::vector<std::thread> threads;
    for (size_t i = 1; i < wanted; ++i) {
      // A process out of threads works on with those it has.
      try {
        threads.emplace_back([this] { Work(); });
      } catch (const std::system_error&) {
        break;
      }
    }
    Work();
    for (std::thread& thread : threads) thread.join();
    base::MutexLock lock(mutex_);
    if (failed_.has_value()) return failed_->second;
    return counts_;
  }

 private:
  void Work() {
    while (true) {
      const size_t index = next_.fetch_add(1);
      if (index >= plan_.files.size() || broken_.load()) return;
      absl::Status status = stop_.stop_requested()
                                ? absl::CancelledError("rendering a tree was cancelled")
                                : StageOne(index);
      if (status.ok()) continue;
      base::MutexLock lock(mutex_);
      // Of several failures the first in order is told, as one thread alone would.
      if (!failed_.has_value() || index < failed_->first) failed_.emplace(index, std::move(status));
      broken_.store(true);
    }
  }

  absl::Status StageOne(size_t index);
  absl::Status Count(int64_t bytes, bool rendered);

  const base::Directory& source_;
  const base::Directory& stage_;
  const TreePlan& plan_;
  const Context& context_;
  const TreeOptions& options_;
  const std::stop_token stop_;
  const std::function<void(int64_t)>& progress_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> broken_{false};
  base::Mutex mutex_;
  TreeCounts counts_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::pair<size_t, absl::Status>> failed_ ABSL_GUARDED_BY(mutex_);
};

absl::Status Stager::Count(int64_t bytes, bool rendered) {
  base::MutexLock lock(mutex_);
  ++counts_.files;
  ++(rendered ? counts_.rendered : counts_.copied);
  counts_.bytes += bytes;
  if (counts_.bytes > options_.limits.max_total_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the tree is larger than max_total_bytes of ",
                                                     options_.limits.max_total_bytes));
  }
  if (progress_) progress_(counts_.files);
  return absl::OkStatus();
}

absl::Status Stager::StageOne(size_t index) {
  const PlannedFile& file = plan_.files[index];
  const std::string name = absl::StrCat(index);
  if (file.link) {
    PURSER_ASSIGN_OR_RETURN(const std::string target, source_.ReadSymlink(file.from));
    PURSER_RETURN_IF_ERROR(stage_.WriteSymlink(name, target));
    return Count(0, false);
  }
  PURSER_ASSIGN_OR_RETURN(std::string bytes,
                          source_.ReadFile(file.from, options_.limits.max_file_bytes));
  const bool text = !IsBinary(bytes);
  const bool render = file.render && text;
  mode_t mode = file.mode;
  if (text && file.replaced_mode.has_value()) mode = *file.replaced_mode;
  if (render) {
    Options options;
    options.name = file.from;
    options.cookiecutter_compat = options_.cookiecutter_compat;
    options.trim_blocks = options_.trim_blocks;
    options.lstrip_blocks = options_.lstrip_blocks;
    options.scm_hosts = options_.scm_hosts;
    PURSER_ASSIGN_OR_RETURN(const Template compiled,
                            Template::Compile(bytes, options, options_.file_limits));
    PURSER_ASSIGN_OR_RETURN(bytes, compiled.Render(context_, options_.file_limits, stop_));
  }
  PURSER_RETURN_IF_ERROR(stage_.WriteFile(name, bytes, mode));
  return Count(static_cast<int64_t>(bytes.size()), render);
}

// Moves the staged files to their places; takes all back when one step fails.
class Publisher {
 public:
  Publisher(const base::Directory& workspace, const std::string& stage, const TreePlan& plan)
      : workspace_(workspace), stage_(stage), plan_(plan) {}

  absl::Status Publish() {
    absl::Status status = Move();
    if (!status.ok()) TakeBack();
    return status;
  }

 private:
  absl::Status Move() {
    for (const std::string& folder : plan_.folders) {
      PURSER_RETURN_IF_ERROR(workspace_.MakeAt(folder).status());
      made_.push_back(folder);
    }
    for (size_t i = 0; i < plan_.files.size(); ++i) {
      const std::string& to = plan_.files[i].to;
      const std::string saved = absl::StrCat(stage_, "/old-", i);
      if (workspace_.Stat(to).ok()) {
        PURSER_RETURN_IF_ERROR(workspace_.Rename(to, saved));
        moved_.push_back({to, saved});
      }
      PURSER_RETURN_IF_ERROR(workspace_.Rename(absl::StrCat(stage_, "/", i), to));
      made_.push_back(to);
    }
    return absl::OkStatus();
  }

  // The first error is what counts; these can hardly fail, and there is nothing better to do.
  void TakeBack() {
    for (auto made = made_.rbegin(); made != made_.rend(); ++made) {
      (void)workspace_.Remove(*made);
    }
    for (const auto& [to, saved] : moved_) (void)workspace_.Rename(saved, to);
  }

  const base::Directory& workspace_;
  const std::string& stage_;
  const TreePlan& plan_;
  std::vector<std::string> made_;
  std::vector<std::pair<std::string, std::string>> moved_;
};

}  // namespace

absl::StatusOr<TreeCounts> RenderTree(const base::Directory& source,
                                      const base::Directory& workspace, absl::string_view target,
                                      const Context& context, const TreeOptions& options,
                                      std::stop_token stop,
                                      const std::function<void(int64_t)>& progress) {
  // A rest of a killed run must neither be rendered again nor stay.
  PURSER_RETURN_IF_ERROR(workspace.Remove(options.stage_name));
  PURSER_ASSIGN_OR_RETURN(const std::string below, NormalizeBelow(target));
  PURSER_ASSIGN_OR_RETURN(const TreePlan plan,
                          PlanTree(source, workspace, below, context, options, stop));
  absl::StatusOr<TreeCounts> counts;
  {
    PURSER_ASSIGN_OR_RETURN(const base::Directory stage, workspace.MakeAt(options.stage_name));
    counts = Stager(source, stage, plan, context, options, stop, progress).Stage();
  }
  absl::Status status = counts.status();
  if (status.ok()) status = Publisher(workspace, options.stage_name, plan).Publish();
  const absl::Status cleaned = workspace.Remove(options.stage_name);
  PURSER_RETURN_IF_ERROR(status);
  PURSER_RETURN_IF_ERROR(cleaned);
  counts->folders = static_cast<int64_t>(plan.folders.size());
  counts->skipped = plan.skipped;
  for (const PlannedFile& file : plan.files) {
    absl::string_view path = file.to;
    if (!below.empty()) path.remove_prefix(below.size() + 1);
    counts->paths.emplace_back(path);
  }
  std::sort(counts->paths.begin(), counts->paths.end());
  return counts;
}

}  // namespace purser::tmpl

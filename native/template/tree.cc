#include "template/tree.h"

#include <algorithm>
#include <atomic>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file_stream.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "template/binary.h"
#include "template/tree_copy.h"
#include "template/tree_plan.h"
#include "template/tree_render.h"
#include "template/unicode.h"

namespace purser::tmpl {
namespace {

constexpr size_t kFilesPerThread = 16;  // fewer are not worth a thread
// Files from this size on are copied in pieces, when they are copied.
constexpr int64_t kLargeFileBytes = 1 << 20;

// The planned files, rendered, each under its number in the stage.
struct Staged {
  TreeCounts counts;
  std::vector<char> is_text;  // of each planned file; links are none
};

class Stager {
 public:
  Stager(const base::Directory& source, const base::Directory& stage, const TreePlan& plan,
         const Context& context, const TreeOptions& options, std::stop_token stop,
         const std::function<void(int64_t)>& progress)
      : source_(source),
        stage_(stage),
        plan_(plan),
        options_(options),
        stop_(stop),
        progress_(progress),
        renderer_(context, options, std::move(stop)),
        is_text_(plan.files.size()) {}

  absl::StatusOr<Staged> Stage() {
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
    return Staged{counts_, std::move(is_text_)};
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
  // A large file that is not rendered, in pieces; false: it is small, or text to be looked at
  // whole.
  absl::StatusOr<bool> StageInPieces(const PlannedFile& file, const std::string& name);
  absl::Status StageText(const PlannedFile& file, const std::string& name, std::string bytes);
  absl::Status Count(int64_t bytes, bool rendered, bool foreign);

  const base::Directory& source_;
  const base::Directory& stage_;
  const TreePlan& plan_;
  const TreeOptions& options_;
  const std::stop_token stop_;
  const std::function<void(int64_t)>& progress_;
  const TextRenderer renderer_;
  std::atomic<size_t> next_{0};
  std::atomic<bool> broken_{false};
  std::vector<char> is_text_;  // each thread writes those of its files
  base::Mutex mutex_;
  TreeCounts counts_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::pair<size_t, absl::Status>> failed_ ABSL_GUARDED_BY(mutex_);
};

absl::Status Stager::Count(int64_t bytes, bool rendered, bool foreign) {
  base::MutexLock lock(mutex_);
  ++counts_.files;
  ++(rendered ? counts_.rendered : counts_.copied);
  counts_.foreign += foreign;
  counts_.bytes += bytes;
  if (counts_.bytes > options_.limits.max_total_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("the tree is larger than max_total_bytes of ",
                                                     options_.limits.max_total_bytes));
  }
  if (progress_) progress_(counts_.files);
  return absl::OkStatus();
}

absl::Status Stager::StageText(const PlannedFile& file, const std::string& name,
                               std::string bytes) {
  bool foreign = false;
  if (file.render) {
    PURSER_ASSIGN_OR_RETURN(bytes, renderer_.Render(file.from, std::move(bytes), &foreign));
  } else if (!base::IsValidUtf8(bytes)) {
    bytes = DecodeUtf8(bytes);  // as Backstage, which reads all text as UTF-8
  }
  PURSER_RETURN_IF_ERROR(file.replaced_mode.has_value()
                             ? stage_.WriteFileExactly(name, bytes, *file.replaced_mode)
                             : stage_.WriteFile(name, bytes, file.mode));
  return Count(static_cast<int64_t>(bytes.size()), file.render, foreign);
}

absl::StatusOr<bool> Stager::StageInPieces(const PlannedFile& file, const std::string& name) {
  if (file.bytes < kLargeFileBytes) return false;
  PURSER_ASSIGN_OR_RETURN(const base::FileReader reader,
                          base::FileReader::Open(source_, file.from));
  if (reader.bytes() > options_.limits.max_file_bytes) return false;  // ReadFile says it
  if (!options_.verbatim) {
    std::string head(kBinaryHeadBytes, '\0');
    PURSER_ASSIGN_OR_RETURN(const size_t got, reader.ReadAt(0, head.data(), head.size()));
    if (!IsBinary(absl::string_view(head).substr(0, got))) return false;
  }
  PURSER_ASSIGN_OR_RETURN(base::FileWriter writer, base::FileWriter::Create(stage_, name));
  PURSER_RETURN_IF_ERROR(writer.SetMode(file.mode));
  PURSER_RETURN_IF_ERROR(CopyPieces(reader, writer, stop_));
  PURSER_RETURN_IF_ERROR(Count(writer.bytes(), false, false));
  PURSER_RETURN_IF_ERROR(writer.Commit());
  return true;
}

absl::Status Stager::StageOne(size_t index) {
  const PlannedFile& file = plan_.files[index];
  const std::string name = absl::StrCat(index);
  if (file.link.has_value()) {
    PURSER_RETURN_IF_ERROR(stage_.WriteSymlink(name, *file.link));
    return Count(0, false, false);
  }
  PURSER_ASSIGN_OR_RETURN(const bool staged, StageInPieces(file, name));
  if (staged) return absl::OkStatus();
  PURSER_ASSIGN_OR_RETURN(std::string bytes,
                          source_.ReadFile(file.from, options_.limits.max_file_bytes));
  is_text_[index] = !options_.verbatim && !IsBinary(bytes);
  if (is_text_[index]) return StageText(file, name, std::move(bytes));
  PURSER_RETURN_IF_ERROR(stage_.WriteFileExactly(name, bytes, file.mode));
  return Count(static_cast<int64_t>(bytes.size()), false, false);
}

// Moves the staged files to their places; takes all back when one step fails.
class Publisher {
 public:
  Publisher(const base::Directory& workspace, const std::string& stage, const TreePlan& plan,
            const std::vector<char>& is_text)
      : workspace_(workspace), stage_(stage), plan_(plan), is_text_(is_text) {}

  absl::Status Publish() {
    absl::Status status = Move();
    if (!status.ok()) TakeBack();
    return status;
  }

 private:
  absl::Status Move() {
    for (const PlannedFolder& folder : plan_.folders) {
      PURSER_RETURN_IF_ERROR(workspace_.MakeAt(folder.path).status());
      made_.push_back(folder.path);
    }
    for (size_t i = 0; i < plan_.files.size(); ++i) {
      PURSER_RETURN_IF_ERROR(MoveOne(i, is_text_[i] ? plan_.files[i].text_to : plan_.files[i].to));
    }
    // Last and inner ones first: a folder may become one that nothing can be put into.
    for (auto folder = plan_.folders.rbegin(); folder != plan_.folders.rend(); ++folder) {
      if (!folder->mode.has_value()) continue;
      PURSER_RETURN_IF_ERROR(workspace_.SetMode(folder->path, *folder->mode));
    }
    return absl::OkStatus();
  }

  absl::Status MoveOne(size_t index, const std::string& to) {
    const absl::StatusOr<base::DirectoryEntry> there = workspace_.Stat(to);
    if (there.ok()) {
      if (there->kind == base::FileKind::kDirectory) {
        return absl::FailedPreconditionError(
            absl::StrCat(base::EscapeForDisplay(to), " is a folder; a file cannot replace it"));
      }
      const std::string saved = absl::StrCat(stage_, "/old-", index);
      PURSER_RETURN_IF_ERROR(workspace_.Rename(to, saved));
      moved_.push_back({to, saved});
    }
    PURSER_RETURN_IF_ERROR(workspace_.Rename(absl::StrCat(stage_, "/", index), to));
    made_.push_back(to);
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
  const std::vector<char>& is_text_;
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
  absl::StatusOr<Staged> staged;
  {
    PURSER_ASSIGN_OR_RETURN(const base::Directory stage, workspace.MakeAt(options.stage_name));
    staged = Stager(source, stage, plan, context, options, stop, progress).Stage();
  }
  absl::Status status = staged.status();
  if (status.ok() && stop.stop_requested()) {
    status = absl::CancelledError("rendering a tree was cancelled");
  }
  if (status.ok()) {
    TreeCounts& counts = staged->counts;
    counts.folders = static_cast<int64_t>(plan.folders.size());
    counts.skipped = plan.skipped;
    for (const PlannedFile& file : plan.files) {
      absl::string_view path = file.to;
      if (!below.empty()) path.remove_prefix(below.size() + 1);
      counts.paths.emplace_back(path);
    }
    std::sort(counts.paths.begin(), counts.paths.end());
    if (options.before_publishing) status = options.before_publishing(counts);
  }
  if (status.ok()) {
    status = Publisher(workspace, options.stage_name, plan, staged->is_text).Publish();
  }
  const absl::Status cleaned = workspace.Remove(options.stage_name);
  PURSER_RETURN_IF_ERROR(status);
  PURSER_RETURN_IF_ERROR(cleaned);
  return std::move(staged->counts);
}

absl::StatusOr<TreeCounts> RenderFile(absl::string_view name, absl::string_view source,
                                      const base::Directory& workspace, absl::string_view target,
                                      const Context& context, const TreeOptions& options,
                                      std::stop_token stop) {
  PURSER_ASSIGN_OR_RETURN(const std::string to, NormalizeBelow(target));
  if (to.empty()) return absl::InvalidArgumentError("the target must be a file, not a folder");
  PURSER_ASSIGN_OR_RETURN(const Place place, FindPlace(workspace, to));
  TreeCounts counts;
  if (place.entry.has_value() && !options.replace) {
    counts.skipped = 1;
    if (options.before_publishing) PURSER_RETURN_IF_ERROR(options.before_publishing(counts));
    return counts;
  }
  if (place.entry.has_value() && place.entry->kind != base::FileKind::kFile) {
    return absl::FailedPreconditionError(
        absl::StrCat(base::EscapeForDisplay(to), " is no file; a file cannot replace it"));
  }
  bool foreign = false;
  PURSER_ASSIGN_OR_RETURN(
      const std::string text,
      TextRenderer(context, options, stop).Render(name, std::string(source), &foreign));
  if (stop.stop_requested()) return absl::CancelledError("rendering a file was cancelled");
  counts.files = counts.rendered = 1;
  counts.foreign = foreign;
  counts.bytes = static_cast<int64_t>(text.size());
  counts.paths = {to};
  if (options.before_publishing) PURSER_RETURN_IF_ERROR(options.before_publishing(counts));
  PURSER_RETURN_IF_ERROR(place.entry.has_value()
                             ? workspace.WriteFileExactly(place.path, text, place.entry->mode)
                             : workspace.WriteFile(place.path, text));
  return counts;
}

}  // namespace purser::tmpl

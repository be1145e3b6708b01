#include "scaffolder-actions/archive/archive_action.h"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/file_stream.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/archive/archive_description.h"
#include "scaffolder-actions/archive/entries.h"
#include "scaffolder-actions/archive/unpacking.h"
#include "scaffolder-actions/file_support.h"
#include "scaffolder-actions/progress.h"
#include "template/glob.h"

namespace purser::actions {
namespace {

class FileBytes final : public ByteSource {
 public:
  explicit FileBytes(base::FileReader file) : file_(std::move(file)) {}
  int64_t bytes() const override { return file_.bytes(); }
  absl::StatusOr<size_t> ReadAt(int64_t offset, char* buffer, size_t size) const override {
    return file_.ReadAt(offset, buffer, size);
  }

 private:
  const base::FileReader file_;
};

class FileSink final : public ByteSink {
 public:
  explicit FileSink(base::FileWriter& file) : file_(file) {}
  int64_t bytes() const override { return file_.bytes(); }
  absl::Status Append(absl::string_view bytes) override { return file_.Append(bytes); }
  absl::Status WriteAt(int64_t offset, absl::string_view bytes) override {
    return file_.WriteAt(offset, bytes);
  }

 private:
  base::FileWriter& file_;
};

// What is called between pieces: counts, tells, and ends the work when it is to stop.
class Pace {
 public:
  explicit Pace(action::Context& context)
      : context_(context), progress_(context, base::Clock::System()) {}
  absl::Status operator()(int64_t bytes, int64_t files) {
    if (context_.stop().stop_requested()) return absl::CancelledError("the task was cancelled");
    bytes_ += bytes;
    progress_(files, bytes_);
    return absl::OkStatus();
  }

 private:
  action::Context& context_;
  Progress progress_;
  int64_t bytes_ = 0;
};

void Report(action::Context& context, const ArchiveCounts& counts, const std::string& path,
            absl::string_view did) {
  context.Output("files", counts.files);
  context.Output("bytes", counts.bytes);
  context.Output("path", path);
  context.Log(action::LogLevel::kInfo,
              absl::StrCat(did, " ", counts.files, " files (", counts.bytes, " bytes)"));
}

// Git's own folder, and what a killed run left.
bool IsLeftOut(absl::string_view path) {
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part == ".git" || base::IsLeftover(part)) return true;
  }
  return false;
}

// One folder on its way into an archive.
class Packing {
 public:
  Packing(const base::Directory& source, std::string prefix, ArchiveWriter& writer)
      : source_(source), prefix_(std::move(prefix)), writer_(writer) {}

  absl::Status Add(const base::DirectoryEntry& file) {
    Entry entry;
    entry.path = prefix_.empty() ? file.path : absl::StrCat(prefix_, "/", file.path);
    entry.executable = (file.mode & 0100) != 0;
    std::optional<FileBytes> content;
    if (file.kind == base::FileKind::kDirectory) {
      entry.kind = EntryKind::kFolder;
    } else if (file.kind == base::FileKind::kSymlink) {
      entry.kind = EntryKind::kLink;
      PURSER_ASSIGN_OR_RETURN(entry.target, source_.ReadSymlink(file.path));
    } else if (file.kind == base::FileKind::kFile) {
      PURSER_ASSIGN_OR_RETURN(base::FileReader reader, base::FileReader::Open(source_, file.path));
      content.emplace(std::move(reader));
      entry.bytes = content->bytes();
    } else {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(file.path), ": is no file, folder or symbolic link"));
    }
    PURSER_RETURN_IF_ERROR(guard_.Admit(entry));
    PURSER_RETURN_IF_ERROR(guard_.Count(entry.path, entry.bytes));
    PURSER_RETURN_IF_ERROR(writer_.Add(entry, content.has_value() ? &*content : nullptr));
    if (entry.kind == EntryKind::kFolder) return absl::OkStatus();
    ++counts_.files;
    counts_.bytes +=
        entry.kind == EntryKind::kLink ? static_cast<int64_t>(entry.target.size()) : entry.bytes;
    return absl::OkStatus();
  }
  const ArchiveCounts& counts() const { return counts_; }

 private:
  const base::Directory& source_;
  const std::string prefix_;
  ArchiveWriter& writer_;
  EntryGuard guard_{kMaxArchiveBytes};
  ArchiveCounts counts_;
};

}  // namespace

PackAction::PackAction(ArchiveForm form) : form_(form), description_(DescribePack(form)) {}

absl::Status PackAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const std::string path,
                          WorkspacePath(input["path"].get_ref<const std::string&>()));
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  // What a killed run left goes first, and in the end all that was not moved into its place.
  PURSER_RETURN_IF_ERROR(workspace.Remove(base::kStageName));
  const absl::Status status = Pack(context, workspace, path);
  workspace.Remove(base::kStageName).IgnoreError();
  return status;
}

absl::Status PackAction::Pack(action::Context& context, const base::Directory& workspace,
                              const std::string& path) const {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const std::string source_path,
                          WorkspacePath(input.value("sourcePath", ".")));
  PURSER_ASSIGN_OR_RETURN(const std::string prefix, WorkspacePath(input.value("prefix", "")));
  PURSER_ASSIGN_OR_RETURN(tmpl::GlobSet exclude, tmpl::GlobSet::Compile(input.value(
                                                     "exclude", std::vector<std::string>())));
  absl::StatusOr<base::Directory> source = source_path.empty()
                                               ? base::Directory::Open(context.workspace())
                                               : workspace.OpenAt(source_path);
  if (!source.ok()) return base::Annotate(source.status(), "/sourcePath");
  PURSER_ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> listed,
                          source->List({.stop = context.stop()}));

  const std::string staged = absl::StrCat(base::kStageName, "/archive");
  PURSER_ASSIGN_OR_RETURN(base::FileWriter archive, base::FileWriter::Create(workspace, staged));
  FileSink sink(archive);
  Pace pace(context);
  const Packing* counted = nullptr;
  const Step step = [&pace, &counted](int64_t bytes) {
    return pace(bytes, counted->counts().files);
  };
  const bool compressed = absl::EndsWith(path, ".gz") || absl::EndsWith(path, ".tgz");
  const std::unique_ptr<ArchiveWriter> writer =
      form_ == ArchiveForm::kZip ? NewZipWriter(sink, step) : NewTarWriter(sink, compressed, step);
  Packing packing(*source, prefix, *writer);
  counted = &packing;
  for (const base::DirectoryEntry& file : listed) {
    PURSER_RETURN_IF_ERROR(step(0));
    const std::string in_workspace =
        source_path.empty() ? file.path : absl::StrCat(source_path, "/", file.path);
    if (in_workspace == path || IsLeftOut(file.path)) continue;
    PURSER_ASSIGN_OR_RETURN(const bool out, exclude.Matches(file.path));
    if (!out) PURSER_RETURN_IF_ERROR(packing.Add(file));
  }
  PURSER_RETURN_IF_ERROR(writer->Finish());
  PURSER_RETURN_IF_ERROR(archive.Commit());
  if (const size_t slash = path.rfind('/'); slash != std::string::npos) {
    PURSER_RETURN_IF_ERROR(workspace.MakeAt(path.substr(0, slash)).status());
  }
  PURSER_RETURN_IF_ERROR(workspace.Rename(staged, path));
  Report(
      context, packing.counts(), path,
      absl::StrCat("packed into ", base::EscapeForDisplay(path), ", ", archive.bytes(), " bytes:"));
  return absl::OkStatus();
}

UnpackAction::UnpackAction(ArchiveForm form) : form_(form), description_(DescribeUnpack(form)) {}

absl::Status UnpackAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const std::string path,
                          WorkspacePath(input["path"].get_ref<const std::string&>()));
  PURSER_ASSIGN_OR_RETURN(const std::string target, WorkspacePath(input.value("targetPath", ".")));
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  PURSER_ASSIGN_OR_RETURN(base::FileReader file, base::FileReader::Open(workspace, path));
  if (file.bytes() > kMaxArchiveBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(base::EscapeForDisplay(path), ": larger than ",
                                                     kMaxArchiveBytes,
                                                     " bytes (kMaxArchiveBytes)"));
  }
  const FileBytes archive(std::move(file));
  Unpacking unpacking(workspace, target, input.value("strip", 0), input.value("replace", false));
  PURSER_RETURN_IF_ERROR(unpacking.Begin());
  Pace pace(context);
  const Step step = [&](int64_t bytes) { return pace(bytes, unpacking.counts().files); };
  absl::Status status = form_ == ArchiveForm::kZip ? ReadZip(archive, unpacking, step)
                                                   : ReadTar(archive, unpacking, step);
  if (status.ok()) status = unpacking.Move(context.stop());
  unpacking.Clean();
  if (!status.ok()) return base::Annotate(status, base::EscapeForDisplay(path));
  Report(context, unpacking.counts(), target,
         absl::StrCat("unpacked ", base::EscapeForDisplay(path), ":"));
  return absl::OkStatus();
}

}  // namespace purser::actions

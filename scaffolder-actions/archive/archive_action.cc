#include "scaffolder-actions/archive/archive_action.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/archive/entries.h"
#include "scaffolder-actions/file_support.h"
#include "template/glob.h"

namespace purser::actions {
namespace {

// Where an archive is unpacked first; what a killed run left there goes at the next one.
constexpr char kStage[] = ".purser-unpack";

nlohmann::json Count(const char* title, int example) {
  return {{"type", "integer"}, {"minimum", 0}, {"title", title}, {"examples", {example}}};
}

nlohmann::json CountsSchema() {
  return {{"type", "object"},
          {"required", {"files", "bytes"}},
          {"properties",
           {{"files", Count("Files and links", 3)},
            {"bytes", Count("Their bytes", 2048)},
            {"path",
             {{"type", "string"},
              {"title", "Path"},
              {"description", "The archive, or the folder it was unpacked into."},
              {"examples", {"dist/site.zip"}}}}}}};
}

std::string Example(const char* action, const char* input) {
  return absl::StrCat("steps:\n  - id: archive\n    name: Archive\n    action: ", action,
                      "\n    input:\n", input);
}

action::Description DescribePack(ArchiveForm form) {
  const bool zip = form == ArchiveForm::kZip;
  const char* id = zip ? "purser:files:zip" : "purser:files:tar";
  nlohmann::json path = FilePathProperty(zip ? "The archive to write."
                                             : "The archive to write; with .gz or .tgz at "
                                               "its end it is compressed.");
  nlohmann::json source = FilePathProperty("Folder of the workspace to pack.");
  source["default"] = ".";
  nlohmann::json exclude =
      FileProperty("array", "Leave out", "Path patterns of what is not packed.");
  exclude["items"] = {{"type", "string"}, {"minLength", 1}, {"maxLength", tmpl::kMaxGlobBytes}};
  exclude["maxItems"] = tmpl::kMaxGlobPatterns;
  action::Description description;
  description.id = id;
  description.description = absl::StrCat(
      "Packs a folder of the workspace as ", zip ? "a zip" : "a tar",
      " archive: sorted, with fixed times and owners, so that equal files give equal bytes. .git "
      "and links that lead out are left alone.");
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema =
      ObjectSchema({{"path", std::move(path)},
                    {"sourcePath", std::move(source)},
                    {"exclude", std::move(exclude)},
                    {"prefix", FileProperty("string", "Prefix", "Folder in the archive.")}},
                   {"path"});
  description.output_schema = CountsSchema();
  const char* end = zip ? "zip" : "tar.gz";
  description.examples = {
      {"Pack a folder.",
       Example(id,
               absl::StrCat("      path: dist/site.", end, "\n      sourcePath: site\n").c_str())},
      {"Pack all but some files.",
       Example(id,
               absl::StrCat("      path: sources.", end,
                            "\n      exclude:\n        - node_modules/**\n        - \"**/*.log\"\n")
                   .c_str())},
      {"Pack below a folder of its own.",
       Example(id, absl::StrCat("      path: release.", end,
                                "\n      sourcePath: build\n      prefix: ${{ parameters.name }}\n")
                       .c_str())}};
  return description;
}

action::Description DescribeUnpack(ArchiveForm form) {
  const bool zip = form == ArchiveForm::kZip;
  const char* id = zip ? "purser:files:unzip" : "purser:files:untar";
  nlohmann::json target = FilePathProperty("Folder of the workspace to unpack into.");
  target["default"] = ".";
  nlohmann::json strip =
      FileProperty("integer", "Strip", "How many leading folders of each path are left out.");
  strip["minimum"] = 0;
  strip["maximum"] = 20;
  strip["default"] = 0;
  action::Description description;
  description.id = id;
  description.description = absl::StrCat(
      "Unpacks ", zip ? "a zip archive" : "a tar archive, plain or compressed by gzip,",
      " of the workspace, wholly or not at all. Paths and links that lead out, special files and "
      "bombs are refused.");
  description.host = action::Host::kPortal;
  description.supports_dry_run = true;
  description.input_schema = ObjectSchema(
      {{"path", FilePathProperty("The archive.")},
       {"targetPath", std::move(target)},
       {"strip", std::move(strip)},
       {"replace", SwitchProperty("Replace", "Overwrite files that say something else.", false)}},
      {"path"});
  description.output_schema = CountsSchema();
  const char* end = zip ? "zip" : "tar.gz";
  description.examples = {
      {"Unpack into a folder.",
       Example(id, absl::StrCat("      path: site.", end, "\n      targetPath: site\n").c_str())},
      {"Leave out the folder at the top.",
       Example(id, absl::StrCat("      path: sources.", end, "\n      strip: 1\n").c_str())},
      {"Unpack over what is there.",
       Example(id, absl::StrCat("      path: update.", end,
                                "\n      targetPath: app\n      replace: true\n")
                       .c_str())}};
  return description;
}

struct Counts {
  int64_t files = 0;
  int64_t bytes = 0;
};

void Report(action::Context& context, const Counts& counts, const std::string& path,
            absl::string_view did) {
  context.Output("files", counts.files);
  context.Output("bytes", counts.bytes);
  context.Output("path", path);
  context.Log(action::LogLevel::kInfo,
              absl::StrCat(did, " ", counts.files, " files (", counts.bytes, " bytes)"));
}

// ---- unpacking

// An archive on its way into the workspace: staged, then moved, and moved back after an error.
class Unpacking {
 public:
  Unpacking(const base::Directory& workspace, std::string target, bool replace)
      : workspace_(workspace), target_(std::move(target)), replace_(replace) {}

  absl::Status Begin() {
    PURSER_RETURN_IF_ERROR(workspace_.Remove(kStage));
    return workspace_.MakeAt(absl::StrCat(kStage, "/new")).status();
  }

  absl::Status Stage(Entry entry, int strip) {
    std::string path = entry.path;
    for (; strip > 0; --strip) {
      const size_t slash = path.find('/');
      if (slash == std::string::npos) return absl::OkStatus();
      path.erase(0, slash + 1);
    }
    const std::string staged = absl::StrCat(kStage, "/new/", path);
    if (entry.kind == EntryKind::kFolder) {
      folders_.push_back(path);
      return workspace_.MakeAt(staged).status();
    }
    ++counts_.files;
    counts_.bytes += static_cast<int64_t>(entry.content.size());
    paths_.push_back(path);
    if (entry.kind == EntryKind::kLink) {
      links_.push_back(path);
      return workspace_.WriteSymlink(staged, entry.content);
    }
    return workspace_.WriteFile(staged, entry.content, entry.executable ? 0777 : 0666);
  }

  absl::Status Move(std::stop_token stop) {
    PURSER_RETURN_IF_ERROR(CheckLinks());
    absl::Status status = MoveAll(std::move(stop));
    if (status.ok()) return status;
    for (auto move = moved_.rbegin(); move != moved_.rend(); ++move) {
      // The first error is the one to tell.
      const std::string place = PlaceOf(move->path);
      (move->had_old ? workspace_.Rename(OldOf(move->path), place) : workspace_.Remove(place))
          .IgnoreError();
    }
    return status;
  }

  void End() { workspace_.Remove(kStage).IgnoreError(); }
  const Counts& counts() const { return counts_; }

 private:
  struct Moved {
    std::string path;
    bool had_old;
  };

  std::string PlaceOf(const std::string& path) const {
    return target_.empty() ? path : absl::StrCat(target_, "/", path);
  }
  static std::string OldOf(const std::string& path) { return absl::StrCat(kStage, "/old/", path); }

  // Chains of links are followed by the kernel, which tells when one leads out.
  absl::Status CheckLinks() const {
    PURSER_ASSIGN_OR_RETURN(const base::Directory stage,
                            workspace_.OpenAt(absl::StrCat(kStage, "/new")));
    for (const std::string& path : links_) {
      const absl::Status status = stage.OpenAt(path).status();
      if (status.code() == absl::StatusCode::kPermissionDenied) {
        return absl::PermissionDeniedError(
            absl::StrCat("entry \"", base::EscapeForDisplay(path), "\": a link that leads out"));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<bool> IsSame(const std::string& path, const base::DirectoryEntry& there) const {
    const std::string staged = absl::StrCat(kStage, "/new/", path);
    PURSER_ASSIGN_OR_RETURN(const base::DirectoryEntry own, workspace_.Stat(staged));
    if (own.kind != there.kind || own.bytes != there.bytes) return false;
    if (own.kind == base::FileKind::kSymlink) {
      PURSER_ASSIGN_OR_RETURN(const std::string a, workspace_.ReadSymlink(staged));
      PURSER_ASSIGN_OR_RETURN(const std::string b, workspace_.ReadSymlink(PlaceOf(path)));
      return a == b;
    }
    PURSER_ASSIGN_OR_RETURN(const std::string a, workspace_.ReadFile(staged, kMaxEntryBytes));
    PURSER_ASSIGN_OR_RETURN(const std::string b,
                            workspace_.ReadFile(PlaceOf(path), kMaxEntryBytes));
    return a == b;
  }

  absl::Status MoveAll(std::stop_token stop) {
    for (const std::string& folder : folders_) {
      PURSER_RETURN_IF_ERROR(workspace_.MakeAt(PlaceOf(folder)).status());
    }
    for (const std::string& path : paths_) {
      if (stop.stop_requested()) return absl::CancelledError("the task was cancelled");
      const std::string place = PlaceOf(path);
      const absl::StatusOr<base::DirectoryEntry> there = workspace_.Stat(place);
      bool had_old = false;
      if (there.ok()) {
        if (there->kind == base::FileKind::kDirectory) {
          return absl::FailedPreconditionError(
              absl::StrCat(base::EscapeForDisplay(place), ": there is a folder of this name"));
        }
        PURSER_ASSIGN_OR_RETURN(const bool same, IsSame(path, *there));
        if (same) continue;
        if (!replace_) {
          return absl::AlreadyExistsError(
              absl::StrCat(base::EscapeForDisplay(place),
                           ": is there and says something else; \"replace\" would overwrite it"));
        }
        PURSER_RETURN_IF_ERROR(MakeParent(OldOf(path)));
        PURSER_RETURN_IF_ERROR(workspace_.Rename(place, OldOf(path)));
        had_old = true;
      } else if (there.status().code() != absl::StatusCode::kNotFound) {
        return there.status();
      }
      moved_.push_back({path, had_old});
      PURSER_RETURN_IF_ERROR(MakeParent(place));
      PURSER_RETURN_IF_ERROR(workspace_.Rename(absl::StrCat(kStage, "/new/", path), place));
    }
    return absl::OkStatus();
  }

  absl::Status MakeParent(const std::string& path) const {
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos) return absl::OkStatus();
    return workspace_.MakeAt(path.substr(0, slash)).status();
  }

  const base::Directory& workspace_;
  const std::string target_;
  const bool replace_;
  std::vector<std::string> folders_, paths_, links_;
  std::vector<Moved> moved_;
  Counts counts_;
};

}  // namespace

PackAction::PackAction(ArchiveForm form) : form_(form), description_(DescribePack(form)) {}

absl::Status PackAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const std::string path,
                          WorkspacePath(input["path"].get_ref<const std::string&>()));
  PURSER_ASSIGN_OR_RETURN(const std::string source_path,
                          WorkspacePath(input.value("sourcePath", ".")));
  PURSER_ASSIGN_OR_RETURN(const std::string prefix, WorkspacePath(input.value("prefix", "")));
  PURSER_ASSIGN_OR_RETURN(tmpl::GlobSet exclude, tmpl::GlobSet::Compile(input.value(
                                                     "exclude", std::vector<std::string>())));
  PURSER_ASSIGN_OR_RETURN(base::Directory workspace, base::Directory::Open(context.workspace()));
  absl::StatusOr<base::Directory> source = source_path.empty()
                                               ? base::Directory::Open(context.workspace())
                                               : workspace.OpenAt(source_path);
  if (!source.ok()) return base::Annotate(source.status(), "/sourcePath");
  PURSER_ASSIGN_OR_RETURN(std::vector<base::DirectoryEntry> listed, source->List());
  const bool compressed = absl::EndsWith(path, ".gz") || absl::EndsWith(path, ".tgz");
  const std::unique_ptr<ArchiveWriter> writer =
      form_ == ArchiveForm::kZip ? NewZipWriter() : NewTarWriter(compressed);
  const std::string own = source_path.empty() ? "" : absl::StrCat(source_path, "/");
  EntryGuard guard(kMaxArchiveBytes);
  Counts counts;
  for (const base::DirectoryEntry& file : listed) {
    if (context.stop().stop_requested()) return absl::CancelledError("the task was cancelled");
    const std::string in_workspace = absl::StrCat(own, file.path);
    // Neither the archive itself, nor what a killed run left.
    if (in_workspace == path || absl::StartsWith(in_workspace, ".purser-") ||
        absl::StartsWith(file.path, ".git/") || file.path == ".git" ||
        absl::StrContains(file.path, "/.git/") || absl::EndsWith(file.path, "/.git")) {
      continue;
    }
    PURSER_ASSIGN_OR_RETURN(const bool out, exclude.Matches(file.path));
    if (out) continue;
    Entry entry;
    entry.path = prefix.empty() ? file.path : absl::StrCat(prefix, "/", file.path);
    entry.executable = (file.mode & 0100) != 0;
    if (file.kind == base::FileKind::kDirectory) {
      entry.kind = EntryKind::kFolder;
    } else if (file.kind == base::FileKind::kSymlink) {
      entry.kind = EntryKind::kLink;
      PURSER_ASSIGN_OR_RETURN(entry.content, source->ReadSymlink(file.path));
    } else if (file.kind == base::FileKind::kFile) {
      PURSER_ASSIGN_OR_RETURN(entry.content, source->ReadFile(file.path, kMaxEntryBytes));
    } else {
      return absl::FailedPreconditionError(
          absl::StrCat(base::EscapeForDisplay(file.path), ": is no file, folder or symbolic link"));
    }
    PURSER_RETURN_IF_ERROR(guard.Admit(entry));
    if (entry.kind != EntryKind::kFolder) {
      ++counts.files;
      counts.bytes += static_cast<int64_t>(entry.content.size());
    }
    PURSER_RETURN_IF_ERROR(writer->Add(entry));
  }
  PURSER_ASSIGN_OR_RETURN(const std::string archive, writer->Finish());
  PURSER_RETURN_IF_ERROR(workspace.WriteFile(path, archive));
  Report(
      context, counts, path,
      absl::StrCat("packed into ", base::EscapeForDisplay(path), ", ", archive.size(), " bytes:"));
  return absl::OkStatus();
}

UnpackAction::UnpackAction(ArchiveForm form) : form_(form), description_(DescribeUnpack(form)) {}

absl::Status UnpackAction::Run(action::Context& context) {
  const nlohmann::json& input = context.input();
  PURSER_ASSIGN_OR_RETURN(const std::string path,
                          WorkspacePath(input["path"].get_ref<const std::string&>()));
  PURSER_ASSIGN_OR_RETURN(const std::string target, WorkspacePath(input.value("targetPath", ".")));
  const int strip = input.value("strip", 0);
  PURSER_ASSIGN_OR_RETURN(const base::Directory workspace,
                          base::Directory::Open(context.workspace()));
  PURSER_ASSIGN_OR_RETURN(const std::string archive, workspace.ReadFile(path, kMaxArchiveBytes));
  Unpacking unpacking(workspace, target, input.value("replace", false));
  PURSER_RETURN_IF_ERROR(unpacking.Begin());
  const EntrySink sink = [&](Entry entry) { return unpacking.Stage(std::move(entry), strip); };
  absl::Status status = form_ == ArchiveForm::kZip ? ReadZip(archive, sink, context.stop())
                                                   : ReadTar(archive, sink, context.stop());
  if (status.ok()) status = unpacking.Move(context.stop());
  unpacking.End();
  if (!status.ok()) return base::Annotate(status, base::EscapeForDisplay(path));
  Report(context, unpacking.counts(), target,
         absl::StrCat("unpacked ", base::EscapeForDisplay(path), ":"));
  return absl::OkStatus();
}

}  // namespace purser::actions

#include "connectors/files/files_connector.h"

#include <optional>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "connectors/file_comparison.h"
#include "json/json.h"

namespace purser::connectors {
namespace {

constexpr char kWrite[] = "write";
constexpr char kRemove[] = "remove";

nlohmann::json FolderSchema() {
  return {{"type", "string"},
          {"description", "Folder below the connector's root."},
          {"minLength", 1},
          {"maxLength", static_cast<int>(base::kMaxPathBytes)}};
}

nlohmann::json FileList(const char* description) {
  return {{"type", "array"}, {"items", {{"type", "string"}}}, {"description", description}};
}

nlohmann::json Count(const char* description) {
  return {{"type", "integer"}, {"minimum", 0}, {"description", description}};
}

std::vector<Operation> MakeOperations() {
  Operation write;
  write.name = kWrite;
  write.description =
      "Writes files into a folder below the connector's root. Files that already hold the same "
      "text "
      "are left alone; with `prune`, others in the folder are deleted.";
  write.call_class = CallClass::kPut;
  write.compensation = kRemove;
  write.input_schema = {
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"folder", "files"}},
      {"properties",
       {{"folder", FolderSchema()},
        {"files",
         {{"type", "object"},
          {"description", "Path below the folder to text."},
          {"minProperties", 1},
          {"maxProperties", kMaxWrittenFiles},
          {"additionalProperties", {{"type", "string"}}}}},
        {"prune",
         {{"type", "boolean"},
          {"default", false},
          {"description", "Delete files of the folder that are not among `files`."}}}}}};
  write.output_schema = {
      {"type", "object"},
      {"required", {"folder", "files", "written", "unchanged", "pruned"}},
      {"properties",
       {{"folder", {{"type", "string"}, {"description", "The folder, as given."}}},
        {"files", FileList("Files of the call, below the folder.")},
        {"written", Count("Files that were written.")},
        {"unchanged", Count("Files that already held the same text.")},
        {"pruned", Count("Files that were deleted by `prune`.")}}}};

  Operation remove;
  remove.name = kRemove;
  remove.description =
      "Deletes files of a folder, and the folder when it is empty then; without `files`, the "
      "folder "
      "with all it holds. Undoes `write` for files that it created.";
  remove.call_class = CallClass::kPut;
  // No additionalProperties: as a compensation it gets all outputs of `write`.
  remove.input_schema = {
      {"type", "object"},
      {"required", {"folder"}},
      {"properties",
       {{"folder", FolderSchema()}, {"files", FileList("Files to delete, below the folder.")}}}};
  remove.output_schema = {
      {"type", "object"},
      {"required", {"folder"}},
      {"properties", {{"folder", {{"type", "string"}, {"description", "The folder, as given."}}}}}};
  return {std::move(write), std::move(remove)};
}

absl::Status BadPath(absl::string_view path, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("path \"", base::EscapeForDisplay(path), "\" ", why));
}

// base::Directory refuses paths that lead outside; ".git" is refused here, because the root may be
// a checkout and a hook written into it would be run by the next git command.
absl::Status CheckRelative(absl::string_view path) {
  if (path.size() > base::kMaxPathBytes) return BadPath(path, "is too long");
  for (const absl::string_view component : absl::StrSplit(path, '/')) {
    if (component.empty()) return BadPath(path, "is empty, absolute or has an empty component");
    if (component == "." || component == "..") return BadPath(path, "must not hold '.' or '..'");
    if (absl::EqualsIgnoreCase(component, ".git")) return BadPath(path, "must not lead into .git");
  }
  return absl::OkStatus();
}

absl::Status Stopped(const CallContext& context) {
  return context.stop().stop_requested() ? absl::CancelledError("stopped between two files")
                                         : absl::OkStatus();
}

absl::StatusOr<base::Directory> OpenRoot(absl::string_view name, absl::string_view root) {
  absl::StatusOr<base::Directory> directory = base::Directory::Create(root);
  if (directory.ok()) return directory;
  return base::Annotate(directory.status(), absl::StrCat("connector ", name, ", root ", root));
}

// The names in a folder; none when it is not there.
absl::StatusOr<std::vector<base::DirectoryEntry>> ListFolder(const base::Directory& root,
                                                             absl::string_view folder) {
  absl::StatusOr<base::Directory> directory = root.OpenAt(folder);
  if (absl::IsNotFound(directory.status())) return std::vector<base::DirectoryEntry>();
  if (!directory.ok()) return directory.status();
  return directory->List();
}

// Whether the file holds exactly this text already.
absl::StatusOr<bool> Holds(const base::Directory& root, absl::string_view path,
                           absl::string_view text) {
  const absl::StatusOr<base::DirectoryEntry> entry = root.Stat(path);
  if (absl::IsNotFound(entry.status())) return false;
  if (!entry.ok()) return entry.status();
  if (entry->kind != base::FileKind::kFile || entry->bytes != static_cast<int64_t>(text.size())) {
    return false;
  }
  PURSER_ASSIGN_OR_RETURN(const std::string content, root.ReadFile(path, kMaxWrittenFileBytes));
  return content == text;
}

// Deletes folders that became empty, from `folder` upwards to `top` (which goes as well).
absl::Status RemoveEmptyFolders(const base::Directory& root, std::string folder,
                                absl::string_view top) {
  while (folder.size() >= top.size()) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> left, ListFolder(root, folder));
    if (!left.empty()) return absl::OkStatus();
    PURSER_RETURN_IF_ERROR(root.Remove(folder));
    const size_t slash = folder.rfind('/');
    if (slash == std::string::npos) return absl::OkStatus();
    folder.resize(slash);
  }
  return absl::OkStatus();
}

std::string ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return std::string(slash == absl::string_view::npos ? absl::string_view()
                                                      : path.substr(0, slash));
}

}  // namespace

const nlohmann::json& FilesConnector::ConfigSchema() {
  static const nlohmann::json& schema = *new nlohmann::json{
      {"type", "object"},
      {"additionalProperties", false},
      {"required", {"root"}},
      {"properties",
       {{"root",
         {{"type", "string"},
          {"pattern", "^/"},
          {"maxLength", static_cast<int>(base::kMaxPathBytes)},
          {"description", "Absolute folder below which steps may write; made when missing."}}}}}};
  return schema;
}

absl::StatusOr<std::unique_ptr<Connector>> FilesConnector::FromConfig(
    absl::string_view name, const nlohmann::json& config, const ConnectorDependencies&) {
  const std::string what = absl::StrCat("connector ", name);
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema, json::Schema::Compile(ConfigSchema()));
  PURSER_RETURN_IF_ERROR(json::ToStatus(schema.Validate(config), what));
  std::string root = config.at("root").get<std::string>();
  if (const absl::Status opened = OpenRoot(name, root).status(); !opened.ok()) {
    return json::ToStatus({{"/root", std::string(opened.message())}}, what);
  }
  return std::unique_ptr<Connector>(new FilesConnector(std::string(name), std::move(root)));
}

const std::vector<Operation>& FilesConnector::operations() const {
  static const std::vector<Operation>& operations = *new std::vector<Operation>(MakeOperations());
  return operations;
}

absl::StatusOr<CallResult> FilesConnector::Call(absl::string_view operation,
                                                const nlohmann::json& input, CallContext& context) {
  PURSER_RETURN_IF_ERROR(CheckRelative(input.at("folder").get<std::string>()));
  if (operation == kWrite) return Write(input, context);
  if (operation == kRemove) return Remove(input, context);
  return absl::NotFoundError(absl::StrCat("connector ", name_, " has no operation \"",
                                          base::EscapeForDisplay(operation), "\""));
}

absl::StatusOr<CallResult> FilesConnector::Write(const nlohmann::json& input,
                                                 CallContext& context) const {
  const std::string folder = input.at("folder").get<std::string>();
  const nlohmann::json& files = input.at("files");
  // All input is judged before the first byte is written.
  std::set<std::string> wanted;
  for (const auto& [path, text] : files.items()) {
    PURSER_RETURN_IF_ERROR(CheckRelative(path));
    const auto bytes = static_cast<int64_t>(text.get_ref<const std::string&>().size());
    if (bytes > kMaxWrittenFileBytes) {
      return absl::ResourceExhaustedError(
          absl::StrCat("file \"", base::EscapeForDisplay(path), "\" has ", bytes,
                       " bytes, more than ", kMaxWrittenFileBytes, " (kMaxWrittenFileBytes)"));
    }
    wanted.insert(path);
  }

  PURSER_ASSIGN_OR_RETURN(const base::Directory root, OpenRoot(name_, root_));
  int64_t written = 0;
  int64_t pruned = 0;
  for (const auto& [path, text] : files.items()) {
    PURSER_RETURN_IF_ERROR(Stopped(context));
    const std::string whole = absl::StrCat(folder, "/", path);
    const std::string& content = text.get_ref<const std::string&>();
    PURSER_ASSIGN_OR_RETURN(const bool same, Holds(root, whole, content));
    if (same) continue;
    const absl::Status status = root.WriteFile(whole, content, 0666, true);
    if (!status.ok()) return base::Annotate(status, absl::StrCat("connector ", name_));
    ++written;
  }
  if (input.value("prune", false)) {
    PURSER_ASSIGN_OR_RETURN(const std::vector<base::DirectoryEntry> there,
                            ListFolder(root, folder));
    for (const base::DirectoryEntry& entry : there) {
      const bool keep = entry.kind == base::FileKind::kDirectory || wanted.contains(entry.path) ||
                        !CheckRelative(entry.path).ok();
      if (keep) continue;
      PURSER_RETURN_IF_ERROR(Stopped(context));
      const std::string whole = absl::StrCat(folder, "/", entry.path);
      PURSER_RETURN_IF_ERROR(root.Remove(whole));
      PURSER_RETURN_IF_ERROR(RemoveEmptyFolders(root, ParentOf(whole), absl::StrCat(folder, "/")));
      ++pruned;
    }
  }

  CallResult result;
  result.outputs = {{"folder", folder},
                    {"files", wanted},
                    {"written", written},
                    {"unchanged", static_cast<int64_t>(wanted.size()) - written},
                    {"pruned", pruned}};
  OutsideResource resource;
  resource.id = absl::StrCat(name_, ":", folder);
  resource.type = "folder";
  resource.name = folder;
  resource.attributes = {{"files", wanted.size()}};
  result.resources.push_back(std::move(resource));
  context.Log(action::LogLevel::kInfo,
              absl::StrCat("folder ", folder, ": ", written, " files written, ",
                           wanted.size() - static_cast<size_t>(written), " unchanged",
                           pruned > 0 ? absl::StrCat(", ", pruned, " pruned") : ""));
  return result;
}

absl::StatusOr<CallResult> FilesConnector::Remove(const nlohmann::json& input,
                                                  CallContext& context) const {
  const std::string folder = input.at("folder").get<std::string>();
  PURSER_ASSIGN_OR_RETURN(const base::Directory root, OpenRoot(name_, root_));
  if (input.contains("files")) {
    for (const nlohmann::json& file : input.at("files")) {
      PURSER_RETURN_IF_ERROR(CheckRelative(file.get<std::string>()));
    }
    for (const nlohmann::json& file : input.at("files")) {
      PURSER_RETURN_IF_ERROR(Stopped(context));
      const std::string whole = absl::StrCat(folder, "/", file.get<std::string>());
      PURSER_RETURN_IF_ERROR(root.Remove(whole));
      PURSER_RETURN_IF_ERROR(RemoveEmptyFolders(root, ParentOf(whole), folder));
    }
  } else {
    PURSER_RETURN_IF_ERROR(root.Remove(folder));
  }
  CallResult result;
  result.outputs = {{"folder", folder}};
  context.Log(action::LogLevel::kInfo, absl::StrCat("folder ", folder, ": files removed"));
  return result;
}

absl::StatusOr<Comparison> FilesConnector::Compare(absl::string_view operation,
                                                   const nlohmann::json& input,
                                                   const CallResult& applied,
                                                   CallContext& context) {
  if (operation != kWrite) return Connector::Compare(operation, input, applied, context);
  const std::string folder = input.at("folder").get<std::string>();
  PURSER_RETURN_IF_ERROR(CheckRelative(folder));
  PURSER_ASSIGN_OR_RETURN(const base::Directory root, OpenRoot(name_, root_));
  const nlohmann::json& files = input.at("files");
  FileComparison comparison(absl::StrCat("folder ", folder));
  for (const auto& [path, text] : files.items()) {
    PURSER_RETURN_IF_ERROR(Stopped(context));
    PURSER_RETURN_IF_ERROR(CheckRelative(path));
    const std::string whole = absl::StrCat(folder, "/", path);
    PURSER_ASSIGN_OR_RETURN(const bool same,
                            Holds(root, whole, text.get_ref<const std::string&>()));
    comparison.Note(path, same                                          ? FileFound::kSame
                          : absl::IsNotFound(root.Stat(whole).status()) ? FileFound::kMissing
                                                                        : FileFound::kOther);
  }
  return comparison.Result();
}

}  // namespace purser::connectors

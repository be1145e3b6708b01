#include "scaffolder-actions/file_support.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/status.h"
#include "base/strings.h"
#include "scaffolder-actions/kept_outputs.h"

namespace purser::actions {
namespace {

constexpr char kInputTextPattern[] = "^inputText$";

// The lines in which two texts differ, "-" before old and "+" before new ones.
std::string ShownChange(const std::string& path, absl::string_view before,
                        absl::string_view after) {
  const std::vector<absl::string_view> old_lines = absl::StrSplit(before, '\n');
  const std::vector<absl::string_view> new_lines = absl::StrSplit(after, '\n');
  size_t head = 0;
  while (head < old_lines.size() && head < new_lines.size() && old_lines[head] == new_lines[head]) {
    ++head;
  }
  size_t tail = 0;
  while (tail < old_lines.size() - head && tail < new_lines.size() - head &&
         old_lines[old_lines.size() - 1 - tail] == new_lines[new_lines.size() - 1 - tail]) {
    ++tail;
  }
  std::string out = absl::StrCat("dry run: ", base::EscapeForDisplay(path), ":", head + 1);
  int shown = 0;
  const auto add = [&](char sign, const std::vector<absl::string_view>& lines) {
    for (size_t i = head; i < lines.size() - tail; ++i) {
      if (++shown > kMaxShownLines) continue;
      absl::StrAppend(&out, "\n", std::string(1, sign), base::EscapeForDisplay(lines[i]));
    }
  };
  add('-', old_lines);
  add('+', new_lines);
  if (shown > kMaxShownLines) absl::StrAppend(&out, "\n… ", shown - kMaxShownLines, " more lines");
  return out;
}

}  // namespace

absl::StatusOr<std::string> WorkspacePath(absl::string_view path) {
  const std::string shown = base::EscapeForDisplay(path);
  if (path.size() > base::kMaxPathBytes || path.find('\0') != absl::string_view::npos) {
    return absl::InvalidArgumentError(absl::StrCat("path ", shown, ": too long, or holds NUL"));
  }
  std::vector<absl::string_view> parts;
  if (!path.empty() && path[0] == '/') {
    return absl::PermissionDeniedError(
        absl::StrCat("path ", shown, ": must be relative to the workspace"));
  }
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (parts.empty()) {
        return absl::PermissionDeniedError(
            absl::StrCat("path ", shown, ": leads out of the workspace"));
      }
      parts.pop_back();
    } else {
      parts.push_back(part);
    }
  }
  if (std::find(parts.begin(), parts.end(), ".git") != parts.end()) {
    return absl::PermissionDeniedError(
        absl::StrCat("path ", shown, ": a .git folder is not changed by file actions"));
  }
  return absl::StrJoin(parts, "/");
}

absl::StatusOr<WorkspaceFiles> WorkspaceFiles::Open(const action::Context& context) {
  PURSER_ASSIGN_OR_RETURN(base::Directory folder, base::Directory::Open(context.workspace()));
  return WorkspaceFiles(std::move(folder));
}

absl::StatusOr<std::optional<std::string>> WorkspaceFiles::Read(const std::string& path,
                                                                int64_t max_bytes) {
  const auto known = files_.find(path);
  if (known != files_.end()) {
    return known->second.put ? std::optional<std::string>(known->second.after)
                             : known->second.before;
  }
  const std::string shown = base::EscapeForDisplay(path);
  if (path.empty()) return absl::InvalidArgumentError("path: names the workspace, not a file");
  File file;
  const absl::StatusOr<base::DirectoryEntry> entry = folder_.Stat(path);
  if (entry.ok()) {
    if (entry->kind != base::FileKind::kFile) {
      return absl::FailedPreconditionError(
          absl::StrCat(shown, entry->kind == base::FileKind::kSymlink
                                  ? ": is a symbolic link; name the file that it leads to"
                                  : ": is no file"));
    }
    PURSER_ASSIGN_OR_RETURN(file.before, folder_.ReadFile(path, max_bytes));
    file.mode = entry->mode & 0777;
  } else if (entry.status().code() != absl::StatusCode::kNotFound) {
    return entry.status();
  }
  std::optional<std::string> text = file.before;
  files_[path] = std::move(file);
  return text;
}

absl::StatusOr<std::string> WorkspaceFiles::ReadExisting(const std::string& path,
                                                         int64_t max_bytes) {
  PURSER_ASSIGN_OR_RETURN(std::optional<std::string> text, Read(path, max_bytes));
  if (text.has_value()) return *std::move(text);
  return absl::NotFoundError(
      absl::StrCat(base::EscapeForDisplay(path), ": there is no such file in the workspace"));
}

absl::Status WorkspaceFiles::Put(const std::string& path, std::string text, mode_t mode) {
  // Its old text is needed for the way back, however large it is.
  if (files_.find(path) == files_.end()) {
    PURSER_RETURN_IF_ERROR(Read(path, int64_t{1} << 30).status());
    if (!files_[path].before.has_value()) files_[path].mode = mode;
  }
  if (files_.size() > kMaxWrittenFiles) {
    return absl::ResourceExhaustedError(
        absl::StrCat("more than ", kMaxWrittenFiles, " files at once (kMaxWrittenFiles)"));
  }
  files_[path].after = std::move(text);
  files_[path].put = true;
  return absl::OkStatus();
}

absl::Status WorkspaceFiles::WriteAll(const action::Context& context,
                                      const std::vector<const std::string*>& paths) {
  // Folders that are made on the way go, too, when it ends in an error.
  std::vector<std::string> made;
  for (const std::string* path : paths) {
    PURSER_ASSIGN_OR_RETURN(std::optional<std::string> missing, FirstMissingFolder(*path));
    if (missing.has_value()) made.push_back(*std::move(missing));
  }
  size_t done = 0;
  absl::Status status;
  for (; done < paths.size() && status.ok(); ++done) {
    if (context.stop().stop_requested()) {
      status = absl::CancelledError("the task was cancelled");
      break;
    }
    const File& file = files_[*paths[done]];
    status = folder_.WriteFile(*paths[done], file.after, file.mode);
  }
  if (status.ok()) return status;
  while (done-- > 0) {
    const File& file = files_[*paths[done]];
    // The first error is what the user needs; one on the way back would hide it.
    (file.before.has_value() ? folder_.WriteFile(*paths[done], *file.before, file.mode)
                             : folder_.Remove(*paths[done]))
        .IgnoreError();
  }
  for (const std::string& folder : made) folder_.Remove(folder).IgnoreError();
  return status;
}

absl::StatusOr<std::optional<std::string>> WorkspaceFiles::FirstMissingFolder(
    const std::string& path) const {
  for (size_t slash = path.find('/'); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    const std::string folder = path.substr(0, slash);
    const absl::Status there = folder_.Stat(folder).status();
    if (absl::IsNotFound(there)) return folder;
    PURSER_RETURN_IF_ERROR(there);
  }
  return std::nullopt;
}

absl::Status WorkspaceFiles::Commit(action::Context& context, absl::string_view summary,
                                    nlohmann::json extra) {
  std::vector<const std::string*> paths;
  nlohmann::json listed = nlohmann::json::array();
  size_t kept = 0;
  size_t bytes = 0;
  for (const auto& [path, file] : files_) {
    if (!file.put) continue;
    if (file.before == file.after) {
      ++kept;
      continue;
    }
    paths.push_back(&path);
    listed.push_back(path);
    bytes += file.after.size();
  }
  nlohmann::json outputs = {{"changed", !paths.empty()},
                            {"files", paths.size()},
                            {"bytes", bytes},
                            {"paths", std::move(listed)}};
  outputs.update(extra);
  PURSER_ASSIGN_OR_RETURN(outputs, KeptOutputs(context, std::move(outputs)));
  PURSER_RETURN_IF_ERROR(WriteAll(context, paths));
  if (context.dry_run()) {
    for (const std::string* path : paths) {
      const File& file = files_[*path];
      context.Log(action::LogLevel::kInfo,
                  ShownChange(*path, file.before.value_or(""), file.after));
    }
  }
  GiveOutputs(context, outputs);
  context.Log(action::LogLevel::kInfo, absl::StrCat(summary, ": wrote ", paths.size(), " files (",
                                                    bytes, " bytes), ", kept, " were so already"));
  return absl::OkStatus();
}

nlohmann::json FileProperty(nlohmann::json type, const char* title, const char* description) {
  return {{"type", std::move(type)}, {"title", title}, {"description", description}};
}

nlohmann::json FilePathProperty(const char* description) {
  nlohmann::json property = FileProperty("string", "Path", description);
  property["minLength"] = 1;
  property["maxLength"] = base::kMaxPathBytes;
  return property;
}

nlohmann::json ChoiceProperty(const char* title, const char* description,
                              const std::vector<std::string>& choices, const char* fallback) {
  nlohmann::json property = FileProperty("string", title, description);
  property["enum"] = choices;
  property["default"] = fallback;
  return property;
}

nlohmann::json SwitchProperty(const char* title, const char* description, bool fallback) {
  nlohmann::json property = FileProperty("boolean", title, description);
  property["default"] = fallback;
  return property;
}

nlohmann::json ObjectSchema(nlohmann::json properties, std::vector<std::string> required) {
  return {{"type", "object"},
          {"additionalProperties", false},
          {"required", std::move(required)},
          {"properties", std::move(properties)}};
}

nlohmann::json OrderedInputSchema(nlohmann::json properties, std::vector<std::string> required) {
  nlohmann::json schema = ObjectSchema(std::move(properties), std::move(required));
  schema["patternProperties"] = {{kInputTextPattern, {{"type", "string"}}}};
  return schema;
}

edit::Model OrderedInput(const action::Context& context) {
  const auto text = context.input().find("inputText");
  if (text != context.input().end() && text->is_string()) {
    edit::Model input = edit::Model::parse(text->get_ref<const std::string&>(), nullptr, false);
    if (input.is_object()) return input;
  }
  return edit::Model(context.input());
}

nlohmann::json ChangeOutputSchema(nlohmann::json extra) {
  nlohmann::json properties = {
      {"changed",
       {{"type", "boolean"},
        {"title", "Changed"},
        {"description", "False when all was so already."},
        {"examples", {true}}}},
      {"paths",
       {{"type", "array"},
        {"items", {{"type", "string"}}},
        {"maxItems", kMaxWrittenFiles},
        {"title", "Files that were written"},
        {"examples", nlohmann::json::array({nlohmann::json::array({"deploy/values.yaml"})})}}},
      {"files", {{"type", "integer"}, {"title", "Files written"}, {"examples", {1}}}},
      {"bytes", {{"type", "integer"}, {"title", "Bytes written"}, {"examples", {512}}}}};
  properties.update(extra);
  return {{"type", "object"},
          {"required", {"changed", "paths", "files", "bytes"}},
          {"properties", std::move(properties)}};
}

}  // namespace purser::actions

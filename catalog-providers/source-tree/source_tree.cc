#include "catalog-providers/source-tree/source_tree.h"

#include <algorithm>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/source-tree/glob.h"
#include "catalog/entity.h"
#include "document/yaml.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;

constexpr char kConfigSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["root"],
  "additionalProperties": false,
  "properties": {
    "root": {
      "type": "string", "minLength": 1, "pattern": "^/",
      "description": "Absolute path of the folder, e.g. a repository's checkout."
    },
    "include": {
      "type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100,
      "default": ["**/catalog-info.yaml"],
      "description": "Patterns of the files to read, relative to root: * and ? within a name, ** for any folders."
    },
    "exclude": {
      "type": "array", "items": {"type": "string"}, "maxItems": 100,
      "default": ["**/.git/**", "**/node_modules/**"],
      "description": "Patterns of files to leave out."
    },
    "defaultOwner": {
      "type": "string", "minLength": 1,
      "description": "Entity ref, e.g. group:default/platform, for entities whose spec has no owner."
    },
    "sourceUrl": {
      "type": "string", "pattern": "^https?://",
      "description": "Where the folder can be looked at, e.g. https://git.example.com/acme/shop/tree/main; becomes the entities' source location. Without it that is the folder itself."
    },
    "maxFiles": {
      "type": "integer", "minimum": 1, "maximum": 100000, "default": 10000,
      "description": "More files than this fail the round."
    }
  }
})json";

constexpr char kLocationAnnotation[] = "backstage.io/managed-by-location";
constexpr char kOriginAnnotation[] = "backstage.io/managed-by-origin-location";
constexpr char kSourceAnnotation[] = "backstage.io/source-location";

absl::StatusOr<std::vector<Glob>> CompileAll(const json& patterns) {
  std::vector<Glob> globs;
  for (const json& pattern : patterns) {
    PURSER_ASSIGN_OR_RETURN(Glob glob, Glob::Compile(pattern.get_ref<const std::string&>()));
    globs.push_back(std::move(glob));
  }
  return globs;
}

bool AnyMatches(const std::vector<Glob>& globs, absl::string_view path) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const Glob& glob) { return glob.Matches(path); });
}

absl::string_view ParentOf(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? absl::string_view() : path.substr(0, slash + 1);
}

// Files that are read at the same time; the machine's processors bound it further.
constexpr unsigned kMaxThreads = 4;
// Files read ahead of the one whose entities are handed over.
constexpr size_t kWindow = 256;
// A file that changed this recently may change again without another time stamp.
constexpr absl::Duration kStampGrain = absl::Seconds(2);
constexpr absl::string_view kFileKey = "file:";

// An entity of a file, ready to be handed over.
struct Prepared {
  catalog::EntityRef ref;
  std::string text;
};

// What a file gave.
struct FileResult {
  std::vector<Prepared> entities;
  std::vector<std::string> problems;
  bool unchanged = false;                    // as it was when it was read before …
  std::vector<std::string> remembered_refs;  // … and then held these
  std::string stamp;                         // "" when it must be read again next time
};

// One round over one folder.
class Reader {
 public:
  explicit Reader(provider::Context& context)
      : context_(context), config_(context.config()), root_(config_["root"].get<std::string>()) {
    while (root_.size() > 1 && root_.back() == '/') root_.pop_back();
    if (config_.contains("sourceUrl")) {
      source_url_ = config_["sourceUrl"].get<std::string>();
      while (absl::EndsWith(source_url_, "/")) source_url_.pop_back();
    }
  }

  absl::Status Read() {
    PURSER_RETURN_IF_ERROR(FindFiles());
    results_.resize(files_.size());
    done_.assign(files_.size(), false);
    std::vector<std::jthread> threads;
    const size_t count = std::min<size_t>(
        {std::max(1U, std::thread::hardware_concurrency()), kMaxThreads, files_.size() / 16 + 1});
    for (size_t i = 0; i < count; ++i) threads.emplace_back([this] { Work(); });
    const absl::Status status = HandOver();
    {
      base::MutexLock lock(mutex_);
      next_ = files_.size();
      changed_.NotifyAll();
    }
    threads.clear();
    PURSER_RETURN_IF_ERROR(status);
    if (problems_ > kMaxLoggedProblems) {
      context_.Log(action::LogLevel::kWarning,
                   absl::StrCat("… ", problems_ - kMaxLoggedProblems, " more problems"));
    }
    context_.Log(unchanged_ == static_cast<int64_t>(files_.size()) ? action::LogLevel::kDebug
                                                                   : action::LogLevel::kInfo,
                 absl::StrCat(root_, ": ", files_.size(), " files, ", unchanged_, " unchanged, ",
                              entities_, " entities, ", problems_, " problems"));
    return absl::OkStatus();
  }

 private:
  absl::Status FindFiles() {
    PURSER_ASSIGN_OR_RETURN(const std::vector<Glob> include, CompileAll(config_["include"]));
    PURSER_ASSIGN_OR_RETURN(const std::vector<Glob> exclude, CompileAll(config_["exclude"]));
    absl::StatusOr<base::Directory> folder = base::Directory::Open(root_);
    if (!folder.ok()) return base::Annotate(folder.status(), "source-tree root");
    base::ListLimits limits;
    limits.stop = context_.stop();
    absl::StatusOr<std::vector<base::DirectoryEntry>> entries = folder->List(limits);
    if (!entries.ok()) return base::Annotate(entries.status(), "source-tree root");
    folder_.emplace(*std::move(folder));
    const auto limit = config_["maxFiles"].get<size_t>();
    for (base::DirectoryEntry& entry : *entries) {
      if (entry.kind != base::FileKind::kFile || !AnyMatches(include, entry.path) ||
          AnyMatches(exclude, entry.path)) {
        continue;
      }
      if (files_.size() == limit) {
        return absl::ResourceExhaustedError(
            absl::StrCat("source-tree root ", root_, ": more than ", limit,
                         " files match; raise maxFiles or narrow include"));
      }
      files_.push_back(std::move(entry));
    }
    return absl::OkStatus();
  }

  // Reads files until none is left, never far ahead of what was handed over.
  void Work() {
    for (;;) {
      size_t index = 0;
      {
        base::MutexLock lock(mutex_);
        while (next_ < files_.size() && next_ >= handed_over_ + kWindow) changed_.Wait(mutex_);
        if (next_ >= files_.size()) return;
        index = next_++;
      }
      FileResult result = ReadOrRecall(files_[index]);
      base::MutexLock lock(mutex_);
      results_[index] = std::move(result);
      done_[index] = true;
      changed_.NotifyAll();
    }
  }

  // In the order of the paths, so that the first description of an entity is always the same one.
  absl::Status HandOver() {
    for (size_t index = 0; index < files_.size(); ++index) {
      if (context_.stop().stop_requested()) return absl::CancelledError("source-tree: cancelled");
      FileResult result;
      {
        base::MutexLock lock(mutex_);
        while (!done_[index]) changed_.Wait(mutex_);
        result = std::move(results_[index]);
        handed_over_ = index + 1;
        changed_.NotifyAll();
      }
      const std::string& path = files_[index].path;
      if (result.unchanged && AnyIsTaken(result.remembered_refs)) {
        // What another file describes now was its own before: it is read again to say so.
        result = ReadFile(files_[index]);
      }
      PURSER_RETURN_IF_ERROR(result.unchanged ? Keep(path, result) : Give(path, result));
    }
    return absl::OkStatus();
  }

  bool AnyIsTaken(const std::vector<std::string>& refs) const {
    return std::any_of(refs.begin(), refs.end(),
                       [&](const std::string& ref) { return where_.contains(ref); });
  }

  absl::Status Keep(const std::string& path, const FileResult& result) {
    ++unchanged_;
    for (const std::string& ref : result.remembered_refs) where_.emplace(ref, path);
    context_.KeepPartition(LocationOf(path), absl::OkStatus());
    return absl::OkStatus();
  }

  absl::Status Give(const std::string& path, FileResult& result) {
    const std::string location = LocationOf(path);
    std::string remembered = std::move(result.stamp);
    for (Prepared& entity : result.entities) {
      const std::string ref = entity.ref.ToString();
      const auto [first, is_new] = where_.emplace(ref, path);
      if (!is_new) {
        Drop(absl::StrCat(base::EscapeForDisplay(path), ": ", ref, " is already described at ",
                          base::EscapeForDisplay(first->second)));
        remembered.clear();
        continue;
      }
      if (!remembered.empty()) absl::StrAppend(&remembered, "\n", ref);
      PURSER_RETURN_IF_ERROR(context_.EmitPrepared(location, entity.ref, std::move(entity.text)));
      ++entities_;
    }
    for (const std::string& problem : result.problems) Drop(problem);
    if (!result.problems.empty()) {
      // A mistake in a file is no wish to remove what it described before.
      context_.KeepPartition(location, absl::InvalidArgumentError(result.problems.front()));
      remembered.clear();
    }
    // One that does not fit into the memory is read again next time.
    context_.Remember(absl::StrCat(kFileKey, path), remembered).IgnoreError();
    return absl::OkStatus();
  }

  static std::string StampOf(const base::DirectoryEntry& file) {
    return absl::StrCat(file.modified_nanos, ":", file.bytes, ":", file.inode);
  }

  FileResult ReadOrRecall(const base::DirectoryEntry& file) {
    const std::optional<std::string> remembered =
        context_.Recall(absl::StrCat(kFileKey, file.path));
    if (remembered.has_value()) {
      std::vector<std::string> lines = absl::StrSplit(*remembered, '\n');
      if (lines.front() == StampOf(file)) {
        FileResult result;
        result.unchanged = true;
        lines.erase(lines.begin());
        result.remembered_refs = std::move(lines);
        return result;
      }
    }
    return ReadFile(file);
  }

  FileResult ReadFile(const base::DirectoryEntry& file) {
    FileResult result;
    const std::string& path = file.path;
    absl::StatusOr<std::string> text = folder_->ReadFile(path, kMaxCatalogFileBytes);
    if (!text.ok()) {
      result.problems.push_back(
          absl::StrCat(base::EscapeForDisplay(path), ": ", text.status().message()));
      return result;
    }
    const absl::Time modified = absl::FromUnixNanos(file.modified_nanos);
    if (modified + kStampGrain < context_.clock().Now()) result.stamp = StampOf(file);
    absl::StatusOr<std::vector<document::Document>> documents =
        document::ParseYaml(*text, path, LimitsOfAFile(/*with_positions=*/false));
    if (!documents.ok()) {
      result.problems.emplace_back(documents.status().message());
      return result;
    }
    for (size_t i = 0; i < documents->size(); ++i) {
      json& entity = (*documents)[i].value;
      // "---" before the first or behind the last document.
      if (entity.is_null()) continue;
      Complete(path, entity);
      const std::vector<catalog::Problem> problems = catalog::Validate(entity);
      if (problems.empty()) {
        result.entities.push_back({catalog::RefOf(entity), catalog::Canonical(entity)});
      } else {
        result.problems.push_back(Explain(path, *text, i, problems));
      }
    }
    return result;
  }

  static document::Limits LimitsOfAFile(bool with_positions) {
    return {.max_bytes = kMaxCatalogFileBytes,
            .max_nodes = kMaxCatalogFileValues,
            .with_positions = with_positions};
  }

  // The problems with their places, for which the text is read again.
  static std::string Explain(const std::string& path, const std::string& text, size_t index,
                             const std::vector<catalog::Problem>& problems) {
    const absl::StatusOr<std::vector<document::Document>> documents =
        document::ParseYaml(text, path, LimitsOfAFile(/*with_positions=*/true));
    std::string explained;
    for (const catalog::Problem& problem : problems) {
      const std::string where = documents.ok() && index < documents->size()
                                    ? (*documents)[index].Where(path, problem.pointer)
                                    : path;
      absl::StrAppend(&explained, explained.empty() ? "" : "\n", where, ": ", problem.pointer, " ",
                      problem.message);
    }
    return explained;
  }

  // Adds what only we know: where the entity comes from, and the owner of those without one.
  void Complete(const std::string& path, json& entity) const {
    if (!entity.is_object() || !entity.contains("metadata") || !entity["metadata"].is_object()) {
      return;
    }
    json& annotations = entity["metadata"]["annotations"];
    if (annotations.is_null()) annotations = json::object();
    if (annotations.is_object()) {
      // A file must not claim to come from elsewhere.
      const std::string location = LocationOf(path);
      annotations[kLocationAnnotation] = location;
      annotations[kOriginAnnotation] = location;
      // Only for sources that lie elsewhere: Backstage (TechDocs, say) resolves "dir:." beside the
      // file's own location, and takes a file: source location for that of a file, too.
      if (!source_url_.empty() && !annotations.contains(kSourceAnnotation)) {
        annotations[kSourceAnnotation] = absl::StrCat("url:", source_url_, "/", ParentOf(path));
      }
    }
    if (config_.contains("defaultOwner") && entity.contains("spec") && entity["spec"].is_object() &&
        !entity["spec"].contains("owner")) {
      entity["spec"]["owner"] = config_["defaultOwner"];
    }
  }

  std::string LocationOf(absl::string_view path) const {
    return absl::StrCat("file:", root_ == "/" ? "" : root_, "/", path);
  }

  void Drop(absl::string_view why) {
    context_.AddDropped(1);
    if (++problems_ <= kMaxLoggedProblems) context_.Log(action::LogLevel::kWarning, why);
  }

  provider::Context& context_;
  const json& config_;
  std::string root_;
  std::string source_url_;
  std::optional<base::Directory> folder_;
  std::vector<base::DirectoryEntry> files_;
  base::Mutex mutex_;
  base::CondVar changed_;
  size_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t handed_over_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<FileResult> results_ ABSL_GUARDED_BY(mutex_);
  std::vector<bool> done_ ABSL_GUARDED_BY(mutex_);
  // Of the thread that hands over.
  absl::flat_hash_map<std::string, std::string> where_;  // ref → path of the file
  int64_t entities_ = 0;
  int64_t unchanged_ = 0;
  int64_t problems_ = 0;
};

}  // namespace

SourceTreeProvider::SourceTreeProvider() {
  description_.id = "source-tree";
  description_.description =
      "The entities that catalog-info files below a folder describe, read natively.";
  description_.host = action::Host::kPortal;
  // Not by default: User and Group (memberships), Location (reads elsewhere), Template (runs
  // actions).
  description_.kinds = {"Component", "API", "Resource", "System", "Domain"};
  description_.config_schema = json::parse(kConfigSchema);
}

absl::Status SourceTreeProvider::Snapshot(provider::Context& context) {
  return Reader(context).Read();
}

}  // namespace purser::catalog_providers

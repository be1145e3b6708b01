#include "catalog-providers/source-tree/source_tree.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
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
    "allowedKinds": {
      "type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1, "maxItems": 50,
      "default": ["Component", "API", "Resource", "System", "Domain"],
      "description": "Kinds that may come from here. Not by default: User and Group (memberships), Location (reads elsewhere), Template (runs actions)."
    },
    "allowedNamespaces": {
      "type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 100, "default": [],
      "description": "Namespaces that entities may be in; any when empty."
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

// One round over one folder.
class Reader {
 public:
  explicit Reader(provider::Context& context)
      : context_(context), config_(context.config()), root_(config_["root"].get<std::string>()) {
    while (root_.size() > 1 && root_.back() == '/') root_.pop_back();
    for (const json& kind : config_["allowedKinds"]) {
      kinds_.insert(absl::AsciiStrToLower(kind.get<std::string>()));
    }
    for (const json& name : config_["allowedNamespaces"]) {
      namespaces_.insert(absl::AsciiStrToLower(name.get<std::string>()));
    }
    if (config_.contains("sourceUrl")) {
      source_url_ = config_["sourceUrl"].get<std::string>();
      while (absl::EndsWith(source_url_, "/")) source_url_.pop_back();
    }
  }

  absl::Status Read() {
    PURSER_ASSIGN_OR_RETURN(const std::vector<std::string> paths, Paths());
    for (const std::string& path : paths) {
      if (context_.stop().stop_requested()) return absl::CancelledError("source-tree: cancelled");
      PURSER_RETURN_IF_ERROR(ReadOne(path));
    }
    if (problems_ > kMaxLoggedProblems) {
      context_.Log(action::LogLevel::kWarning,
                   absl::StrCat("… ", problems_ - kMaxLoggedProblems, " more problems"));
    }
    context_.Log(action::LogLevel::kInfo,
                 absl::StrCat(root_, ": ", paths.size(), " files, ", entities_, " entities, ",
                              problems_, " problems"));
    return absl::OkStatus();
  }

 private:
  absl::StatusOr<std::vector<std::string>> Paths() {
    PURSER_ASSIGN_OR_RETURN(const std::vector<Glob> include, CompileAll(config_["include"]));
    PURSER_ASSIGN_OR_RETURN(const std::vector<Glob> exclude, CompileAll(config_["exclude"]));
    absl::StatusOr<base::Directory> folder = base::Directory::Open(root_);
    if (!folder.ok()) return base::Annotate(folder.status(), "source-tree root");
    absl::StatusOr<std::vector<base::DirectoryEntry>> entries = folder->List();
    if (!entries.ok()) return base::Annotate(entries.status(), "source-tree root");
    folder_.emplace(*std::move(folder));
    const auto limit = config_["maxFiles"].get<size_t>();
    std::vector<std::string> paths;
    for (base::DirectoryEntry& entry : *entries) {
      if (entry.kind != base::FileKind::kFile || !AnyMatches(include, entry.path) ||
          AnyMatches(exclude, entry.path)) {
        continue;
      }
      if (paths.size() == limit) {
        return absl::ResourceExhaustedError(
            absl::StrCat("source-tree root ", root_, ": more than ", limit,
                         " files match; raise maxFiles or narrow include"));
      }
      paths.push_back(std::move(entry.path));
    }
    return paths;
  }

  absl::Status ReadOne(const std::string& path) {
    absl::StatusOr<std::string> text = folder_->ReadFile(path, kMaxCatalogFileBytes);
    if (!text.ok()) {
      DropAndKeep(path, absl::StrCat(base::EscapeForDisplay(path), ": ", text.status().message()));
      return absl::OkStatus();
    }
    absl::StatusOr<std::vector<document::Document>> documents = document::ParseYaml(*text, path);
    if (!documents.ok()) {
      DropAndKeep(path, documents.status().message());
      return absl::OkStatus();
    }
    for (document::Document& item : *documents) {
      // "---" before the first or behind the last document.
      if (item.value.is_null()) continue;
      PURSER_RETURN_IF_ERROR(EmitOne(path, item));
    }
    return absl::OkStatus();
  }

  absl::Status EmitOne(const std::string& path, document::Document& item) {
    json& entity = item.value;
    Complete(path, entity);
    const std::vector<catalog::Problem> problems = catalog::Validate(entity);
    if (!problems.empty()) {
      std::string text;
      for (const catalog::Problem& problem : problems) {
        absl::StrAppend(&text, text.empty() ? "" : "\n", item.Where(path, problem.pointer), ": ",
                        problem.pointer, " ", problem.message);
      }
      DropAndKeep(path, text);
      return absl::OkStatus();
    }
    const catalog::EntityRef ref = catalog::RefOf(entity);
    if (!kinds_.contains(ref.kind)) {
      Drop(absl::StrCat(item.Where(path, "/kind"), ": kind ", entity["kind"].get<std::string>(),
                        " is not allowed here (allowedKinds)"));
      return absl::OkStatus();
    }
    if (!namespaces_.empty() && !namespaces_.contains(ref.namespace_name)) {
      Drop(absl::StrCat(item.Where(path, "/metadata/namespace"), ": namespace ", ref.namespace_name,
                        " is not allowed here (allowedNamespaces)"));
      return absl::OkStatus();
    }
    const std::string text = ref.ToString();
    const auto [first, is_new] = where_.emplace(text, item.Where(path, ""));
    if (!is_new) {
      Drop(absl::StrCat(item.Where(path, ""), ": ", text, " is already described at ",
                        first->second));
      return absl::OkStatus();
    }
    PURSER_RETURN_IF_ERROR(context_.Emit(entity));
    ++entities_;
    return absl::OkStatus();
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

  // A mistake in a file is no wish to remove what it described before.
  void DropAndKeep(absl::string_view path, absl::string_view why) {
    Drop(why);
    context_.KeepPartition(LocationOf(path), absl::InvalidArgumentError(why));
  }

  void Drop(absl::string_view why) {
    context_.AddDropped(1);
    if (++problems_ <= kMaxLoggedProblems) context_.Log(action::LogLevel::kWarning, why);
  }

  provider::Context& context_;
  const json& config_;
  std::string root_;
  std::string source_url_;
  absl::flat_hash_set<std::string> kinds_;
  absl::flat_hash_set<std::string> namespaces_;
  std::optional<base::Directory> folder_;
  absl::flat_hash_map<std::string, std::string> where_;  // ref → file:line:column
  int64_t entities_ = 0;
  int64_t problems_ = 0;
};

}  // namespace

SourceTreeProvider::SourceTreeProvider() {
  description_.id = "source-tree";
  description_.description =
      "The entities that catalog-info files below a folder describe, read natively.";
  description_.host = action::Host::kPortal;
  description_.config_schema = json::parse(kConfigSchema);
}

absl::Status SourceTreeProvider::Snapshot(provider::Context& context) {
  return Reader(context).Read();
}

}  // namespace purser::catalog_providers

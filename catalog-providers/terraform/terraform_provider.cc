#include "catalog-providers/terraform/terraform_provider.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/terraform/entities.h"
#include "catalog-providers/terraform/layout.h"
#include "catalog-providers/terraform/state.h"
#include "catalog-providers/terraform/tree.h"
#include "git/read_files.h"
#include "git/web_url.h"
#include "http/status.h"
#include "http/url.h"
#include "provider/mapping.h"

namespace purser::catalog_providers {
namespace {

using nlohmann::json;
using terraform::EntityOptions;
using terraform::Layout;
using terraform::Module;
using terraform::Root;
using terraform::State;
using terraform::StateResource;
using terraform::Tree;
using terraform::TreeFiles;

constexpr char kCommitMemory[] = "commit";
constexpr char kPathPlaceholder[] = "{path}";
constexpr int kMaxLoggedProblems = 200;  // of one round; the rest is counted

constexpr char kConfigSchema[] = R"json({
  "$schema": "http://json-schema.org/draft-07/schema#",
  "type": "object",
  "required": ["owner"],
  "additionalProperties": false,
  "oneOf": [{"required": ["repository"]}, {"required": ["folder"]}],
  "properties": {
    "repository": {"type": "string", "pattern": "^https?://", "maxLength": 2048,
      "description": "URL of the git repository."},
    "branch": {"type": "string", "minLength": 1, "maxLength": 255,
      "description": "Branch to read; the repository's default branch when absent."},
    "credential": {
      "type": "object", "additionalProperties": false, "required": ["secret"],
      "description": "How to sign in to the repository.",
      "properties": {
        "secret": {"type": "string", "minLength": 1, "description": "Reference, e.g. env:PURSER_SECRET_GIT."},
        "username": {"type": "string", "default": "git", "description": "Of basic authentication."},
        "bearer": {"type": "boolean", "default": false, "description": "Send the secret as a bearer token."}
      }
    },
    "folder": {"type": "string", "pattern": "^/",
      "description": "A checkout on purserd's machine, below one of its catalog folders."},
    "sourceUrl": {"type": "string", "pattern": "^https?://",
      "description": "Where people look at the folders, e.g. https://git.example.com/acme/infra/tree/main."},
    "owner": {"type": "string", "minLength": 1,
      "description": "Entity ref of who owns everything that no rule gives to another."},
    "lifecycle": {"type": "string", "minLength": 1, "default": "production"},
    "namespace": {"type": "string", "minLength": 1, "maxLength": 63, "default": "default"},
    "states": {
      "type": "object", "additionalProperties": false,
      "description": "Where the states of the roots are; without it they are not read.",
      "oneOf": [{"required": ["folder"]}, {"required": ["url"]}],
      "properties": {
        "folder": {"type": "string", "pattern": "^/",
          "description": "Folder below one of purserd's catalog folders."},
        "file": {"type": "string", "minLength": 1, "default": "{path}.tfstate",
          "description": "File below the folder; {path} is the root's path. A state, or what terraform show -json says."},
        "url": {"type": "string", "pattern": "^https?://",
          "description": "As of the http backend; {path} is the root's path, percent-encoded."},
        "credential": {
          "type": "object", "additionalProperties": false, "required": ["secret"],
          "properties": {
            "secret": {"type": "string", "minLength": 1},
            "username": {"type": "string", "default": "purser"},
            "bearer": {"type": "boolean", "default": false}
          }
        }
      }
    },
    "templates": {
      "type": "object", "additionalProperties": false, "required": ["modules"],
      "description": "Modules that become templates; needs `repository`, or a step that publishes.",
      "properties": {
        "modules": {"type": "array", "minItems": 1, "maxItems": 100,
          "items": {"type": "string", "minLength": 1, "maxLength": 1024},
          "description": "Paths; * stands for any characters."},
        "backend": {
          "type": "object", "additionalProperties": false, "required": ["type"],
          "properties": {
            "type": {"type": "string", "default": "local"},
            "config": {"type": "object"}
          }
        },
        "publish": {
          "type": "object", "additionalProperties": false, "required": ["action"],
          "description": "The step that publishes; purser:git:commit to a new branch when absent.",
          "properties": {"action": {"type": "string"}, "input": {"type": "object"}}
        }
      }
    }
  }
})json";

json ConfigSchema() {
  json schema = json::parse(kConfigSchema);
  schema["properties"]["roots"] = Layout::Schema();
  schema["properties"]["rules"] = provider::Mapping::Schema();
  return schema;
}

absl::StatusOr<std::string> Authorization(provider::Context& context, const json& config) {
  const auto credential = config.find("credential");
  if (credential == config.end()) return std::string();
  PURSER_ASSIGN_OR_RETURN(const std::string secret,
                          context.Secret(credential->at("secret").get<std::string>()));
  if (secret.empty() || secret.find_first_of("\r\n") != std::string::npos) {
    return absl::InvalidArgumentError("credential.secret: the value is empty or has line breaks");
  }
  if (credential->value("bearer", false)) return absl::StrCat("Bearer ", secret);
  return absl::StrCat(
      "Basic ", absl::Base64Escape(absl::StrCat(credential->value("username", ""), ":", secret)));
}

// One round of one instance.
class Round {
 public:
  Round(provider::Context& context, const std::vector<std::string>& folders)
      : context_(context), config_(context.config()), folders_(folders) {}

  absl::Status Run() {
    PURSER_RETURN_IF_ERROR(ReadConfig());
    absl::StatusOr<std::optional<TreeFiles>> files = ReadFiles();
    if (!files.ok()) return files.status();
    if (!files->has_value()) {
      context_.Unchanged();
      return absl::OkStatus();
    }
    const Tree tree = Tree::Build(**files, layout_);
    if (tree.roots().empty() && tree.modules().empty() && tree.faults().empty()) {
      Warn("no Terraform files were found");
    }
    for (const std::string& problem : tree.problems()) Warn(problem);
    PURSER_RETURN_IF_ERROR(EmitTree(tree));
    PURSER_RETURN_IF_ERROR(EmitStates(tree));
    if (problems_ > kMaxLoggedProblems) {
      context_.Log(action::LogLevel::kWarning,
                   absl::StrCat("… ", problems_ - kMaxLoggedProblems, " more problems"));
    }
    context_.Log(
        action::LogLevel::kInfo,
        absl::StrCat(tree.roots().size(), " roots, ", tree.modules().size() + tree.faults().size(),
                     " folders, ", resources_, " resources of states, ", problems_, " problems"));
    // While a file is wrong every round says so.
    if (!tree.faults().empty()) return context_.Remember(kCommitMemory, "");
    return RememberCommit();
  }

 private:
  absl::Status ReadConfig() {
    PURSER_ASSIGN_OR_RETURN(layout_, Layout::FromConfig(config_.at("roots")));
    if (config_.contains("rules")) {
      PURSER_ASSIGN_OR_RETURN(mapping_, provider::Mapping::Compile(config_["rules"]));
    }
    options_.owner = config_.at("owner").get<std::string>();
    options_.lifecycle = config_.value("lifecycle", "production");
    options_.namespace_name = config_.value("namespace", "default");
    options_.source_url = std::string(absl::StripSuffix(config_.value("sourceUrl", ""), "/"));
    options_.repository = config_.value("repository", "");
    if (const auto templates = config_.find("templates"); templates != config_.end()) {
      options_.publish = templates->value("publish", json());
      if (options_.publish.is_null() && options_.repository.empty()) {
        return absl::InvalidArgumentError(
            "templates.publish is required when the source is a folder: where should they go?");
      }
      if (const auto backend = templates->find("backend"); backend != templates->end()) {
        options_.backend = backend->value("type", "local");
        options_.backend_config = backend->value("config", json::object());
      }
    }
    return absl::OkStatus();
  }

  // Of what decides about the entities besides the files.
  std::string ConfigHash() const { return base::Sha256Hex(config_.dump()).substr(0, 16); }

  absl::StatusOr<std::optional<TreeFiles>> ReadFiles() {
    if (config_.contains("folder")) {
      const std::string path = config_["folder"].get<std::string>();
      PURSER_ASSIGN_OR_RETURN(const base::Directory folder, OpenFolder(path));
      options_.location = absl::StrCat("file:", absl::StripSuffix(path, "/"));
      PURSER_ASSIGN_OR_RETURN(TreeFiles files, terraform::ReadTree(folder));
      return std::optional<TreeFiles>(std::move(files));
    }
    git::RemoteOptions options;
    PURSER_ASSIGN_OR_RETURN(options.authorization, Authorization(context_, config_));
    PURSER_ASSIGN_OR_RETURN(
        const std::unique_ptr<git::Remote> remote,
        git::OpenRemote(options_.repository, context_.transport(), std::move(options)));
    terraform::TreeCollector collector;
    git::ReadFilesRequest request;
    request.branch = config_.value("branch", "");
    request.wanted = terraform::BelongsToTree;
    request.file = [&collector](absl::string_view path, std::string text) {
      return collector.Add(path, std::move(text));
    };
    // States change without a commit: with them every round reads all.
    const std::string known = context_.Recall(kCommitMemory).value_or("");
    absl::string_view commit = known;
    if (!config_.contains("states") && absl::ConsumeSuffix(&commit, ConfigHash())) {
      request.known = git::ObjectId::FromHex(commit);
    }
    git::Call call{context_.clock(), context_.stop()};
    PURSER_ASSIGN_OR_RETURN(const git::ReadFilesResult result,
                            git::ReadFiles(*remote, request, call));
    commit_ = result.commit.ToHex();
    if (!result.changed) return std::optional<TreeFiles>();
    SetLocation(result.branch);
    return std::optional<TreeFiles>(collector.Take());
  }

  void SetLocation(const std::string& branch) {
    if (options_.source_url.empty()) {
      options_.source_url =
          git::ContentsUrl(git::HostingOf(options_.repository), options_.repository, branch);
    }
    // A page that is not known must not be invented; the location only has to be the folder's own.
    options_.location = absl::StrCat("url:", options_.source_url.empty()
                                                 ? absl::StrCat(options_.repository, "#", branch)
                                                 : options_.source_url);
  }

  absl::Status RememberCommit() {
    if (commit_.empty()) return absl::OkStatus();
    return context_.Remember(kCommitMemory, absl::StrCat(commit_, ConfigHash()));
  }

  absl::StatusOr<base::Directory> OpenFolder(const std::string& path) const {
    std::error_code error;
    const std::filesystem::path folder = std::filesystem::canonical(path, error);
    if (error) {
      return absl::NotFoundError(
          absl::StrCat("folder ", base::EscapeForDisplay(path), ": ", error.message()));
    }
    for (const std::string& allowed : folders_) {
      const std::filesystem::path root = std::filesystem::canonical(allowed, error);
      if (error) continue;
      if (folder == root || absl::StartsWith(folder.string(), root.string() + "/")) {
        return base::Directory::Open(folder.string());
      }
    }
    return absl::PermissionDeniedError(
        absl::StrCat("folder ", base::EscapeForDisplay(path),
                     " is not below one that purserd may read; set catalog.folders in its "
                     "configuration"));
  }

  void Warn(absl::string_view line) {
    if (++problems_ <= kMaxLoggedProblems) context_.Log(action::LogLevel::kWarning, line);
  }

  // By the operator's rules, then to the host. What is wrong with one entity stops no other.
  absl::Status Emit(absl::string_view partition, const char* kind, absl::string_view name,
                    json variables, const json* tags, json entity) {
    const provider::MappingItem item = {"terraform", kind,      options_.namespace_name, name, tags,
                                        nullptr,     &variables};
    const absl::StatusOr<provider::MappingOutcome> outcome = mapping_.Apply(item, &entity);
    if (!outcome.ok()) {
      context_.AddDropped(1);
      Warn(absl::StrCat(kind, " ", name, ": ", outcome.status().message()));
      return absl::OkStatus();
    }
    if (*outcome == provider::MappingOutcome::kDropped) return absl::OkStatus();
    const absl::Status status = context_.EmitIn(partition, entity);
    if (status.code() != absl::StatusCode::kInvalidArgument) return status;
    Warn(absl::StrCat(kind, " ", name, ": ", status.message()));
    return absl::OkStatus();
  }

  static json VariablesOf(const char* kind, absl::string_view path,
                          const terraform::RootPlace* place) {
    json item = {{"kind", kind}, {"path", std::string(path)}};
    if (place != nullptr) {
      item["level"] = std::string(terraform::LevelName(place->level));
      for (const auto& [name, value] : place->names) item[name] = value;
    }
    return {{"item", std::move(item)}};
  }

  absl::Status EmitTree(const Tree& tree) {
    for (json& entity : terraform::PlaceEntities(tree, options_)) {
      const char* const kind = entity["kind"] == "Domain" ? "environment" : "customer";
      const std::string path =
          entity["metadata"]["annotations"]["purser.dev/terraform-path"].get<std::string>();
      PURSER_RETURN_IF_ERROR(
          Emit("", kind, path, VariablesOf(kind, path, nullptr), nullptr, std::move(entity)));
    }
    // A mistake in a file is no wish to remove what its folder described before.
    for (const auto& [path, fault] : tree.faults()) {
      context_.AddDropped(1);
      Warn(fault.message());
      context_.KeepPartition(terraform::LocationOf(options_, path), fault);
    }
    for (const auto& [path, root] : tree.roots()) {
      if (tree.faults().contains(path)) continue;
      for (json& entity : terraform::RootEntities(tree, root, options_)) {
        const char* const kind = entity["kind"] == "Component" ? "app" : "root";
        PURSER_RETURN_IF_ERROR(
            Emit("", kind, path, VariablesOf(kind, path, &root.place), nullptr, std::move(entity)));
      }
    }
    for (const auto& [path, module] : tree.modules()) {
      if (context_.stop().stop_requested()) return absl::CancelledError("stopped");
      if (tree.roots().contains(path)) continue;
      PURSER_RETURN_IF_ERROR(Emit("", "module", path, VariablesOf("module", path, nullptr), nullptr,
                                  terraform::ModuleEntity(tree, module, options_)));
      if (IsTemplate(path)) {
        PURSER_RETURN_IF_ERROR(Emit("", "template", path, VariablesOf("template", path, nullptr),
                                    nullptr, terraform::TemplateEntity(tree, module, options_)));
      }
    }
    return absl::OkStatus();
  }

  bool IsTemplate(absl::string_view path) const {
    const auto templates = config_.find("templates");
    if (templates == config_.end()) return false;
    // The path stands in a step, whose texts are expressions: "${{ … }}" in a folder's name would
    // be one of the repository's, not of the operator's.
    const bool plain = std::all_of(path.begin(), path.end(), [](char c) {
      return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '/' || c == '-' ||
             c == '_' || c == '.';
    });
    if (!plain) return false;
    const json& patterns = templates->at("modules");
    return std::any_of(patterns.begin(), patterns.end(), [&](const json& pattern) {
      return provider::WildcardMatches(pattern.get_ref<const std::string&>(), path);
    });
  }

  absl::Status EmitStates(const Tree& tree) {
    if (!config_.contains("states")) return absl::OkStatus();
    std::string authorization;
    std::optional<base::Directory> folder;
    const json& states = config_["states"];
    if (states.contains("folder")) {
      PURSER_ASSIGN_OR_RETURN(base::Directory opened,
                              OpenFolder(states["folder"].get<std::string>()));
      folder.emplace(std::move(opened));
    } else {
      PURSER_ASSIGN_OR_RETURN(authorization, Authorization(context_, states));
    }
    for (const auto& [path, root] : tree.roots()) {
      if (context_.stop().stop_requested()) return absl::CancelledError("stopped");
      const std::string partition = absl::StrCat("state:", path);
      const absl::StatusOr<std::optional<std::string>> text =
          folder.has_value() ? ReadStateFile(*folder, path) : FetchState(path, authorization);
      absl::StatusOr<State> state = State();
      if (text.ok() && text->has_value()) {
        state = terraform::ParseState(**text, absl::StrCat("state of ", path));
      } else if (!text.ok()) {
        state = base::Annotate(text.status(), absl::StrCat("state of ", path));
      }
      if (absl::IsCancelled(state.status())) return state.status();
      // No state yet, one that did not change, or one that cannot be read now: nothing is known
      // that would take away what the catalog holds.
      if (!state.ok() || !text->has_value()) {
        if (!state.ok()) Warn(state.status().message());
        context_.KeepPartition(partition, state.status());
        continue;
      }
      for (const StateResource& resource : state->resources) {
        ++resources_;
        json variables = VariablesOf("resource", path, &root.place);
        const json tags = resource.tags;
        variables["resource"] = {{"type", resource.type},         {"name", resource.name},
                                 {"address", resource.address},   {"provider", resource.provider},
                                 {"location", resource.location}, {"tags", tags}};
        PURSER_RETURN_IF_ERROR(Emit(partition, "resource", resource.address, std::move(variables),
                                    &tags, terraform::StateEntity(root, resource, options_)));
      }
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::optional<std::string>> ReadStateFile(const base::Directory& folder,
                                                           const std::string& path) const {
    const std::string name = absl::StrReplaceAll(config_["states"].value("file", "{path}.tfstate"),
                                                 {{kPathPlaceholder, path}});
    absl::StatusOr<std::string> text = folder.ReadFile(name, terraform::kMaxStateBytes);
    if (absl::IsNotFound(text.status())) return std::optional<std::string>();
    if (!text.ok()) return text.status();
    return std::optional<std::string>(*std::move(text));
  }

  absl::StatusOr<std::optional<std::string>> FetchState(const std::string& path,
                                                        const std::string& authorization) {
    http::Request request;
    request.url = absl::StrReplaceAll(config_["states"]["url"].get<std::string>(),
                                      {{kPathPlaceholder, http::EncodeComponent(path)}});
    request.headers = {{"Accept", "application/json"}};
    if (!authorization.empty()) request.headers.emplace_back("Authorization", authorization);
    const std::string memory = absl::StrCat("etag:", ConfigHash(), ":", path);
    if (const auto etag = context_.Recall(memory); etag.has_value()) {
      request.headers.emplace_back("If-None-Match", *etag);
    }
    http::CallOptions options;
    options.stop = context_.stop();
    options.max_response_bytes = terraform::kMaxStateBytes;
    PURSER_ASSIGN_OR_RETURN(http::Response response, context_.transport().Send(request, options));
    if (response.status == 304 || response.status == 404 || response.status == 204) {
      return std::optional<std::string>();
    }
    PURSER_RETURN_IF_ERROR(http::StatusFromResponse(response, "GET", "", context_.clock().Now()));
    const absl::string_view etag = http::FindHeader(response.headers, "ETag");
    if (memory.size() <= provider::kMaxMemoryKeyBytes && etag.size() <= 256) {
      PURSER_RETURN_IF_ERROR(context_.Remember(memory, etag));
    }
    return std::optional<std::string>(std::move(response.body));
  }

  provider::Context& context_;
  const json& config_;
  const std::vector<std::string>& folders_;
  Layout layout_;
  provider::Mapping mapping_;
  EntityOptions options_;
  std::string commit_;
  int64_t resources_ = 0;
  int64_t problems_ = 0;
};

}  // namespace

TerraformProvider::TerraformProvider(std::vector<std::string> allowed_folders)
    : allowed_folders_(std::move(allowed_folders)) {
  description_.id = "terraform";
  description_.description =
      "Environments, customers, apps and modules of a repository of Terraform, and what its states "
      "hold.";
  description_.host = action::Host::kSidecar;
  description_.config_schema = ConfigSchema();
  description_.kinds = {"Domain", "System", "Component", "Resource", "Template"};
}

absl::Status TerraformProvider::Snapshot(provider::Context& context) {
  return Round(context, allowed_folders_).Run();
}

}  // namespace purser::catalog_providers

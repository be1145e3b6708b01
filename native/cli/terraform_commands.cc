// purser terraform: what a change of files reaches, in a repository of Terraform.
#include <iostream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/status.h"
#include "base/strings.h"
#include "catalog-providers/terraform/affected.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "document/yaml.h"
#include "git/process.h"
#include "json/json.h"

namespace purser::cli {
namespace {

namespace terraform = catalog_providers::terraform;

constexpr int64_t kMaxLayoutFileBytes = 1 << 20;
constexpr size_t kMaxChangedBytes = 256 << 20;
constexpr char kUsageLine[] = "terraform affected [--base REF | --stdin | PATH…]";

// Names that a diff prints, one a line, or separated by NUL (git's -z).
std::vector<std::string> SplitNames(absl::string_view text) {
  const char separator = absl::StrContains(text, absl::string_view("\0", 1)) ? '\0' : '\n';
  std::vector<std::string> names;
  for (absl::string_view name : absl::StrSplit(text, separator, absl::SkipEmpty())) {
    if (separator == '\n' && absl::EndsWith(name, "\r")) name.remove_suffix(1);
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

absl::StatusOr<std::vector<std::string>> NamesFromInput() {
  std::string text;
  char buffer[64 << 10];
  while (std::cin.read(buffer, sizeof(buffer)) || std::cin.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(std::cin.gcount()));
    if (text.size() > kMaxChangedBytes) {
      return absl::ResourceExhaustedError("standard input: too many names (kMaxChangedBytes)");
    }
  }
  return SplitNames(text);
}

// What differs between the merge base of `base` and HEAD, and what is not committed yet.
absl::StatusOr<std::vector<std::string>> NamesFromGit(const std::string& root,
                                                      const std::string& base) {
  if (base.empty() || base[0] == '-') {
    return absl::InvalidArgumentError("--base must name a commit or branch");
  }
  git::ProcessRequest request;
  request.arguments = {"git",           "-C",           root,           "diff",
                       "--name-only",   "-z",           "--no-renames", "--relative",
                       "--no-ext-diff", "--merge-base", base,           "--"};
  request.max_output_bytes = static_cast<int64_t>(kMaxChangedBytes);
  PURSER_ASSIGN_OR_RETURN(const git::ProcessResult result, git::RunProcess(request));
  if (result.exit_code != 0) {
    return absl::FailedPreconditionError(absl::StrCat("git diff --merge-base ",
                                                      base::EscapeForDisplay(base), ": ",
                                                      base::EscapeForDisplay(result.errors, 500)));
  }
  std::vector<std::string> names = SplitNames(result.output);
  // A new file that git does not know yet is a change as well.
  request.arguments = {"git", "-C", root, "ls-files", "--others", "--exclude-standard", "-z"};
  PURSER_ASSIGN_OR_RETURN(const git::ProcessResult others, git::RunProcess(request));
  if (others.exit_code == 0) {
    for (std::string& name : SplitNames(others.output)) names.push_back(std::move(name));
  }
  return names;
}

absl::StatusOr<terraform::Layout> ReadLayout(const Args& args) {
  const std::string file = args.Get("layout");
  if (file.empty()) return terraform::Layout::Default();
  PURSER_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file, kMaxLayoutFileBytes));
  PURSER_ASSIGN_OR_RETURN(const document::Document document,
                          document::ParseYamlDocument(text, file));
  PURSER_ASSIGN_OR_RETURN(const json::Schema schema,
                          json::Schema::Compile(terraform::Layout::Schema()));
  PURSER_RETURN_IF_ERROR(json::ToStatus(schema.Validate(document.value), file));
  absl::StatusOr<terraform::Layout> layout = terraform::Layout::FromConfig(document.value);
  if (!layout.ok()) return base::Annotate(layout.status(), file);
  return layout;
}

nlohmann::json ToJson(const terraform::AffectedRoot& root) {
  return {{"path", root.path},
          {"level", std::string(terraform::LevelName(root.place.level))},
          {"names", root.place.names},
          {"removed", root.removed},
          {"because", root.because}};
}

absl::StatusOr<int> Affected(const Args& args) {
  const std::string root = args.Get("root", ".");
  const bool from_git = !args.Get("base").empty();
  const int sources =
      (from_git ? 1 : 0) + (args.Has("stdin") ? 1 : 0) + (args.words().empty() ? 0 : 1);
  if (sources != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("give one of --base, --stdin and paths: purser ", kUsageLine));
  }
  std::vector<std::string> changed = args.words();
  if (from_git) {
    PURSER_ASSIGN_OR_RETURN(changed, NamesFromGit(root, args.Get("base")));
  } else if (args.Has("stdin")) {
    PURSER_ASSIGN_OR_RETURN(changed, NamesFromInput());
  }
  std::vector<std::string> paths;
  for (const std::string& path : changed) {
    const std::optional<std::string> resolved = terraform::ResolvePath("", path);
    if (!resolved.has_value() || path[0] == '/') {
      return absl::InvalidArgumentError(
          absl::StrCat(base::EscapeForDisplay(path),
                       ": paths are relative to the repository's root "
                       "and stay in it"));
    }
    paths.push_back(*resolved);
  }
  PURSER_ASSIGN_OR_RETURN(const terraform::Layout layout, ReadLayout(args));
  PURSER_ASSIGN_OR_RETURN(const base::Directory folder, base::Directory::Open(root));
  PURSER_ASSIGN_OR_RETURN(const terraform::TreeFiles files, terraform::ReadTree(folder));
  const terraform::Tree tree = terraform::Tree::Build(files, layout);
  const std::vector<terraform::AffectedRoot> roots =
      terraform::Affected(tree, layout, paths, {.readers = args.Has("readers")});
  std::vector<std::string> problems = tree.problems();
  for (const auto& [path, fault] : tree.faults()) problems.emplace_back(fault.message());
  if (args.Has("json")) {
    nlohmann::json list = nlohmann::json::array();
    for (const terraform::AffectedRoot& item : roots) list.push_back(ToJson(item));
    PrintJson({{"roots", std::move(list)}, {"problems", problems}});
    return kOk;
  }
  for (const std::string& problem : problems) {
    std::cerr << "purser: " << base::EscapeForDisplay(problem, 500) << "\n";
  }
  if (args.Has("explain")) {
    std::vector<std::vector<std::string>> rows;
    for (const terraform::AffectedRoot& item : roots) {
      rows.push_back({item.path, std::string(terraform::LevelName(item.place.level)),
                      item.removed ? "removed" : "changed", absl::StrJoin(item.because, ", ")});
    }
    PrintTable({"ROOT", "LEVEL", "STATE", "BECAUSE"}, rows);
    return kOk;
  }
  // One a line, for a shell's loop: what is there to be planned.
  for (const terraform::AffectedRoot& item : roots) {
    if (!item.removed) std::cout << item.path << "\n";
  }
  return kOk;
}

}  // namespace

std::vector<Entry> TerraformCommands() {
  return {
      {{"terraform affected",
        "[PATH…]",
        "list the root modules that a change of files reaches, in the order to apply them",
        {{"base", "REF", "what differs from where the branch left REF, and what is not committed"},
         {"stdin", "", "read the changed paths from standard input, by line or NUL"},
         {"root", "DIR", "the repository's root (.)"},
         {"layout", "FILE", "YAML list of {path, level}: which folders are roots"},
         {"readers", "", "also roots that read the state of an affected one"},
         {"explain", "", "show level and reasons; also roots that are gone"},
         {"json", "", "print JSON"},
         {"help", "", "show this help"}}},
       Printing(Affected)}};
}

}  // namespace purser::cli

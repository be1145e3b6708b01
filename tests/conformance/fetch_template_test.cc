// Backstage's own results of its fetch actions, recorded, against ours.
//
// One difference is on purpose: after an error the workspace is as it was, where Backstage leaves a
// part of the tree. PURSER_TREE_VECTORS names another file of cases.
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/hash.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "template/tree.h"

namespace purser {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string VectorsPath() {
  if (const char* given = getenv("PURSER_TREE_VECTORS"); given != nullptr) return given;
  const char* shared = getenv("PURSER_SHARED");
  const std::string base = shared != nullptr ? shared : PURSER_SOURCE_DIR "/../shared";
  return base + "/data/template/fetch-template-vectors-open.json";
}

// A file as the cases describe it: text, "base64:…", or {content, mode} or {link}.
void Put(const std::string& root, const std::string& path, const json& file) {
  const fs::path place = fs::path(root) / path;
  fs::create_directories(place.parent_path());
  if (file.is_object() && file.contains("link")) {
    fs::create_symlink(file["link"].get<std::string>(), place);
    return;
  }
  std::string text = (file.is_string() ? file : file.at("content")).get<std::string>();
  if (absl::StartsWith(text, "base64:")) {
    ASSERT_TRUE(absl::Base64Unescape(text.substr(7), &text));
  }
  std::ofstream(place, std::ios::binary) << text;
  const mode_t mode = file.is_object() && file.contains("mode") ? file["mode"].get<mode_t>() : 0644;
  ASSERT_EQ(chmod(place.c_str(), mode), 0);
}

// The folder as the cases describe a result.
json Tree(const std::string& root) {
  auto folder = base::Directory::Open(root);
  json tree = json::object();
  if (!folder.ok()) return tree;
  const auto entries = folder->List();
  if (!entries.ok()) return tree;
  for (const base::DirectoryEntry& entry : *entries) {
    if (entry.kind == base::FileKind::kDirectory) {
      tree[entry.path + "/"] = {{"dir", true}};
    } else if (entry.kind == base::FileKind::kSymlink) {
      tree[entry.path] = {{"link", *folder->ReadSymlink(entry.path)}};
    } else {
      const std::string bytes = *folder->ReadFile(entry.path, 64 << 20);
      tree[entry.path] = {{"mode", absl::StrFormat("%o", entry.mode)},
                          {"text", bytes},
                          {"sha256", base::Sha256Hex(bytes)}};
    }
  }
  return tree;
}

// What differs, empty when nothing does.
std::string Difference(const json& wanted, const json& got) {
  for (const auto& [path, file] : wanted.items()) {
    if (!got.contains(path)) return "missing " + path;
    for (const auto& [key, value] : file.items()) {
      if (key == "size") continue;
      if (!got[path].contains(key) || got[path][key] != value) {
        return absl::StrCat(path, ": ", key, " is ",
                            got[path]
                                .value(key, json())
                                .dump(-1, ' ', true, json::error_handler_t::replace)
                                .substr(0, 200),
                            ", not ", value.dump().substr(0, 200));
      }
    }
  }
  for (const auto& [path, file] : got.items()) {
    if (!wanted.contains(path)) return "surplus " + path;
  }
  return "";
}

// fetch:template:file, fetch:plain and fetch:plain:file.
absl::Status RunOtherCase(const json& one, const std::string& root) {
  const json& input = one["input"];
  const std::string url = input.value("url", "");
  const std::string from = absl::StrCat(root, "/", absl::StripPrefix(url, "./"));
  auto workspace = base::Directory::Open(root + "/ws");
  if (!workspace.ok()) return workspace.status();
  const auto context = tmpl::Context::FromText(one["contextText"].get<std::string>());
  if (!context.ok()) return context.status();
  const std::string target = input.value("targetPath", "./");
  tmpl::TreeOptions options;
  if (one["action"] == "fetch:template:file") {
    options.cookiecutter_compat = input.value("cookiecutterCompat", false);
    options.trim_blocks = input.value("trimBlocks", false);
    options.lstrip_blocks = input.value("lstripBlocks", false);
    options.replace = input.value("replace", false);
    const auto text = base::ReadFile(from, 64 << 20);
    if (!text.ok()) return text.status();
    return tmpl::RenderFile(url, *text, *workspace, target, *context, options).status();
  }
  if (one["action"] == "fetch:plain:file") {
    const auto to = tmpl::NormalizeBelow(target);
    if (!to.ok()) return to.status();
    const auto text = base::ReadFile(from, 64 << 20);
    if (!text.ok()) return text.status();
    return workspace->WriteFileExactly(*to, *text,
                                       static_cast<mode_t>(fs::status(from).permissions()));
  }
  options.verbatim = true;
  const auto source = base::Directory::Open(from);
  if (!source.ok()) return source.status();
  return tmpl::RenderTree(*source, *workspace, target, *context, options).status();
}

absl::Status RunCase(const json& one, const std::string& root) {
  if (one["action"] != "fetch:template" && one["action"] != "workspace:template") {
    return RunOtherCase(one, root);
  }
  const json& input = one["input"];
  const bool workspace_action = one["action"] == "workspace:template";
  tmpl::TreeOptions options;
  options.cookiecutter_compat = input.value("cookiecutterCompat", false);
  options.trim_blocks = input.value("trimBlocks", false);
  options.lstrip_blocks = input.value("lstripBlocks", false);
  options.replace = input.value("replace", false);
  const json patterns = input.value("copyWithoutTemplating", json::array());
  if (!patterns.is_array()) return absl::InvalidArgumentError("patterns must be a list");
  options.copy_without_templating = patterns.get<std::vector<std::string>>();
  const json extension = input.value("templateFileExtension", json(false));
  if (extension.is_string()) options.template_file_extension = extension;
  if (extension == json(true)) options.template_file_extension = ".njk";
  std::string& suffix = options.template_file_extension;
  if (!suffix.empty() && suffix[0] != '.') suffix.insert(0, ".");
  if (!suffix.empty() && (input.contains("copyWithoutTemplating") || options.cookiecutter_compat)) {
    return absl::InvalidArgumentError("incompatible inputs");
  }
  const std::string from = input.value("url", "");
  const std::string source_path = workspace_action
                                      ? absl::StrCat(root, "/ws/", input.value("sourcePath", ""))
                                      : absl::StrCat(root, "/", absl::StripPrefix(from, "./"));
  if (workspace_action) {
    const auto below = tmpl::NormalizeBelow(input.value("sourcePath", ""));
    if (!below.ok()) return below.status();
    const auto target = tmpl::NormalizeBelow(input.value("targetPath", ""));
    if (target.ok() && absl::StartsWith(*target + "/", *below + "/")) {
      return absl::InvalidArgumentError("the target is within the source");
    }
  }
  auto source = base::Directory::Open(source_path);
  if (!source.ok()) return source.status();
  auto workspace = base::Directory::Open(root + "/ws");
  if (!workspace.ok()) return workspace.status();
  // By text, so that members keep their order.
  const auto context = tmpl::Context::FromText(one["contextText"].get<std::string>());
  if (!context.ok()) return context.status();
  return tmpl::RenderTree(*source, *workspace, input.value("targetPath", "./"), *context, options)
      .status();
}

TEST(FetchTemplateConformance, AgreesWithBackstage) {
  std::ifstream file(VectorsPath());
  if (!file.good()) GTEST_SKIP() << "SKIP " << VectorsPath() << " is not there";
  const auto ordered = nlohmann::ordered_json::parse(file);
  const mode_t old = umask(022);
  int passed = 0, total = 0;
  for (const auto& ordered_case : ordered["cases"]) {
    json one = json::parse(ordered_case.dump());
    nlohmann::ordered_json values =
        ordered_case["input"].value("values", nlohmann::ordered_json::object());
    const bool cookiecutter = one["input"].value("cookiecutterCompat", false);
    one["contextText"] =
        one["input"].contains("values")
            ? nlohmann::ordered_json{{cookiecutter ? "cookiecutter" : "values", values}}.dump()
            : "{}";
    std::string root = testing::TempDir() + "purser-tree-XXXXXX";
    ASSERT_NE(mkdtemp(root.data()), nullptr);
    fs::create_directories(root + "/ws");
    fs::create_directories(root + "/skeleton");
    for (const auto& [path, content] : one["files"].items()) {
      Put(root + "/skeleton", path, content);
    }
    const json before = one.value("pre", json::object());
    for (const auto& [path, content] : before.items()) Put(root + "/ws", path, content);
    const json tree_before = Tree(root + "/ws");
    const absl::Status status = RunCase(one, root);
    const json tree = Tree(root + "/ws");
    std::string problem;
    if (status.ok() != one["ok"].get<bool>()) {
      problem = absl::StrCat("ended with ", status.ToString());
    } else if (status.ok()) {
      problem = Difference(one["tree"], tree);
    } else {
      problem = Difference(tree_before, tree);
    }
    ++total;
    passed += problem.empty();
    EXPECT_EQ(problem, "") << one["name"];
    fs::remove_all(root);
  }
  umask(old);
  std::printf("fetch:template cases: %d passed, %d failed\n", passed, total - passed);
}

}  // namespace
}  // namespace purser
